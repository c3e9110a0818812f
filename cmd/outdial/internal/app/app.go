// Package app runs the four services in one process: NATS embedded unless one
// is configured, Redis configured, found or in memory, one HTTP address.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/internal/broker/embedded"
	"github.com/outdial/outdial/internal/clock"
	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/internal/runtime/keycheck"
	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/internal/telemetry"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/services/compliance"
	"github.com/outdial/outdial/services/dialer"
	bridge "github.com/outdial/outdial/services/events-bridge"
	"github.com/outdial/outdial/services/orchestrator"
)

// Options say how to run.
type Options struct {
	Config  *config.Config
	Version string
	Unsafe  bool      // accept, or run, a server that does not fsync
	At      time.Time // rehearse as if it were then; zero: the real clock
	Accept  keycheck.Accept
	Witness string // see Witness; "" for none
	// Restored says that the store was put back from a copy.
	Restored bool
	LogTo    io.Writer
	Level    slog.Level
	Getenv   func(string) string
}

// An App is outdial, running.
type App struct {
	Setup    runtime.Setup
	Addr     string // of HTTP
	NATS     string // for clients of other processes, "" if there are none
	Sessions string // where agents' sessions are
	Clock    *clock.Shifted
	Logger   *slog.Logger

	store  sessions.Store
	hosts  map[string]*runtime.Host
	closer []func()
	stop   context.CancelFunc
	wait   sync.WaitGroup
	mu     sync.Mutex
	errs   []error
}

// Start starts everything and returns when it is at work.
func Start(ctx context.Context, o Options) (*App, error) {
	a := &App{hosts: map[string]*runtime.Host{}}
	ctx, a.stop = context.WithCancel(ctx)
	if err := a.start(ctx, o); err != nil {
		a.Close()
		return nil, errors.Join(append(a.errs, err)...)
	}
	return a, nil
}

func (a *App) start(ctx context.Context, o Options) error {
	var refused []error
	for _, c := range Before(ctx, o, false) {
		refused = append(refused, c.Err)
	}
	if err := errors.Join(refused...); err != nil {
		return err
	}
	tele, err := telemetry.Start(ctx, telemetry.Config{Service: "outdial", Version: o.Version, LogTo: o.LogTo, Level: o.Level, Getenv: o.Getenv})
	if err != nil {
		return err
	}
	a.defers(func() { _ = tele.Shutdown(context.Background()) })
	a.Logger = tele.Logger
	runtime.Say(o.Config, a.Logger)
	a.Setup = runtime.Setup{Config: o.Config, Version: o.Version, Unsafe: o.Unsafe, Telemetry: tele,
		Following: &runtime.Following{}}
	if err := a.server(o); err != nil {
		return err
	}
	if err := a.prepare(ctx, o); err != nil {
		return err
	}
	pacer, let, err := a.Setup.Pacer(a.Logger)
	if err != nil {
		return err
	}
	a.defers(let)
	a.Setup.Pace = pacer
	store, what, stop, err := a.Setup.Sessions(ctx, a.Logger)
	if err != nil {
		return err
	}
	a.defers(stop)
	a.Sessions, a.store = what, store
	if o.Witness != "" {
		a.store = witnessed{store, o.Witness}
	}
	return a.services(ctx, o)
}

func (a *App) defers(f func()) { a.closer = append(a.closer, f) }

// server starts the embedded server, unless one is configured.
func (a *App) server(o Options) error {
	n := o.Config.NATS
	a.NATS = n.URL.String()
	if n.URL.Reveal() != "" {
		return nil
	}
	c := serverConfig(o)
	c.Log = a.Logger
	srv, err := embedded.Start(c)
	if err != nil {
		return err
	}
	embedded.MoreThreads()
	a.defers(srv.Stop)
	a.Setup.Embedded, a.NATS = srv, srv.ClientURL()
	return nil
}

