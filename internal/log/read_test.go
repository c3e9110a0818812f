package log_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

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
