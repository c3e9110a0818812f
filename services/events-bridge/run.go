package bridge

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/outdial/outdial/internal/door"
	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers/acqueon/desktop"
)

// RunOptions are what a running bridge needs besides its host.
type RunOptions struct {
	Config Config
	Mux    *http.ServeMux // where the bridge's HTTP paths go
	// Authorize checks a desktop's token; nil: only this machine may come.
	Authorize func(connection, agent, token string) bool
	Origins   []string
	Token     func(tenant string) (string, bool)              // of the HTTP door
	Hook      func(connection string) (door.Credential, bool) // of webhooks
	CallsAge  time.Duration
}

// Run runs the bridge on a host until ctx ends.
func Run(ctx context.Context, h *runtime.Host, o RunOptions) error {
	c := o.Config
	c.Log, c.Store, c.Directory, c.Now, c.Logger = h.Log, h, h.Directory, h.Now, h.Logger
	s := New(c)
	if err := h.Follow(ctx, events.StreamAgents, s.Follow, s.agents.reset); err != nil {
		return err
	}
	link := &lateSender{}
	doors := desktop.NewResponder(h.NC, link, 0)
	desk := s.Desk(doors)
	hub, err := desktop.NewHub(desktop.Config{
		Sink: desk, Authorize: o.Authorize, Origins: o.Origins, Log: h.Logger, Now: h.Now,
	})
	if err != nil {
		return err
	}
	link.hub, desk.tell = hub, hub.Tell
	posts := &Door{S: s, Requests: h, Check: s.check(h, o.CallsAge), Token: o.Token, Hook: o.Hook, Origins: o.Origins}
	o.Mux.Handle("GET "+desktop.BasePath, hub)
	posts.Routes(o.Mux)
	if err := h.Serve("normalizes what providers and desktops say", s.Endpoints()); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	var polls error
	wg.Go(func() { polls = s.Poll(ctx) })
	wg.Go(func() { s.askDesktops(ctx, hub) })
	wg.Go(func() { h.Beat(ctx, s.process, s.Alive) })
	wg.Go(func() { s.KeepSessions(ctx, hub) })
	err = h.Run(ctx, s.Routes()...)
	stop()
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err = errors.Join(err, hub.Close(end))
	wg.Wait()
	return errors.Join(err, polls)
}

// A teller asks an agent's page to say again whether the agent is ready.
type teller interface {
	Tell(connection, agent string) bool
}

// askDesktops asks the pages of agents who are held back. Nobody polls a
// desktop, so one that was ready all along would say nothing, and stay held
// back for ever.
func (s *Service) askDesktops(ctx context.Context, pages teller) {
	tick := time.NewTicker(5 * s.PollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, a := range s.agents.list() {
			conn, ok := s.Directory.Connection(a.Tenant, a.State.Connection)
			if ok && conn.Provider.Can.Desktop && a.Enrolled() && a.State.Quarantine != nil {
				pages.Tell(conn.Name, a.ID)
			}
		}
	}
}

// lateSender lets the hub and the responder know each other.
type lateSender struct{ hub *desktop.Hub }

func (l *lateSender) Send(ctx context.Context, connection, agent, session, attempt string, notAfter time.Time, message []byte) error {
	return l.hub.Send(ctx, connection, agent, session, attempt, notAfter, message)
}

// check reads a request as the orchestrator will, but for the roster, which
// only the orchestrator knows.
func (s *Service) check(h *runtime.Host, age time.Duration) func(string, events.Header, []byte) (events.Intake, []events.Fault, events.Identity) {
	return func(tenant string, header events.Header, body []byte) (events.Intake, []events.Fault, events.Identity) {
		t, _ := s.Directory.Tenant(tenant)
		return events.ReadRequest(events.RequestSubject(tenant), header, body, events.RequestContext{
			Tenant: tenant, Now: h.Now(), ClockOffset: h.Clock.Offset(), CallsAge: age,
			CallerIDs: t.CallerIDs, DefaultFrom: t.DefaultFrom(), DefaultConnection: t.Connection, Key: t.Key,
			Connection: func(name string) (string, bool) {
				c, ok := s.Directory.Connection(tenant, name)
				return string(c.Kind), ok
			},
			SupportsQueue: func(string) bool { return false },
			Ruleset:       t.MayName,
		})
	}
}
