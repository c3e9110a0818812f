package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

func TestAMessageOutlivesTheProcessThatHeldIt(t *testing.T) {
	t.Parallel()
	b := newBench(t, 300*time.Millisecond)
	first, _ := b.config(t)
	held, gone := make(chan struct{}), make(chan struct{})
	dying := run(t, first, requestsTo(func(context.Context, Delivery) error {
		close(held)
		<-gone
		return nil
	}))
	b.request(t, "x")
	<-held
	first.NC.Close() // as kill -9 would: no ack, no nak
	close(gone)
	if err := <-dying.err; !errors.Is(err, ErrClosed) {
		t.Errorf("a closed connection ended with %v", err)
	}

	second, _ := b.config(t)
	var tries atomic.Int32
	run(t, second, requestsTo(func(_ context.Context, d Delivery) error {
		tries.Store(int32(d.Tries))
		return nil
	}))
	b.settled(t, "REQUESTS_acme")
	if tries.Load() < 2 {
		t.Errorf("delivered %d times", tries.Load())
	}
}

func TestALongHandlerKeepsItsMessage(t *testing.T) {
	t.Parallel()
	b := newBench(t, 200*time.Millisecond)
	c, _ := b.config(t)
	var heard atomic.Int32
	run(t, c, requestsTo(func(ctx context.Context, _ Delivery) error {
		heard.Add(1)
		sleep(ctx, time.Second) // five times AckWait
		return nil
	}))
	b.request(t, "x")
	eventually(t, "heard", func() bool { return heard.Load() > 0 })
	b.settled(t, "REQUESTS_acme")
	if heard.Load() != 1 {
		t.Errorf("heard %d times", heard.Load())
	}
}

func TestDrainFinishesWhatIsInFlightAndHandsBackTheRest(t *testing.T) {
	t.Parallel()
	b := newBench(t, 30*time.Second)
	c, _ := b.config(t)
	started, release := make(chan struct{}, 100), make(chan struct{})
	var finished atomic.Int32
	route := requestsTo(func(ctx context.Context, _ Delivery) error {
		started <- struct{}{}
		<-release
		if ctx.Err() != nil {
			t.Error("the handler was cut short")
		}
		finished.Add(1)
		return nil
	})
	route.MaxInFlight = 2
	r := run(t, c, route)
	for range 6 {
		b.request(t, "x")
	}
	<-started
	<-started
	r.stop()
	close(release)
	if err := <-r.err; err != nil {
		t.Errorf("Run: %v", err)
	}
	if n := finished.Load(); n != 2 {
		t.Errorf("%d finished, want the 2 in flight", n)
	}
	// Another runtime has the rest at once, long before AckWait.
	c2, _ := b.config(t)
	var rest atomic.Int32
	second := run(t, c2, requestsTo(func(context.Context, Delivery) error { rest.Add(1); return nil }))
	eventually(t, "the rest handled", func() bool { return rest.Load() == 4 })
	second.Drain()
	if err := <-second.err; err != nil {
		t.Errorf("Drain: %v", err)
	}
}

func TestWorkersMakeNoConsumers(t *testing.T) {
	t.Parallel()
	b := newBench(t, 30*time.Second)
	c, _ := b.config(t)
	none := func(context.Context, Delivery) error { return nil }
	for _, route := range []Route{
		{Stream: "CALLS", Durable: "nobody", Handle: none},
		{Stream: "REQUESTS_nobody", Durable: "orchestrator", Handle: none},
	} {
		r := run(t, c, route)
		if err := <-r.err; err == nil || !strings.Contains(err.Error(), "run outdial provision") {
			t.Errorf("%s: %v", route.name(), err)
		}
	}
}

