package bus

import (
	"strings"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
)

// A Meaning is what an event's name says before the call's history is asked.
type Meaning int

// The meanings.
const (
	Other        Meaning = iota // unknown: kept as an annotation
	Placing                     // the call is being set up, nothing to tell yet
	Assigned                    // the agent's leg is up; the customer's is asked for
	Offered                     // offered to the agent
	Ringing                     // the customer's telephone rings
	Answered                    // the customer's leg is up
	Human                       // so it is, by a person
	Machine                     // so it is, by a machine
	Talking                     // both are
	Held                        // on hold
	Consulting                  // with a third party
	ConsultOver                 // who is gone again; the customer still waits
	Conferencing                // all three
	Transferred                 // the customer was handed on, the agent is out of it
	Missed                      // the agent did not take it
	Failed                      // the provider could not place it
	Over                        // the call is over
	AfterCall                   // after-call work, or a call that never was
	Done                        // after-call work is done
	RecordingOn
	RecordingOff
)

// Names maps folded event names, without Webex's leading e, to meanings.
type Names map[string]Meaning

// Of finds a name however it is spelled: TALKING is talking, eAgentContactEnded
// is AgentContactEnded.
func (n Names) Of(event string) Meaning {
	f := Fold(event)
	if m, ok := n[f]; ok {
		return m
	}
	return n[strings.TrimPrefix(f, "e")]
}

// History is what is known of the call a message is about.
type History struct {
	Talked      bool // customer and agent have been connected, and no machine
	Rang        bool // the customer's telephone rang, or the agent was waiting for it to be picked up
	Over        bool // the call has ended already
	Consulting  bool // the agent is with a third party
	Machine     bool // a machine answered
	Transferred bool // the agent handed the customer on
}

// HistoryOf reads the history from the record.
func HistoryOf(v providers.View) History {
	h := History{Talked: v.Talked, Machine: v.Machine, Transferred: v.Transferred}
	switch v.CallState {
	case events.Ringing:
		h.Rang = true
	case events.Talking, events.Held, events.Consulting, events.Conferencing:
		h.Talked, h.Consulting = !v.Machine, v.CallState == events.Consulting
	case events.WrapUp:
		h.Talked, h.Over = !v.Machine, true
	case events.Ended, events.WrappedUp:
		h.Over = true
	}
	return h
}

// Judge says what an event means for a call with this history. Wrap-up, the
// end and the end of wrap-up are a failed call unless it had been talking:
// Five9's WRAP_UP alone is "could not be placed".
func Judge(m Meaning, h History) providers.Observation {
	up := events.Legs{Customer: "up", Agent: "up"}
	down := events.Legs{Customer: "down"}
	o := providers.Observation{Presence: events.OnCall}
	switch m {
	case Placing:
	case Assigned:
		o.Legs = events.Legs{Agent: "up"}
	case Offered:
		o.Call, o.Legs = events.Offered, events.Legs{Customer: "none", Agent: "offered"}
	case Ringing:
		o.Call, o.Legs = events.Ringing, events.Legs{Customer: "ringing"}
	case Answered:
		o.Call, o.Legs = events.Answered, events.Legs{Customer: "up"}
	case Human:
		o.Call, o.Legs, o.Reason = events.Answered, events.Legs{Customer: "up"}, events.ByHuman
	case Machine:
		o.Call, o.Legs, o.Reason = events.Answered, events.Legs{Customer: "up"}, events.EndMachine
	case Talking:
		o.Call, o.Legs = events.Talking, up
	case Held:
		o.Call, o.Legs = events.Held, up
	case Consulting:
		o.Call, o.Legs = events.Consulting, up
	case ConsultOver:
		o.Call, o.Legs = events.Annotated, up
		if h.Consulting {
			o.Call = events.Held
		}
	case Conferencing:
		o.Call, o.Legs = events.Conferencing, up
	case Transferred:
		o = providers.Observation{Call: events.Ended, Reason: events.EndTransferred, Legs: events.Legs{Customer: "up", Agent: "down"}}
	case Missed:
		o = providers.Observation{Call: events.Ended, Reason: events.EndAgentMissed, Legs: events.Legs{Agent: "none"}}
	case Failed:
		o = providers.Observation{Call: events.Ended, Reason: events.EndProvider, Legs: down}
	case Over:
		o = providers.Observation{Call: events.Ended, Reason: h.end(), Legs: down}
	case AfterCall:
		o = providers.Observation{Call: events.WrapUp, Presence: events.WrapUp, Legs: h.left()}
		if !h.Talked && !h.Transferred {
			o.Call, o.Reason = events.Ended, h.end()
		}
	case Done:
		o = providers.Observation{Call: events.WrappedUp, Legs: h.left()}
		o.Legs.Agent = "down"
		if !h.Talked && !h.Over {
			o.Call, o.Reason = events.Ended, h.end()
		}
	case RecordingOn:
		o = providers.Observation{Call: events.RecordingStarted}
	case RecordingOff:
		o = providers.Observation{Call: events.RecordingStopped}
	default:
		o = providers.Observation{Call: events.Annotated}
	}
	return o
}

// end is the reason of a call that ends now.
func (h History) end() string {
	switch {
	case h.Machine:
		return events.EndMachine
	case h.Talked:
		return events.EndCompleted
	case h.Rang:
		return events.EndNoAnswer
	}
	return events.EndProvider
}

// left are the legs once the agent is out of it: of a customer who was handed
// on her work tells nothing.
func (h History) left() events.Legs {
	if h.Transferred {
		return events.Legs{}
	}
	return events.Legs{Customer: "down"}
}

// Foreign reads a call that cannot be ours, e.g. of another channel on the
// same bus: the agent is busy with it until it is over. Nothing of it is tied
// to a call of ours, so it carries neither key nor customer.
func Foreign(event string) []providers.Observation {
	o := providers.Observation{Event: Clip(event), Presence: events.OnCall}
	switch foreignEnds.Of(event) {
	case AfterCall:
		o.Presence = events.WrapUp
	case Done:
		return nil
	}
	return []providers.Observation{o}
}

// foreignEnds are the names by which any of the bus's channels ends a call.
var foreignEnds = Names{
	"wrapup": AfterCall, "acw": AfterCall, "agentwrapup": AfterCall,
	"finished": Done, "dropped": Done, "contactended": Done, "agentcontactended": Done,
	"agentwrappedup": Done, "clearcontact": Done, "agentoffercontactrona": Done, "agentcontactofferrona": Done,
	"agentoutboundfailed": Done, "agentinvitefailed": Done, "agentcontactassignfailed": Done,
}

// Clip keeps foreign text at a size that fits an event.
func Clip(s string) string {
	const most = 256
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}

// Manual reports whether an outbound call is a manual one, as ours are.
// OutBoundType says so; a message that leaves it out is taken by the number of
// the call the agent has been given and that has been dialed.
func Manual(fields Object, customer string, v providers.View) bool {
	kind := Fold(fields.Text("OutBoundType")) // OutboundType folds to the same
	if kind == "" {
		return v.Dialed && customer != "" && customer == v.To
	}
	return kind == "manualdial"
}
