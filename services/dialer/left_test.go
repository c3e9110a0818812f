package dialer

import (
	"context"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
)

// What the dialer owes a call, and no delivery has led to, is done by the clock,
// once, whoever else comes upon it.
func TestWhatNoDeliveryBroughtIsPickedUp(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		can    providers.Capabilities
		owes   func(*world) events.Record // the event whose delivery is lost
		want   string                     // of the log, after the event
		starts int
	}{
		"a pass": {providers.Capabilities{Presence: providers.PresenceDesktop}, (*world).passed, "requested assigned passed dialing started", 1},
		"an outcome that nobody knows": {providers.Capabilities{LooksUp: true}, func(w *world) events.Record {
			w.passed()
			w.say(events.Dialer, events.Dialing, &events.CallDialing{Attempt: "lost", NotAfter: w.Now()})
			w.p.found = []providers.Found{{Verdict: providers.Placed}}
			return w.say(events.Dialer, events.Unknown, &events.CallUnknown{Attempt: "lost"})
		}, "requested assigned passed dialing unknown started", 0},
		"a preparation that is to be withdrawn": {providers.Capabilities{}, func(w *world) events.Record {
			w.prepare()
			return w.say(events.Compliance, events.Failed, &events.CallFailed{Touched: true})
		}, "requested assigned preparing failed cancelled", 0},
		"a cancellation while the call rings": {providers.Capabilities{Withdraw: true}, func(w *world) events.Record {
			w.passed()
			w.say(events.Dialer, events.Dialing, &events.CallDialing{Attempt: "att", NotAfter: w.Now()})
			w.say(events.Dialer, events.Started, &events.CallStarted{Attempt: "att"})
			return w.say(events.Orchestrator, events.CancelRequested, &events.CallCancelRequested{By: events.ByOperator})
		}, "requested assigned passed dialing started cancel_requested cancelled", 0},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tc.can)
			lost := tc.owes(w)
			s, _ := w.heard()
			other, _ := w.heard()
			before := len(w.call().Log)
			take := func(s *Service) {
				t.Helper()
				if err := s.Turn(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			w.pass(worker.LeftAfter - 1)
			take(s)
			if n := len(w.call().Log); n != before {
				t.Error("done at once, though its delivery may still come")
			}
			w.pass(1)
			take(s)
			w.want(tc.want)
			take(other) // which has not heard of it
			take(s)
			w.hear(lost) // and the delivery comes after all
			w.want(tc.want)
			w.wantStarts(tc.starts)
		})
	}
	t.Run("nothing while people have paused the dialer", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, providers.Capabilities{Presence: providers.PresenceDesktop})
		w.passed()
		paused, err := true, error(nil)
		c := w.s.Config
		c.Paused = func(context.Context) (bool, error) { return paused, err }
		w.s.Config = c
		s, _ := w.heard()
		for range 60 {
			w.pass(time.Second)
			if err := s.Turn(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		w.want("requested assigned passed")
		paused, err = false, fault.New(fault.Transient, "ask", "unavailable", nil)
		w.pass(time.Minute)
		if s.Turn(t.Context()) == nil {
			t.Error("nobody could say whether it is paused, and nobody says so")
		}
		w.want("requested assigned passed")
		err = nil
		if err := s.Turn(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.want("requested assigned passed dialing started")
	})
	t.Run("not what is in order", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, providers.Capabilities{Presence: providers.PresenceDesktop})
		w.hear(w.passed())
		w.say(events.Bridge, events.Talking, &events.CallProgress{Event: "talking"})
		w.pass(time.Hour)
		w.turns()
		w.want("requested assigned passed dialing started talking")
	})
}
