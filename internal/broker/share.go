package broker

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/pkg/events"
)

// shares are the parts of the store that the streams have, per mille. What is
// left is for what the server itself keeps beside them. REQUESTS are all
// tenants' together.
type shares struct{ requests, calls, agents, provider, facts, control, ops, rejected int64 }

func shared() shares {
	return shares{requests: 100, calls: 350, agents: 100, provider: 150, facts: 150, control: 10, ops: 50, rejected: 40}
}

// What a thing takes in the store, in bytes, measured and rounded up: a call
// with its ten or twelve events, a provider's message, a note.
const (
	callBytes = 16 << 10
	rawBytes  = 4 << 10
	noteBytes = 2 << 10
)

// noteKinds is how many subjects of OPS or REJECTED a tenant has, at most.
const noteKinds = 8

// share gives each stream its part of the store, which the server reserves: a
// stream that is full stops nobody but those who write to it. Inside a stream
// that many write to, each subject has its part: who floods a record loses
// their own oldest. A tenant's requests of the time that CALLS keeps them are
// no more than its part of CALLS holds.
func (l *Layout) share(o Options, tenants int) {
	part, parts := o.Store/1000, shared()
	each := int64(max(tenants, 1))
	for i := range l.Streams {
		c := &l.Streams[i].Config
		switch c.Name {
		case events.StreamCalls:
			c.MaxBytes = part * parts.calls
		case events.StreamAgents:
			c.MaxBytes = part * parts.agents
		case events.StreamProvider:
			c.MaxBytes = part * parts.provider
			c.MaxMsgsPerSubject = atLeastOne(c.MaxBytes / int64(o.Connections) / rawBytes)
		case events.StreamFacts:
			c.MaxBytes = part * parts.facts
		case events.StreamControl:
			c.MaxBytes = part * parts.control
		case events.StreamOps, events.StreamRejected:
			c.MaxBytes = part * parts.ops
			if c.Name == events.StreamRejected {
				c.MaxBytes = part * parts.rejected
			}
			c.MaxMsgsPerSubject = atLeastOne(c.MaxBytes / (each + 1) / noteKinds / noteBytes)
		default: // a tenant's requests
			c.MaxBytes = part * parts.requests / each
			c.MaxMsgs = atLeastOne(part * parts.calls / each / callBytes * asOften(c.MaxAge, o.CallsKeep) / 100)
		}
	}
}

// asOften is how much of its part of CALLS a tenant may fill while REQUESTS keep
// its requests, in percent: all of it where CALLS forgets as soon. Never less
// than a tenth, or a log that is kept for years would take no request at all;
// the alarm of CALLS comes before it is full.
func asOften(requests, calls time.Duration) int64 {
	return max(int64(100*requests.Hours()/max(requests.Hours(), calls.Hours())), 10)
}

func atLeastOne(n int64) int64 { return max(n, 1) }

// Bytes is what the server reserves for the plan, on each replica.
func (l Layout) Bytes() int64 {
	var sum int64
	for _, s := range l.Streams {
		sum += s.Config.MaxBytes
	}
	return sum
}

// kept raises a share for a stream that holds more than it: what is stored is
// never cut. Such a stream goes on with the limit it has, or with a quarter
// more than it holds if it had none, until what it holds has aged away.
func kept(share, has, holds int64) int64 {
	switch {
	case holds <= share:
		return share
	case has >= holds:
		return has
	}
	return holds + holds/4
}

// fit makes a plan for a stream of one for the stream that is there.
func fit(want jetstream.StreamConfig, have *jetstream.StreamInfo) jetstream.StreamConfig {
	is, holds := have.Config, have.State
	want.MaxBytes = kept(want.MaxBytes, is.MaxBytes, clamp(holds.Bytes))
	if want.MaxMsgs > 0 {
		want.MaxMsgs = kept(want.MaxMsgs, is.MaxMsgs, clamp(holds.Msgs))
	}
	if want.Discard == jetstream.DiscardOld {
		// One subject may hold all that there is.
		want.MaxMsgsPerSubject = kept(want.MaxMsgsPerSubject, is.MaxMsgsPerSubject, clamp(holds.Msgs))
	}
	return want
}

func clamp(n uint64) int64 { return int64(min(n, 1<<62)) }