func TestAConsumerTakenAwayEndsTheRuntime(t *testing.T) {
	t.Parallel()
	b := newBench(t, 30*time.Second)
	c, _ := b.config(t)
	heard := make(chan struct{}, 1)
	r := run(t, c, requestsTo(func(context.Context, Delivery) error {
		heard <- struct{}{}
		return nil
	}))
	b.request(t, "x")
	<-heard
	if err := b.JS.DeleteConsumer(t.Context(), "REQUESTS_acme", "orchestrator"); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-r.err:
		if err == nil || !strings.Contains(err.Error(), "run outdial provision") {
			t.Errorf("err = %v", err)
		}
	case <-time.After(patience):
		t.Error("still running")
	}
}

// silent is a consumer whose first Consume never delivers, as clients have
// been seen to do after a leader change.
type silent struct {
	jetstream.Consumer
	calls atomic.Int32
}

func (s *silent) Consume(h jetstream.MessageHandler, o ...jetstream.PullConsumeOpt) (jetstream.ConsumeContext, error) {
	if s.calls.Add(1) == 1 {
		return &nothing{closed: make(chan struct{})}, nil
	}
	return s.Consumer.Consume(h, o...)
}

type nothing struct {
	closed chan struct{}
	once   sync.Once
}

func (n *nothing) Stop()                   { n.once.Do(func() { close(n.closed) }) }
func (n *nothing) Drain()                  { n.Stop() }
func (n *nothing) Closed() <-chan struct{} { return n.closed }

func TestAStalledConsumerIsBoundAnew(t *testing.T) {
	t.Parallel()
	b := newBench(t, 30*time.Second)
	c, out := b.config(t)
	rt, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	var heard atomic.Int32
	l, err := rt.bind(t.Context(), requestsTo(func(context.Context, Delivery) error {
		heard.Add(1)
		return nil
	}).withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	s := &silent{Consumer: l.cons}
	l.cons = s
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.run(ctx, context.WithoutCancel(ctx)) }()
	b.request(t, "x")
	b.settled(t, "REQUESTS_acme")
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if heard.Load() != 1 || s.calls.Load() != 2 || !strings.Contains(out.String(), "stalled") {
		t.Errorf("heard %d, bound %d times: %s", heard.Load(), s.calls.Load(), out)
	}
}

// A watched consumer tells whoever listens that the server was asked about it.
type watched struct {
	jetstream.Consumer
	looks chan struct{}
}

func (w *watched) Info(ctx context.Context) (*jetstream.ConsumerInfo, error) {
	select {
	case w.looks <- struct{}{}:
	default:
	}
	return w.Consumer.Info(ctx)
}

