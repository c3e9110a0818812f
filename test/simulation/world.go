package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/outdial/outdial/internal/api"
	"github.com/outdial/outdial/internal/audit"
	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/services/compliance/rules"
	"github.com/outdial/outdial/services/orchestrator"
	"github.com/outdial/outdial/test/exams/logtest"
)

const tenant = "acme"

// begin is noon in New York, a Monday: inside every window there.
var begin = time.Date(2026, 3, 9, 16, 0, 0, 0, time.UTC)

// limits let the watchdogs decide within minutes.
var limits = orchestrator.Limits{Undo: 20 * time.Second, Answer: 40 * time.Second, Unknown: 40 * time.Second, Silence: time.Minute,
	Ring: 40 * time.Second, Talk: 2 * time.Minute, Ended: 20 * time.Second, WrapUp: 40 * time.Second, Retry: time.Second,
	ClaimAge: 5 * time.Second, Lease: 10 * time.Second}

// Options say how large a world is, and how unkind.
type Options struct {
	Calls  int
	deaths int // a process dies at one in so many places; 0 never
	odd    int // percent of the usual odds of everything else; 0 none
	broken guard
}

// A guard is something that holds the world together. A world without one must
// be found out, or a world that is found whole proves nothing.
type guard int

// The guards that the simulation itself can take away; test/controls takes
// those of the services.
const (
	whole         guard = iota
	compareAndSet       // the log takes whatever is appended
	winning             // everybody hears that their append was new
	silence             // who hears no answer to a start sends it again
)

// A World is everything that one seed makes up.
type World struct {
	*Sched
	opts Options
	seed uint64
	calm bool // nothing goes wrong any more

	log       *logtest.Log
	told      map[events.Family]uint64
	plain     map[string]uint64 // last sequences of other streams
	raws      []worker.Delivery // PROVIDER
	facts     map[string]fact
	factSeq   uint64
	dir       *tenants.Directory
	rulesets  map[string]rules.RuleSet
	zones     rules.Zones
	sessions  *sessions.Memory
	durables  []*durable
	processes []*process

	tcn    *company
	desks  *desks
	polled []string // agents of the polled company
	seated []string // agents with a desktop

	ledger  []*dial
	sends   map[string]int  // by attempt
	won     map[string]bool // attempts whose intent was acknowledged as new
	late    []string        // attempts that were sent after their time
	blind   []string        // calls whose intent was for an agent who was not free any more
	counts  map[string]int
	serials int
	reads   int
	calls   []string
}

func (w *World) serial() int { w.serials++; return w.serials }

func (w *World) count(what string) { w.counts[what]++ }

// odds is a chance that is only there while things may go wrong.
func (w *World) odds(oneIn int) bool {
	if w.calm || w.opts.odd == 0 || oneIn == 0 {
		return false
	}
	return w.chance(max(oneIn*100/w.opts.odd, 2))
}

// mayDie is the running process's place to end.
func (w *World) mayDie() {
	if t := w.running; t != nil {
		t.of.mayDie()
	}
}

func (w *World) since(f events.Family, seq uint64) []events.Record {
	rs, err := w.log.From(f, seq+1)
	if err != nil {
		panic(err)
	}
	return rs
}

// anyProcess is a process of a role that is at work, nil if there is none.
func (w *World) anyProcess(role string) *process {
	var up []*process
	for _, p := range w.processes {
		if p.up && !w.now.Before(p.frozen) && p.has(role) {
			up = append(up, p)
		}
	}
	if len(up) == 0 {
		return nil
	}
	return up[w.rng.IntN(len(up))]
}

// dialed puts a dial on the ledger.
func (w *World) dialed(provider, agent string, o providers.Order) *dial {
	d := &dial{Dialed: audit.Dialed{At: w.now, Provider: provider, Agent: agent, Number: o.To,
		ProviderCall: fmt.Sprintf("p%d", w.serial()), Correlation: o.Attempt}}
	w.ledger = append(w.ledger, d)
	return d
}

// sent hears that a request to dial leaves a dialer.
func (w *World) sent(attempt string, notAfter time.Time) {
	w.sends[attempt]++
	if w.now.After(notAfter) {
		w.late = append(w.late, attempt)
	}
}

