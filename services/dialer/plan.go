package dialer

import (
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// NeedsCancel says whether the provider may hold a preparation of the call that
// must be withdrawn now. While compliance still owes an answer it must not be.
func NeedsCancel(c *lifecycle.Call) bool {
	if !c.Touched || triedInVain(c) {
		return false
	}
	switch c.State {
	case lifecycle.Failed, lifecycle.Withheld, lifecycle.Cancelling:
		return true
	case lifecycle.Closed: // over the preparation, because nobody was there to undo it
		return c.Closed.Quarantine
	}
	return givenUp(c.State)
}

// Holds says whether the agent is still the call's. What the provider holds is
// withdrawn by session, so after a call's end it may be another call's; what it
// holds in a queue of its own is that call's alone.
func Holds(a *lifecycle.Agent, c *lifecycle.Call) bool {
	if c.Queued() {
		return true
	}
	for _, by := range []*events.AgentClaim{a.State.Claim, a.State.Quarantine} {
		if by != nil && by.Call == c.ID {
			return true
		}
	}
	return false
}

// Elsewhere says whether the agent is on another call of ours by now.
func Elsewhere(a *lifecycle.Agent, c *lifecycle.Call) bool {
	return a != nil && a.State.Claim != nil && a.State.Claim.Call != c.ID
}

// Leftover says that the provider shows an agent in a preparation which is no
// call's, and that she was held back for it before it was last seen: only then may
// it be withdrawn, since by session it could as well be her next call's.
func Leftover(a *lifecycle.Agent) bool {
	q := a.State.Quarantine
	return a.Enrolled() && a.Last.Name == events.NotReady && a.Prepared() && q != nil && q.Reason == events.ReasonLeftover
}

// Overdue says why an outcome that has not come by now will not come any more,
// as an unknown's code; "" where there is still time. An intent's sender has
// had time enough to send, to hear the answer and to record it; a desktop that
// took a call has had time to say so, and an agent who was to act the time that
// the provider gave.
func (l Limits) Overdue(c *lifecycle.Call, desktop bool, now time.Time) string {
	switch {
	case c.Dialing == nil:
	case c.State == lifecycle.Dialing && !now.Before(c.Dialing.NotAfter.Add(l.Answer+l.Settle)):
		return "no_outcome"
	case c.State == lifecycle.Started && desktop && !now.Before(c.Since().Add(l.Event)):
		return "no_event"
	case c.State == lifecycle.PendingAgent && c.Pending != nil && !now.Before(c.Pending.Until.Add(l.Settle)):
		return "nobody_acted"
	}
	return ""
}

// givenUp are the states of an intent that came to nothing.
func givenUp(s lifecycle.State) bool {
	return s == lifecycle.Refused || s == lifecycle.NotPlaced || s == lifecycle.Withdrawn
}

// triedInVain says that the preparation could not be withdrawn. A cancellation
// that failed while the call was still on its way says nothing of what came
// after it.
func triedInVain(c *lifecycle.Call) bool {
	for i := len(c.Log) - 1; i >= 0; i-- {
		switch c.Log[i].Name {
		case events.CancelFailed:
			return true
		case events.Failed, events.Withheld, events.Passed, events.Refused, events.NotPlaced, events.Resolved, events.Closed:
			return false
		}
	}
	return false
}

// Orphan says whether a bridge event shows a call alive that was given up.
func Orphan(c *lifecycle.Call, r events.Record) bool {
	p, ok := r.Body.(*events.CallProgress)
	if !ok || c.Dialing == nil {
		return false
	}
	live := false
	switch r.Name {
	case events.Offered, events.Ringing, events.Answered, events.Talking, events.Held:
		live = true
	}
	var gaveUp events.Record
	for _, e := range c.AfterIntent() {
		switch e.Name {
		case events.Orphaned:
			return false // said already
		case events.Refused, events.NotPlaced, events.Withheld:
			gaveUp = e
		case events.Closed:
			if gaveUp.Seq == 0 && (!c.Talked || c.Closed.Presumed) {
				gaveUp = e
			}
		}
	}
	if !live || gaveUp.Seq == 0 || r.Seq < gaveUp.Seq {
		return false
	}
	// A message that was under way before we gave up is late news, not life.
	return p.OccurredAt == nil || p.OccurredAt.After(gaveUp.Time)
}

// Settled says what an answer to the start becomes in the call's log as it
// stands by then; "" for nothing to add.
func Settled(at lifecycle.State, answer events.Name) events.Name {
	if lifecycle.Rank(at) > 0 { // the provider's news came first
		if answer == events.Started {
			return events.Started
		}
		return ""
	}
	switch at {
	case lifecycle.Dialing:
		return answer
	case lifecycle.Unknown:
		switch answer {
		case events.Started:
			return events.Started
		case events.Refused, events.Withheld:
			return events.NotPlaced
		}
	case lifecycle.Closed:
		if answer == events.Started {
			return events.Started
		}
	}
	return ""
}
