// Package broker makes the streams and consumers that outdial runs on, and
// says where a server differs from them. Workers only bind to what is there:
// making streams is an operator's act, with an operator's permissions.
//
// The plan is one table; `outdial provision` applies it, docs print it, and
// `outdial doctor` compares it.
package broker

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
)

// Names of the durable consumers, one per service.
const (
	Orchestrator = "orchestrator"
	Compliance   = "compliance"
	Dialer       = "dialer"
	Projector    = "projector"
	Bridge       = "bridge"
)

const (
	day = 24 * time.Hour
	// perSubject bounds the events of one kind on one call or agent.
	perSubject = 64
	// logMsgSize is the data's limit and room for the headers, in bytes.
	logMsgSize = log.MaxBody + 16<<10
)

// Options tune a plan. The zero value is for a single node.
type Options struct {
	Replicas  int           // 1 (default) or 3
	CallsKeep time.Duration // how long CALLS keeps a message; default 3 days
	// Store is what all streams together may hold, in bytes a replica; default
	// 1 GiB. Each stream has a share that the others cannot take.
	Store       int64
	Connections int // how many share PROVIDER; default 1
}

func (o Options) withDefaults() Options {
	if o.Replicas == 0 {
		o.Replicas = 1
	}
	if o.CallsKeep == 0 {
		o.CallsKeep = 3 * day
	}
	o.Store, o.Connections = cmp.Or(o.Store, 1<<30), max(o.Connections, 1)
	return o
}

// A Stream is one stream of the plan.
type Stream struct {
	Config jetstream.StreamConfig
}

// A Consumer is one durable consumer of the plan.
type Consumer struct {
	Stream string
	Config jetstream.ConsumerConfig
}

// A Layout is everything the server must have.
type Layout struct {
	Streams   []Stream
	Consumers []Consumer
}

// Plan lists the streams and consumers for these tenants. It refuses tenants
// that are not a token and replica counts that make no sense.
func Plan(tenants []string, o Options) (Layout, error) {
	o = o.withDefaults()
	if o.Replicas != 1 && o.Replicas != 3 {
		return Layout{}, fmt.Errorf("replicas is %d, must be 1 or 3", o.Replicas)
	}
	if o.CallsKeep < 2*day {
		return Layout{}, fmt.Errorf("CALLS keeps %s, must be at least 48h: open calls and identities live there", o.CallsKeep)
	}
	var l Layout
	for _, t := range tenants {
		if !events.IsToken(t) || t == events.AnyTenant {
			return Layout{}, fmt.Errorf("tenant %q is not a token of [A-Za-z0-9_-]{1,64}, or reserved", t)
		}
		l.add(requests(t), durable(Orchestrator, "accepts or rejects requests"))
	}
	l.add(calls(o.CallsKeep),
		durable(Orchestrator, "what may ask for the next thing to be done about a call", orchestratorHears()...),
		durable(Compliance, "what may have to be decided or prepared", complianceHears()...),
		durable(Dialer, "what may have to be dialed, undone or looked up", dialerHears()...))
	l.add(agents(),
		durable(Orchestrator, "whom a waiting call may have, and whose call is over", agentsHeard()...),
		durable(Projector, "keeps the sessions in Redis"))
	l.add(side(events.StreamProvider, "provider.*.*", 7*day, "every provider message as it came"),
		durable(Bridge, "normalizes the messages of gateways"))
	l.add(facts())
	l.add(control())
	l.add(side(events.StreamOps, "ops.*.*", 90*day, "alarms, connections up and down, commands"))
	l.add(side(events.StreamRejected, "rejected.*.*", 30*day, "what was refused or parked, never the payload"))
	for i := range l.Streams {
		l.Streams[i].Config.Replicas = o.Replicas
	}
	l.share(o, len(tenants))
	return l, nil
}

func (l *Layout) add(s Stream, cs ...Consumer) {
	l.Streams = append(l.Streams, s)
	for _, c := range cs {
		c.Stream = s.Config.Name
		l.Consumers = append(l.Consumers, c)
	}
}

// What a service's durable delivers is what its handler acts on and nothing
// else: the rest it knows from following the log. A test holds the two together.

func heard(f events.Family, r events.Role, names ...events.Name) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = events.LogSubject(f, "*", "*", r, n)
	}
	return out
}

func orchestratorHears() []string {
	return slices.Concat(
		heard(events.CallFamily, events.Orchestrator, events.Requested, events.Waiting, events.CancelRequested, events.Closed),
		heard(events.CallFamily, events.Compliance, events.Failed),
		heard(events.CallFamily, events.Dialer, events.Withheld, events.Started, events.Refused, events.NotPlaced,
			events.Cancelled, events.Orphaned),
		heard(events.CallFamily, events.Bridge, events.Ended, events.WrapUp, events.WrappedUp),
		heard(events.CallFamily, events.Operator, events.Resolved))
}

