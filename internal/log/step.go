package log

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

const (
	maxTries = 8   // appends of one step that lost their race
	maxSteps = 256 // appends of one Run, so that follow-ups cannot go on for ever
)

// A Step is one append and what follows from it.
type Step struct {
	// Make decides from the log as it stands and is called again after a
	// conflict, so it must read what it needs itself. A nil draft means that
	// there is nothing to do.
	Make func(ctx context.Context) (*Draft, error)
	// Then runs once after the append, won or not, and names what follows;
	// nil = nothing. It does not run when nothing was appended.
	Then func(ctx context.Context, a Appended) ([]Step, error)
}

// Run carries out steps in order, each with its follow-ups before the next.
// A conflict makes the step decide anew, up to eight times; then the error is
// Transient with code "conflict". An append whose outcome is not known is
// Transient for Run: whoever runs the steps again reads the log first and finds
// out.
func Run(ctx context.Context, l Leader, steps ...Step) error {
	for done := 0; len(steps) > 0; done++ {
		if done >= maxSteps {
			return permanent("run steps", CodeStepsRunAway, fmt.Errorf("%d steps and no end", done))
		}
		more, err := runStep(ctx, l, steps[0])
		if err != nil {
			return err
		}
		steps = append(append([]Step(nil), more...), steps[1:]...)
	}
	return nil
}

func runStep(ctx context.Context, l Leader, s Step) ([]Step, error) {
	for try := 1; ; try++ {
		d, err := s.Make(ctx)
		if err != nil || d == nil {
			return nil, err
		}
		a, err := send(ctx, l, *d)
		switch {
		case err == nil && s.Then == nil:
			return nil, nil
		case err == nil:
			return s.Then(ctx, a)
		case fault.Code(err) == CodeAppendUnknown:
			return nil, transient("append", CodeAppendUnknown, err)
		case !errors.Is(err, ErrConflict) || try == maxTries:
			return nil, err
		}
		if err := pause(ctx, l, try); err != nil {
			return nil, err
		}
	}
}

// A Pauser is a Leader that also says how long a lost race waits: where time is
// not the machine's.
type Pauser interface {
	Pause(ctx context.Context, try int) error
}

// pause waits a random while that grows with the tries, so that racers spread.
func pause(ctx context.Context, l Leader, try int) error {
	if outer, ok := l.(*Log); ok {
		l = outer.Leader
	}
	if p, ok := l.(Pauser); ok {
		return p.Pause(ctx, try)
	}
	t := time.NewTimer(rand.N(time.Duration(try) * 5 * time.Millisecond))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return transient("append", CodeConflict, ctx.Err())
	case <-t.C:
		return nil
	}
}

// send appends under a producer span and stamps its context on the event. The
// tracer is the one of the span already in ctx; without one nothing is traced.
func send(ctx context.Context, l Leader, d Draft) (Appended, error) {
	tracer := trace.SpanFromContext(ctx).TracerProvider().Tracer("github.com/outdial/outdial/internal/log")
	ctx, span := tracer.Start(ctx, "send "+string(d.Family)+"."+string(d.Name),
		trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(
			attribute.String("messaging.system", "nats"),
			attribute.String("messaging.destination.name", StreamOf(d.Family)),
			attribute.String("outdial.tenant", d.Tenant),
			attribute.String("outdial."+string(d.Family), d.Key),
		))
	defer span.End()
	if d.TraceParent == "" {
		d.TraceParent = traceParent(ctx)
	}
	a, err := l.Append(ctx, d)
	if err != nil {
		span.SetStatus(codes.Error, fault.Code(err))
		return a, err
	}
	span.SetAttributes(
		attribute.Int64("outdial.sequence", int64(min(a.Record.Seq, 1<<62))),
		attribute.Bool("outdial.won", a.Won),
	)
	return a, nil
}

// traceParent is the W3C form of the span in ctx, "" without one.
func traceParent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[events.ExtTraceParent]
}
