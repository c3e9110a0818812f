package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/outdial/outdial/internal/telemetry"
)

func start(t *testing.T, env map[string]string) *telemetry.Telemetry {
	t.Helper()
	tel, err := telemetry.Start(t.Context(), telemetry.Config{
		Service: "outdial-test", Version: "1", LogTo: io.Discard,
		Getenv: func(k string) string { return env[k] },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Nobody listens at the test's endpoint; what is being tested is who sends.
		_ = tel.Shutdown(context.Background())
	})
	return tel
}

func TestMetricsAreServedWithBoundariesInSeconds(t *testing.T) {
	t.Parallel()
	tel := start(t, nil)
	h, err := tel.Meter.Meter("test").Float64Histogram("test.duration", metric.WithUnit("s"))
	if err != nil {
		t.Fatal(err)
	}
	h.Record(t.Context(), 0.3)
	for accept, want := range map[string]string{
		"": "text/plain",
		"application/openmetrics-text; version=1.0.0": "application/openmetrics-text",
	} {
		req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		req.Header.Set("Accept", accept)
		res := httptest.NewRecorder()
		tel.Metrics.ServeHTTP(res, req)
		if got := res.Header().Get("Content-Type"); !strings.HasPrefix(got, want) {
			t.Errorf("asked for %q, served %q", accept, got)
		}
		for _, line := range []string{"test_duration_seconds_bucket", `le="0.25"} 0`, `le="0.5"} 1`, "go_goroutines", `service_name="outdial-test"`} {
			if !strings.Contains(res.Body.String(), line) {
				t.Errorf("%q lacks %q", accept, line)
			}
		}
	}
}

func TestSpansAreMadeOnlyWhereSomebodyWantsThem(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		story string
		env   map[string]string
		want  bool
	}{
		{"nothing configured", nil, false},
		{"an endpoint", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, true},
		{"an endpoint for traces", map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1"}, true},
		{"an endpoint, and none", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"}, false},
		{"an exporter", map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, true},
	} {
		t.Run(tc.story, func(t *testing.T) {
			t.Parallel()
			tel := start(t, tc.env)
			_, span := tel.Tracer.Tracer("test").Start(t.Context(), "x")
			if got := span.IsRecording(); got != tc.want {
				t.Errorf("recording: %v", got)
			}
		})
	}
}

func TestLogLinesCarryTheTrace(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(telemetry.NewHandler(&out, slog.LevelInfo)).With("a", 1).WithGroup("g")
	ctx, span := sdktrace.NewTracerProvider().Tracer("test").Start(t.Context(), "x")
	defer span.End()
	log.InfoContext(ctx, "with")
	log.Info("without")
	var with, without map[string]any
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || json.Unmarshal([]byte(lines[0]), &with) != nil || json.Unmarshal([]byte(lines[1]), &without) != nil {
		t.Fatalf("not two JSON lines: %s", out.String())
	}
	g, _ := with["g"].(map[string]any)
	if g["trace_id"] != span.SpanContext().TraceID().String() || g["span_id"] != span.SpanContext().SpanID().String() {
		t.Errorf("with a span: %v", with)
	}
	if strings.Contains(lines[1], "trace_id") {
		t.Errorf("without a span: %v", without)
	}
}

// Whoever logs a text need not know where it came from.
func TestNoNumberReachesALogLine(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(telemetry.NewHandler(&out, slog.LevelDebug))
	log.Warn("call 2125550142 failed", "agent", "2125550142", "subject", "provider.acme.2125550142", "says", errors.New("to +1 (212) 555-0142"),
		slog.Group("g", "url", "https://x/12125550142"), "stringer", &url.URL{Scheme: "tel", Opaque: "+12125550142"})
	log.With("to", "212.555.0142").WithGroup("in").Info("x", "number", "5550142555")
	left := strings.NewReplacer("-", "", ".", "", " ", "", "(", "", ")", "").Replace(out.String())
	if strings.Contains(left, "5550142") {
		t.Error(out.String())
	}
	out.Reset()
	log.Info("at work", "agent", "2098765", "http", "127.0.0.1:8080", "seq", uint64(2125550142), "at", time.Date(2026, 11, 28, 20, 0, 0, 0, time.UTC),
		"for", 90*time.Second, "version", "v0.0.0-20261128120000-abcdef123456", "until", "2026-11-28T20:00:00Z", "level2", slog.LevelWarn)
	for _, want := range []string{`"agent":"2098765"`, `"127.0.0.1:8080"`, `"seq":2125550142`, `"at":"2026-11-28T20:00:00Z"`, `"for":90000000000`, `-20261128120000-`,
		`"until":"2026-11-28T20:00:00Z"`, `"level":"INFO"`, `"level2":"WARN"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not in %s", want, out.String())
		}
	}
}
