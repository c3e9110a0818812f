package bridge

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
)

// How a message came.
const (
	viaPoll    = "poll"
	viaDesktop = "desktop"
	viaWebhook = "webhook"
)

// roster is what this process remembers of the agents' log: whom to poll.
type roster struct {
	mu     sync.Mutex
	agents map[string]*lifecycle.Agent
	fresh  chan struct{}
}

func newRoster() *roster {
	return &roster{agents: map[string]*lifecycle.Agent{}, fresh: make(chan struct{}, 1)}
}

func (r *roster) take(e events.Record) {
	r.mu.Lock()
	r.agents[e.Tenant+"/"+e.Key] = lifecycle.FoldAgent(e.Tenant, e.Key, e)
	r.mu.Unlock()
	if e.Role == events.Orchestrator {
		select {
		case r.fresh <- struct{}{}:
		default:
		}
	}
}

// get is what was last heard of an agent, nil if nothing was.
func (r *roster) get(tenant, agent string) *lifecycle.Agent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.agents[tenant+"/"+agent]
}

// reset forgets everybody: the log is heard from its beginning again.
func (r *roster) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.agents)
}

func (r *roster) list() []*lifecycle.Agent {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]*lifecycle.Agent, 0, len(r.agents))
	for _, a := range r.agents {
		out = append(out, a)
	}
	return out
}

// Follow feeds the roster with every event of AGENTS, in order.
func (s *Service) Follow(r events.Record) {
	if r.Family == events.AgentFamily {
		s.agents.take(r)
		s.seats.follow(r)
	}
}

// Poll keeps one poller going for every enrolled agent whose provider is
// polled, until the context ends.
func (s *Service) Poll(ctx context.Context) error {
	pollers := map[string]context.CancelFunc{}
	var wg sync.WaitGroup
	defer wg.Wait()
	tick := time.NewTicker(s.PollEvery)
	defer tick.Stop()
	for {
		want := map[string]bool{}
		for _, a := range s.agents.list() {
			conn, ok := s.Directory.Connection(a.Tenant, a.State.Connection)
			if !ok || !a.Enrolled() || conn.Provider.Poller == nil {
				continue
			}
			key := a.Tenant + "/" + a.ID
			want[key] = true
			if pollers[key] == nil {
				own, stop := context.WithCancel(ctx)
				pollers[key] = stop
				wg.Go(func() { s.pollAgent(own, a.Tenant, a.ID) })
			}
		}
		for key, stop := range pollers {
			if !want[key] {
				stop()
				delete(pollers, key)
			}
		}
		select {
		case <-ctx.Done():
			for _, stop := range pollers {
				stop()
			}
			return nil
		case <-tick.C:
		case <-s.agents.fresh:
		}
	}
}

// unreachable is after how many failures in a row an agent is taken for signed
// out: nobody can tell whether it is ready, and it must not be dialed meanwhile.
const unreachable = 3

// pollAgent asks for one agent's status again and again. A failure slows it
// down and is said once; when it lasts, the agent's session counts as lost, and
// OPS says that the connection is down, and later that it is up again.
func (s *Service) pollAgent(ctx context.Context, tenant, agent string) {
	failures := 0
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		busy, err := s.pollOnce(ctx, tenant, agent)
		if err != nil && ctx.Err() == nil {
			if failures++; failures == 1 {
				s.Logger.WarnContext(ctx, "poll failed", "tenant", tenant, "agent", agent, "connection", s.connectionOf(tenant, agent), "code", fault.Code(err))
			}
			if failures == unreachable {
				s.unreachable(ctx, tenant, agent, fault.Code(err))
			}
		} else if err == nil {
			if failures >= unreachable {
				s.note(ctx, "connection_up", tenant, agent, "")
			}
			failures = 0
		}
		timer.Reset(s.pause(busy, failures))
	}
}

func (s *Service) connectionOf(tenant, agent string) string {
	for _, a := range s.agents.list() {
		if a.Tenant == tenant && a.ID == agent {
			return a.State.Connection
		}
	}
	return ""
}

// unreachable records that the provider does not answer for an agent.
func (s *Service) unreachable(ctx context.Context, tenant, agent, code string) {
	s.note(ctx, "connection_down", tenant, agent, code)
	a, err := log.Agent(ctx, s.Log, tenant, agent)
	if err == nil && a.Enrolled() && a.State.Session != "" {
		err = s.sessionEvent(ctx, tenant, agent, events.SessionLost, "provider_down", a.State.Session, nil)
	}
	if err != nil && ctx.Err() == nil {
		s.Logger.WarnContext(ctx, "lost session not recorded", "tenant", tenant, "agent", agent, "code", fault.Code(err))
	}
}

// note puts a connection's ups and downs into OPS.
func (s *Service) note(ctx context.Context, event, tenant, agent, code string) {
	o := events.Ops{Event: event, Service: "events-bridge", Tenant: tenant, What: s.connectionOf(tenant, agent),
		Agent: agent, Reason: code, At: s.Now()}
	if err := s.Store.Ops(ctx, o); err != nil && ctx.Err() == nil {
		s.Logger.WarnContext(ctx, "connection's state not recorded", "event", event, "code", fault.Code(err))
	}
}

