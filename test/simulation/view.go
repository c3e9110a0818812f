package simulation

import (
	"cmp"
	"context"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
)

// A view is the real one, fed by the world, late and in order; only who waits
// for it waits in virtual time.
type view struct {
	*log.Follower
	w *World
}

var _ log.View = view{}

// OpenCalls shows the open calls that were heard of, in the same order in each run.
func (v *view) OpenCalls(show func(*lifecycle.Call)) {
	var open []*lifecycle.Call
	for _, c := range v.calls {
		if c.Open() {
			open = append(open, c)
		}
	}
	slices.SortFunc(open, func(a, b *lifecycle.Call) int { return cmp.Compare(a.Log[0].Seq, b.Log[0].Seq) })
	for _, c := range open {
		show(c)
	}
}

// Reach implements log.View.
func (v view) Reach(_ context.Context, f events.Family, seq uint64) error {
	for v.Heard(f) < seq {
		v.w.sleep(10 * time.Millisecond)
	}
	return nil
}
