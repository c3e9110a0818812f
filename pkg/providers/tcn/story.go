package tcn

import (
	"strings"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers/callstate"
)

// soon is how long after it became free an agent seen free was surely polled
// before: one seen later may have been in after-call work that nobody saw.
const soon = 5 * time.Second

// readCall says what the status means for the claiming call. Reserved,
// prepared, dialing and cancelled write nothing: those are said by others. A
// status that nobody told us of is kept by its name and nothing else, so that it
// can be found and moves nothing.
func (r *reading) readCall(receivedAt time.Time) {
	base := r.base()
	if r.word.Means == callstate.Other {
		base.State = ""
		r.out = append(r.out, base)
		return
	}
	if !r.v.Dialed || !r.claimed() {
		return
	}
	call, word := r.call, r.word
	call.Late = !base.At.IsZero() && receivedAt.Sub(base.At) > soon
	if word.Means == callstate.AfterCall {
		word.Reason = failureOf(r.s)
	}
	for _, said := range words.Judge(word, call) {
		said.Presence = "" // readPresence has more to go by
		o := callstate.Onto(r.base(), said)
		o.Manual = true
		r.out = append(r.out, o)
	}
}

// failureOf gives the reason of a call that nobody talked on, from the SIP code,
// "" where TCN says none that tells.
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
	return ""
}

// reasonOf makes a reason of TCN's word.
func reasonOf(desc text) string { return strings.ToLower(string(desc)) }
