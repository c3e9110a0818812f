package tcn

import (
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers/callstate"
)

// words are every status of TCN's public enum, and INCALL, which is not in it
// but is seen. The manual's text prints READY and MANUAL_DIAL_PREPARED alone.
// The families of transfers and intercom are known by their first word: TCN
// keeps adding to them. A cold transfer leaves the customer with somebody else;
// after a warm one the customer may as well have hung up, and nothing tells
// which.
var words = callstate.New(map[callstate.Meaning]string{
	callstate.Placing: "MANUAL_DIAL_STARTED OUTBOUND_LOCKED", callstate.Answered: "PREPARED_TO_PEER",
	callstate.Talking: "PEERED INCALL SECURE_FORM_HANDLING", callstate.Held: "PEERED_WITH_CALL_ON_HOLD",
	callstate.Consulting: "WARM_* CALLER_TRANSFER_* INTERCOM*", callstate.HandingOn: "COLD_*",
	callstate.AfterCall: "WRAPUP", callstate.Done: "PREPARING_AFTER_WRAPUP",

	callstate.Ready: "READY", callstate.Resting: "IDLE PAUSED", callstate.Away: "UNAVALIABLE UNAVAILABLE GUI_BUSY",
	callstate.Gone: "HUNGUP DESTROYED", callstate.Between: "PREPARING_*",
	callstate.Prepared: "MANUAL_DIAL_PREPARED", callstate.Undone: "PREPARING_AFTER_DIAL_CANCEL",
	callstate.Elsewhere: "PREVIEW_DIAL_PREPARED PREVIEW_DIAL_STARTED PBX_POPUP_LOCKED CALLBACK_RESUMING",
}, callstate.Traits{Line: true, Fails: events.EndNoAnswer})

func (s statusAnswer) means() callstate.Meaning { return words.Of(string(s.StatusDesc)).Means }
