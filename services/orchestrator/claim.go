package orchestrator

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// A claim is good for one place in the call's log, the one it was decided at
// (its CallSeq): there it may become an assignment, by whoever finds it. So it
// may be released, without a glance at the clock, as soon as the call's log
// has moved on; and whoever wants it released before moves the log first.

// hintAge is how long a claim hint in Redis keeps others from trying the same
// agent. It is comfort only; the agent's log decides.
const hintAge = 5 * time.Second

// pick finds an agent that may be claimed for the call, or that is claimed for
// it already. Nil: nobody now.
func (s *Service) pick(ctx context.Context, c *lifecycle.Call) (*lifecycle.Agent, error) {
	q := c.Request.Request
	if q.Agent != "" {
		a, err := log.Agent(ctx, s.Log, c.Tenant, events.AgentToken(q.Agent))
		if err != nil || !s.fits(a, c) {
			return nil, err
		}
		return a, nil
	}
	for _, id := range s.candidates(ctx, c) {
		a, err := log.Agent(ctx, s.Log, c.Tenant, id)
		if fault.Of(err) == fault.Permanent && err != nil {
			s.Logger.ErrorContext(ctx, "an agent's log cannot be read; others take its calls", "agent", id, "code", fault.Code(err))
			continue
		}
		if err != nil {
			return nil, err
		}
		if s.fits(a, c) && slices.Contains(a.State.HuntGroups, q.HuntGroup) && s.hinted(ctx, a, c.ID) {
			return a, nil
		}
	}
	return nil, nil
}

// fits reports whether the agent may take the call, or is claimed for it at
// this place by a run that ended before the assignment.
func (s *Service) fits(a *lifecycle.Agent, c *lifecycle.Call) bool {
	if want := c.Request.Request.Connection; want != "" && a.State.Connection != want {
		return false
	}
	if s.leased(a) && a.State.Session == "" {
		return false // ready by somebody's word, and there is no desktop to reach
	}
	if a.State.Presence == events.Ready && unused(a, c) {
		return true
	}
	return a.Claimable()
}

// unused reports whether the agent's claim is the call's and may still become
// its assignment.
func unused(a *lifecycle.Agent, c *lifecycle.Call) bool {
	return a.State.Claim != nil && a.State.Claim.Call == c.ID && a.State.Claim.CallSeq == c.Seq()
}

// needed reports whether the agent's claim is the call's assignment, or may
// still become it. A claim of a later place than the call was read at is
// somebody's who knows more.
func needed(a *lifecycle.Agent, c *lifecycle.Call) bool {
	if !c.Open() {
		return false
	}
	return a.State.Claim.CallSeq >= c.Seq() || c.Assigned != nil && c.Assigned.Agent == a.ID
}

// candidates are the agents of a hunt group who wait longest, after one that
// the call holds already. Redis says so; without it the index of this process
// does.
func (s *Service) candidates(ctx context.Context, c *lifecycle.Call) []string {
	group := c.Request.Request.HuntGroup
	ids, err := s.Sessions.Ready(ctx, c.Tenant, group, 16)
	if err != nil || len(ids) == 0 {
		ids = s.index.ReadyAgents(c.Tenant, group)
	}
	return append(s.index.ClaimedFor(c.Tenant, c.ID), ids...)
}

func (s *Service) hinted(ctx context.Context, a *lifecycle.Agent, call string) bool {
	mine, _, err := s.Sessions.Hint(ctx, a.Tenant, a.ID, call, hintAge)
	return mine || err != nil
}

func (s *Service) claim(c *lifecycle.Call, a *lifecycle.Agent) (*log.Draft, error) {
	now := s.Now()
	after, v := a.After(events.Claimed, c.ID, "", now)
	if v != lifecycle.Move {
		return nil, fault.New(fault.Transient, "claim agent", "conflict", nil)
	}
	after.Claim.CallSeq = c.Seq()
	d := log.NextOfAgent(a, events.Orchestrator, events.Claimed, now, &events.AgentClaimed{Call: c.ID, State: after})
	// Two calls that race for the agent follow the same event of it. Their
	// claims are two events, or the loser would be told that its own is stored.
	d.ID = events.EventID(a.Last.ID, events.TypeOf(d.Family, d.Name), a.ID+"@"+c.ID)
	return d, nil
}

