package dialer

import (
	"context"
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
	"github.com/outdial/outdial/test/exams/logtest"
)

// company is a provider that counts what it is asked and says what it is told
// to say.
type company struct {
	mu        sync.Mutex
	starts    []providers.Order
	lookups   int
	withdraws []providers.Order

	start    func(providers.Order) (providers.Receipt, error)
	confirms int
	confirm  func(context.Context) error
	during   func(context.Context) error // of a start; an error is the line's that broke
	found    []providers.Found           // one an answer, the last for ever
	lookErr  error
	withdraw func() (string, error)
}

func (p *company) Confirm(ctx context.Context, _ providers.Order) error {
	p.confirms++
	if p.confirm == nil {
		return nil
	}
	return p.confirm(ctx)
}

func (p *company) Start(ctx context.Context, o providers.Order) (providers.Receipt, error) {
	p.mu.Lock()
	p.starts = append(p.starts, o)
	p.mu.Unlock()
	if p.during != nil {
		if err := p.during(ctx); err != nil {
			return providers.Receipt{}, fault.New(fault.Uncertain, "dial", "no_reply", err)
		}
	}
	if p.start == nil {
		return providers.Receipt{IDs: map[string]string{"callSid": "1"}}, nil
	}
	return p.start(o)
}

func (p *company) Lookup(context.Context, providers.Order) (providers.Found, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lookups++
	if p.lookErr != nil {
		return providers.Found{}, p.lookErr
	}
	f := p.found[0]
	if len(p.found) > 1 {
		p.found = p.found[1:]
	}
	return f, nil
}

func (p *company) Withdraw(_ context.Context, o providers.Order) (string, error) {
	p.mu.Lock()
	p.withdraws = append(p.withdraws, o)
	p.mu.Unlock()
	if p.withdraw == nil {
		return "READY", nil
	}
	return p.withdraw()
}

