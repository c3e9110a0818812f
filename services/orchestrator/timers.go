package orchestrator

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// Follow feeds the index with every event of CALLS and AGENTS, in order.
func (s *Service) Follow(r events.Record) {
	if p, ok := r.Body.(*events.AgentPresence); ok && r.Name == events.SessionStarted && p.State.Bridge != "" {
		s.Alive(p.State.Bridge) // its first word may come after its first session
	}
	s.index.Take(r)
}

// hurry ends the sleep of the timers.
func (s *Service) hurry() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// mostAtOnce is how many due calls one look handles.
const mostAtOnce = 64

// Turn does once what is due, and says when the next thing will be; zero: it is
// not known. Several processes may do so at once.
func (s *Service) Turn(ctx context.Context) time.Time {
	due, next := s.index.Due(s.Now(), mostAtOnce)
	for _, ref := range due {
		s.attempt(ctx, ref)
	}
	return next
}

// Sweep makes good what a crash left behind: claims that no call knows of, and
// turns that nobody was given. It also rebuilds Redis when it finds it empty.
func (s *Service) Sweep(ctx context.Context) {
	s.enrolPending(ctx)
	agents := s.index.Agents("")
	for _, a := range agents {
		var err error
		switch {
		case a.State.Claim != nil:
			err = s.sweepClaim(ctx, a)
		case s.holdOver(a):
			err = s.endHold(ctx, agentRef(a), s.holdOver, "time_over")
		case leftover(a, s.Now(), s.Limits.Prepared) && s.seated(a): // else it may be another's
			err = s.holdLeftover(ctx, a)
		case a.Claimable(): // perhaps because another has left its seat
			err = s.serve(ctx, agentRef(a))
		}
		if err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "sweep", "agent", a.ID, "code", fault.Code(err))
		}
	}
	s.index.LookForRoom()
	s.letGo(ctx, agents)
	s.holdBack(ctx)
	s.rebuild(ctx)
}

// sweepClaim releases a claim that is void: its call is closed, waits, or names
// another agent, and has had time enough to say otherwise.
func (s *Service) sweepClaim(ctx context.Context, a *lifecycle.Agent) error {
	claim := a.State.Claim
	if s.Now().Sub(claim.Since) < s.Limits.ClaimAge || s.index.Holds(a.Tenant, claim.Call, a.ID) {
		return nil
	}
	ref := log.Ref{Tenant: a.Tenant, ID: claim.Call}
	a, err := s.Log.LatestAgent(ctx, agentRef(a))
	if err != nil || a.State.Claim == nil || a.State.Claim.Call != ref.ID {
		return err
	}
	c, err := s.Log.LatestCall(ctx, ref)
	if err != nil {
		return err
	}
	// Nobody has used the claim. The call's log moves first, so that it cannot
	// become an assignment any more, by anybody.
	if claimPending(a, c) {
		_, err := s.Log.Update(ctx, ref, func(now *lifecycle.Call) (*log.Draft, error) {
			if !claimPending(a, now) || now.State != lifecycle.Requested && now.State != lifecycle.Waiting {
				return nil, nil
			}
			return s.waiting(now, asBefore(now, "claim_void"))
		})
		if err != nil {
			return err
		}
		if c, err = s.Log.Call(ctx, ref); err != nil {
			return err
		}
	}
	return s.releaseAgent(ctx, agentRef(a), c, "claim_void")
}

// rebuild fills Redis again from the agents' logs when it has lost them, and
// when what it holds is of a past that was given up. The mark is taken before
// the agents are listed, so whatever comes later comes by the projector.
func (s *Service) rebuild(ctx context.Context) {
	missing, err := s.Sessions.Missing(ctx, s.known())
	st := s.Standing()
	if err != nil || !missing && s.rebuilt == st.Epoch {
		return // Redis away: the index serves meanwhile
	}
	seq, agents := s.index.AgentsAt()
	if seq < st.Through[events.StreamAgents] {
		return // the accepted store is being read again
	}
	err = s.Sessions.Rebuild(ctx, sessions.Mark{Incarnation: s.incarnation(), Seq: seq}, func(yield func(sessions.Agent, error) bool) {
		for _, a := range agents {
			if !yield(s.session(a), nil) {
				return
			}
		}
	})
	if err != nil {
		if !errors.Is(err, sessions.ErrRebuilding) && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "rebuild sessions", "code", fault.Code(err))
		}
		return
	}
	s.rebuilt = st.Epoch
	s.Logger.InfoContext(ctx, "sessions rebuilt", "agents", len(agents))
}

// known are the agents whose last event is older than the sweep before this
// one: time enough for the projector.
func (s *Service) known() iter.Seq[sessions.Agent] {
	upTo := s.swept
	seq, agents := s.index.AgentsAt()
	s.swept = seq
	return func(yield func(sessions.Agent) bool) {
		for _, a := range agents {
			if a.Last.Seq <= upTo && !yield(s.session(a)) {
				return
			}
		}
	}
}
