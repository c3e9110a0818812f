package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/internal/broker/embedded"
	"github.com/outdial/outdial/pkg/events"
)

// floors measures bare JetStream with 100 and with 300 calls in flight.
func floors(ctx context.Context, o options, t *table) error {
	for _, inFlight := range []int{100, 300} {
		rate, cpu, err := floor(ctx, inFlight, o.length)
		if err != nil {
			return err
		}
		t.add(fmt.Sprintf("floor: bare JetStream, 25 messages a call, %d in flight", inFlight),
			fmt.Sprintf("%.0f calls/s, %.1f ms of CPU a call", rate, cpu), "")
		if inFlight == 100 {
			t.floorRate, t.floorCPU = rate, cpu
		}
	}
	return nil
}

// chain is what a desktop's call writes, in the order in which each message
// waits for the one before it: the stream, then the rest of the subject.
func chain() [][2]string {
	c, a, p := events.StreamCalls, events.StreamAgents, events.StreamProvider
	return [][2]string{
		{"REQUESTS", ""}, {c, "orchestrator.requested"}, {a, "orchestrator.claimed"}, {c, "orchestrator.assigned"}, {c, "compliance.passed"},
		{c, "dialer.dialing"}, {c, "dialer.started"}, {p, ""}, {c, "bridge.ringing"}, {a, "bridge.on_call"}, {p, ""}, {c, "bridge.answered"},
		{p, ""}, {c, "bridge.talking"}, {p, ""}, {c, "bridge.ended"}, {p, ""}, {c, "bridge.wrap_up"}, {a, "bridge.wrap_up"},
		{p, ""}, {c, "bridge.wrapped_up"}, {c, "orchestrator.closed"}, {a, "orchestrator.released"}, {p, ""}, {a, "bridge.ready"},
	}
}

// floor runs chains against the product's own streams and consumers.
func floor(ctx context.Context, inFlight int, length time.Duration) (rate, cpu float64, err error) {
	dir, err := os.MkdirTemp("", "outdial-bench-")
	if err != nil {
		return 0, 0, err
	}
	defer os.RemoveAll(dir)
	srv, err := embedded.Start(embedded.Config{StoreDir: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		return 0, 0, err
	}
	defer srv.Stop()
	by, err := connections(srv)
	defer func() {
		for _, js := range by {
			js.Conn().Close()
		}
	}()
	if err != nil {
		return 0, 0, err
	}
	layout, err := broker.Plan([]string{"acme"}, broker.Options{})
	if err == nil {
		_, err = broker.Apply(ctx, by["upstream"], layout)
	}
	if err != nil {
		return 0, 0, err
	}
	ctx, stop := context.WithTimeout(ctx, length)
	defer stop()
	if err := listen(ctx, by, layout); err != nil {
		return 0, 0, err
	}
	var calls atomic.Int64
	var once sync.Once
	var wg sync.WaitGroup
	began, before := time.Now(), ownCPU()
	for slot := range inFlight {
		wg.Go(func() {
			f := &floorSlot{by: by, agent: "agent-" + strconv.Itoa(slot), last: map[string]uint64{}}
			for n := 0; ctx.Err() == nil; n++ {
				if e := f.call(ctx, fmt.Sprintf("call-%d-%d", slot, n)); e == nil {
					calls.Add(1)
				} else if ctx.Err() == nil {
					once.Do(func() { err = e; stop() })
				}
			}
		})
	}
	wg.Wait()
	n := float64(calls.Load())
	return n / time.Since(began).Seconds(), ms(ownCPU()-before) / max(n, 1), err
}

// connections are one for each service, within the process as the all-in-one
// has them, and one over TCP for upstream and whoever watches.
func connections(srv *embedded.Server) (map[string]jetstream.JetStream, error) {
	by := map[string]jetstream.JetStream{}
	for _, name := range []string{"upstream", "orchestrator", "compliance", "dialer", "bridge"} {
		connect := func() (*nats.Conn, error) { return srv.Client() }
		if name == "upstream" {
			connect = func() (*nats.Conn, error) { return nats.Connect(srv.ClientURL()) }
		}
		nc, err := connect()
		if err != nil {
			return by, err
		}
		if by[name], err = jetstream.New(nc); err != nil {
			return by, err
		}
	}
	return by, nil
}

// listen has every durable of the layout acknowledge what it hears, a follower
// of each log read along, and somebody watch the calls.
func listen(ctx context.Context, by map[string]jetstream.JetStream, layout broker.Layout) error {
	if _, err := by["upstream"].Conn().Subscribe("calls.>", func(*nats.Msg) {}); err != nil {
		return err
	}
	for _, c := range layout.Consumers {
		js := by[c.Config.Durable]
		if js == nil {
			js = by["orchestrator"]
		}
		durable, err := js.Consumer(ctx, c.Stream, c.Config.Durable)
		if err != nil {
			return err
		}
		heard, err := durable.Consume(func(m jetstream.Msg) { _ = m.Ack() })
		if err != nil {
			return err
		}
		context.AfterFunc(ctx, heard.Stop)
	}
	for _, stream := range []string{events.StreamCalls, events.StreamAgents, events.StreamProvider} {
		ordered, err := by["bridge"].OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverNewPolicy})
		if err != nil {
			return err
		}
		heard, err := ordered.Consume(func(jetstream.Msg) {})
		if err != nil {
			return err
		}
		context.AfterFunc(ctx, heard.Stop)
	}
	return nil
}

// floorSlot is one agent's line, with one call after the other on it.
type floorSlot struct {
	by    map[string]jetstream.JetStream
	agent string
	last  map[string]uint64 // by log
}

func (f *floorSlot) call(ctx context.Context, id string) error {
	body := make([]byte, 500)
	for i := range body {
		body[i] = 'a' + byte(i%26)
	}
	for i, step := range chain() {
		m := nats.NewMsg("")
		m.Data = body
		for h, v := range map[string]string{
			"ce-specversion": "1.0", "ce-id": id + "-" + strconv.Itoa(i), "ce-source": "/outdial/acme/bench", "ce-type": "io.outdial.call.bench.v1",
			"ce-subject": id, "ce-correlationid": id, "ce-callsequence": strconv.Itoa(i), "ce-time": "2026-11-20T18:00:00.000Z", "Content-Type": "application/json",
		} {
			m.Header.Set(h, v)
		}
		var opts []jetstream.PublishOpt
		log, role := "", "bridge"
		if step[1] != "" {
			role, _, _ = strings.Cut(step[1], ".")
		}
		switch step[0] {
		case events.StreamCalls:
			log = "calls.acme." + id
		case events.StreamAgents:
			log = "agents.acme." + f.agent
		case events.StreamProvider:
			m.Subject = events.ProviderSubject("acme", "desk")
		default:
			m.Subject, role = events.RequestSubject("acme"), "upstream"
		}
		if log != "" {
			m.Subject = events.AppendPrefix + log + "." + step[1]
			opts = append(opts, jetstream.WithMsgID(id+"-"+strconv.Itoa(i)), jetstream.WithExpectLastSequenceForSubject(f.last[log], log+".>"))
		}
		ack, err := f.by[role].PublishMsg(ctx, m, opts...)
		if err != nil {
			return errors.Join(errors.New(step[1]), err)
		}
		if log != "" {
			f.last[log] = ack.Sequence
		}
	}
	delete(f.last, "calls.acme."+id)
	return nil
}

// ownCPU is what this process has used.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
