package tcn

import (
	"testing"
	"time"
)

// Whatever TCN takes, what is waited on top of it is a third of that, or a
// sixteenth of the interval that is configured, and never more than the
// interval; and who waits long asks no oftener than before.
func TestWhatIsWaitedForIsSeenSoon(t *testing.T) {
	t.Parallel()
	l := looks{most: 250 * time.Millisecond}
	asked := 0
	for took := time.Millisecond; took < 20*time.Second; took += 7 * time.Millisecond {
		var at time.Duration
		for asked = 1; at < took; asked++ {
			at += l.next(at)
		}
		if over := at - took; over > max(took/3, l.most/16) || over > l.most {
			t.Fatalf("%v is seen after %v", took, at)
		}
	}
	if most := 20*time.Second/l.most + 12; asked > int(most) {
		t.Errorf("asked %d times in 20 s, want %d at most", asked, most)
	}
}
