package orchestrator

import (
	"context"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/test/exams/logtest"
)

func TestARequestFindsItsAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	call := w.ask("1", map[string]any{"agent": "ann"})
	w.work(w.s)
	w.wantCall(call, "requested assigned")
	c, a := w.call(call), w.agent("ann")
	if c.Assigned.Fence != a.Fence || a.State.Claim.Call != call || c.Assigned.Session != "session-ann" || c.Assigned.NoTalking {
		t.Errorf("assigned %+v to %+v", c.Assigned, a.State)
	}
}

func TestARequestWaitsForItsAgentAndIsServedWhenReady(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	w.presence("ann", events.NotReady, "poll")
	call := w.ask("1", map[string]any{"agent": "ann"})
	w.work(w.s)
	w.wantCall(call, "requested waiting")
	w.presence("ann", events.Ready, "poll")
	w.work(w.s)
	w.wantCall(call, "requested waiting assigned")
}

func TestReadyWhileTheWaitWasWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	w.presence("ann", events.NotReady, "poll")
	w.work(w.s)
	call := w.ask("1", map[string]any{"agent": "ann"})
	w.log.Before(events.Waiting, func() { w.presence("ann", events.Ready, "poll") })
	w.tell()
	if err := w.s.advance(context.Background(), log.Ref{Tenant: "acme", ID: call}); err != nil {
		t.Fatal(err)
	}
	w.tell()
	w.handle(w.s, w.s.OnCall, w.call(call).Last()) // she is found, although nobody has heard the delivery of her word
	w.wantCall(call, "requested waiting assigned")
}

// Two processes take different agents of a group for one call.
func TestTwoOrchestratorsRaceForOneCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.join()
	w.enrol("ann", "sales")
	w.enrol("bob", "sales")
	call := w.ask("1", map[string]any{"huntGroup": "sales"})
	w.tell()
	w.log.Before(events.Assigned, func() {
		// Meanwhile the other one has taken bob, for it knows of no claim.
		if _, err := other.give(context.Background(), w.call(call), w.agent("bob")); err != nil {
			t.Error(err)
		}
	})
	w.work(w.s)
	w.wantCall(call, "requested assigned")
	if got := w.call(call).Assigned.Agent; got != "bob" {
		t.Errorf("assigned to %s", got)
	}
	w.wantAgent("ann", "enrolled claimed released")
	w.wantAgent("bob", "enrolled claimed")
}

// Two calls want one agent at the same moment.
func TestTwoCallsRaceForOneAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.join()
	w.enrol("ann")
	first, second := w.ask("1", map[string]any{"agent": "ann"}), w.ask("2", map[string]any{"agent": "ann"})
	w.tell()
	w.log.Before(events.Claimed, func() {
		if err := other.advance(context.Background(), log.Ref{Tenant: "acme", ID: second}); err != nil {
			t.Error(err)
		}
	})
	if err := w.s.advance(context.Background(), log.Ref{Tenant: "acme", ID: first}); err != nil {
		t.Fatal(err)
	}
	w.wantCall(second, "requested assigned")
	w.wantCall(first, "requested waiting")
	w.wantAgent("ann", "enrolled claimed")
	if h := w.holders("ann"); len(h) != 1 || h[0] != second {
		t.Errorf("ann is held by %v", h)
	}
}

// Two orchestrators claim one agent for one call, of which one knows more than
// the other: the claim of the earlier place is the other's, who will give it
// back, and no assignment of the later one.
func TestTwoPlacesOfOneCallRaceForOneAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.join()
	w.enrol("ann", "sales")
	call := w.ask("1", map[string]any{"huntGroup": "sales"})
	earlier, ref := w.call(call), log.Ref{Tenant: "acme", ID: call}
	if _, err := w.s.Log.Update(t.Context(), ref, w.s.waitForAgent); err != nil {
		t.Fatal(err)
	}
	w.tell()
	w.log.Before(events.Claimed, func() {
		claim := func(a *lifecycle.Agent) (*log.Draft, error) { return w.s.claim(earlier, a) }
		if won, err := w.s.Log.UpdateAgent(context.Background(), log.Ref{Tenant: "acme", ID: "ann"}, claim); err != nil || !won.Won {
			t.Errorf("the earlier place's claim: %v", err)
		}
	})
	known, err := other.give(t.Context(), w.call(call), w.agent("ann"))
	if err != nil || known != 0 {
		t.Errorf("the later place is told that it has the agent: %d, %v", known, err)
	}
	w.wantCall(call, "requested waiting")
	w.wantAgent("ann", "enrolled claimed")
}

