package orchestrator

import (
	"testing"

	"github.com/outdial/outdial/pkg/events"
)

// A poll that shows the agent ready says so of the call, which closes it, and
// then of the agent, who is there to close a call of which nobody said so. One
// of them does it, and neither meets the other's append.
func TestAPolledCallIsClosedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann", "sales")
	w.work(w.s)
	call := w.ask("1", map[string]any{"huntGroup": "sales"})
	w.work(w.s)
	w.dial(call)
	w.say(call, events.Dialer, events.Started, &events.CallStarted{})
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
