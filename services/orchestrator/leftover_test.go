package orchestrator

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/log/marks"
	"github.com/outdial/outdial/pkg/events"
)

// shown is what a poll says of an agent, and of how long ago that was.
func (w *world) shown(agent string, on events.Name, reason string, ago time.Duration) {
	w.t.Helper()
	a := w.agent(agent)
	after, _ := a.After(on, "", reason, w.Now().Add(-ago))
	d := log.NextOfAgent(a, events.Bridge, on, w.Now(), &events.AgentPresence{Reason: reason, Evidence: "poll", State: after})
	if _, err := w.log.Append(context.Background(), *d); err != nil {
		w.t.Fatal(err)
	}
}

// called lets a call come and go, after which the agent is known to have been
// prepared once.
func (w *world) called(agent string) {
	w.t.Helper()
	call := w.ask("before-"+agent, map[string]any{"agent": agent})
	w.work(w.s)
	w.dial(call)
	w.say(call, events.Dialer, events.Refused, &events.CallRefused{Code: "no"})
	w.work(w.s)
	if w.agent(agent).State.LastCall != call {
		w.t.Fatal("she was not called with")
	}
}

// left is an agent who stands in a preparation that no call owns.
func left(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.enrol("ann")
	w.called("ann")
	w.shown("ann", events.NotReady, events.ReasonPrepared, 0)
	w.pass(w.s.Limits.Prepared)
	w.turn(w.s)
	if !heldForLeftover(w.agent("ann")) {
		t.Fatal("she is not held back")
	}
	return w
}

func (w *world) alarms() (n int) {
	for _, o := range w.ops {
		if o.Event == "alarm" && o.Reason == events.ReasonLeftover {
			n++
		}
	}
	return n
}

// Who is shown prepared, and nobody's call explains it, is held back once what
// we might have on its way is over; nobody else is.
func TestWhoIsLeftPreparedIsHeldBack(t *testing.T) {
	t.Parallel()
	last := func(w *world) { w.called("ann") }
	for story, tc := range map[string]struct {
		before func(*world)
		reason string
		ago    time.Duration
		want   bool
	}{
		"for long":                          {last, events.ReasonPrepared, time.Minute, true},
		"a moment ago":                      {last, events.ReasonPrepared, 59 * time.Second, false},
		"who has a break":                   {last, "paused", time.Hour, false},
		"in another session":                {last, "session_mismatch", time.Hour, false},
		"by herself, and never called with": {func(*world) {}, events.ReasonPrepared, time.Hour, false},
		"who is claimed: her call says what is owed": {func(w *world) { w.ask("1", map[string]any{"agent": "ann"}); w.work(w.s) }, events.ReasonPrepared, time.Hour, false},
		"who left the roster": {func(w *world) {
			w.called("ann")
			if _, err := w.s.onRemoveAgent(context.Background(), "acme", []byte(`{"agent":"ann"}`)); err != nil {
				w.t.Fatal(err)
			}
		}, events.ReasonPrepared, time.Hour, false},
		"held back since the store went back": {func(w *world) {
			w.s.Standing = func() marks.Standing { return marks.Standing{Through: map[string]uint64{events.StreamAgents: 1 << 20}} }
			w.turn(w.s)
			w.s.Standing = func() marks.Standing { return marks.Standing{} }
			if w.agent("ann").State.Quarantine == nil {
				w.t.Fatal("not held back")
			}
		}, events.ReasonPrepared, time.Minute, true},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.enrol("ann")
			tc.before(w)
			w.shown("ann", events.NotReady, tc.reason, tc.ago)
			w.join()
			for _, s := range append(w.crew, w.crew...) {
				w.tell()
				s.Sweep(context.Background())
			}
			if got := heldForLeftover(w.agent("ann")); got != tc.want || w.alarms() != map[bool]int{true: 1}[tc.want] {
				t.Errorf("held: %v, %d alarms", got, w.alarms())
			}
		})
	}
	t.Run("on a page, where nothing is ever prepared", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.at("desk", "wes")
		w.called("wes")
		w.shown("wes", events.NotReady, events.ReasonPrepared, time.Hour)
		w.turn(w.s)
		if heldForLeftover(w.agent("wes")) {
			t.Error("held for a word of the page's")
		}
	})
}

// A withdrawal that was allowed before she was free may arrive after it: no call
// has her until it cannot any more, whoever hears of her readiness.
func TestNobodyHasWhoMayStillBeWithdrawn(t *testing.T) {
	t.Parallel()
	w := left(t)
	call := w.ask("next", map[string]any{"agent": "ann", "expiresAt": w.Now().Add(time.Hour)})
	w.shown("ann", events.Ready, "", time.Hour) // her readiness is old by the poll's clock
	w.turn(w.s)
	w.pass(provedFor - 1)
	w.turn(w.s)
	w.handle(w.s, w.s.OnAgent, w.agent("ann").Last)
	if w.call(call).Assigned != nil || w.agent("ann").State.Quarantine == nil {
		t.Fatal("she is a call's, and may be withdrawn from")
	}
	w.shown("ann", events.NotReady, events.ReasonPrepared, 0) // it takes effect once more
	w.shown("ann", events.Ready, "", 0)
	w.pass(1)
	w.turn(w.s)
	if w.agent("ann").State.Quarantine == nil {
		t.Error("free by what was before")
	}
	w.turn(w.join()) // who comes anew has seen nothing
	w.pass(provedFor)
	w.turn(w.s)
	w.turn(w.s)
	w.wantCall(call, "requested waiting assigned")
	if w.alarms() != 1 {
		t.Errorf("%d alarms", w.alarms())
	}
}

func TestNotEvenAPersonSetsFreeWhoIsBeingWithdrawnFrom(t *testing.T) {
	t.Parallel()
	release := func(w *world) error {
		_, err := w.s.onReleaseAgent(context.Background(), "acme", []byte(`{"agent":"ann","reason":"by hand"}`))
		return err
	}
	w := left(t)
	if err := release(w); err == nil || !strings.Contains(err.Error(), "being withdrawn") {
		t.Errorf("prepared: %v", err)
	}
	w.shown("ann", events.Ready, "", 0)
	if err := release(w); err == nil {
		t.Error("ready, and a withdrawal may be on its way")
	}
	w.shown("ann", events.SessionLost, "token", 0)
	if err := release(w); err == nil {
		t.Error("lost a moment ago")
	}
	w.pass(provedFor)
	if err := release(w); err != nil || w.agent("ann").State.Quarantine != nil {
		t.Errorf("nobody hears of her any more: %v", err)
	}
}