// noteShown notes that the record could know of a conversation.
func (w *World) noteShown(raw events.ProviderRaw) {
	body := string(raw.Body)
	if l := w.tcn.lines[raw.Agent]; l != nil {
		if l.dial != nil && l.dial.talked && strings.Contains(body, "PEERED") {
			l.dial.polls = append(l.dial.polls, poll{raw, w.now})
		}
		return
	}
	if !strings.Contains(body, `"eAgentContactAssigned"`) || !strings.Contains(body, `{"hasJoined":true,"id":"+`) {
		return
	}
	for _, d := range w.ledger {
		if strings.Contains(body, `"interactionId":"`+d.ProviderCall+`"`) && d.since.IsZero() {
			d.since = w.now
		}
	}
}

func newWorld(seed uint64, o Options, zones rules.Zones, sets map[string]rules.RuleSet) *World {
	w := &World{Sched: newSched(seed, begin), opts: o, seed: seed, told: map[events.Family]uint64{}, plain: map[string]uint64{},
		facts: map[string]fact{}, rulesets: sets, zones: zones, sends: map[string]int{}, won: map[string]bool{}, counts: map[string]int{}}
	w.log = logtest.New(w.Now)
	w.sessions = sessions.NewMemory(w.Now)
	w.tcn = &company{w: w, lines: map[string]*line{}}
	w.desks = &desks{w: w, pages: map[string]*page{}}
	key := events.Key(strings.Repeat("k", 32))
	dir, err := tenants.New(
		[]tenants.Tenant{{Name: tenant, Countries: []string{"US"}, Ruleset: "us-federal", Connection: "tcn", Key: key}},
		[]tenants.Connection{
			{Name: "tcn", Tenant: tenant, Kind: providers.TCN, Loopback: true, Provider: w.tcn.provider()},
			{Name: "desk", Tenant: tenant, Kind: providers.WebexCC, Loopback: true, Provider: w.desks.provider()},
		})
	if err != nil {
		panic(err)
	}
	w.dir = dir
	w.people()
	return w
}

// people are the agents and the processes that serve them.
func (w *World) people() {
	for i := range 3 {
		w.polled = append(w.polled, fmt.Sprintf("t%d", i))
		a := fmt.Sprintf("d%d", i)
		w.seated = append(w.seated, a)
		w.desks.pages[a] = &page{w: w, agent: a, seen: map[string]bool{}}
	}
	all := []string{"orchestrator", "compliance", "dialer", "events-bridge"}
	for range 2 {
		if w.chance(2) { // as outdial up
			w.processes = append(w.processes, &process{w: w, roles: all})
			continue
		}
		for _, role := range all {
			w.processes = append(w.processes, &process{w: w, roles: []string{role}})
		}
	}
	for _, p := range w.processes {
		p.start()
	}
	for _, r := range [][3]string{
		{events.StreamCalls, "orchestrator", "orchestrator"}, {events.StreamAgents, "orchestrator", "orchestrator"},
		{events.StreamAgents, "projector", "orchestrator"}, {events.RequestStream(tenant), "orchestrator", "orchestrator"},
		{events.StreamCalls, "compliance", "compliance"}, {events.StreamCalls, "dialer", "dialer"},
		{events.StreamProvider, "bridge", "events-bridge"},
	} {
		w.durables = append(w.durables, &durable{w: w, stream: r[0], name: r[1], role: r[2], open: map[uint64]*pending{}})
	}
}

// run plays the whole story: agents are enrolled, requests come, things go
// wrong, then nothing goes wrong any more and the dust settles.
func (w *World) run() {
	w.enrol()
	for i := range w.opts.Calls {
		w.after(2*time.Second+time.Duration(i)*2*time.Second+w.between(0, 6*time.Second), func() { w.request(i) })
	}
	for _, a := range w.seated {
		w.after(w.between(time.Second, 2*time.Second), w.desks.pages[a].live)
	}
	last := begin.Add(time.Duration(w.opts.Calls)*2*time.Second + 30*time.Second)
	w.at(last, func() { w.calm = true })
	var tick func()
	tick = func() {
		w.tcn.whims()
		w.trouble()
		w.after(time.Second, tick)
	}
	tick()
	end := last.Add(8 * time.Minute)
	for w.now.Before(end) && w.step() {
		if w.calm && w.count0() && w.atRest() {
			break
		}
	}
	w.count("virtual seconds")
	w.counts["virtual seconds"] = int(w.now.Sub(begin).Seconds())
}

// count0 looks only now and then.
func (w *World) count0() bool { return w.Sched.count%256 == 0 }

func (w *World) enrol() {
	p := w.anyProcess("orchestrator")
	t, _ := w.dir.Tenant(tenant)
	enrol := func(agent, conn string, groups ...string) {
		w.calm = true
		_, err := p.orch.Enrol(context.Background(), t, orchestrator.Enrolment{Agent: agent, Connection: conn, HuntGroups: groups})
		if err != nil {
			panic(err)
		}
		w.calm = false
	}
	for _, a := range w.polled {
		enrol(a, "tcn", "sales")
	}
	for _, a := range w.seated {
		enrol(a, "desk", "care")
	}
}

// request is what an upstream system asks for.
func (w *World) request(i int) {
	expires := w.now.Add(w.between(20*time.Second, 3*time.Minute))
	q := map[string]any{"to": fmt.Sprintf("+1212867%04d", i), "expiresAt": expires, "priority": w.rng.IntN(10)}
	switch w.rng.IntN(4) {
	case 0:
		q["agent"] = w.polled[w.rng.IntN(len(w.polled))]
	case 1:
		q["agent"] = w.seated[w.rng.IntN(len(w.seated))]
	case 2:
		q["huntGroup"] = "sales"
	case 3:
		q["huntGroup"] = "care"
	}
	if w.chance(10) {
		q["notBefore"] = w.now.Add(w.between(0, 10*time.Second))
	}
	body, err := json.Marshal(q)
	if err != nil {
		panic(err)
	}
	id := fmt.Sprintf("r%d", i)
	w.calls = append(w.calls, events.CallID(tenant, "/crm", id))
	m := worker.Delivery{Stream: events.RequestStream(tenant), Subject: events.RequestSubject(tenant), Data: body,
		Header: events.Header{"ce-specversion": {"1.0"}, "ce-type": {events.TypeDialRequested},
			"ce-source": {"/crm"}, "ce-id": {id}, "content-type": {"application/json"}}}
	w.publish(m)
	if w.odds(20) { // sent again by one who did not hear the answer
		w.after(w.between(time.Millisecond, 5*time.Second), func() { w.publish(m) })
	}
	if w.odds(12) { // the person wants no calls
		w.after(w.between(0, 20*time.Second), func() {
			w.command("dnc", "add", `{"contacts":[{"phone_number":%q}],"origin":"consumer"}`, q["to"])
		})
	}
	if w.odds(8) { // and wanted no more
		w.after(w.between(0, 20*time.Second), func() { w.cancel(id) })
	}
}

// cancel is call.cancel, by somebody at the keyboard.
func (w *World) cancel(id string) { w.command("call", "cancel", `{"source":"/crm","id":%q}`, id) }

// command is what somebody asks at the keyboard, of any process that answers.
func (w *World) command(group, verb, body string, args ...any) {
	role := "orchestrator"
	if group == "dnc" {
		role = "compliance"
	}
	p := w.anyProcess(role)
	if p == nil {
		return
	}
	var ask []api.Endpoint
	if p.orch != nil {
		ask = p.orch.Endpoints()
	}
	if p.comp != nil {
		ask = append(ask, p.comp.Endpoints()...)
	}
	for _, e := range ask {
		if e.Group == group && e.Verb == verb {
			p.spawn(nil, func() {
				if _, err := e.Handle(context.Background(), tenant, fmt.Appendf(nil, body, args...)); err == nil {
					w.count("done " + group + "." + verb)
				}
			})
		}
	}
}

// trouble is what befalls the world as a whole.
func (w *World) trouble() {
	if w.odds(200) {
		w.sessions.Flush()
	}
	for _, p := range w.processes {
		if p.up && w.odds(120) && w.opts.deaths > 0 {
			p.die()
		}
		if p.up && w.odds(150) {
			p.freeze(w.between(100*time.Millisecond, 25*time.Second))
		}
	}
	if w.odds(60) {
		a := w.polled[w.rng.IntN(len(w.polled))]
		if w.agentNow(a).State.Quarantine == nil {
			w.command("agent", "release", `{"agent":%q,"reason":"by hand"}`, a)
		}
	}
}

// atRest says that every call has ended and nobody has anything left to do.
func (w *World) atRest() bool {
	for _, d := range w.durables {
		if len(d.open) > 0 {
			return false
		}
	}
	for _, id := range w.calls {
		r, err := w.log.Last(context.Background(), events.CallFamily, tenant, id)
		if err != nil {
			return false
		}
		if c := w.fold(id); c.Open() || r.Seq == 0 {
			return false
		}
	}
	for _, id := range append(append([]string{}, w.polled...), w.seated...) {
		if a := w.agentNow(id); a.State.Claim != nil {
			return false
		}
	}
	return true
}
