package bridge

import (
	"context"
	"errors"
	"slices"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
)

// HearAfter says that Hear is going to bring everything of PROVIDER after a
// sequence. Until then a delivery waits for nothing and is carried out alone.
func (s *Service) HearAfter(seq uint64) { s.lanes.Begin(seq) }

// Hear takes the next message of PROVIDER, in the stream's order, into the lane
// of the agent it is about. What cannot be read is nobody's: whoever is
// delivered it says so.
func (s *Service) Hear(d worker.Delivery) {
	key := ""
	m, err := s.message(d)
	if err == nil {
		key = s.laneOf(m)
	}
	s.lanes.Hear(d.Seq, key, m)
}

// laneOf is under which name a message is heard: its agent's, or that of whom
// the provider names, where no agent's socket or session brought it.
func (s *Service) laneOf(m *message) string {
	if m.agent != "" {
		return m.conn.Tenant + "/" + m.agent
	}
	seen, err := understand(m.conn.Provider.Reader, m.raw, providers.View{Now: m.at})
	if err != nil || len(seen) == 0 {
		return ""
	}
	if seen[0].Agent == "" || m.conn.Provider.Can.Presence.Unsaid() { // an agent it names is one of the call's names
		return s.callLane(m, seen)
	}
	return providerKey(m.conn.Tenant, m.conn.Name, seen[0].Agent)
}

// understand asks a provider's reader. One that panics over a message has not read it:
// whoever is delivered that message parks it, and nobody else is harmed.
func understand(r providers.Reader, raw events.ProviderRaw, v providers.View) (seen []providers.Observation, err error) {
	defer func() {
		if recover() != nil { // its value may hold anything and is let go
			err = fault.New(fault.Permanent, "read provider message", "panic", nil)
		}
	}()
	return r.Read(raw, v)
}

// An opening is the reader of one message, which it takes apart once.
type opening struct {
	providers.Opener
	read func(providers.View) ([]providers.Observation, error)
}

func openOnce(r providers.Reader) providers.Reader {
	if o, ok := r.(providers.Opener); ok {
		return &opening{Opener: o}
	}
	return r
}

// Read implements providers.Reader.
func (o *opening) Read(raw events.ProviderRaw, v providers.View) ([]providers.Observation, error) {
	if o.read == nil {
		read, err := o.Open(raw)
		if err != nil {
			return nil, err
		}
		o.read = read
	}
	return o.read(v)
}

// message reads what a delivery holds. Its errors are Permanent.
func (s *Service) message(d worker.Delivery) (*message, error) {
	const op = "read provider message"
	raw, id, err := events.DecodeBody[events.ProviderRaw](d.Header, d.Data, events.TypeProviderRaw)
	if err != nil {
		return nil, fault.New(fault.Permanent, op, "bad_message", err)
	}
	tenant := tenantOf(d.Subject)
	conn, ok := s.Directory.Connection(tenant, raw.Connection)
	if !ok || conn.Provider.Reader == nil {
		return nil, fault.New(fault.Permanent, op, "unknown_connection", nil)
	}
	t, _ := s.Directory.Tenant(tenant)
	m := &message{raw: raw, seq: d.Seq, id: id, at: raw.ReceivedAt, conn: conn, home: t.HomeRegion(), agent: raw.Agent}
	if m.at.IsZero() {
		m.at = d.Stored
	}
	switch raw.Via {
	case viaPoll, viaDesktop, viaWebhook, viaFeed: // of a bridge, which has our clock
	default:
		m.at = m.at.Add(s.Offset)
	}
	return m, nil
}

// onRaw carries out one stored message: the delivery wakes, and everything of
// the same agent up to it is carried out in the stream's order.
func (s *Service) onRaw(ctx context.Context, d worker.Delivery) error {
	if err := s.lanes.Reach(ctx, d.Seq); err != nil {
		return fault.New(fault.Transient, "follow PROVIDER", log.CodeUnavailable, err)
	}
	name, m, ok := s.lanes.At(d.Seq)
	if !ok { // carried out already, as far as this process knows, or nobody's
		var err error
		if m, err = s.message(d); err != nil {
			return err
		}
		name = s.laneOf(m)
	}
	agent := m.agent
	if agent == "" {
		agent = s.agents.named(name)
	}
	if agent == "" && m.conn.Provider.Can.Progress.OfCalls() {
		return s.onCallNews(ctx, d, m)
	}
	if agent == "" {
		return fault.New(fault.Permanent, "read provider message", "no_agent", nil)
	}
	names := s.agents.names(log.Ref{Tenant: m.conn.Tenant, ID: agent})
	leave, err := s.Turn(ctx, names[0])
	if err != nil {
		return err
	}
	defer leave()
	return s.lanes.Through(d.Seq, m, func(_ uint64, m *message, earlier bool) error {
		own := *m // several may carry it out, each with thoughts of its own
		own.agent, own.thoughts = agent, thoughts{}
		if earlier {
			return before(func() error { return s.catchUp(ctx, &own) })
		}
		return s.apply(ctx, &own)
	}, names...)
}

