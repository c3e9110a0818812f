package orchestrator

import (
	"context"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/log/marks"
	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// WentBack is why a call is closed that was open, or asked for, in a store that
// had gone back in time when somebody accepted it.
const WentBack = log.CodeWentBack

// Forsake brings a call that such a store held to its end. What the provider may hold of it is
// withdrawn first, and whoever owes an answer is waited for, as ever.
func Forsake(c *lifecycle.Call, now time.Time, l Limits) Action {
	if len(c.Faults) > 0 {
		return Action{Do: Nothing}
	}
	end := forsaken(c)
	switch c.State {
	case lifecycle.None, lifecycle.Closed:
		return Action{Do: Nothing}
	case lifecycle.Preparing, lifecycle.Cleared:
		return Action{Do: Cancel, Reason: WentBack}
	case lifecycle.Stopping, lifecycle.Dialing:
		return Plan(c, now, l)
	case lifecycle.Failed, lifecycle.Withheld, lifecycle.Undone, lifecycle.Cancelling, lifecycle.Cancelled,
		lifecycle.Refused, lifecycle.NotPlaced, lifecycle.Withdrawn:
		return undone(c, now, l, end)
	}
	return end
}

// forsaken is the end itself. Whoever was lent to the call may be on the
// telephone with it, and is held back until the provider proves otherwise.
func forsaken(c *lifecycle.Call) Action {
	return Action{Do: Close, Outcome: events.OutcomeFailed, Reason: WentBack,
		Presumed: c.Dialing != nil, Quarantine: lastAssigned(c) != nil}
}

// lost says that a call which was heard of is not in the store: that went back, and
// this process has not found out yet. A request that was folded into such a call
// would be nobody's.
func (s *Service) lost(ctx context.Context, ref log.Ref) (bool, error) {
	c, err := s.Log.LatestCall(ctx, ref)
	if err != nil {
		return false, err
	}
	return c.Request == nil, nil
}

// plan decides about a call, whose times are counted as they are heard here.
func (s *Service) plan(c *lifecycle.Call, now time.Time) Action {
	return s.planned(s.index.ByOwnClock(c, now), now)
}

// planned is the decision itself, by the life the call leads or by the store it
// was in.
func (s *Service) planned(c *lifecycle.Call, now time.Time) Action {
	if s.Standing().Forsakes(c) {
		return Forsake(c, now, s.Limits)
	}
	return Plan(c, now, s.Limits)
}

// incarnation is the fence of Redis. A store that was accepted after it went
// back gives its sequences out again, so it counts as one that was made then.
func (s *Service) incarnation() string {
	if at := s.Standing().AcceptedAt; !at.IsZero() {
		return max(s.Incarnation, sessions.Incarnation(at))
	}
	return s.Incarnation
}

// holdBack quarantines every agent whom nobody has claimed or freed since the
// store was accepted: in the past that was lost they may have been dialed, and
// the record would have them free. The provider proves those free who are.
func (s *Service) holdBack(ctx context.Context) {
	st := s.Standing()
	if len(st.Through) == 0 {
		return
	}
	for _, a := range s.index.Agents("") {
		if !lostSight(st, a) {
			continue
		}
		_, err := s.Log.UpdateAgent(ctx, agentRef(a), func(a *lifecycle.Agent) (*log.Draft, error) {
			if !lostSight(st, a) {
				return nil, nil
			}
			return s.quarantined(a, "", WentBack), nil
		})
		if err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "an agent is not held back yet", "agent", a.ID, "code", fault.Code(err))
		}
	}
}

// lostSight says that an agent is free by a record of the lost past.
func lostSight(s marks.Standing, a *lifecycle.Agent) bool {
	return a.Enrolled() && a.ClaimState() == lifecycle.Free && s.Covers(events.StreamAgents, a.Fence)
}
