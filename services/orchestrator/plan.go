package orchestrator

import (
	"cmp"
	"slices"
	"time"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// Limits are how long a call may stay in a state before a watchdog decides.
type Limits = config.OrchestratorTiming

// A Deed is what the orchestrator does next about a call.
type Deed string

// The deeds.
const (
	Nothing Deed = "nothing"
	Claim   Deed = "claim"   // find an agent and take it
	Enqueue Deed = "enqueue" // give it to a queue of the provider's
	Wait    Deed = "wait"
	Cancel  Deed = "cancel" // ask for the call to be withdrawn
	Close   Deed = "close"
)

// An Action is the orchestrator's decision about one call at one instant.
type Action struct {
	Do         Deed
	Reason     string
	Outcome    string
	Until      *time.Time // of a wait
	Presumed   bool
	Quarantine bool
	// Again is when to look again if nothing is heard; zero: no need.
	Again time.Time
}

// Plan decides what to do about a call. It is pure: the call, the time and the
// limits are all it knows. Whatever state a call is in, there is a time at
// which it is closed although nobody else says anything.
//
// A body that cannot be, from a newer or a broken writer, must not take every
// other call down with it: the call is held like one whose log is illegal.
func Plan(c *lifecycle.Call, now time.Time, l Limits) (m Action) {
	defer func() {
		if recover() != nil {
			m = Action{Do: Nothing}
		}
	}()
	if c.Request == nil || len(c.Faults) > 0 {
		return Action{Do: Nothing} // a held call waits for a person
	}
	switch c.State {
	case lifecycle.Requested, lifecycle.Waiting:
		return bounded(c, planWaiting(c, now))
	case lifecycle.Assigned:
		return planAssigned(c, now)
	case lifecycle.Preparing, lifecycle.Cleared:
		return expire(c, now, Action{Do: Cancel, Reason: "expired"})
	case lifecycle.Failed, lifecycle.Withheld, lifecycle.Undone:
		return bounded(c, planRefused(c, now, l))
	case lifecycle.Stopping: // compliance answers long before, if one lives
		end := cancelled(c)
		end.Quarantine = true
		return presume(c, now, l.Silence, end)
	case lifecycle.Cancelling, lifecycle.Cancelled:
		return undone(c, now, l, cancelled(c))
	case lifecycle.Refused, lifecycle.NotPlaced, lifecycle.Withdrawn:
		return undone(c, now, l, Action{Do: Close, Outcome: events.OutcomeFailed, Reason: givenUpReason(c)})
	}
	if takenBack(c) {
		return Action{Do: Cancel, Reason: primary(c.Failed)}
	}
	return planPlaced(c, now, l)
}

// takenBack reports whether compliance took its pass back after the dial, and
// nobody has asked for the call to be withdrawn yet. Whoever talks already is not
// cut off.
func takenBack(c *lifecycle.Call) bool { return c.Cancel == nil && c.Unanswered() && c.TakenBack() }

// maxWaits is how often a call may be made to wait. The broker keeps 64 events
// of a kind on one log: a call that reached it could not be told anything.
const maxWaits = 60

// bounded closes a call instead of letting it wait once more without end.
func bounded(c *lifecycle.Call, m Action) Action {
	if m.Do != Wait || waits(c) < maxWaits {
		return m
	}
	return Action{Do: Close, Outcome: events.OutcomeFailed, Reason: "tried_too_often", Presumed: m.Presumed, Quarantine: m.Quarantine}
}

func waits(c *lifecycle.Call) int {
	n := 0
	for _, r := range c.Log {
		if r.Name == events.Waiting {
			n++
		}
	}
	return n
}

func planWaiting(c *lifecycle.Call, now time.Time) Action {
	if !now.Before(c.Request.ExpiresAt) {
		return Action{Do: Close, Outcome: expiredOutcome(c), Reason: expiredReason(c)}
	}
	again := c.Request.ExpiresAt
	// A request that names no time is due whatever this process's clock says of
	// the broker's, by which it was received.
	if until := c.Request.NotBefore; until.After(now) && until.After(c.Request.ReceivedAt) {
		switch {
		case c.State == lifecycle.Requested:
			return Action{Do: Wait, Reason: events.WaitNotBefore, Until: &until, Again: until}
		case c.Waiting.Reason == events.WaitNotBefore:
			return Action{Do: Nothing, Again: until}
		}
		// By somebody else's clock the time had come. Were it said to wait again,
		// two whose clocks are apart would go on contradicting each other.
	}
	if c.State == lifecycle.Waiting && c.Waiting.Until != nil && c.Waiting.Until.After(now) {
		return Action{Do: Nothing, Again: earlier(again, *c.Waiting.Until)}
	}
	if attempts(c) >= maxAttempts {
		return Action{Do: Close, Outcome: events.OutcomeFailed, Reason: "too_many_attempts"}
	}
	if c.Request.Request.Queue != "" {
		return Action{Do: Enqueue, Again: again}
	}
	return Action{Do: Claim, Again: again}
}

// maxAttempts bounds how often a call is assigned: a log keeps 64 events of a
// kind, and a call that failed so often has no better luck coming.
const maxAttempts = 40

// attempts counts the assignments of a call.
func attempts(c *lifecycle.Call) int {
	n := 0
	for _, r := range c.Log {
		if r.Name == events.Assigned {
			n++
		}
	}
	return n
}

// backoff is the pause before the next attempt: doubled each time, one minute
// at most.
func backoff(c *lifecycle.Call, l Limits) time.Duration {
	d := l.Retry
	for i := 1; i < attempts(c) && d < time.Minute; i++ {
		d *= 2
	}
	return min(d, time.Minute)
}

// expiredOutcome: a call that compliance blocked until too late was blocked;
// one that never found an agent expired.
func expiredOutcome(c *lifecycle.Call) string {
	if c.State == lifecycle.Waiting && c.Failed != nil && !c.Failed.Retry && c.Waiting.Reason == events.WaitWindow {
		return events.OutcomeBlocked
	}
	return events.OutcomeExpired
}

func expiredReason(c *lifecycle.Call) string {
	if c.State == lifecycle.Waiting {
		return c.Waiting.Reason
	}
	return "expired"
}

func planAssigned(c *lifecycle.Call, now time.Time) Action {
	return expire(c, now, Action{Do: Close, Outcome: events.OutcomeExpired, Reason: "expired"})
}

func expire(c *lifecycle.Call, now time.Time, then Action) Action {
	if now.Before(c.Request.ExpiresAt) {
		return Action{Do: Nothing, Again: c.Request.ExpiresAt}
	}
	return then
}

// undone lets the dialer withdraw what the provider may hold before then.
func undone(c *lifecycle.Call, now time.Time, l Limits, then Action) Action {
	if !c.Touched {
		return then
	}
	if at := c.Since().Add(l.Undo); now.Before(at) {
		return Action{Do: Nothing, Again: at}
	}
	then.Presumed, then.Quarantine = true, true
	if then.Do == Wait { // nobody knows what the provider holds: do not go on
		then = Action{Do: Close, Outcome: events.OutcomeFailed, Reason: "not_undone", Presumed: true, Quarantine: true}
	}
	return then
}

// planRefused goes on after compliance's no, or after nothing was sent: wait
// for a better moment if one comes before the expiry, else close.
func planRefused(c *lifecycle.Call, now time.Time, l Limits) Action {
	var wait Action
	outcome, reason := events.OutcomeBlocked, ""
	switch {
	case proved(c):
		// Nobody listened at that desktop. Its session is ended, so the next
		// agent has the call's turn at once. Where that one was not there either,
		// a whole bridge is away, perhaps for a moment: no hurry then.
		wait := Action{Do: Wait, Reason: events.WaitAgentNotReady}
		if c.Proofs > 1 {
			until := now.Add(backoff(c, l))
			wait.Until = &until
		}
		return undone(c, now, l, wait)
	case cause(c) == events.Withheld:
		outcome, reason = events.OutcomeFailed, c.Withheld.Reason
		until := notBefore(now.Add(backoff(c, l)), c.Withheld.Until)
		wait = Action{Do: Wait, Reason: withheldWait(reason), Until: &until}
	case c.Failed.Retry:
		outcome, reason = events.OutcomeFailed, primary(c.Failed)
		until := notBefore(now.Add(backoff(c, l)), c.Failed.NextAllowedAt)
		wait = Action{Do: Wait, Reason: retryWait(reason), Until: &until}
	default:
		reason = primary(c.Failed)
		if len(c.Failed.Reasons) > 0 && c.Failed.Reasons[0].Rule == "provider" {
			outcome = events.OutcomeFailed // preparing was impossible; nothing forbade the call
		}
		if at := c.Failed.NextAllowedAt; at != nil {
			if !at.After(now) { // compliance's clock is behind: not at once again
				later := now.Add(backoff(c, l))
				at = &later
			}
			wait = Action{Do: Wait, Reason: events.WaitWindow, Until: at}
		}
	}
	if wait.Do == Wait && wait.Until.Before(c.Request.ExpiresAt) {
		wait.Again = *wait.Until
		return undone(c, now, l, wait)
	}
	return undone(c, now, l, Action{Do: Close, Outcome: outcome, Reason: reason})
}

// proved reports whether the call came to nothing by proof, and may be dialed
// again.
func proved(c *lifecycle.Call) bool {
	return c.State == lifecycle.Withheld && c.Withheld.Proof != ""
}

// cause is what made the call stop short: the later of failed and withheld.
func cause(c *lifecycle.Call) events.Name {
	for i := len(c.Log) - 1; i >= 0; i-- {
		if n := c.Log[i].Name; n == events.Failed || n == events.Withheld {
			return n
		}
	}
	return events.Failed
}

func primary(f *events.CallFailed) string {
	if len(f.Reasons) == 0 {
		return "RULE_ERROR"
	}
	return f.Reasons[0].Code
}

func retryWait(code string) string {
	switch code {
	case "PROVIDER_DOWN", "PREPARATION_LOST", "DNC_LIST_UNAVAILABLE":
		return events.WaitConnectionDown
	case "RATE_LIMITED":
		return events.WaitRateLimited
	case "DNC_INTERNAL": // of another of the person's numbers, without which it is judged again
		return events.WaitWindow
	}
	return events.WaitAgentNotReady
}

func withheldWait(reason string) string {
	switch reason {
	case "paused":
		return events.WaitPaused
	case "connection_down":
		return events.WaitConnectionDown
	case "rate_limited":
		return events.WaitRateLimited
	}
	return events.WaitAgentNotReady
}

// cancelled is the end of a call that was withdrawn.
func cancelled(c *lifecycle.Call) Action {
	m := Action{Do: Close, Outcome: events.OutcomeCancelled, Reason: "cancelled"}
	switch {
	case c.Dialing != nil && gaveUp(c):
		m.Outcome, m.Reason = events.OutcomeFailed, givenUpReason(c)
	case c.Cancel != nil && c.Cancel.By == events.ByExpiry:
		m.Outcome, m.Reason = events.OutcomeExpired, cmp.Or(c.Cancel.Reason, "expired")
	case c.Cancel != nil && c.Cancel.By == events.ByOptOut:
		m.Outcome, m.Reason = events.OutcomeBlocked, c.Cancel.Reason
	case c.Cancel != nil:
		m.Reason = c.Cancel.By
	}
	return m
}

// gaveUp reports whether the intent came to nothing by itself, rather than
// being withdrawn on request.
func gaveUp(c *lifecycle.Call) bool {
	return slices.ContainsFunc(c.AfterIntent(), func(r events.Record) bool {
		return r.Name == events.Refused || r.Name == events.NotPlaced || r.Name == events.Withheld
	})
}

func givenUpReason(c *lifecycle.Call) string {
	switch {
	case c.Refused != nil:
		return c.Refused.Code
	case c.Withheld != nil && c.Dialing != nil && cause(c) == events.Withheld:
		return c.Withheld.Reason
	}
	return "not_placed"
}

// presume does, after so long in a state, what is then taken for granted.
func presume(c *lifecycle.Call, now time.Time, d time.Duration, then Action) Action {
	if at := c.Since().Add(d); now.Before(at) {
		return Action{Do: Nothing, Again: at}
	}
	then.Presumed = true
	return then
}

// notBefore is the time, or a later one that was named.
func notBefore(t time.Time, named *time.Time) time.Time {
	if named != nil && named.After(t) {
		return *named
	}
	return t
}
