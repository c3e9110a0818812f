package compliance

import (
	"context"
	"errors"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/pkg/events"
)

// Run runs compliance on a host until ctx ends. Of the configuration, the rule
// sets, zones and times are the caller's; the rest comes from the host.
func Run(ctx context.Context, h *runtime.Host, c Config) error {
	c.Log, c.Facts, c.Notes, c.Directory = h.Log, h, h, h.Directory
	c.LastCall = func(ctx context.Context) (uint64, error) {
		last, err := log.LastSequence(ctx, h.JS, events.StreamCalls, ">")
		if errors.Is(err, log.ErrNone) {
			return 0, nil // an empty log is heard
		}
		if err == nil {
			err = h.Log.Reach(ctx, events.CallFamily, last)
		}
		return 0, err // all of it was heard
	}
	c.Offset, c.Now, c.Logger = h.Clock.Offset(), h.Now, h.Logger
	s := New(c)
	if err := h.Follow(ctx, events.StreamCalls, s.Follow, s.open.reset); err != nil {
		return err
	}
	if err := h.Serve("says whether a call may be placed", s.Endpoints()); err != nil {
		return err
	}
	return h.Run(ctx, s.Routes()...)
}
