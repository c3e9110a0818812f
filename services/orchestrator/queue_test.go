package orchestrator

import (
	"errors"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
)

// A call in a provider's own queue is assigned to it at once, whoever of ours is
// ready, and nobody is claimed, held back or released for it.
func TestACallInAQueueIsNobodysOfOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann", "sales")
	w.presence("ann", events.Ready, "poll")
	two := w.join()
	call := w.ask("q1", map[string]any{"queue": "menu-7", "connection": "lists"})
	for range 3 { // both orchestrators find it
		w.work(w.s)
		w.work(two)
	}
	w.wantCall(call, "requested assigned")
	if a := w.call(call).Assigned; !a.Queued() || a.Queue != "menu-7" || a.Connection != "lists" || a.Fence != 0 || !a.NoTalking {
		t.Errorf("assigned %+v", a)
	}
	w.say(call, events.Compliance, events.Passed, &events.CallPassed{ValidUntil: w.Now().Add(time.Hour)})
	w.say(call, events.Dialer, events.Dialing, &events.CallDialing{Attempt: "a"})
	w.say(call, events.Dialer, events.Started, &events.CallStarted{Attempt: "a"})
	w.pass(5 * time.Hour) // nobody ever hears of it
	for range 3 {
		w.turn(w.s)
		w.work(w.s)
		w.pass(time.Hour)
	}
	w.wantCall(call, "requested assigned passed dialing started cancel_requested closed")
	if end := w.call(call).Closed; end.Agent != "" || end.Quarantine || !end.Presumed {
		t.Errorf("closed %+v", end)
	}
	w.wantAgent("ann", "enrolled")
}

func TestAQueueIsTheProvidersToHave(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for connection, fault := range map[string]string{"tcn": "queue_unsupported", "": "queue_unsupported", "nowhere": "unknown_connection"} {
		q := map[string]any{"queue": "menu-7"}
		if connection != "" {
			q["connection"] = connection
		}
		_, err := w.accept(w.s, w.request("q-"+connection, q))
		r, ok := errors.AsType[*events.RejectError](err)
		if !ok || len(r.Note.Faults) != 1 || r.Note.Faults[0].Code != fault {
			t.Errorf("on %q: %v, want %s", connection, err, fault)
		}
	}
}
