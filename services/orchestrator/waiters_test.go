package orchestrator

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// Whatever joined, left, was taken and came back before: the call offered is
// the one that a walk over all of them would find.
func TestWhoeverIsOfferedComesFirst(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		x, now := newIndex(), noon
		x.now = func() time.Time { return now }
		calls, taken := map[string]*lifecycle.Call{}, map[string]bool{}
		seq := uint64(0)
		say := func(id string, name events.Name, body any) {
			seq++
			r := events.Record{Family: events.CallFamily, Tenant: "acme", Key: id, Name: name, Seq: seq, Time: now, Body: body}
			if calls[id] == nil {
				calls[id] = &lifecycle.Call{State: lifecycle.None}
			}
			calls[id].Take(r)
			x.Take(r)
		}
		some := func() string { return fmt.Sprint("c", rapid.IntRange(0, max(len(calls)-1, 0)).Draw(rt, "call")) }
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			switch rapid.IntRange(0, 6).Draw(rt, "step") {
			case 0, 1:
				q := want(rapid.SampledFrom([]string{"", "ann", "bob"}).Draw(rt, "agent"), "sales", rapid.IntRange(0, 2).Draw(rt, "priority"), 0)
				q.Request.Connection = rapid.SampledFrom([]string{"", "", "tcn", "desk"}).Draw(rt, "connection")
				q.NotBefore = now.Add(-time.Duration(rapid.IntRange(0, 2).Draw(rt, "since")) * time.Minute)
				q.ExpiresAt = now.Add(time.Duration(rapid.IntRange(1, 20).Draw(rt, "for")) * time.Minute)
				id := fmt.Sprint("c", len(calls))
				say(id, events.Requested, &q)
				say(id, events.Waiting, &events.CallWaiting{Reason: events.WaitAgentNotReady})
			case 2:
				if id := some(); calls[id] != nil && calls[id].State == lifecycle.Waiting {
					say(id, events.Assigned, &events.CallAssigned{Agent: "zoe"})
				}
			case 3:
				if id := some(); calls[id] != nil && calls[id].Open() {
					say(id, events.Closed, &events.CallClosed{Outcome: "failed"})
				}
			case 4:
				for id := range taken {
					x.GiveBack(log.Ref{Tenant: "acme", ID: id}, 0)
				}
				clear(taken)
			case 5:
				now = now.Add(time.Duration(rapid.IntRange(1, 4).Draw(rt, "min")) * time.Minute)
				x.Due(now, 1000)
			case 6:
				a := &lifecycle.Agent{Tenant: "acme", ID: rapid.SampledFrom([]string{"ann", "bob", "cyd"}).Draw(rt, "offer"),
					State: events.AgentState{HuntGroups: []string{"sales"}, Connection: rapid.SampledFrom([]string{"tcn", "desk"}).Draw(rt, "at")}}
				ref, _ := x.Offer(a, now)
				if best := walk(calls, taken, a, now); ref.ID != best {
					rt.Fatalf("offered %q, the first is %q", ref.ID, best)
				}
				if ref.ID != "" {
					taken[ref.ID] = true
				}
			}
		}
	})
}

// walk finds the call whose turn it is by looking at each.
func walk(calls map[string]*lifecycle.Call, taken map[string]bool, a *lifecycle.Agent, now time.Time) string {
	var best *lifecycle.Call
	for id, c := range calls {
		q := c.Request.Request
		mine := events.AgentToken(q.Agent) == a.ID
		if q.Agent == "" {
			mine = slices.Contains(a.State.HuntGroups, q.HuntGroup)
		}
		if mine && c.State == lifecycle.Waiting && !taken[id] && now.Before(c.Request.ExpiresAt) &&
			(q.Connection == "" || q.Connection == a.State.Connection) && (best == nil || before(c, best)) {
			best = c
		}
	}
	if best == nil {
		return ""
	}
	return best.ID
}

// waits lets n requests of the group sales wait.
func (w *world) waits(n int) (calls []string) {
	w.t.Helper()
	for i := range n {
		calls = append(calls, w.ask(fmt.Sprint("w", i), map[string]any{"huntGroup": "sales"}))
		w.pass(time.Millisecond)
	}
	w.work(w.s)
	return calls
}

// away enrols agents of the group sales who are not ready.
func (w *world) away(agents ...string) {
	w.t.Helper()
	for _, a := range agents {
		w.enrol(a, "sales")
		w.presence(a, events.NotReady, "poll")
	}
	w.work(w.s)
}

