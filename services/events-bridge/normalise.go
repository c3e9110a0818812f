package bridge

import (
	"context"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
)

// message is one raw message on its way into the logs.
type message struct {
	raw   events.ProviderRaw
	seq   uint64 // in PROVIDER
	id    string
	conn  tenants.Connection
	home  string
	agent string
	// Of a poll: the ends of the logs that its answer was asked after, moved
	// on by what this message itself appends. Somebody else's append makes
	// the answer stale, and the next poll will know better.
	agentSeq, callSeq uint64
	stale             bool
}

func (m *message) polled() bool { return m.raw.Via == viaPoll }

// onRaw understands one stored message and writes what it says into the logs.
func (s *Service) onRaw(ctx context.Context, d worker.Delivery) ([]log.Step, error) {
	raw, e, err := events.DecodeBody[events.ProviderRaw](d.Header, d.Data, events.TypeProviderRaw)
	if err != nil {
		return nil, fault.New(fault.Permanent, "read provider message", "bad_message", err)
	}
	tenant := tenantOf(d.Subject)
	conn, ok := s.Directory.Connection(tenant, raw.Connection)
	if !ok || conn.Provider.Reader == nil {
		return nil, fault.New(fault.Permanent, "read provider message", "unknown_connection", nil)
	}
	t, _ := s.Directory.Tenant(tenant)
	m := &message{raw: raw, seq: d.Seq, id: e.ID(), conn: conn, home: t.HomeRegion(), agent: raw.Agent,
		agentSeq: raw.AgentSeq, callSeq: raw.CallSeq}
	if m.agent == "" {
		if m.agent = s.agentNamed(conn, raw); m.agent == "" {
			return nil, fault.New(fault.Permanent, "read provider message", "no_agent", nil)
		}
	}
	return s.understand(ctx, m)
}

// understand reads a message against the record and lists the appends.
func (s *Service) understand(ctx context.Context, m *message) ([]log.Step, error) {
	a, calls, err := s.known(ctx, m.conn.Tenant, m.agent)
	if err != nil {
		return nil, err
	}
	if !a.Enrolled() {
		return nil, fault.New(fault.Permanent, "read provider message", "unknown_agent", nil)
	}
	if m.polled() && !m.fresh(a, calls) {
		return nil, nil
	}
	seen, err := s.read(m, a, calls)
	if err != nil {
		return nil, err
	}
	var steps []log.Step
	for _, o := range seen {
		c := Match(o, calls)
		if o.Call != "" && o.Manual && c != nil {
			steps = append(steps, s.progress(m, o, c))
		}
		if p := presenceFrom(o, c); p.Presence != "" {
			steps = append(steps, s.presence(m, p, c))
		}
	}
	return steps, nil
}

// read asks the Reader about a message, with the history of the call that the
// message is about.
func (s *Service) read(m *message, a *lifecycle.Agent, calls []*lifecycle.Call) ([]providers.Observation, error) {
	view := s.view(a, first(calls), m.home)
	seen, err := m.conn.Provider.Reader.Read(m.raw, view)
	if err != nil || len(seen) == 0 {
		return nil, err
	}
	if c := Match(seen[0], calls); c != nil && c != first(calls) {
		return m.conn.Provider.Reader.Read(m.raw, s.view(a, c, m.home))
	}
	return seen, nil
}

func (s *Service) view(a *lifecycle.Agent, c *lifecycle.Call, home string) providers.View {
	v := ViewOf(a, c, home)
	v.Now = s.Now()
	if Ask(a, c) {
		v.Presence = "" // on record, but proves nothing
	}
	return v
}

// presenceFrom is what an observation says of the agent: a call that is not
// ours is a foreign one.
func presenceFrom(o providers.Observation, c *lifecycle.Call) providers.Observation {
	switch {
	case c == nil && Foreign(o):
		o.Presence, o.Reason = events.ForeignCall, ""
	case c != nil && o.Presence == events.ForeignCall:
		o.Presence = events.OnCall
	case c != nil && !c.Open() && o.Presence == events.OnCall:
		o.Presence = events.ForeignCall // a call we gave up: not to be dialed meanwhile
	}
	return o
}

// known is the agent with the calls it has or had last: the claiming one first.
func (s *Service) known(ctx context.Context, tenant, agent string) (*lifecycle.Agent, []*lifecycle.Call, error) {
	a, err := log.Agent(ctx, s.Log, tenant, agent)
	if err != nil {
		return nil, nil, err
	}
	var calls []*lifecycle.Call
	for _, id := range callIDs(a) {
		c, err := log.Call(ctx, s.Log, tenant, id, 0)
		if err != nil && fault.Of(err) == fault.Permanent {
			continue // a call that nobody can read must not blind us to its agent
		}
		if err != nil {
			return nil, nil, err
		}
		if c.Request != nil {
			calls = append(calls, c)
		}
	}
	return a, calls, nil
}

func callIDs(a *lifecycle.Agent) []string {
	var ids []string
	add := func(id string) {
		for _, have := range ids {
			if have == id {
				return
			}
		}
		if id != "" {
			ids = append(ids, id)
		}
	}
	if a.State.Claim != nil {
		add(a.State.Claim.Call)
	}
	if a.State.Quarantine != nil {
		add(a.State.Quarantine.Call)
	}
	add(a.State.LastCall)
	return ids
}

