// Package runtime is the plumbing that every outdial process shares: the
// connection to NATS, the clock, the log, telemetry, health and the HTTP
// server. A service gets its parts from a Host and knows nothing of where they
// come from; the same service runs alone or beside the others.
package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"github.com/outdial/outdial/internal/api"
	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/internal/clock"
	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/log/marks"
	"github.com/outdial/outdial/internal/telemetry"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
)

// Options say what a host is made of.
type Options struct {
	Service   string // orchestrator, compliance, dialer, events-bridge
	Role      events.Role
	Version   string
	Connect   worker.ConnectOptions
	Embedded  broker.Local // nil: the server is elsewhere
	Monitor   string       // HTTP of a server elsewhere
	Unsafe    bool         // accept a server that does not fsync
	Telemetry *telemetry.Telemetry
	Worker    config.WorkerTiming // zero: the worker's own defaults
	Limits    config.Limits       // likewise
	// Talk is how long a customer who was handed on may be on a line of ours;
	// zero: the orchestrator's own default.
	Talk time.Duration
	// State is a folder of this service's own where it keeps what it knows of
	// the store; empty: nowhere, and a restart believes any store.
	State string
	// Following is what all services of a process hear the logs with; nil: this
	// one hears them by itself.
	Following *Following
	// Batch has appends that wait go together where the streams take it, those
	// of all services that follow together.
	Batch bool
	// Directory builds the tenants and connections; desktops are reached over nc.
	Directory func(now func() time.Time, nc *nats.Conn) (*tenants.Directory, error)
	// Machine is the machine's clock, which the server's is compared with; default
	// time.Now.
	Machine func() time.Time
}

// A Host is one service's share of a process.
type Host struct {
	Service     string
	Version     string
	NC          *nats.Conn
	JS          jetstream.JetStream
	Log         *log.Log
	Clock       *clock.Shifted
	Directory   *tenants.Directory
	Logger      *slog.Logger
	Telemetry   *telemetry.Telemetry
	Incarnation time.Time // of the AGENTS stream
	role        events.Role
	timing      config.WorkerTiming
	limits      config.Limits
	talk        time.Duration
	past        *past
	following   *Following
	machine     func() time.Time
	ready       atomic.Bool
	apart       atomic.Bool // its machine's clock is too far from the server's
	paused      sync.Map    // the consumers that somebody has paused
	services    []micro.Service
}

// Open connects, checks that the server keeps what it acknowledges, and reads
// the clock.
func Open(ctx context.Context, o Options) (*Host, error) {
	h := &Host{Service: o.Service, Version: o.Version, role: o.Role, timing: o.Worker, limits: o.Limits, Telemetry: o.Telemetry,
		talk:   config.OrDefault(config.OrchestratorTiming{Talk: o.Talk}).Talk,
		Logger: o.Telemetry.Logger.With("role", string(o.Role))}
	o.Connect.Name, o.Connect.Logger, o.Connect.Meter = "outdial-"+o.Service, h.Logger, o.Telemetry.Meter
	var err error
	if h.NC, err = worker.Connect(ctx, o.Connect); err != nil {
		return nil, err
	}
	if err := h.open(ctx, o); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

func (h *Host) open(ctx context.Context, o Options) error {
	if !o.Unsafe {
		if err := broker.CheckDurability(ctx, h.NC, o.Monitor, o.Embedded); err != nil {
			return err
		}
	}
	var err error
	if h.JS, err = jetstream.New(h.NC); err != nil {
		return err
	}
	h.Clock, err = clock.Load(ctx, h.JS)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("%w; run `outdial provision` first", err)
	}
	if err != nil {
		return err
	}
	h.machine = o.Machine
	if h.machine == nil {
		h.machine = time.Now
	}
	before := h.machine()
	stream, err := h.JS.Stream(ctx, events.StreamAgents)
	if err != nil {
		return fmt.Errorf("stream %s: %w; run `outdial provision` first", events.StreamAgents, err)
	}
	if err := clock.Agree(clock.Ahead(before, h.machine(), stream.CachedInfo().TimeStamp)); err != nil {
		return err
	}
	h.Incarnation = stream.CachedInfo().Created
	if h.past, err = openPast(ctx, h, o.State); err != nil {
		return err
	}
	if h.following = o.Following; h.following == nil {
		h.following = &Following{}
	}
	var lanes log.Lanes
	if o.Batch {
		if lanes, err = h.following.share(ctx, h); err != nil {
			return err
		}
	}
	leader := log.NewJetStream(h.JS, log.Options{Guard: h.past.guard, Lanes: lanes})
	h.following.add(h, leader)
	h.Log = log.New(leader, h.following.view)
	h.Directory, err = o.Directory(h.Now, h.NC)
	return err
}