// appends counts what was stored since.
func (w *world) appends(f events.Family, role events.Role, since int) int {
	n := 0
	for _, r := range w.since(f, 0) {
		if r.Role == role {
			n++
		}
	}
	return n - since
}

// A request that comes while others wait does not overtake them, although an
// agent has become ready whom nobody has heard of but it.
func TestWhoComesLaterDoesNotOvertake(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.away("ann")
	waiting := w.waits(3)
	w.presence("ann", events.Ready, "poll")
	late := w.ask("late", map[string]any{"huntGroup": "sales"})
	urgent := w.ask("urgent", map[string]any{"huntGroup": "sales", "priority": 5})
	w.tell()
	w.handle(w.s, w.s.OnCall, w.call(late).Last())
	w.wantCall(waiting[0], "requested waiting assigned")
	w.wantCall(late, "requested waiting")
	w.presence("ann", events.NotReady, "poll")
	w.say(waiting[0], events.Orchestrator, events.CancelRequested, &events.CallCancelRequested{By: events.ByOperator})
	w.work(w.s)
	w.presence("ann", events.Ready, "poll")
	w.work(w.s)
	w.wantCall(urgent, "requested waiting assigned") // it comes first by its priority
	w.wantCall(waiting[1], "requested waiting")
}

// An agent who becomes ready costs one claim and one assignment, however many
// wait.
func TestOneReadyAgentWakesOneOfAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.away("ann")
	waiting := w.waits(60)
	count := &hiding{Leader: w.log, family: events.CallFamily, counts: true, reads: map[string]int{}}
	w.s.Log = log.New(count, w.views[w.s])
	calls, agents := w.appends(events.CallFamily, events.Orchestrator, 0), w.appends(events.AgentFamily, events.Orchestrator, 0)
	w.presence("ann", events.Ready, "poll")
	w.turn(w.s)
	w.wantCall(waiting[0], "requested waiting assigned")
	if c, a := w.appends(events.CallFamily, events.Orchestrator, calls), w.appends(events.AgentFamily, events.Orchestrator, agents); c != 1 || a != 1 {
		t.Errorf("%d events of calls and %d of agents, want one each", c, a)
	}
	if len(count.reads) > 0 {
		t.Errorf("the leader was asked for %d calls", len(count.reads))
	}
}

// Two agents become ready at once. Whoever handles the second one's word while
// the first is on the way to its call gives it to the next call.
func TestTwoReadyAgentsAreOfferedToTwoCalls(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.away("ann", "bob")
	waiting := w.waits(3)
	w.presence("ann", events.Ready, "poll")
	w.presence("bob", events.Ready, "poll")
	w.tell()
	bob := w.agent("bob").Last
	w.log.Before(events.Claimed, func() { w.handle(w.s, w.s.OnAgent, bob) })
	w.handle(w.s, w.s.OnAgent, w.agent("ann").Last)
	w.wantCall(waiting[0], "requested waiting assigned")
	w.wantCall(waiting[1], "requested waiting assigned")
	w.wantCall(waiting[2], "requested waiting")
	w.wantAgent("ann", "enrolled claimed")
	w.wantAgent("bob", "enrolled claimed")
}

// The same by two orchestrators, who cannot know of each other: the one who
// loses gives its agent back, and she has the next call.
func TestTwoOrchestratorsShareWhoWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.join()
	w.away("ann", "bob")
	waiting := w.waits(3)
	w.presence("ann", events.Ready, "poll")
	w.presence("bob", events.Ready, "poll")
	w.tell()
	bob := w.agent("bob").Last
	w.log.Before(events.Assigned, func() { w.handle(other, other.OnAgent, bob) })
	w.handle(w.s, w.s.OnAgent, w.agent("ann").Last)
	w.work(w.s)
	w.wantCall(waiting[0], "requested waiting assigned")
	w.wantCall(waiting[1], "requested waiting assigned")
	w.wantCall(waiting[2], "requested waiting")
	w.wantAgent("ann", "enrolled claimed released claimed")
	w.wantAgent("bob", "enrolled claimed")
}

// One call whose log cannot be read does not keep the others from their turn.
func TestAFirstInTurnWhoCannotBeReadIsPassedOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.away("ann")
	waiting := w.waits(2)
	w.spoil(events.CallFamily, waiting[0], events.Compliance, events.Passed)
	w.views[w.s].Unreadable(events.CallFamily, log.Ref{Tenant: "acme", ID: waiting[0]}, w.told[w.s][events.CallFamily]+1, false)
	w.presence("ann", events.Ready, "poll")
	for _, r := range w.since(events.AgentFamily, w.told[w.s][events.AgentFamily]) {
		w.views[w.s].Take(r)
		w.s.Follow(r)
	}
	if err := w.s.OnAgent(t.Context(), worker.Delivery{Record: ptr(w.agent("ann").Last)}); err != nil {
		t.Fatal(err)
	}
	w.wantCall(waiting[1], "requested waiting assigned")
}

