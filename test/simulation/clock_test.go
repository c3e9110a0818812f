package simulation

import (
	"testing"
	"time"
)

// The reading of a clock is made up of fields that the library does not show: it
// must behave as one of its own.
func TestAClockThatIsSetGoesOnMonotonically(t *testing.T) {
	before := reading(begin, time.Minute)
	after := reading(begin.Add(-time.Hour), time.Minute+3*time.Second)
	if d := after.Sub(before); d != 3*time.Second || !before.Before(after) {
		t.Errorf("%s have passed, want 3 s", d)
	}
	if wall := after.Round(0); !wall.Equal(begin.Add(-time.Hour)) || !wall.Before(begin) {
		t.Errorf("the wall shows %s", wall)
	}
	if d := before.Add(5 * time.Second).Sub(after); d != 2*time.Second {
		t.Errorf("%s are left, want 2 s", d)
	}
}
