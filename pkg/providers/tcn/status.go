package tcn

import "strings"

// A phase is what a status means, whatever TCN's manual, protos and answers
// call it.
type phase int

const (
	unheardOf  phase = iota // a word that nobody told us
	ready                   // may be dialed
	resting                 // signed in and on nothing, not to be dialed
	away                    // not to be dialed, and nothing said about calls
	gone                    // the agent's own line or session is over
	prepared                // a manual dial is prepared
	preparing               // between two states
	undone                  // a preparation was just cancelled
	dialing                 // the customer is being called
	answered                // the customer answered, the legs are being joined
	talking                 // both legs are up
	held                    // the customer is on hold
	consulting              // transfers and intercom
	wrapping                // after-call work
	wrapped                 // after-call work is done
	elsewhere               // busy with something that is not a manual dial
)

// cold is how TCN's words for a blind transfer begin.
const cold = "COLD_"

// phaseOf understands a statusDesc: every status of TCN's public enum, and
// INCALL, which is not in it but is seen. Its text of the manual prints READY and
// MANUAL_DIAL_PREPARED alone. The families of transfers and intercom are known by
// their first word: TCN keeps adding to them.
func phaseOf(desc text) phase {
	word := strings.ToUpper(strings.TrimSpace(string(desc)))
	switch word {
	case "UNAVALIABLE", "UNAVAILABLE", "GUI_BUSY":
		return away
	case "IDLE", "PAUSED":
		return resting
	case "READY":
		return ready
	case "HUNGUP", "DESTROYED":
		return gone
	case "MANUAL_DIAL_PREPARED":
		return prepared
	case "MANUAL_DIAL_STARTED", "OUTBOUND_LOCKED":
		return dialing
	case "PREPARED_TO_PEER":
		return answered
	case "PEERED", "INCALL", "SECURE_FORM_HANDLING":
		return talking
	case "PEERED_WITH_CALL_ON_HOLD":
		return held
	case "WRAPUP":
		return wrapping
	case "PREPARING_AFTER_WRAPUP":
		return wrapped
	case "PREPARING_AFTER_DIAL_CANCEL":
		return undone
	case "PREVIEW_DIAL_PREPARED", "PREVIEW_DIAL_STARTED", "PBX_POPUP_LOCKED", "CALLBACK_RESUMING":
		return elsewhere
	}
	for _, family := range []string{"WARM_", cold, "CALLER_TRANSFER_", "INTERCOM"} {
		if strings.HasPrefix(word, family) {
			return consulting
		}
	}
	if strings.HasPrefix(word, "PREPARING_") {
		return preparing
	}
	return unheardOf
}

// onCall says whether a telephone call is under way.
func (p phase) onCall() bool {
	switch p {
	case dialing, answered, talking, held, consulting:
		return true
	}
	return false
}

// free says whether the agent is on nothing at all.
func (p phase) free() bool { return p == ready || p == resting }
