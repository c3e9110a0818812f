package runtime_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/clock"
	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/pkg/events"
)

// A machine with another hour than the server's runs no service: it would refuse
// what has not expired, and call outside of windows.
func TestAMachineWithAnotherHourIsRefused(t *testing.T) {
	t.Parallel()
	r := provisioned(t)
	for off, refused := range map[time.Duration]bool{-3 * time.Minute: true, -10 * time.Second: false, 10 * time.Second: false, 3 * time.Minute: true} {
		o := options(t, r)
		o.Machine = func() time.Time { return time.Now().Add(off) }
		h, err := runtime.Open(t.Context(), o)
		if errors.Is(err, clock.ErrApart) != refused {
			t.Errorf("%s off: %v", off, err)
		}
		if err == nil {
			h.Close()
		}
	}
}

// One whose clock comes apart while it runs says so once, and once that it agrees.
func TestAClockThatComesApartIsSaidOnce(t *testing.T) {
	t.Parallel()
	h, r := open(t)
	ops := func(event string) int {
		s, err := r.JS.Stream(t.Context(), events.StreamOps)
		if err != nil {
			t.Fatal(err)
		}
		of := events.OpsSubject(events.AnyTenant, event)
		info, err := s.Info(t.Context(), jetstream.WithSubjectFilter(of))
		if err != nil {
			t.Fatal(err)
		}
		return int(info.State.Subjects[of])
	}
	for range 2 {
		h.Compare("here", clock.Agree(time.Hour))
	}
	if ops(events.OpsClockApart) != 1 || h.Ready() {
		t.Errorf("apart: said %d times, ready %t", ops(events.OpsClockApart), h.Ready())
	}
	for range 2 {
		h.Compare("here", nil)
	}
	if ops(events.OpsClockAgrees) != 1 || ops(events.OpsClockApart) != 1 {
		t.Errorf("agrees: said %d times, apart %d", ops(events.OpsClockAgrees), ops(events.OpsClockApart))
	}
}
