package broker_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/test/exams/natstest"
)

func plan(t *testing.T, tenants ...string) broker.Layout {
	t.Helper()
	l, err := broker.Plan(tenants, broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func rig(t *testing.T, tenants ...string) *natstest.Rig {
	t.Helper()
	r := natstest.New(t)
	if _, err := broker.Apply(t.Context(), r.JS, plan(t, tenants...)); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestProvisionTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	r := natstest.New(t)
	l := plan(t, "acme", "globex")

	before, err := broker.Diff(t.Context(), r.JS, l)
	if err != nil {
		t.Fatal(err)
	}
	if want := len(l.Streams) + len(l.Consumers); len(before) != want {
		t.Errorf("an empty server misses %d things, want %d", len(before), want)
	}
	first, err := broker.Apply(t.Context(), r.JS, l)
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != len(before) {
		t.Errorf("applied %d changes, the diff had announced %d", len(first), len(before))
	}
	second, err := broker.Apply(t.Context(), r.JS, l)
	if err != nil {
		t.Fatal(err)
	}
	if len(second) != 0 {
		t.Errorf("the second time changed %v", second)
	}
}

func TestDriftIsReportedAndMended(t *testing.T) {
	t.Parallel()
	r := rig(t, "acme")
	l := plan(t, "acme")

	s, err := r.JS.Stream(t.Context(), "CALLS")
	if err != nil {
		t.Fatal(err)
	}
	c := s.CachedInfo().Config
	c.MaxAge, c.AllowDirect = time.Hour, true
	if _, err := r.JS.UpdateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	cons, err := r.JS.Consumer(t.Context(), "CALLS", "dialer")
	if err != nil {
		t.Fatal(err)
	}
	cc := cons.CachedInfo().Config
	cc.MaxAckPending = 1
	if _, err := r.JS.UpdateConsumer(t.Context(), "CALLS", cc); err != nil {
		t.Fatal(err)
	}

	drift, err := broker.Diff(t.Context(), r.JS, l)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, d := range drift {
		text.WriteString(d.String() + "\n")
	}
	for _, want := range []string{"update stream CALLS", "allow_direct: true → unset", "max_age", "update consumer dialer on CALLS: max_ack_pending: 1 → 20000"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, text.String())
		}
	}
	if len(drift) != 2 {
		t.Errorf("%d differences, want 2:\n%s", len(drift), text.String())
	}
	if _, err := broker.Apply(t.Context(), r.JS, l); err != nil {
		t.Fatal(err)
	}
	if left, err := broker.Diff(t.Context(), r.JS, l); err != nil || len(left) != 0 {
		t.Errorf("after mending: %v, %v", left, err)
	}
}

// A paused consumer is somebody's emergency stop: provisioning anew, which every
// start does, must not set it going again.
func TestAPauseIsNoDriftAndStays(t *testing.T) {
	t.Parallel()
	r := rig(t, "acme")
	l := plan(t, "acme")
	until := time.Now().Add(time.Hour).Truncate(time.Second)
	if _, err := r.JS.PauseConsumer(t.Context(), "CALLS", "dialer", until); err != nil {
		t.Fatal(err)
	}
	paused := func(story string) {
		t.Helper()
		cons, err := r.JS.Consumer(t.Context(), "CALLS", "dialer")
		if err != nil {
			t.Fatal(err)
		}
		i := cons.CachedInfo()
		if p := i.Config.PauseUntil; !i.Paused || p == nil || !p.Equal(until) {
			t.Errorf("%s: paused %v until %v, want until %v", story, i.Paused, p, until)
		}
	}
	paused("when it was paused")
	if drift, err := broker.Diff(t.Context(), r.JS, l); err != nil || len(drift) != 0 {
		t.Errorf("a pause is called drift: %v, %v", drift, err)
	}
	if changes, err := broker.Apply(t.Context(), r.JS, l); err != nil || len(changes) != 0 {
		t.Errorf("applied %v, %v", changes, err)
	}
	paused("after it was provisioned anew")

	cons, err := r.JS.Consumer(t.Context(), "CALLS", "dialer")
	if err != nil {
		t.Fatal(err)
	}
	c := cons.CachedInfo().Config
	c.MaxAckPending = 1
	if _, err := r.JS.UpdateConsumer(t.Context(), "CALLS", c); err != nil {
		t.Fatal(err)
	}
	changes, err := broker.Apply(t.Context(), r.JS, l)
	if err != nil || len(changes) != 1 || len(changes[0].Fields) != 1 || !strings.Contains(changes[0].Fields[0], "max_ack_pending") {
		t.Errorf("real drift beside a pause: %v, %v", changes, err)
	}
	paused("after drift was mended")
	if left, err := broker.Diff(t.Context(), r.JS, l); err != nil || len(left) != 0 {
		t.Errorf("after mending: %v, %v", left, err)
	}
}

