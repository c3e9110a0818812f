package compliance

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/services/compliance/rules"
	"github.com/outdial/outdial/services/compliance/zones"
	"github.com/outdial/outdial/test/exams/logtest"
)

// noon in New York, a Monday: inside every window there.
var noon = time.Date(2026, 3, 9, 16, 0, 0, 0, time.UTC)

const (
	newYork = "+12128675309"
	call    = "c1"
)

// company is a provider that is touched before the dial.
type company struct {
	settings providers.Settings
	setErr   error
	prepares int
	prepare  func(context.Context, providers.Order) (events.Scrub, bool, error)
}

func (p *company) Settings(context.Context, providers.AgentRef) (providers.Settings, error) {
	return p.settings, p.setErr
}

func (p *company) Prepare(ctx context.Context, o providers.Order) (events.Scrub, bool, error) {
	p.prepares++
	return p.prepare(ctx, o)
}

// list is FACTS in memory, compare-and-set as the real one.
type list struct {
	mu    sync.Mutex
	facts map[string]events.Fact
	seqs  map[string]uint64
	last  uint64
	down  bool
	race  int // so many puts lose to somebody else
}

func (l *list) Fact(_ context.Context, tenant, kind, token string) (events.Fact, uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		return events.Fact{}, 0, fault.New(fault.Transient, "read subject", log.CodeUnavailable, nil)
	}
	k := tenant + "." + kind + "." + token
	return l.facts[k], l.seqs[k], nil
}

func (l *list) PutFact(_ context.Context, tenant, kind, token string, f events.Fact, after uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := tenant + "." + kind + "." + token
	if l.race > 0 {
		l.race--
		return fault.New(fault.Transient, "publish", log.CodeConflict, log.ErrConflict)
	}
	if l.seqs[k] != after {
		return fault.New(fault.Transient, "publish", log.CodeConflict, log.ErrConflict)
	}
	l.last++
	l.facts[k], l.seqs[k] = f, l.last
	return nil
}

// world is everything outside compliance, with one call to New York.
type world struct {
	t    *testing.T
	log  *logtest.Log
	dir  *tenants.Directory
	p    *company
	list *list
	view *log.Follower // hears what follow tells it; not live, so that every read of one log asks the leader
	s    *Service

	mu  sync.Mutex
	now time.Time
	ops []events.Ops
}

func (w *world) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) Ops(_ context.Context, o events.Ops) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ops = append(w.ops, o)
	return nil
}

func key() events.Key { return events.Key(strings.Repeat("k", 32)) }

// newWorld makes a world whose call to is requested, of the agent ann at a
// provider with (tcn) or without (desk) a verdict of its own.
func newWorld(t *testing.T, connection, to string) *world {
	t.Helper()
	return newWorldOf(t, connection, events.DialRequest{To: to, Agent: "ann", Purpose: "telemarketing", Mode: "manual"})
}

// newWorldOf makes a world whose call is this request.
func newWorldOf(t *testing.T, connection string, q events.DialRequest) *world {
	t.Helper()
	w := &world{t: t, now: noon, list: &list{facts: map[string]events.Fact{}, seqs: map[string]uint64{}}, view: log.NewFollower()}
	w.p = &company{settings: providers.Settings{Enabled: true}}
	w.p.prepare = func(context.Context, providers.Order) (events.Scrub, bool, error) {
		return events.Scrub{OK: true, State: map[string]string{"id": "sid"}}, true, nil
	}
	var err error
	w.dir, err = tenants.New(
		[]tenants.Tenant{{Name: "acme", Countries: []string{"US"}, Ruleset: "us-federal", Connection: connection, Key: key()}},
		[]tenants.Connection{
			{Name: "tcn", Tenant: "acme", Kind: providers.TCN, Loopback: true, Provider: providers.Provider{Preparer: w.p, Configured: w.p}},
			{Name: "desk", Tenant: "acme", Kind: providers.WebexCC, Loopback: true, Provider: providers.Provider{}},
			{Name: "lists", Tenant: "acme", Loopback: true, Provider: providers.Provider{Can: providers.Capabilities{Queues: true, Withdraw: true, Alternates: true, Schedules: true}}},
			{Name: "one", Tenant: "acme", Loopback: true, Provider: providers.Provider{Can: providers.Capabilities{Queues: true}}},
			{Name: "abroad", Tenant: "acme", Kind: providers.WebexCC, Provider: providers.Provider{}},
		})
	if err != nil {
		t.Fatal(err)
	}
	w.log = logtest.New(w.Now)
	w.s = w.join()
	a := &lifecycle.Agent{Tenant: "acme", ID: "ann"}
	w.agentSays(a, events.Orchestrator, events.Enrolled, &events.AgentEnrolled{State: events.AgentState{Presence: events.Offline, Connection: connection}})
	w.agentSays(w.agent(), events.Bridge, events.Ready, &events.AgentPresence{State: w.after(events.Ready, "")})
	w.agentSays(w.agent(), events.Orchestrator, events.Claimed, &events.AgentClaimed{Call: call, State: w.after(events.Claimed, call)})
	w.ask(call, q)
	return w
}

// reopen starts the service anew with other rule sets: acme's is own, and
// there is a second tenant.
func (w *world) reopen(own string, sets map[string]rules.RuleSet) {
	w.t.Helper()
	all := append(w.dir.Tenants(), tenants.Tenant{Name: "globex", Countries: []string{"US"}, Ruleset: "us-federal", Key: key()})
	all[0].Ruleset = own
	dir, err := tenants.New(all, w.dir.Connections())
	if err != nil {
		w.t.Fatal(err)
	}
	c := w.s.Config
	c.Directory, c.Rulesets = dir, sets
	w.s = New(c)
}

