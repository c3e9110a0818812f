package log

import (
	"context"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

const maxTries = 8 // appends of one update that lost their race

// A Pauser is a Leader that also says how long a lost race waits: where time is
// not the machine's.
type Pauser interface {
	Pause(ctx context.Context, try int) error
}

// pause waits a random while that grows with the tries, so that racers spread.
func pause(ctx context.Context, l Leader, try int) error {
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
