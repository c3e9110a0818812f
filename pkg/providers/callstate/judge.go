package callstate

import (
	"cmp"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
)

// A Call is what is known of the call that a word is about.
type Call struct {
	State       events.Name // the last event that moved it
	Talked      bool        // customer and agent have been connected, and no machine
	Rang        bool        // the customer's telephone rang, or the agent was waiting for it to be picked up
	Over        bool        // it has ended already
	Machine     bool        // a machine answered
	Transferred bool        // the agent handed the customer on
	HandingOn   bool        // that is what the agent was doing when last heard
	Late        bool        // a Line's word came so late that another may have been missed
}

// Call reads the history from the record. But on a Line, only a call that talked
// comes to wrap-up.
func (t *Table) Call(v providers.View) Call {
	return Call{
		State: v.CallState, Machine: v.Machine, Transferred: v.Transferred,
		Talked:    v.Talked || !v.Machine && (t.NoTalking && v.CallState == events.Answered || !t.Line && v.CallState == events.WrapUp),
		Rang:      v.CallState == events.Ringing,
		Over:      rank(v.CallState) >= rank(events.Ended),
		HandingOn: v.CallState == events.Consulting && t.Of(v.Said).Means == HandingOn,
	}
}

// plain is what a meaning says of any call.
var plain = [...]providers.Observation{
	Other:        {Call: events.Annotated},
	Placing:      {Presence: events.OnCall},
	Assigned:     {Presence: events.OnCall, Legs: events.Legs{Agent: "up"}},
	Offered:      {Presence: events.OnCall, Call: events.Offered, Legs: events.Legs{Customer: "none", Agent: "offered"}},
	Ringing:      {Presence: events.OnCall, Call: events.Ringing, Legs: events.Legs{Customer: "ringing"}},
	Answered:     {Presence: events.OnCall, Call: events.Answered, Legs: events.Legs{Customer: "up"}},
	Human:        {Presence: events.OnCall, Call: events.Answered, Legs: events.Legs{Customer: "up"}, Reason: events.ByHuman},
	Machine:      {Presence: events.OnCall, Call: events.Answered, Legs: events.Legs{Customer: "up"}, Reason: events.EndMachine},
	Talking:      {Presence: events.OnCall, Call: events.Talking, Legs: events.Legs{Customer: "up", Agent: "up"}},
	Held:         {Presence: events.OnCall, Call: events.Held, Legs: events.Legs{Customer: "up", Agent: "up"}},
	Consulting:   {Presence: events.OnCall, Call: events.Consulting, Legs: events.Legs{Customer: "up", Agent: "up"}},
	HandingOn:    {Presence: events.OnCall, Call: events.Consulting, Legs: events.Legs{Customer: "up", Agent: "up"}},
	ConsultOver:  {Presence: events.OnCall, Call: events.Annotated, Legs: events.Legs{Customer: "up", Agent: "up"}},
	Conferencing: {Presence: events.OnCall, Call: events.Conferencing, Legs: events.Legs{Customer: "up", Agent: "up"}},
	Transferred:  {Call: events.Ended, Reason: events.EndTransferred, Legs: events.Legs{Customer: "up", Agent: "down"}},
	Missed:       {Call: events.Ended, Reason: events.EndAgentMissed, Legs: events.Legs{Agent: "none"}},
	Failed:       {Call: events.Ended, Legs: events.Legs{Customer: "down"}},
	Over:         {Call: events.Ended, Legs: events.Legs{Customer: "down"}},
	Gone:         {Call: events.Ended, Reason: events.EndAgentLost, Legs: events.Legs{Agent: "down"}},
	RecordingOn:  {Call: events.RecordingStarted},
	RecordingOff: {Call: events.RecordingStopped},
	Elsewhere:    {},
}

// Said implements providers.Vocabulary.
func (t *Table) Said(word string, v providers.View) []providers.Observation {
	return t.Judge(t.Of(word), t.Call(v))
}

// Judge is what a word says of a call with this history: call event, reason, legs
// and presence. It is one observation, but of a Line none, or two where the end
// before it was never said.
func (t *Table) Judge(w Word, c Call) []providers.Observation {
	switch w.Means {
	case AfterCall, Done, Ready, Resting:
		return t.after(w, c)
	}
	o := plain[w.Means]
	switch {
	case w.Means == ConsultOver && c.State == events.Consulting:
		o.Call = events.Held
	case w.Means == Failed:
		o.Reason = cmp.Or(w.Reason, events.EndProvider)
	case w.Means == Over:
		o.Reason = t.end(w, c)
	}
	if t.Line && (rank(o.Call) == 0 || o.Call == c.State || c.Over || c.State == events.Closed || w.Means == Gone && !c.started()) {
		return nil
	}
	return []providers.Observation{o}
}

// after is a word for the agent's work after a call, or for the end of that.
// Wrap-up is a failed call unless it had been talking: Five9's WRAP_UP alone is
// "could not be placed". Whoever is free on a line proves nothing of a call that
// is not known to have been taken.
func (t *Table) after(w Word, c Call) []providers.Observation {
	work := w.Means == AfterCall
	o := providers.Observation{Call: events.WrappedUp, Legs: events.Legs{Customer: "down", Agent: "down"}}
	if work {
		o = providers.Observation{Call: events.WrapUp, Presence: events.WrapUp, Legs: events.Legs{Customer: "down", Agent: "up"}}
	}
	if work != t.Line { // a line is up until the next call, elsewhere the leg goes some time
		o.Legs.Agent = ""
	}
	if c.Transferred || c.HandingOn { // of a customer who was handed on her work tells nothing
		o.Legs.Customer = ""
	}
	ends := work && !c.Talked && !c.Transferred || !work && !c.Over && (t.Line || !c.Talked)
	if !t.Line {
		if ends {
			o.Call, o.Reason = events.Ended, t.end(w, c)
		}
		return []providers.Observation{o}
	}
	switch {
	case c.State == events.WrappedUp, c.State == events.Closed, o.Call == c.State, !work && !c.Over && !c.started():
		return nil
	case c.Over, !ends && !c.HandingOn:
		return []providers.Observation{o}
	}
	end := o
	end.Call, end.Presence = events.Ended, ""
	end.Inferred = w.Means == Done || !work && c.Late
	switch {
	case c.HandingOn:
		end.Reason, end.Legs = events.EndTransferred, events.Legs{Customer: "up", Agent: "down"}
	case !work && !c.Talked:
		end.Reason = events.EndUnknown // whatever became of it, nobody saw it
	default:
		end.Reason = t.end(w, c)
	}
	return []providers.Observation{end, o}
}

// end is the reason of a call that ends now.
func (t *Table) end(w Word, c Call) string {
	switch {
	case w.Reason != "":
		return w.Reason
	case c.Machine:
		return events.EndMachine
	case c.Talked:
		return events.EndCompleted
	case c.Rang:
		return events.EndNoAnswer
	}
	return cmp.Or(t.Fails, events.EndProvider)
}

// started says whether the provider is known to have taken the call, and to have
// it still.
func (c Call) started() bool {
	return c.State == events.Started || c.State == events.PendingAgent || rank(c.State) > 0 && rank(c.State) < rank(events.Ended)
}

// rank is how far a call has come, 0 for what is no progress of one.
func rank(n events.Name) int { return lifecycle.Rank(lifecycle.State(n)) }

// Onto puts what a word says into what else its message holds.
func Onto(base, said providers.Observation) providers.Observation {
	base.Call, base.Presence, base.Reason, base.Legs, base.Inferred = said.Call, said.Presence, said.Reason, said.Legs, said.Inferred
	return base
}
