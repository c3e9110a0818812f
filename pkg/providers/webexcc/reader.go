package webexcc

import (
	"strconv"
	"strings"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/acqueon"
)

// A Reader understands what the desktop of a Webex CC agent says. It is pure.
type Reader struct {
	HomeRegion string // used where the view names none
	MinVersion string // of the Workspace
}

// names are Webex CC's events, the desktop SDK's and Acqueon's own, folded and
// without the leading e.
func names() acqueon.Names {
	return acqueon.Names{
		"agentcontactreserved": acqueon.Placing, "initiate": acqueon.Placing, "started": acqueon.Placing,
		"agentoffercontact": acqueon.Offered, "ringing": acqueon.Ringing, "ringingonotherside": acqueon.Ringing,
		"custanswered": acqueon.Answered, "answered": acqueon.Answered, "human": acqueon.Answered,
		"machine": acqueon.Machine, "agentcontactassigned": acqueon.Assigned,
		"agentcontactheld": acqueon.Held, "hold": acqueon.Held, "agentcontactunheld": acqueon.Talking,
		"unhold": acqueon.Talking, "agentconsultcreated": acqueon.Consulting, "agentofferconsult": acqueon.Consulting,
		"agentconsulting": acqueon.Consulting, "consult": acqueon.Consulting, "swapped": acqueon.Consulting,
		"agentconsultconferenced": acqueon.Conferencing, "agentconsultconferencing": acqueon.Conferencing,
		"participantjoinedconference": acqueon.Conferencing, "conference": acqueon.Conferencing,
		"agentoffercontactrona": acqueon.Missed, "agentcontactofferrona": acqueon.Missed,
		"agentinvitefailed": acqueon.Missed, "agentcontactassignfailed": acqueon.Missed,
		"agentoutboundfailed": acqueon.Failed,
		"agentcontactended":   acqueon.Over, "contactended": acqueon.Over, "dropped": acqueon.Over,
		"agentwrapup": acqueon.AfterCall, "acw": acqueon.AfterCall, "wrapup": acqueon.AfterCall,
		"agentwrappedup": acqueon.Done, "clearcontact": acqueon.Done,
		"callrecordingstarted": acqueon.RecordingOn, "contactrecordingstarted": acqueon.RecordingOn,
		"contactrecordingresumed": acqueon.RecordingOn, "callrecordingresumed": acqueon.RecordingOn,
		"callrecordingstopped": acqueon.RecordingOff, "callrecordingended": acqueon.RecordingOff,
		"callrecordingpaused": acqueon.RecordingOff, "contactrecordingpaused": acqueon.RecordingOff,
	}
}

// states are the interaction's states, for a message that names no event.
func states() acqueon.Names {
	return acqueon.Names{
		"new": acqueon.Offered, "connected": acqueon.Assigned, "consulting": acqueon.Consulting,
		"consult": acqueon.Consulting, "conference": acqueon.Conferencing, "postcall": acqueon.Over,
		"wrapup": acqueon.AfterCall,
	}
}

// Read says what a message means for an agent and a call on record.
func (r Reader) Read(raw events.ProviderRaw, v providers.View) ([]providers.Observation, error) {
	m, err := acqueon.Parse(raw.Body)
	if err != nil {
		return nil, err
	}
	if m.IsRelay() {
		return acqueon.ReadRelay(m, r.MinVersion)
	}
	if !m.AboutCall() {
		return nil, nil
	}
	if !m.On("webexcc") || !m.Outbound() {
		return acqueon.Foreign(m.Call.Text("event")), nil
	}
	w := dissect(m.Call)
	if w.event == "" && w.state == "" {
		return nil, fault.New(fault.Permanent, "read webexcc event", "no_event", nil)
	}
	return r.observe(w, v), nil
}

// A wire is a message with its parts found: nested under data.interaction as
// in the document's sample, or flat as in its table.
type wire struct {
	call, fields, actual, data, inter acqueon.Object
	event, state                      string
	customer, agent                   acqueon.Object // participants; agent prefers the one addressed
	agentJoined                       bool           // any agent
}

