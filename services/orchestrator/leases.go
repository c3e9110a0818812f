package orchestrator

import (
	"context"
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
func (s *Service) Alive(process string) { s.leases.hear(process, time.Now()) }

// A Link tells whether the connection is up, and how often it has been made.
type Link func() (connected bool, made uint64)

// WatchLeases ends the sessions of bridges that have fallen silent, until ctx
// ends. Several processes may do so at once.
func (s *Service) WatchLeases(ctx context.Context, link Link) {
	tick := time.NewTicker(s.Limits.Lease / 10)
	defer tick.Stop()
	look := func() {
		up, made := link()
		s.leases.look(time.Now(), up, made)
	}
	for {
		look()
		s.endSilent(ctx, look)
		look()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// endSilent ends every session whose bridge is silent. look is asked before
// each, because an append may take its time.
func (s *Service) endSilent(ctx context.Context, look func()) {
	gone := map[[2]string]int{} // sessions, by tenant and process
	for _, a := range s.index.Agents("") {
		process := a.State.Bridge
		still := func() bool { return s.leases.silent(process, time.Now()) }
		if !s.leased(a) || !still() {
			continue
		}
		look()
		err := log.Run(ctx, s.Log, s.endSession(a.Tenant, a.ID, a.State.Session, bridgeSilent, still, func() {
			gone[[2]string{a.Tenant, process}]++
		}))
		if err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "a silent bridge's session is not ended", "agent", a.ID, "code", fault.Code(err))
		}
	}
	for of, n := range gone {
		s.Logger.WarnContext(ctx, "a bridge is silent; the sessions it held are ended", "tenant", of[0], "bridge", of[1], "sessions", n)
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
	return ok && conn.Provider.Can.Desktop && reachable(a)
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
// still is to be ended. It moves no fence and touches no claim: what a call
// that holds the agent needs is decided by the call.
func (s *Service) endSession(tenant, agent, session, why string, still func() bool, ended func()) log.Step {
	return log.Step{
		Make: func(ctx context.Context) (*log.Draft, error) {
			a, err := log.Agent(ctx, s.Log, tenant, agent)
			if err != nil || a.State.Session != session || !still() {
				return nil, err
			}
			return s.lostSession(a, why), nil
		},
		Then: func(context.Context, log.Appended) ([]log.Step, error) {
			ended()
			return nil, nil
		},
	}
}

// endUnreached drafts the end of the session at which nobody listened to the
// call's intent; nil where it is over already.
func (s *Service) endUnreached(ctx context.Context, c *lifecycle.Call) (*log.Draft, error) {
	a, err := log.Agent(ctx, s.Log, c.Tenant, c.Assigned.Agent)
	if err != nil || a.State.Session != c.Assigned.Session {
		return nil, err
	}
	return s.lostSession(a, noResponders), nil
}

func (s *Service) lostSession(a *lifecycle.Agent, why string) *log.Draft {
	now := s.Now()
	after, v := a.After(events.SessionLost, "", why, now)
	if v != lifecycle.Move || !reachable(a) {
		return nil
	}
	after.Session, after.Bridge = "", ""
	return log.NextOfAgent(a, events.Orchestrator, events.SessionLost, now, &events.AgentPresence{Reason: why, State: after})
}
