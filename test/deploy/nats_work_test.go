package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/outdial/outdial/internal/api"
	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
)

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// Everything a service does, done under the permissions that are shipped: its
// consumers, its events, reads, a reader of the moment, notes and commands.
func TestNATSServicesCanWork(t *testing.T) {
	s := ship(t)
	acme := s.stream(t, "acme")
	if _, err := acme.Publish(within(t, 5*time.Second), events.RequestSubject("acme"), []byte("{}")); err != nil {
		t.Fatalf("a tenant's request through its own account: %v", err)
	}
	first := log.NewJetStream(s.stream(t, "orchestrator"), log.Options{})
	call, err := first.Append(within(t, 5*time.Second), log.Draft{Family: events.CallFamily, Tenant: "acme", Key: "c1",
		Role: events.Orchestrator, Name: events.Requested, Cause: "r", Time: time.Now(), Body: &events.CallRequested{}})
	if err != nil {
		t.Fatalf("the first event: %v", err)
	}
	last := call.Record.Seq
	for _, tc := range []struct {
		service string
		role    events.Role
		name    events.Name
		body    any
		hears   [][2]string
		known   bool // whether one of the consumers has something to hear
	}{
		{"orchestrator", events.Orchestrator, events.Waiting, &events.CallWaiting{}, [][2]string{{"REQUESTS_acme", "orchestrator"}, {"CALLS", "orchestrator"}, {"AGENTS", "orchestrator"}, {"AGENTS", "projector"}}, true},
		{"compliance", events.Compliance, events.Failed, &events.CallFailed{}, [][2]string{{"CALLS", "compliance"}}, true},
		{"dialer", events.Dialer, events.Withheld, &events.CallWithheld{}, [][2]string{{"CALLS", "dialer"}}, true},
		{"bridge", events.Bridge, events.Annotated, &events.CallProgress{}, [][2]string{{"PROVIDER", "bridge"}}, false},
	} {
		nc := s.as(t, tc.service)
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		store := log.NewJetStream(js, log.Options{})
		done, err := store.Append(within(t, 5*time.Second), log.Draft{Family: events.CallFamily, Tenant: "acme", Key: "c1", Role: tc.role,
			Name: tc.name, Cause: tc.service, Time: time.Now(), Body: tc.body, After: last})
		if err != nil || !done.Won {
			t.Fatalf("%s cannot append: %v", tc.service, err)
		}
		last = done.Record.Seq
		if got, err := store.Read(within(t, 5*time.Second), events.CallFamily, "acme", "c1", call.Record.Seq); err != nil || got[len(got)-1].Seq != last {
			t.Errorf("%s cannot read a call: %v", tc.service, err)
		}
		if _, err := store.Last(within(t, 5*time.Second), events.AgentFamily, "acme", "a1"); !errors.Is(err, log.ErrNone) {
			t.Errorf("%s cannot read an agent: %v", tc.service, err)
		}
		canTail(t, js, tc.service, events.StreamCalls)
		if tc.role == events.Bridge {
			canTail(t, js, tc.service, events.StreamProvider)
		}
		canHear(t, nc, tc.service, tc.role, tc.hears, tc.known)
		canAnswer(t, s, nc, tc.service)
	}
	if !mayPublish(t, s.as(t, "bridge"), events.ProviderSubject("acme", "tcn-main")) {
		t.Error("the bridge cannot keep a raw message")
	}
}

// canTail reads a stream through an ordered consumer.
func canTail(t *testing.T, js jetstream.JetStream, service, stream string) {
	t.Helper()
	ctx := within(t, 10*time.Second)
	tail, err := worker.Tail(ctx, js, stream, nil, 0, func(context.Context, worker.Delivery, error) error { return nil })
	if err != nil {
		t.Errorf("%s cannot follow %s: %v", service, stream, err)
		return
	}
	select {
	case <-tail.CaughtUp():
	case <-ctx.Done():
		t.Errorf("%s does not catch up with %s: at %d", service, stream, tail.Seq())
	}
	if _, err := js.Stream(ctx, events.StreamAgents); err != nil {
		t.Errorf("%s cannot see when AGENTS was made: %v", service, err)
	}
}

