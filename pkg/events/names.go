package events

import "sync"

// A Role is the author of an event, and the last but one token of its
// subject. The broker gives each service its own role and no other, so only
// compliance can write a pass.
type Role string

// The roles.
const (
	Orchestrator Role = "orchestrator"
	Compliance   Role = "compliance"
	Dialer       Role = "dialer"
	Bridge       Role = "bridge"
	Operator     Role = "operator"
)

// A Name is the last token of an event's subject, and the part of its
// CloudEvents type between the family and the version.
type Name string

// Events of a call's log.
const (
	Requested       Name = "requested"
	Waiting         Name = "waiting"
	Assigned        Name = "assigned"
	CancelRequested Name = "cancel_requested"
	Closed          Name = "closed"

	Failed    Name = "failed"
	Preparing Name = "preparing"
	Passed    Name = "passed"

	Dialing      Name = "dialing"
	Withheld     Name = "withheld"
	Started      Name = "started"
	Refused      Name = "refused"
	PendingAgent Name = "pending_agent"
	Unknown      Name = "unknown"
	NotPlaced    Name = "not_placed"
	Cancelled    Name = "cancelled"
	CancelFailed Name = "cancel_failed"
	Orphaned     Name = "orphaned"

	Offered      Name = "offered"
	Ringing      Name = "ringing"
	Answered     Name = "answered"
	Talking      Name = "talking"
	Held         Name = "held"
	Consulting   Name = "consulting"
	Conferencing Name = "conferencing"
	Ended        Name = "ended"
	WrapUp       Name = "wrap_up"
	WrappedUp    Name = "wrapped_up"

	RecordingStarted Name = "recording_started"
	RecordingStopped Name = "recording_stopped"
	Annotated        Name = "annotated"

	Resolved Name = "resolved"
)

// Events of an agent's log. WrapUp ("wrap_up") is shared with the calls.
const (
	SessionStarted Name = "session_started"
	Ready          Name = "ready"
	NotReady       Name = "not_ready"
	OnCall         Name = "on_call"
	ForeignCall    Name = "foreign_call"
	SessionLost    Name = "session_lost"
	SessionEnded   Name = "session_ended"

	Claimed     Name = "claimed"
	Released    Name = "released"
	Quarantined Name = "quarantined"
	Enrolled    Name = "enrolled"
	Removed     Name = "removed"
)

// A Family is what an event is about, the first part of its type.
type Family string

// The families.
const (
	CallFamily  Family = "call"
	AgentFamily Family = "agent"
)

// TypeOf is the CloudEvents type of a family's event, io.outdial.<family>.<name>.v1.
func TypeOf(f Family, n Name) string {
	return "io.outdial." + string(f) + "." + string(n) + ".v1"
}

// Types outside the two logs.
const (
	TypeDialRequested = "io.outdial.dial.requested.v1"
	TypeRejected      = "io.outdial.rejected.v1"
	TypeOps           = "io.outdial.ops.v1"
	TypeFact          = "io.outdial.fact.v1"
	TypeControl       = "io.outdial.control.v1"
	TypeProviderRaw   = "io.outdial.provider.raw.v1"
)

// A Spec describes one event of a log: who writes it, what it says, and its
// body. The list of specs is the vocabulary: schemas, the subject table and
// the decoder are made from it.
type Spec struct {
	Family Family
	Role   Role
	Name   Name
	Says   string
	New    func() any // a pointer to an empty body
}

// Type is the CloudEvents type of the event.
func (s Spec) Type() string { return TypeOf(s.Family, s.Name) }

func entry[T any](f Family, r Role, n Name, says string) Spec {
	return Spec{f, r, n, says, func() any { return new(T) }}
}

