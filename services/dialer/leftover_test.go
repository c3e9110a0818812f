package dialer

import (
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
)

// gone closes a prepared call as an orchestrator does that was alone for long,
// and holds its agent back.
func gone(w *world, cause events.Name) events.Record {
	w.t.Helper()
	w.prepare()
	switch cause {
	case events.CancelRequested:
		w.say(events.Orchestrator, events.CancelRequested, &events.CallCancelRequested{By: events.ByExpiry})
	case events.Dialing:
		w.passed()
		w.say(events.Dialer, events.Dialing, &events.CallDialing{Attempt: "lost", NotAfter: w.Now()})
	case events.Failed:
		w.say(events.Compliance, events.Failed, &events.CallFailed{Touched: true})
	}
	return w.say(events.Orchestrator, events.Closed, &events.CallClosed{Outcome: events.OutcomeFailed, Presumed: true, Quarantine: true})
}

func quarantine(w *world) {
	after := w.after(events.Quarantined, call)
	w.agentSays(events.Orchestrator, events.Quarantined, &events.AgentQuarantined{Call: call, State: after})
}

// A call that was closed while no dialer lived may have left a preparation, and
// an agent in a preparation is never proved free.
func TestADialerThatComesBackWithdrawsWhatTheEndLeftBehind(t *testing.T) {
	t.Parallel()
	for _, cause := range []events.Name{events.CancelRequested, events.Dialing, events.Failed} {
		t.Run("after "+string(cause), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, providers.Capabilities{LooksUp: true})
			end := gone(w, cause)
			quarantine(w)
			w.p.withdraw = func() (string, error) { return "", fault.New(fault.Transient, "withdraw", "down", nil) }
			wantSnooze(t, w.hears(w.s, end))
			w.p.withdraw = nil
			w.hear(end)
			w.hear(end)
			if w.last().Name != events.Cancelled || w.call().Touched {
				t.Errorf("last is %s", w.last().Name)
			}
			if len(w.p.withdraws) != 2 {
				t.Errorf("withdrawn %d times, want the one that failed and the one that did not", len(w.p.withdraws))
			}
			w.wantStarts(0)
		})
	}
	t.Run("before the agent is held back", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, providers.Capabilities{})
		w.hear(gone(w, events.Dialing))
		if w.last().Name != events.Cancelled {
			t.Errorf("last is %s", w.last().Name)
		}
	})
	t.Run("a call on its way is not hung up, and is said once", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, providers.Capabilities{})
		end := gone(w, events.Dialing)
		quarantine(w)
		w.p.withdraw = func() (string, error) { return "", fault.New(fault.Permanent, "withdraw", "answered", nil) }
		w.hear(end)
		w.hear(end)
		w.want("requested assigned preparing passed dialing closed cancel_failed")
	})
}

// What the provider holds is withdrawn by session: once the agent is free it
// may be another call's.
func TestWhatAFreeAgentHoldsIsNotWithdrawn(t *testing.T) {
	t.Parallel()
	for story, let := range map[string]func(*world){
		"who was proved free": func(w *world) {
			quarantine(w)
			w.agentSays(events.Orchestrator, events.Released, &events.AgentReleased{Call: call, State: w.after(events.Released, call)})
		},
		"who is on another call since": func(w *world) {
			w.agentSays(events.Orchestrator, events.Released, &events.AgentReleased{Call: call, State: w.after(events.Released, call)})
			w.agentSays(events.Orchestrator, events.Claimed, &events.AgentClaimed{Call: "c2", State: w.after(events.Claimed, "c2")})
		},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, providers.Capabilities{})
			end := gone(w, events.Failed)
			let(w)
			w.hear(end)
			if len(w.p.withdraws) != 0 {
				t.Error("another's preparation was withdrawn")
			}
		})
	}
	t.Run("whose call ended well", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, providers.Capabilities{})
		w.prepare()
		w.hear(w.passed())
		w.say(events.Bridge, events.WrappedUp, &events.CallProgress{Event: "READY"})
		w.pass(time.Second)
		w.hear(w.say(events.Orchestrator, events.Closed, &events.CallClosed{Outcome: events.OutcomeCompleted}))
		if len(w.p.withdraws) != 0 {
			t.Error("something was withdrawn")
		}
	})
}
