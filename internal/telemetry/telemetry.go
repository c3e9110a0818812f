// Package telemetry sets up logs, metrics and traces. It is the one place that
// knows the OpenTelemetry SDK; everything else speaks to its API and is handed
// what is made here.
//
// Metrics are always there, on a handler for Prometheus. Traces are sent only
// where the environment names somewhere to send them (OTEL_TRACES_EXPORTER or
// an OTLP endpoint), so that without a collector nothing complains.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel/attribute"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/outdial/outdial/pkg/events"
)

// Config of the telemetry of one process.
type Config struct {
	Service string // e.g. outdial-dialer; required
	Version string
	// Getenv reads the environment; default os.Getenv. The exporter itself
	// reads the process's own environment, as every OpenTelemetry program does.
	Getenv func(string) string
	LogTo  io.Writer    // default os.Stderr
	Level  slog.Leveler // default slog.LevelInfo
}

// Telemetry is what a process logs, counts and traces with.
type Telemetry struct {
	Logger *slog.Logger
	Meter  metric.MeterProvider
	Tracer trace.TracerProvider
	// Metrics serves /metrics, in OpenMetrics where the scraper asks for it.
	Metrics http.Handler

	shutdown []func(context.Context) error
}

// seconds are the boundaries of every histogram in seconds.
func seconds() []float64 {
	return []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900}
}

// Start sets everything up. Call Shutdown before the process ends, or the last
// spans are lost.
func Start(ctx context.Context, c Config) (*Telemetry, error) {
	if c.Getenv == nil {
		c.Getenv = os.Getenv
	}
	if c.LogTo == nil {
		c.LogTo = os.Stderr
	}
	if c.Level == nil {
		c.Level = slog.LevelInfo
	}
	res := resource.NewSchemaless(
		attribute.String("service.name", c.Service), attribute.String("service.version", c.Version))
	t := &Telemetry{Logger: slog.New(NewHandler(c.LogTo, c.Level)).With("service", c.Service)}
	if err := t.metrics(res); err != nil {
		return nil, fmt.Errorf("telemetry: metrics: %w", err)
	}
	if err := t.traces(ctx, c, res); err != nil {
		return nil, errors.Join(fmt.Errorf("telemetry: traces: %w", err), t.Shutdown(ctx))
	}
	return t, nil
}

func (t *Telemetry) metrics(res *resource.Resource) error {
	reg := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := reg.Register(c); err != nil {
			return err
		}
	}
	exp, err := otelprom.New(otelprom.WithRegisterer(reg), otelprom.WithoutScopeInfo())
	if err != nil {
		return err
	}
	mp := sdkmetric.NewMeterProvider(
		sdkmetric.WithResource(res), sdkmetric.WithReader(exp),
		sdkmetric.WithView(sdkmetric.NewView(
			sdkmetric.Instrument{Kind: sdkmetric.InstrumentKindHistogram, Unit: "s"},
			sdkmetric.Stream{Aggregation: sdkmetric.AggregationExplicitBucketHistogram{Boundaries: seconds()}},
		)))
	t.Meter = mp
	t.Metrics = promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true})
	t.shutdown = append(t.shutdown, mp.Shutdown)
	return nil
}

func (t *Telemetry) traces(ctx context.Context, c Config, res *resource.Resource) error {
	if !wanted(c.Getenv) {
		t.Tracer = tracenoop.NewTracerProvider()
		return nil
	}
	exp, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		return err
	}
	tp := sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithBatcher(exp))
	t.Tracer = tp
	t.shutdown = append(t.shutdown, tp.Shutdown)
	return nil
}

// wanted says whether somebody configured where spans go.
func wanted(getenv func(string) string) bool {
	switch getenv("OTEL_TRACES_EXPORTER") {
	case "none":
		return false
	case "":
		return getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
	}
	return true
}

// Shutdown sends what is left and ends the exporters.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	var errs []error
	for _, f := range t.shutdown {
		errs = append(errs, f(ctx))
	}
	t.shutdown = nil
	return errors.Join(errs...)
}

// handler adds the ids of the span in the context to every line.
type handler struct{ slog.Handler }

// NewHandler writes JSON lines to w, with trace_id and span_id where there is
// a span. What could be a telephone number is masked in whatever a line says:
// who logs a text need not know where it came from.
func NewHandler(w io.Writer, level slog.Leveler) slog.Handler {
	return handler{slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: masked})}
}

// shortID is an agent's id, or a sequence: fewer digits than a number has with
// its area code.
var shortID = regexp.MustCompile(`^[0-9]{1,9}$`)

// masked masks a line's texts. Traces' ids, stacks and versions are ours and hold
// many digits by nature.
func masked(_ []string, a slog.Attr) slog.Attr {
	text := ""
	switch v := a.Value; {
	case slices.Contains([]string{"trace_id", "span_id", "stack", "version"}, a.Key):
		return a
	case v.Kind() == slog.KindString:
		text = v.String()
	case v.Kind() == slog.KindAny:
		switch x := v.Any().(type) {
		case error:
			text = x.Error()
		case fmt.Stringer:
			text = x.String()
		default:
			return a // a level or a list of our own
		}
	default:
		return a
	}
	if shortID.MatchString(text) {
		return a
	}
	return slog.String(a.Key, events.MaskNumbers(text))
}

// Handle implements slog.Handler.
func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h handler) WithAttrs(as []slog.Attr) slog.Handler { return handler{h.Handler.WithAttrs(as)} }

// WithGroup implements slog.Handler.
func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }
