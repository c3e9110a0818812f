package tcn

import (
	"strings"

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
func (r *reading) readCall() {
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
		r.readFree()
	case p == gone && r.ours() && r.started():
		r.call(events.Ended, "agent_lost", "", legDown)
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
	if !r.v.Talked && !r.over() {
		r.call(events.Ended, failureOf(r.s), legDown, legUp)
	}
	r.call(events.WrapUp, "", legDown, legUp)
}

// readFree: the agent is free again, so the call is over. Polling may have
// missed everything since the start.
func (r *reading) readFree() {
	switch r.v.CallState {
	case events.WrapUp, events.Ended:
		r.call(events.WrappedUp, "", legDown, "")
		return
	}
	if !r.started() || r.over() {
		return
	}
	reason := "unknown"
	if r.v.Talked {
		reason = "completed"
	}
	r.call(events.Ended, reason, legDown, "")
	r.call(events.WrappedUp, "", legDown, "")
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
		return "busy"
	case 404, 410, 484, 604:
		return "invalid_number"
	case 403, 603, 607, 608:
		return "rejected"
	case 500, 502, 503, 504:
		return "provider_failed"
	}
	return "no_answer"
}

// reasonOf makes a reason of TCN's word.
func reasonOf(desc text) string { return strings.ToLower(string(desc)) }
