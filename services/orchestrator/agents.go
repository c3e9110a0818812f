package orchestrator

import (
	"context"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// onAgent hears what became of an agent: it may end the call that holds it,
// lift a quarantine, or give a waiting call its turn.
func (s *Service) onAgent(ctx context.Context, d worker.Delivery) ([]log.Step, error) {
	r := *d.Record
	switch r.Name {
	case events.Ready, events.NotReady:
		if p, ok := r.Body.(*events.AgentPresence); ok && (p.State.Claim != nil || p.State.Quarantine != nil) {
			// A release follows, and with it the next call's turn.
			return []log.Step{s.proven(r), s.unquarantine(r)}, nil
		}
		return s.serve(ctx, r.Tenant, r.Key)
	case events.Released, events.Enrolled:
		return s.serve(ctx, r.Tenant, r.Key)
	}
	return nil, nil
}

// proven closes the call that holds the agent, if the agent's readiness proves
// it over.
func (s *Service) proven(r events.Record) log.Step {
	return log.Step{Make: func(ctx context.Context) (*log.Draft, error) {
		p, ok := r.Body.(*events.AgentPresence)
		if !ok || p.State.Claim == nil {
			return nil, nil
		}
		c, err := log.Call(ctx, s.Log, r.Tenant, p.State.Claim.Call, 0)
		if err != nil {
			return nil, err
		}
		if c.State == lifecycle.Closed { // closed, and a crash came before the release
			return s.releaseClaim(ctx, r.Tenant, r.Key, c, "closed")
		}
		if p.Call != c.ID {
			return nil, nil
		}
		m, ok := Proof(c, p.CallSeq, p.Evidence == "poll")
		if !ok {
			return nil, nil
		}
		return s.draft(c, m)
	}}
}

// unquarantine frees an agent whom the provider has proved free.
func (s *Service) unquarantine(r events.Record) log.Step {
	return log.Step{Make: func(ctx context.Context) (*log.Draft, error) {
		p, ok := r.Body.(*events.AgentPresence)
		if !ok || p.State.Quarantine == nil || p.Reason == "on_call" {
			return nil, nil // a desktop amid a call is not free
		}
		a, err := log.Agent(ctx, s.Log, r.Tenant, r.Key)
		if err != nil || a.State.Quarantine == nil || a.Fence > r.Seq {
			return nil, err
		}
		now := s.Now()
		after, _ := a.After(events.Released, a.State.Quarantine.Call, "proved_free", now)
		return log.NextOfAgent(a, events.Orchestrator, events.Released, now,
			&events.AgentReleased{Call: a.State.Quarantine.Call, Cause: "proved_free", State: after}), nil
	}}
}

// serve gives the agent to the waiting call whose turn it is.
func (s *Service) serve(ctx context.Context, tenant, agent string) ([]log.Step, error) {
	a, err := log.Agent(ctx, s.Log, tenant, agent)
	if err != nil || !a.Claimable() {
		return nil, err
	}
	next, ok := s.index.NextFor(a, s.Now())
	if !ok {
		return nil, nil
	}
	return []log.Step{s.advance(tenant, next.ID, next.First)}, nil
}

// project keeps Redis in step with the agents' log.
func (s *Service) project(ctx context.Context, d worker.Delivery) ([]log.Step, error) {
	a := lifecycle.FoldAgent(d.Record.Tenant, d.Record.Key, *d.Record)
	if _, err := s.Sessions.Apply(ctx, s.session(a)); err != nil {
		return nil, fault.New(fault.Transient, "project agent", "sessions_down", err)
	}
	return nil, nil
}

// session is the agent as Redis keeps it.
func (s *Service) session(a *lifecycle.Agent) sessions.Agent {
	out := sessions.Agent{
		Tenant: a.Tenant, Agent: a.ID, HuntGroups: a.State.HuntGroups, Free: a.Claimable(), Since: a.State.Since,
		Incarnation: s.incarnation(), Seq: a.Last.Seq,
	}
	if a.State.Claim != nil {
		out.Claim = a.State.Claim.Call
	}
	return out
}
