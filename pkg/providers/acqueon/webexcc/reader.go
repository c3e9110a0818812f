package webexcc

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/acqueon/bus"
	"github.com/outdial/outdial/pkg/providers/callstate"
)

// traits: Webex CC has no talking of its own, and its SDK writes an e before its
// events.
var traits = callstate.Traits{Lead: "e", NoTalking: true}

// words are Webex CC's events, the desktop SDK's and Acqueon's own.
var words = callstate.New(map[callstate.Meaning]string{
	callstate.Placing: "AgentContactReserved Initiate Started", callstate.Assigned: "AgentContactAssigned",
	callstate.Offered: "AgentOfferContact", callstate.Ringing: "Ringing RingingOnOtherSide",
	callstate.Answered: "CustAnswered Answered", callstate.Human: "Human", callstate.Machine: "Machine",
	callstate.Talking: "AgentContactUnheld Unhold", callstate.Held: "AgentContactHeld Hold",
	callstate.Consulting:  "AgentConsultCreated AgentOfferConsult AgentConsulting Consult Swapped",
	callstate.ConsultOver: "AgentConsultEnded", callstate.Failed: "AgentOutboundFailed",
	callstate.Conferencing: "AgentConsultConferenced AgentConsultConferencing ParticipantJoinedConference Conference",
	callstate.Transferred:  "AgentBlindTransferred AgentConsultTransferred AgentVteamTransferred AgentVteamTransfer AgentConferenceTransferred",
	callstate.Missed:       "AgentOfferContactRona AgentContactOfferRona AgentInviteFailed AgentContactAssignFailed",
	callstate.Over:         "AgentContactEnded ContactEnded DROPPED",
	callstate.AfterCall:    "AgentWrapup acw WrapUp", callstate.Done: "AgentWrappedUp ClearContact",
	callstate.RecordingOn:  "CallRecordingStarted ContactRecordingStarted ContactRecordingResumed CallRecordingResumed",
	callstate.RecordingOff: "CallRecordingStopped CallRecordingEnded CallRecordingPaused ContactRecordingPaused",
}, traits)

// states are the interaction's states, for a message that names no event.
var states = callstate.New(map[callstate.Meaning]string{
	callstate.Offered: "new", callstate.Assigned: "connected", callstate.Consulting: "consulting consult",
	callstate.Conferencing: "conference", callstate.Over: "post_call", callstate.AfterCall: "wrapUp",
}, traits)

// understand says what a call's message means.
func understand(call bus.Object, home string, v providers.View) ([]providers.Observation, error) {
	w := dissect(call)
	if w.event == "" && w.state == "" {
		return nil, fault.New(fault.Permanent, "read webexcc event", "no_event", nil)
	}
	return observe(w, home, v), nil
}

// A wire is a message with its parts found: nested under data.interaction as
// in the document's sample, or flat as in its table.
type wire struct {
	call, fields, actual, data, inter bus.Object
	event, state                      string
	customer, agent                   bus.Object // participants; agent prefers the one addressed
	agentJoined                       bool       // any agent
}

func dissect(call bus.Object) wire {
	w := wire{call: call, fields: call.Object("ResponseFields"), actual: call.Object("ResponseActual")}
	w.data = w.actual.Object("data")
	if w.data == nil {
		w.data = w.actual
	}
	w.inter = w.data.Object("interaction")
	if w.inter == nil {
		w.inter = w.data
	}
	w.state = cmp.Or(w.fields.Text("CallState"), w.inter.Text("state"))
	w.event = call.Text("event")
	if inner := w.data.Text("type"); w.event == "" && callstate.Fold(inner) != "routingmessage" {
		w.event = inner
	}
	people := w.inter.Objects("participants")
	for _, media := range w.inter.Objects("media") {
		people = append(people, media.Objects("participants")...)
	}
	for _, p := range people {
		joined, _ := p.Bool("hasJoined")
		switch callstate.Fold(cmp.Or(p.Text("pType"), p.Text("type"))) {
		case "customer":
			if w.customer == nil {
				w.customer = p
			}
		case "agent":
			w.agentJoined = w.agentJoined || joined
			if w.agent == nil || p.Text("id") == w.data.Text("agentId") {
				w.agent = p
			}
		}
	}
	return w
}

// customerJoined leaves out a leg that is only being dialed.
func (w wire) customerJoined() bool {
	joined, _ := w.customer.Bool("hasJoined")
	dialing, _ := w.customer.Bool("isInPredial")
	return joined && !dialing
}

func (w wire) word() callstate.Word {
	said := words.Of(w.event)
	if w.event == "" {
		said = states.Of(w.state)
	}
	switch {
	case said.Means == callstate.Assigned && w.customerJoined():
		said.Means = callstate.Talking
	case said.Means == callstate.Failed:
		said.Reason = failure(w.reason())
	}
	return said
}

