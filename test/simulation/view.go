package simulation

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// A view is the real one, fed by the world, late and in order; only who waits
// for it waits in virtual time.
type view struct {
	*log.Follower
	w *World
}

var _ log.View = view{}

// Reach implements log.View.
func (v view) Reach(ctx context.Context, f events.Family, seq uint64) error {
	for v.Heard(f) < seq {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if v.w.running == nil { // outside of a coroutine the world goes on
			v.w.step()
			continue
		}
		v.w.sleep(10 * time.Millisecond)
	}
	return nil
}

// OpenCalls shows the open calls in the order in which they began: a map's would
// be no seed's.
func (v view) OpenCalls(show func(*lifecycle.Call)) {
	var open []*lifecycle.Call
	v.Follower.OpenCalls(func(c *lifecycle.Call) { open = append(open, c) })
	slices.SortFunc(open, func(a, b *lifecycle.Call) int { return cmp.Compare(a.Refs.Requested, b.Refs.Requested) })
	for _, c := range open {
		show(c)
	}
}

// Agents lists the agents in an order, for the same reason.
func (v view) Agents() []*lifecycle.Agent {
	return slices.SortedFunc(slices.Values(v.Follower.Agents()), func(a, b *lifecycle.Agent) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.ID, b.ID))
	})
}
