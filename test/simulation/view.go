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

// keptClosed is how many closed calls a view keeps, for what comes late.
const keptClosed = 64

// A view is what a process has heard. It is fed by the world, late and in order.
type view struct {
	w      *World
	calls  map[log.Ref]*lifecycle.Call
	agents map[log.Ref]*lifecycle.Agent
	heard  map[events.Family]uint64
	closed []log.Ref
}

var _ log.View = (*view)(nil)

func newView(w *World) *view {
	return &view{w: w, calls: map[log.Ref]*lifecycle.Call{}, agents: map[log.Ref]*lifecycle.Agent{}, heard: map[events.Family]uint64{}}
}

// Call implements log.View.
func (v *view) Call(ref log.Ref) *lifecycle.Call { return v.calls[ref] }

// Agent implements log.View.
func (v *view) Agent(ref log.Ref) *lifecycle.Agent { return v.agents[ref] }

// hear takes the next event of a stream.
func (v *view) hear(r events.Record) {
	v.heard[r.Family] = r.Seq
	v.Learn(r)
}

// Learn implements log.View.
func (v *view) Learn(r events.Record) {
	ref := log.RefOf(r)
	if r.Family == events.AgentFamily {
		if a := v.agents[ref]; a == nil || a.Last.Seq < r.Seq {
			v.agents[ref] = lifecycle.FoldAgent(r.Tenant, r.Key, r)
		}
		return
	}
	c := v.calls[ref]
	switch {
	case c == nil && r.Name == events.Requested:
		c = &lifecycle.Call{State: lifecycle.None}
	case c == nil || r.Seq <= c.Seq() || r.Place != c.Last().Place+1:
		return
	}
	next := *c // what was handed out stays as it is
	next.Log, next.Faults = slices.Clip(next.Log), slices.Clip(next.Faults)
	next.Take(r)
	v.calls[ref] = &next
	if r.Name == events.Closed {
		v.closed = append(v.closed, ref)
		if len(v.closed) > keptClosed {
			delete(v.calls, v.closed[0])
			v.closed = v.closed[1:]
		}
	}
}

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
func (v *view) Reach(_ context.Context, f events.Family, seq uint64) error {
	for v.heard[f] < seq {
		v.w.sleep(time.Millisecond)
	}
	return nil
}