// A wait and a readiness that two processes handle before either has heard of
// the other's are brought together within a moment.
func TestAWaitAndAReadinessThatMissedEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.away("ann")
	call := w.ask("1", map[string]any{"huntGroup": "sales"})
	w.work(w.s)
	w.presence("ann", events.Ready, "poll") // and its delivery was handled by one who knew of no call
	w.tell()
	w.say(call, events.Orchestrator, events.Waiting, &events.CallWaiting{Reason: events.WaitAgentNotReady, Detail: "again"})
	w.tell()
	w.pass(missed)
	w.s.Turn(t.Context())
	w.wantCall(call, "requested waiting waiting assigned")
}

// BenchmarkAnAgentBecomesReady is what one of 100 agents costs who becomes ready
// and is given the first of 10,000 calls that wait, without the log.
func BenchmarkAnAgentBecomesReady(b *testing.B) {
	x, seq := newIndex(), uint64(0)
	q := want("", "sales", 0, 0)
	q.ExpiresAt = noon.Add(time.Hour)
	request := func(id string) {
		seq++
		x.Take(events.Record{Family: events.CallFamily, Tenant: "acme", Key: id, Name: events.Requested, Seq: seq, Time: noon, Body: &q})
		seq++
		x.Take(events.Record{Family: events.CallFamily, Tenant: "acme", Key: id, Name: events.Waiting, Seq: seq, Time: noon,
			Body: &events.CallWaiting{Reason: events.WaitAgentNotReady}})
	}
	for i := range 10_000 {
		request(fmt.Sprint("c", i))
	}
	b.ResetTimer()
	for i := range b.N {
		seq++
		r := events.Record{Family: events.AgentFamily, Tenant: "acme", Key: fmt.Sprint("a", i%100), Role: events.Bridge, Name: events.Ready, Seq: seq,
			Body: &events.AgentPresence{State: events.AgentState{Presence: events.Ready, Since: noon, HuntGroups: []string{"sales"}}}}
		x.Take(r)
		ref, ok := x.Offer(lifecycle.FoldAgent("acme", r.Key, r), noon)
		if !ok {
			b.Fatal("nobody waits")
		}
		seq++
		x.Take(events.Record{Family: events.CallFamily, Tenant: "acme", Key: ref.ID, Name: events.Assigned, Seq: seq, Time: noon, Body: &events.CallAssigned{Agent: r.Key}})
		x.GiveBack(ref, seq)
		x.Due(noon, mostAtOnce)
		request(fmt.Sprint("d", i))
	}
}

// asked counts what the leader is asked.
type asked struct {
	log.Leader
	n int
}

func (l *asked) Read(ctx context.Context, f events.Family, tenant, key string, first uint64) ([]events.Record, error) {
	l.n++
	return l.Leader.Read(ctx, f, tenant, key, first)
}

func (l *asked) Last(ctx context.Context, f events.Family, tenant, key string) (events.Record, error) {
	l.n++
	return l.Leader.Last(ctx, f, tenant, key)
}

func (l *asked) At(ctx context.Context, f events.Family, seq uint64) (events.Record, error) {
	l.n++
	return l.Leader.At(ctx, f, seq)
}

// A whole call is decided from memory: the orchestrator asks the leader for
// nothing.
func TestACallIsDecidedFromMemory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann", "sales")
	w.work(w.s)
	leader := &asked{Leader: w.log}
	w.s.Log = log.New(leader, w.views[w.s])
	call := w.ask("1", map[string]any{"huntGroup": "sales"})
	w.work(w.s)
	w.dial(call)
	w.say(call, events.Dialer, events.Started, &events.CallStarted{})
	for _, n := range []events.Name{events.Ringing, events.Talking, events.Ended, events.WrapUp, events.WrappedUp} {
		w.say(call, events.Bridge, n, &events.CallProgress{})
		w.work(w.s)
	}
	w.wantCall(call, "requested assigned passed dialing started ringing talking ended wrap_up wrapped_up closed")
	w.wantAgent("ann", "enrolled claimed released")
	if leader.n > 0 {
		t.Errorf("the leader was asked %d times", leader.n)
	}
}
