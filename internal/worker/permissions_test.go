package worker

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
)

// guarded is a server with outdial's own permissions.
func guarded(t *testing.T) *server.Server {
	t.Helper()
	layout, err := broker.Plan([]string{"acme"}, broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	users := []*server.User{{Username: "root", Password: "x"}}
	for _, p := range permissionsOf(layout, []string{"acme"}) {
		u := &server.User{Username: p.User, Password: "x", Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: orNothing(p.Publish), Deny: p.Deny},
			Subscribe: &server.SubjectPermission{Allow: orNothing(p.Subscribe)},
		}}
		if p.Responds {
			u.Permissions.Response = &server.ResponsePermission{MaxMsgs: 16, Expires: time.Minute}
		}
		users = append(users, u)
	}
	srv, err := server.NewServer(&server.Options{
		ServerName: t.Name(), Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true, Users: users,
	})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(10 * time.Second) {
		t.Fatal("not ready")
	}
	js := jetstreamOf(t, as(t, srv, "provision", nil))
	if _, err := broker.Apply(t.Context(), js, layout); err != nil {
		t.Fatalf("the provision user cannot provision: %v", err)
	}
	return srv
}

// orNothing keeps an empty list from meaning everything.
func orNothing(s []string) []string {
	if len(s) == 0 {
		return []string{"nothing.at.all"}
	}
	return s
}