// canHear runs the service's consumers and settles what they bring.
func canHear(t *testing.T, nc *nats.Conn, service string, role events.Role, hears [][2]string, known bool) {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	rejecter := worker.NewRejecter(js, role, func(string) (events.Key, bool) { return nil, false })
	if err := rejecter.Reject(within(t, 5*time.Second), events.Rejected{Stage: service, Tenant: "acme", At: time.Now()}, nil); err != nil {
		t.Errorf("%s cannot note a rejection: %v", service, err)
	}
	if err := rejecter.Alarm(within(t, 5*time.Second), "id", events.Ops{Event: "alarm", Tenant: "acme", Service: service, At: time.Now()}); err != nil {
		t.Errorf("%s cannot raise an alarm: %v", service, err)
	}
	rt, err := worker.New(worker.Config{NC: nc, Name: service, Rejecter: rejecter})
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan string, 64)
	var routes []worker.Route
	for _, h := range hears {
		routes = append(routes, worker.Route{Stream: h[0], Durable: h[1], Handle: func(_ context.Context, d worker.Delivery) error {
			heard <- d.Stream
			return nil
		}})
	}
	ended := make(chan error, 1)
	go func() { ended <- rt.Run(t.Context(), routes...) }()
	for stream := ""; known && stream != hears[0][0]; {
		select {
		case stream = <-heard:
		case err := <-ended:
			t.Fatalf("%s stopped: %v", service, err)
		case <-time.After(10 * time.Second):
			t.Fatalf("%s hears nothing", service)
		}
	}
	// The server takes acknowledgements in by the way, and what is drained goes
	// back unacknowledged: so look while the runtime is at work. One that is
	// allowed shows soon, one that is not never does.
	for end := time.Now().Add(10 * time.Second); known; time.Sleep(10 * time.Millisecond) {
		cons, err := js.Consumer(within(t, 5*time.Second), hears[0][0], hears[0][1])
		if err != nil {
			t.Fatal(err)
		}
		if cons.CachedInfo().AckFloor.Stream > 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%s cannot acknowledge", service)
		}
	}
	rt.Drain()
	if err := <-ended; err != nil {
		t.Errorf("%s did not end in good order: %v", service, err)
	}
}

// canAnswer serves a command, to an operator and to the tenant's own systems
// alike, and is found by "nats micro ls".
func canAnswer(t *testing.T, s *shipped, nc *nats.Conn, service string) {
	t.Helper()
	svc, err := api.Serve(nc, service, "1.0.0", "a test", slog.New(slog.DiscardHandler), []string{"acme"}, []api.Endpoint{{
		Group: "call", Verb: service, Handle: func(_ context.Context, tenant string, _ []byte) (any, error) { return tenant, nil },
	}})
	if err != nil {
		t.Fatalf("%s cannot serve: %v", service, err)
	}
	defer func() { _ = svc.Stop() }()
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, from := range [][2]string{{"operator", "_INBOX"}, {"operator", "_INBOX_outdial-tool"}, {"operator", "_INBOX_outdial-doctor"}, {"acme", "_INBOX"}} {
		user := from[0]
		answer, err := s.from(t, user, from[1]).Request(events.ServiceSubject("acme", "call", service), nil, 5*time.Second)
		var tenant string
		if err != nil || json.Unmarshal(answer.Data, &tenant) != nil || tenant != "acme" {
			t.Errorf("%s asks %s, to be answered on %s: %v", user, service, from[1], err)
		}
	}
	if _, err := s.as(t, "operator").Request("$SRV.PING."+service, nil, 5*time.Second); err != nil {
		t.Errorf("nats micro ls does not find %s: %v", service, err)
	}
}

