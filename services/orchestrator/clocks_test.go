package orchestrator

import (
	"fmt"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/pkg/events"
)

// apart runs a story with two orchestrators whose clocks are so far apart, and
// whichever of the two comes first to what there is to do. The broker's clock,
// compliance's and the provider's are the world's.
func apart(t *testing.T, story func(t *testing.T, w *world)) {
	t.Helper()
	for _, ahead := range []time.Duration{-10 * time.Minute, -time.Minute, -5 * time.Second, 0, 5 * time.Second, time.Minute, 10 * time.Minute} {
		for _, second := range []bool{false, true} {
			t.Run(fmt.Sprintf("by %s, the other first: %v", ahead, second), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				other := w.joinApart(ahead)
				if second {
					w.crew = []*Service{other, w.s}
				}
				for _, s := range w.crew {
					s.CaughtUp()
				}
				story(t, w)
			})
		}
	}
}

// live lets both orchestrators do what they find, and time pass.
func (w *world) live(d, step time.Duration, between func()) {
	w.t.Helper()
	for end := w.Now().Add(d); w.Now().Before(end); w.pass(step) {
		for _, s := range w.crew {
			w.work(s)
			w.turn(s)
			between()
		}
	}
}

func (w *world) said(call string, name events.Name) (n int) {
	for _, r := range w.call(call).Log {
		if r.Name == name {
			n++
		}
	}
	return n
}

// A wait is as long for everybody as for its writer: who is ahead of the others
// does not cut it short, and who is behind does not begin it again.
func TestClocksThatAreApartEndNoWaitEarly(t *testing.T) {
	t.Parallel()
	t.Run("the agent cannot be prepared", func(t *testing.T) {
		t.Parallel()
		apart(t, func(t *testing.T, w *world) {
			w.enrol("ann", "sales")
			call := w.ask("1", map[string]any{"huntGroup": "sales", "expiresAt": noon.Add(time.Hour)})
			w.live(3*time.Minute, 250*time.Millisecond, func() {
				if c := w.call(call); c.Assigned != nil && c.State == "assigned" {
					w.say(call, events.Compliance, events.Failed, &events.CallFailed{Retry: true,
						Reasons: []events.Reason{{Code: "AGENT_NOT_READY", Rule: "provider"}}})
				}
			})
			// At once, and 2, 6, 14, 30, 62 and 122 seconds later. Who is behind may
			// hold the first one back.
			if n := w.said(call, events.Assigned); n < 2 || n > 7 || w.call(call).State == "closed" {
				t.Errorf("assigned %d times within three minutes: %s", n, names(w.call(call).Log))
			}
		})
	})
	t.Run("it is too early, and nobody is ready", func(t *testing.T) {
		t.Parallel()
		apart(t, func(t *testing.T, w *world) {
			w.enrol("ann", "sales")
			w.presence("ann", events.NotReady, "")
			call := w.ask("1", map[string]any{"huntGroup": "sales", "notBefore": noon.Add(30 * time.Second), "expiresAt": noon.Add(time.Hour)})
			w.live(2*time.Minute, 250*time.Millisecond, func() {})
			if n := w.said(call, events.Waiting); n > 2 {
				t.Errorf("waits %d times: %s", n, names(w.call(call).Log))
			}
		})
	})
	t.Run("the window opens by another's clock", func(t *testing.T) {
		t.Parallel()
		apart(t, func(t *testing.T, w *world) {
			w.enrol("ann", "sales")
			opens := noon.Add(90 * time.Second)
			call := w.ask("1", map[string]any{"huntGroup": "sales", "expiresAt": noon.Add(time.Hour)})
			w.live(20*time.Minute, time.Second, func() {
				if c := w.call(call); c.Assigned != nil && c.State == "assigned" && w.Now().Before(opens) {
					w.say(call, events.Compliance, events.Failed, &events.CallFailed{NextAllowedAt: &opens,
						Reasons: []events.Reason{{Code: "OUTSIDE_WINDOW", Rule: "window"}}})
				}
			})
			if n := w.said(call, events.Assigned); n > 8 || w.call(call).State != "assigned" {
				t.Errorf("assigned %d times, and then %s: %s", n, w.call(call).State, names(w.call(call).Log))
			}
		})
	})
}

// A watchdog counts from when it heard of a state, whatever time its writer gave it.
func TestClocksThatAreApartHurryNoWatchdog(t *testing.T) {
	t.Parallel()
	apart(t, func(t *testing.T, w *world) {
		w.enrol("ann")
		call := w.ask("1", map[string]any{"agent": "ann", "expiresAt": noon.Add(time.Hour)})
		w.live(time.Second, time.Second, func() {})
		w.dial(call)
		w.say(call, events.Dialer, events.Started, &events.CallStarted{})
		answer := config.OrDefault(Limits{}).Answer
		w.live(answer-5*time.Second, time.Second, func() {})
		if c := w.call(call); !c.Open() {
			t.Errorf("given up before its time: %s", names(c.Log))
		}
		w.live(10*time.Second, time.Second, func() {})
		if c := w.call(call); c.Open() {
			t.Errorf("not given up in time: %s", names(c.Log))
		}
	})
}

// What the first of two has seen come has come: no wait is written over by one
// whose clock is behind.
func TestWhoIsBehindDoesNotHoldACallBackAgain(t *testing.T) {
	t.Parallel()
	c := life(happened{events.Waiting, 0, &events.CallWaiting{Reason: events.WaitAgentNotReady}})
	c.Request.NotBefore = noon.Add(time.Minute)
	if a := Plan(c, noon, config.OrDefault(Limits{})); a.Do != Claim {
		t.Errorf("the call is to %s", a.Do)
	}
}