// prepare makes the streams of an embedded server, checks those of another,
// and fixes the clock of a rehearsal.
func (a *App) prepare(ctx context.Context, o Options) error {
	nc, err := worker.Connect(ctx, a.Setup.Connect("outdial-up"))
	if err != nil {
		return err
	}
	defer nc.Close()
	if !o.Unsafe {
		if err := broker.CheckDurability(ctx, nc, o.Config.NATS.Monitor, a.Setup.Embedded); err != nil {
			return err
		}
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	if err := MayFix(ctx, js, o.Config, o.At); err != nil {
		return err
	}
	if a.Setup.Embedded == nil {
		err = errors.Join(keycheck.Check(ctx, js, a.Setup.Keys()), Compare(ctx, js, a.Setup))
	} else {
		err = Provision(ctx, js, a.Setup, o.Accept, false, io.Discard)
	}
	if err != nil {
		return err
	}
	if a.Clock, err = FixClock(ctx, js, o.At); err == nil && o.Restored {
		err = runtime.Declare(ctx, js, a.Clock.Now())
	}
	return err
}

// Provision makes the streams and consumers, and puts the check values of the
// tenants' keys on record. It says what it changes, or with dry would change. A
// store that was made with other keys is refused before anything is changed.
func Provision(ctx context.Context, js jetstream.JetStream, s runtime.Setup, accept keycheck.Accept, dry bool, out io.Writer) error {
	fresh, err := keycheck.Examine(ctx, js, s.Keys(), accept)
	if err != nil {
		return err
	}
	layout, err := plan(ctx, js, s)
	if err != nil {
		return err
	}
	walk := broker.Diff
	if !dry {
		walk = broker.Apply
		if err := whole(ctx, js, layout); err != nil {
			return err
		}
	}
	changes, err := walk(ctx, js, layout)
	for _, c := range changes {
		fmt.Fprintln(out, c)
	}
	if err != nil {
		return err
	}
	for _, t := range fresh {
		fmt.Fprintf(out, "record the check value of tenant %s's key\n", t.Name)
	}
	if dry {
		return nil
	}
	return keycheck.Write(ctx, js, fresh, accept)
}

// Compare looks whether the streams and consumers are there and as they should
// be.
func Compare(ctx context.Context, js jetstream.JetStream, s runtime.Setup) error {
	layout, err := plan(ctx, js, s)
	if err != nil {
		return err
	}
	if err := whole(ctx, js, layout); err != nil {
		return err
	}
	changes, err := broker.Diff(ctx, js, layout)
	if err == nil && len(changes) > 0 {
		return fmt.Errorf("the server is not as it should be (%s, and %d more); run `outdial provision -c FILE`", changes[0], len(changes)-1)
	}
	return err
}

func plan(ctx context.Context, js jetstream.JetStream, s runtime.Setup) (broker.Layout, error) {
	room, err := room(ctx, js, s.Config.NATS)
	if err != nil {
		return broker.Layout{}, err
	}
	return broker.Plan(s.Tenants(), broker.Options{CallsKeep: s.Config.CallsAge, Store: room, Connections: len(s.Config.Connections)})
}

// room is what all streams together may hold: as configured, as the account or
// the server grants it, or a default.
func room(ctx context.Context, js jetstream.JetStream, n config.NATS) (int64, error) {
	if n.MaxStore > 0 {
		return int64(n.MaxStore), nil
	}
	if n.URL.Reveal() == "" {
		return embedded.Room(n.Store), nil
	}
	info, err := js.AccountInfo(ctx)
	if err != nil {
		return 0, fmt.Errorf("what the account may hold: %w", err)
	}
	if info.Limits.MaxStore > 0 {
		return info.Limits.MaxStore, nil
	}
	return embedded.Rounded(broker.Granted(ctx, n.Monitor)), nil
}

// whole refuses to make CALLS anew beside streams that are there: whatever was
// dialed before would be forgotten, and every request could be dialed again.
func whole(ctx context.Context, js jetstream.JetStream, layout broker.Layout) error {
	changes, err := broker.Diff(ctx, js, layout)
	if err != nil {
		return err
	}
	made := map[string]bool{}
	for _, c := range changes {
		if c.Action == broker.Create && c.Consumer == "" {
			made[c.Stream] = true
		}
	}
	if made[events.StreamCalls] != made[events.StreamAgents] {
		lost, there := events.StreamCalls, events.StreamAgents
		if made[there] {
			lost, there = there, lost
		}
		return fmt.Errorf("the stream %s is gone while %s is still there: its calls and claims are forgotten, and making it anew could dial them again; restore a backup, or begin with an empty store", lost, there)
	}
	return nil
}

// MayFix refuses a rehearsal, before anything is changed, unless every provider is
// on this machine and the store has not run on the real clock.
func MayFix(ctx context.Context, js jetstream.JetStream, cfg *config.Config, at time.Time) error {
	switch {
	case at.IsZero():
		return nil
	case !cfg.Loopback():
		return errors.New("--at is for rehearsals: every provider, and every door, must be on loopback")
	}
	return clock.May(ctx, js)
}

// FixClock shifts the clock of a rehearsal that MayFix has let pass, once.
func FixClock(ctx context.Context, js jetstream.JetStream, at time.Time) (*clock.Shifted, error) {
	if at.IsZero() {
		return clock.Load(ctx, js)
	}
	return clock.Fix(ctx, js, at)
}

// services starts the four services and the HTTP server.
func (a *App) services(ctx context.Context, o Options) error {
	mux := http.NewServeMux()
	var hosts []*runtime.Host
	for _, name := range []string{"orchestrator", "compliance", "dialer", "events-bridge"} {
		h, err := a.Setup.Host(ctx, name)
		if err != nil {
			return err
		}
		a.defers(h.Close)
		if k, ok := a.store.(runtime.Keeper); ok && name == "orchestrator" {
			h.Keep(ctx, k) // the others start on what Redis, or the witness, knows of the store
		}
		a.hosts[name] = h
		hosts = append(hosts, h)
	}
	rules, err := compliance.Options(a.Setup)
	if err != nil {
		return err
	}
	runtime.Health(mux, a.Setup.Telemetry.Metrics, o.Version, func() []*runtime.Host { return hosts })
	a.run(ctx, "orchestrator", func(ctx context.Context, h *runtime.Host) error {
		return orchestrator.Run(ctx, h, orchestrator.Options(a.Setup, a.store))
	})
	a.run(ctx, "compliance", func(ctx context.Context, h *runtime.Host) error { return compliance.Run(ctx, h, rules) })
	a.run(ctx, "dialer", func(ctx context.Context, h *runtime.Host) error { return dialer.Run(ctx, h, dialer.Options(a.Setup)) })
	a.run(ctx, "events-bridge", func(ctx context.Context, h *runtime.Host) error {
		return bridge.Run(ctx, h, bridge.Options(a.Setup, mux))
	})
	addr, wait, err := runtime.ListenAndServe(ctx, o.Config.HTTP.Listen, mux)
	if err != nil {
		return fmt.Errorf("http.listen: %w; does another outdial run here?", err)
	}
	a.Addr = addr
	a.wait.Go(func() { a.note("http", wait()) })
	return a.ready(ctx, hosts)
}

func (a *App) run(ctx context.Context, name string, f func(context.Context, *runtime.Host) error) {
	a.wait.Go(func() {
		err := f(ctx, a.hosts[name])
		if ctx.Err() == nil {
			a.Logger.Error("a service ended, and the others with it", "role", name, "error", fmt.Sprint(err))
			a.stop() // one that ends takes the others with it: something restarts us
		}
		a.note(name, err)
	})
}

func (a *App) note(name string, err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.errs = append(a.errs, fmt.Errorf("%s: %w", name, err))
}

// ready waits until all services are at work, be it that the dialer holds back.
func (a *App) ready(ctx context.Context, hosts []*runtime.Host) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		all := true
		for _, h := range hosts {
			all = all && h.Working()
		}
		if all {
			return nil
		}
		select {
		case <-ctx.Done():
			a.wait.Wait()
			return errors.Join(append(a.errs, errors.New("outdial did not start"))...)
		case <-tick.C:
		}
	}
}

// Client opens a connection for whoever runs the app, as an outsider.
func (a *App) Client(name string) (*nats.Conn, error) {
	return worker.Connect(context.Background(), a.Setup.Connect(name))
}

// Host is one of the services' hosts.
func (a *App) Host(service string) *runtime.Host { return a.hosts[service] }

// Wait waits until every service has ended, and says why they did.
func (a *App) Wait() error {
	a.wait.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	return errors.Join(a.errs...)
}

// Close stops everything, in the order opposite to the start.
func (a *App) Close() {
	a.stop()
	a.wait.Wait()
	for i := len(a.closer) - 1; i >= 0; i-- {
		a.closer[i]()
	}
	a.closer = nil
}
