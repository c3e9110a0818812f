package httpapi_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/baggage"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers/httpapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secret stands for anything personal.
const secret = "4355551234"

func server(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

func request(url string) httpapi.Request {
	return httpapi.Request{Operation: "dial", URL: url + "/calls?to=" + secret, Body: []byte(secret)}
}

func wantFault(t *testing.T, err error, class fault.Class, code string) {
	t.Helper()
	if err == nil || fault.Of(err) != class || fault.Code(err) != code {
		t.Errorf("got %v, want %s %s", err, class, code)
	}
	if err != nil && strings.Contains(err.Error(), secret) {
		t.Errorf("the error gives a secret away: %v", err)
	}
}

func TestOnce(t *testing.T) {
	t.Parallel()
	once := httpapi.NewOnce(httpapi.Options{MaxAnswer: 10})

	t.Run("the answer comes back, whatever its status", func(t *testing.T) {
		t.Parallel()
		url := server(t, func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			if string(b) != secret || r.Method != http.MethodPost || r.Header.Get("X-Own") != "yes" {
				t.Errorf("got %s %q %v", r.Method, b, r.Header)
			}
			w.WriteHeader(http.StatusTeapot)
			_, _ = w.Write([]byte("no coffee"))
		})
		r := request(url)
		r.Header = http.Header{"X-Own": {"yes"}}
		a, err := once.Do(t.Context(), r)
		if err != nil || a.Status != http.StatusTeapot || string(a.Body) != "no coffee" || a.OK() || a.Cut {
			t.Errorf("got %+v, %v", a, err)
		}
	})
	t.Run("a long answer is cut, not refused", func(t *testing.T) {
		t.Parallel()
		a, err := once.Do(t.Context(), request(server(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(strings.Repeat("x", 1<<20)))
		})))
		if err != nil || !a.Cut || len(a.Body) != 10 || !a.OK() {
			t.Errorf("got %d bytes, cut %v, %v", len(a.Body), a.Cut, err)
		}
	})
	t.Run("nobody home: nothing was sent", func(t *testing.T) {
		t.Parallel()
		_, err := once.Do(t.Context(), request("http://127.0.0.1:1"))
		wantFault(t, err, fault.Transient, "unreachable")
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("the cause is lost: %v", err)
		}
	})
	t.Run("a name that cannot be: nothing was sent", func(t *testing.T) {
		t.Parallel()
		_, err := once.Do(t.Context(), request("http://"))
		wantFault(t, err, fault.Permanent, "bad_request")
	})
	t.Run("the deadline passes while the answer is awaited: uncertain", func(t *testing.T) {
		t.Parallel()
		url := server(t, silent)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := once.Do(ctx, request(url))
		wantFault(t, err, fault.Uncertain, "no_reply")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the cause is lost: %v", err)
		}
	})
	t.Run("an answer that is nonsense is not quoted", func(t *testing.T) {
		t.Parallel()
		_, err := once.Do(t.Context(), request(bare(t, "nonsense "+secret+"\r\n\r\n")))
		wantFault(t, err, fault.Uncertain, "no_reply")
	})
	t.Run("an answer that breaks off has its status", func(t *testing.T) {
		t.Parallel()
		a, err := once.Do(t.Context(), request(bare(t, "HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\n{")))
		wantFault(t, err, fault.Uncertain, "broken_reply")
		if a.Status != http.StatusCreated {
			t.Errorf("status %d", a.Status)
		}
	})
}

// silent hears and says nothing until the caller gives up.
func silent(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // or the server would not notice that the caller left
	<-r.Context().Done()
}

// bare answers the first request with a text, and closes.
func bare(t *testing.T, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		_, _ = io.WriteString(conn, text)
		_ = conn.Close()
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return "http://" + l.Addr().String()
}

func TestNothingIsSentTooLate(t *testing.T) {
	t.Parallel()
	var clock atomic.Int64 // unix seconds
	clock.Store(1000)
	now := func() time.Time { return time.Unix(clock.Load(), 0) }
	var hits atomic.Int64
	count := func(http.ResponseWriter, *http.Request) { hits.Add(1) }
	t.Run("in plain text", func(t *testing.T) {
		once := httpapi.NewOnce(httpapi.Options{Now: now})
		r := request(server(t, count))
		r.NotAfter = time.Unix(1000, 0)
		if _, err := once.Do(t.Context(), r); err != nil {
			t.Errorf("at the last moment: %v", err)
		}
		clock.Store(1001)
		_, err := once.Do(t.Context(), r)
		wantFault(t, err, fault.Transient, "too_late")
	})
	t.Run("over TLS, where the handshake takes its time", func(t *testing.T) {
		clock.Store(1000)
		srv := httptest.NewTLSServer(http.HandlerFunc(count))
		defer srv.Close()
		conf := srv.Client().Transport.(*http.Transport).TLSClientConfig
		r := request(srv.URL)
		r.NotAfter = time.Unix(1000, 0)
		if _, err := httpapi.NewOnce(httpapi.Options{Now: now, TLS: conf}).Do(t.Context(), r); err != nil {
			t.Errorf("at the last moment: %v", err)
		}
		late := func() time.Time { clock.Store(1001); return now() } // the clock moves on when it is looked at
		_, err := httpapi.NewOnce(httpapi.Options{Now: late, TLS: conf}).Do(t.Context(), r)
		wantFault(t, err, fault.Transient, "too_late")
	})
	if n := hits.Load(); n != 2 {
		t.Errorf("%d requests arrived, want 2", n)
	}
}

