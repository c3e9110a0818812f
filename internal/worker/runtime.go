package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/outdial/outdial/internal/clock"
)

// ErrClosed says that the connection to NATS is closed for good.
var ErrClosed = errors.New("the NATS connection is closed")

// A Runtime runs the routes of one service.
type Runtime struct {
	cfg     Config
	js      jetstream.JetStream
	metrics *metrics
	tracer  trace.Tracer
	traced  bool
	asides  *asides
	drain   chan struct{}
	once    sync.Once
	done    chan struct{} // closed when Run has returned
}

// New makes a runtime. It reports everything that is wrong with c at once.
func New(c Config) (*Runtime, error) {
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("worker: %w", err)
	}
	js, err := jetstream.New(c.NC)
	if err != nil {
		return nil, fmt.Errorf("worker: %w", err)
	}
	m, err := newMetrics(c.Meter)
	if err != nil {
		return nil, fmt.Errorf("worker: metrics: %w", err)
	}
	_, untraced := c.Tracer.(tracenoop.TracerProvider)
	if untraced = untraced || c.Tracer == nil; untraced {
		c.Tracer = tracenoop.NewTracerProvider()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = clock.System()
	}
	if c.Seen == nil {
		c.Seen = func(string, uint64, string) {}
	}
	if c.Held == nil {
		c.Held = func() bool { return false }
	}
	if c.Paused == nil {
		c.Paused = func(string, bool) {}
	}
	c.StallAfter = cmp.Or(c.StallAfter, 15*time.Second)
	c.HoldDelay = cmp.Or(c.HoldDelay, time.Minute)
	c.Grace = cmp.Or(c.Grace, 25*time.Second)
	c.MaxFailures = cmp.Or(c.MaxFailures, 8)
	c.Backoff = cmp.Or(c.Backoff, 250*time.Millisecond)
	c.PerConnection = cmp.Or(c.PerConnection, 16)
	return &Runtime{
		cfg: c, js: js, metrics: m, tracer: c.Tracer.Tracer(scope), traced: !untraced, asides: newAsides(c.PerConnection),
		drain: make(chan struct{}), done: make(chan struct{}),
	}, nil
}

// Run binds every route's consumer and handles messages until ctx ends or
// Drain is called; then it stops pulling, hands back what waits in the buffer,
// lets handlers finish within the grace and returns nil. It returns an error
// when a consumer is missing, when the connection is closed for good, and when
// handlers do not finish. A runtime runs once.
func (r *Runtime) Run(ctx context.Context, routes ...Route) error {
	defer close(r.done)
	if len(routes) == 0 {
		return errors.New("worker: no routes")
	}
	pull, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	handle, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	defer r.watch(pull, stop)()
	consumers := make([]*consumer, 0, len(routes))
	for _, route := range routes {
		c, err := r.bind(pull, route.withDefaults())
		if cause := context.Cause(pull); err != nil && pull.Err() != nil && !errors.Is(cause, ErrClosed) {
			return nil // asked to end before it had begun
		}
		if err != nil {
			return err
		}
		consumers = append(consumers, c)
	}
	var wg sync.WaitGroup
	errs := make([]error, len(consumers))
	for i, c := range consumers {
		wg.Go(func() {
			if errs[i] = c.run(pull, handle); errs[i] != nil {
				stop(errs[i])
			}
		})
	}
	finished := make(chan struct{})
	go func() { wg.Wait(); close(finished) }()
	<-pull.Done()
	err := r.await(finished, abort)
	if cause := context.Cause(pull); errors.Is(cause, ErrClosed) {
		err = errors.Join(cause, err)
	}
	if err != nil {
		return err
	}
	return errors.Join(errs...)
}

// watch stops the pulling when Drain is called or the connection closes for
// good; the returned function ends the watch.
func (r *Runtime) watch(pull context.Context, stop context.CancelCauseFunc) (end func()) {
	closed := r.cfg.NC.StatusChanged(nats.CLOSED)
	if r.cfg.NC.IsClosed() {
		stop(ErrClosed)
	}
	go func() {
		select {
		case <-r.drain:
			stop(nil)
		case <-closed:
			stop(ErrClosed)
		case <-pull.Done():
		}
	}()
	return func() { r.cfg.NC.RemoveStatusListener(closed) }
}

// await gives handlers their grace, then cuts them short.
func (r *Runtime) await(finished chan struct{}, abort func()) error {
	for _, step := range []func(){abort, func() {}} {
		t := time.NewTimer(r.cfg.Grace)
		select {
		case <-finished:
			t.Stop()
			return nil
		case <-t.C:
			step()
		}
	}
	return fmt.Errorf("worker: handlers did not finish within %s", 2*r.cfg.Grace)
}

// Drain ends Run in good order and waits until it has returned. It is for a
// runtime that Run was called on.
func (r *Runtime) Drain() {
	r.once.Do(func() { close(r.drain) })
	<-r.done
}

// bind finds a route's consumer, and waits for a broker that is away. Workers
// never make a consumer.
func (r *Runtime) bind(ctx context.Context, route Route) (*consumer, error) {
	cons, err := r.find(ctx, route)
	for ; err != nil; cons, err = r.find(ctx, route) {
		if missing(err) {
			return nil, fmt.Errorf("consumer %s does not exist: run outdial provision", route.name())
		}
		if ctx.Err() != nil || r.cfg.NC.IsClosed() {
			return nil, fmt.Errorf("consumer %s: %w", route.name(), errors.Join(context.Cause(ctx), err))
		}
		r.cfg.Logger.Warn("broker does not answer, waiting for it", "stream", route.Stream, "consumer", route.Durable)
		sleep(ctx, 500*time.Millisecond)
	}
	return &consumer{
		rt: r, route: route, cons: cons, ackWait: cons.CachedInfo().Config.AckWait,
		failures: newFailures(r.cfg.MaxFailures),
		metrics:  r.metrics.of(route),
		log:      r.cfg.Logger.With("stream", route.Stream, "consumer", route.Durable),
	}, nil
}

func (r *Runtime) find(ctx context.Context, route Route) (jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return r.js.Consumer(ctx, route.Stream, route.Durable)
}

func missing(err error) bool {
	return errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) ||
		errors.Is(err, jetstream.ErrConsumerDoesNotExist) || errors.Is(err, jetstream.ErrConsumerDeleted)
}
