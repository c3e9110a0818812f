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
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// turn is the least time between two looks at the open calls, however many
// events come.
const turn = 20 * time.Millisecond

// tick is the longest the timers sleep: a wake-up lost between a wait and a
// readiness is made good within it.
const tick = time.Second

// Timers looks at calls whose time has come, until the context ends. Several
// processes may do so at once.
func (s *Service) Timers(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var last, lastSweep time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-s.wake:
			if early := turn - time.Since(last); early > 0 {
				timer.Reset(early)
				continue
			}
		}
		last = time.Now()
		if s.Standing().Held { // nothing is decided on a store in question
			timer.Reset(tick)
			continue
		}
		next := s.Turn(ctx)
		if now := s.Now(); now.Sub(lastSweep) >= tick {
			lastSweep = now
			s.Sweep(ctx)
		}
		wait := tick
		if !next.IsZero() {
			wait = min(max(next.Sub(s.Now()), 5*time.Millisecond), tick)
		}
		timer.Reset(wait)
	}
}

// Turn does once what is due, and says when the next thing will be.
func (s *Service) Turn(ctx context.Context) time.Time {
	due, next := s.index.Due(s.Now(), s.Limits)
	due, more := inTurn(due)
	if more {
		next = s.Now()
	}
	for _, d := range due {
		if err := log.Run(ctx, s.Log, s.advance(d.Tenant, d.ID, d.First)); err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "timer", "call", d.ID, "code", fault.Code(err))
			if fault.Of(err) == fault.Permanent {
				s.index.Hold(d.Tenant, d.ID, fault.Code(err))
			}
		}
	}
	return next
}

// Sweep makes good what a crash left behind: claims that no call knows of, and
// turns that nobody was given. It also rebuilds Redis when it finds it empty.
func (s *Service) Sweep(ctx context.Context) {
	s.enrolPending(ctx)
	for _, a := range s.index.Agents("") {
		var err error
		switch {
		case a.State.Claim != nil:
			err = s.sweepClaim(ctx, a)
		case a.Claimable():
			if next, ok := s.index.NextFor(a, s.Now()); ok {
				err = log.Run(ctx, s.Log, s.advance(next.Tenant, next.ID, next.First))
			}
		}
		if err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "sweep", "agent", a.ID, "code", fault.Code(err))
		}
	}
	s.holdBack(ctx)
	s.index.Forget(s.Now().Add(-s.CallsAge))
	s.rebuild(ctx)
}

// sweepClaim releases a claim that is void: its call is closed, waits, or names
// another agent, and has had time enough to say otherwise.
func (s *Service) sweepClaim(ctx context.Context, a *lifecycle.Agent) error {
	claim := a.State.Claim
	if s.Now().Sub(claim.Since) < s.Limits.ClaimAge {
		return nil
	}
	if s.index.Holds(a.Tenant, claim.Call, a.ID) {
		return nil
	}
	return log.Run(ctx, s.Log, s.voidClaim(a.Tenant, a.ID, claim.Call), s.dropClaim(a.Tenant, a.ID, claim.Call))
}

// voidClaim moves the log of a call whose claim nobody has used, so that it
// cannot become an assignment any more, by anybody.
func (s *Service) voidClaim(tenant, agent, call string) log.Step {
	return log.Step{Make: func(ctx context.Context) (*log.Draft, error) {
		a, err := log.Agent(ctx, s.Log, tenant, agent)
		if err != nil || a.State.Claim == nil || a.State.Claim.Call != call {
			return nil, err
		}
		c, err := log.Call(ctx, s.Log, tenant, call, 0)
		if err != nil || !unused(a, c) || (c.State != lifecycle.Requested && c.State != lifecycle.Waiting) {
			return nil, err
		}
		return s.waiting(c, asBefore(c, "claim_void"))
	}}
}

// dropClaim releases a claim that its call cannot use: the call is closed,
// waits, or names another agent.
func (s *Service) dropClaim(tenant, agent, call string) log.Step {
	return log.Step{Make: func(ctx context.Context) (*log.Draft, error) {
		c, err := log.Call(ctx, s.Log, tenant, call, 0)
		if err != nil {
			return nil, err
		}
		return s.releaseClaim(ctx, tenant, agent, c, "claim_void")
	}}
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
