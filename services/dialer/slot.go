package dialer

import (
	"context"

	"github.com/outdial/outdial/internal/pace"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// slot waits for the call's turn at a provider that is asked at a pace; nil is
// that it has come. It is asked for before the intent, which could go stale while
// it waits: a call whose turn is too far away is not dialed, and lets go of its
// agent meanwhile.
func (s *Service) slot(ctx context.Context, c *lifecycle.Call) (*events.CallWithheld, error) {
	for {
		a := s.Pace(ctx, c.Tenant, c.Assigned.Connection, pace.Dial)
		until := s.Now().Add(a.Wait)
		switch {
		case !a.Granted:
			return &events.CallWithheld{Reason: RateLimited, Until: &until}, ctx.Err()
		case a.Wait <= 0:
			return nil, nil
		}
		if err := s.Sleep(ctx, a.Wait); err != nil || s.Now().Sub(until) < overslept {
			return nil, err
		}
	}
}

// overslept is how late somebody may come for a slot. Whoever was stopped
// meanwhile, and all who were with him, asks again: their slots are past, and
// together they would be a burst.
const overslept = pace.Backlog

// keepDistance has a call that is to be sent wait for those that this process
// sends before it: an intent may have been held up on its way to the log, with
// many others, and together they would be the burst that their slots were to
// prevent. It is false where that would take longer than the intent may be sent.
func (s *Service) keepDistance(ctx context.Context, at attempt) bool {
	for {
		wait, ok := s.Distance(at.call.Tenant, at.call.Assigned.Connection, at.sendBy.Sub(s.Now()))
		if !ok || wait <= 0 {
			return ok
		}
		until := s.Now().Add(wait)
		if s.Sleep(ctx, wait) != nil {
			return false
		}
		if s.Now().Sub(until) < overslept {
			return true
		}
	}
}