// observe tells what the event says, and what its participants prove besides:
// that the call was connected although no event said so (WXC-26), or that the
// agent is in wrap-up (WXC-38).
func observe(w wire, home string, v providers.View) []providers.Observation {
	base := base(w, home, v)
	word, call := w.word(), words.Call(v)
	call.Rang = call.Rang || w.agentJoined && w.customer != nil

	var out []providers.Observation
	say := func(said callstate.Word) {
		for _, o := range words.Judge(said, call) {
			out = append(out, merge(o, base, w))
		}
	}

	proof := w.customerJoined() && w.agentJoined && !call.Talked && !call.Machine
	switch word.Means {
	case callstate.Talking, callstate.Answered, callstate.Human, callstate.Machine, callstate.Held, callstate.Consulting,
		callstate.ConsultOver, callstate.Conferencing, callstate.Transferred, callstate.Missed, callstate.Failed:
		proof = false
	case callstate.Offered:
		say(word)
	}
	if proof {
		say(callstate.Word{Means: callstate.Talking})
		out[len(out)-1].Inferred = true // when they were joined is not in this message
		call.Talked = true
	}
	if word.Means != callstate.Offered && !(proof && (word.Means == callstate.Placing || word.Means == callstate.Assigned)) {
		say(word)
	}
	if flag := wrapUp(w, word.Means, call); flag != callstate.Other {
		say(callstate.Word{Means: flag})
	}
	return out
}

// wrapUp is what the agent's own flags add to an event that does not name it.
func wrapUp(w wire, m callstate.Meaning, c callstate.Call) callstate.Meaning {
	in, _ := w.agent.Bool("isWrapUp")
	done, _ := w.agent.Bool("isWrappedUp")
	silent := m == callstate.Over || m == callstate.Transferred || m == callstate.Other || m == callstate.RecordingOff
	switch {
	case !silent || c.State == events.WrappedUp || !c.Talked && m == callstate.Over:
		return callstate.Other
	case done:
		return callstate.Done
	case in:
		return callstate.AfterCall
	}
	return callstate.Other
}

// base is what every observation of the message shares.
func base(w wire, home string, v providers.View) providers.Observation {
	o := providers.Observation{
		Event:    bus.Clip(cmp.Or(w.event, w.state)),
		State:    bus.Clip(w.state),
		Agent:    bus.Clip(cmp.Or(w.data.Text("agentId"), w.inter.Text("owner"))),
		Customer: bus.FromInternational(w.address(), home),
		At:       w.data.Millis("eventTime"),
	}
	o.Unread = o.Customer == "" && w.address() != ""
	o.Manual = bus.Manual(w.fields, o.Customer, v)
	o.IDs = map[string]string{}
	keep := func(name, id string) {
		if id != "" {
			o.IDs[name] = bus.Clip(id)
		}
	}
	o.CallKey = bus.Clip(cmp.Or(w.data.Text("interactionId"), w.inter.Text("interactionId")))
	if shared := w.call.Text("id"); o.CallKey == "" && shared != "" && o.Customer != "" {
		o.CallKey, o.Shared = bus.FallbackKey(shared, o.Customer), true
	} else {
		keep("interactionId", o.CallKey)
	}
	keep("callId", w.call.Text("id"))
	keep("trackingId", w.actual.Text("trackingId")) // the notification's; never identity
	o.Attrs = w.attrs(o.Customer)
	return o
}

// address is the customer's: where an outbound call goes to, where an inbound
// one comes from.
func (w wire) address() string {
	details := w.inter.Object("callProcessingDetails")
	direction := cmp.Or(w.inter.Object("contactDirection").Text("type"), w.fields.Text("Type"))
	if callstate.Fold(direction) == "inbound" {
		return cmp.Or(w.fields.Text("fromAddress"), w.actual.Text("fromAddress"), details.Text("ani"))
	}
	return cmp.Or(w.fields.Text("toAddress"), w.actual.Text("toAddress"), details.Text("dnis"), w.customer.Text("id"))
}

// attrs are the details that are nobody's secret: the variables, the agent's
// team, site and queue. The customer's number and name are not among them.
func (w wire) attrs(customer string) map[string]string {
	a := bus.NewAttrs(customer)
	vars, details := w.call.Object("CallVariables"), w.inter.Object("callProcessingDetails")
	media := w.inter.Object("mediaProperties")
	a.Add("callType", strings.ToLower(w.call.Text("CallType")))
	a.Add("callState", canonicalState(w.state))
	a.Add("virtualTeamName", cmp.Or(vars.Text("virtualTeamName"), details.Text("virtualTeamName")))
	if bus.FromInternational(vars.Text("ani"), "") != customer {
		a.Add("ani", vars.Text("ani")) // of the agent, on a call that goes out
	}
	for _, o := range []bus.Object{vars, w.data, details} {
		if n, ok := o.Int("ronaTimeout"); ok {
			a.Add("ronaTimeout", strconv.FormatInt(n, 10))
		}
	}
	for _, o := range []bus.Object{media, w.inter} {
		if at := o.Millis("queuedTimestamp"); !at.IsZero() {
			a.Add("queuedAt", at.Format(time.RFC3339Nano))
		}
	}
	for _, key := range []string{"teamName", "teamId", "siteId", "queueId"} {
		a.Add(key, cmp.Or(w.agent.Text(key), media.Text(key)))
	}
	a.Add("agentName", w.agent.Text("name"))
	a.Add("queueManager", cmp.Or(w.data.Text("queueMgr"), w.agent.Text("queueMgrId"),
		media.Text("QMrgName", "QueueMrgid", "queuemrg")))
	a.Add("entryPoint", cmp.Or(details.Text("EP_ID"), w.actual.Text("Ep_id")))
	a.Add("workflowName", details.Text("workflowName"))
	a.Add("mohFileName", details.Text("mohFileName"))
	for _, key := range []string{"outdialTransferToQueueEnabled", "participantInviteTimeout"} {
		if b, said := details.Bool(key); said {
			a.Add(key, strconv.FormatBool(b))
		}
	}
	a.Add("reason", code(w.reason()))
	return a.Map()
}
