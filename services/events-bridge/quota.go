package bridge

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/pace"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
)

// Quotas say how much one connection or agent may bring in. Zero is the
// default of the configuration.
type Quotas struct {
	RawPerSecond    int // messages of one connection
	SessionsPerHour int // beginnings of one agent's sessions
	ReadyPerHour    int // how often one agent becomes ready
}

// quotas keep connections and agents to their share, so that a page that
// floods or a session that flaps delays nobody else and fills nobody's store.
type quotas struct {
	raws, sessions, readies *pace.Keyed

	mu     sync.Mutex
	asking map[string]bool // agents whose page is asked when it is their time again
}

func newQuotas(q Quotas) *quotas {
	return &quotas{
		raws:     pace.PerSecond(cmp.Or(q.RawPerSecond, 200)),
		sessions: pace.PerHour(cmp.Or(q.SessionsPerHour, 120)),
		readies:  pace.PerHour(cmp.Or(q.ReadyPerHour, 300)),
		asking:   map[string]bool{},
	}
}

// weightOf counts a long message as several.
func weightOf(body []byte) int { return 1 + len(body)/(4<<10) }

// rawFits takes a message's part of its connection's quota if it is there.
func (s *Service) rawFits(ctx context.Context, tenant, connection string, body []byte) bool {
	key := tenant + "." + connection
	if s.quotas.raws.Allow(key, weightOf(body)) {
		return true
	}
	s.tellExcess(ctx, s.quotas.raws, key, tenant, "", connection, "too many messages of a connection")
	return false
}

// awaitRaw waits for a message's part of its connection's quota: who sent it
// waits as well, and nothing is lost.
func (s *Service) awaitRaw(ctx context.Context, tenant, connection string, body []byte) error {
	if s.rawFits(ctx, tenant, connection, body) {
		return nil
	}
	if err := s.quotas.raws.Wait(ctx, tenant+"."+connection, weightOf(body)); err != nil {
		return fault.New(fault.Transient, "store raw message", "quota", err)
	}
	return nil
}

// mayOpen says whether an agent may begin a session now.
func (s *Service) mayOpen(ctx context.Context, tenant, connection, agent string) bool {
	key := tenant + "." + agent
	if s.quotas.sessions.Allow(key, 1) {
		return true
	}
	s.tellExcess(ctx, s.quotas.sessions, key, tenant, agent, connection, "an agent's sessions begin and end too often")
	return false
}

// mayOpenSoon is mayOpen for a session that its provider has to grant first:
// what fails there costs nothing, or an outage would use up what an agent has.
func (s *Service) mayOpenSoon(ctx context.Context, tenant, connection, agent string) bool {
	return s.quotas.sessions.After(tenant+"."+agent) == 0 || s.mayOpen(ctx, tenant, connection, agent)
}

// opened counts a session that was granted.
func (s *Service) opened(tenant, agent string) { s.quotas.sessions.Allow(tenant+"."+agent, 1) }

// mayBeReady says whether an agent may become ready now. One who goes to and
// fro too often stays what they are: that is safe, and nothing that makes an
// agent less than ready is ever held up.
func (s *Service) mayBeReady(ctx context.Context, tenant, connection, agent string) bool {
	if s.readyFits(tenant, agent) {
		return true
	}
	s.tellExcess(ctx, s.quotas.readies, tenant+"."+agent, tenant, agent, connection, "an agent becomes ready too often")
	return false
}

// readyFits is mayBeReady that tells nobody. Said again, it changes nothing.
func (s *Service) readyFits(tenant, agent string) bool {
	a := s.agents.get(log.Ref{Tenant: tenant, ID: agent})
	return a != nil && a.State.Presence == events.Ready || s.quotas.readies.After(tenant+"."+agent) == 0
}

// becameReady counts that an agent did, whichever bridge said so.
func (s *Service) becameReady(r events.Record) {
	if r.Name == events.Name(events.Ready) {
		s.quotas.readies.Allow(r.Tenant+"."+r.Key, 1)
	}
}

// saysReady says whether observations make an agent ready and say nothing of a
// call: what is news of a call is always kept.
func saysReady(seen []providers.Observation) bool {
	ready := false
	for _, o := range seen {
		if o.Call != "" {
			return false
		}
		ready = ready || o.Presence == events.Ready
	}
	return ready
}

// askLater has an agent's page asked once more whether the agent is ready, when
// that counts again; once, however often the page says so before.
func (s *Service) askLater(tenant, agent string, ask func()) {
	key := tenant + "." + agent
	s.quotas.mu.Lock()
	defer s.quotas.mu.Unlock()
	if s.quotas.asking[key] {
		return
	}
	s.quotas.asking[key] = true
	s.After(s.quotas.readies.After(key)+time.Second, func() {
		s.quotas.mu.Lock()
		delete(s.quotas.asking, key)
		s.quotas.mu.Unlock()
		ask()
	})
}

// tellExcess puts somebody's excess into OPS, once a minute.
func (s *Service) tellExcess(ctx context.Context, of *pace.Keyed, key, tenant, agent, connection, what string) {
	if !of.Tell(key) {
		return
	}
	o := events.Ops{Event: "alarm", Service: "events-bridge", Tenant: tenant, What: what, Agent: agent,
		Reason: "over its quota (limits); the excess waits or is refused", Details: map[string]string{"connection": connection}, At: s.Now()}
	if err := s.Store.Ops(ctx, o); err != nil && ctx.Err() == nil {
		s.Logger.WarnContext(ctx, "excess not recorded", "tenant", tenant, "connection", connection, "code", fault.Code(err))
	}
}
