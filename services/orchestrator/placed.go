package orchestrator

import (
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// planPlaced follows a call that was, or may have been, placed.
func planPlaced(c *lifecycle.Call, now time.Time, l Limits) Action {
	after := func(d time.Duration, then Action) Action { return presume(c, now, d, then) }
	lost := func(reason string) Action {
		m := Action{Do: Close, Outcome: events.OutcomeFailed, Reason: reason, Quarantine: true}
		if c.Talked {
			m.Outcome = events.OutcomeCompleted
		}
		return m
	}
	switch c.State {
	case lifecycle.Dialing: // a dialer says unknown long before, if one lives
		return after(l.Silence, lost("outcome_unknown"))
	case lifecycle.PendingAgent: // a dialer says unknown before, if one lives
		if until := pendingUntil(c, l); now.Before(until) {
			return Action{Do: Nothing, Again: until}
		}
		return after(0, lost("no_news"))
	case lifecycle.Started:
		if c.Queued() {
			return inQueue(c, now, l, lost("no_news"))
		}
		if c.Started != nil && c.Started.Over {
			m := lost("presumed_over")
			m.Presumed = true
			return m
		}
		return after(l.Answer, lost("no_news"))
	case lifecycle.ResolvedS:
		if !c.Resolved.Placed {
			// The dialer withdraws what the provider still holds once it hears the end.
			return Action{Do: Close, Outcome: events.OutcomeFailed, Reason: "not_placed", Quarantine: c.Touched}
		}
		return after(l.Answer, lost("no_news"))
	case lifecycle.Unknown:
		if c.Queued() { // if it is in there it may still ring
			return inQueue(c, now, l, lost("outcome_unknown"))
		}
		return after(l.Unknown, lost("outcome_unknown"))
	case lifecycle.Offered, lifecycle.Ringing: // at one number after the other, of which only the first moves the call
		most := l.Ring
		if c.Passed != nil {
			most *= time.Duration(len(c.Passed.Cleared()))
		}
		return after(most, lost("no_news"))
	case lifecycle.Answered, lifecycle.Talking, lifecycle.Held, lifecycle.Consulting, lifecycle.Conferencing:
		return after(l.Talk, lost("no_news"))
	case lifecycle.Ended, lifecycle.WrapUp, lifecycle.WrappedUp:
		if !c.Talked {
			return Action{Do: Close, Outcome: events.OutcomeFailed, Reason: endReason(c), Presumed: unseen(c)}
		}
		done := Action{Do: Close, Outcome: events.OutcomeCompleted, Reason: talkedReason(c)}
		switch {
		case c.Queued(): // what its agent does after it is no business of ours
		case c.State == lifecycle.Ended:
			return after(l.Ended, done)
		case c.State == lifecycle.WrapUp:
			return after(l.WrapUp, done)
		}
		return done
	}
	return Action{Do: Nothing}
}

// inQueue follows a call that its provider took into a queue: it may ring at any
// time until its pass ends or the request expires, and is withdrawn then. Only what
// cannot be withdrawn is given up, when the request has expired.
func inQueue(c *lifecycle.Call, now time.Time, l Limits, lost Action) Action {
	expires := c.Request.ExpiresAt
	if least := c.Since().Add(l.Answer); expires.Before(least) {
		expires = least
	}
	end, why, undone := expires, "expired", expires.Add(l.Undo)
	if p := c.Passed; p != nil && !p.ValidUntil.IsZero() && p.ValidUntil.Before(end) {
		end, why = p.ValidUntil, "pass_expired"
	}
	switch {
	case now.Before(end):
		return Action{Do: Nothing, Again: end}
	case c.Cancel == nil:
		return Action{Do: Cancel, Reason: why, Again: undone}
	case now.Before(expires):
		return Action{Do: Nothing, Again: expires}
	case !c.CancelFailed && now.Before(undone):
		return Action{Do: Nothing, Again: undone}
	}
	lost.Presumed = true
	return lost
}

// pendingUntil is when nobody waits any more for an agent who is to act: as long
// as the provider said, and no longer than any call can last.
func pendingUntil(c *lifecycle.Call, l Limits) time.Time {
	until, least, most := c.Since(), c.Since().Add(l.Answer), c.Since().Add(l.Talk)
	if c.Pending != nil {
		until = c.Pending.Until.Add(l.Silence)
	}
	if until.Before(least) {
		return least
	}
	return earlier(until, most)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
