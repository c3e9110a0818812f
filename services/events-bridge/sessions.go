package bridge

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
)

// The sessions of the desktops whose sockets this process holds, and what the
// log should say of them. The log may be behind, because an end could not be
// written while the broker was away, or ahead: the orchestrator has not heard
// of this process for a while and has ended a session that lives, or the
// agent's page has come in at another bridge.

// A sessionKey is one session of this process.
type sessionKey struct {
	tenant, connection, agent, session string

	seq uint64 // of its session_started; 0 before that is on record
	// over is why it ended; "" while the page is there. It is kept until
	// the end is on record.
	over string
}

// A need is what a session asks for.
type need int

const (
	nothing   need = iota
	beginning      // the log has ended it, and it lives
	replacing      // the agent has another session, begun later
	ending         // it is over, and the log does not say so
)

// needs decides by what was last heard of the agent. News from before the
// session began say nothing about it.
func (x sessionKey) needs(a *lifecycle.Agent) need {
	switch {
	case x.over != "":
		return ending
	case x.seq == 0: // its beginning is being written: what is on record was before it
		return nothing
	case a == nil || a.Last.Seq <= x.seq || !a.Enrolled() || a.State.Connection != x.connection || a.State.Session == x.session:
		return nothing
	case a.State.Session != "":
		return replacing
	case a.State.Presence == events.Lost:
		return beginning
	}
	return nothing
}

// sessions are the sessions of this process.
type sessions struct {
	mu   sync.Mutex
	by   map[string]sessionKey // by session
	poke chan struct{}         // the log says something of a session
}

func newSessions() *sessions {
	return &sessions{by: map[string]sessionKey{}, poke: make(chan struct{}, 1)}
}

func (h *sessions) put(x sessionKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.by[x.session] = x
}

// began records at which event the log began a session.
func (h *sessions) began(session string, seq uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if x, ok := h.by[session]; ok {
		x.seq = max(x.seq, seq)
		h.by[session] = x
	}
}

func (h *sessions) drop(session string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.by, session)
}

func (h *sessions) get(session string) (sessionKey, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	x, ok := h.by[session]
	return x, ok
}

func (h *sessions) list() []sessionKey {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.SortedFunc(maps.Values(h.by), func(a, b sessionKey) int { return cmp.Compare(a.session, b.session) })
}

// follow wakes the keeper where an event may concern a session of ours.
func (h *sessions) follow(r events.Record) {
	if r.Name != events.SessionLost && r.Name != events.SessionStarted {
		return
	}
	select {
	case h.poke <- struct{}{}:
	default:
	}
}

// Pages are the open sockets of agents' desktops.
type Pages interface {
	teller
	// Replace ends the socket of a session whose agent has come in elsewhere.
	Replace(connection, agent, session string)
}

// Process names this run of the bridge, as the sessions that it holds do.
func (s *Service) Process() string { return s.process }

// KeepSessions brings the log and the open sockets together again where they
// have parted, once.
func (s *Service) KeepSessions(ctx context.Context, pages Pages) {
	for _, x := range s.sessions.list() {
		if err := s.keep(ctx, x, pages); err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "a desktop's session is not on record as it is; it is tried again",
				"agent", x.agent, "code", fault.Code(err))
		}
	}
}

// AskDesktops asks the pages of agents who are held back. Nobody polls a
// desktop, so one that was ready all along would say nothing, and stay held
// back for ever.
func (s *Service) AskDesktops(pages teller) {
	for _, a := range s.agents.list() {
		conn, ok := s.Directory.Connection(a.Tenant, a.State.Connection)
		if ok && conn.Provider.Can.AtDesktop() && a.Enrolled() && a.State.Quarantine != nil {
			pages.Tell(conn.Name, a.ID)
		}
	}
}

// keepTime bounds one attempt, so that a broker that is away for one session
// holds up the others for a while only.
const keepTime = 5 * time.Second

func (s *Service) keep(ctx context.Context, x sessionKey, pages Pages) error {
	ctx, cancel := context.WithTimeout(ctx, keepTime)
	defer cancel()
	switch x.needs(s.agents.get(log.Ref{Tenant: x.tenant, ID: x.agent})) {
	case ending:
		return s.endDesktop(ctx, x)
	case replacing:
		pages.Replace(x.connection, x.agent, x.session)
	case beginning:
		if err := s.startDesktop(ctx, x, true); err != nil {
			return err
		}
		s.Logger.InfoContext(ctx, "a desktop's session that was taken for lost lives", "agent", x.agent)
		pages.Tell(x.connection, x.agent) // its presence went with the session
	}
	return nil
}

// startDesktop appends the beginning of a desktop's session, which names this
// process as the one that holds it; or begins it again, where the log says that
// it is over and nothing has come after it.
func (s *Service) startDesktop(ctx context.Context, x sessionKey, again bool) error {
	done, err := s.Log.UpdateAgent(ctx, log.Ref{Tenant: x.tenant, ID: x.agent}, func(a *lifecycle.Agent) (*log.Draft, error) {
		if !a.Enrolled() || again && x.needs(a) != beginning {
			return nil, nil
		}
		now := s.Now()
		after, v := a.After(events.SessionStarted, "", "", now)
		if v == lifecycle.Illegal || a.State.Session == x.session {
			return nil, nil
		}
		after.Session, after.Bridge = x.session, s.process
		if !again { // the messages of another session are not older than this one's
			after.Provider, after.RawSeq = nil, 0
		}
		d := log.NextOfAgent(a, events.Bridge, events.SessionStarted, now, &events.AgentPresence{State: after})
		d.Cause = a.Last.ID + "." + events.EventID(x.session, string(events.SessionStarted), x.agent) // two sessions are never one
		return d, nil
	})
	if done.Record.Seq > 0 {
		s.sessions.began(x.session, done.Record.Seq)
	}
	return err
}

// endDesktop appends the end of a session, unless the log has gone on, and
// forgets it.
func (s *Service) endDesktop(ctx context.Context, x sessionKey) error {
	on := events.SessionLost
	if x.over == providers.SessionClosed {
		on = events.SessionEnded
	}
	ref := log.Ref{Tenant: x.tenant, ID: x.agent}
	if x.seq == 0 { // it may have begun all the same, and this process need not have heard of it
		if _, err := s.Log.LatestAgent(ctx, ref); err != nil {
			return err
		}
	}
	if err := s.sessionEvent(ctx, ref, on, x.over, x.session, nil); err != nil {
		return err
	}
	s.sessions.drop(x.session)
	return nil
}