// pause is how long until the next poll: shorter while a call is up, because a
// conversation that comes and goes between two polls would pass for none.
func (s *Service) pause(busy bool, failures int) time.Duration {
	switch {
	case failures > 0:
		return min(s.PollEvery<<min(failures, 5), 30*time.Second)
	case busy:
		return max(s.PollEvery/5, 50*time.Millisecond)
	}
	return s.PollEvery
}

// pollOnce asks the provider once and stores what is news; busy says that a
// call of ours is under way. What the logs say is read before the provider is
// asked, so that an answer never claims to know more than it can.
func (s *Service) pollOnce(ctx context.Context, tenant, agent string) (busy bool, err error) {
	a, calls, err := s.known(ctx, tenant, agent)
	if err != nil || !a.Enrolled() {
		return false, err
	}
	conn, ok := s.Directory.Connection(tenant, a.State.Connection)
	if !ok || conn.Provider.Poller == nil {
		return false, nil
	}
	ref, err := s.book.Agent(ctx, a)
	if err != nil {
		return false, err
	}
	if a.State.Session == "" || a.State.Presence == events.Lost || a.State.Presence == events.Offline {
		if !s.mayOpenSoon(ctx, tenant, conn.Name, a.ID) {
			return false, nil
		}
		return true, s.open(ctx, a, ref, conn.Provider.Poller)
	}
	c := first(calls)
	busy = c != nil && (c.Dialing != nil || c.State == lifecycle.Cleared)
	return busy, s.ask(ctx, a, calls, ref, conn)
}

// ask polls one agent's status and stores it if it says anything new.
func (s *Service) ask(ctx context.Context, a *lifecycle.Agent, calls []*lifecycle.Call, ref providers.AgentRef, conn tenants.Connection) error {
	status, body, err := conn.Provider.Poller.Poll(ctx, ref)
	if err != nil {
		return s.pollFailed(ctx, a, err)
	}
	raw := events.ProviderRaw{Connection: conn.Name, Via: viaPoll, Agent: a.ID, Session: a.State.Session,
		AgentSeq: a.Last.Seq, ReceivedAt: s.Now(), Status: status, Body: body}
	if c := first(calls); c != nil {
		raw.Call, raw.CallSeq = c.ID, c.Seq()
	}
	t, _ := s.Directory.Tenant(a.Tenant)
	m := &message{raw: raw, conn: conn, home: t.HomeRegion(), agent: a.ID}
	seen, err := s.read(m, a, calls)
	if err != nil || len(seen) == 0 {
		return err // nothing new
	}
	if saysReady(seen) && !s.mayBeReady(ctx, a.Tenant, conn.Name, a.ID) {
		return nil // the next polls will say so too
	}
	_, err = s.Store.Raw(ctx, a.Tenant, raw, "")
	return err
}

// pollFailed turns a refused credential into a lost session; anything else is
// the provider's trouble, not the agent's.
func (s *Service) pollFailed(ctx context.Context, a *lifecycle.Agent, err error) error {
	if fault.Code(err) != "unauthorized" {
		return err
	}
	return s.sessionEvent(ctx, a.Tenant, a.ID, events.SessionLost, "token", a.State.Session, nil)
}

// open gets the agent's session at the provider.
func (s *Service) open(ctx context.Context, a *lifecycle.Agent, ref providers.AgentRef, p providers.Poller) error {
	session, ids, err := p.Open(ctx, ref)
	if err != nil {
		return s.pollFailed(ctx, a, err)
	}
	s.opened(a.Tenant, a.ID)
	return s.sessionEvent(ctx, a.Tenant, a.ID, events.SessionStarted, "", session, ids)
}

// sessionEvent appends the beginning or the end of an agent's session. An end
// counts only for the session that is on record.
func (s *Service) sessionEvent(ctx context.Context, tenant, agent string, on events.Name, reason, session string, ids map[string]string) error {
	return log.Run(ctx, s.Log, log.Step{Make: func(ctx context.Context) (*log.Draft, error) {
		a, err := log.Agent(ctx, s.Log, tenant, agent)
		if err != nil || !a.Enrolled() {
			return nil, err
		}
		if on != events.SessionStarted && a.State.Session != session {
			return nil, nil
		}
		now := s.Now()
		after, v := a.After(on, "", reason, now)
		same := v == lifecycle.Known && a.State.Session == session
		if v == lifecycle.Illegal || same {
			return nil, nil
		}
		if on == events.SessionStarted {
			after.Session, after.Provider = session, ids
			after.RawSeq = 0
		} else {
			after.Session = ""
		}
		after.Bridge = ""
		d := log.NextOfAgent(a, events.Bridge, on, now, &events.AgentPresence{Reason: reason, State: after})
		d.Cause = a.Last.ID + "." + events.EventID(session, string(on), agent) // two sessions are never one
		return d, nil
	}})
}

func tenantOf(subject string) string {
	if p := strings.Split(subject, "."); len(p) > 1 {
		return p[1]
	}
	return ""
}

// agentNamed finds whose message it is when it came by no agent's socket: the
// provider's own id of the agent, where the message names one.
func (s *Service) agentNamed(conn tenants.Connection, raw events.ProviderRaw) string {
	seen, err := conn.Provider.Reader.Read(raw, providers.View{Now: s.Now()})
	if err != nil || len(seen) == 0 || seen[0].Agent == "" {
		return ""
	}
	for _, a := range s.agents.list() {
		if a.Tenant == conn.Tenant && a.State.Connection == conn.Name && a.State.ProviderAgent == seen[0].Agent {
			return a.ID
		}
	}
	return ""
}
