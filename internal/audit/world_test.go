package audit_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/audit"
	"github.com/outdial/outdial/pkg/events"
)

var (
	noon    = time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC)
	acmeKey = events.Key(strings.Repeat("k", 32))
)

const (
	customer = "+12025550123"
	stranger = "+12025550199"
	agentID  = "agent4"
	sid      = "2098765" // what the provider calls the agent
)

// A world writes the two logs and the ledger as honest services and an honest
// company would. A test then changes what it likes.
type world struct {
	calls, agents []events.Record
	dials         []audit.Dialed
	now           time.Time
	seq           map[events.Family]uint64
	states        map[string]events.AgentState
	places        map[string]int
	attempts      int
	tenant        string
	key           events.Key
	numbers       map[string]events.Number // by tenant and number: masking one is slow
}

func newWorld() *world {
	w := &world{now: noon, tenant: "acme", key: acmeKey, seq: map[events.Family]uint64{}, states: map[string]events.AgentState{}, places: map[string]int{},
		numbers: map[string]events.Number{}}
	w.enroll(agentID, sid)
	return w
}

func (w *world) write(f events.Family, id string, role events.Role, name events.Name, body any) events.Record {
	w.now = w.now.Add(time.Second)
	w.seq[f]++
	w.places[string(f)+id]++
	r := events.Record{
		Family: f, Tenant: w.tenant, Key: id, Role: role, Name: name, Seq: w.seq[f], Stored: w.now, Time: w.now,
		ID: fmt.Sprintf("%s-%s-%d", f, id, w.seq[f]), Place: w.places[string(f)+id], Body: body,
	}
	if f == events.AgentFamily {
		w.agents = append(w.agents, r)
	} else {
		w.calls = append(w.calls, r)
	}
	return r
}

func (w *world) enroll(agent, provider string) {
	s := events.AgentState{Presence: events.Offline, Kind: "tcn", ProviderAgent: provider}
	w.states[agent] = s
	w.write(events.AgentFamily, agent, events.Orchestrator, events.Enrolled, &events.AgentEnrolled{State: s})
}

func (w *world) claim(agent, call string) uint64 {
	s := w.states[agent]
	s.Claim = &events.AgentClaim{Call: call, Since: w.now}
	w.states[agent] = s
	return w.write(events.AgentFamily, agent, events.Orchestrator, events.Claimed, &events.AgentClaimed{Call: call, State: s}).Seq
}

func (w *world) release(agent, call string) {
	s := w.states[agent]
	s.Claim, s.Quarantine = nil, nil
	w.states[agent] = s
	w.write(events.AgentFamily, agent, events.Orchestrator, events.Released, &events.AgentReleased{Call: call, Cause: "closed", State: s})
}

func (w *world) quarantine(agent, call string) {
	s := w.states[agent]
	s.Claim, s.Quarantine = nil, &events.AgentClaim{Call: call, Since: w.now}
	w.states[agent] = s
	w.write(events.AgentFamily, agent, events.Orchestrator, events.Quarantined, &events.AgentQuarantined{Call: call, Reason: "no_news", State: s})
}

func (w *world) presence(agent string, name events.Name) {
	s := w.states[agent]
	s.Presence = name
	w.states[agent] = s
	w.write(events.AgentFamily, agent, events.Bridge, name, &events.AgentPresence{State: s})
}

// A phone writes one call.
type phone struct {
	*world
	id, agent, to string
	queue         string // asked for, and assigned, instead of an agent
	refs          events.Refs
	fence         uint64
	attempt       string // of the last intent
	pass          events.Record
}

func (w *world) call(id string) *phone {
	p := &phone{world: w, id: id, agent: agentID, to: customer}
	p.add(events.Requested)
	return p
}

// queued begins a call for a queue of the provider's.
func (w *world) queued(id string) *phone {
	p := &phone{world: w, id: id, queue: "menu-7", to: customer}
	return p.adds(events.Requested)
}

func (p *phone) add(name events.Name) *phone {
	p.write(events.CallFamily, p.id, roleOf(name), name, p.body(name))
	seq := p.seq[events.CallFamily]
	switch name {
	case events.Requested:
		if p.refs.Requested == 0 {
			p.refs.Requested = seq
		}
	case events.Assigned:
		p.refs.Assigned, p.refs.Passed = seq, 0
	case events.Passed:
		p.refs.Passed, p.pass = seq, p.calls[len(p.calls)-1]
	case events.Waiting, events.Closed:
		if p.fence > 0 {
			p.release(p.agent, p.id)
			p.fence = 0
		}
	}
	return p
}

func roleOf(name events.Name) events.Role {
	for _, s := range events.CallSpecs() {
		if s.Name == name {
			return s.Role
		}
	}
	panic("no such event: " + string(name))
}

// body is what the services would say. An assigned claims the agent first.
func (p *phone) body(name events.Name) any {
	common := events.Common{Number: p.number(), Refs: p.refs}
	switch name {
	case events.Requested:
		return &events.CallRequested{Common: common, Request: events.DialRequest{To: p.to, Queue: p.queue}, ExpiresAt: p.now.Add(15 * time.Minute)}
	case events.Assigned:
		if p.queue != "" {
			return &events.CallAssigned{Common: common, Queue: p.queue, Connection: "lists"}
		}
		p.fence = p.claim(p.agent, p.id)
		return &events.CallAssigned{Common: common, Agent: p.agent, Fence: p.fence}
	case events.Passed:
		return &events.CallPassed{Common: common, Decision: "d", ValidUntil: p.now.Add(time.Minute), Fence: p.fence,
			Scrub: &events.Scrub{OK: true, State: map[string]string{"callSid": p.sid()}}}
	case events.Dialing:
		p.attempts++
		p.attempt = fmt.Sprint("attempt", p.attempts)
		return &events.CallDialing{Common: common, Attempt: p.attempt, PassID: p.pass.ID,
			PassHash: hashOf(p.pass), Agent: p.agent, Fence: p.fence}
	case events.Closed:
		return &events.CallClosed{Common: common, Outcome: events.OutcomeCompleted, Presumed: p.unanswered()}
	case events.Resolved:
		return &events.CallResolved{Common: common, Placed: true}
	}
	for _, s := range events.CallSpecs() {
		if s.Name == name {
			b := s.New()
			events.SetCommon(b, common)
			return b
		}
	}
	panic("no such event: " + string(name))
}

