package five9

import (
	"cmp"
	"strings"
	"time"

	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/acqueon/bus"
	"github.com/outdial/outdial/pkg/providers/callstate"
)

// words are Five9's states in either case, from every table of the document, and
// those of its own documentation that the document leaves out.
var words = callstate.New(map[callstate.Meaning]string{
	callstate.Offered: "OFFERED", callstate.Ringing: "RINGING_ON_OTHER_SIDE", callstate.Talking: "TALKING",
	callstate.Held: "ON_HOLD", callstate.AfterCall: "WRAP_UP", callstate.Done: "FINISHED",
}, callstate.Traits{})

// understand says what a call's message means.
func understand(call bus.Object, home string, v providers.View) ([]providers.Observation, error) {
	w := dissect(call)
	if w.event == "" {
		return nil, fault.New(fault.Permanent, "read five9 event", "no_event", nil)
	}
	switch callstate.Fold(w.data.Text("type")) {
	case "chat", "email", "skillvoicemail":
		return nil, nil // not a conversation on the telephone
	}
	return []providers.Observation{callstate.Onto(base(w, home, v), words.Said(w.event, v)[0])}, nil
}

// A wire is a message with its parts found. The depths are kept apart:
// CallType of the call is its direction, callType of the interaction Five9's
// kind of call.
type wire struct {
	call, fields, data bus.Object
	event, state       string
}

func dissect(call bus.Object) wire {
	w := wire{call: call, fields: call.Object("ResponseFields")}
	w.data = w.fields.Unwrapped("interactionData")
	w.state = cmp.Or(w.fields.Text("CallState"), w.data.Text("callState"))
	w.event = cmp.Or(call.Text("event"), w.state)
	return w
}

// base is what the message holds besides its event.
func base(w wire, home string, v providers.View) providers.Observation {
	address := cmp.Or(w.fields.Text("fromAddress"), w.clicked())
	o := providers.Observation{
		Event:    bus.Clip(w.event),
		State:    bus.Clip(w.state),
		CallKey:  bus.Clip(cmp.Or(w.call.Text("id"), w.data.Text("callId"))),
		Agent:    bus.Clip(cmp.Or(w.data.Text("agentId"), w.fields.Text("CallAgent"))),
		Customer: bus.FromNational(address, home),
	}
	o.Unread = o.Customer == "" && address != ""
	o.Manual = w.telephone() && bus.Manual(w.fields, o.Customer, v)
	o.IDs = map[string]string{}
	keep := func(name, id string) {
		if id != "" {
			o.IDs[name] = bus.Clip(id)
		}
	}
	keep("callId", o.CallKey)
	keep("interactionId", w.data.Text("interactionId"))
	keep("sessionId", w.data.Text("sessionId"))
	inner := w.data.Text("callId")
	mismatch := inner != "" && inner != w.call.Text("id") && w.call.Text("id") != ""
	if mismatch {
		keep("interactionCallId", inner)
	}
	o.Attrs = w.attrs(o.Customer, mismatch)
	return o
}

// telephone reports whether the interaction is a plain call: a preview call or
// a queue callback is one, too, but none that was dialed by hand.
func (w wire) telephone() bool {
	kind := callstate.Fold(w.data.Text("type"))
	return kind == "" || kind == "call"
}

// clicked is the number that was dialed, as an object, JSON in a string, or
// the bare number.
func (w wire) clicked() string {
	if o := w.data.Unwrapped("click2DialData"); o != nil {
		return o.Text("clickToDialNumber")
	}
	return w.data.Text("click2DialData")
}

// attrs are the details that are not the customer's: the agent's, and how the
// call came about. contactDisplayName is a customer's name and left out.
func (w wire) attrs(customer string, mismatch bool) map[string]string {
	a := bus.NewAttrs(customer)
	vars := w.call.Object("CallVariables")
	a.Add("callType", strings.ToLower(w.call.Text("CallType")))
	a.Add("callState", callstate.Fold(w.state))
	a.Add("interactionCallType", w.data.Text("callType"))
	a.Add("interactionType", w.data.Text("type"))
	for _, key := range []string{"distributionMode", "interactionSubType", "locale", "domainName",
		"agentExtension", "agentName"} {
		a.Add(key, w.data.Text(key))
	}
	a.Add("agentLogin", cmp.Or(w.data.Text("agent"), w.fields.Text("CallAgent")))
	a.Add("user_name", vars.Text("user_name"))
	a.Add("full_name", vars.Text("full_name"))
	if at := w.data.Millis("startTime"); !at.IsZero() {
		a.Add("startedAt", at.Format(time.RFC3339Nano))
	}
	if mismatch {
		a.Add("warning", "call_id_mismatch")
	}
	return a.Map()
}
