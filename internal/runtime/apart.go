package runtime

import (
	"context"
	"os"
	"time"

	"github.com/outdial/outdial/internal/clock"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// clockEvery is how often a service compares its machine's clock with the
// server's.
const clockEvery = time.Minute

// watchClock compares the clocks until ctx ends. At the start a machine whose clock
// is apart is refused; one that comes apart later goes on, because calls are up,
// and says so: in OPS, in its log, and by not being ready.
func (h *Host) watchClock(ctx context.Context) {
	machine, _ := os.Hostname()
	for pause(ctx, clockEvery); ctx.Err() == nil; pause(ctx, clockEvery) {
		ahead, err := clock.Measure(ctx, h.JS, h.machine)
		if err != nil {
			continue // the server is away, which others say
		}
		h.compare(ctx, machine, clock.Agree(ahead))
	}
}

// compare notes that the clocks have come apart, or agree again.
func (h *Host) compare(ctx context.Context, machine string, apart error) {
	if h.apart.Load() == (apart != nil) {
		return
	}
	o := events.Ops{Event: events.OpsClockAgrees, Service: h.Service, Tenant: events.AnyTenant, What: machine, At: h.Now()}
	if apart != nil {
		o.Event, o.Reason = events.OpsClockApart, apart.Error()
		h.Logger.ErrorContext(ctx, "THE CLOCKS ARE APART", "error", apart.Error())
	}
	if err := h.Ops(ctx, o); err != nil {
		h.Logger.WarnContext(ctx, "how the clocks stand is not recorded", "event", o.Event, "code", fault.Code(err))
		return // the next look says it
	}
	h.apart.Store(apart != nil)
}
