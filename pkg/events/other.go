package events

import "time"

// A Fault is one thing wrong with an input, and where.
type Fault struct {
	Pointer string `json:"pointer"` // RFC 6901; "" is the whole; "/ce-id" an attribute
	Code    string `json:"code"`    // stable
	Message string `json:"message"` // never echoes the input's value
}

// Rejected says that an input was refused or a message parked. It never holds
// the payload, only a keyed digest of it.
type Rejected struct {
	Stage      string    `json:"stage"` // request, compliance, dialer, bridge …
	Tenant     string    `json:"tenant"`
	Stream     string    `json:"stream,omitempty"`
	Sequence   uint64    `json:"sequence,omitempty"`
	Digest     string    `json:"digest,omitempty"`
	Faults     []Fault   `json:"faults"`
	Source     string    `json:"requestSource,omitempty"`
	ID         string    `json:"requestId,omitempty"`
	Call       string    `json:"call,omitempty"`
	Connection string    `json:"connection,omitempty"` // whose provider's message it was
	Deliveries uint64    `json:"deliveries,omitempty"`
	At         time.Time `json:"at"`
}

// What a bridge says of a connection in OPS: of an agent that it asks for, or
// without one of the connection's feed.
const (
	OpsConnectionDown = "connection_down"
	OpsConnectionUp   = "connection_up"
)

// What a service says of its machine's clock: it is too far from the server's, and
// it is not any more.
const (
	OpsClockApart  = "clock_apart"
	OpsClockAgrees = "clock_agrees"
)

// Ops is an entry of OPS: an alarm, a connection's ups and downs, or a command
// with who and why.
type Ops struct {
	Event   string            `json:"event"` // command, alarm, connection_up, connection_down …
	Service string            `json:"service"`
	Tenant  string            `json:"tenant"`
	What    string            `json:"what"`
	By      string            `json:"by,omitempty"`
	Reason  string            `json:"reason,omitempty"`
	Call    string            `json:"call,omitempty"`
	Agent   string            `json:"agent,omitempty"`
	Details map[string]string `json:"details,omitempty"` // never personal
	At      time.Time         `json:"at"`
}

// Fact is what the company knows about a number, e.g. that it must not be
// called (kind dnc). The number is only in the subject, as a token.
type Fact struct {
	Kind      string     `json:"kind"`
	Listed    bool       `json:"listed"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
	Origin    string     `json:"origin,omitempty"` // company, consumer
	By        string     `json:"by,omitempty"`
	Reason    string     `json:"reason,omitempty"`
	Masked    string     `json:"masked,omitempty"`
	At        time.Time  `json:"at"`
}

// Control is an entry of CONTROL, e.g. the clock offset of a rehearsal.
type Control struct {
	Name     string `json:"name"`
	OffsetMS int64  `json:"offsetMs,omitempty"` // clock: milliseconds added to real time
	Paused   bool   `json:"paused,omitempty"`
	// Cursor, on control.<tenant>.feed.<connection>: how far the provider's feed
	// was read, in its own word.
	Cursor string `json:"cursor,omitempty"`
	// Check, on control.<tenant>.key.check: a keyed digest by which the tenant's
	// key is recognised.
	Check string `json:"check,omitempty"`
	// Regression, on control._.store.regression: the store went back in time.
	Regression *Regression `json:"regression,omitempty"`
	// Acceptance, on control._.store.accepted: somebody accepted it as it is.
	Acceptance *Acceptance `json:"acceptance,omitempty"`
	By         string      `json:"by,omitempty"`
	Reason     string      `json:"reason,omitempty"`
	At         time.Time   `json:"at"`
}

// Regression says that the store went back in time: what was known of a stream
// is not in it any more. Until somebody accepts the store nothing is dialed.
type Regression struct {
	ID      string    `json:"id"`
	Epoch   uint64    `json:"epoch"` // of the acceptance that ends it
	Stream  string    `json:"stream"`
	What    string    `json:"what"` // in words, with sequences, never personal
	Service string    `json:"service"`
	SeenAt  time.Time `json:"seenAt"`
}

// Acceptance says that somebody accepted a store which had gone back, as it
// was. Only operators may write it.
type Acceptance struct {
	Regression string    `json:"regression"` // by its id
	Epoch      uint64    `json:"epoch"`      // counts the acceptances, from 1
	AcceptedAt time.Time `json:"acceptedAt"`
	// Through is the last sequence of each stream then: calls and requests up
	// to there are closed and never dialed.
	Through map[string]uint64 `json:"through"`
	// Lost is the time of which this store and those accepted before it have no
	// record, oldest first.
	Lost []LostPast `json:"lost,omitempty"`
}

// A LostPast is a time by the server's clock: from the last event of CALLS that
// is left until it was found that what came after it is gone.
type LostPast struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
}

// ProviderRaw is a provider's message as it came, before it is understood.
type ProviderRaw struct {
	Connection string `json:"connection"`
	Via        string `json:"via"`             // poll, desktop, webhook, feed, gateway
	Agent      string `json:"agent,omitempty"` // the agent whose session or socket it came by
	Session    string `json:"session,omitempty"`
	// AgentSeq, Call and CallSeq are what was on record before the provider
	// was asked; an answer older than the record proves nothing.
	AgentSeq   uint64    `json:"agentSeq,omitempty"`
	Call       string    `json:"call,omitempty"`
	CallSeq    uint64    `json:"callSeq,omitempty"`
	ReceivedAt time.Time `json:"receivedAt"`
	Status     int       `json:"status,omitempty"` // HTTP status of a poll's answer
	Body       []byte    `json:"body"`             // base64
}
