package compliance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// behind is how long an opt-out waits for this process to have heard the log.
const behind = 2 * time.Second

// heard waits until everything that is stored now has been heard: a call judged
// before the entry was on the list must not be missed. What is requested later
// meets the entry by itself. False: not all of it was heard in time.
func (s *Service) heard(ctx context.Context) bool {
	if s.LastCall == nil {
		return true
	}
	ctx, cancel := s.Within(ctx, behind)
	defer cancel()
	last, err := s.LastCall(ctx)
	if err == nil {
		err = s.Log.Reach(ctx, events.CallFamily, last)
	}
	if err == nil || errors.Is(err, log.ErrNone) { // an empty log is heard
		return true
	}
	s.Logger.WarnContext(ctx, "opt-out looked at open calls before all were heard")
	return false
}

// An openCall is a call of a number that an opt-out looks at.
type openCall struct {
	log.Ref
	token string
}

// openOf are the open calls of a tenant's numbers, as far as they were heard:
// an opt-out must reach them before the dialer does. What is done by it is
// decided again from the log.
func (s *Service) openOf(t tenants.Tenant, tokens map[string]bool) []openCall {
	var out []openCall
	s.Log.OpenCalls(func(c *lifecycle.Call) {
		if c.Tenant != t.Name {
			return
		}
		for _, token := range s.mayRing(t, c) {
			if tokens[token] {
				out = append(out, openCall{log.Ref{Tenant: t.Name, ID: c.ID}, token})
			}
		}
	})
	return out
}

// mayRing are the tokens of the numbers that a call may ring: those of its pass,
// or before there is one all that compliance may be about to clear.
func (s *Service) mayRing(t tenants.Tenant, c *lifecycle.Call) []string {
	tokens := []string{c.Common().Number.Token}
	switch {
	case c.Passed != nil:
		for _, n := range c.Passed.Cleared()[1:] {
			tokens = append(tokens, n.Token)
		}
	case c.State == lifecycle.Assigned && takesAlternates(s.connection(c)):
		for _, n := range c.Request.Request.Numbers()[1:] {
			tokens = append(tokens, t.Key.NumberToken(n))
		}
	}
	return tokens
}

// slips is how long an answer waits for a preparation of the number to be
// answered, and for what becomes of an intent. Who judges a call reads the list
// and appends the pass right behind; whoever read it before the entry was there
// has appended by then. A preparation that takes longer has the list still to
// read.
const slips = 250 * time.Millisecond

// glance is how often it is looked meanwhile.
const glance = 5 * time.Millisecond

// reach is how far a call of a number is when an opt-out meets it.
type reach int

const (
	stopped   reach = iota // it is not dialed, or is over
	owed                   // it is being prepared, an answer is owed first
	sent                   // its intent is on record, and not yet what became of it
	underWay               // it rings, talks, or will
	askedBack              // it may not have been answered yet, and its provider can give it back
)

// A met is what an opt-out found of its numbers' calls.
type met struct {
	underWay  map[string]int // by token: calls that have an intent, and are not stopped
	askedBack map[string]int // by token: those that their provider was asked to give back
	blind     bool           // this process has not heard the whole log: there may be more calls
}

func (m met) says(token string) string {
	says := ""
	if n := m.underWay[token]; n > 0 {
		says = fmt.Sprintf("calls to it that are under way and not stopped: %d (call.find shows them)", n)
	}
	if n := m.askedBack[token]; n > 0 {
		says = also(says, fmt.Sprintf("calls to it that the provider is asked to give back: %d (call.find shows them)", n))
	}
	if m.blind {
		says = also(says, "not all open calls could be looked at: ask again")
	}
	return says
}

