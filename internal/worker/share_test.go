package worker

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// However many have something waiting, a share is never nothing.
func TestEveryGroupHasRoomBeThereThousands(t *testing.T) {
	t.Parallel()
	l := newLanes(1, func(*lane) {})
	for seq := range uint64(2 * windowSize) {
		h := &held{group: fmt.Sprint(seq)}
		h.Sequence.Stream = seq + 1
		if got := l.add(h); got != isQueued {
			t.Fatalf("group %d finds no room: %v", seq, got)
		}
	}
}

// A handler that does not end keeps its message, and what waits behind it, from
// no other process: the broker hears nothing of them any more. It is said once.
func TestAHandlerThatDoesNotEndIsSpokenForNoLonger(t *testing.T) {
	t.Parallel()
	now := noon
	var given []*lane
	l := newLanes(8, func(ln *lane) { given = append(given, ln) })
	for i, key := range []string{"stuck", "stuck", "well", ""} {
		h := &held{key: key, msg: &keyed{key: key}}
		h.Sequence.Stream = uint64(i + 1)
		l.add(h)
	}
	var first *held
	for _, ln := range given {
		until := now.Add(time.Hour)
		if ln.key == "stuck" || ln.key == "" {
			until = now.Add(time.Minute)
		}
		if h := l.next(ln, until); h.key == "stuck" {
			first = h
		}
	}
	l.beats(now) // whoever was just delivered is not spoken for yet
	if alive, lost := l.beats(now); len(alive) != 4 || len(lost) != 0 {
		t.Fatalf("in time: %d alive, lost %v", len(alive), lost)
	}
	now = now.Add(time.Minute + 1)
	alive, lost := l.beats(now)
	slices.Sort(lost)
	if len(alive) != 1 || alive[0].(*keyed).key != "well" || !slices.Equal(lost, []uint64{1, 4}) {
		t.Errorf("%d alive, lost %v", len(alive), lost)
	}
	if _, lost := l.beats(now); len(lost) != 0 {
		t.Errorf("said again: %v", lost)
	}
	l.settle(first) // it ended after all
	l.end(first.in)
	if alive, _ := l.beats(now); len(alive) != 2 {
		t.Errorf("%d alive, want the one behind it too", len(alive))
	}
}

type keyed struct {
	jetstream.Msg
	key string
}