// Now is outdial's clock: the machine's, or a rehearsal's.
func (h *Host) Now() time.Time { return h.Clock.Now() }

// Ready reports whether the service does its work. A dialer on a store that
// went back in time does not, nor does who has another hour.
func (h *Host) Ready() bool {
	return h.Working() && !h.apart.Load() && (h.role != events.Dialer || !h.Held())
}

// Working reports whether the service runs, be it that it holds back.
func (h *Host) Working() bool { return h.ready.Load() && h.NC.IsConnected() }

// Pauses lists the service's consumers that somebody has paused. It is ready
// all the same: nothing is gained by starting it again, or by leaving it out.
func (h *Host) Pauses() (names []string) {
	h.paused.Range(func(name, _ any) bool { names = append(names, name.(string)); return true })
	slices.Sort(names)
	return names
}

func (h *Host) pause(consumer string, is bool) {
	if is {
		h.paused.Store(consumer, is)
	} else {
		h.paused.Delete(consumer)
	}
}

// Held reports whether the store went back in time and nobody has accepted it
// yet: nothing is claimed, prepared or dialed meanwhile.
func (h *Host) Held() bool { return h.past.book.Held() != nil }

// Standing says how the store stands, and what was in it when it was accepted.
func (h *Host) Standing() marks.Standing {
	h.past.mu.Lock()
	defer h.past.mu.Unlock()
	s := h.past.standing
	s.Held = s.Held || h.Held()
	return s
}

// Keep has what is known of the store kept by k as well, and compares the
// store with what k knew.
func (h *Host) Keep(ctx context.Context, k Keeper) { h.past.keep(ctx, k) }

// Serve registers the service's commands and queries.
func (h *Host) Serve(description string, endpoints []api.Endpoint) error {
	var tenants []string
	for _, t := range h.Directory.Tenants() {
		tenants = append(tenants, t.Name)
	}
	svc, err := api.Serve(h.NC, "outdial-"+h.Service, h.Version, description, h.Logger, tenants, endpoints)
	if err == nil {
		h.services = append(h.services, svc)
	}
	return err
}

func (h *Host) connected(tenant, name string) bool {
	_, ok := h.Directory.Connection(tenant, name)
	return ok
}

// Run runs the routes until ctx ends, then drains.
func (h *Host) Run(ctx context.Context, routes ...worker.Route) error {
	rt, err := worker.New(worker.Config{
		NC: h.NC, Name: h.Service, Rejecter: worker.NewRejecter(h.JS, h.role, h.key),
		Meter: h.Telemetry.Meter, Tracer: h.Telemetry.Tracer, Logger: h.Logger, Clock: h.Clock,
		Seen: h.past.book.Seen, Heard: h.following.view.Event, Held: h.Held, Paused: h.pause,
		StallAfter: h.timing.StallAfter, HoldDelay: h.timing.HoldDelay, Grace: h.timing.Grace, Backoff: h.timing.Backoff,
		PerConnection: h.limits.PerConnection, Connection: h.connected,
	})
	if err != nil {
		return err
	}
	h.ready.Store(true)
	defer h.ready.Store(false)
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { h.watchClock(ctx) })
	defer wg.Wait()
	defer stop()
	return rt.Run(ctx, routes...)
}

func (h *Host) key(tenant string) (events.Key, bool) {
	t, ok := h.Directory.Tenant(tenant)
	return t.Key, ok
}

// Follow tells of the calls that are open, or of the last event of every agent,
// and then of every event of that stream in order, for as long as ctx lives. It
// returns once everything stored at the start was told. When the store went back
// in time, and when it was accepted, reset is called and all is told anew: what
// was told before is of another past.
func (h *Host) Follow(ctx context.Context, stream string, take func(events.Record), reset func()) error {
	return h.following.follow(ctx, stream, take, reset)
}

// HearAgents has the process hold every agent as it last heard of her. One that
// neither calls this nor follows AGENTS asks the leader about each.
func (h *Host) HearAgents() { h.following.begun[events.AgentFamily]() }

// Close lets go of everything.
func (h *Host) Close() {
	for _, s := range h.services {
		_ = s.Stop()
	}
	if h.following != nil {
		h.following.leave(h)
	}
	if h.past != nil {
		h.past.close()
	}
	_ = h.NC.FlushTimeout(time.Second)
	h.NC.Close()
}