func TestReads(t *testing.T) {
	t.Parallel()
	t.Run("a connection that died while idle costs no error", func(t *testing.T) {
		t.Parallel()
		var hits, lines atomic.Int64
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, ok := r.Header["Idempotency-Key"]; ok {
				t.Error("a header that nobody asked for")
			}
			if hits.Add(1) == 2 { // the kept connection, dropped under the second question
				conn, _, err := http.NewResponseController(w).Hijack()
				if err == nil {
					_ = conn.Close()
				}
				return
			}
			_, _ = w.Write([]byte("ok"))
		}))
		srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				lines.Add(1)
			}
		}
		srv.Start()
		defer srv.Close()
		reads := httpapi.NewReads(httpapi.Options{})
		defer reads.Close()
		for range 2 {
			if a, err := reads.Do(t.Context(), request(srv.URL)); err != nil || string(a.Body) != "ok" {
				t.Errorf("got %q, %v", a.Body, err)
			}
		}
		if hits.Load() != 3 || lines.Load() != 2 {
			t.Errorf("%d requests on %d connections", hits.Load(), lines.Load())
		}
	})
	t.Run("many who are asked about at once keep their connections", func(t *testing.T) {
		t.Parallel()
		const many = 40
		var lines atomic.Int64
		here := make(chan chan struct{}, many)
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			answer := make(chan struct{})
			here <- answer
			<-answer
		}))
		srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				lines.Add(1)
			}
		}
		srv.Start()
		defer srv.Close()
		reads := httpapi.NewReads(httpapi.Options{})
		defer reads.Close()
		for range 3 {
			var wg sync.WaitGroup
			for range many {
				wg.Go(func() {
					if _, err := reads.Do(t.Context(), request(srv.URL)); err != nil {
						t.Error(err)
					}
				})
			}
			var waiting []chan struct{}
			for range many {
				waiting = append(waiting, <-here)
			}
			for _, answer := range waiting {
				close(answer)
			}
			wg.Wait()
		}
		if n := lines.Load(); n != many {
			t.Errorf("%d questions at a time took %d connections", many, n)
		}
	})
	t.Run("silence may be asked again", func(t *testing.T) {
		t.Parallel()
		url := server(t, silent)
		reads := httpapi.NewReads(httpapi.Options{Timeout: 50 * time.Millisecond})
		defer reads.Close()
		_, err := reads.Do(t.Context(), request(url))
		wantFault(t, err, fault.Transient, "no_reply")
	})
	t.Run("a redirect is an answer like any other", func(t *testing.T) {
		t.Parallel()
		var hits atomic.Int64
		url := server(t, func(w http.ResponseWriter, r *http.Request) {
			hits.Add(1)
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		})
		reads := httpapi.NewReads(httpapi.Options{})
		defer reads.Close()
		a, err := reads.Do(t.Context(), request(url))
		if err != nil || a.Status != http.StatusFound || hits.Load() != 1 {
			t.Errorf("got %d after %d requests, %v", a.Status, hits.Load(), err)
		}
	})
}

func TestTheTraceGoesAlongAndNothingElse(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	tp := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	got := make(chan http.Header, 1)
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	member, err := baggage.NewMember("customer", "someone")
	if err != nil {
		t.Fatal(err)
	}
	bag, err := baggage.New(member)
	if err != nil {
		t.Fatal(err)
	}
	r := request(url)
	r.Header = http.Header{"Baggage": {"a=b"}, "Idempotency-Key": {"k"}, "X-Idempotency-Key": {"k"}}
	if _, err := httpapi.NewOnce(httpapi.Options{Tracer: tp.Tracer("test")}).Do(baggage.ContextWithBaggage(t.Context(), bag), r); err != nil {
		t.Fatal(err)
	}
	h := <-got
	for _, k := range []string{"Baggage", "Idempotency-Key", "X-Idempotency-Key"} {
		if h.Get(k) != "" {
			t.Errorf("%s was sent", k)
		}
	}
	ended := spans.Ended()
	if len(ended) != 1 || ended[0].Name() != "dial" {
		t.Fatalf("%d spans", len(ended))
	}
	if id := ended[0].SpanContext().SpanID().String(); !strings.Contains(h.Get("Traceparent"), id) {
		t.Errorf("traceparent %q is not of span %s", h.Get("Traceparent"), id)
	}
	for _, a := range ended[0].Attributes() {
		if strings.Contains(a.Value.String(), secret) {
			t.Errorf("the span gives a secret away in %s", a.Key)
		}
	}
}