// A consumer that somebody has paused is not stalled: it is left alone and said
// to be paused, once, until it goes on.
func TestAPausedConsumerIsNotBoundAnew(t *testing.T) {
	t.Parallel()
	b := newBench(t, 30*time.Second)
	c, out := b.config(t)
	c.StallAfter = 150 * time.Millisecond
	type news struct {
		consumer string
		is       bool
	}
	said := make(chan news, 8)
	c.Paused = func(consumer string, is bool) { said <- news{consumer, is} }
	rt, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan struct{}, 8)
	l, err := rt.bind(t.Context(), requestsTo(func(context.Context, Delivery) error { heard <- struct{}{}; return nil }).withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	looks := make(chan struct{})
	l.cons = &watched{l.cons, looks}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.run(ctx, context.WithoutCancel(ctx)) }()
	name := l.route.name()
	for range 2 {
		if _, err := l.rt.js.PauseConsumer(t.Context(), l.route.Stream, l.route.Durable, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if got := <-said; got != (news{name, true}) {
			t.Errorf("%+v", got)
		}
		b.request(t, "x")
		for range 3 { // looks, each of which would have found it stalled
			<-looks
		}
		if _, err := l.rt.js.ResumeConsumer(t.Context(), l.route.Stream, l.route.Durable); err != nil {
			t.Fatal(err)
		}
		<-heard
		if got := <-said; got != (news{name, false}) {
			t.Errorf("%+v", got)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if text := out.String(); strings.Contains(text, "bound anew") || strings.Count(text, "somebody has paused") != 2 {
		t.Error(text)
	}
}

func TestWorkGoesOnAfterTheServerRestarts(t *testing.T) {
	t.Parallel()
	b := newBench(t, time.Second, fixedPort(t))
	c, out := b.config(t)
	defer func() {
		if t.Failed() {
			t.Log(out)
		}
	}()
	nc, err := Connect(t.Context(), ConnectOptions{URL: b.Server.ClientURL(), Name: "orchestrator", Logger: c.Logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	c.NC, c.Rejecter = nc, NewRejecter(js, events.Orchestrator, tenantKey)
	var mu sync.Mutex
	heard := map[string]bool{}
	run(t, c, requestsTo(func(_ context.Context, d Delivery) error {
		mu.Lock()
		defer mu.Unlock()
		heard[string(d.Data)] = true
		return nil
	}))
	for round := range 3 {
		for i := range 20 {
			b.request(t, fmt.Sprintf("%d-%d", round, i))
		}
		if round < 2 {
			b.Server.Stop()
			b.Start(t)
		}
	}
	eventually(t, "all 60 heard", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(heard) == 60
	})
	b.settled(t, "REQUESTS_acme")
}

func TestTheSpanContinuesTheSendersTrace(t *testing.T) {
	t.Parallel()
	b := newBench(t, 30*time.Second)
	c, _ := b.config(t)
	seen := tracetest.NewSpanRecorder()
	tp := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(seen))
	c.Tracer = tp
	run(t, c, callsTo(func(ctx context.Context, d Delivery) error {
		if d.Record.Name != events.Requested {
			return nil
		}
		_, err := log.New(b.log, nil).Update(ctx, log.RefOf(*d.Record), func(*lifecycle.Call) (*log.Draft, error) {
			return &log.Draft{
				Family: events.CallFamily, Tenant: "acme", Key: "c1", Role: events.Orchestrator, Name: events.Waiting,
				Cause: d.Record.ID, Time: noon, Body: &events.CallWaiting{}, After: d.Seq,
			}, nil
		})
		return err
	}))
	b.requested(t, "c1")
	b.settled(t, "CALLS")
	eventually(t, "three spans", func() bool { return len(seen.Ended()) == 3 })
	byName := map[string]sdktrace.ReadOnlySpan{}
	for _, s := range seen.Ended() {
		byName[s.Name()] = s
	}
	first, sent, second := byName["process CALLS.requested"], byName["send call.waiting"], byName["process CALLS.waiting"]
	if first == nil || sent == nil || second == nil {
		t.Fatalf("spans: %v", byName)
	}
	if sent.Parent().SpanID() != first.SpanContext().SpanID() || second.Parent().SpanID() != sent.SpanContext().SpanID() ||
		second.SpanContext().TraceID() != first.SpanContext().TraceID() {
		t.Error("the three spans are not one trace")
	}
}

func TestConfigFaultsAreToldTogether(t *testing.T) {
	t.Parallel()
	_, err := New(Config{Name: "not a token"})
	for _, want := range []string{"NC", "Name", "Rejecter"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

func TestConnectGivesUpWhenToldTo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := Connect(ctx, ConnectOptions{URL: "nats://127.0.0.1:1", Name: "x"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v", err)
	}
	if _, err := Connect(t.Context(), ConnectOptions{URL: "nats://127.0.0.1:1", Name: "x", CredsFile: "a", NKeyFile: "b"}); err == nil {
		t.Error("two identities at once")
	}
}

func TestWhatTheServerRefusesHasACode(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"permissions_violation": fmt.Errorf("%w to x", nats.ErrPermissionViolation),
		"slow_consumer":         nats.ErrSlowConsumer,
		"authorization":         nats.ErrAuthRevoked,
		"other":                 errors.New("?"),
	} {
		if got := natsCode(err); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
}
