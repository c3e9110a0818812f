package orchestrator

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/pace"
	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/test/exams/logtest"
)

// noon is when the stories begin. Nothing in them looks at a real clock.
var noon = time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC)

const tokyo = "+81312345678" // any number; nothing here asks whether it may be called

// world is everything outside one or more orchestrators.
type world struct {
	t   testing.TB
	log *logtest.Log
	dir *tenants.Directory

	span uint64 // of what call.find looks at for one answer; 0: everything

	mu  sync.Mutex
	now time.Time
	ops []events.Ops

	s     *Service // the first orchestrator
	crew  []*Service
	rates map[pace.Account]int                  // of those who join
	heard map[*Service]map[events.Family]uint64 // what each has handled
	told  map[*Service]map[events.Family]uint64 // what each view and index has heard
	views map[*Service]*log.Follower
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

// newWorld makes a world with one orchestrator, the tenants acme and globex,
// and acme's connections tcn (reports talking), desk (does not), lists (takes
// queues, and does not), assumed and silent (never say where an agent is).
func newWorld(t testing.TB) *world {
	t.Helper()
	key := events.Key(strings.Repeat("k", 32))
	dir, err := tenants.New(
		[]tenants.Tenant{
			{Name: "acme", Countries: []string{"US"}, Connection: "tcn", CallerIDs: []string{"+18667451900"}, Key: key},
			{Name: "globex", Countries: []string{"US"}, Key: events.Key(strings.Repeat("g", 32))},
		},
		[]tenants.Connection{
			{Name: "tcn", Tenant: "acme", Kind: providers.TCN, Provider: providers.Provider{Can: providers.Capabilities{Claims: true, Records: true, Talking: true, Prepares: true}}},
			{Name: "desk", Tenant: "acme", Kind: providers.WebexCC, Provider: providers.Provider{Can: providers.Capabilities{Claims: true, Presence: providers.PresenceDesktop}}},
			{Name: "keyed", Tenant: "acme", Provider: providers.Provider{Can: providers.Capabilities{Claims: true, Token: true}}},
			{Name: "assumed", Tenant: "acme", Kind: "assumed", Provider: providers.Provider{Can: providers.Capabilities{Claims: true, Talking: true, Presence: providers.PresenceAssumed, AwaySeconds: 45}}},
			{Name: "silent", Tenant: "acme", Kind: "silent", Provider: providers.Provider{Can: providers.Capabilities{Claims: true, Presence: providers.PresenceNone}}},
			{Name: "lists", Tenant: "acme", Provider: providers.Provider{Can: providers.Capabilities{Queues: true}}},
		})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: dir, now: noon,
		views: map[*Service]*log.Follower{}, heard: map[*Service]map[events.Family]uint64{}, told: map[*Service]map[events.Family]uint64{}}
	w.log = logtest.New(w.Now)
	w.s = w.join()
	return w
}

// history is log.History that looks at one span of w.span messages; 0: all.
func (w *world) history(ctx context.Context, tenant string, before uint64, more func([]events.Record) bool) (uint64, error) {
	all, err := w.log.From(events.CallFamily, 0)
	if err != nil || len(all) == 0 {
		return 0, err
	}
	if before == 0 {
		before = all[len(all)-1].Seq + 1
	}
	for before > 1 && ctx.Err() == nil {
		from := uint64(1)
		if w.span > 0 && before > w.span {
			from = before - w.span
		}
		var told []events.Record
		for _, r := range all {
			if r.Seq >= from && r.Seq < before && r.Tenant == tenant && r.Role == events.Orchestrator {
				told = append(told, r)
			}
		}
		if before = from; !more(told) || w.span > 0 {
			break
		}
	}
	if before <= 1 {
		return 0, nil
	}
	return before, nil
}

// join adds an orchestrator, as a second process or after a crash.
func (w *world) join() *Service { return w.joinApart(0) }

// joinApart adds one whose clock is ahead of the world's, or behind it.
func (w *world) joinApart(ahead time.Duration) *Service {
	now := func() time.Time { return w.Now().Add(ahead) }
	view := log.NewFollower()
	view.CaughtUp(events.CallFamily)
	view.CaughtUp(events.AgentFamily)
	hears := &hearing{Follower: view, w: w}
	s := New(Config{
		Log: log.New(w.log, hears), Notes: w, Sessions: sessions.NewMemory(now), Directory: w.dir, Rates: w.rates,
		Incarnation: sessions.Incarnation(noon), Now: now, Logger: slog.New(slog.DiscardHandler),
		History:   w.history,
		LastAgent: func(context.Context) (uint64, error) { return w.log.End(events.AgentFamily), nil },
	})
	hears.s = s
	w.crew, w.views[s] = append(w.crew, s), view
	w.heard[s], w.told[s] = map[events.Family]uint64{}, map[events.Family]uint64{}
	return s
}

