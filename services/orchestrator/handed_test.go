package orchestrator

import (
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
)

// A customer whom an agent has handed on is on our line until the provider says
// that it has ended, and is not dialed meanwhile.
func TestAHandedOnCustomerIsOnOurLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann", "sales")
	first := w.handOn("1")
	if c := w.call(first).Closed; c == nil || c.Outcome != events.OutcomeCompleted || c.Reason != events.EndTransferred {
		t.Fatalf("closed %+v", c)
	}
	second := w.ask("2", map[string]any{"huntGroup": "sales"})
	stranger := w.ask("3", map[string]any{"huntGroup": "sales", "to": "+81398765432"})
	w.work(w.s)
	w.wantCall(second, "requested waiting")
	if got := w.call(second).Waiting; got.Reason != events.WaitCap || got.Detail != onOurLine || got.Until == nil {
		t.Errorf("waits for %+v", got)
	}
	w.wantCall(stranger, "requested assigned")
	w.say(stranger, events.Orchestrator, events.CancelRequested, &events.CallCancelRequested{By: events.ByOperator})
	w.work(w.s)
	w.say(first, events.Bridge, events.Ended, &events.CallProgress{Reason: events.EndCompleted})
	w.pass(lookAtLine)
	w.turn(w.s)
	w.wantCall(second, "requested waiting assigned")
}

// handOn has ann talk with a customer and hand him on.
func (w *world) handOn(id string) (call string) {
	w.t.Helper()
	call = w.ask(id, map[string]any{"agent": "ann"})
	w.work(w.s)
	w.dial(call)
	w.say(call, events.Dialer, events.Started, &events.CallStarted{})
	w.say(call, events.Bridge, events.Talking, &events.CallProgress{})
	w.say(call, events.Bridge, events.Ended, &events.CallProgress{Reason: events.EndTransferred})
	w.say(call, events.Bridge, events.WrapUp, &events.CallProgress{})
	w.say(call, events.Bridge, events.WrappedUp, &events.CallProgress{})
	w.work(w.s)
	return call
}

// A customer's end may never be heard; the number is free again in the end.
func TestAHandedOnCustomerIsForgottenInTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann", "sales")
	w.handOn("1")
	other := w.call(w.ask("2", map[string]any{"huntGroup": "sales"}))
	if !w.s.index.OnLine(other, noon.Add(time.Hour), 4*time.Hour) {
		t.Error("not on our line after an hour")
	}
	if w.s.index.OnLine(other, noon.Add(5*time.Hour), 4*time.Hour) || len(w.s.index.handed) > 0 {
		t.Error("on our line for ever")
	}
}

// Who starts after the call has closed begins with the customer all the same,
// as it begins with what is open.
func TestARestartKnowsWhoWasHandedOn(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		since func(w *world, call string)
		want  string
	}{
		"still talking to somebody": {func(*world, string) {}, "requested waiting"},
		"gone meanwhile": {func(w *world, call string) {
			w.say(call, events.Bridge, events.Ended, &events.CallProgress{Reason: events.EndCompleted})
		}, "requested assigned"},
		"gone before the agent's part was told": {func(w *world, call string) {
			w.say(call, events.Bridge, events.Ended, &events.CallProgress{Reason: events.EndCompleted})
			w.say(call, events.Bridge, events.Ended, &events.CallProgress{Reason: events.EndTransferred})
		}, "requested assigned"},
		"never heard of again": {func(w *world, _ string) { w.pass(5 * time.Hour) }, "requested assigned"},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.enrol("ann", "sales")
			tc.since(w, w.handOn("1"))
			w.tell()
			s := w.restart()
			call := w.ask("2", map[string]any{"huntGroup": "sales"})
			w.work(s)
			w.wantCall(call, tc.want)
		})
	}
}
