package rig

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/internal/telemetry"
	"github.com/outdial/outdial/services/compliance"
	"github.com/outdial/outdial/services/dialer"
	bridge "github.com/outdial/outdial/services/events-bridge"
	"github.com/outdial/outdial/services/orchestrator"
)

// A service is one running copy of one of the four.
type service interface {
	ready() bool
	stop(kill bool) // waits for the end
	ended() error   // why it ended by itself, nil while it runs
}

const soon = 30 * time.Second

// StartAll starts every copy of every service that does not run, and waits
// until they are at work.
func (r *Rig) StartAll() {
	r.t.Helper()
	for _, name := range Services() {
		for i := range r.opts.Copies {
			r.StartService(name, i)
		}
	}
	for _, name := range Services() {
		for i := range r.opts.Copies {
			r.AwaitReady(name, i)
		}
	}
}

// StartService starts one copy and does not wait for it.
func (r *Rig) StartService(name string, copy int) {
	r.t.Helper()
	for len(r.running[name]) <= copy {
		r.running[name] = append(r.running[name], nil)
	}
	if r.opts.Processes {
		r.running[name][copy] = r.child(name, copy)
		return
	}
	r.running[name][copy] = r.inProcess(name, copy)
}

// AwaitReady waits until a copy is at work.
func (r *Rig) AwaitReady(name string, copy int) {
	r.t.Helper()
	deadline := time.Now().Add(2 * soon)
	for {
		s := r.running[name][copy]
		switch {
		case s.ready():
			return
		case s.ended() != nil:
			r.t.Fatalf("%s did not start: %v\n%s", name, s.ended(), r.logs.tail(4000))
		case time.Now().After(deadline):
			r.t.Fatalf("%s is not ready\n%s", name, r.logs.tail(4000))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// StopService ends one copy in good order.
func (r *Rig) StopService(name string, copy int) { r.end(name, copy, false) }

// Kill ends one copy as kill -9 does.
func (r *Rig) Kill(name string, copy int) { r.end(name, copy, true) }

func (r *Rig) end(name string, copy int, kill bool) {
	if s := r.running[name]; len(s) > copy && s[copy] != nil {
		s[copy].stop(kill)
		s[copy] = nil
	}
}

// StopAll ends every copy in good order.
func (r *Rig) StopAll() {
	var wg sync.WaitGroup
	for name, copies := range r.running {
		for i := range copies {
			wg.Go(func() { r.end(name, i, false) })
		}
	}
	wg.Wait()
}

// hosted is a service in this process.
type hosted struct {
	host   *runtime.Host
	cancel context.CancelFunc
	done   chan struct{}
	err    error
	tele   *telemetry.Telemetry
}

func (h *hosted) ready() bool { return h.host.Ready() }

func (h *hosted) ended() error {
	select {
	case <-h.done:
		return errors.Join(errors.New("ended"), h.err)
	default:
		return nil
	}
}

// stop with kill takes the connection away first, so that nothing of the end
// comes out: to everybody else it is a process that was killed.
func (h *hosted) stop(kill bool) {
	if kill {
		h.host.NC.Close()
	}
	h.cancel()
	<-h.done
	h.host.Close()
	_ = h.tele.Shutdown(context.Background())
}

// inProcess starts a service as runtime.Solo does, but in this process.
func (r *Rig) inProcess(name string, copy int) service {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	tele, err := telemetry.Start(ctx, telemetry.Config{Service: "outdial-" + name, Version: "e2e", Getenv: r.getenv, LogTo: r.logs, Level: debug})
	if err != nil {
		r.t.Fatal(err)
	}
	if r.opts.Tracer != nil {
		tele.Tracer = r.opts.Tracer
	}
	setup := runtime.Setup{Config: r.cfg, Version: "0.0.0-e2e", Telemetry: tele}
	let := func() {}
	if setup.Pace, let, err = setup.Pacer(tele.Logger); err != nil {
		r.t.Fatal(err)
	}
	host, err := setup.Host(ctx, name)
	if err != nil {
		cancel()
		r.t.Fatal(err)
	}
	mux := http.NewServeMux()
	runtime.Health(mux, tele.Metrics, setup.Version, func() []*runtime.Host { return []*runtime.Host{host} })
	_, wait, err := runtime.ListenAndServe(ctx, r.addrs[name][copy], mux)
	if err != nil {
		cancel()
		r.t.Fatal(err)
	}
	h := &hosted{host: host, cancel: cancel, done: make(chan struct{}), tele: tele}
	go func() {
		defer close(h.done)
		err := run(ctx, setup, host, mux)
		cancel()
		let()
		h.err = errors.Join(err, wait())
	}()
	return h
}

// Host is a service's share of this process that runs nothing yet, for a test
// that runs it in its own way.
func (r *Rig) Host(name string) *runtime.Host {
	r.t.Helper()
	ctx := context.Background()
	tele, err := telemetry.Start(ctx, telemetry.Config{Service: "outdial-" + name, Version: "e2e", Getenv: r.getenv, LogTo: r.logs, Level: debug})
	if err != nil {
		r.t.Fatal(err)
	}
	host, err := runtime.Setup{Config: r.cfg, Version: "0.0.0-e2e", Telemetry: tele}.Host(ctx, name)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { host.Close(); _ = tele.Shutdown(ctx) })
	return host
}

// run is what the service's own main function does.
func run(ctx context.Context, s runtime.Setup, h *runtime.Host, mux *http.ServeMux) error {
	switch h.Service {
	case "orchestrator":
		store, _, stop, err := s.Sessions(ctx, h.Logger)
		if err != nil {
			return err
		}
		defer stop()
		return orchestrator.Run(ctx, h, orchestrator.Options(s, store))
	case "compliance":
		c, err := compliance.Options(s)
		if err != nil {
			return err
		}
		return compliance.Run(ctx, h, c)
	case "dialer":
		return dialer.Run(ctx, h, dialer.Options(s))
	case "events-bridge":
		return bridge.Run(ctx, h, bridge.Options(s, mux))
	}
	return fmt.Errorf("no service %q", h.Service)
}
