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
	a := s.Pace(ctx, c.Tenant, c.Assigned.Connection, pace.Dial)
	switch {
	case a.Granted && a.Wait > 0:
		return nil, s.Sleep(ctx, a.Wait)
	case a.Granted:
		return nil, nil
	}
	until := s.Now().Add(a.Wait)
	return &events.CallWithheld{Reason: RateLimited, Until: &until}, ctx.Err()
}
