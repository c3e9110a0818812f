package log_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/outdial/outdial/internal/broker/embedded"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

func TestReadIsTheWholeLogInOrder(t *testing.T) {
	t.Parallel()
	r := rig(t)
	l := log.NewJetStream(r.JS, log.Options{})

	// Two calls interleaved, so that a walk has something to step over.
	first := map[string]uint64{}
	last := map[string]uint64{}
	for i := range 10 {
		for _, call := range []string{"one", "two"} {
			d := requested(call)
			if i > 0 {
				d = draft(call, events.Bridge, events.Ringing, fmt.Sprint(i), last[call],
					&events.CallProgress{Common: events.Common{Refs: events.Refs{Requested: first[call]}}})
			}
			d.Place = i + 1
			a := must(t, l, d)
			last[call] = a.Record.Seq
			if i == 0 {
				first[call] = a.Record.Seq
			}
		}
	}
	for story, from := range map[string]uint64{"the first sequence is known": first["two"], "it is not": 0} {
		log, err := l.Read(t.Context(), events.CallFamily, "acme", "two", from)
		if err != nil || len(log) != 10 {
			t.Fatalf("%s: %d events, %v", story, len(log), err)
		}
		for i, rec := range log {
			if rec.Place != i+1 || rec.Key != "two" || rec.Seq == 0 || rec.Stored.IsZero() {
				t.Errorf("%s: event %d is %+v", story, i, rec)
			}
		}
	}
	if log, err := l.Read(t.Context(), events.CallFamily, "acme", "none", 0); err != nil || len(log) != 0 {
		t.Errorf("an empty log: %d events, %v", len(log), err)
	}
	if _, err := l.Last(t.Context(), events.CallFamily, "acme", "none"); !errors.Is(err, log.ErrNone) {
		t.Errorf("the last of nothing: %v", err)
	}
	if rec, err := l.Last(t.Context(), events.CallFamily, "acme", "one"); err != nil || rec.Seq != last["one"] {
		t.Errorf("last: %+v, %v", rec, err)
	}
	if rec, err := l.At(t.Context(), events.CallFamily, first["two"]); err != nil || rec.Name != events.Requested {
		t.Errorf("at: %+v, %v", rec, err)
	}
	if _, err := l.At(t.Context(), events.CallFamily, 1<<40); !errors.Is(err, log.ErrNone) {
		t.Errorf("at a sequence to come: %v", err)
	}
}