// CallSpecs lists every event of a call's log, in the order of a call's life.
func CallSpecs() []Spec {
	return []Spec{
		entry[CallRequested](CallFamily, Orchestrator, Requested, "accepted; the request in canonical form, the only event with the clear number and metadata"),
		entry[CallWaiting](CallFamily, Orchestrator, Waiting, "not now: why, and until when"),
		entry[CallAssigned](CallFamily, Orchestrator, Assigned, "an agent is claimed for the call"),
		entry[CallCancelRequested](CallFamily, Orchestrator, CancelRequested, "somebody wants the call withdrawn; makes dialing illegal"),
		entry[CallClosed](CallFamily, Orchestrator, Closed, "the one terminal event: outcome, reason, instants, durations"),
		entry[CallFailed](CallFamily, Compliance, Failed, "compliance says no, with every reason and the evidence"),
		entry[CallPreparing](CallFamily, Compliance, Preparing, "about to touch the provider; only its winner may, until notAfter"),
		entry[CallPassed](CallFamily, Compliance, Passed, "compliance says yes, until validUntil"),
		entry[CallDialing](CallFamily, Dialer, Dialing, "the intent, written before anything is sent; never a second one without the proof that the first placed nothing"),
		entry[CallWithheld](CallFamily, Dialer, Withheld, "nothing was sent, and why; after the intent only one with a proof lets the call wait again"),
		entry[CallStarted](CallFamily, Dialer, Started, "the provider took the call"),
		entry[CallRefused](CallFamily, Dialer, Refused, "the provider said no; nothing was placed"),
		entry[CallPendingAgent](CallFamily, Dialer, PendingAgent, "the provider waits for the agent to act"),
		entry[CallUnknown](CallFamily, Dialer, Unknown, "the provider may have placed the call; it is looked up, never retried"),
		entry[CallNotPlaced](CallFamily, Dialer, NotPlaced, "looked up: the provider did not place the call"),
		entry[CallCancelled](CallFamily, Dialer, Cancelled, "the preparation is undone, or the call withdrawn, at the provider"),
		entry[CallCancelFailed](CallFamily, Dialer, CancelFailed, "it could not be withdrawn; the call stays open and the agent held"),
		entry[CallOrphaned](CallFamily, Dialer, Orphaned, "a call turned up that had been given up; alarm"),
		entry[CallProgress](CallFamily, Bridge, Offered, "offered to the agent's leg"),
		entry[CallProgress](CallFamily, Bridge, Ringing, "the customer's telephone rings"),
		entry[CallProgress](CallFamily, Bridge, Answered, "the customer's leg is up"),
		entry[CallProgress](CallFamily, Bridge, Talking, "both legs are up"),
		entry[CallProgress](CallFamily, Bridge, Held, "the customer is on hold"),
		entry[CallProgress](CallFamily, Bridge, Consulting, "the agent consults somebody"),
		entry[CallProgress](CallFamily, Bridge, Conferencing, "three or more are talking"),
		entry[CallProgress](CallFamily, Bridge, Ended, "the conversation, or the attempt, is over; reason says how"),
		entry[CallProgress](CallFamily, Bridge, WrapUp, "the agent is in after-call work"),
		entry[CallProgress](CallFamily, Bridge, WrappedUp, "after-call work is done"),
		entry[CallProgress](CallFamily, Bridge, RecordingStarted, "annotation: recording is on"),
		entry[CallProgress](CallFamily, Bridge, RecordingStopped, "annotation: recording is off"),
		entry[CallProgress](CallFamily, Bridge, Annotated, "annotation: disposition, opt-out, callback, transfer"),
		entry[CallResolved](CallFamily, Operator, Resolved, "a human settled an unknown"),
	}
}

// AgentSpecs lists every event of an agent's log.
func AgentSpecs() []Spec {
	return []Spec{
		entry[AgentEnrolled](AgentFamily, Orchestrator, Enrolled, "on the roster: connection, provider agent, hunt groups, sealed token"),
		entry[AgentRemoved](AgentFamily, Orchestrator, Removed, "off the roster"),
		entry[AgentPresence](AgentFamily, Bridge, SessionStarted, "signed in at the provider or a desktop connected"),
		entry[AgentPresence](AgentFamily, Bridge, Ready, "may be dialed"),
		entry[AgentPresence](AgentFamily, Bridge, NotReady, "on pause"),
		entry[AgentPresence](AgentFamily, Bridge, OnCall, "on a call of ours"),
		entry[AgentPresence](AgentFamily, Bridge, ForeignCall, "on a call that is not ours; not dialed meanwhile"),
		entry[AgentPresence](AgentFamily, Bridge, WrapUp, "in after-call work"),
		entry[AgentPresence](AgentFamily, Bridge, SessionLost, "the session broke: token, keepalive, socket"),
		entry[AgentPresence](AgentFamily, Bridge, SessionEnded, "signed out"),
		entry[AgentClaimed](AgentFamily, Orchestrator, Claimed, "taken for a call; its sequence is the fence"),
		entry[AgentReleased](AgentFamily, Orchestrator, Released, "free again"),
		entry[AgentPresence](AgentFamily, Orchestrator, SessionLost, "nobody can be reached in the session: its bridge fell silent, or nobody answered the dialer; moves no fence and touches no claim"),
		entry[AgentQuarantined](AgentFamily, Orchestrator, Quarantined, "held back until the provider proves the agent free"),
	}
}

type specKey struct {
	Family
	Role
	Name
}

// specs is made once: every event that is written or read is looked up.
var specs = sync.OnceValue(func() map[specKey]Spec {
	out := map[specKey]Spec{}
	for _, s := range append(CallSpecs(), AgentSpecs()...) {
		out[specKey{s.Family, s.Role, s.Name}] = s
	}
	return out
})

// Lookup finds the spec of a family's event by role and name.
func Lookup(f Family, r Role, n Name) (Spec, bool) {
	s, ok := specs()[specKey{f, r, n}]
	return s, ok
}
