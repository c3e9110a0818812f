package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/internal/telemetry"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/test/exams/natstest"
)

const patience = 20 * time.Second

// open makes a host on a server of its own.
func open(t *testing.T) (*runtime.Host, *natstest.Rig) {
	t.Helper()
	r := natstest.New(t)
	l, err := broker.Plan([]string{"acme"}, broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := broker.Apply(t.Context(), r.JS, l); err != nil {
		t.Fatal(err)
	}
	h, err := runtime.Open(t.Context(), options(t, r))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h, r
}

func options(t *testing.T, r *natstest.Rig) runtime.Options {
	t.Helper()
	tele, err := telemetry.Start(t.Context(), telemetry.Config{Service: "outdial-dialer", Getenv: func(string) string { return "" }, LogTo: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tele.Shutdown(context.Background()) })
	o := runtime.Options{Service: "dialer", Role: events.Dialer, Version: "1.2.3", Embedded: r.Server, Unsafe: true, Telemetry: tele, Worker: config.WorkerTiming{StallAfter: 100 * time.Millisecond},
		Directory: func(func() time.Time, *nats.Conn) (*tenants.Directory, error) {
			return tenants.New([]tenants.Tenant{{Name: "acme", Key: events.Key(strings.Repeat("k", 32))}}, nil)
		}}
	o.Connect.Options = append(o.Connect.Options, r.Server.InProcess())
	return o
}

func TestARequestPutTwiceIsADuplicate(t *testing.T) {
	t.Parallel()
	h, r := open(t)
	ctx := t.Context()
	header, id := events.Header{"ce-id": {"1"}, "ce-source": {"/crm"}}, events.CallID("acme", "/crm", "1")
	put := func(body string) bool {
		t.Helper()
		dup, err := h.Put(ctx, "acme", header, []byte(body), id, "digest of "+body)
		if err != nil {
			t.Fatal(err)
		}
		return dup
	}
	if put("{}") || !put("{}") {
		t.Error("the first is new, the second is not")
	}
	if put(`{"other":1}`) {
		t.Error("another body was swallowed; the orchestrator must see and refuse it")
	}
	s, err := r.JS.Stream(ctx, "REQUESTS_acme")
	if err != nil || s.CachedInfo().State.Msgs != 2 {
		t.Errorf("%+v, %v", s.CachedInfo().State, err)
	}
	// Long after the broker has forgotten the id, the call is still known.
	if _, err := h.Log.Append(ctx, log.Draft{Family: events.CallFamily, Tenant: "acme", Key: id, Role: events.Orchestrator,
		Name: events.Requested, Cause: "1", Time: time.Now(), Body: &events.CallRequested{Digest: `digest of {"later":1}`}}); err != nil {
		t.Fatal(err)
	}
	if !put(`{"later":1}`) {
		t.Error("the call is in the log, and the request is called new")
	}
	if _, err := h.Put(ctx, "acme", header, []byte("{}"), id, "digest of another body"); !errors.Is(err, runtime.ErrIDReuse) || fault.Of(err) != fault.Permanent {
		t.Errorf("another body under the same identity: %v", err)
	}
	if _, err := h.Put(ctx, "globex", header, nil, id, "d"); fault.Of(err) != fault.Transient {
		t.Errorf("a tenant without a stream: %v", err)
	}
}

func TestWhatAHostKeeps(t *testing.T) {
	t.Parallel()
	h, r := open(t)
	ctx := t.Context()
	if err := h.Ops(ctx, events.Ops{Event: "alarm", Service: "dialer", Tenant: "acme", What: "x", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	raw := events.ProviderRaw{Connection: "tcn", Agent: "ann", ReceivedAt: time.Now(), Body: []byte("\x00 not JSON")}
	seq, err := h.Raw(ctx, "acme", raw, "one")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := h.Raw(ctx, "acme", raw, "one"); err != nil || again != seq {
		t.Errorf("the same message: %d and %d, %v", seq, again, err)
	}
	if f, seq, err := h.Fact(ctx, "acme", "dnc", "tok"); err != nil || seq != 0 || f.Listed {
		t.Errorf("%+v at %d, %v", f, seq, err)
	}
	if err := h.PutFact(ctx, "acme", "dnc", "tok", events.Fact{Kind: "dnc", Listed: true, At: time.Now()}, 0); err != nil {
		t.Fatal(err)
	}
	if f, seq, err := h.Fact(ctx, "acme", "dnc", "tok"); err != nil || seq == 0 || !f.Listed {
		t.Errorf("%+v at %d, %v", f, seq, err)
	}
	for _, stream := range []string{events.StreamOps, events.StreamProvider, events.StreamFacts} {
		if s, err := r.JS.Stream(ctx, stream); err != nil || s.CachedInfo().State.Msgs != 1 {
			t.Errorf("%s: %v", stream, err)
		}
	}
}

func TestAHostNeedsItsStreams(t *testing.T) {
	t.Parallel()
	r := natstest.New(t)
	if _, err := runtime.Open(t.Context(), options(t, r)); err == nil || !strings.Contains(err.Error(), "run `outdial provision` first") {
		t.Errorf("opened without streams: %v", err)
	}
	o := options(t, r)
	o.Unsafe = false // the test's server does not write through
	if _, err := runtime.Open(t.Context(), o); err == nil {
		t.Error("a server that may lose what it acknowledged was accepted")
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	h, r := open(t)
	mux := http.NewServeMux()
	runtime.Health(mux, http.NotFoundHandler(), "1.2.3", func() []*runtime.Host { return []*runtime.Host{h} })
	get := func(path string) (int, map[string]string) {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		var out map[string]string
		_ = json.Unmarshal(w.Body.Bytes(), &out)
		return w.Code, out
	}
	if code, out := get("/healthz"); code != 200 || out["status"] != "ok" {
		t.Errorf("%d %v", code, out)
	}
	if code, out := get("/version"); code != 200 || out["version"] != "1.2.3" {
		t.Errorf("%d %v", code, out)
	}
	if code, out := get("/readyz"); code != 503 || out["dialer"] != "not ready" {
		t.Errorf("before its work: %d %v", code, out)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- h.Run(ctx, worker.Route{Stream: events.StreamCalls, Durable: "dialer", Handle: func(context.Context, worker.Delivery) error { return nil }})
	}()
	await := func(want int, says ...string) {
		t.Helper()
		code, out := 0, map[string]string(nil)
		for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			if code, out = get("/readyz"); code == want && (len(says) == 0 || out["dialer"] == says[0]) {
				return
			}
		}
		t.Errorf("%d %v, want %d", code, out, want)
	}
	await(200)
	if _, err := r.JS.PauseConsumer(t.Context(), events.StreamCalls, "dialer", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	await(200, "ready, paused: dialer on CALLS")
	if _, err := r.JS.ResumeConsumer(t.Context(), events.StreamCalls, "dialer"); err != nil {
		t.Fatal(err)
	}
	await(200, "ready")
	r.Server.Stop()
	await(503)
	if code, _ := get("/healthz"); code != 200 {
		t.Errorf("without its server the process is not healthy: %d", code)
	}
	stop()
	<-done
	await(503)
}

func TestFollowHearsTheLogInOrder(t *testing.T) {
	t.Parallel()
	h, _ := open(t)
	ctx := t.Context()
	var after uint64
	say := func(n events.Name, body any) {
		t.Helper()
		role := events.Bridge
		if n == events.Requested {
			role = events.Orchestrator
		}
		a, err := h.Log.Append(ctx, log.Draft{Family: events.CallFamily, Tenant: "acme", Key: "c1", Role: role, Name: n, Cause: string(n), Time: time.Now(), After: after, Body: body})
		if err != nil {
			t.Fatal(err)
		}
		after = a.Record.Seq
	}
	say(events.Requested, &events.CallRequested{})
	say(events.Ringing, &events.CallProgress{})
	heard := make(chan events.Name, 10)
	if err := h.Follow(ctx, events.StreamCalls, func(r events.Record) { heard <- r.Name }, func() {}); err != nil {
		t.Fatal(err)
	}
	if len(heard) != 2 {
		t.Errorf("it says it has caught up after %d events", len(heard))
	}
	say(events.Answered, &events.CallProgress{})
	for _, want := range []events.Name{events.Requested, events.Ringing, events.Answered} {
		select {
		case got := <-heard:
			if got != want {
				t.Errorf("heard %s, want %s", got, want)
			}
		case <-time.After(patience):
			t.Fatalf("%s never came", want)
		}
	}
}

// An event of a kind that this version does not know is delivered to no service;
// whoever follows the log raises the alarm.
func TestAnEventOfAnUnknownKindRaisesAnAlarm(t *testing.T) {
	t.Parallel()
	h, r := open(t)
	alarms, err := h.JS.Stream(t.Context(), events.StreamOps)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.JS.Publish(t.Context(), "append.calls.acme.c1.bridge.teleported", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	var o events.Ops
	await(t, "an alarm", func() bool {
		m, err := alarms.GetLastMsgForSubject(t.Context(), events.OpsSubject("acme", "alarm"))
		if err != nil {
			return false
		}
		o, _, err = events.DecodeBody[events.Ops](events.Header(m.Header), m.Data, events.TypeOps)
		return err == nil
	})
	if o.What != log.CodeUnknownEvent || o.Call != "c1" {
		t.Errorf("the alarm says %+v", o)
	}
	if _, err := h.Log.Call(t.Context(), log.Ref{Tenant: "acme", ID: "c1"}); !errors.Is(err, events.ErrUnknownEvent) {
		t.Errorf("the call is not held: %v", err)
	}
}

func TestListenAndServeUntilTheEnd(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	entered, leave := make(chan struct{}), make(chan struct{})
	addr, wait, err := runtime.ListenAndServe(ctx, "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/slow" {
			close(entered)
			<-leave
		}
		_, _ = io.WriteString(w, "hello")
	}))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := runtime.ListenAndServe(ctx, addr, nil); err == nil {
		t.Error("an address was taken twice")
	}
	get := func(path string) (string, error) {
		res, err := http.Get("http://" + addr + path)
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		return string(b), err
	}
	if got, err := get("/"); err != nil || got != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	slow := make(chan error, 1)
	go func() {
		got, err := get("/slow")
		if err == nil && got != "hello" {
			err = io.ErrUnexpectedEOF
		}
		slow <- err
	}()
	<-entered
	stop() // what is under way is finished, nothing new begins
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			break
		}
		_ = c.Close()
		if time.Now().After(end) {
			t.Fatal("it still listens")
		}
	}
	close(leave)
	if err := <-slow; err != nil {
		t.Errorf("a request under way was cut off: %v", err)
	}
	if err := wait(); err != nil {
		t.Error(err)
	}
}