// The reply subject of a message is an order to whoever answers: publish there.
// A tenant must not be able to have its acknowledgements or answers written
// into anybody's log that way.
func TestNATSAnswersCannotBeAimedAtALog(t *testing.T) {
	s := ship(t)
	orchestrator := s.as(t, "orchestrator")
	asked := make(chan string, 8)
	if _, err := orchestrator.Subscribe("outdial.*.call.get", func(m *nats.Msg) {
		_ = m.Respond([]byte("{}"))
		asked <- m.Reply
	}); err != nil {
		t.Fatal(err)
	}
	if err := orchestrator.Flush(); err != nil {
		t.Fatal(err)
	}
	const victim = "append.calls.other.c9.compliance.passed"
	for _, user := range []string{"acme", "operator"} {
		nc := s.as(t, user)
		if err := nc.PublishRequest("outdial.acme.call.get", victim, nil); err != nil {
			t.Fatal(err)
		}
		if user == "acme" {
			if err := nc.PublishRequest(events.RequestSubject("acme"), victim, []byte("{}")); err != nil {
				t.Fatal(err)
			}
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-asked:
		case <-time.After(5 * time.Second):
			t.Fatalf("the question of %s was not heard", user)
		}
	}
	if err := orchestrator.Flush(); err != nil {
		t.Fatal(err)
	}
	// The request is stored once its acknowledgement is on its way; a second,
	// honest one comes after it.
	js := s.stream(t, "acme")
	if _, err := js.Publish(within(t, 5*time.Second), events.RequestSubject("acme"), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	calls, err := s.stream(t, "operator").Stream(within(t, 5*time.Second), events.StreamCalls)
	if err != nil {
		t.Fatal(err)
	}
	if n := calls.CachedInfo().State.Msgs; n != 0 {
		t.Errorf("%d answers were written into CALLS", n)
	}
}

// One tenant's systems reach their own requests and calls and nothing else.
func TestNATSTenantsAreApart(t *testing.T) {
	s := ship(t)
	acme := s.as(t, "acme")
	js, err := jetstream.New(acme)
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{events.RequestSubject("other"), "dial.requests.nobody", "append.calls.acme.c1.orchestrator.closed", "ops.acme.alarm"} {
		if _, err := js.Publish(within(t, 5*time.Second), subject, nil, jetstream.WithRetryAttempts(0)); !errors.Is(err, jetstream.ErrNoStreamResponse) && !errors.Is(err, nats.ErrNoResponders) {
			t.Errorf("publish on %s: %v, want no responders", subject, err)
		}
	}
	// The server itself answers for JetStream: this account has none.
	for _, subject := range []string{"$JS.API.STREAM.INFO.CALLS", "$JS.API.STREAM.MSG.GET.CALLS", "$JS.API.STREAM.NAMES"} {
		m, err := acme.Request(subject, []byte(`{"seq":1}`), 2*time.Second)
		if err != nil || !strings.Contains(string(m.Data), "not enabled for account") {
			t.Errorf("ask %s: %v, want that JetStream is not enabled for the account", subject, err)
		}
	}
	for _, subject := range []string{"outdial.other.call.get", "$SRV.PING"} {
		if _, err := acme.Request(subject, nil, 2*time.Second); !errors.Is(err, nats.ErrNoResponders) {
			t.Errorf("ask %s: %v, want no responders", subject, err)
		}
	}
	heard := map[string][]string{}
	subs := map[string]*nats.Subscription{}
	for _, user := range []string{"acme", "analytics"} {
		nc := s.as(t, user)
		sub, err := nc.SubscribeSync(">")
		if err != nil {
			t.Fatal(err)
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		subs[user] = sub
	}
	store := log.NewJetStream(s.stream(t, "orchestrator"), log.Options{})
	for _, tenant := range []string{"other", "acme"} {
		var after uint64
		for _, e := range []struct {
			name events.Name
			body any
		}{{events.Requested, &events.CallRequested{}}, {events.Closed, &events.CallClosed{}}} {
			done, err := store.Append(within(t, 5*time.Second), log.Draft{Family: events.CallFamily, Tenant: tenant, Key: "c1",
				Role: events.Orchestrator, Name: e.name, Cause: tenant, Time: time.Now(), Body: e.body, After: after})
			if err != nil {
				t.Fatal(err)
			}
			after = done.Record.Seq
		}
	}
	for user, sub := range subs {
		for len(heard[user]) == 0 || heard[user][len(heard[user])-1] != "calls.acme.c1.orchestrator.closed" {
			m, err := sub.NextMsg(5 * time.Second)
			if err != nil {
				t.Fatalf("%s heard %v, then: %v", user, heard[user], err)
			}
			if strings.HasPrefix(m.Subject, "$JS.EVENT.ADVISORY.API") {
				continue // the server's word to an account about its own requests, some time after them
			}
			heard[user] = append(heard[user], m.Subject)
		}
	}
	if want := []string{"calls.acme.c1.orchestrator.closed"}; !slices.Equal(heard["acme"], want) {
		t.Errorf("acme heard %v, want %v", heard["acme"], want)
	}
	if want := []string{"calls.other.c1.orchestrator.closed", "calls.acme.c1.orchestrator.closed"}; !slices.Equal(heard["analytics"], want) {
		t.Errorf("analytics heard %v, want %v: never the event requested", heard["analytics"], want)
	}
}

// The plan and the permissions name the same consumers.
func TestNATSKnowsEveryConsumer(t *testing.T) {
	layout, err := broker.Plan([]string{"acme"}, broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := ship(t)
	owner := map[string]string{broker.Projector: "orchestrator"}
	for _, c := range layout.Consumers {
		user := c.Config.Name
		if o, ok := owner[user]; ok {
			user = o
		}
		nc := s.as(t, user)
		for _, subject := range []string{
			"$JS.API.CONSUMER.INFO." + c.Stream + "." + c.Config.Name,
			"$JS.API.CONSUMER.MSG.NEXT." + c.Stream + "." + c.Config.Name,
			"$JS.ACK." + c.Stream + "." + c.Config.Name + ".1.2.3.4.0",
			"$JS.ACK._.hash." + c.Stream + "." + c.Config.Name + ".1.2.3.4.0",
		} {
			if !mayPublish(t, nc, subject) {
				t.Errorf("%s may not publish on %s", user, subject)
			}
		}
	}
}

// A service appends in batches what it may append, and nothing of another's
// role gets in with one.
func TestServicesAppendInBatchesWhatIsTheirs(t *testing.T) {
	s := ship(t)
	for user, kind := range map[string][2]string{
		"orchestrator": {"orchestrator.requested", "compliance.passed"}, "compliance": {"compliance.passed", "dialer.dialing"},
		"dialer": {"dialer.dialing", "compliance.passed"}, "bridge": {"bridge.ringing", "dialer.dialing"},
	} {
		js := s.stream(t, user)
		send := func(name string, others string) error {
			var batch []*nats.Msg
			for i, kind := range []string{kind[0], others, kind[0]} {
				batch = append(batch, nats.NewMsg(fmt.Sprintf("append.calls.acme.%s-%s%d.%s", user, name, i, kind)))
			}
			_, err := jetstreamext.PublishMsgBatch(within(t, 5*time.Second), js, batch, jetstreamext.BatchFlowControl{})
			return err
		}
		if err := send("own", kind[0]); err != nil {
			t.Errorf("%s: %v", user, err)
		}
		if err := send("foreign", kind[1]); err == nil {
			t.Errorf("%s stored %s in a batch", user, kind[1])
		}
	}
}
