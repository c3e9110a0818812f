package worker

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

const scope = "github.com/outdial/outdial/internal/worker"

// metrics are the runtime's instruments. Labels come from closed sets only:
// streams, consumers, results and fault codes.
type metrics struct {
	messages metric.Int64Counter
	seconds  metric.Float64Histogram
	inFlight metric.Int64UpDownCounter
	rebinds  metric.Int64Counter
	errors   metric.Int64Counter
}

func newMetrics(p metric.MeterProvider) (*metrics, error) {
	if p == nil {
		p = noop.NewMeterProvider()
	}
	m := p.Meter(scope)
	var out metrics
	var errs [5]error
	out.messages, errs[0] = m.Int64Counter("outdial.worker.messages",
		metric.WithDescription("Messages settled, by how they ended."))
	out.seconds, errs[1] = m.Float64Histogram("outdial.worker.handle.duration",
		metric.WithUnit("s"), metric.WithDescription("From delivery to settlement."),
		metric.WithExplicitBucketBoundaries(.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60))
	out.inFlight, errs[2] = m.Int64UpDownCounter("outdial.worker.in_flight",
		metric.WithDescription("Messages being handled."))
	out.rebinds, errs[3] = m.Int64Counter("outdial.worker.rebinds",
		metric.WithDescription("Times a consumer was bound anew, because it stalled or broke."))
	out.errors, errs[4] = m.Int64Counter("outdial.nats.errors",
		metric.WithDescription("Errors the server reported outside any request, denied publishes among them."))
	return &out, errors.Join(errs[:]...)
}

func (m *metrics) natsError(code string) {
	m.errors.Add(context.Background(), 1, metric.WithAttributes(attribute.String("code", code)))
}

func (m *metrics) rebound(r Route, why string) {
	m.rebinds.Add(context.Background(), 1, metric.WithAttributes(
		attribute.String("stream", r.Stream), attribute.String("consumer", r.Durable), attribute.String("why", why)))
}

func (m *metrics) settled(ctx context.Context, r Route, result, code string, took time.Duration) {
	who := []attribute.KeyValue{attribute.String("stream", r.Stream), attribute.String("consumer", r.Durable)}
	m.seconds.Record(ctx, took.Seconds(), metric.WithAttributes(who...))
	m.messages.Add(ctx, 1, metric.WithAttributes(append(who, attribute.String("result", result), attribute.String("code", code))...))
}
