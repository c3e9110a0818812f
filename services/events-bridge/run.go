package bridge

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/outdial/outdial/internal/door"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
)

// RunOptions are what a running bridge needs besides its host.
type RunOptions struct {
	Config Config
	Mux    *http.ServeMux // where the bridge's HTTP paths go
	// Desktops are the products whose doors are opened.
	Desktops []providers.Desktops
	// Authorize checks a desktop's token; nil: only this machine may come.
	Authorize func(connection, agent, token string) bool
	Origins   []string
	Token     func(tenant string) (string, bool)              // of the HTTP door
	Hook      func(connection string) (door.Credential, bool) // of webhooks
	CallsAge  time.Duration
}

// Run runs the bridge on a host until ctx ends. All clocks, timers and loops of
// the bridge are here; the rest of the package are functions that they call.
func Run(ctx context.Context, h *runtime.Host, o RunOptions) error {
	c := o.Config
	c.Log, c.Store, c.Cursors, c.Directory, c.Now, c.Logger = h.Log, h, h, h.Directory, h.Now, h.Logger
	c.Offset, c.Turn = h.Clock.Offset(), newTurns().take
	c.LastCall = func(ctx context.Context) (uint64, error) {
		return log.LastSequence(ctx, h.JS, events.StreamCalls, ">")
	}
	s := New(c)
	if err := s.measure(h.Telemetry.Meter); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	anew, recall := make(chan struct{}, 1), make(chan struct{}, 1)
	if err := h.Follow(ctx, events.StreamAgents, s.Follow, func() { s.Forget(); poke(anew) }); err != nil {
		return err
	}
	if s.hearsOfCalls() {
		s.calls.begin()
		if err := h.Follow(ctx, events.StreamCalls, s.FollowCall, func() { s.calls.reset(); poke(recall) }); err != nil {
			return err
		}
	}
	raws, err := followRaw(ctx, h, s)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, s.lanes.End)
	pages, err := s.serve(h, o)
	if err != nil {
		return err
	}
	deaf, err := h.HearBeats(s.PeerLives)
	if err != nil {
		return err
	}
	defer deaf()
	var wg sync.WaitGroup
	wg.Go(func() { raws.keep(ctx, anew) })
	wg.Go(func() { s.pollDue(ctx) })
	wg.Go(func() { s.recall(ctx, h, recall) })
	wg.Go(func() { s.keepFeeds(ctx) })
	wg.Go(func() { every(ctx, 5*s.PollEvery, nil, func() { s.AskDesktops(pages) }) })
	wg.Go(func() { h.Beat(ctx, s.Process(), s.Alive) })
	wg.Go(func() { every(ctx, s.Alive, s.sessions.poke, func() { s.KeepSessions(ctx, pages) }) })
	err = h.Run(ctx, s.Routes()...)
	stop()
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err = errors.Join(err, pages.close(end))
	wg.Wait()
	return err
}

// recall looks for the calls that were over before this process heard anything,
// and again when the log is heard from its beginning, until ctx ends.
func (s *Service) recall(ctx context.Context, h *runtime.Host, again <-chan struct{}) {
	for s.calls.isRecalling() {
		past := s.recollection()
		err := log.Past(ctx, h.JS, recallSpan, recollects, past.take)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			h.Logger.WarnContext(ctx, "the calls that are over cannot be looked through now; news by name waits", "code", fault.Code(err))
			rest(ctx, time.Second)
			continue
		}
		past.done()
		select {
		case <-ctx.Done():
			return
		case <-again:
			s.calls.begin()
		}
	}
}

// openDoors are the doors of desktops, of each product one. An agent's desktop
// is behind one of them at most.
type openDoors []providers.DesktopDoor

// Tell implements Pages.
func (ds openDoors) Tell(connection, agent string) bool {
	return slices.ContainsFunc(ds, func(d providers.DesktopDoor) bool { return d.Tell(connection, agent) })
}

// Replace implements Pages.
func (ds openDoors) Replace(connection, agent, session string) {
	for _, d := range ds {
		d.Replace(connection, agent, session)
	}
}

func (ds openDoors) close(ctx context.Context) (err error) {
	for _, d := range ds {
		err = errors.Join(err, d.Close(ctx))
	}
	return err
}

// serve opens the ways in: desktops' sockets, HTTP, and commands.
func (s *Service) serve(h *runtime.Host, o RunOptions) (openDoors, error) {
	var pages openDoors
	for _, product := range o.Desktops {
		var desk *DesktopSink
		d, err := product.Open(h.NC, providers.DoorConfig{
			Sink: func(routes providers.DesktopRoutes) providers.DesktopSink {
				desk = s.Desk(routes)
				return desk
			},
			Authorize: o.Authorize, Origins: o.Origins, Log: h.Logger, Now: h.Now,
		})
		if err != nil {
			return nil, errors.Join(err, pages.close(context.Background()))
		}
		desk.tell = d.Tell
		pages = append(pages, d)
		o.Mux.Handle("GET "+product.Path(), d)
	}
	posts := &HTTPAPI{S: s, Requests: h, Check: s.check(h, o.CallsAge), Token: o.Token, Hook: o.Hook, Origins: o.Origins}
	posts.Routes(o.Mux)
	return pages, h.Serve("normalizes what providers and desktops say", s.Endpoints())
}

// every has something done at once, and again whenever a time has passed or
// somebody pokes, until ctx ends.
func every(ctx context.Context, period time.Duration, poked <-chan struct{}, do func()) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		do()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-poked:
		}
	}
}

func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// pollDue asks whoever is due, each beside the others, until ctx ends.
func (s *Service) pollDue(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	grain := s.PollEvery / 100 // who is due within it is asked together
	asked := make(chan struct{}, 1)
	for ctx.Err() == nil {
		now := time.Now()
		due, next := s.Due(now)
		for _, ref := range due {
			wg.Go(func() {
				pause := s.PollOnce(ctx, ref)
				s.Later(ref, time.Now().Add(pause))
				poke(asked)
			})
		}
		wait := time.Minute
		if !next.IsZero() {
			wait = max(next.Sub(now), grain)
		}
		if rest(ctx, wait, s.agents.fresh, asked) {
			rest(ctx, grain)
		}
	}
}

// rest waits for a while, and says whether it was cut short.
func rest(ctx context.Context, d time.Duration, by ...<-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	var one, other <-chan struct{}
	if len(by) == 2 {
		one, other = by[0], by[1]
	}
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-one:
		return true
	case <-other:
		return true
	}
	return false
}

// A teller asks an agent's page to say again whether the agent is ready.
type teller interface {
	Tell(connection, agent string) bool
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
			Takes:   s.Directory.Takes(tenant),
			Ruleset: t.MayName,
		})
	}
}
