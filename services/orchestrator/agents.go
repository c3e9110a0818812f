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

// OnAgent hears what became of an agent: it may end the call that holds it,
// lift a quarantine, or give a waiting call its turn.
func (s *Service) OnAgent(ctx context.Context, d worker.Delivery) error {
	r := *d.Record
	p, presence := r.Body.(*events.AgentPresence)
	switch r.Name {
	case events.Ready, events.NotReady:
		if !presence {
			return nil
		}
	case events.Released, events.Enrolled:
	default:
		return nil
	}
	if _, err := s.Log.AgentOf(ctx, r); err != nil {
		return err
	}
	switch { // a release follows the first two, and with it the next call's turn
	case presence && p.State.Claim != nil:
		if stillWithIt(r.Name, p.Reason) {
			return nil
		}
		return s.endProven(ctx, r, p)
	case presence && p.State.Quarantine != nil:
		return s.unquarantine(ctx, r, p)
	}
	return s.serve(ctx, log.RefOf(r))
}

// endProven closes the call that holds the agent, if the agent's readiness
// proves it over.
func (s *Service) endProven(ctx context.Context, r events.Record, p *events.AgentPresence) error {
	ref := log.Ref{Tenant: r.Tenant, ID: p.State.Claim.Call}
	c, err := s.Log.Call(ctx, ref)
	if err == nil && c.Seq() < p.CallSeq { // which was on record by then
		c, err = s.Log.LatestCall(ctx, ref)
	}
	if err != nil {
		return err
	}
	if c.State == lifecycle.Closed { // and a crash came before the release
		return s.releaseAgent(ctx, log.RefOf(r), c, "closed")
	}
	if p.Call != ref.ID || c.State == lifecycle.WrappedUp {
		return nil // wrapped up is closed by that event, at this moment
	}
	_, err = s.Log.Update(ctx, ref, func(c *lifecycle.Call) (*log.Draft, error) {
		if end, ok := ProvesOver(c, p.CallSeq, p.Evidence == "poll"); ok {
			return s.draft(c, end)
		}
		return nil, nil
	})
	return err
}

// unquarantine frees an agent whom the provider has proved free: shows ready.
// Who is not ready may be amid a call, or hold what we prepared. Who is held for
// what is prepared takes longer to prove: see letGo.
func (s *Service) unquarantine(ctx context.Context, r events.Record, p *events.AgentPresence) error {
	if r.Name != events.Ready {
		return nil
	}
	_, err := s.Log.UpdateAgent(ctx, log.RefOf(r), func(a *lifecycle.Agent) (*log.Draft, error) {
		if a.State.Quarantine == nil || a.Fence > r.Seq || heldForLeftover(a) {
			return nil, nil
		}
		return s.released(a, events.AgentReleased{Call: a.State.Quarantine.Call, Cause: "proved_free"}), nil
	})
	return err
}

// Project keeps Redis in step with the agents' log.
func (s *Service) Project(ctx context.Context, d worker.Delivery) error {
	a := lifecycle.FoldAgent(d.Record.Tenant, d.Record.Key, *d.Record)
	if _, err := s.Sessions.Apply(ctx, s.session(a)); err != nil {
		return fault.New(fault.Transient, "project agent", "sessions_down", err)
	}
	return nil
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