func as(t *testing.T, srv *server.Server, user string, reader *sdkmetric.ManualReader) *nats.Conn {
	t.Helper()
	o := ConnectOptions{Name: user, Options: []nats.Option{nats.InProcessServer(srv), nats.UserInfo(user, "x")}}
	if reader != nil {
		o.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	}
	nc, err := Connect(t.Context(), o)
	if err != nil {
		t.Fatalf("%s: %v", user, err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// link is what one service adds to a call, and upon what.
type link struct {
	role    events.Role
	stream  string
	trigger events.Name // "" = any message, and the log is empty
	name    events.Name
	body    any
	to      log.Leader
}

func (l link) handle(ctx context.Context, d Delivery) error {
	draft := log.Draft{
		Family: events.CallFamily, Tenant: "acme", Key: "c1", Role: l.role, Name: l.name, Cause: "x", Time: noon, Body: l.body,
	}
	if l.trigger != "" {
		if d.Record.Name != l.trigger {
			return nil
		}
		draft.After = d.Seq
	}
	_, err := l.to.Append(ctx, draft)
	return err
}

func TestEveryServiceCanDoItsWork(t *testing.T) {
	t.Parallel()
	srv := guarded(t)
	upstream := jetstreamOf(t, as(t, srv, "upstream-acme", nil))
	if _, err := upstream.Publish(t.Context(), "dial.requests.acme", []byte("c1")); err != nil {
		t.Fatalf("upstream: %v", err)
	}
	analytics := as(t, srv, "analytics-acme", nil)
	feed, err := analytics.SubscribeSync("calls.acme.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := analytics.Flush(); err != nil {
		t.Fatal(err)
	}

	// The orchestrator turns the request into an event, compliance into a pass,
	// the dialer into an intent: each with its own user and its own durable.
	for _, link := range []link{
		{events.Orchestrator, "REQUESTS_acme", "", events.Requested, &events.CallRequested{}, nil},
		{events.Compliance, "CALLS", events.Requested, events.Passed, &events.CallPassed{}, nil},
		{events.Dialer, "CALLS", events.Passed, events.Dialing, &events.CallDialing{}, nil},
	} {
		nc := as(t, srv, string(link.role), nil)
		js := jetstreamOf(t, nc)
		link.to = log.NewJetStream(js, log.Options{})
		c := Config{NC: nc, Name: string(link.role), Rejecter: NewRejecter(js, link.role, tenantKey), Grace: 5 * time.Second}
		run(t, c, Route{Stream: link.stream, Durable: string(link.role), Handle: link.handle})
		tl, err := Tail(t.Context(), js, "CALLS", []string{"calls.>"}, 0, func(context.Context, Delivery, error) error { return nil })
		if err != nil {
			t.Fatalf("%s cannot follow CALLS: %v", link.role, err)
		}
		eventually(t, string(link.role)+" hears CALLS", func() bool { return tl.Seq() > 0 })
	}
	for _, want := range []events.Name{events.Requested, events.Passed, events.Dialing} {
		m, err := feed.NextMsg(patience)
		if err != nil {
			t.Fatalf("analytics misses %s: %v", want, err)
		}
		if _, _, _, _, n, _ := events.ParseLogSubject(m.Subject); n != want {
			t.Errorf("analytics heard %s, want %s", n, want)
		}
	}
}

func TestNobodyCanDoAnothersWork(t *testing.T) {
	t.Parallel()
	srv := guarded(t)
	for story, tc := range map[string]struct{ user, subject string }{
		"the dialer forges a pass":                       {"dialer", "append.calls.acme.c1.compliance.passed"},
		"the bridge forges an intent":                    {"bridge", "append.calls.acme.c1.dialer.dialing"},
		"the dialer forges a claim":                      {"dialer", "append.agents.acme.a1.orchestrator.claimed"},
		"compliance skips the stream":                    {"compliance", "calls.acme.c1.compliance.passed"},
		"the orchestrator skips the stream":              {"orchestrator", "agents.acme.a1.orchestrator.claimed"},
		"the dialer acknowledges for compliance":         {"dialer", "$JS.ACK.CALLS.compliance.1.1.1.1.1"},
		"the dialer lifts a do-not-call entry":           {"dialer", "facts.acme.dnc.x"},
		"the orchestrator releases a pause":              {"orchestrator", "control.acme.tenant.pause"},
		"the orchestrator says which key is right":       {"orchestrator", "control.acme.key.check"},
		"compliance says which key is right":             {"compliance", "control.acme.key.check"},
		"the operator says by hand which key is right":   {"operator", "control.acme.key.check"},
		"compliance deletes the log":                     {"compliance", "$JS.API.STREAM.DELETE.CALLS"},
		"the bridge changes the log":                     {"bridge", "$JS.API.STREAM.UPDATE.CALLS"},
		"one tenant's upstream requests for another":     {"upstream-acme", "dial.requests.globex"},
		"upstream writes the log":                        {"upstream-acme", "append.calls.acme.c1.orchestrator.requested"},
		"upstream reaches a desktop":                     {"upstream-acme", "workspace.acme.five9.a.s.send"},
		"upstream adds to the do-not-call list":          {"upstream-acme", "outdial.acme.dnc.remove"},
		"analytics requests a call":                      {"analytics-acme", "dial.requests.acme"},
		"a gateway speaks for another tenant's provider": {"gateway-acme", "provider.globex.tcn"},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			reader := sdkmetric.NewManualReader()
			nc := as(t, srv, tc.user, reader)
			if err := nc.Publish(tc.subject, nil); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the refusal is counted", func() bool { return refusals(t, reader) == 1 })
		})
	}
	for story, tc := range map[string]struct{ user, subject string }{
		"analytics listens to another tenant": {"analytics-acme", "calls.globex.>"},
		"upstream listens to anything":        {"upstream-acme", "calls.acme.>"},
		"a service reads another's answers":   {"bridge", "_INBOX_dialer.>"},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			reader := sdkmetric.NewManualReader()
			nc := as(t, srv, tc.user, reader)
			if _, err := nc.SubscribeSync(tc.subject); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the refusal is counted", func() bool { return refusals(t, reader) >= 1 })
		})
	}
}

func TestAWrongPasswordIsToldAtOnce(t *testing.T) {
	t.Parallel()
	srv := guarded(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := Connect(ctx, ConnectOptions{URL: srv.ClientURL(), Name: "dialer", Options: []nats.Option{nats.UserInfo("dialer", "wrong")}})
	if !errors.Is(err, nats.ErrAuthorization) || ctx.Err() != nil {
		t.Errorf("err = %v", err)
	}
}

// refusals reads outdial.nats.errors{code="permissions_violation"}.
func refusals(t *testing.T, reader *sdkmetric.ManualReader) int64 {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	var n int64
	for _, sm := range rm.ScopeMetrics {
		i := slices.IndexFunc(sm.Metrics, func(m metricdata.Metrics) bool { return m.Name == "outdial.nats.errors" })
		if i < 0 {
			continue
		}
		sum, ok := sm.Metrics[i].Data.(metricdata.Sum[int64])
		for _, p := range sum.DataPoints {
			if code, _ := p.Attributes.Value(attribute.Key("code")); ok && code.AsString() == "permissions_violation" {
				n += p.Value
			}
		}
	}
	return n
}