// world is everything outside the dialer, with one call of one agent.
type world struct {
	t   *testing.T
	log *logtest.Log
	dir *tenants.Directory
	p   *company
	s   *Service
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

const (
	call  = "c1"
	tokyo = "+81312345678"
)

// newWorld makes a call assigned to ann, who is ready and claimed for it.
func newWorld(t *testing.T, can providers.Capabilities) *world {
	t.Helper()
	w := &world{t: t, now: noon, p: &company{}}
	provider := providers.Provider{Kind: providers.TCN, Can: can, Starter: w.p, Withdrawer: w.p}
	if can.LooksUp {
		provider.Looker = w.p
	}
	if can.Prepares {
		provider.Confirmer = w.p
	}
	var err error
	w.dir, err = tenants.New(
		[]tenants.Tenant{{Name: "acme", Countries: []string{"JP"}, Key: events.Key(strings.Repeat("k", 32))}},
		[]tenants.Connection{
			{Name: "tcn", Tenant: "acme", Kind: providers.TCN, Provider: provider},
			{Name: "mute", Tenant: "acme", Provider: providers.Provider{}},
			{Name: "lists", Tenant: "acme", Provider: providers.Provider{Can: providers.Capabilities{Queues: true, Withdraw: true, Pending: true},
				Starter: w.p, Withdrawer: w.p}},
		})
	if err != nil {
		t.Fatal(err)
	}
	w.log = logtest.New(w.Now)
	w.s = w.join()
	key := events.Key(strings.Repeat("k", 32))
	sealed, err := key.Seal("secret-token", tenants.SealAbout("acme", "ann"))
	if err != nil {
		t.Fatal(err)
	}
	state := events.AgentState{Presence: events.Offline, Connection: "tcn", Kind: "tcn", ProviderAgent: "2098765"}
	w.agentSays(events.Orchestrator, events.Enrolled, &events.AgentEnrolled{Token: sealed, State: state})
	w.agentSays(events.Bridge, events.SessionStarted, &events.AgentPresence{State: w.after(events.SessionStarted, "")})
	w.agentSays(events.Bridge, events.Ready, &events.AgentPresence{State: w.after(events.Ready, "")})
	w.agentSays(events.Orchestrator, events.Claimed, &events.AgentClaimed{Call: call, State: w.after(events.Claimed, call)})
	w.say(events.Orchestrator, events.Requested, &events.CallRequested{
		Common:  events.Common{Number: key.Number(tokyo)},
		Request: events.DialRequest{To: tokyo, Agent: "ann"}, ReceivedAt: noon, NotBefore: noon, ExpiresAt: noon.Add(time.Hour)})
	w.say(events.Orchestrator, events.Assigned, &events.CallAssigned{Agent: "ann", Connection: "tcn", Session: "s1", Fence: w.agent().Fence})
	return w
}

func (w *world) join() *Service {
	return New(Config{Log: log.New(w.log, nil), Notes: w, Directory: w.dir, Now: w.Now, Limits: Limits{Settle: 10 * time.Millisecond}, Logger: slog.New(slog.DiscardHandler)})
}

func (w *world) agent() *lifecycle.Agent {
	w.t.Helper()
	a, err := log.Agent(context.Background(), w.log, "acme", "ann")
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *world) call() *lifecycle.Call {
	w.t.Helper()
	c, err := log.Call(context.Background(), w.log, "acme", call, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) after(on events.Name, call string) events.AgentState {
	s, v := w.agent().After(on, call, "", w.Now())
	if v == lifecycle.Illegal {
		w.t.Fatalf("%s is illegal", on)
	}
	if on == events.SessionStarted {
		s.Session = "s1"
	}
	return s
}

func (w *world) agentSays(role events.Role, on events.Name, body any) {
	w.t.Helper()
	if _, err := w.log.Append(context.Background(), *log.NextOfAgent(w.agent(), role, on, w.Now(), body)); err != nil {
		w.t.Fatal(err)
	}
}

// say appends what another service writes, and returns it as stored.
func (w *world) say(role events.Role, name events.Name, body any) events.Record {
	w.t.Helper()
	c := w.call()
	d, err := log.NextOfCall(c, role, name, w.Now(), body)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.log.Append(context.Background(), *d); err != nil {
		w.t.Fatal(err)
	}
	return w.call().Last()
}

// prepare and pass are compliance's part.
func (w *world) prepare() {
	w.say(events.Compliance, events.Preparing, &events.CallPreparing{Attempt: "prep", Agent: "ann", Fence: w.call().Assigned.Fence,
		NotAfter: w.Now().Add(20 * time.Second), StartTime: w.Now()})
}

func (w *world) passed() events.Record {
	return w.say(events.Compliance, events.Passed, &events.CallPassed{Fence: w.call().Assigned.Fence, ValidUntil: w.Now().Add(10 * time.Minute)})
}

// hears lets a dialer handle one event.
func (w *world) hears(s *Service, r events.Record) error { return s.OnCall(context.Background(), r) }

// counted is a leader that says how often it is asked.
type counted struct {
	log.Leader
	reads, lasts, ats int
}

func (l *counted) Read(ctx context.Context, f events.Family, tenant, key string, first uint64) ([]events.Record, error) {
	l.reads++
	return l.Leader.Read(ctx, f, tenant, key, first)
}

func (l *counted) Last(ctx context.Context, f events.Family, tenant, key string) (events.Record, error) {
	l.lasts++
	return l.Leader.Last(ctx, f, tenant, key)
}

func (l *counted) At(ctx context.Context, f events.Family, seq uint64) (events.Record, error) {
	l.ats++
	return l.Leader.At(ctx, f, seq)
}

// heard is a dialer whose process has heard what is stored now, and of what
// comes later only what it appends itself.
func (w *world) heard() (*Service, *counted) {
	w.t.Helper()
	view := log.NewFollower()
	for _, f := range []events.Family{events.CallFamily, events.AgentFamily} {
		rs, err := w.log.From(f, 0)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, r := range rs {
			view.Take(r)
		}
		view.CaughtUp(f)
	}
	leader := &counted{Leader: w.log}
	c := w.s.Config
	c.Log = log.New(leader, view)
	return New(c), leader
}

// turns lets a dialer that has heard everything take a turn.
func (w *world) turns() {
	w.t.Helper()
	s, _ := w.heard()
	if err := s.Turn(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

// hear is hears, of one event that must be handled.
func (w *world) hear(r events.Record) {
	w.t.Helper()
	if err := w.hears(w.s, r); err != nil {
		w.t.Fatalf("%s: %v", r.Name, err)
	}
}

// wantSnooze asks that the event is to be heard again.
func wantSnooze(t *testing.T, err error) {
	t.Helper()
	if err == nil || !strings.HasPrefix(err.Error(), "again in ") {
		t.Errorf("err = %v, want: again later", err)
	}
}

func (w *world) last() events.Record { return w.call().Last() }

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

func (w *world) wantStarts(n int) {
	w.t.Helper()
	if len(w.p.starts) != n {
		w.t.Errorf("the provider was asked to start %d calls, want %d", len(w.p.starts), n)
	}
}
