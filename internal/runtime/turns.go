package runtime

import (
	"context"
	"sync"
	"time"

	"github.com/outdial/outdial/internal/clock"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// Paused says whether somebody has paused a consumer of CALLS: who takes turns
// instead of a delivery keeps to it. Its error is Transient.
func (h *Host) Paused(ctx context.Context, durable string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := h.JS.Consumer(ctx, events.StreamCalls, durable)
	if err != nil {
		return false, fault.New(fault.Transient, "ask for a consumer", "unavailable", err)
	}
	return c.CachedInfo().Paused, nil
}

// Turns lets a service look around every while until ctx ends or end is called,
// which waits for the last turn. A turn that fails is said and taken again. None
// is taken before this process has heard what is stored, nor while the store is
// in question: then forget is called, to let go of what was read of it.
func (h *Host) Turns(ctx context.Context, every time.Duration, turn func(context.Context) error, forget func()) (end func()) {
	ctx, stop := context.WithCancel(ctx)
	var turning sync.WaitGroup
	turning.Go(func() {
		for clock.Sleep(ctx, every) == nil {
			switch {
			case h.Held():
				forget()
				continue
			case !h.following.view.Live(events.CallFamily):
				continue
			}
			if err := turn(ctx); err != nil && ctx.Err() == nil {
				h.Logger.WarnContext(ctx, "a turn failed and will be taken again", "code", fault.Code(err))
			}
		}
	})
	return func() { stop(); turning.Wait() }
}