// catchUp carries out a message on the way to a later one, unless another bridge
// is known to have done so. Its own delivery does not rely on that.
func (s *Service) catchUp(ctx context.Context, m *message) error {
	k, err := s.known(ctx, log.Ref{Tenant: m.conn.Tenant, ID: m.agent}, false)
	if err == nil && m.reached(k) > m.seq {
		return nil
	}
	return s.apply(ctx, m)
}

// errMoved says that the agent's calls are not those that a message was read
// against.
var errMoved = errors.New("the agent's calls have changed")

// apply writes into the logs what a message says and they do not hold. It is
// judged by what this process has heard, and anew by the leader's word when the
// logs have gone on or a poll trails them, or when by that nothing was to be said: what lags may hide
// the very call that the message is about. Doing it again does no harm.
func (s *Service) apply(ctx context.Context, m *message) error {
	ref := log.Ref{Tenant: m.conn.Tenant, ID: m.agent}
	latest := false
	for try := 0; ; try++ {
		k, err := s.known(ctx, ref, latest)
		if err != nil {
			return err
		}
		elsewhere := m.raw.Session != "" && m.raw.Session != k.agent.State.Session // over, or not heard of yet
		if !latest && (!k.agent.Enrolled() || elsewhere || m.unmatched(k) || m.standing(k) == trailing) {
			latest = true
			continue
		}
		if !k.agent.Enrolled() {
			return fault.New(fault.Permanent, "read provider message", "unknown_agent", nil)
		}
		said, err := s.say(ctx, m, k)
		switch {
		case errors.Is(err, errMoved) && try < maxMoves:
			latest = true
			continue
		case errors.Is(err, errMoved):
			return fault.New(fault.Transient, "carry out a message", log.CodeConflict, err)
		case err != nil || said || latest || !m.owed(k):
			return err
		}
		latest = true
	}
}

const (
	maxMoves = 8  // how often a message is judged anew
	maxSaid  = 16 // events that one message can say of one call
)

// say appends what a message owes the agent and the calls, each event judged by
// the log as it is when it is appended. What keeps others away from the agent
// comes first, for what is said of a call may let her go, and everybody hears
// the one before the other. That she is ready comes last: it ends what is open.
func (s *Service) say(ctx context.Context, m *message, k record) (said bool, err error) {
	all, err := m.read(k)
	if err != nil {
		return false, err
	}
	ahead, err := s.sayOfAgent(ctx, m, &k, slices.ContainsFunc(all, ofCall))
	if err != nil {
		return false, err
	}
	said, err = s.sayOfCalls(ctx, m, &k, all)
	if said = said || ahead; err != nil {
		return said, err
	}
	if ahead {
		return said, nil
	}
	last, err := s.sayOfAgent(ctx, m, &k, false)
	return said || last, err
}

// sayOfAgent appends what a message owes the agent; ahead of what it says of a
// call all but that she is ready.
func (s *Service) sayOfAgent(ctx context.Context, m *message, k *record, ahead bool) (said bool, err error) {
	calls := callIDs(k.agent)
	done, err := s.Log.UpdateAgent(ctx, log.Ref{Tenant: k.agent.Tenant, ID: k.agent.ID}, func(a *lifecycle.Agent) (*log.Draft, error) {
		if !slices.Equal(calls, callIDs(a)) && !m.polled() {
			return nil, errMoved
		}
		k.agent = a
		return m.presence(*k, ahead, s.Now())
	})
	if said = done.Record.Seq > 0; said {
		k.agent = lifecycle.FoldAgent(done.Record.Tenant, done.Record.Key, done.Record)
	}
	return said, err
}

// known is what is on record of an agent, by what this process has heard or by
// the leader's word. A last call that is known to be closed is not read again,
// unless the leader is asked: only late news is about it.
func (s *Service) known(ctx context.Context, ref log.Ref, latest bool) (record, error) {
	agent, call := s.Log.Agent, s.Log.Call
	if latest {
		agent, call = s.Log.LatestAgent, s.Log.LatestCall
	}
	a, err := agent(ctx, ref)
	if err != nil {
		return record{}, err
	}
	k := record{agent: a}
	for _, id := range callIDs(a) {
		if c := s.agents.isOver(ref, id); c != nil && !latest {
			k.calls = append(k.calls, c)
			continue
		}
		c, err := call(ctx, log.Ref{Tenant: ref.Tenant, ID: id})
		if err != nil && fault.Of(err) == fault.Permanent {
			continue // a call that nobody can read must not blind us to its agent
		}
		if err != nil {
			return record{}, err
		}
		if id == a.State.LastCall && c.State == lifecycle.Closed {
			s.agents.closed(ref, c)
		}
		if c.Request != nil && !others(c, ref.ID) {
			k.calls = append(k.calls, c)
		}
	}
	return k, nil
}
