package tcn

import (
	"strings"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
)

// Legs as the events name them.
const (
	legUp   = "up"
	legDown = "down"
)

// readCall says what the status means for the claiming call. Reserved,
// prepared, dialing and cancelled write nothing: those are said by others.
func (r *reading) readCall(receivedAt time.Time) {
	if r.phase == unheardOf {
		r.out = append(r.out, r.unknown())
		return
	}
	if !r.v.Dialed || !r.claimed() {
		return
	}
	switch p := r.phase; {
	case p == answered && r.ours():
		r.call(events.Answered, "", legUp, "")
	case p == talking && r.ours():
		r.call(events.Talking, "", legUp, legUp)
	case p == held && r.ours():
		r.call(events.Held, "", legUp, legUp)
	case p == consulting && r.ours():
		r.call(events.Consulting, "", legUp, legUp)
	case p == wrapping:
		r.readWrapUp()
	case p == wrapped, p.free():
		r.readFree(receivedAt)
	case p == gone && r.ours() && r.started():
		r.call(events.Ended, events.EndAgentLost, "", legDown)
	}
}

// unknown keeps a status that nobody told us of: its name and nothing else, so
// that it can be found and moves nothing.
func (r *reading) unknown() providers.Observation {
	o := r.base()
	o.State = ""
	return o
}

// readWrapUp: wrap-up that no conversation came before is a failed call.
func (r *reading) readWrapUp() {
	if r.v.CallState == events.WrappedUp || r.v.CallState == events.Closed {
		return
	}
	switch {
	case r.over():
	case r.handedOn():
		r.call(events.Ended, events.EndTransferred, legUp, legDown)
	case !r.v.Talked:
		r.call(events.Ended, failureOf(r.s), legDown, legUp)
	}
	r.call(events.WrapUp, "", r.customer(), legUp)
}

// handedOn says whether the agent was giving the call away when last heard: a
// cold transfer leaves the customer with somebody else. After a warm one the
// customer may as well have hung up, and nothing tells which.
func (r *reading) handedOn() bool {
	return r.v.CallState == events.Consulting && strings.HasPrefix(strings.ToUpper(r.v.Said), cold)
}

// customer is the leg of a customer whose agent is out of the call.
func (r *reading) customer() string {
	if r.v.Transferred || r.handedOn() {
		return ""
	}
	return legDown
}

// soon is how long after it became free an agent seen free was surely polled
// before: one seen later may have been in after-call work that nobody saw.
const soon = 5 * time.Second

// readFree: the agent is free again, so the call is over. Polling may have
// missed everything since the start, and then nobody knows when it ended.
func (r *reading) readFree(receivedAt time.Time) {
	switch r.v.CallState {
	case events.WrapUp, events.Ended:
		r.call(events.WrappedUp, "", r.customer(), "")
		return
	}
	if !r.started() || r.over() {
		return
	}
	switch {
	case r.handedOn():
		r.call(events.Ended, events.EndTransferred, legUp, legDown)
	case r.v.Talked:
		r.call(events.Ended, events.EndCompleted, legDown, "")
	default:
		r.call(events.Ended, events.EndUnknown, legDown, "")
	}
	last := &r.out[len(r.out)-1]
	last.Inferred = r.phase == wrapped || !last.At.IsZero() && receivedAt.Sub(last.At) > soon
	r.call(events.WrappedUp, "", r.customer(), "")
}

// started says whether the provider is known to have taken the call: an agent
// who is free before that proves nothing, and the dialer looks it up.
func (r *reading) started() bool {
	switch r.v.CallState {
	case events.Started, events.PendingAgent, events.Offered, events.Ringing, events.Answered, events.Talking,
		events.Held, events.Consulting, events.Conferencing:
		return true
	}
	return false
}

// failureOf gives the reason of a call that nobody talked on, from the SIP code
// where TCN says one.
func failureOf(s statusAnswer) string {
	switch s.LastSipCode {
	case 486, 600:
		return events.EndBusy
	case 404, 410, 484, 604:
		return events.EndInvalid
	case 403, 603, 607, 608:
		return events.EndRejected
	case 500, 502, 503, 504:
		return events.EndProvider
	}
	return events.EndNoAnswer
}

// reasonOf makes a reason of TCN's word.
func reasonOf(desc text) string { return strings.ToLower(string(desc)) }
