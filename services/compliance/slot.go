package compliance

import (
	"context"
	"time"

	"github.com/outdial/outdial/internal/pace"
	"github.com/outdial/outdial/internal/tenants"
)

// slot waits until a provider that is asked at a pace may be asked about a call.
// Dials go before, so nobody knows when that is: it asks again when it was told
// to. A moment is when a turn may come that is too far away to be waited for.
func (s *Service) slot(ctx context.Context, conn tenants.Connection) (later *time.Time, err error) {
	for end := s.Now().Add(pace.Horizon); ; {
		a := s.Pace(ctx, conn.Tenant, conn.Name, pace.Check)
		if a.Granted || ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if at := s.Now().Add(a.Wait); at.After(end) {
			return &at, nil
		}
		if err := s.Sleep(ctx, a.Wait); err != nil {
			return nil, err
		}
	}
}