// assign writes the claimed agent into the call, at the place the claim was
// decided at, or gives it back if the call went on without it.
func (s *Service) assign(tenant, call string, first, at uint64, a *lifecycle.Agent, fence uint64) log.Step {
	return log.Step{
		Make: func(ctx context.Context) (*log.Draft, error) {
			c, err := log.Call(ctx, s.Log, tenant, call, first)
			if err != nil {
				return nil, err
			}
			if c.Assigned != nil && c.Assigned.Agent == a.ID && c.Assigned.Fence == fence {
				return nil, nil // a run before this one got as far
			}
			if c.Seq() != at {
				return s.releaseClaim(ctx, tenant, a.ID, c, "claim_unused")
			}
			if m := s.plan(c, s.Now(), s.Limits); m.Verb != Claim {
				return s.draft(c, m) // its time ran out in between
			}
			return s.assignment(c, a, fence)
		},
		Then: func(_ context.Context, done log.Appended) ([]log.Step, error) {
			if done.Record.Name == events.Assigned || done.Record.Family == events.AgentFamily {
				return nil, nil
			}
			return []log.Step{s.assign(tenant, call, first, at, a, fence)}, nil
		},
	}
}

func (s *Service) assignment(c *lifecycle.Call, a *lifecycle.Agent, fence uint64) (*log.Draft, error) {
	body := &events.CallAssigned{
		Agent: a.ID, Connection: a.State.Connection, HuntGroup: c.Request.Request.HuntGroup,
		Session: a.State.Session, Fence: fence,
	}
	if conn, ok := s.Directory.Connection(c.Tenant, a.State.Connection); ok {
		body.NoTalking = !conn.Provider.Can.Talking
	}
	d, err := log.NextOfCall(c, events.Orchestrator, events.Assigned, s.Now(), body)
	if d != nil {
		// Two agents claimed for one call are two assignments: the loser must
		// hear that it lost, so that its agent is given back.
		d.ID = events.EventID(d.Cause, events.TypeOf(d.Family, d.Name), c.ID+"@"+a.ID+"@"+strconv.FormatUint(fence, 10))
	}
	return d, err
}

// releaseClaim drafts the agent's release (or quarantine) if this call holds
// it by a claim that can no longer become an assignment.
func (s *Service) releaseClaim(ctx context.Context, tenant, agent string, c *lifecycle.Call, cause string) (*log.Draft, error) {
	a, err := log.Agent(ctx, s.Log, tenant, agent)
	if err != nil {
		return nil, err
	}
	if a.State.Claim == nil || a.State.Claim.Call != c.ID || needed(a, c) {
		return nil, nil
	}
	now := s.Now()
	if c.Closed != nil && c.Closed.Quarantine {
		after, _ := a.After(events.Quarantined, c.ID, c.Closed.Reason, now)
		return log.NextOfAgent(a, events.Orchestrator, events.Quarantined, now,
			&events.AgentQuarantined{Call: c.ID, Reason: c.Closed.Reason, State: after}), nil
	}
	after, _ := a.After(events.Released, c.ID, cause, now)
	return log.NextOfAgent(a, events.Orchestrator, events.Released, now,
		&events.AgentReleased{Call: c.ID, Cause: cause, State: after}), nil
}

// letGo frees the agent that a call held once the call can no longer dial with
// it: it is closed, or waits again.
func (s *Service) letGo(r events.Record, cause string) log.Step {
	return log.Step{Make: func(ctx context.Context) (*log.Draft, error) {
		c, err := log.CallOf(ctx, s.Log, r)
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
		return s.releaseClaim(ctx, c.Tenant, a.Agent, c, cause)
	}}
}

// quarantine holds an agent back on whose line a given-up call turned up.
func (s *Service) quarantine(ctx context.Context, c *lifecycle.Call, agent string) (*log.Draft, error) {
	a, err := log.Agent(ctx, s.Log, c.Tenant, agent)
	if err != nil || a.ClaimState() != lifecycle.Free {
		return nil, err // held anyway; what holds it will find out
	}
	now := s.Now()
	after, v := a.After(events.Quarantined, c.ID, "orphaned", now)
	if v != lifecycle.Move {
		return nil, nil
	}
	return log.NextOfAgent(a, events.Orchestrator, events.Quarantined, now,
		&events.AgentQuarantined{Call: c.ID, Reason: "orphaned", State: after}), nil
}
