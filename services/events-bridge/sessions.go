package bridge

import (
	"context"
	"sync"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers/acqueon/desktop"
)

// The sessions of the desktops whose sockets this process holds, and what the
// log should say of them. The log may be behind, because an end could not be
// written while the broker was away, or ahead: the orchestrator has not heard
// of this process for a while and has ended a session that lives, or the
// agent's page has come in at another bridge.

// A seat is one session of this process.
type seat struct {
	tenant, connection, agent, session string

	seq uint64 // of its session_started
	// over is why it ended; "" while the page is there. The seat is kept until
	// the end is on record.
	over string
}

// A need is what a seat asks for.
type need int

const (
	nothing   need = iota
	beginning      // the log has ended it, and it lives
	replacing      // the agent has another session, begun later
	ending         // it is over, and the log does not say so
)

// needs decides by what was last heard of the agent. News from before the
// session began say nothing about it.
func (x seat) needs(a *lifecycle.Agent) need {
	switch {
	case x.over != "":
		return ending
	case a == nil || a.Last.Seq <= x.seq || !a.Enrolled() || a.State.Connection != x.connection || a.State.Session == x.session:
		return nothing
	case a.State.Session != "":
		return replacing
	case a.State.Presence == events.Lost:
		return beginning
	}
	return nothing
}

// seats are the sessions of this process.
type seats struct {
	mu   sync.Mutex
	by   map[string]seat // by session
	poke chan struct{}   // the log says something of a session
}

func newSeats() *seats { return &seats{by: map[string]seat{}, poke: make(chan struct{}, 1)} }

func (h *seats) put(x seat) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.by[x.session] = x
}

// began records at which event the log began a session.
func (h *seats) began(session string, seq uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if x, ok := h.by[session]; ok {
		x.seq = max(x.seq, seq)
		h.by[session] = x
	}
}

func (h *seats) drop(session string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.by, session)
}

func (h *seats) get(session string) (seat, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	x, ok := h.by[session]
	return x, ok
}

func (h *seats) list() []seat {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]seat, 0, len(h.by))
	for _, x := range h.by {
		out = append(out, x)
	}
	return out
}

// follow wakes the keeper where an event may concern a session of ours.
func (h *seats) follow(r events.Record) {
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

// KeepSessions brings the log and the open sockets together again where they
// have parted, until ctx ends.
func (s *Service) KeepSessions(ctx context.Context, pages Pages) {
	tick := time.NewTicker(s.Alive)
	defer tick.Stop()
	for {
		for _, x := range s.seats.list() {
			if err := s.keep(ctx, x, pages); err != nil && ctx.Err() == nil {
				s.Logger.WarnContext(ctx, "a desktop's session is not on record as it is; it is tried again",
					"agent", x.agent, "code", fault.Code(err))
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.seats.poke:
		}
	}
}

// keepTime bounds one attempt, so that a broker that is away for one session
// holds up the others for a while only.
const keepTime = 5 * time.Second

func (s *Service) keep(ctx context.Context, x seat, pages Pages) error {
	ctx, cancel := context.WithTimeout(ctx, keepTime)
	defer cancel()
	switch x.needs(s.agents.get(x.tenant, x.agent)) {
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
func (s *Service) startDesktop(ctx context.Context, x seat, again bool) error {
	return log.Run(ctx, s.Log, log.Step{
		Make: func(ctx context.Context) (*log.Draft, error) {
			a, err := log.Agent(ctx, s.Log, x.tenant, x.agent)
			if err != nil || !a.Enrolled() {
				return nil, err
			}
			if again && x.needs(a) != beginning {
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
		},
		Then: func(_ context.Context, done log.Appended) ([]log.Step, error) {
			s.seats.began(x.session, done.Record.Seq)
			return nil, nil
		},
	})
}

// endDesktop appends the end of a session, unless the log has gone on, and
// forgets the seat.
func (s *Service) endDesktop(ctx context.Context, x seat) error {
	on := events.SessionLost
	if x.over == desktop.EndClosed {
		on = events.SessionEnded
	}
	if err := s.sessionEvent(ctx, x.tenant, x.agent, on, x.over, x.session, nil); err != nil {
		return err
	}
	s.seats.drop(x.session)
	return nil
}