func TestAnUnknownEventHoldsTheLog(t *testing.T) {
	t.Parallel()
	r := rig(t)
	l := log.NewJetStream(r.JS, log.Options{})
	must(t, l, requested("c1"))
	h, data, err := events.EncodePlain("io.outdial.call.teleported.v1", "/outdial/acme/bridge", "c1", "x", noon, struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.JS.PublishMsg(t.Context(), &nats.Msg{Subject: "append.calls.acme.c1.bridge.teleported", Header: nats.Header(h), Data: data}); err != nil {
		t.Fatal(err)
	}
	_, err = l.Read(t.Context(), events.CallFamily, "acme", "c1", 1)
	if fault.Of(err) != fault.Permanent || fault.Code(err) != log.CodeUnknownEvent || !errors.Is(err, events.ErrUnknownEvent) {
		t.Errorf("err = %v, want permanent %s", err, log.CodeUnknownEvent)
	}
}

func TestAnUpdateDecidesAnewAfterAConflict(t *testing.T) {
	t.Parallel()
	r := rig(t)
	l := log.New(log.NewJetStream(r.JS, log.Options{}), nil)
	must(t, l, requested("c1"))
	asked := 0
	won, err := l.Update(t.Context(), log.Ref{Tenant: "acme", ID: "c1"}, func(c *lifecycle.Call) (*log.Draft, error) {
		if asked++; asked == 1 { // somebody is faster
			must(t, l, draft("c1", events.Orchestrator, events.Waiting, "w", c.Seq(), &events.CallWaiting{}))
		}
		d := draft("c1", events.Orchestrator, events.CancelRequested, "x", c.Seq(), &events.CallCancelRequested{})
		return &d, nil
	})
	if err != nil || asked != 2 || !won.Won || won.Record.Seq != 3 {
		t.Errorf("asked %d times: %+v, %v", asked, won, err)
	}
}

func TestAnUpdateGivesUpAfterEightConflicts(t *testing.T) {
	t.Parallel()
	r := rig(t)
	l := log.New(log.NewJetStream(r.JS, log.Options{}), nil)
	must(t, l, requested("c1"))
	asked := 0
	_, err := l.Update(t.Context(), log.Ref{Tenant: "acme", ID: "c1"}, func(*lifecycle.Call) (*log.Draft, error) {
		asked++
		d := draft("c1", events.Bridge, events.Ringing, "x", 0, &events.CallProgress{})
		return &d, nil
	})
	if asked != 8 || fault.Of(err) != fault.Transient || fault.Code(err) != log.CodeConflict {
		t.Errorf("asked %d times, %v", asked, err)
	}
}

func TestAnUpdateTracesAndStampsTheEvent(t *testing.T) {
	t.Parallel()
	r := rig(t)
	l := log.New(log.NewJetStream(r.JS, log.Options{}), nil)
	seen := tracetest.NewSpanRecorder()
	tp := trace.NewTracerProvider(trace.WithSpanProcessor(seen))
	ctx, parent := tp.Tracer("test").Start(t.Context(), "process")
	_, err := l.Update(ctx, log.Ref{Tenant: "acme", ID: "c1"}, func(*lifecycle.Call) (*log.Draft, error) { d := requested("c1"); return &d, nil })
	parent.End()
	if err != nil {
		t.Fatal(err)
	}
	spans := seen.Ended()
	if len(spans) != 2 || spans[0].Name() != "send call.requested" {
		t.Fatalf("spans: %v", spans)
	}
	rec, err := l.Last(t.Context(), events.CallFamily, "acme", "c1")
	if err != nil {
		t.Fatal(err)
	}
	if want := "00-" + spans[0].SpanContext().TraceID().String() + "-" + spans[0].SpanContext().SpanID().String() + "-01"; rec.TraceParent != want {
		t.Errorf("traceparent %q, want %q", rec.TraceParent, want)
	}
}

// A server that goes away takes the answers with it that it owed, and nobody
// tells who waits for them. A handler has minutes: were they spent on one such
// answer, its call would stand still for as long.
func TestAnAnswerThatWasLostIsNotWaitedForLong(t *testing.T) {
	t.Parallel()
	r := rig(t, func(c *embedded.Config) { c.Listen = "127.0.0.1:0" })
	p := newProxy(t, strings.TrimPrefix(r.Server.ClientURL(), "nats://"))
	nc, err := nats.Connect(p.url())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	p.mute.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	l := log.NewJetStream(js, log.Options{})
	var wg sync.WaitGroup
	for what, ask := range map[string]func() error{
		"a fact":      func() error { _, _, err := log.NewFacts(js).Get(ctx, "acme", "dnc", "tok"); return err },
		"a control":   func() error { _, _, err := log.GetControl(ctx, js, "control._.clock.offset"); return err },
		"a log's end": func() error { _, err := l.Last(ctx, events.CallFamily, "acme", "one"); return err },
		"a log":       func() error { _, err := l.Read(ctx, events.CallFamily, "acme", "one", 0); return err },
		"a stream's end": func() error {
			_, err := log.LastSequence(ctx, js, events.StreamCalls, ">")
			return err
		},
	} {
		wg.Go(func() {
			answered := make(chan error, 1)
			go func() { answered <- ask() }()
			select {
			case err := <-answered:
				if err == nil || errors.Is(err, log.ErrNone) {
					t.Errorf("%s: an answer that nobody gave: %v", what, err)
				}
			case <-time.After(15 * time.Second):
				t.Errorf("%s is still waited for", what)
			}
		})
	}
	wg.Wait()
}
