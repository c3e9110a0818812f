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

// phases lists every status of TCN's public enum, and INCALL, which is not in
// it but is seen. Its text of the manual prints READY and MANUAL_DIAL_PREPARED
// alone.
var phases = map[string]phase{
	"UNAVALIABLE": away, "UNAVAILABLE": away, "GUI_BUSY": away, "IDLE": resting, "PAUSED": resting,
	"READY": ready, "HUNGUP": gone, "DESTROYED": gone,
	"MANUAL_DIAL_PREPARED": prepared, "MANUAL_DIAL_STARTED": dialing, "OUTBOUND_LOCKED": dialing,
	"PREPARED_TO_PEER": answered, "PEERED": talking, "INCALL": talking, "SECURE_FORM_HANDLING": talking,
	"PEERED_WITH_CALL_ON_HOLD": held, "WRAPUP": wrapping,
	"PREPARING_AFTER_WRAPUP": wrapped, "PREPARING_AFTER_DIAL_CANCEL": undone,
	"PREPARING_AFTER_IDLE": preparing, "PREPARING_AFTER_PAUSE": preparing,
	"PREPARING_AFTER_PBX_REJECT": preparing, "PREPARING_AFTER_PBX_HANGUP": preparing,
	"PREPARING_AFTER_PBX_WAS_TAKEN": preparing, "PREPARING_AFTER_GUI_BUSY": preparing,
	"PREVIEW_DIAL_PREPARED": elsewhere, "PREVIEW_DIAL_STARTED": elsewhere,
	"PBX_POPUP_LOCKED": elsewhere, "CALLBACK_RESUMING": elsewhere,
}

// cold is how TCN's words for a blind transfer begin.
const cold = "COLD_"

// phaseOf understands a statusDesc. The families of transfers and intercom are
// known by their first word: TCN keeps adding to them.
func phaseOf(desc text) phase {
	word := strings.ToUpper(strings.TrimSpace(string(desc)))
	if p, ok := phases[word]; ok {
		return p
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
