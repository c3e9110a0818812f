package bridge

import (
	"context"
	"time"

	"github.com/outdial/outdial/internal/log"
)

// PollOnce asks for one agent's status and says how long to leave it alone. It
// stands here until the polls are functions; the simulation calls it.
func (s *Service) PollOnce(ctx context.Context, ref log.Ref) (pause time.Duration) {
	busy, err := s.pollOnce(ctx, ref.Tenant, ref.ID)
	failures := 0
	if err != nil {
		failures = 1
	}
	return s.pause(busy, failures)
}