// unanswered says that an intent is the last that is on record of the dial, so
// that only a watchdog can close the call.
func (p *phone) unanswered() bool {
	intent := false
	for _, r := range p.calls {
		if r.Key != p.id {
			continue
		}
		switch r.Name {
		case events.Dialing:
			intent = true
		case events.CancelRequested, events.CancelFailed, events.Cancelled, events.Annotated, events.RecordingStarted, events.RecordingStopped,
			events.Failed, events.Requested, events.Preparing:
		default:
			intent = false
		}
	}
	return intent
}

func (p *phone) number() events.Number {
	k := p.tenant + p.to
	if _, ok := p.numbers[k]; !ok {
		p.numbers[k] = p.key.Number(p.to)
	}
	return p.numbers[k]
}

func (p *phone) sid() string { return "sid-" + p.id }

// hashOf reads a pass as a dialer would: as it stands in the log.
func hashOf(pass events.Record) string {
	if pass.Body == nil {
		return ""
	}
	raw, err := json.Marshal(pass.Body)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// unheard is a dial that came to nothing, by the broker's word.
func (p *phone) unheard() *phone {
	return p.adds(events.Assigned, events.Passed, events.Dialing).prove()
}

// prove says of the intent that nobody listened.
func (p *phone) prove() *phone {
	p.add(events.Withheld)
	b := p.calls[len(p.calls)-1].Body.(*events.CallWithheld)
	b.Attempt, b.Proof = p.attempt, events.ProofNoResponders
	return p
}

// wentBack is why the last event closed the call.
func (p *phone) wentBack() {
	b := p.calls[len(p.calls)-1].Body.(*events.CallClosed)
	b.Outcome, b.Reason, b.Presumed = events.OutcomeFailed, "store_went_back", true
}

func (p *phone) adds(names ...events.Name) *phone {
	for _, n := range names {
		p.add(n)
	}
	return p
}

// rings puts the dial on the company's ledger, for as long as given.
func (p *phone) rings(d time.Duration) *phone {
	p.now = p.now.Add(time.Second)
	p.dials = append(p.dials, audit.Dialed{At: p.now, Until: p.now.Add(d), Provider: "tcn", Agent: sid, Number: p.to, ProviderCall: p.sid()})
	return p
}

// talked is a whole good call.
func (w *world) talked(id string) *phone {
	return w.call(id).adds(events.Assigned, events.Preparing, events.Passed, events.Dialing).rings(4*time.Second).
		adds(events.Started, events.Ringing, events.Talking, events.Ended, events.WrapUp, events.WrappedUp, events.Closed)
}

// judge takes the whole record and reports, a little later.
func (w *world) judge(o audit.Options) audit.Report {
	if o.Keys == nil {
		o.Keys = map[string]events.Key{"acme": acmeKey}
	}
	j := audit.New(o)
	j.Dialed(w.dials...)
	for _, r := range append(slices.Clone(w.calls), w.agents...) {
		j.Take(r)
	}
	return j.Report(w.now.Add(time.Second))
}

// at finds the nth event of a name, from 1.
func (w *world) at(name events.Name, nth int) *events.Record {
	for _, log := range [][]events.Record{w.calls, w.agents} {
		for i := range log {
			if log[i].Name == name {
				if nth--; nth == 0 {
					return &log[i]
				}
			}
		}
	}
	panic(fmt.Sprintf("no %s", name))
}

// drop takes an event out of its call's log as if it had never been written.
func (w *world) drop(r *events.Record) {
	gone := *r
	w.calls = slices.DeleteFunc(w.calls, func(o events.Record) bool { return o.Seq == gone.Seq })
	w.replace(gone.Key)
}

// replace numbers a call's places anew.
func (w *world) replace(id string) {
	place := 0
	for i := range w.calls {
		if w.calls[i].Key == id {
			place++
			w.calls[i].Place = place
		}
	}
}

// swap puts two neighbors of one call into the other order.
func (w *world) swap(a, b *events.Record) {
	*a, *b = *b, *a
	a.Seq, b.Seq = b.Seq, a.Seq
	a.Time, b.Time = b.Time, a.Time
	a.Stored, b.Stored = b.Stored, a.Stored
	a.Place, b.Place = b.Place, a.Place
}

// found is the findings' categories, in order.
func found(r audit.Report) string {
	var out []string
	for _, f := range r.Findings {
		out = append(out, f.Invariant)
	}
	return strings.Join(out, " ")
}

func text(r audit.Report) string {
	var b strings.Builder
	_ = r.Write(&b) // a builder never fails
	return b.String()
}

// expect wants these categories and no other, each saying what is wanted.
func expect(t *testing.T, r audit.Report, categories string, says ...string) {
	t.Helper()
	if got := found(r); got != categories {
		t.Fatalf("found %q, want %q\n%s", got, categories, text(r))
	}
	for i, s := range says {
		if i >= len(r.Findings) || !strings.Contains(r.Findings[i].What, s) {
			t.Errorf("finding %d does not say %q\n%s", i+1, s, text(r))
		}
	}
}
