package worker

import (
	"context"
	"errors"
	"slices"
	"sync"
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
	delays   metric.Int64Counter
	errors   metric.Int64Counter
}

func newMetrics(p metric.MeterProvider) (*metrics, error) {
	if p == nil {
		p = noop.NewMeterProvider()
	}
	m := p.Meter(scope)
	var out metrics
	var errs [6]error
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
	out.delays, errs[5] = m.Int64Counter("outdial.worker.delayed",
		metric.WithDescription("Messages that were put off for longer than 30 s, once each, by the reason of that moment."))
	return &out, errors.Join(errs[:]...)
}

func (m *metrics) natsError(code string) {
	m.errors.Add(context.Background(), 1, metric.WithAttributes(attribute.String("code", code)))
}

func (m *metrics) rebound(r Route, why string) {
	m.rebinds.Add(context.Background(), 1, metric.WithAttributes(
		attribute.String("stream", r.Stream), attribute.String("consumer", r.Durable), attribute.String("why", why)))
}

func (m *metrics) delayed(r Route, why string) {
	m.delays.Add(context.Background(), 1, metric.WithAttributes(
		attribute.String("stream", r.Stream), attribute.String("consumer", r.Durable), attribute.String("why", why)))
}

// routeMetrics are one route's, with their labels made once.
type routeMetrics struct {
	*metrics
	seconds []metric.RecordOption
	who     []attribute.KeyValue
	results sync.Map // ending → []metric.AddOption; the codes are a closed set
}

func (m *metrics) of(r Route) *routeMetrics {
	who := []attribute.KeyValue{attribute.String("stream", r.Stream), attribute.String("consumer", r.Durable)}
	return &routeMetrics{metrics: m, who: who, seconds: []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(who...))}}
}

func (m *routeMetrics) begin(ctx context.Context) { m.inFlight.Add(ctx, 1) }

func (m *routeMetrics) settled(ctx context.Context, how ending, took time.Duration) {
	m.inFlight.Add(ctx, -1)
	m.metrics.seconds.Record(ctx, took.Seconds(), m.seconds...)
	labels, ok := m.results.Load(how)
	if !ok {
		set := attribute.NewSet(append(slices.Clone(m.who), attribute.String("result", how.result), attribute.String("code", how.code))...)
		labels, _ = m.results.LoadOrStore(how, []metric.AddOption{metric.WithAttributeSet(set)})
	}
	m.messages.Add(ctx, 1, labels.([]metric.AddOption)...)
}
