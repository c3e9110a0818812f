package compliance

import (
	"context"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/pkg/events"
)

// Run runs compliance on a host until ctx ends. Of the configuration, the rule
// sets, zones and times are the caller's; the rest comes from the host.
func Run(ctx context.Context, h *runtime.Host, c Config) error {
	c.Log, c.Facts, c.Notes, c.Directory = h.Log, h, h, h.Directory
	c.LastCall = func(ctx context.Context) (uint64, error) {
		return log.LastSequence(ctx, h.JS, events.StreamCalls, ">")
	}
	c.Offset, c.Now, c.Logger = h.Clock.Offset(), h.Now, h.Logger
	c.Paused = func(ctx context.Context) (bool, error) { return h.Paused(ctx, "compliance") }
	s := New(c)
	if err := h.Serve("says whether a call may be placed", s.Endpoints()); err != nil {
		return err
	}
	defer h.Turns(ctx, time.Second, s.Turn, s.Forget)()
	return h.Run(ctx, s.Routes()...)
}