// A publish permission on one subject must not be a way to wipe, expire or
// schedule anything. The logs alone take batches.
func TestHeaderFeaturesAreRefused(t *testing.T) {
	t.Parallel()
	r := rig(t, "acme")
	subjects := []string{
		"dial.requests.acme", "append.calls.acme.c1.orchestrator.requested", "append.agents.acme.a1.bridge.ready",
		"provider.acme.tcn", "facts.acme.dnc.x", "control.acme.tenant.pause", "ops.acme.alarm", "rejected.acme.request",
	}
	const batch = "a batch"
	headers := map[string]nats.Header{
		"rollup of everything":  {"Nats-Rollup": {"all"}},
		"rollup of the subject": {"Nats-Rollup": {"sub"}},
		"a time to live":        {"Nats-TTL": {"1s"}},
		"a schedule":            {"Nats-Schedule": {"@at 2030-01-01T00:00:00Z"}, "Nats-Schedule-Target": {"dial.requests.acme"}},
		"a counter":             {"Nats-Incr": {"+1"}},
		batch:                   {"Nats-Batch-Id": {"b"}, "Nats-Batch-Sequence": {"1"}, "Nats-Batch-Commit": {"1"}},
	}
	for story, h := range headers {
		t.Run(story, func(t *testing.T) {
			for _, s := range subjects {
				_, err := r.JS.PublishMsg(t.Context(), &nats.Msg{Subject: s, Header: h, Data: []byte("1")})
				if took, may := err == nil, story == batch && strings.HasPrefix(s, "append."); took != may {
					t.Errorf("%s: took it %v, %v", s, took, err)
				}
			}
		})
	}
}

func TestAnUnknownTenantHearsNoResponders(t *testing.T) {
	t.Parallel()
	r := rig(t, "acme")
	if _, err := r.NC.Request("dial.requests.acme", []byte("{}"), 5*time.Second); err != nil {
		t.Errorf("a known tenant: %v", err)
	}
	if _, err := r.NC.Request("dial.requests.nobody", []byte("{}"), 5*time.Second); err != nats.ErrNoResponders {
		t.Errorf("an unknown tenant: %v, want no responders", err)
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	r := rig(t, "acme")
	for _, tc := range []struct {
		story, subject string
		bytes          int
		ok             bool
	}{
		{"an oversize request is stored, so that it can be answered", "dial.requests.acme", 900 << 10, true},
		{"a call's event above 64 KiB and headers is not", "append.calls.acme.c1.bridge.ringing", 90 << 10, false},
		{"a call's event of 64 KiB is", "append.calls.acme.c2.bridge.ringing", 64 << 10, true},
	} {
		t.Run(tc.story, func(t *testing.T) {
			_, err := r.JS.Publish(t.Context(), tc.subject, make([]byte, tc.bytes))
			if (err == nil) != tc.ok {
				t.Errorf("err = %v", err)
			}
		})
	}
	if _, err := r.JS.Publish(t.Context(), "dial.requests.acme", make([]byte, 2<<20)); err == nil {
		t.Error("2 MiB went through")
	}
}

func TestAgentsKeepTheLastOfEachKindAndCallsRefuseMore(t *testing.T) {
	t.Parallel()
	r := rig(t, "acme")
	var refused int
	for range 80 {
		if _, err := r.JS.Publish(t.Context(), "append.agents.acme.a1.bridge.ready", nil); err != nil {
			t.Fatalf("an agent's log must never fill: %v", err)
		}
		if _, err := r.JS.Publish(t.Context(), "append.calls.acme.c1.bridge.held", nil); err != nil {
			refused++
		}
	}
	if refused != 16 {
		t.Errorf("%d of 80 refused on the call, want 16", refused)
	}
	s, err := r.JS.Stream(t.Context(), "AGENTS")
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Info(t.Context(), jetstream.WithSubjectFilter("agents.acme.a1.>"))
	if err != nil {
		t.Fatal(err)
	}
	if n := info.State.Subjects["agents.acme.a1.bridge.ready"]; n != 64 {
		t.Errorf("the agent's log holds %d, want the last 64", n)
	}
}

func TestPlanRefusesNonsense(t *testing.T) {
	t.Parallel()
	for story, f := range map[string]func() error{
		"a tenant with a dot":      func() error { _, err := broker.Plan([]string{"a.b"}, broker.Options{}); return err },
		"a tenant with a wildcard": func() error { _, err := broker.Plan([]string{"*"}, broker.Options{}); return err },
		"the tenant of all":        func() error { _, err := broker.Plan([]string{"_"}, broker.Options{}); return err },
		"two replicas":             func() error { _, err := broker.Plan(nil, broker.Options{Replicas: 2}); return err },
		"a log of an hour":         func() error { _, err := broker.Plan(nil, broker.Options{CallsKeep: time.Hour}); return err },
	} {
		if f() == nil {
			t.Errorf("%s passed", story)
		}
	}
}

func TestApplySaysWhatTheServerRefuses(t *testing.T) {
	t.Parallel()
	r := natstest.New(t)
	if _, err := r.JS.CreateStream(context.Background(), jetstream.StreamConfig{
		Name: "CALLS", Subjects: []string{"append.calls.*.*.*.*"}, Storage: jetstream.MemoryStorage,
	}); err != nil {
		t.Fatal(err)
	}
	_, err := broker.Apply(t.Context(), r.JS, plan(t))
	if err == nil || !strings.Contains(err.Error(), "CALLS") || !strings.Contains(err.Error(), "storage") {
		t.Errorf("err = %v, want it to name CALLS and its storage", err)
	}
}
