package orchestrator

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/outdial/outdial/pkg/directory"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/process"
	"github.com/outdial/outdial/pkg/sessions"
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
func Run(ctx context.Context, h *process.Host, o RunOptions) error {
	c := o.Config
	c.Log, c.Notes, c.Sessions, c.Directory = h.Log, h, o.Sessions, h.Directory
	c.Incarnation, c.Offset, c.Now, c.Logger = sessions.Incarnation(h.Incarnation), h.Clock.Offset(), h.Now, h.Logger
	s := New(c)
	count, err := s.measure(h.Telemetry.Meter)
	if err != nil {
		return err
	}
	var live atomic.Bool // what is read again at the start was counted before
	for _, stream := range []string{events.StreamAgents, events.StreamCalls} {
		if err := h.Follow(ctx, stream, func(r events.Record) { s.Follow(r); count.take(r, live.Load()) }); err != nil {
			return err
		}
	}
	live.Store(true)
	if err := s.enrolAll(ctx, h.Directory, o.Roster); err != nil {
		return err
	}
	if err := h.Serve("accepts requests, claims agents, closes calls", s.Endpoints()); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	var timers error
	wg.Go(func() { timers = s.Timers(ctx) })
	if o.Ready != nil {
		o.Ready()
	}
	err = h.Run(ctx, s.Routes()...)
	stop()
	wg.Wait()
	return errors.Join(err, timers)
}

func (s *Service) enrolAll(ctx context.Context, d *directory.Directory, roster map[string][]Enrolment) error {
	var errs []error
	for name, agents := range roster {
		t, ok := d.Tenant(name)
		if !ok {
			continue
		}
		for _, a := range agents {
			if _, err := s.Enrol(ctx, t, a); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}