func first(calls []*lifecycle.Call) *lifecycle.Call {
	if len(calls) == 0 || !calls[0].Open() {
		return nil
	}
	return calls[0]
}

// fresh reports whether the logs still end where the poll was asked, or where
// this message itself has brought them.
func (m *message) fresh(a *lifecycle.Agent, calls []*lifecycle.Call) bool {
	if a.Last.Seq != m.agentSeq && a.Last.Cause != m.id {
		return false
	}
	m.agentSeq = a.Last.Seq
	if c := first(calls); c != nil {
		if c.ID != m.raw.Call || (c.Seq() != m.callSeq && c.Last().Cause != m.id) {
			return false
		}
		m.callSeq = c.Seq()
	}
	return true
}

// progress appends what a message says of a call.
func (s *Service) progress(m *message, o providers.Observation, c *lifecycle.Call) log.Step {
	return log.Step{
		Make: func(ctx context.Context) (*log.Draft, error) {
			c, err := log.Call(ctx, s.Log, c.Tenant, c.ID, c.Refs.Requested)
			if err != nil || m.stale {
				return nil, err
			}
			if m.polled() && c.Seq() != m.callSeq {
				m.stale = true
				return nil, nil
			}
			_, v := lifecycle.Calls().Next(c.State, o.Call)
			if v == lifecycle.Illegal || Repeat(c, o, m.seq) || (v == lifecycle.Known && m.polled()) {
				return nil, nil
			}
			body := m.body(o, c)
			body.Late = v == lifecycle.Known && lifecycle.Rank(lifecycle.State(o.Call)) > 0
			d, err := log.NextOfCall(c, events.Bridge, o.Call, s.Now(), body)
			if d != nil {
				// The call's own trace goes on: a poll is nobody's request.
				d.Cause, d.TraceParent = m.id, c.Log[0].TraceParent
			}
			return d, err
		},
		Then: func(_ context.Context, done log.Appended) ([]log.Step, error) {
			m.callSeq = done.Record.Seq
			return nil, nil
		},
	}
}

func (m *message) body(o providers.Observation, c *lifecycle.Call) *events.CallProgress {
	b := &events.CallProgress{
		Agent: m.agent, Reason: o.Reason, Event: o.Event, State: o.State, Legs: o.Legs,
		Evidence: m.raw.Via, Provider: map[string]string{}, Attributes: o.Attrs, RawSeq: m.seq, Inferred: o.Inferred,
	}
	for k, v := range o.IDs {
		b.Provider[k] = v
	}
	if o.CallKey != "" {
		b.Provider[callKey] = o.CallKey
	}
	if len(b.Provider) == 0 {
		b.Provider = nil
	}
	if !o.At.IsZero() {
		at := o.At
		b.OccurredAt = &at
	}
	if at := m.raw.ReceivedAt; !at.IsZero() {
		b.ReceivedAt = &at
	}
	return b
}

// presence appends what a message says of the agent.
func (s *Service) presence(m *message, o providers.Observation, c *lifecycle.Call) log.Step {
	return log.Step{
		Make: func(ctx context.Context) (*log.Draft, error) {
			a, err := log.Agent(ctx, s.Log, m.conn.Tenant, m.agent)
			if err != nil || m.stale {
				return nil, err
			}
			if m.polled() && a.Last.Seq != m.agentSeq {
				m.stale = true
				return nil, nil
			}
			if m.raw.Session != "" && a.State.Session != m.raw.Session {
				return nil, nil // of a session that is over
			}
			if m.seq < a.State.RawSeq {
				return nil, nil // retried, and overtaken by a later word of the same session
			}
			now := s.Now()
			after, v := a.After(o.Presence, "", o.Reason, now)
			if v == lifecycle.Illegal || (v == lifecycle.Known && !Ask(a, c)) {
				return nil, nil
			}
			if m.raw.Via == viaDesktop {
				after.Provider = merged(after.Provider, o.IDs) // e.g. the Workspace's version
			}
			after.RawSeq = m.seq
			body := &events.AgentPresence{Reason: o.Reason, Event: o.Event, Evidence: m.raw.Via, RawSeq: m.seq,
				Call: m.raw.Call, CallSeq: max(m.callSeq, m.raw.CallSeq), State: after}
			if c != nil && !m.polled() {
				body.Call, body.CallSeq = c.ID, c.Seq()
			}
			d := log.NextOfAgent(a, events.Bridge, o.Presence, now, body)
			d.Cause = m.id
			if c != nil {
				d.TraceParent = c.Log[0].TraceParent
			}
			return d, nil
		},
		Then: func(_ context.Context, done log.Appended) ([]log.Step, error) {
			m.agentSeq = done.Record.Seq
			return nil, nil
		},
	}
}

func merged(a, b map[string]string) map[string]string {
	if len(b) == 0 {
		return a
	}
	out := map[string]string{}
	for _, m := range []map[string]string{a, b} {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}
