package events

import "time"

// AgentState is the whole state of an agent after an event. Every event of an
// agent's log carries it, so that the last event alone tells the state: the
// log keeps only the last events of each kind.
type AgentState struct {
	Presence Name      `json:"presence"` // a presence event's name, or offline, removed
	Since    time.Time `json:"since"`    // when this presence began
	Reason   string    `json:"reason,omitempty"`

	Connection    string   `json:"connection"`
	Kind          string   `json:"kind"` // of the connection: tcn, webexcc, five9
	ProviderAgent string   `json:"providerAgent,omitempty"`
	HuntGroups    []string `json:"huntGroups,omitempty"`
	// EnrolledSeq is the sequence of the enrolment, which holds the sealed
	// token; 0 on the enrolment itself.
	EnrolledSeq uint64 `json:"enrolledSeq,omitempty"`
	// SeatSeq is the sequence of the enrolment by which the agent came to be this
	// one of the provider's, where a later enrolment left it so; else 0.
	SeatSeq uint64 `json:"seatSeq,omitempty"`

	Session string `json:"session,omitempty"` // provider session, or the desktop's
	// Bridge is the process that holds the desktop's socket, "" where none does.
	// Silence of the process ends the session.
	Bridge string `json:"bridge,omitempty"`
	// Provider holds the provider's ids of the session, verbatim.
	Provider map[string]string `json:"provider,omitempty"`

	Claim      *AgentClaim `json:"claim,omitempty"`
	Quarantine *AgentClaim `json:"quarantine,omitempty"`
	// LastCall is the call that held the agent before: late news is its.
	LastCall string `json:"lastCall,omitempty"`
	// RawSeq is the sequence in PROVIDER of the message that the presence comes
	// from: an older message of the session, retried, is late news. 0: of none.
	RawSeq uint64 `json:"rawSeq,omitempty"`
	// Fence is the sequence of the last orchestrator event but session_lost;
	// 0 on such an event itself, whose own sequence it is.
	Fence uint64 `json:"fence,omitempty"`
}

// Presence values that are not the name of a presence event.
const (
	Offline Name = "offline"
	Lost    Name = "lost"
	Gone    Name = "removed"
)

// ReasonPrepared is why an agent is not ready whom the provider shows in a
// preparation that no call of ours explains. Services act on it.
const ReasonPrepared = "manual_dial_prepared"

// ReasonLeftover is why an agent is held back in whose session the provider
// holds such a preparation: while that is the reason it may be withdrawn.
const ReasonLeftover = "left_prepared"

// ReasonNotAvailable is the code of a refusal by which a provider says that the
// agent cannot take a call now, and of the hold that follows where nobody but
// such a refusal tells it. Services act on it.
const ReasonNotAvailable = "agent_not_available"

// ReasonSeatTaken is why an agent was taken off the roster who was enrolled as one
// of a provider's at the same moment as another who came first.
const ReasonSeatTaken = "seat_taken"

// AgentClaim says which call holds the agent, or why it is held back.
type AgentClaim struct {
	Call   string    `json:"call"`
	Since  time.Time `json:"since"`
	Reason string    `json:"reason,omitempty"`
	// CallSeq is the call's last sequence when the claim was decided on. The
	// claim may become an assignment at this very place of the call's log and
	// nowhere else: once the log has moved on, it is void.
	CallSeq uint64 `json:"callSeq,omitempty"`
}

// AgentEnrolled puts an agent on the roster, or changes its entry.
type AgentEnrolled struct {
	Token string     `json:"token,omitempty"` // sealed with the tenant's key
	By    string     `json:"by,omitempty"`
	State AgentState `json:"state"`
}

// AgentRemoved takes an agent off the roster.
type AgentRemoved struct {
	By    string     `json:"by,omitempty"`
	State AgentState `json:"state"`
}

// AgentPresence is what the provider or the desktop says about an agent.
type AgentPresence struct {
	Reason   string `json:"reason,omitempty"`
	Event    string `json:"event,omitempty"` // the provider's own word, verbatim
	Evidence string `json:"evidence,omitempty"`
	RawSeq   uint64 `json:"rawSeq,omitempty"`
	// Call and CallSeq say what was known of the claiming call when the
	// provider was asked: news older than the dial proves nothing about it.
	Call       string     `json:"call,omitempty"`
	CallSeq    uint64     `json:"callSeq,omitempty"`
	OccurredAt *time.Time `json:"occurredAt,omitempty"`
	State      AgentState `json:"state"`
}

// AgentClaimed takes the agent for a call.
type AgentClaimed struct {
	Call  string     `json:"call"`
	State AgentState `json:"state"`
}

// AgentReleased sets the agent free.
type AgentReleased struct {
	Call  string     `json:"call,omitempty"`
	Cause string     `json:"cause"`
	By    string     `json:"by,omitempty"`
	State AgentState `json:"state"`
}

// AgentQuarantined holds the agent back until the provider proves it free.
type AgentQuarantined struct {
	Call   string     `json:"call,omitempty"`
	Reason string     `json:"reason"`
	State  AgentState `json:"state"`
}

// StateOf returns the state carried by an agent event's body.
func StateOf(body any) (AgentState, bool) {
	switch b := body.(type) {
	case *AgentEnrolled:
		return b.State, true
	case *AgentRemoved:
		return b.State, true
	case *AgentPresence:
		return b.State, true
	case *AgentClaimed:
		return b.State, true
	case *AgentReleased:
		return b.State, true
	case *AgentQuarantined:
		return b.State, true
	}
	return AgentState{}, false
}
