package orchestrator

import (
	"context"
	"slices"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/journal"
	"github.com/outdial/outdial/pkg/journal/logs"
)

// hintAge is how long a claim hint in Redis keeps others from trying the same
// agent. It is comfort only; the agent's log decides.
const hintAge = 5 * time.Second

// pick finds an agent that may be claimed for the call, or that the call holds
// already. Nil: nobody now.
func (s *Service) pick(ctx context.Context, c *lifecycle.Call) (*lifecycle.Agent, error) {
	q := c.Request.Request
	if q.Agent != "" {
		a, err := logs.Agent(ctx, s.Log, c.Tenant, events.AgentToken(q.Agent))
		if err != nil || !s.fits(a, c) {
			return nil, err
		}
		return a, nil
	}
	for _, id := range s.candidates(ctx, c.Tenant, q.HuntGroup) {
		a, err := logs.Agent(ctx, s.Log, c.Tenant, id)
		if err != nil {
			return nil, err
		}
		if s.fits(a, c) && slices.Contains(a.State.HuntGroups, q.HuntGroup) && s.hinted(ctx, a, c.ID) {
			return a, nil
		}
	}
	return nil, nil
}

// fits reports whether the agent may take the call, or holds it already.
func (s *Service) fits(a *lifecycle.Agent, c *lifecycle.Call) bool {
	if want := c.Request.Request.Connection; want != "" && a.State.Connection != want {
		return false
	}
	if a.State.Claim != nil && a.State.Claim.Call == c.ID && a.Last.Name == events.Claimed {
		return true
	}
	return a.Claimable()
}

// candidates are the agents of a hunt group who wait longest. Redis says so;
// without it the index of this process does.
func (s *Service) candidates(ctx context.Context, tenant, huntGroup string) []string {
	ids, err := s.Sessions.Ready(ctx, tenant, huntGroup, 16)
	if err != nil || len(ids) == 0 {
		return s.index.ReadyAgents(tenant, huntGroup)
	}
	return ids
}

func (s *Service) hinted(ctx context.Context, a *lifecycle.Agent, call string) bool {
	mine, _, err := s.Sessions.Hint(ctx, a.Tenant, a.ID, call, hintAge)
	return mine || err != nil
}

func (s *Service) claim(c *lifecycle.Call, a *lifecycle.Agent) (*journal.Draft, error) {
	now := s.Now()
	after, v := a.After(events.Claimed, c.ID, "", now)
	if v != lifecycle.Move {
		return nil, fault.New(fault.Transient, "claim agent", "conflict", nil)
	}
	d := logs.NextOfAgent(a, events.Orchestrator, events.Claimed, now, &events.AgentClaimed{Call: c.ID, State: after})
	// The call is the cause: two calls that want the same agent must never
	// take each other's claim for their own when they read it back.
	d.Cause = c.Last().ID
	return d, nil
}

// assign writes the claimed agent into the call, or gives it back if the call
// does not need it any more.
func (s *Service) assign(tenant, call string, first uint64, a *lifecycle.Agent, fence uint64) journal.Step {
	return journal.Step{Make: func(ctx context.Context) (*journal.Draft, error) {
		c, err := logs.Call(ctx, s.Log, tenant, call, first)
		if err != nil {
			return nil, err
		}
		if c.Assigned != nil && c.Assigned.Agent == a.ID && c.Assigned.Fence == fence {
			return nil, nil // a run before this one got as far
		}
		if (c.State == lifecycle.Requested || c.State == lifecycle.Waiting) && s.Now().Before(c.Request.ExpiresAt) {
			return s.assignment(c, a, fence)
		}
		return s.release(ctx, tenant, a.ID, call, "claim_unused", nil)
	}, Then: func(_ context.Context, done journal.Appended) ([]journal.Step, error) {
		b, ok := done.Record.Body.(*events.CallAssigned)
		if !ok || done.Won || (b.Agent == a.ID && b.Fence == fence) {
			return nil, nil
		}
		// Another orchestrator assigned another agent in the same instant.
		return []journal.Step{s.assign(tenant, call, first, a, fence)}, nil
	}}
}

func (s *Service) assignment(c *lifecycle.Call, a *lifecycle.Agent, fence uint64) (*journal.Draft, error) {
	body := &events.CallAssigned{
		Agent: a.ID, Connection: a.State.Connection, HuntGroup: c.Request.Request.HuntGroup,
		Session: a.State.Session, Fence: fence,
	}
	if conn, ok := s.Directory.Connection(c.Tenant, a.State.Connection); ok {
		body.NoTalking = !conn.Provider.Can.Talking
	}
	return logs.NextOfCall(c, events.Orchestrator, events.Assigned, s.Now(), body)
}

// release drafts the agent's release (or quarantine) if this call holds it.
func (s *Service) release(ctx context.Context, tenant, agent, call, cause string, closed *events.CallClosed) (*journal.Draft, error) {
	a, err := logs.Agent(ctx, s.Log, tenant, agent)
	if err != nil {
		return nil, err
	}
	if a.State.Claim == nil || a.State.Claim.Call != call {
		return nil, nil
	}
	now := s.Now()
	if closed != nil && closed.Quarantine {
		after, _ := a.After(events.Quarantined, call, closed.Reason, now)
		return logs.NextOfAgent(a, events.Orchestrator, events.Quarantined, now,
			&events.AgentQuarantined{Call: call, Reason: closed.Reason, State: after}), nil
	}
	after, _ := a.After(events.Released, call, cause, now)
	return logs.NextOfAgent(a, events.Orchestrator, events.Released, now,
		&events.AgentReleased{Call: call, Cause: cause, State: after}), nil
}

// letGo frees the agent that a call held once the call can no longer dial with
// it: it is closed, or waits again.
func (s *Service) letGo(r events.Record, cause string) journal.Step {
	return journal.Step{Make: func(ctx context.Context) (*journal.Draft, error) {
		c, err := logs.CallOf(ctx, s.Log, r)
		if err != nil {
			return nil, err
		}
		a := lastAssigned(c)
		if a == nil {
			return nil, nil
		}
		if cause == "orphaned" {
			return s.quarantine(ctx, c, a.Agent)
		}
		if c.State != lifecycle.Waiting && c.State != lifecycle.Closed {
			return nil, nil // assigned again since
		}
		return s.release(ctx, c.Tenant, a.Agent, c.ID, cause, c.Closed)
	}}
}

// quarantine holds an agent back on whose line a given-up call turned up.
func (s *Service) quarantine(ctx context.Context, c *lifecycle.Call, agent string) (*journal.Draft, error) {
	a, err := logs.Agent(ctx, s.Log, c.Tenant, agent)
	if err != nil || a.ClaimState() != lifecycle.Free {
		return nil, err // held anyway; what holds it will find out
	}
	now := s.Now()
	after, v := a.After(events.Quarantined, c.ID, "orphaned", now)
	if v != lifecycle.Move {
		return nil, nil
	}
	return logs.NextOfAgent(a, events.Orchestrator, events.Quarantined, now,
		&events.AgentQuarantined{Call: c.ID, Reason: "orphaned", State: after}), nil
}
