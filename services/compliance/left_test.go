package compliance

import (
	"context"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// An assignment whose delivery led nowhere, be it lost, be it parked, is picked
// up by the clock, once, whoever else comes upon it.
func TestAnAssignmentThatNoDeliveryBroughtIsPickedUp(t *testing.T) {
	t.Parallel()
	for connection, tc := range map[string]struct {
		want     string
		prepares int
	}{
		"tcn":  {"requested assigned preparing passed", 1},
		"desk": {"requested assigned passed", 0},
	} {
		t.Run(connection, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, connection, newYork)
			assigned := w.assign()
			s, _ := w.heard()
			other, _ := w.heard()
			w.pass(worker.LeftAfter - 1)
			w.turns(s)
			w.want("requested assigned") // its delivery may still come
			w.pass(1)
			w.turns(s)
			w.want(tc.want)
			w.turns(other) // which has not heard of the answer
			w.turns(s)
			w.hear(assigned) // and the delivery comes after all
			w.want(tc.want)
			if w.p.prepares != tc.prepares {
				t.Errorf("the provider was touched %d times, want %d", w.p.prepares, tc.prepares)
			}
		})
	}
	t.Run("not while people have paused compliance", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "tcn", newYork)
		w.assign()
		paused := true
		w.s.Paused = func(context.Context) (bool, error) { return paused, nil }
		s, _ := w.heard()
		w.pass(time.Minute)
		w.turns(s)
		w.want("requested assigned")
		paused = false
		w.pass(time.Minute)
		w.turns(s)
		w.want("requested assigned preparing passed")
	})
	t.Run("not one that was cancelled meanwhile", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, "tcn", newYork)
		w.assign()
		s, _ := w.heard()
		w.say(events.Orchestrator, events.CancelRequested, &events.CallCancelRequested{By: events.ByOperator})
		w.pass(time.Minute)
		w.turns(s)
		w.want("requested assigned cancel_requested")
		if w.p.prepares != 0 {
			t.Error("the provider was touched")
		}
	})
}

// A call that cannot be answered is not tried, and warned of, each second.
func TestACallThatCannotBeAnsweredIsTriedLessAndLess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "desk", newYork)
	w.assign()
	w.follow()
	c := w.s.Config
	c.Log = log.New(refusing{w.log}, w.view)
	s := New(c)
	w.pass(worker.LeftAfter)
	said := 0
	for range 120 {
		if err := s.Turn(t.Context()); err != nil {
			said++
		}
		w.pass(time.Second)
	}
	if said != 3 { // at once, and after 20 and 60 s
		t.Errorf("said %d times in two minutes", said)
	}
}

// refusing is a leader that takes nothing, whoever asks.
type refusing struct{ log.Leader }

func (refusing) Append(context.Context, log.Draft) (log.Appended, error) {
	return log.Appended{}, fault.New(fault.Permanent, "append", log.CodeLogFull, nil)
}
