package events

import (
	"slices"
	"time"
)

// Common stands on every event of a call. The number is a keyed token and a
// masked form; the clear number is in CallRequested alone.
type Common struct {
	Number    Number `json:"number"`
	Campaign  string `json:"campaign,omitempty"`
	Reference string `json:"reference,omitempty"`
	Contact   string `json:"contact,omitempty"` // opaque person id
	Parent    string `json:"parent,omitempty"`
	Refs      Refs   `json:"refs"`
}

// Number is a telephone number as it may be shown: a token to find it by and a
// masked form to read.
type Number struct {
	Token  string `json:"token"`  // base32(HMAC-SHA256(tenant key, E.164)), 26 characters
	Masked string `json:"masked"` // country code and last four digits
}

// Refs are sequences in CALLS, so that a reader need not search the log.
type Refs struct {
	Requested uint64 `json:"requested,omitempty"`
	Assigned  uint64 `json:"assigned,omitempty"`
	Passed    uint64 `json:"passed,omitempty"`
}

// CallRequested says that a request was accepted, in canonical form.
type CallRequested struct {
	Common
	Request DialRequest `json:"request"`
	// Connection is the provider connection the call will use when the
	// request names one or the tenant has one; an agent's own goes first.
	Connection string    `json:"connection,omitempty"`
	From       string    `json:"from,omitempty"` // caller id, E.164, checked against the tenant's
	ReceivedAt time.Time `json:"receivedAt"`
	NotBefore  time.Time `json:"notBefore"`
	ExpiresAt  time.Time `json:"expiresAt"`
	// RequestSource and RequestID are the request's CloudEvents identity.
	RequestSource string `json:"requestSource"`
	RequestID     string `json:"requestId"`
	// Digest is a keyed digest of the request's canonical body: the same
	// identity with another digest is refused.
	Digest     string `json:"digest"`
	RequestSeq uint64 `json:"requestSeq,omitempty"` // in the tenant's REQUESTS stream
}

// Why a call waits.
const (
	WaitAgentNotReady  = "agent_not_ready"
	WaitNotBefore      = "not_before"
	WaitWindow         = "window"
	WaitCap            = "cap"
	WaitPaused         = "paused"
	WaitConnectionDown = "connection_down"
	WaitRateLimited    = "rate_limited"
)

// CallWaiting says why nothing happens now.
type CallWaiting struct {
	Common
	Reason string     `json:"reason"`
	Detail string     `json:"detail,omitempty"`
	Until  *time.Time `json:"until,omitempty"` // nil: until something changes
}

// CallAssigned says which agent is claimed for the call, or in which of the
// provider's own queues it stands: then there is no agent of ours, no session
// and no claim.
type CallAssigned struct {
	Common
	Agent      string `json:"agent,omitempty"`
	Queue      string `json:"queue,omitempty"`
	Connection string `json:"connection"`
	HuntGroup  string `json:"huntGroup,omitempty"`
	Session    string `json:"session,omitempty"` // the provider session the agent was in
	Fence      uint64 `json:"fence"`             // sequence of the claim in AGENTS; 0 in a queue
	// NoTalking: the provider reports no talking, so answered counts as it.
	NoTalking bool `json:"noTalking,omitempty"`
}

// Queued says that the call stands in a queue of the provider's, so that it is
// no agent's of ours.
func (a *CallAssigned) Queued() bool { return a.Queue != "" && a.Agent == "" }

// Who asks for a cancellation.
const (
	ByOperator = "operator"
	ByUpstream = "upstream"
	ByExpiry   = "expiry"
	ByOptOut   = "opt_out" // compliance took its pass back
)

// CallCancelRequested makes dialing illegal; a started call keeps its state.
type CallCancelRequested struct {
	Common
	By     string `json:"by"`
	Reason string `json:"reason,omitempty"`
}

// Outcomes of a call.
const (
	OutcomeCompleted = "completed"
	OutcomeBlocked   = "blocked"
	OutcomeExpired   = "expired"
	OutcomeCancelled = "cancelled"
	OutcomeFailed    = "failed"
)

// CallClosed is the one terminal event.
type CallClosed struct {
	Common
	Outcome   string    `json:"outcome"`
	Reason    string    `json:"reason"`
	Presumed  bool      `json:"presumed,omitempty"` // a watchdog decided, nobody saw it
	Agent     string    `json:"agent,omitempty"`
	Instants  Instants  `json:"instants"`
	Durations Durations `json:"durations"`
	// Quarantine: nobody saw the call end, so the agent is held back until the
	// provider proves it free.
	Quarantine bool `json:"quarantine,omitempty"`
}

