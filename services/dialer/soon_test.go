package dialer

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/outdial/outdial/pkg/events"
)

// looks lists when a message that is heard at once is looked at, for as long
// as it has to wait.
func looks(wait time.Duration) []time.Duration {
	begin := time.Now()
	r := events.Record{Stored: begin}
	var at []time.Duration
	for {
		left := wait - time.Since(begin)
		if left <= 0 {
			return at
		}
		time.Sleep(soon(left, r))
		at = append(at, time.Since(begin))
	}
}

func TestAMessageThatWaitsIsLookedAtEarlyAndThenLessOften(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, wait := range []time.Duration{time.Millisecond, 400 * time.Millisecond, time.Second, 30 * time.Second, 2 * time.Minute, time.Hour} {
			at := looks(wait)
			if at[0] > 500*time.Millisecond {
				t.Errorf("a wait of %v is first looked at after %v: most calls have moved on by then", wait, at[0])
			}
			if last := at[len(at)-1]; last != wait {
				t.Errorf("a wait of %v ends after %v", wait, last)
			}
			var gap time.Duration
			for i := 1; i < len(at)-1; i++ { // the last is cut off by the end
				if g := at[i] - at[i-1]; g < gap {
					t.Errorf("of a wait of %v, look %d comes %v after the last one, which came after %v", wait, i, g, gap)
				} else {
					gap = g
				}
			}
			if len(at) > 16 {
				t.Errorf("a wait of %v is looked at %d times", wait, len(at))
			}
		}
	})
}

// However old the message is, it is looked at when its wait is over and no
// later, and never at once for ever.
func TestAMessageIsNeverLookedAtTooLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, wait := range []time.Duration{1, time.Millisecond, 499 * time.Millisecond, time.Second, time.Minute, 72 * time.Hour} {
			for _, age := range []time.Duration{-time.Hour, -1, 0, 1, 499 * time.Millisecond, time.Second, time.Minute, 72 * time.Hour} { // a broker's clock may be ahead
				got := soon(wait, events.Record{Stored: time.Now().Add(-age)})
				if got > wait || got < min(wait, 500*time.Millisecond) {
					t.Errorf("a wait of %v, of a message %v old, is looked at in %v", wait, age, got)
				}
			}
		}
		if got := soon(time.Second, events.Record{}); got != time.Second { // of no time at all: very old
			t.Errorf("in %v", got)
		}
	})
}
