package orchestrator

import (
	"math"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// ProvesOver says what an agent's readiness proves about the call that holds it.
// The provider was asked after seq was on record; if an answer to the intent
// was on record by then and the provider shows the agent free, the call is
// over. The intent alone is not enough: the start may have been on its way.
func ProvesOver(c *lifecycle.Call, seq uint64, polled bool) (Action, bool) {
	if c.Dialing == nil || c.State == lifecycle.Dialing || !c.Open() {
		return Action{}, false
	}
	after := lifecycle.Rank(c.State) >= lifecycle.Rank(lifecycle.Ended)
	if !after && (!polled || seq < answerSeq(c)) {
		return Action{}, false // a desktop's word, or old news, proves nothing of a live call
	}
	m := Action{Do: Close, Outcome: events.OutcomeFailed, Reason: "presumed_over", Presumed: !after}
	switch {
	case c.Talked:
		m.Outcome, m.Reason = events.OutcomeCompleted, talkedReason(c)
	case after:
		m.Reason, m.Presumed = endReason(c), unseen(c)
	}
	switch c.State {
	case lifecycle.Refused, lifecycle.NotPlaced, lifecycle.Withdrawn, lifecycle.Cancelled:
		return Action{}, false // closed by their own rules
	}
	return m, true
}

// stillWithIt says that an agent is not ready because of her call or of what she
// does after it: a page that is opened amid one says so, and it proves no end.
func stillWithIt(is events.Name, reason string) bool {
	return is == events.NotReady && (reason == string(events.OnCall) || reason == string(events.WrapUp))
}

// answerSeq is where the call's log first says what became of the intent.
func answerSeq(c *lifecycle.Call) uint64 {
	for _, r := range c.AfterIntent() {
		if r.Name != events.CancelRequested && r.Name != events.CancelFailed {
			return r.Seq
		}
	}
	return math.MaxUint64
}

func endReason(c *lifecycle.Call) string {
	switch c.EndReason {
	case "", events.EndCompleted:
		return "not_connected"
	}
	return c.EndReason
}

// unseen says that the provider was first heard again when the call was over: the
// customer may have talked, so that it failed is no more than presumed.
func unseen(c *lifecycle.Call) bool { return !c.Talked && c.EndReason == events.EndUnknown }

// talkedReason is how a conversation ended for its agent.
func talkedReason(c *lifecycle.Call) string {
	if c.Transferred {
		return events.EndTransferred
	}
	return events.EndCompleted
}

// lastOf is the call's latest event of a name.
func lastOf(c *lifecycle.Call, name events.Name) (last events.Record) {
	for _, r := range c.Log {
		if r.Name == name {
			last = r
		}
	}
	return last
}

// lastAssigned is the call's latest assignment, void or not.
func lastAssigned(c *lifecycle.Call) *events.CallAssigned {
	for i := len(c.Log) - 1; i >= 0; i-- {
		if a, ok := c.Log[i].Body.(*events.CallAssigned); ok {
			return a
		}
	}
	return nil
}