// optOut appends failed to every open call of the numbers that has no intent,
// so that one on its way to the dialer loses its compare-and-set. When it
// returns, no call of theirs gets an intent any more; those that have one are
// told of, and stopped where the provider gives calls back.
func (s *Service) optOut(ctx context.Context, t tenants.Tenant, tokens map[string]bool) (met, error) {
	m := met{map[string]int{}, map[string]int{}, !s.heard(ctx)}
	calls := s.openOf(t, tokens)
	for looked := time.Duration(0); ; looked++ {
		var busy []openCall
		late := looked*glance >= slips
		for _, c := range calls {
			r, err := s.stop(ctx, c)
			switch {
			case err != nil:
				return met{}, err
			case r == underWay || r == sent && late:
				m.underWay[c.token]++
			case r == askedBack:
				m.askedBack[c.token]++
			case r != stopped:
				busy = append(busy, c)
			}
		}
		if calls = busy; len(calls) == 0 || late {
			break
		}
		if err := s.Sleep(ctx, glance); err != nil {
			return met{}, err
		}
	}
	for _, c := range calls {
		// Its preparer asks the list again before it answers; this is for one
		// that was held up between asking and answering.
		s.Go(func() { s.optOutLater(context.WithoutCancel(ctx), c) })
	}
	return m, nil
}

// optOutLater looks at a call again until its preparation is answered.
func (s *Service) optOutLater(ctx context.Context, open openCall) {
	ctx, cancel := s.Within(ctx, s.Prepare+5*time.Second)
	defer cancel()
	for r := owed; r == owed; {
		if s.Sleep(ctx, 50*time.Millisecond) != nil {
			return
		}
		var err error
		if r, err = s.stop(ctx, open); err != nil {
			s.Logger.WarnContext(ctx, "opt-out of a call being prepared", "call", open.ID, "code", fault.Code(err))
			return
		}
	}
}

// stop appends failed to a call that an entry forbids, if it may still be
// stopped that way. What this process knows of the call may be some milliseconds
// old, which harms nobody: one that may be stopped is compared and set, one that
// is being prepared or sent is looked at again, and one that comes back from an
// intent which placed nothing is judged anew before there is another.
//
// One that a provider holds is taken back by the same word, for the orchestrator to
// withdraw. Where the entry is of another of the person's numbers alone, the pass is
// void and the call is judged again without it.
func (s *Service) stop(ctx context.Context, open openCall) (reach, error) {
	var r reach
	_, err := s.Log.Update(ctx, open.Ref, func(c *lifecycle.Call) (*log.Draft, error) {
		held := c.Unanswered() && s.connection(c).Can.Withdraw
		if r = reachOf(c.State); !held && !stoppable(c.State) {
			return nil, nil
		}
		v := s.judge(ctx, c, demands{loopback: true, others: held})
		switch {
		case v.clears(open.token):
			return nil, nil
		case held:
			if r = askedBack; c.Cancel != nil || c.TakenBack() {
				return nil, nil
			}
		case v.Allowed && c.State != lifecycle.Assigned && c.State != lifecycle.Cleared:
			return nil, nil // it is judged anew before it is dialed
		}
		again := v.Allowed && !held
		if v.Allowed {
			v.Reasons = nil
		}
		if v.Allowed || held { // what takes back a call that a provider holds is the entry, whatever the hour
			v.refuse(v.refused(open.token)...)
		}
		return s.failed(c, v, nil, again, c.Touched)
	})
	return r, err
}

// refused are the objections to another of the person's numbers.
func (v verdict) refused(token string) (why []events.Reason) {
	for _, n := range v.Evidence.Alternates {
		for _, r := range n.Reasons {
			if n.Token == token {
				r.Detail = "another of the person's numbers: " + r.Detail
				why = append(why, r)
			}
		}
	}
	return why
}

// stoppable are the states in which compliance may still say no.
func stoppable(state lifecycle.State) bool {
	switch state {
	case lifecycle.Requested, lifecycle.Waiting, lifecycle.Assigned, lifecycle.Cleared, lifecycle.Withheld:
		return true
	}
	return false
}

func reachOf(state lifecycle.State) reach {
	switch state {
	case lifecycle.Preparing, lifecycle.Stopping:
		return owed
	case lifecycle.Dialing:
		return sent
	case lifecycle.Started, lifecycle.PendingAgent, lifecycle.Unknown, lifecycle.ResolvedS,
		lifecycle.Offered, lifecycle.Ringing, lifecycle.Answered, lifecycle.Talking, lifecycle.Held,
		lifecycle.Consulting, lifecycle.Conferencing:
		return underWay
	}
	return stopped
}
