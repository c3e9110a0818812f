package orchestrator

import (
	"context"
	"errors"
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

// orphaned is why an agent is held back on whose line a given-up call turned up.
const orphaned = "orphaned"

// hintAge is how long a claim hint in Redis keeps others from trying the same
// agent. It is comfort only; the agent's log decides.
const hintAge = 5 * time.Second

// tries is how often a race for an agent is run again.
const tries = 4

func agentRef(a *lifecycle.Agent) log.Ref { return log.Ref{Tenant: a.Tenant, ID: a.ID} }

func callRef(c *lifecycle.Call) log.Ref { return log.Ref{Tenant: c.Tenant, ID: c.ID} }

// seek finds an agent for a call and gives it to the call; without one the call
// waits. Whoever is giving the call an agent already is left to it.
func (s *Service) seek(ctx context.Context, c *lifecycle.Call) error {
	ref, known := callRef(c), c.Seq()
	if !s.index.Reserve(ref) {
		return nil
	}
	defer func() { s.index.GiveBack(ref, known) }()
	passed, why := map[string]bool{}, events.WaitAgentNotReady // agents who were lost to others
	for len(passed) < tries && !s.index.OnLine(c, s.Now(), s.Limits.Talk) {
		a, crowded, err := s.pick(ctx, c, passed)
		if err != nil {
			return err
		}
		if a == nil {
			if crowded {
				why = events.WaitRateLimited
			} else {
				s.index.Vain(c)
			}
			break
		}
		at, err := s.give(ctx, c, a)
		if at == 0 && s.unreadable(ctx, a.ID, c, err) {
			err = nil
		}
		if known = max(known, at); err != nil || at > 0 {
			return err
		}
		passed[a.ID] = true
	}
	waits, err := s.Log.Update(ctx, ref, func(c *lifecycle.Call) (*log.Draft, error) { return s.waitForTurn(c, why) })
	known = max(known, waits.Record.Seq)
	return err
}

// serve offers an agent who may be ready to the call that comes first.
func (s *Service) serve(ctx context.Context, agent log.Ref) error {
	for range tries {
		a, err := s.Log.Agent(ctx, agent)
		if err != nil || !a.Claimable() || !s.reached(a) || !s.seated(a) || !s.index.Room(accountOf(a)) {
			return err
		}
		ref, ok := s.index.Offer(a, s.Now())
		if !ok {
			return nil
		}
		known, err := s.offer(ctx, ref, a)
		s.index.GiveBack(ref, known)
		switch {
		case errors.Is(err, errCrowded):
			return nil
		case illegible(err) && ctx.Err() == nil:
			// That call is a person's business, and the next one's turn comes.
			s.Logger.WarnContext(ctx, "a call that has its turn cannot be read", "call", ref.ID, "code", fault.Code(err))
			s.index.Hold(ref)
		case err != nil:
			return err
		}
	}
	return nil
}

// offer gives an agent to a call if it still seeks one, and says how far the
// call's log is known then.
func (s *Service) offer(ctx context.Context, ref log.Ref, a *lifecycle.Agent) (known uint64, err error) {
	c, err := s.Log.Call(ctx, ref)
	if err != nil {
		return 0, unread{err}
	}
	if s.plan(c, s.Now()).Do != Claim || !s.fits(a, c) {
		return c.Seq(), nil
	}
	if s.index.OnLine(c, s.Now(), s.Limits.Talk) {
		waits, err := s.Log.Update(ctx, ref, s.waitForAgent)
		return max(waits.Record.Seq, c.Seq()), err
	}
	if !s.index.Book(c, accountOf(a)) {
		return c.Seq(), errCrowded
	}
	at, err := s.give(ctx, c, a)
	return max(at, c.Seq()), err
}

// errCrowded says that an agent's connection is others' for now.
var errCrowded = errors.New("no room on the connection")

// pick finds an agent that may be claimed for the call, or that is claimed for
// it already. Nil: nobody now. An agent for whom others wait whose turn comes
// before is offered to those; crowded says that of somebody's connection there was
// no more to be had.
func (s *Service) pick(ctx context.Context, c *lifecycle.Call, passed map[string]bool) (_ *lifecycle.Agent, crowded bool, _ error) {
	q := c.Request.Request
	ids := []string{events.AgentToken(q.Agent)}
	if q.Agent == "" {
		ids = s.candidates(ctx, c)
	}
	for _, id := range ids {
		a, err := s.Log.Agent(ctx, log.Ref{Tenant: c.Tenant, ID: id})
		if s.unreadable(ctx, id, c, err) {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		switch {
		case passed[id], !s.fits(a, c) || q.Agent == "" && !slices.Contains(a.State.HuntGroups, q.HuntGroup):
			continue
		case a.State.Claim != nil: // for this very call
			return a, false, nil
		case s.index.Precedes(a, c, s.Now()):
			if err := s.serve(ctx, agentRef(a)); err != nil {
				return nil, false, err
			}
			continue
		case !s.index.Book(c, accountOf(a)):
			crowded = true
		case q.Agent != "" || s.hinted(ctx, a, c.ID):
			return a, false, nil
		}
	}
	return nil, crowded, nil
}

// unreadable reports whether an agent's log cannot be read, so that others of
// the hunt group take its calls.
func (s *Service) unreadable(ctx context.Context, agent string, c *lifecycle.Call, err error) bool {
	if err == nil || fault.Of(err) != fault.Permanent || c.Request.Request.Agent != "" {
		return false
	}
	s.Logger.ErrorContext(ctx, "an agent's log cannot be read; others take its calls", "agent", agent, "code", fault.Code(err))
	return true
}

// fits reports whether the agent may take the call, or is claimed for it at
// this place by a run that ended before the assignment.
func (s *Service) fits(a *lifecycle.Agent, c *lifecycle.Call) bool {
	if want := c.Request.Request.Connection; want != "" && a.State.Connection != want {
		return false
	}
	if !s.reached(a) || !s.seated(a) || c.Request.Request.Recording != nil && !s.records(a) {
		return false
	}
	if a.State.Presence == events.Ready && claimPending(a, c) {
		return true
	}
	return a.Claimable()
}

// reached reports whether there is a way to the agent: one may be ready by
// somebody's word, and have no desktop to reach.
func (s *Service) reached(a *lifecycle.Agent) bool { return !s.leased(a) || a.State.Session != "" }

// seated reports whether the agent is the only one who may be called at its seat:
// by what this process has heard in order up to the agent's enrolment at least, and
// since an accepted store was read again.
func (s *Service) seated(a *lifecycle.Agent) bool {
	other, heard := s.index.Keeps(a)
	return other == "" && heard >= max(a.State.EnrolledSeq, s.Standing().Through[events.StreamAgents])
}

// records reports whether the agent's provider can be told whether to record.
func (s *Service) records(a *lifecycle.Agent) bool {
	return s.Directory.Can(a.Tenant, a.State.Connection).Records
}

// claimPending reports whether the agent's claim is the call's and may still become
// its assignment.
func claimPending(a *lifecycle.Agent, c *lifecycle.Call) bool {
	return a.State.Claim != nil && a.State.Claim.Call == c.ID && a.State.Claim.CallSeq == c.Seq()
}

// claimInUse reports whether the agent's claim is the call's assignment, or may
// still become it. A claim of a later place than the call was read at is
// somebody's who knows more.
func claimInUse(a *lifecycle.Agent, c *lifecycle.Call) bool {
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
	// Two calls that race for the agent follow the same event of it, and so do
	// two places of one call. Their claims are two events, or the loser would be
	// told that its own is stored, and assign what the winner releases.
	d.ID = events.EventID(a.Last.ID, events.TypeOf(d.Family, d.Name), a.ID+"@"+c.ID+"@"+strconv.FormatUint(c.Seq(), 10))
	return d, nil
}

// give claims an agent for a call and makes it the call's, or gives it back if
// the call went on without it. The answer is the place up to which the call's
// log is known then; 0 without an error says that others were faster to take
// the agent, and nothing has changed; with one, that the claim failed.
func (s *Service) give(ctx context.Context, c *lifecycle.Call, a *lifecycle.Agent) (known uint64, err error) {
	if a.State.Claim == nil { // else it is ours, from a run that ended before the assignment
		claimed, err := s.Log.UpdateAgent(ctx, agentRef(a), func(a *lifecycle.Agent) (*log.Draft, error) {
			if a.State.Claim != nil || !s.fits(a, c) {
				return nil, nil
			}
			return s.claim(c, a)
		})
		if err != nil || claimed.Record.Seq == 0 {
			return 0, err
		}
		a = lifecycle.FoldAgent(a.Tenant, a.ID, claimed.Record)
	}
	known = c.Seq()
	assigned, err := s.Log.Update(ctx, callRef(c), func(now *lifecycle.Call) (*log.Draft, error) {
		known = now.Seq()
		if now.Assigned != nil && now.Assigned.Agent == a.ID && now.Assigned.Fence == a.Fence {
			return nil, nil // a run before this one got as far
		}
		if known != c.Seq() {
			return nil, nil
		}
		if p := s.plan(now, s.Now()); p.Do != Claim {
			return s.draft(now, p) // its time ran out in between
		}
		return s.assignment(now, a, a.Fence)
	})
	if known = max(known, assigned.Record.Seq); err != nil || assigned.Record.Name == events.Assigned {
		return known, err
	}
	now, err := s.Log.Call(ctx, callRef(c))
	if err != nil {
		return known, err
	}
	return known, s.releaseAgent(ctx, agentRef(a), now, "claim_unused")
}

func (s *Service) assignment(c *lifecycle.Call, a *lifecycle.Agent, fence uint64) (*log.Draft, error) {
	body := &events.CallAssigned{
		Agent: a.ID, Connection: a.State.Connection, HuntGroup: c.Request.Request.HuntGroup,
		Session: a.State.Session, Fence: fence, NoTalking: s.noTalking(c.Tenant, a.State.Connection),
	}
	d, err := log.NextOfCall(c, events.Orchestrator, events.Assigned, s.Now(), body)
	if d != nil {
		// Two agents claimed for one call are two assignments: the loser must
		// hear that it lost, so that its agent is given back.
		d.ID = events.EventID(d.Cause, events.TypeOf(d.Family, d.Name), c.ID+"@"+a.ID+"@"+strconv.FormatUint(fence, 10))
	}
	return d, err
}

// releaseAgent frees an agent (or holds it back) whom a call holds by a claim
// that cannot become an assignment any more, and is none.
//
// The call may have moved on since it was read, and that is harmless: closed
// stays closed; a claim is good for one place alone, so what once came after
// that place stays there; and an assignment that a wait has ended is not taken
// up again. Only a claim made for a later place is not judged by an older view.
func (s *Service) releaseAgent(ctx context.Context, agent log.Ref, c *lifecycle.Call, cause string) error {
	holds := func(a *lifecycle.Agent) bool { return a.State.Claim != nil && a.State.Claim.Call == c.ID }
	a, err := s.Log.Agent(ctx, agent)
	if err == nil && !holds(a) { // or the claim was not heard of yet
		a, err = s.Log.LatestAgent(ctx, agent)
	}
	if err != nil || !holds(a) {
		return err
	}
	_, err = s.Log.UpdateAgent(ctx, agent, func(a *lifecycle.Agent) (*log.Draft, error) {
		switch {
		case !holds(a) || claimInUse(a, c):
			return nil, nil
		case c.Closed != nil && (c.Closed.Quarantine || s.isAway(a, c.Closed)):
			return s.quarantined(a, c.ID, c.Closed.Reason), nil
		case c.Request == nil && s.Standing().Covers(events.StreamAgents, a.Fence):
			// AGENTS goes on beyond a CALLS that was put back: she may be on that call.
			return s.quarantined(a, c.ID, WentBack), nil
		}
		return s.released(a, events.AgentReleased{Call: c.ID, Cause: cause}), nil
	})
	return err
}

func (s *Service) released(a *lifecycle.Agent, body events.AgentReleased) *log.Draft {
	now := s.Now()
	body.State, _ = a.After(events.Released, body.Call, body.Cause, now)
	return log.NextOfAgent(a, events.Orchestrator, events.Released, now, &body)
}

func (s *Service) quarantined(a *lifecycle.Agent, call, reason string) *log.Draft {
	now := s.Now()
	after, _ := a.After(events.Quarantined, call, reason, now)
	return log.NextOfAgent(a, events.Orchestrator, events.Quarantined, now,
		&events.AgentQuarantined{Call: call, Reason: reason, State: after})
}

// quarantineLast holds an agent back on whose line a given-up call turned up.
// An agent who is not free is held anyway; what holds it will find out. That
// must not be said of one who was set free a moment ago, so the leader is asked.
func (s *Service) quarantineLast(ctx context.Context, ref log.Ref) error {
	c, err := s.Log.Call(ctx, ref)
	if err != nil {
		return err
	}
	last := lastAssigned(c)
	if last == nil || last.Agent == "" {
		return nil
	}
	agent := log.Ref{Tenant: c.Tenant, ID: last.Agent}
	if _, err := s.Log.LatestAgent(ctx, agent); err != nil {
		return err
	}
	_, err = s.Log.UpdateAgent(ctx, agent, func(a *lifecycle.Agent) (*log.Draft, error) {
		switch {
		case a.ClaimState() == lifecycle.Free:
			return s.quarantined(a, c.ID, orphaned), nil
		case s.heldForLess(a):
			return s.quarantined(a, a.State.Quarantine.Call, orphaned), nil
		}
		return nil, nil
	})
	return err
}