func TestACrashBetweenClaimAndAssignment(t *testing.T) {
	t.Parallel()
	for story, groups := range map[string][]string{"a named agent": nil, "one of a hunt group": {"sales"}} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.enrol("ann", groups...)
			w.enrol("bob", groups...)
			q := map[string]any{"agent": "ann"}
			if groups != nil {
				q = map[string]any{"huntGroup": "sales"}
			}
			call := w.ask("1", q)
			w.tell()
			w.log.Fail(events.Assigned, logtest.Down)
			if err := w.s.advance(context.Background(), log.Ref{Tenant: "acme", ID: call}); fault.Code(err) != log.CodeUnavailable {
				t.Fatalf("err = %v", err)
			}
			claimed := w.agent("ann").Fence
			again := w.join() // the process that starts in its place
			w.work(again)
			w.wantCall(call, "requested assigned")
			w.wantAgent("ann", "enrolled claimed")
			w.wantAgent("bob", "enrolled")
			if got := w.call(call).Assigned.Fence; got != claimed {
				t.Errorf("assigned with fence %d, the claim is %d", got, claimed)
			}
		})
	}
}

func TestAnAssignmentWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	for _, f := range []logtest.Fault{logtest.LostAnswer, logtest.StoredUnknown, logtest.NotStored, logtest.Conflict} {
		w := newWorld(t)
		w.enrol("ann")
		call := w.ask("1", map[string]any{"agent": "ann"})
		w.tell()
		w.log.Fail(events.Claimed, f)
		w.log.Fail(events.Assigned, f)
		for range 3 { // redelivered until it goes through
			if w.s.advance(context.Background(), log.Ref{Tenant: "acme", ID: call}) == nil {
				break
			}
		}
		w.work(w.s)
		w.wantCall(call, "requested assigned")
		w.wantAgent("ann", "enrolled claimed")
	}
}

func TestAClaimThatIsNotNeededIsGivenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	call := w.ask("1", map[string]any{"agent": "ann"})
	w.tell()
	w.log.Before(events.Assigned, func() {
		w.say(call, events.Orchestrator, events.CancelRequested, &events.CallCancelRequested{By: events.ByOperator})
	})
	w.work(w.s)
	w.wantCall(call, "requested cancel_requested closed")
	w.wantAgent("ann", "enrolled claimed released")
	if w.agent("ann").State.LastCall != call || !w.agent("ann").Claimable() {
		t.Errorf("ann after it: %+v", w.agent("ann").State)
	}
}

func TestACallThatExpiresBetweenClaimAndAssignment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	call := w.ask("1", map[string]any{"agent": "ann"})
	w.tell()
	w.log.Before(events.Claimed, func() { w.pass(time.Hour) })
	w.work(w.s)
	w.wantCall(call, "requested closed")
	w.wantAgent("ann", "enrolled claimed released")
}

// A process is stopped after its claim, the sweeper takes the claim away, and
// then the process goes on: its claim must not come true any more.
func TestAStoppedProcessCannotUseASweptClaim(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	call := w.ask("1", map[string]any{"agent": "ann"})
	w.tell()
	other := w.join()
	w.log.Before(events.Assigned, func() {
		w.pass(20 * time.Second)
		w.tell()
		other.Sweep(context.Background())
		if a := w.agent("ann"); a.State.Claim != nil {
			t.Errorf("the sweeper left the claim: %+v", a.State.Claim)
		}
	})
	if err := w.s.advance(context.Background(), log.Ref{Tenant: "acme", ID: call}); err != nil {
		t.Fatal(err)
	}
	if h := w.holders("ann"); len(h) > 1 {
		t.Errorf("ann is held by %v", h)
	}
	c, a := w.call(call), w.agent("ann")
	if c.Assigned != nil && c.Assigned.Fence != a.Fence {
		t.Errorf("assigned with the void fence %d; the agent's is %d", c.Assigned.Fence, a.Fence)
	}
	w.work(other)
	w.work(w.s)
	if c := w.call(call); c.State != lifecycle.Assigned || c.Assigned.Fence != w.agent("ann").Fence {
		t.Errorf("in the end the call is %s", c.State)
	}
}

// The same, and meanwhile another process has claimed the agent anew for the
// call and dialed it: that claim is not the stopped process's to give back.
func TestAStoppedProcessDoesNotGiveBackAnothersClaim(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	call := w.ask("1", map[string]any{"agent": "ann"})
	w.tell()
	other := w.join()
	w.log.Before(events.Assigned, func() {
		w.pass(20 * time.Second)
		w.tell()
		other.Sweep(context.Background())
		w.work(other)
		w.dial(call)
	})
	if err := w.s.advance(context.Background(), log.Ref{Tenant: "acme", ID: call}); err != nil {
		t.Fatal(err)
	}
	w.wantCall(call, "requested waiting assigned passed dialing")
	w.wantAgent("ann", "enrolled claimed released claimed")
}

// A process that means to let an agent go is stopped before it says so. When
// it goes on, the agent is on the next attempt of the same call.
func TestAStoppedReleaseDoesNotFreeABusyAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.join()
	w.enrol("ann")
	call := w.ask("1", map[string]any{"agent": "ann", "expiresAt": noon.Add(time.Hour)})
	w.work(w.s)
	w.say(call, events.Compliance, events.Failed, &events.CallFailed{Retry: true, Reasons: []events.Reason{{Code: "PROVIDER_DOWN"}}})
	w.log.Before(events.Released, func() { // letGo is about to write
		w.pass(5 * time.Second)
		w.tell()
		other.Turn(context.Background()) // the wait is over: another process tries again
		if c := w.call(call); c.State == lifecycle.Assigned {
			w.dial(call)
		}
	})
	w.work(w.s)
	w.work(other)
	if c := w.call(call); c.Dialing != nil && w.agent("ann").State.Claim == nil {
		t.Error("ann was set free while her call is being dialed")
	}
	w.pass(5 * time.Second)
	w.turn(other)
	c := w.call(call)
	if c.State != lifecycle.Assigned || c.Assigned.Fence != w.agent("ann").Fence {
		t.Errorf("the next attempt is %s, %+v with fence %d", c.State, c.Assigned, w.agent("ann").Fence)
	}
}

