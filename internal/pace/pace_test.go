package pace_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outdial/outdial/internal/pace"
)

// count says how many of n are allowed now.
func count(k *pace.Keyed, key string, n int) int {
	allowed := 0
	for range n {
		if k.Allow(key, 1) {
			allowed++
		}
	}
	return allowed
}

func TestEachKeyHasItsOwnPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := pace.PerSecond(10)
		if n := count(k, "noisy", 1000); n != 20 {
			t.Errorf("%d at once, want 20", n)
		}
		if n := count(k, "quiet", 1); n != 1 {
			t.Error("another key was refused")
		}
		time.Sleep(time.Second) // the bubble's
		if n := count(k, "noisy", 1000); n != 10 {
			t.Errorf("%d after a second, want 10", n)
		}
	})
}

func TestAnHoursPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := pace.PerHour(120)
		allowed := 0
		for range 3600 {
			allowed += count(k, "flaps", 5)
			time.Sleep(time.Second) // the bubble's
		}
		if allowed < 120 || allowed > 120+24 {
			t.Errorf("%d in an hour", allowed)
		}
	})
}

func TestWaitingForOnesTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := pace.PerSecond(10)
		if err := k.Wait(t.Context(), "a", 1000); err != nil { // more than there ever are at once
			t.Fatal(err)
		}
		if after := k.After("a"); after != 100*time.Millisecond {
			t.Errorf("again after %s, want 100ms", after)
		}
		begin := time.Now()
		for range 10 {
			if err := k.Wait(t.Context(), "a", 1); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begin); took < 900*time.Millisecond || took > 1100*time.Millisecond {
			t.Errorf("ten took %s, want a second", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := k.Wait(ctx, "a", 20); err == nil {
			t.Error("waited longer than it could")
		}
	})
}

func TestExcessIsToldOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := pace.PerSecond(1)
		told := 0
		for range 121 {
			if k.Tell("a") {
				told++
			}
			time.Sleep(time.Second) // the bubble's
		}
		if told != 3 || !k.Tell("b") {
			t.Errorf("told %d times in two minutes", told)
		}
	})
}
