package log_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
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

func TestRunDecidesAnewAfterAConflict(t *testing.T) {
	t.Parallel()
	r := rig(t)
	l := log.NewJetStream(r.JS, log.Options{})
	var made, then int
	err := log.Run(t.Context(), l, log.Step{
		Make: func(ctx context.Context) (*log.Draft, error) {
			made++
			d := draft("c1", events.Bridge, events.Ringing, "x", 0, &events.CallProgress{})
			if rec, err := l.Last(ctx, events.CallFamily, "acme", "c1"); err == nil {
				d.After = rec.Seq
			}
			if made == 1 { // somebody is faster
				must(t, l, requested("c1"))
			}
			return &d, nil
		},
		Then: func(_ context.Context, a log.Appended) ([]log.Step, error) {
			then++
			return []log.Step{{Make: func(context.Context) (*log.Draft, error) {
				d := draft("c1", events.Bridge, events.Answered, a.Record.ID, a.Record.Seq, &events.CallProgress{})
				return &d, nil
			}}}, nil
		},
	})
	if err != nil || made != 2 || then != 1 {
		t.Fatalf("made %d, then %d, %v", made, then, err)
	}
	log, err := l.Read(t.Context(), events.CallFamily, "acme", "c1", 1)
	if err != nil || len(log) != 3 || log[2].Name != events.Answered || log[2].Cause != log[1].ID {
		t.Errorf("log %v, %v", log, err)
	}
}

func TestRunGivesUpAfterEightConflicts(t *testing.T) {
	t.Parallel()
	r := rig(t)
	l := log.NewJetStream(r.JS, log.Options{})
	must(t, l, requested("c1"))
	made := 0
	err := log.Run(t.Context(), l, log.Step{Make: func(context.Context) (*log.Draft, error) {
		made++
		d := draft("c1", events.Bridge, events.Ringing, "x", 0, &events.CallProgress{})
		return &d, nil
	}})
	if made != 8 || fault.Of(err) != fault.Transient || fault.Code(err) != log.CodeConflict {
		t.Errorf("made %d times, %v", made, err)
	}
}

func TestRunStopsWhereThereIsNothingToDo(t *testing.T) {
	t.Parallel()
	var then atomic.Int32
	err := log.Run(t.Context(), nil, log.Step{
		Make: func(context.Context) (*log.Draft, error) { return nil, nil },
		Then: func(context.Context, log.Appended) ([]log.Step, error) { then.Add(1); return nil, nil },
	})
	if err != nil || then.Load() != 0 {
		t.Errorf("then ran %d times, %v", then.Load(), err)
	}
}

func TestRunEndsStepsThatNeverEnd(t *testing.T) {
	t.Parallel()
	r := rig(t)
	l := log.NewJetStream(r.JS, log.Options{})
	var step log.Step
	step = log.Step{
		Make: func(context.Context) (*log.Draft, error) { d := requested("c1"); return &d, nil },
		Then: func(context.Context, log.Appended) ([]log.Step, error) { return []log.Step{step}, nil },
	}
	if err := log.Run(t.Context(), l, step); fault.Code(err) != log.CodeStepsRunAway {
		t.Errorf("err = %v", err)
	}
}

func TestRunTracesAndStampsTheEvent(t *testing.T) {
	t.Parallel()
	r := rig(t)
	l := log.NewJetStream(r.JS, log.Options{})
	seen := tracetest.NewSpanRecorder()
	tp := trace.NewTracerProvider(trace.WithSpanProcessor(seen))
	ctx, parent := tp.Tracer("test").Start(t.Context(), "process")
	err := log.Run(ctx, l, log.Step{Make: func(context.Context) (*log.Draft, error) { d := requested("c1"); return &d, nil }})
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
