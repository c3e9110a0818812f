package orchestrator

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/pace"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// slow is a world whose connections tcn and lists dial once a second, so that two
// calls may be on their way to each; n agents of the group sales are ready.
func slow(t *testing.T, n int) *world {
	w := newWorld(t)
	w.rates = map[pace.Account]int{{Tenant: "acme", Connection: "tcn"}: 1, {Tenant: "acme", Connection: "lists"}: 1}
	w.crew = nil
	w.s = w.join()
	w.s.CaughtUp()
	for i := range n {
		w.enrol(fmt.Sprint("a", i), "sales")
	}
	w.work(w.s)
	return w
}

// standing lists the calls in a state, in the order in which they came into it.
func (w *world) standing(calls []string, in lifecycle.State) (out []string) {
	for _, id := range calls {
		if w.call(id).State == in {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return int(w.call(a).Seq()) - int(w.call(b).Seq()) })
	return out
}

// Far below what the agents could dial, a call is told once that it waits, and
// is assigned when it can be dialed: those first whose turn it is, at the rate.
func TestWhoWaitsForARateIsToldOnce(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		request map[string]any
		others  int
	}{
		"any of a hunt group":          {map[string]any{"huntGroup": "sales"}, 0},
		"by several orchestrators":     {map[string]any{"huntGroup": "sales"}, 2},
		"in a queue of the provider's": {map[string]any{"queue": "menu-7", "connection": "lists"}, 0},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := slow(t, 20)
			for range tc.others {
				w.join().CaughtUp()
			}
			var calls, dialed []string
			urgent := 0
			for i := range 36 {
				q := map[string]any{"priority": 0}
				for k, v := range tc.request {
					q[k] = v
				}
				if i%3 == 0 {
					q["priority"] = 5
					urgent++
				}
				calls = append(calls, w.ask(fmt.Sprint("w", i), q))
			}
			for range len(calls) {
				for _, s := range w.crew {
					w.work(s)
					w.turn(s)
				}
				on := w.standing(calls, lifecycle.Assigned)
				if len(on) == 0 || len(on) > 2 {
					t.Fatalf("%d calls are on their way after %d", len(on), len(dialed))
				}
				if w.call(on[0]).Assigned.Queued() {
					w.say(on[0], events.Compliance, events.Passed, &events.CallPassed{ValidUntil: w.Now().Add(time.Hour)})
					w.say(on[0], events.Dialer, events.Dialing, &events.CallDialing{Attempt: "a"})
				} else {
					w.dial(on[0])
				}
				w.say(on[0], events.Dialer, events.Refused, &events.CallRefused{Code: "busy"})
				dialed = append(dialed, on[0])
				w.pass(time.Second)
			}
			w.work(w.s)
			for i, id := range dialed {
				log := names(w.call(id).Log)
				if log != "requested waiting assigned passed dialing refused closed" && log != "requested assigned passed dialing refused closed" {
					t.Errorf("%d: %s", i, log)
				}
				// The first two had room at once, before the others came.
				if i >= 2 && i < urgent && w.call(id).Request.Request.Priority == 0 {
					t.Errorf("%d is dialed before its turn", i)
				}
			}
		})
	}
}

// Where there is room again somebody may come at that very moment: the one who
// waits has it, unless whoever comes is more urgent.
func TestWhoComesLaterDoesNotOvertakeThoseWhoWaitForARate(t *testing.T) {
	t.Parallel()
	w := slow(t, 20)
	w.enrol("bob", "support") // for whom nobody waits
	calls := w.waits(4)
	w.work(w.s)
	for _, id := range calls[:2] {
		w.wantCall(id, "requested assigned")
		w.dial(id)
	}
	later := w.ask("later", map[string]any{"agent": "a9", "priority": 1})
	w.tell()
	w.handle(w.s, w.s.OnCall, w.call(later).Last())
	another := w.ask("another", map[string]any{"huntGroup": "support"})
	w.tell()
	w.handle(w.s, w.s.OnCall, w.call(another).Last())
	w.wantCall(another, "requested waiting")
	w.turn(w.s)
	w.wantCall(later, "requested assigned") // it names its agent
	w.wantCall(calls[2], "requested waiting assigned")
	w.wantCall(calls[3], "requested waiting")
	w.wantCall(another, "requested waiting")
}

// What stands still on its way, or could have nobody after all, holds nobody up
// for ever.
func TestNobodyWaitsForARateThatIsUsedByNobody(t *testing.T) {
	t.Parallel()
	w := slow(t, 20)
	calls := w.waits(6)
	w.work(w.s)
	w.wantCall(calls[2], "requested waiting")
	w.pass(9 * time.Second)
	w.turn(w.s)
	w.wantCall(calls[2], "requested waiting")
	w.pass(2 * time.Second)
	for range 3 {
		w.turn(w.s)
		w.pass(20 * time.Millisecond)
	}
	w.wantCall(calls[2], "requested waiting assigned")
	w.wantCall(calls[3], "requested waiting assigned")
	w.wantCall(calls[4], "requested waiting")
	for _, id := range calls[2:4] { // one is cancelled, one fails
		w.say(id, events.Orchestrator, events.CancelRequested, &events.CallCancelRequested{By: events.ByOperator})
	}
	for range 3 {
		w.work(w.s)
		w.turn(w.s)
		w.pass(20 * time.Millisecond)
	}
	w.wantCall(calls[4], "requested waiting assigned")
	w.wantCall(calls[5], "requested waiting assigned")
}
