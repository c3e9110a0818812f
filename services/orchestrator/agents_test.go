package orchestrator

import (
	"context"
	"testing"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
)

// startedForAnn is a world in which ann's provider has taken a call of hers.
func startedForAnn(t *testing.T) (*world, string) {
	t.Helper()
	w := newWorld(t)
	w.enrol("ann", "sales")
	w.work(w.s)
	call := w.ask("1", map[string]any{"huntGroup": "sales"})
	w.work(w.s)
	w.dial(call)
	w.say(call, events.Dialer, events.Started, &events.CallStarted{})
	return w, call
}

// A poll that shows the agent ready says so of the call, which closes it, and
// then of the agent, who is there to close a call of which nobody said so. One
// of them does it, and neither meets the other's append.
func TestAPolledCallIsClosedOnce(t *testing.T) {
	t.Parallel()
	w, call := startedForAnn(t)
	for _, n := range []events.Name{events.Talking, events.WrapUp, events.WrappedUp} {
		w.work(w.s)
		w.say(call, events.Bridge, n, &events.CallProgress{})
	}
	w.presence("ann", events.OnCall, "poll")
	w.presence("ann", events.Ready, "poll")
	w.tell()
	w.handle(w.s, w.s.OnAgent, w.agent("ann").Last)
	w.wantCall(call, "requested assigned passed dialing started talking wrap_up wrapped_up")
	w.work(w.s)
	w.wantCall(call, "requested assigned passed dialing started talking wrap_up wrapped_up closed")
	w.wantAgent("ann", "enrolled claimed released")
}

// A page that is opened amid a call says that its agent is not ready, and why. While
// the reason is the call itself, or her work after it, the call is not over for her:
// what the provider says of its end is still to come.
func TestWhoIsNotReadyBecauseOfTheCallDoesNotEndIt(t *testing.T) {
	t.Parallel()
	for reason, over := range map[string]bool{"on_call": false, "wrap_up": false, "": true, "lunch": true, "other": true} {
		t.Run("reason "+reason, func(t *testing.T) {
			t.Parallel()
			w, call := startedForAnn(t)
			for _, n := range []events.Name{events.Talking, events.Ended, events.WrapUp} {
				w.say(call, events.Bridge, n, &events.CallProgress{})
			}
			a := w.agent("ann")
			after, _ := a.After(events.NotReady, "", reason, w.Now())
			d := log.NextOfAgent(a, events.Bridge, events.NotReady, w.Now(), &events.AgentPresence{
				Reason: reason, Evidence: "desktop", Call: call, CallSeq: w.call(call).Seq(), State: after,
			})
			if _, err := w.log.Append(context.Background(), *d); err != nil {
				t.Fatal(err)
			}
			w.work(w.s)
			want := "requested assigned passed dialing started talking ended wrap_up"
			if over {
				want += " closed"
			}
			w.wantCall(call, want)
			w.say(call, events.Bridge, events.WrappedUp, &events.CallProgress{})
			w.work(w.s)
			if got := w.call(call).Closed; got == nil || got.Outcome != events.OutcomeCompleted {
				t.Errorf("closed as %+v", got)
			}
		})
	}
}