func TestAnAgentIsLetGoWhenTheCallWaitsOrCloses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	call := w.ask("1", map[string]any{"agent": "ann", "expiresAt": noon.Add(time.Hour)})
	w.work(w.s)
	until := noon.Add(10 * time.Minute)
	w.say(call, events.Compliance, events.Failed, &events.CallFailed{NextAllowedAt: &until, Reasons: []events.Reason{{Code: "TIME_BEFORE_WINDOW"}}})
	w.work(w.s)
	w.wantCall(call, "requested assigned failed waiting")
	w.wantAgent("ann", "enrolled claimed released")
	w.pass(10 * time.Minute)
	w.turn(w.s)
	w.wantCall(call, "requested assigned failed waiting assigned")
	w.dial(call)
	w.say(call, events.Dialer, events.Refused, &events.CallRefused{Code: "line_busy"})
	w.work(w.s)
	w.wantCall(call, "requested assigned failed waiting assigned passed dialing refused closed")
	w.wantAgent("ann", "enrolled claimed released claimed released")
	if c := w.call(call).Closed; c.Outcome != "failed" || c.Reason != "line_busy" || c.Agent != "ann" || c.Quarantine {
		t.Errorf("%+v", c)
	}
}

func TestAnOldWaitDoesNotLetGoOfANewAssignment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	call := w.ask("1", map[string]any{"agent": "ann"})
	w.tell()
	w.presence("ann", events.NotReady, "poll")
	w.work(w.s)
	w.presence("ann", events.Ready, "poll")
	w.work(w.s)
	w.wantCall(call, "requested waiting assigned")
	for _, r := range w.call(call).Log { // everything comes again
		w.handle(w.s, w.s.OnCall, r)
	}
	w.wantCall(call, "requested waiting assigned")
	w.wantAgent("ann", "enrolled claimed")
}

func TestQuarantineAndTheWayOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	call := w.ask("1", map[string]any{"agent": "ann"})
	w.work(w.s)
	w.dial(call)
	w.say(call, events.Dialer, events.Unknown, &events.CallUnknown{Attempt: "attempt", Code: "timeout"})
	w.presence("ann", events.OnCall, "poll")
	w.pass(11 * time.Minute)
	w.turn(w.s)
	if c := w.call(call).Closed; c == nil || c.Reason != "outcome_unknown" || !c.Presumed || !c.Quarantine {
		t.Fatalf("%+v", c)
	}
	if a := w.agent("ann"); a.State.Quarantine == nil || a.Claimable() {
		t.Fatalf("%+v", a.State)
	}
	next := w.ask("2", map[string]any{"agent": "ann"})
	w.work(w.s)
	w.wantCall(next, "requested waiting")
	w.presence("ann", events.WrapUp, "poll") // proves nothing
	w.work(w.s)
	if w.agent("ann").State.Quarantine == nil {
		t.Fatal("after-call work set her free")
	}
	w.presence("ann", events.Ready, "poll")
	w.work(w.s)
	w.wantAgent("ann", "enrolled claimed quarantined released claimed")
	w.wantCall(next, "requested waiting assigned")
}

func TestReadinessEndsACallNobodySawEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	call := w.ask("1", map[string]any{"agent": "ann"})
	w.work(w.s)
	w.dial(call)
	w.say(call, events.Dialer, events.Started, &events.CallStarted{Attempt: "attempt"})
	w.say(call, events.Bridge, events.Talking, &events.CallProgress{Event: "INCALL"})
	w.presence("ann", events.OnCall, "poll")
	w.presence("ann", events.Ready, "poll")
	w.work(w.s)
	if c := w.call(call).Closed; c == nil || c.Outcome != "completed" || !c.Presumed || c.Quarantine {
		t.Errorf("%+v", c)
	}
	w.wantAgent("ann", "enrolled claimed released")
}

func TestAnOrphanHoldsTheAgentBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	call := w.ask("1", map[string]any{"agent": "ann"})
	w.work(w.s)
	w.dial(call)
	w.say(call, events.Dialer, events.Refused, &events.CallRefused{Code: "no"})
	w.work(w.s)
	w.say(call, events.Bridge, events.Ringing, &events.CallProgress{Event: "RING"})
	w.say(call, events.Dialer, events.Orphaned, &events.CallOrphaned{})
	w.work(w.s)
	w.wantAgent("ann", "enrolled claimed released quarantined")
	w.wantCall(call, "requested assigned passed dialing refused closed ringing orphaned")
}
