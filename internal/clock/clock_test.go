package clock_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/internal/broker/embedded"
	"github.com/outdial/outdial/internal/clock"
	"github.com/outdial/outdial/test/exams/natstest"
)

func rig(t *testing.T, change ...func(*embedded.Config)) *natstest.Rig {
	t.Helper()
	r := natstest.New(t, change...)
	l, err := broker.Plan([]string{"acme"}, broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := broker.Apply(t.Context(), r.JS, l); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTheOffsetIsFixedOnceAndSurvivesARestart(t *testing.T) {
	t.Parallel()
	r := rig(t)
	c, err := clock.Load(t.Context(), r.JS)
	if err != nil || c.Offset() != 0 {
		t.Fatalf("nothing fixed yet: offset %s, %v", c.Offset(), err)
	}
	at := time.Date(2026, 3, 9, 16, 0, 0, 0, time.UTC)
	first, err := clock.Fix(t.Context(), r.JS, at)
	if err != nil {
		t.Fatal(err)
	}
	if d := first.Now().Sub(at); d < 0 || d > time.Minute {
		t.Errorf("the clock stands %s after the instant it was set to", d)
	}
	second, err := clock.Fix(t.Context(), r.JS, at.AddDate(1, 0, 0))
	if err != nil || second.Offset() != first.Offset() {
		t.Errorf("a second fix: offset %s, first was %s, %v", second.Offset(), first.Offset(), err)
	}
	r.Server.Stop()
	r.Start(t)
	again, err := clock.Load(t.Context(), r.JS)
	if err != nil || again.Offset() != first.Offset() {
		t.Errorf("after a restart: offset %s, want %s, %v", again.Offset(), first.Offset(), err)
	}
}

// A store with calls in it is somebody's record: by one option it would never
// meet a real telephone again.
func TestAStoreOfTheRealClockNeverBecomesARehearsal(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 9, 16, 0, 0, 0, time.UTC)
	asked := func(subject string) func(*testing.T, *natstest.Rig) {
		return func(t *testing.T, r *natstest.Rig) {
			t.Helper()
			if _, err := r.JS.Publish(t.Context(), subject, []byte("{}")); err != nil {
				t.Fatal(err)
			}
		}
	}
	for story, tc := range map[string]struct {
		before func(*testing.T, *natstest.Rig)
		want   error
	}{
		"a new store":                       {func(*testing.T, *natstest.Rig) {}, nil},
		"only numbers that nobody may call": {asked("facts.acme.dnc.x"), nil},
		"a call":                            {asked("append.calls.acme.x.orchestrator.requested"), clock.ErrReal},
		"a request that nobody has taken":   {asked("dial.requests.acme"), clock.ErrReal},
		"a call, but in a rehearsal's store": {func(t *testing.T, r *natstest.Rig) {
			t.Helper()
			if _, err := clock.Fix(t.Context(), r.JS, at.AddDate(0, 1, 0)); err != nil {
				t.Fatal(err)
			}
			asked("append.calls.acme.x.orchestrator.requested")(t, r)
		}, nil},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			r := rig(t)
			tc.before(t, r)
			_, err := clock.Fix(t.Context(), r.JS, at)
			if !errors.Is(err, tc.want) {
				t.Fatalf("%v, want %v", err, tc.want)
			}
			c, err := clock.Load(t.Context(), r.JS)
			if err != nil || (c.Offset() != 0) != (tc.want == nil) {
				t.Errorf("afterwards the clock is shifted by %s, %v", c.Offset(), err)
			}
		})
	}
}

func TestRacingFixesAgree(t *testing.T) {
	t.Parallel()
	r := rig(t)
	var mu sync.Mutex
	var wg sync.WaitGroup
	seen := map[time.Duration]bool{}
	for i := range 8 {
		wg.Go(func() {
			c, err := clock.Fix(t.Context(), r.JS, time.Now().AddDate(0, i, 0))
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			seen[c.Offset()] = true
		})
	}
	wg.Wait()
	if len(seen) != 1 {
		t.Errorf("%d different clocks", len(seen))
	}
}

func TestShift(t *testing.T) {
	t.Parallel()
	base := time.Date(2026, 3, 9, 16, 0, 0, 0, time.UTC)
	c := clock.New(time.Hour, func() time.Time { return base })
	if got := c.Now(); !got.Equal(base.Add(time.Hour)) {
		t.Errorf("now is %s", got)
	}
}
