package worker

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/internal/broker/embedded"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/test/exams/natstest"
)

var noon = time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC)

const patience = 20 * time.Second

type bench struct {
	*natstest.Rig
	log *log.JetStream
}

// newBench is a provisioned server whose consumers redeliver after ackWait.
func newBench(t *testing.T, ackWait time.Duration, change ...func(*embedded.Config)) *bench {
	t.Helper()
	r := natstest.New(t, change...)
	l, err := broker.Plan([]string{"acme"}, broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range l.Consumers {
		l.Consumers[i].Config.AckWait = ackWait
		if c := &l.Consumers[i].Config; c.Name == broker.Orchestrator {
			c.FilterSubjects = nil // these tests are about any event
		}
	}
	if _, err := broker.Apply(t.Context(), r.JS, l); err != nil {
		t.Fatal(err)
	}
	return &bench{r, log.NewJetStream(r.JS, log.Options{})}
}

// request stores a dial request; nobody here reads it.
func (b *bench) request(t *testing.T, body string) uint64 {
	t.Helper()
	ack, err := b.JS.Publish(t.Context(), "dial.requests.acme", []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return ack.Sequence
}

func (b *bench) requested(t *testing.T, call string) events.Record {
	t.Helper()
	a, err := b.log.Append(t.Context(), log.Draft{
		Family: events.CallFamily, Tenant: "acme", Key: call, Role: events.Orchestrator, Name: events.Requested,
		Cause: "request", Place: 1, Time: noon, Body: &events.CallRequested{},
	})
	if err != nil {
		t.Fatal(err)
	}
	return a.Record
}

// lines collects log output.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func tenantKey(string) (events.Key, bool) { return events.Key(bytes.Repeat([]byte{7}, 32)), true }

func (b *bench) config(t *testing.T) (Config, *lines) {
	t.Helper()
	out := &lines{}
	nc := natstest.Connect(t, b.Server)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return Config{
		NC: nc, Name: "orchestrator",
		Rejecter: NewRejecter(js, events.Orchestrator, tenantKey),
		Logger:   slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Backoff:  2 * time.Millisecond, HoldDelay: 50 * time.Millisecond, Grace: 5 * time.Second,
		StallAfter: 500 * time.Millisecond,
	}, out
}

// running is a runtime at work until the test ends.
type running struct {
	*Runtime
	err  chan error
	stop context.CancelFunc
}

func run(t *testing.T, c Config, routes ...Route) *running {
	t.Helper()
	rt, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &running{rt, make(chan error, 1), stop}
	go func() { r.err <- rt.Run(ctx, routes...) }()
	t.Cleanup(func() {
		stop()
		<-rt.done
	})
	return r
}

func requestsTo(h Handler) Route {
	return Route{Stream: events.RequestStream("acme"), Durable: broker.Orchestrator, Handle: h, Tenant: "acme"}
}

func callsTo(h Handler) Route {
	return Route{Stream: events.StreamCalls, Durable: broker.Orchestrator, Handle: h}
}

// eventually polls until ok or the patience is over.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// settled waits until a consumer has acknowledged everything in its stream. The
// counts of what is pending are not enough: they lag behind a publish.
func (b *bench) settled(t *testing.T, stream string) {
	t.Helper()
	last, err := log.LastSequence(t.Context(), b.JS, stream, ">")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "everything settled on "+stream, func() bool {
		c, err := b.JS.Consumer(t.Context(), stream, broker.Orchestrator)
		if err != nil {
			t.Fatal(err)
		}
		i := c.CachedInfo()
		return i.AckFloor.Stream >= last && i.NumAckPending == 0
	})
}

// rejected returns the notes in REJECTED.
func (b *bench) rejected(t *testing.T) []events.Rejected {
	t.Helper()
	return bodies[events.Rejected](t, b, events.StreamRejected, events.TypeRejected)
}

func bodies[T any](t *testing.T, b *bench, stream, typ string) []T {
	t.Helper()
	s, err := b.JS.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []T
	for seq := uint64(1); seq <= info.State.LastSeq; seq++ {
		m, err := s.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		body, _, err := events.DecodeBody[T](events.Header(m.Header), m.Data, typ)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, body)
	}
	return out
}

// unknownEvent stores an event of a type nobody knows.
func (b *bench) unknownEvent(t *testing.T, call string) {
	t.Helper()
	h, data, err := events.EncodePlain("io.outdial.call.teleported.v1", "/outdial/acme/bridge", call, events.RandomID(), noon, struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	m := &nats.Msg{Subject: "append.calls.acme." + call + ".bridge.teleported", Header: nats.Header(h), Data: data}
	if _, err := b.JS.PublishMsg(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

func jetstreamOf(t *testing.T, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func newLog(t *testing.T, b *bench) *log.JetStream {
	t.Helper()
	return log.NewJetStream(b.JS, log.Options{})
}
