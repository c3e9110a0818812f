package orchestrator

import (
	"context"
	"slices"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// Some providers never say where an agent is. Nobody proves one of theirs free
// who is held back, so each hold has an end of its own: the provider's when it
// called her not available, else that of the longest call. It is told by what is
// on record and the time, so it survives every process, and any orchestrator
// ends it.

// heldUntil is when a hold ends by itself; false where it does not.
func (s *Service) heldUntil(a *lifecycle.Agent) (time.Time, bool) {
	q := a.State.Quarantine
	conn, ok := s.Directory.Connection(a.Tenant, a.State.Connection)
	if q == nil || !ok || !conn.Provider.Can.Presence.Unsaid() {
		return time.Time{}, false
	}
	if q.Reason == events.ReasonNotAvailable {
		return q.Since.Add(conn.Provider.Can.Away()), true
	}
	return q.Since.Add(s.Limits.Talk), true
}

func (s *Service) holdOver(a *lifecycle.Agent) bool {
	until, ok := s.heldUntil(a)
	return ok && !s.Now().Before(until)
}

// isAway says that a call was refused because its agent is not available, and
// that nobody else will say when she is.
func (s *Service) isAway(a *lifecycle.Agent, end *events.CallClosed) bool {
	conn, ok := s.Directory.Connection(a.Tenant, a.State.Connection)
	return ok && conn.Provider.Can.Presence.Unsaid() && end.Agent == a.ID && end.Reason == events.ReasonNotAvailable
}

// heldForLess says that a hold ends by itself which began before a given-up call
// turned up: it has to begin anew.
func (s *Service) heldForLess(a *lifecycle.Agent) bool {
	_, ok := s.heldUntil(a)
	return ok && a.State.Quarantine.Reason != orphaned
}

// endHold sets an agent free who is held back, if she still is to be.
func (s *Service) endHold(ctx context.Context, agent log.Ref, over func(*lifecycle.Agent) bool, cause string) error {
	_, err := s.Log.UpdateAgent(ctx, agent, func(a *lifecycle.Agent) (*log.Draft, error) {
		if !over(a) {
			return nil, nil
		}
		return s.released(a, events.AgentReleased{Call: a.State.Quarantine.Call, Cause: cause}), nil
	})
	return err
}

// heardOver hears late that a closed call is over: its agent was held back for
// nothing else, and nobody else will say that she is free. That she is must not be
// missed because her hold was not heard of yet, so the leader is asked.
func (s *Service) heardOver(ctx context.Context, c *lifecycle.Call) error {
	last := lastAssigned(c)
	if last == nil || last.Agent == "" || !lastWordIsOver(c) {
		return nil
	}
	agent := log.Ref{Tenant: c.Tenant, ID: last.Agent}
	if err := s.releaseAgent(ctx, agent, c, "closed"); err != nil {
		return err
	}
	held := func(a *lifecycle.Agent) bool {
		_, ok := s.heldUntil(a)
		return ok && a.State.Quarantine.Call == c.ID && a.State.Quarantine.Reason != events.ReasonNotAvailable
	}
	a, err := s.Log.LatestAgent(ctx, agent)
	if err != nil || !held(a) {
		return err
	}
	return s.endHold(ctx, agent, held, "heard_over")
}

// lastWordIsOver says that the last that was heard of where a call stands is its
// end.
func lastWordIsOver(c *lifecycle.Call) bool {
	for _, r := range slices.Backward(c.Log) {
		if _, ok := r.Body.(*events.CallProgress); ok && lifecycle.Rank(lifecycle.State(r.Name)) > 0 {
			return r.Name == events.Ended || r.Name == events.WrappedUp
		}
	}
	return false
}