// A hearing view hears what is stored as soon as somebody waits for it.
type hearing struct {
	*log.Follower
	w *world
	s *Service
}

func (h *hearing) Reach(ctx context.Context, f events.Family, seq uint64) error {
	for told := h.w.told[h.s]; ctx.Err() == nil && told[f] < seq; told[f]++ {
		r, err := h.w.log.At(ctx, f, told[f]+1)
		if err != nil {
			h.Unreadable(f, log.Ref{}, told[f]+1, false)
			continue
		}
		h.Take(r)
		h.s.Follow(r)
	}
	return h.Follower.Reach(ctx, f, seq)
}

// restart is one orchestrator in the place of the first, whose view begins with
// the open calls as runtime.Following has it.
func (w *world) restart() *Service {
	w.t.Helper()
	begin := w.views[w.s].Snapshot()
	logs, unread, err := log.ReadAll(w.t.Context(), w.log, begin.Open)
	handed, _, e := log.ReadAll(w.t.Context(), w.log, begin.Handed)
	if err := errors.Join(err, e); err != nil {
		w.t.Fatal(err)
	}
	w.crew, w.s = nil, nil
	w.s = w.join()
	w.views[w.s].Load(append(logs, handed...), unread, begin.Seq, begin.ID)
	w.told[w.s][events.CallFamily] = begin.Seq
	w.views[w.s].Hear(events.CallFamily, w.s.Follow, func() {})()
	return w.s
}

func (w *world) tenant() tenants.Tenant {
	t, _ := w.dir.Tenant("acme")
	return t
}

// tell brings the view and the index of every orchestrator up to date.
func (w *world) tell() {
	w.t.Helper()
	for _, s := range w.crew {
		for _, f := range []events.Family{events.AgentFamily, events.CallFamily} {
			for _, r := range w.since(f, w.told[s][f]) {
				w.views[s].Take(r)
				s.Follow(r)
				w.told[s][f] = r.Seq
			}
		}
	}
}

func (w *world) since(f events.Family, seq uint64) []events.Record {
	w.t.Helper()
	rs, err := w.log.From(f, seq+1)
	if err != nil {
		w.t.Fatal(err)
	}
	return rs
}

// work lets an orchestrator handle everything it has not heard, until nothing
// is left.
func (w *world) work(s *Service) {
	w.t.Helper()
	for range 500 {
		w.tell()
		n := 0
		for f, handle := range map[events.Family]worker.Handler{events.AgentFamily: s.OnAgent, events.CallFamily: s.OnCall} {
			for _, r := range w.since(f, w.heard[s][f]) {
				w.heard[s][f] = r.Seq
				w.handle(s, handle, r)
				n++
				break // one at a time, so that the other log is heard in between
			}
		}
		if n == 0 {
			return
		}
	}
	w.t.Fatal("the orchestrator never comes to rest")
}

func (w *world) handle(s *Service, h worker.Handler, r events.Record) {
	w.t.Helper()
	if r.Family == events.AgentFamily {
		if err := s.Project(context.Background(), worker.Delivery{Record: &r}); err != nil {
			w.t.Fatalf("project %s: %v", r.Name, err)
		}
	}
	if err := h(context.Background(), worker.Delivery{Record: &r, Seq: r.Seq}); err != nil {
		w.t.Fatalf("handle %s at %d: %v", r.Name, r.Seq, err)
	}
}

// turn lets an orchestrator do what is due, and sweep.
func (w *world) turn(s *Service) {
	w.t.Helper()
	w.tell()
	s.Turn(context.Background())
	w.tell()
	s.Sweep(context.Background())
	w.work(s)
}

// enrol puts an agent on the roster and makes it ready.
func (w *world) enrol(agent string, groups ...string) {
	w.t.Helper()
	if _, err := w.s.Enrol(context.Background(), w.tenant(), Enrolment{Agent: agent, HuntGroups: groups}); err != nil {
		w.t.Fatal(err)
	}
	w.presence(agent, events.SessionStarted, "")
	w.presence(agent, events.Ready, "")
}