// Instants are the moments of a call, where there is evidence of them: of our
// own doings by our clock, of what the provider reports by the provider's own
// where it dates its news, else of the receipt unless the news came late.
type Instants struct {
	Requested time.Time  `json:"requested"`
	Assigned  *time.Time `json:"assigned,omitempty"`
	Passed    *time.Time `json:"passed,omitempty"`
	Dialing   *time.Time `json:"dialing,omitempty"`
	Started   *time.Time `json:"started,omitempty"`
	Ringing   *time.Time `json:"ringing,omitempty"`
	Answered  *time.Time `json:"answered,omitempty"`
	Talking   *time.Time `json:"talking,omitempty"`
	Ended     *time.Time `json:"ended,omitempty"`
	WrapUp    *time.Time `json:"wrapUp,omitempty"`
	WrappedUp *time.Time `json:"wrappedUp,omitempty"`
	Closed    time.Time  `json:"closed"`
	// ByProvider names the states whose instants are by the provider's clock.
	ByProvider []Name `json:"byProvider,omitempty"`
}

// Durations are in milliseconds. Each is between two moments of one clock: the
// provider's where it dated both, else ours where neither came late, else null.
type Durations struct {
	Queue *int64 `json:"queue"` // requested to dialing
	Ring  *int64 `json:"ring"`  // ringing to answered; null where the provider reports no ringing
	Talk  *int64 `json:"talk"`  // talking to ended, hold included; null without a conversation
	Hold  *int64 `json:"hold"`  // the customer's time on hold, through consultations; null without any
	Wrap  *int64 `json:"wrap"`  // wrap-up to wrapped up, or to an end that somebody saw
}

// CallFailed is compliance's no.
type CallFailed struct {
	Common
	Decision string   `json:"decision"`
	Reasons  []Reason `json:"reasons"` // in precedence order, the first is primary
	Evidence Evidence `json:"evidence"`
	// NextAllowedAt is when waiting would cure every objection; nil: never.
	NextAllowedAt *time.Time `json:"nextAllowedAt,omitempty"`
	// Retry: preparing was impossible (agent not ready, provider down), the
	// call itself is not blocked.
	Retry bool   `json:"retry,omitempty"`
	Scrub *Scrub `json:"scrub,omitempty"`
	// Touched: the provider may hold a preparation that must be undone.
	Touched bool `json:"touched,omitempty"`
}

// CallPreparing comes before the provider is touched. Its id is random: only
// the process whose append was acknowledged may touch, and not after NotAfter.
type CallPreparing struct {
	Common
	Attempt   string    `json:"attempt"` // random token
	Agent     string    `json:"agent"`
	Fence     uint64    `json:"fence"`
	NotAfter  time.Time `json:"notAfter"`
	StartTime time.Time `json:"startTime"` // sent to the provider, whole seconds
}

// CallPassed is compliance's yes. It counts only for the assigned before it, and
// no number may ring before CallAt or after ValidUntil.
type CallPassed struct {
	Common
	Decision   string    `json:"decision"`
	ValidUntil time.Time `json:"validUntil"`
	// CallAt is the instant at which the provider is to call, and the one that was judged; nil: now.
	CallAt   *time.Time `json:"callAt,omitempty"`
	Evidence Evidence   `json:"evidence"`
	// Numbers are those that may ring, in their order, the request's own first;
	// in passes of former versions it alone, and not listed.
	Numbers []Number `json:"numbers,omitempty"`
	Scrub   *Scrub   `json:"scrub,omitempty"`
	Fence   uint64   `json:"fence"` // of the assignment it was made for
}

// Cleared are the numbers that the pass is over, in their order.
func (p *CallPassed) Cleared() []Number {
	if len(p.Numbers) == 0 {
		return []Number{p.Number}
	}
	return p.Numbers
}

// Clears says whether a number, by its token, is among them.
func (p *CallPassed) Clears(token string) bool {
	return slices.ContainsFunc(p.Cleared(), func(n Number) bool { return n.Token == token })
}

// CallDialing is the intent. Its id is random and a read-back never counts:
// only the process whose append was acknowledged may send.
type CallDialing struct {
	Common
	Attempt  string    `json:"attempt"`  // random token, carried to the provider where it has room
	PassID   string    `json:"passId"`   // CloudEvents id of the pass
	PassHash string    `json:"passHash"` // sha256 of the pass's body
	Agent    string    `json:"agent"`
	Fence    uint64    `json:"fence"`
	NotAfter time.Time `json:"notAfter"`
}

// ProofNoResponders: the broker told the winner of the intent that nobody
// listened where its request went, so no desktop can have got it.
const ProofNoResponders = "no_responders"

