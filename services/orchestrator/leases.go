package orchestrator

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// A desktop's session is a lease of the bridge process that holds its socket:
// the process says every few seconds that it lives, and silence ends the
// session. Who cannot be reached must not be ready, or it is the longest idle
// and takes every call of its hunt group.

// Why a session ended, besides what a bridge says itself.
const (
	bridgeSilent = "bridge_silent"
	noResponders = "no_responders"
)

// leases is what this process has heard of the bridges. It is memory alone, by
// this machine's monotonic clock.
type leases struct {
	lease time.Duration

	mu     sync.Mutex
	heard  map[string]time.Time // by bridge process
	since  time.Time            // who was silent before is not blamed for it
	looked time.Time
	link   uint64 // how often the connection has been made anew
}

func newLeases(lease time.Duration) *leases {
	return &leases{lease: lease, heard: map[string]time.Time{}}
}

// hear notes a sign of life.
func (l *leases) hear(process string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard[process] = now
}

// look says that this process is awake and whether it has a connection, by how
// often that has been made. Every lease starts anew after a time in which it
// could have heard nobody: its own start, a lost connection, a sleep.
func (l *leases) look(now time.Time, connected bool, link uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since.IsZero() || !connected || link != l.link || now.Sub(l.looked) > l.lease/2 {
		l.since = now
	}
	l.looked, l.link = now, link
	for process, at := range l.heard {
		if now.Sub(at) > 2*l.lease {
			delete(l.heard, process) // silent as one that was never heard
		}
	}
}

// silent reports whether a process has said nothing for the whole lease. The
// name "" is of a session that no process holds.
func (l *leases) silent(process string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	from := l.since
	if at := l.heard[process]; at.After(from) {
		from = at
	}
	return !l.since.IsZero() && now.Sub(from) >= l.lease
}

// Alive hears that a bridge process lives.
func (s *Service) Alive(process string) { s.leases.hear(process, s.Now()) }

// A Link tells whether the connection is up, and how often it has been made.
type Link func() (connected bool, made uint64)

// WatchLeases ends the sessions of bridges that have fallen silent. It is called
// ten times a lease at least: who is not is taken for asleep, and blames nobody.
// Several processes may do so at once.
func (s *Service) WatchLeases(ctx context.Context, link Link) {
	look := func() {
		up, made := link()
		s.leases.look(s.Now(), up, made)
	}
	look()
	s.endSilent(ctx, look)
	look()
}

// endSilent ends every session whose bridge is silent. look is asked before
// each, because an append may take its time.
func (s *Service) endSilent(ctx context.Context, look func()) {
	gone := map[[2]string]int{} // sessions, by tenant and process
	for _, a := range s.index.Agents("") {
		process := a.State.Bridge
		still := func() bool { return s.leases.silent(process, s.Now()) }
		if !s.leased(a) || !still() {
			continue
		}
		look()
		ended, err := s.endSession(ctx, agentRef(a), a.State.Session, bridgeSilent, still)
		if ended {
			gone[[2]string{a.Tenant, process}]++
		}
		if err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "a silent bridge's session is not ended", "agent", a.ID, "code", fault.Code(err))
		}
	}
	for _, of := range slices.SortedFunc(maps.Keys(gone), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		s.Logger.WarnContext(ctx, "a bridge is silent; the sessions it held are ended", "tenant", of[0], "bridge", of[1], "sessions", gone[of])
		if err := s.Notes.Ops(ctx, events.Ops{Event: "alarm", Service: "orchestrator", Tenant: of[0],
			What: "a bridge fell silent; the sessions of the desktops it held are ended", Reason: bridgeSilent, At: s.Now()}); err != nil {
			s.Logger.WarnContext(ctx, "a silent bridge is not on record", "code", fault.Code(err))
		}
	}
}

// leased reports whether the agent's presence is a desktop's word, so that it
// is worth no more than the way to the desktop.
func (s *Service) leased(a *lifecycle.Agent) bool {
	conn, ok := s.Directory.Connection(a.Tenant, a.State.Connection)
	return ok && conn.Provider.Can.AtDesktop() && reachable(a)
}

// reachable reports whether the log says that somebody can reach the agent.
func reachable(a *lifecycle.Agent) bool {
	switch a.State.Presence {
	case events.Offline, events.Lost, events.Gone:
		return false
	}
	return a.Enrolled()
}

// endSession ends an agent's session, if it is still the one on record and
// still is to be ended, and says whether it did. It moves no fence and touches
// no claim: what a call that holds the agent needs is decided by the call.
func (s *Service) endSession(ctx context.Context, agent log.Ref, session, why string, still func() bool) (bool, error) {
	ended, err := s.Log.UpdateAgent(ctx, agent, func(a *lifecycle.Agent) (*log.Draft, error) {
		if a.State.Session != session || !still() {
			return nil, nil
		}
		return s.lostSession(a, why), nil
	})
	return ended.Record.Seq > 0, err
}

// endUnreached ends the session at which nobody listened to the call's intent.
// The leader is asked: by an older view it might seem over already, and the
// next call would go to the same desktop.
func (s *Service) endUnreached(ctx context.Context, c *lifecycle.Call) error {
	agent := log.Ref{Tenant: c.Tenant, ID: c.Assigned.Agent}
	_, err := s.Log.LatestAgent(ctx, agent)
	if err == nil {
		_, err = s.endSession(ctx, agent, c.Assigned.Session, noResponders, func() bool { return true })
	}
	if err != nil && fault.Of(err) == fault.Permanent {
		// Whose log cannot be read is claimed by nobody.
		s.Logger.WarnContext(ctx, "the session at which nobody listened is not ended", "agent", agent.ID, "code", fault.Code(err))
		return nil
	}
	return err
}

func (s *Service) lostSession(a *lifecycle.Agent, why string) *log.Draft {
	now := s.Now()
	after, v := a.After(events.SessionLost, "", why, now)
	if v != lifecycle.Move || !s.leased(a) {
		return nil
	}
	after.Session, after.Bridge = "", ""
	return log.NextOfAgent(a, events.Orchestrator, events.SessionLost, now, &events.AgentPresence{Reason: why, State: after})
}