// presence is what the bridge would write about an agent.
func (w *world) presence(agent string, on events.Name, evidence string) {
	w.t.Helper()
	a := w.agent(agent)
	after, v := a.After(on, "", "", w.Now())
	if v == lifecycle.Illegal {
		w.t.Fatalf("%s of %s is illegal", on, agent)
	}
	if on == events.SessionStarted {
		after.Session = "session-" + agent
	}
	b := &events.AgentPresence{Evidence: evidence, State: after}
	if c := a.State.Claim; c != nil {
		b.Call, b.CallSeq = c.Call, w.call(c.Call).Seq()
	}
	d := log.NextOfAgent(a, events.Bridge, on, w.Now(), b)
	if _, err := w.log.Append(context.Background(), *d); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) agent(id string) *lifecycle.Agent {
	w.t.Helper()
	a, err := log.Agent(context.Background(), w.log, "acme", id)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *world) call(id string) *lifecycle.Call {
	w.t.Helper()
	c, err := log.Call(context.Background(), w.log, "acme", id, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// request is what an upstream system publishes; change edits its data.
func (w *world) request(id string, data map[string]any) worker.Delivery {
	w.t.Helper()
	if data["to"] == nil {
		data["to"] = tokyo
	}
	body, err := json.Marshal(data)
	if err != nil {
		w.t.Fatal(err)
	}
	return worker.Delivery{
		Stream: "REQUESTS_acme", Subject: "dial.requests.acme", Seq: 1, Stored: w.Now(), Tries: 1, Data: body,
		Header: events.Header{"ce-specversion": {"1.0"}, "ce-type": {events.TypeDialRequested},
			"ce-source": {"/crm"}, "ce-id": {id}, "content-type": {"application/json"}},
	}
}

// accept lets an orchestrator read a request and returns the call's id.
func (w *world) accept(s *Service, d worker.Delivery) (string, error) {
	w.t.Helper()
	w.tell()
	err := s.OnRequest(w.tenant())(context.Background(), d)
	return events.CallID("acme", "/crm", d.Header["ce-id"][0]), err
}

// ask accepts a request that must be good.
func (w *world) ask(id string, data map[string]any) string {
	w.t.Helper()
	call, err := w.accept(w.s, w.request(id, data))
	if err != nil {
		w.t.Fatalf("request %s: %v", id, err)
	}
	return call
}

// say appends what another service would write about a call.
func (w *world) say(call string, role events.Role, name events.Name, body any) {
	w.t.Helper()
	d, err := log.NextOfCall(w.call(call), role, name, w.Now(), body)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.log.Append(context.Background(), *d); err != nil {
		w.t.Fatal(err)
	}
}

// clear and dial bring an assigned call as far as its intent.
func (w *world) clear(call string) {
	c := w.call(call)
	w.say(call, events.Compliance, events.Passed, &events.CallPassed{Fence: c.Assigned.Fence, ValidUntil: w.Now().Add(time.Hour)})
}

func (w *world) dial(call string) {
	w.clear(call)
	w.say(call, events.Dialer, events.Dialing, &events.CallDialing{Attempt: "attempt", NotAfter: w.Now().Add(5 * time.Second)})
}

// names lists a log's events, for comparison.
func names(rs []events.Record) string {
	var out []string
	for _, r := range rs {
		out = append(out, string(r.Name))
	}
	return strings.Join(out, " ")
}

func (w *world) wantCall(call, want string) {
	w.t.Helper()
	if got := names(w.call(call).Log); got != want {
		w.t.Errorf("the call's log is\n  %s\nwant\n  %s", got, want)
	}
}

// wantAgent compares the orchestrator's events of an agent.
func (w *world) wantAgent(agent, want string) {
	w.t.Helper()
	var mine []events.Record
	for _, r := range w.since(events.AgentFamily, 0) {
		if r.Key == agent && r.Role == events.Orchestrator {
			mine = append(mine, r)
		}
	}
	if got := names(mine); got != want {
		w.t.Errorf("the orchestrator said of %s\n  %s\nwant\n  %s", agent, got, want)
	}
}

// holders says which open calls may dial with an agent: assigned under its
// present claim, or placed already.
func (w *world) holders(agent string) []string {
	w.t.Helper()
	a := w.agent(agent)
	seen := map[string]bool{}
	var out []string
	for _, r := range w.since(events.CallFamily, 0) {
		if seen[r.Key] {
			continue
		}
		seen[r.Key] = true
		c := w.call(r.Key)
		if !c.Open() || c.Assigned == nil || c.Assigned.Agent != agent {
			continue
		}
		if c.Dialing != nil || c.Assigned.Fence == a.Fence {
			out = append(out, c.ID)
		}
	}
	return out
}

func wantReject(t *testing.T, err error, code string) {
	t.Helper()
	var r *events.RejectError
	if !errors.As(err, &r) || len(r.Note.Faults) == 0 || r.Note.Faults[0].Code != code {
		t.Errorf("err = %v, want a rejection with %s", err, code)
	}
}

func ptr[T any](v T) *T { return &v }