// CallWithheld says that nothing was sent.
type CallWithheld struct {
	Common
	Reason string `json:"reason"` // pass_expired, paused, claim_lost, agent_not_ready, connection_down, rate_limited, instant_passed, not_after, nothing_sent
	Detail string `json:"detail,omitempty"`
	// Until is when the provider may be asked again, of rate_limited.
	Until *time.Time `json:"until,omitempty"`
	// Attempt is the intent's; "" where there was none.
	Attempt string `json:"attempt,omitempty"`
	// Proof is how it is known that the intent placed nothing: no_responders,
	// or "" for the sender's own word, after which the call is closed.
	Proof string `json:"proof,omitempty"`
}

// CallStarted says that the provider took the call.
type CallStarted struct {
	Common
	Attempt  string            `json:"attempt"`
	Provider map[string]string `json:"provider,omitempty"` // the provider's ids, verbatim
	Presumed bool              `json:"presumed,omitempty"` // looked up rather than answered
	Over     bool              `json:"over,omitempty"`     // looked up: the provider shows the agent free already
	Evidence string            `json:"evidence,omitempty"`
}

// CallRefused says that the provider declined and nothing was placed.
type CallRefused struct {
	Common
	Attempt string `json:"attempt"`
	Code    string `json:"code"`
	Detail  string `json:"detail,omitempty"`
}

// CallPendingAgent says that the provider waits for the agent, until Until.
type CallPendingAgent struct {
	Common
	Attempt string    `json:"attempt"`
	Until   time.Time `json:"until"`
}

// CallUnknown says that the provider may or may not have placed the call.
type CallUnknown struct {
	Common
	Attempt string `json:"attempt"`
	Code    string `json:"code"`
	Detail  string `json:"detail,omitempty"`
}

// CallNotPlaced says that the provider was asked and did not place the call.
type CallNotPlaced struct {
	Common
	Attempt  string `json:"attempt"`
	Evidence string `json:"evidence"`
}

// CallCancelled says that nothing of the call is left at the provider.
type CallCancelled struct {
	Common
	Evidence string `json:"evidence,omitempty"` // e.g. the provider's status
}

// CancelUnsupported is the reason of a cancel_failed where the provider cannot
// withdraw a call.
const CancelUnsupported = "unsupported"

// CallCancelFailed says that the call could not be withdrawn.
type CallCancelFailed struct {
	Common
	Reason string `json:"reason"` // unsupported, answered, unknown
	Detail string `json:"detail,omitempty"`
}

// CallOrphaned says that a call turned up that had been given up.
type CallOrphaned struct {
	Common
	Evidence string `json:"evidence"`
	Undone   bool   `json:"undone"` // cancelled at the provider
}

// Reasons of an ended call, and who answered one.
const (
	EndCompleted   = "completed"
	EndTransferred = "transferred" // the agent left, the customer's leg is still up
	EndMachine     = "machine"     // of answered, too: a machine did
	EndNoAnswer    = "no_answer"
	EndBusy        = "busy"
	EndRejected    = "rejected"
	EndInvalid     = "invalid_number"
	EndAgentMissed = "agent_missed"
	EndAgentLost   = "agent_lost"
	EndProvider    = "provider_failed"
	EndUnknown     = "unknown"
	ByHuman        = "human" // of answered: a person did
)

// CallProgress is a state of the call as the provider reports it.
type CallProgress struct {
	Common
	Agent    string `json:"agent,omitempty"`
	Reason   string `json:"reason,omitempty"`   // of ended: completed, busy, no_answer …; of answered: machine, human
	Event    string `json:"event"`              // the provider's own name for it, verbatim
	State    string `json:"state,omitempty"`    // the provider's own state, verbatim
	Legs     Legs   `json:"legs"`               // the two legs kept apart
	Late     bool   `json:"late,omitempty"`     // arrived after a later state; moves nothing
	Evidence string `json:"evidence,omitempty"` // poll, desktop, webhook, presumed
	// Provider holds the provider's ids, verbatim (they are opaque text).
	Provider map[string]string `json:"provider,omitempty"`
	// Attributes are the provider's other, non-personal details.
	Attributes map[string]string `json:"attributes,omitempty"`
	OccurredAt *time.Time        `json:"occurredAt,omitempty"` // by the provider's clock
	ReceivedAt *time.Time        `json:"receivedAt,omitempty"` // of the raw message; without one the event's own time counts
	// Inferred: a later message shows that it came to this. When is not known.
	Inferred bool   `json:"inferred,omitempty"`
	RawSeq   uint64 `json:"rawSeq,omitempty"` // in PROVIDER
}

// Legs are the two sides of a call.
type Legs struct {
	Customer string `json:"customer,omitempty"` // none, ringing, up, down
	Agent    string `json:"agent,omitempty"`    // none, offered, up, down
}

// CallResolved is a person's word on an unknown.
type CallResolved struct {
	Common
	Placed bool   `json:"placed"`
	By     string `json:"by"`
	Reason string `json:"reason"`
}
