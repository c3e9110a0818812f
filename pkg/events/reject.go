package events

import (
	"strconv"

	"github.com/outdial/outdial/pkg/events/fault"
)

// A RejectError refuses an input for good, with every fault of it. Whoever
// settles the message writes the note to REJECTED first.
type RejectError struct {
	Note Rejected
}

func (e *RejectError) Error() string {
	if len(e.Note.Faults) == 0 {
		return "rejected"
	}
	return "rejected: " + e.Note.Faults[0].Code + " (" + strconv.Itoa(len(e.Note.Faults)) + " faults)"
}

// Unwrap makes it Permanent for whoever asks fault.Of.
func (e *RejectError) Unwrap() error {
	code := "rejected"
	if len(e.Note.Faults) > 0 {
		code = e.Note.Faults[0].Code
	}
	return fault.New(fault.Permanent, "accept request", code, nil)
}