func agentsHeard() []string {
	return slices.Concat(
		heard(events.AgentFamily, events.Bridge, events.Ready, events.NotReady),
		heard(events.AgentFamily, events.Orchestrator, events.Released, events.Enrolled))
}

func complianceHears() []string {
	return heard(events.CallFamily, events.Orchestrator, events.Requested, events.Assigned)
}

func dialerHears() []string {
	return slices.Concat(
		heard(events.CallFamily, events.Orchestrator, events.CancelRequested, events.Closed),
		heard(events.CallFamily, events.Compliance, events.Passed, events.Failed),
		heard(events.CallFamily, events.Dialer, events.Unknown, events.Withheld, events.Refused, events.NotPlaced),
		heard(events.CallFamily, events.Bridge, events.Offered, events.Ringing, events.Answered, events.Talking, events.Held))
}

// base is what every stream shares: on file, limits, and none of the header
// features by which a publisher could delete, delay or expire
// somebody else's messages.
func base(name, subject, says string) Stream {
	return Stream{Config: jetstream.StreamConfig{
		Name: name, Description: says, Subjects: []string{subject},
		Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew,
		MaxConsumers: -1, MaxMsgs: -1, MaxBytes: -1, MaxMsgsPerSubject: -1, MaxMsgSize: -1,
		Duplicates: 2 * time.Minute, Replicas: 1,
	}}
}

func requests(tenant string) Stream {
	s := base(events.RequestStream(tenant), events.RequestSubject(tenant), "dial requests of "+tenant)
	s.Config.MaxAge = 3 * day
	s.Config.DenyDelete, s.Config.DenyPurge = true, true
	return s
}

// logOf is a stream of logs: written under append., stored without it, and
// republished once stored, so that a plain subscriber never sees an append
// that lost its race.
func logOf(name, family, says string) Stream {
	s := base(name, events.AppendPrefix+family+".*.*.*.*", says)
	s.Config.SubjectTransform = &jetstream.SubjectTransformConfig{
		Source:      events.AppendPrefix + family + ".*.*.*.*",
		Destination: family + ".{{wildcard(1)}}.{{wildcard(2)}}.{{wildcard(3)}}.{{wildcard(4)}}",
	}
	s.Config.RePublish = &jetstream.RePublish{Source: family + ".>", Destination: family + ".>"}
	s.Config.MaxMsgsPerSubject = perSubject
	s.Config.MaxMsgSize = logMsgSize
	s.Config.AllowAtomicPublish = true
	s.Config.DenyDelete, s.Config.DenyPurge = true, true
	return s
}

func calls(keep time.Duration) Stream {
	s := logOf(events.StreamCalls, "calls", "the log of every call")
	s.Config.MaxAge = keep
	s.Config.DiscardNewPerSubject = true
	return s
}

func agents() Stream {
	// For ever, but the last of each kind only: the old ones make room.
	return logOf(events.StreamAgents, "agents", "the log of every agent, the last 64 of each kind")
}

// side is a stream of records: what happened, and not what is decided by. When
// it is full it forgets its oldest; refusing the newest would stop whoever has
// to write it, and so let one who floods stop all.
func side(name, subject string, keep time.Duration, says string) Stream {
	s := base(name, subject, says)
	s.Config.MaxAge = keep
	s.Config.Discard = jetstream.DiscardOld
	return s
}

func facts() Stream {
	s := base(events.StreamFacts, "facts.*.*.*", "do-not-call entries and other facts about numbers")
	s.Config.MaxMsgSize = logMsgSize
	s.Config.DenyDelete, s.Config.DenyPurge = true, true
	return s
}

func control() Stream {
	s := base(events.StreamControl, "control.*.*.*", "pauses and the clock offset, the last per subject")
	s.Config.MaxMsgsPerSubject = 1
	s.Config.MaxMsgSize = logMsgSize
	return s
}

// durable is a pull consumer. Deliveries never end: the worker quarantines, so
// that nothing disappears from sight. There is no BackOff, because it would
// replace AckWait and not apply to naks.
func durable(name, says string, filters ...string) Consumer {
	return Consumer{Config: jetstream.ConsumerConfig{
		Name: name, Durable: name, Description: says, FilterSubjects: filters,
		DeliverPolicy: jetstream.DeliverAllPolicy, AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: 5 * time.Second, MaxDeliver: -1, MaxAckPending: 20000, MaxWaiting: 512,
		ReplayPolicy: jetstream.ReplayInstantPolicy,
	}}
}
