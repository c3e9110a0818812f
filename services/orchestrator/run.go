package orchestrator

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/pkg/events"
)

// RunOptions are what a running orchestrator needs besides its host.
type RunOptions struct {
	Config   Config
	Sessions sessions.Store
	// Roster are the agents that the configuration enrols.
	Roster map[string][]Enrolment // by tenant
	Ready  func()                 // called once at work
}

// Run runs the orchestrator on a host until ctx ends.
func Run(ctx context.Context, h *runtime.Host, o RunOptions) error {
	c := o.Config
	c.Log, c.Notes, c.Sessions, c.Directory = h.Log, h, o.Sessions, h.Directory
	c.Incarnation, c.Offset, c.Now, c.Logger = sessions.Incarnation(h.Incarnation), h.Clock.Offset(), h.Now, h.Logger
	c.Standing = h.Standing
	if k, ok := o.Sessions.(runtime.Keeper); ok {
		h.Keep(ctx, k) // before anything is decided: it may know better than our own folder
	}
	s := New(c)
	count, err := s.measure(h.Telemetry.Meter)
	if err != nil {
		return err
	}
	var live atomic.Bool // what is read again at the start was counted before
	if err := h.Follow(ctx, events.StreamAgents, s.Follow, s.index.forgetAgents); err != nil {
		return err
	}
	var heard uint64 // of CALLS; the follower's own
	take := func(r events.Record) {
		s.Follow(r)
		count.take(r, live.Load() && r.Seq > heard)
		heard = max(heard, r.Seq)
	}
	again := func() {
		s.index.forgetCalls()
		if st := h.Standing(); !st.Held { // what was in the accepted store was counted, what follows was not
			heard = st.Through[events.StreamCalls]
		}
	}
	if err := h.Follow(ctx, events.StreamCalls, take, again); err != nil {
		return err
	}
	live.Store(true)
	s.pending = pendingOf(h.Directory, o.Roster)
	s.enrolPending(ctx)
	if err := h.Serve("accepts requests, claims agents, closes calls", s.Endpoints()); err != nil {
		return err
	}
	deaf, err := h.HearBeats(s.Alive)
	if err != nil {
		return err
	}
	defer deaf()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	var timers error
	wg.Go(func() { timers = s.Timers(ctx) })
	wg.Go(func() { s.WatchLeases(ctx, h.Link) })
	wg.Go(func() { s.WatchRoom(ctx, h) })
	if o.Ready != nil {
		o.Ready()
	}
	err = h.Run(ctx, s.Routes()...)
	stop()
	wg.Wait()
	return errors.Join(err, timers)
}

// an unenrolled agent is one of the configuration that is not on the roster yet.
type unenrolled struct {
	tenant tenants.Tenant
	agent  Enrolment
	told   bool
}

func pendingOf(d *tenants.Directory, roster map[string][]Enrolment) []unenrolled {
	var out []unenrolled
	for name, agents := range roster {
		if t, ok := d.Tenant(name); ok {
			for _, a := range agents {
				out = append(out, unenrolled{tenant: t, agent: a})
			}
		}
	}
	return out
}

// enrolPending enrols the agents of the configuration. One that cannot be
// enrolled now, because it is on a call or its log cannot be read, hinders
// nobody: it is said once, and tried again.
func (s *Service) enrolPending(ctx context.Context) {
	var left []unenrolled
	for _, p := range s.pending {
		_, err := s.Enrol(ctx, p.tenant, p.agent)
		if err == nil {
			continue
		}
		if !p.told && ctx.Err() == nil {
			s.Logger.ErrorContext(ctx, "agent of the configuration is not enrolled; it is tried again",
				"tenant", p.tenant.Name, "agent", events.AgentToken(p.agent.Agent), "error", err.Error())
			p.told = true
		}
		left = append(left, p)
	}
	s.pending = left
}