func dissect(call acqueon.Object) wire {
	w := wire{call: call, fields: call.Object("ResponseFields"), actual: call.Object("ResponseActual")}
	w.data = w.actual.Object("data")
	if w.data == nil {
		w.data = w.actual
	}
	w.inter = w.data.Object("interaction")
	if w.inter == nil {
		w.inter = w.data
	}
	w.state = acqueon.First(w.fields.Text("CallState"), w.inter.Text("state"))
	w.event = call.Text("event")
	if inner := w.data.Text("type"); w.event == "" && acqueon.Fold(inner) != "routingmessage" {
		w.event = inner
	}
	people := w.inter.Objects("participants")
	for _, media := range w.inter.Objects("media") {
		people = append(people, media.Objects("participants")...)
	}
	for _, p := range people {
		joined, _ := p.Bool("hasJoined")
		switch acqueon.Fold(acqueon.First(p.Text("pType"), p.Text("type"))) {
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

func (w wire) meaning() acqueon.Meaning {
	m := names().Of(w.event)
	if w.event == "" {
		m = states().Of(w.state)
	}
	if m == acqueon.Assigned && w.customerJoined() {
		return acqueon.Talking
	}
	return m
}

// observe tells what the event says, and what its participants prove besides:
// that the call was connected although no event said so (WXC-26), or that the
// agent is in wrap-up (WXC-38).
func (r Reader) observe(w wire, v providers.View) []providers.Observation {
	base := r.base(w, v)
	meaning, history := w.meaning(), acqueon.HistoryOf(v)
	// Webex CC has no talking of its own: answered is as far as it goes.
	history.Talked = history.Talked || v.CallState == events.Answered
	history.Rang = history.Rang || w.agentJoined && w.customer != nil

	var out []providers.Observation
	say := func(m acqueon.Meaning) { out = append(out, merge(acqueon.Judge(m, history), base, w)) }

	proof := w.customerJoined() && w.agentJoined && !history.Talked
	switch meaning {
	case acqueon.Talking, acqueon.Answered, acqueon.Machine, acqueon.Held, acqueon.Consulting, acqueon.Conferencing,
		acqueon.Missed, acqueon.Failed:
		proof = false
	case acqueon.Offered:
		say(meaning)
	}
	if proof {
		say(acqueon.Talking)
		history.Talked = true
	}
	if meaning != acqueon.Offered && !(proof && (meaning == acqueon.Placing || meaning == acqueon.Assigned)) {
		say(meaning)
	}
	if meaning == acqueon.Failed {
		out[len(out)-1].Reason = failure(w.reason())
	}
	return append(out, r.wrapUp(w, base, meaning, history, v)...)
}

// wrapUp is what the agent's own flags add to an event that does not name it.
func (r Reader) wrapUp(w wire, base providers.Observation, m acqueon.Meaning, h acqueon.History, v providers.View) []providers.Observation {
	in, _ := w.agent.Bool("isWrapUp")
	done, _ := w.agent.Bool("isWrappedUp")
	silent := m == acqueon.Over || m == acqueon.Other || m == acqueon.RecordingOff
	if !silent || (!in && !done) || v.CallState == events.WrappedUp || (!h.Talked && m == acqueon.Over) {
		return nil
	}
	meaning := acqueon.AfterCall
	if done {
		meaning = acqueon.Done
	}
	return []providers.Observation{merge(acqueon.Judge(meaning, h), base, w)}
}

// base is what every observation of the message shares.
func (r Reader) base(w wire, v providers.View) providers.Observation {
	region := acqueon.First(v.HomeRegion, r.HomeRegion)
	o := providers.Observation{
		Event:    acqueon.Clip(acqueon.First(w.event, w.state)),
		State:    acqueon.Clip(w.state),
		Agent:    acqueon.Clip(acqueon.First(w.data.Text("agentId"), w.inter.Text("owner"))),
		Customer: acqueon.FromInternational(w.address(), region),
		At:       w.data.Millis("eventTime"),
	}
	o.Unread = o.Customer == "" && w.address() != ""
	o.Manual = acqueon.Manual(w.fields, o.Customer, v)
	o.IDs = map[string]string{}
	keep := func(name, id string) {
		if id != "" {
			o.IDs[name] = acqueon.Clip(id)
		}
	}
	o.CallKey = acqueon.Clip(acqueon.First(w.data.Text("interactionId"), w.inter.Text("interactionId")))
	if shared := w.call.Text("id"); o.CallKey == "" && shared != "" && o.Customer != "" {
		o.CallKey = acqueon.FallbackKey(shared, o.Customer)
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
	direction := acqueon.First(w.inter.Object("contactDirection").Text("type"), w.fields.Text("Type"))
	if acqueon.Fold(direction) == "inbound" {
		return acqueon.First(w.fields.Text("fromAddress"), w.actual.Text("fromAddress"), details.Text("ani"))
	}
	return acqueon.First(w.fields.Text("toAddress"), w.actual.Text("toAddress"), details.Text("dnis"), w.customer.Text("id"))
}

// attrs are the details that are nobody's secret: the variables, the agent's
// team, site and queue. The customer's number and name are not among them.
func (w wire) attrs(customer string) map[string]string {
	a := acqueon.NewAttrs(customer)
	vars, details := w.call.Object("CallVariables"), w.inter.Object("callProcessingDetails")
	media := w.inter.Object("mediaProperties")
	a.Add("callType", strings.ToLower(w.call.Text("CallType")))
	a.Add("callState", canonicalState(w.state))
	a.Add("virtualTeamName", acqueon.First(vars.Text("virtualTeamName"), details.Text("virtualTeamName")))
	if acqueon.FromInternational(vars.Text("ani"), "") != customer {
		a.Add("ani", vars.Text("ani")) // of the agent, on a call that goes out
	}
	for _, o := range []acqueon.Object{vars, w.data, details} {
		if n, ok := o.Int("ronaTimeout"); ok {
			a.Add("ronaTimeout", strconv.FormatInt(n, 10))
		}
	}
	for _, o := range []acqueon.Object{media, w.inter} {
		if at := o.Millis("queuedTimestamp"); !at.IsZero() {
			a.Add("queuedAt", at.Format(time.RFC3339Nano))
		}
	}
	for _, key := range []string{"teamName", "teamId", "siteId", "queueId"} {
		a.Add(key, acqueon.First(w.agent.Text(key), media.Text(key)))
	}
	a.Add("agentName", w.agent.Text("name"))
	a.Add("queueManager", acqueon.First(w.data.Text("queueMgr"), w.agent.Text("queueMgrId"),
		media.Text("QMrgName", "QueueMrgid", "queuemrg")))
	a.Add("entryPoint", acqueon.First(details.Text("EP_ID"), w.actual.Text("Ep_id")))
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
