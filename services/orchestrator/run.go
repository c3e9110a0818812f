package orchestrator

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/pkg/events"
)

// Run runs the orchestrator on a host until ctx ends. Of the configuration, the
// roster, the sessions and the times are the caller's; the rest comes from the
// host.
func Run(ctx context.Context, h *runtime.Host, c Config) error {
	c.Log, c.Notes, c.Directory = h.Log, h, h.Directory
	c.Incarnation, c.Offset, c.Now, c.Logger = sessions.Incarnation(h.Incarnation), h.Clock.Offset(), h.Now, h.Logger
	c.Standing = h.Standing
	c.History = func(ctx context.Context, tenant string, before uint64, more func([]events.Record) bool) (uint64, error) {
		return log.History(ctx, h.JS, tenant, before, more)
	}
	c.LastAgent = func(ctx context.Context) (uint64, error) {
		return log.LastSequence(ctx, h.JS, events.StreamAgents, ">")
	}
	if k, ok := c.Sessions.(runtime.Keeper); ok {
		h.Keep(ctx, k) // before anything is decided: it may know better than our own folder
	}
	s := New(c)
	count, err := s.measure(h.Telemetry.Meter)
	if err != nil {
		return err
	}
	var live atomic.Bool // what is read again at the start was counted before
	if err := h.Follow(ctx, events.StreamAgents, s.Follow, func() { s.Forget(events.AgentFamily) }); err != nil {
		return err
	}
	var heard uint64 // of CALLS; the follower's own
	take := func(r events.Record) {
		s.Follow(r)
		count.take(r, live.Load() && r.Seq > heard)
		heard = max(heard, r.Seq)
	}
	again := func() {
		s.Forget(events.CallFamily)
		if st := h.Standing(); !st.Held { // what was in the accepted store was counted, what follows was not
			heard = st.Through[events.StreamCalls]
		}
	}
	if err := h.Follow(ctx, events.StreamCalls, take, again); err != nil {
		return err
	}
	if err := s.abreast(ctx, ctx); err != nil { // also of what others here knew ahead of its turn
		return err
	}
	s.CaughtUp()
	live.Store(true)
	s.pending = pendingOf(h.Directory, c.Roster)
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
	wg.Go(func() { s.timers(ctx) })
	wg.Go(func() { every(ctx, s.Limits.Lease/10, func() { s.WatchLeases(ctx, h.Link) }) })
	wg.Go(func() { every(ctx, roomEvery, func() { s.lookAtRoom(ctx, h) }) })
	err = h.Run(ctx, s.Routes()...)
	stop()
	wg.Wait()
	return err
}

// turn is the least time between two looks at what is due.
const turn = 20 * time.Millisecond

// tick is the longest the timers sleep, and how often they sweep.
const tick = time.Second

// timers looks at calls whose time has come, until the context ends.
func (s *Service) timers(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var last, lastSweep time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-s.wake:
			if early := turn - time.Since(last); early > 0 {
				timer.Reset(early)
				continue
			}
		}
		last = time.Now()
		wait := tick
		if !s.Standing().Held { // nothing is decided on a store in question
			next := s.Turn(ctx)
			if time.Since(lastSweep) >= tick {
				lastSweep = time.Now()
				s.Sweep(ctx)
			}
			if !next.IsZero() {
				wait = min(max(next.Sub(s.Now()), turn/4), tick)
			}
		}
		timer.Reset(wait)
	}
}

// every does something at once and then again and again, until ctx ends.
func every(ctx context.Context, d time.Duration, do func()) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		do()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
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
