package bridge

import (
	"context"
	"strings"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/pace"
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
	viaFeed    = "feed"
)

// Follow feeds the roster with every event of AGENTS, in order.
func (s *Service) Follow(r events.Record) {
	if r.Family == events.AgentFamily {
		s.book.Learn(r)
		s.agents.take(r, s.polled)
		s.becameReady(r)
		s.sessions.follow(r)
	}
}

// Forget lets go of the agents: their log is heard from its beginning again.
func (s *Service) Forget() {
	s.agents.reset()
	s.seen.reset()
	s.book.Forget()
}

// polled says whether an agent's provider is asked for its status.
func (s *Service) polled(a *lifecycle.Agent) bool {
	conn, ok := s.Directory.Connection(a.Tenant, a.State.Connection)
	return ok && a.Enrolled() && conn.Provider.Poller != nil
}

// Due lists whom PollOnce is to ask now, and says when the next ones are due;
// zero: when the roster changes. Of all bridges that live one asks an agent; the
// others look again a moment later whether it still does.
func (s *Service) Due(now time.Time) (mine []log.Ref, next time.Time) {
	refs, next := s.agents.due(now)
	own := s.peers.own(s.Now())
	for _, ref := range refs {
		if own(ref.Tenant + "/" + ref.ID) {
			mine = append(mine, ref)
			continue
		}
		at := now.Add(s.PollEvery)
		if s.Later(ref, at); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return mine, next
}

// Later says that an agent was asked, and when it is due again.
func (s *Service) Later(ref log.Ref, at time.Time) { s.agents.later(ref, at) }

// unreachable is after how many failures in a row an agent is taken for signed
// out: nobody can tell whether it is ready, and it must not be dialed meanwhile.
const unreachable = 3

// providerDown is the reason of a session that was lost by it.
const providerDown = "provider_down"

// PollOnce asks for one agent's status and says how long to leave it alone
// then. A failure slows it down and is said once; when it lasts, the agent's
// session counts as lost, and OPS says that the connection is down, and later
// that it is up again.
//
// A look that gets no slot of the connection's rate is left out: who waited
// longest is first to ask for the next one.
func (s *Service) PollOnce(ctx context.Context, ref log.Ref) (pause time.Duration) {
	if slot := s.Pace(ctx, ref.Tenant, s.connectionOf(ref), pace.Poll); !slot.Granted {
		return slot.Wait
	}
	was := s.signedOut(ctx, ref) // perhaps by a process before this one
	busy, err := s.pollOnce(ctx, ref.Tenant, ref.ID)
	if err != nil && ctx.Err() != nil {
		return s.PollEvery
	}
	before, failures := s.agents.failed(ref, err != nil)
	switch {
	case err == nil && (was || before >= unreachable) && !s.signedOut(ctx, ref):
		s.note(ctx, events.OpsConnectionUp, ref, "")
	case failures == 1:
		s.Logger.WarnContext(ctx, "poll failed", "tenant", ref.Tenant, "agent", ref.ID, "connection", s.connectionOf(ref), "code", fault.Code(err))
	case failures == unreachable:
		s.unreachable(ctx, ref, fault.Code(err))
	}
	return s.pause(busy, failures)
}

func (s *Service) connectionOf(ref log.Ref) string {
	if a := s.agents.get(ref); a != nil {
		return a.State.Connection
	}
	return ""
}

// signedOut says whether the agent's log ends with an outage of the provider.
func (s *Service) signedOut(ctx context.Context, ref log.Ref) bool {
	a, err := s.Log.Agent(ctx, ref)
	return err == nil && a.State.Presence == events.Lost && a.State.Reason == providerDown
}

// unreachable records that the provider does not answer for an agent. If that
// cannot be recorded, the next failure asks for it again.
func (s *Service) unreachable(ctx context.Context, ref log.Ref, code string) {
	a, err := s.Log.Agent(ctx, ref)
	if err == nil && a.Enrolled() && a.State.Session != "" {
		err = s.sessionEvent(ctx, ref, events.SessionLost, providerDown, a.State.Session, nil)
	}
	if err != nil {
		s.agents.uncount(ref)
		s.Logger.WarnContext(ctx, "lost session not recorded", "tenant", ref.Tenant, "agent", ref.ID, "code", fault.Code(err))
		return
	}
	s.note(ctx, events.OpsConnectionDown, ref, code)
}

// note puts a connection's ups and downs into OPS.
func (s *Service) note(ctx context.Context, event string, ref log.Ref, code string) {
	o := events.Ops{Event: event, Service: "events-bridge", Tenant: ref.Tenant, What: s.connectionOf(ref),
		Agent: ref.ID, Reason: code, At: s.Now()}
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
// call of ours is under way. What is on record is looked at before the provider
// is asked, and as this process has heard it: an answer never claims to know
// more than it can, and one that is judged by an old record is dropped.
func (s *Service) pollOnce(ctx context.Context, tenant, agent string) (busy bool, err error) {
	ref := log.Ref{Tenant: tenant, ID: agent}
	k, err := s.known(ctx, ref, false)
	if err != nil || !k.agent.Enrolled() {
		return false, err
	}
	a := k.agent
	conn, ok := s.Directory.Connection(tenant, a.State.Connection)
	if !ok || conn.Provider.Poller == nil {
		return false, nil
	}
	who, err := s.book.Agent(ctx, a)
	if err != nil {
		return false, err
	}
	if a.State.Session == "" || a.State.Presence == events.Lost || a.State.Presence == events.Offline {
		if !s.mayOpenSoon(ctx, tenant, conn.Name, a.ID) {
			return false, nil
		}
		return true, s.open(ctx, ref, a.State.Session, who, conn.Provider.Poller)
	}
	c := first(k.calls)
	busy = c != nil && (c.Dialing != nil || c.State == lifecycle.Cleared)
	return busy, s.ask(ctx, k, who, conn)
}

// ask polls one agent's status and stores it if it says anything new.
func (s *Service) ask(ctx context.Context, k record, who providers.AgentRef, conn tenants.Connection) error {
	a := k.agent
	status, body, err := conn.Provider.Poller.Poll(ctx, who)
	if err != nil {
		return s.pollFailed(ctx, log.Ref{Tenant: a.Tenant, ID: a.ID}, a.State.Session, err)
	}
	raw := events.ProviderRaw{Connection: conn.Name, Via: viaPoll, Agent: a.ID, Session: a.State.Session,
		AgentSeq: a.Last.Seq, ReceivedAt: s.Now(), Status: status, Body: body}
	if c := first(k.calls); c != nil {
		raw.Call, raw.CallSeq = c.ID, c.Seq()
	}
	t, _ := s.Directory.Tenant(a.Tenant)
	m := &message{raw: raw, at: raw.ReceivedAt, conn: conn, home: t.HomeRegion(), agent: a.ID}
	all, err := m.read(k)
	if err != nil || len(all) == 0 {
		return err // nothing new
	}
	seen := make([]providers.Observation, len(all))
	for i, n := range all {
		seen[i] = n.Observation
	}
	if saysReady(seen) && !s.mayBeReady(ctx, a.Tenant, conn.Name, a.ID) {
		return nil // the next polls will say so too
	}
	_, err = s.Store.Raw(ctx, a.Tenant, raw, "")
	return err
}

// pollFailed turns a refused credential into a lost session; anything else is
// the provider's trouble, not the agent's.
func (s *Service) pollFailed(ctx context.Context, ref log.Ref, session string, err error) error {
	if fault.Code(err) != "unauthorized" {
		return err
	}
	return s.sessionEvent(ctx, ref, events.SessionLost, "token", session, nil)
}

// open gets the agent's session at the provider.
func (s *Service) open(ctx context.Context, ref log.Ref, was string, who providers.AgentRef, p providers.Poller) error {
	session, ids, err := p.Open(ctx, who)
	if err != nil {
		return s.pollFailed(ctx, ref, was, err)
	}
	s.opened(ref.Tenant, ref.ID)
	return s.sessionEvent(ctx, ref, events.SessionStarted, "", session, ids)
}

// sessionEvent appends the beginning or the end of an agent's session. An end
// counts only for the session that is on record.
func (s *Service) sessionEvent(ctx context.Context, ref log.Ref, on events.Name, reason, session string, ids map[string]string) error {
	_, err := s.Log.UpdateAgent(ctx, ref, func(a *lifecycle.Agent) (*log.Draft, error) {
		if !a.Enrolled() || on != events.SessionStarted && a.State.Session != session {
			return nil, nil
		}
		now := s.Now()
		after, v := a.After(on, "", reason, now)
		if v == lifecycle.Illegal || v == lifecycle.Known && a.State.Session == session {
			return nil, nil
		}
		if on == events.SessionStarted {
			after.Session, after.Provider, after.RawSeq = session, ids, 0
		} else {
			after.Session = ""
		}
		after.Bridge = ""
		d := log.NextOfAgent(a, events.Bridge, on, now, &events.AgentPresence{Reason: reason, State: after})
		d.Cause = a.Last.ID + "." + events.EventID(session, string(on), ref.ID) // two sessions are never one
		return d, nil
	})
	return err
}

func tenantOf(subject string) string {
	if p := strings.Split(subject, "."); len(p) > 1 {
		return p[1]
	}
	return ""
}