func (w *world) join() *Service {
	w.t.Helper()
	sets, err := rules.Embedded()
	if err != nil {
		w.t.Fatal(err)
	}
	approved := sets["us-federal"]
	approved.Name, approved.Extends, approved.Shipped, approved.ApprovedBy, approved.ApprovedOn = "counsel", "us-federal", false, "A. Lawyer", "2026-01-02"
	sets["counsel"] = approved
	table, err := zones.Embedded()
	if err != nil {
		w.t.Fatal(err)
	}
	return New(Config{Log: log.New(w.log, w.view), Facts: w.list, Notes: w, Directory: w.dir, Rulesets: sets, Zones: table, Now: w.Now,
		Logger: slog.New(slog.DiscardHandler)})
}

func (w *world) request(id, to string) {
	w.t.Helper()
	w.ask(id, events.DialRequest{To: to, Agent: "ann", Purpose: "telemarketing", Mode: "manual"})
}

// ask puts a request on record as it is, whatever the reader of today would
// say of it: a store may be older than the reader.
func (w *world) ask(id string, q events.DialRequest) {
	w.t.Helper()
	d, err := log.NextOfCall(&lifecycle.Call{Tenant: "acme", ID: id, State: lifecycle.None}, events.Orchestrator, events.Requested, w.Now(),
		&events.CallRequested{Common: events.Common{Number: key().Number(q.To)}, Request: q,
			ReceivedAt: noon, NotBefore: noon, ExpiresAt: noon.Add(time.Hour)})
	if err != nil {
		w.t.Fatal(err)
	}
	d.Cause = id
	if _, err := w.log.Append(context.Background(), *d); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) agent() *lifecycle.Agent {
	w.t.Helper()
	a, err := log.Agent(context.Background(), w.log, "acme", "ann")
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *world) after(on events.Name, call string) events.AgentState {
	s, v := w.agent().After(on, call, "", w.Now())
	if v == lifecycle.Illegal {
		w.t.Fatalf("%s is illegal", on)
	}
	return s
}

func (w *world) agentSays(a *lifecycle.Agent, role events.Role, on events.Name, body any) {
	w.t.Helper()
	if _, err := w.log.Append(context.Background(), *log.NextOfAgent(a, role, on, w.Now(), body)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) call() *lifecycle.Call { return w.callOf(call) }

func (w *world) callOf(id string) *lifecycle.Call {
	w.t.Helper()
	c, err := log.Call(context.Background(), w.log, "acme", id, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) last() events.Record { return w.call().Last() }

// say appends what another service writes, and returns it as stored.
func (w *world) say(role events.Role, name events.Name, body any) events.Record {
	w.t.Helper()
	d, err := log.NextOfCall(w.call(), role, name, w.Now(), body)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.log.Append(context.Background(), *d); err != nil {
		w.t.Fatal(err)
	}
	return w.last()
}

func (w *world) assign() events.Record {
	w.t.Helper()
	a := w.agent()
	return w.say(events.Orchestrator, events.Assigned, &events.CallAssigned{Agent: "ann", Connection: a.State.Connection, Fence: a.Fence})
}

func (w *world) hears(s *Service, r events.Record) error { return s.OnCall(context.Background(), r) }

func (w *world) hear(r events.Record) {
	w.t.Helper()
	if err := w.hears(w.s, r); err != nil {
		w.t.Fatalf("%s: %v", r.Name, err)
	}
}

// follow tells the view of everything that is stored.
func (w *world) follow() {
	w.t.Helper()
	rs, err := w.log.From(events.CallFamily, w.view.Heard(events.CallFamily)+1)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range rs {
		w.view.Take(r)
	}
}

// turns lets a service that has heard everything take a turn.
func (w *world) turns(s *Service) {
	w.t.Helper()
	w.follow()
	if err := s.Turn(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) want(names string) {
	w.t.Helper()
	var got []string
	for _, r := range w.call().Log {
		got = append(got, string(r.Name))
	}
	if strings.Join(got, " ") != names {
		w.t.Errorf("the call's log is\n  %s\nwant\n  %s", strings.Join(got, " "), names)
	}
}

// wantFailed compares the last no.
func (w *world) wantFailed(primary string, retry, touched bool) {
	w.t.Helper()
	f := w.call().Failed
	if f == nil || len(f.Reasons) == 0 {
		w.t.Errorf("no reasons: %+v", f)
		return
	}
	if f.Reasons[0].Code != primary || f.Retry != retry || f.Touched != touched {
		w.t.Errorf("%v, retry %v, touched %v; want %s, %v, %v", f.Reasons, f.Retry, f.Touched, primary, retry, touched)
	}
	if f.Decision == "" || f.Evidence.Engine == "" {
		w.t.Errorf("a no without evidence: %+v", f)
	}
}

// do sends a command as acme and returns the answer as JSON.
func (w *world) do(group, verb, body string) (string, error) {
	w.t.Helper()
	for _, e := range w.s.Endpoints() {
		if e.Group == group && e.Verb == verb {
			v, err := e.Handle(w.t.Context(), "acme", []byte(body))
			if err != nil {
				return "", err
			}
			raw, err := json.Marshal(v)
			if err != nil {
				w.t.Fatal(err)
			}
			return string(raw), nil
		}
	}
	w.t.Fatalf("no command %s.%s", group, verb)
	return "", nil
}
