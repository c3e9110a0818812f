package orchestrator

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/outdial/outdial/pkg/events"
)

// meters count what becomes of calls, as the log tells it. Every orchestrator
// hears the whole log, so the figures of one instance are the system's.
type meters struct {
	closed metric.Int64Counter
	queue  metric.Float64Histogram
	talk   metric.Float64Histogram
}

// scope names this package to the meter.
const scope = "github.com/outdial/outdial/services/orchestrator"

// measure registers the service's metrics. Labels come from closed sets alone.
func (s *Service) measure(p metric.MeterProvider) (*meters, error) {
	m := p.Meter(scope)
	var x meters
	var err error
	if x.closed, err = m.Int64Counter("outdial.calls.closed", metric.WithDescription("Calls closed, by outcome.")); err != nil {
		return nil, err
	}
	if x.queue, err = m.Float64Histogram("outdial.calls.queue", metric.WithUnit("s"), metric.WithDescription("From the request to the dial.")); err != nil {
		return nil, err
	}
	if x.talk, err = m.Float64Histogram("outdial.calls.talk", metric.WithUnit("s"), metric.WithDescription("Conversations, holds included.")); err != nil {
		return nil, err
	}
	_, err = m.Int64ObservableGauge("outdial.calls.open", metric.WithDescription("Calls that are not closed, by state."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			for state, n := range s.index.OpenByState() {
				o.Observe(n, metric.WithAttributes(attribute.String("state", state)))
			}
			return nil
		}))
	if err != nil {
		return nil, err
	}
	_, err = m.Float64ObservableGauge("outdial.stream.filled", metric.WithDescription("How full each stream is of what it may hold, from 0 to 1."),
		metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			for _, f := range s.room.filled() {
				o.Observe(f.Part, metric.WithAttributes(attribute.String("stream", f.Stream)))
			}
			return nil
		}))
	if err != nil {
		return nil, err
	}
	_, err = m.Int64ObservableGauge("outdial.agents", metric.WithDescription("Agents on the roster, by presence and claim."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			type key struct{ presence, claim string }
			count := map[key]int64{}
			for _, a := range s.index.Agents("") {
				if a.Enrolled() {
					count[key{string(a.State.Presence), string(a.ClaimState())}]++
				}
			}
			for k, n := range count {
				o.Observe(n, metric.WithAttributes(attribute.String("presence", k.presence), attribute.String("claim", k.claim)))
			}
			return nil
		}))
	return &x, err
}

// take counts one event of the log, if it is a new one.
func (x *meters) take(r events.Record, live bool) {
	c, ok := r.Body.(*events.CallClosed)
	if !ok || !live {
		return
	}
	ctx := context.Background()
	x.closed.Add(ctx, 1, metric.WithAttributes(attribute.String("outcome", c.Outcome), attribute.Bool("presumed", c.Presumed)))
	for h, ms := range map[metric.Float64Histogram]*int64{x.queue: c.Durations.Queue, x.talk: c.Durations.Talk} {
		if ms != nil {
			h.Record(ctx, (time.Duration(*ms) * time.Millisecond).Seconds())
		}
	}
}
