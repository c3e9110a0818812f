package broker_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/internal/broker/embedded"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/test/exams/natstest"
)

const mib = 1 << 20

func sized(t *testing.T, store int64, tenants ...string) broker.Layout {
	t.Helper()
	l, err := broker.Plan(tenants, broker.Options{Store: store, Connections: 2})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// apply makes a server fit a plan and wants it to stay so.
func apply(t *testing.T, r *natstest.Rig, l broker.Layout) {
	t.Helper()
	if _, err := broker.Apply(t.Context(), r.JS, l); err != nil {
		t.Fatal(err)
	}
	if left, err := broker.Diff(t.Context(), r.JS, l); err != nil || len(left) != 0 {
		t.Fatalf("after it was applied: %v, %v", left, err)
	}
}

func holds(t *testing.T, r *natstest.Rig, stream string) jetstream.StreamState {
	t.Helper()
	s, err := r.JS.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State
}

// numbered puts a number where a subject has a place for one.
func numbered(subject string, n int) string { return strings.Replace(subject, "%d", fmt.Sprint(n), 1) }

// fill writes to a subject until it is refused, or limit is reached.
func fill(t *testing.T, r *natstest.Rig, size, limit int, subject func(n int) string) (stored int, refusal error) {
	t.Helper()
	body := make([]byte, size)
	for n := range limit {
		if _, err := r.JS.Publish(t.Context(), subject(n), body); err != nil {
			return n, err
		}
	}
	return limit, nil
}

func TestEveryStreamHasItsPartOfTheStore(t *testing.T) {
	t.Parallel()
	for _, tenants := range [][]string{nil, {"acme"}, {"acme", "globex", "initech"}} {
		for _, store := range []int64{8 * mib, 1 << 30, 16 << 30, 5_000_000_000} {
			l := sized(t, store, tenants...)
			if sum := l.Bytes(); sum > store || sum < store/2 {
				t.Errorf("%d tenants: of %d bytes the streams have %d", len(tenants), store, sum)
			}
			for _, s := range l.Streams {
				if s.Config.MaxBytes <= 0 {
					t.Errorf("%s has no part of the store", s.Config.Name)
				}
			}
		}
	}
}

// How many requests of a tenant are kept, by how long the log keeps a call.
func TestATenantsRequestsFitItsPartOfTheLog(t *testing.T) {
	t.Parallel()
	for keep, want := range map[time.Duration]int64{
		0: 183500, 48 * time.Hour: 183500, 72 * time.Hour: 183500, 144 * time.Hour: 91750, 720 * time.Hour: 18350,
		876000 * time.Hour: 18350, // for a hundred years, and still some
	} {
		l, err := broker.Plan([]string{"acme", "globex"}, broker.Options{Store: 16 << 30, CallsKeep: keep})
		if err != nil {
			t.Fatal(err)
		}
		if got := l.Streams[0].Config.MaxMsgs; got < want*99/100 || got > want*101/100 {
			t.Errorf("CALLS keeps %s: %d requests, want some %d", keep, got, want)
		}
	}
}

// A writer who floods fills its own part, and everything else still writes.
func TestAFloodLeavesRoomForEverythingElse(t *testing.T) {
	t.Parallel()
	others := []string{
		"dial.requests.globex", "append.calls.globex.c1.orchestrator.requested", "append.agents.globex.a1.bridge.ready",
		"provider.globex.tcn", "facts.globex.dnc.x", "facts.acme.dnc.x", "control.acme.tenant.pause", "ops.globex.alarm", "rejected.globex.request",
	}
	for _, tc := range []struct {
		story   string
		subject string // %d is counted on
		refused string // "" for a record, which forgets its oldest
	}{
		{"requests of a tenant", "dial.requests.acme", "maximum"},
		{"calls", "append.calls.acme.c%d.orchestrator.requested", "maximum bytes"},
		{"agents", "append.agents.acme.a%d.bridge.ready", "maximum bytes"},
		{"facts", "facts.acme.dnc.%d", "maximum bytes"},
		{"pauses", "control.acme.campaign.%d", "maximum bytes"},
		{"raw messages of a connection", "provider.acme.tcn", ""},
		{"notes of a tenant", "ops.acme.alarm", ""},
		{"bad requests of a tenant", "rejected.acme.request", ""},
	} {
		t.Run(tc.story, func(t *testing.T) {
			t.Parallel()
			r := natstest.New(t)
			apply(t, r, sized(t, 4*mib, "acme", "globex"))
			n, err := fill(t, r, 4000, 1000, func(n int) string { return numbered(tc.subject, n) })
			switch {
			case tc.refused == "" && err != nil:
				t.Errorf("refused after %d: %v", n, err)
			case tc.refused != "" && (err == nil || !strings.Contains(err.Error(), tc.refused)):
				t.Errorf("after %d: %v, want a refusal that says %q", n, err, tc.refused)
			}
			for _, s := range others {
				if sameStream(s, tc.subject) {
					continue
				}
				if _, err := r.JS.Publish(t.Context(), s, make([]byte, 1000)); err != nil {
					t.Errorf("%s does not write any more: %v", s, err)
				}
			}
		})
	}
}

// sameStream tells the subjects that a flood may fill for those who write the
// same truth; of records and requests each has its own part.
func sameStream(a, b string) bool {
	kind := func(s string) string { return strings.SplitN(strings.TrimPrefix(s, "append."), ".", 2)[0] }
	k := kind(a)
	return k == kind(b) && (k == "calls" || k == "agents" || k == "facts" || k == "control")
}

// Of a record that many write to, who floods loses their own oldest.
func TestWhoFloodsARecordLosesTheirOwn(t *testing.T) {
	t.Parallel()
	r := natstest.New(t)
	apply(t, r, sized(t, 16*mib, "acme", "globex"))
	for _, s := range []string{"provider.globex.five9", "ops.globex.command", "rejected.globex.request"} {
		if _, err := r.JS.Publish(t.Context(), s, []byte("of another")); err != nil {
			t.Fatal(err)
		}
		flood := strings.Replace(s, "globex", "acme", 1)
		if _, err := fill(t, r, 2000, 1500, func(int) string { return flood }); err != nil {
			t.Errorf("%s: %v", flood, err)
		}
		name, err := r.JS.StreamNameBySubject(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		stream, err := r.JS.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.GetLastMsgForSubject(t.Context(), s); err != nil {
			t.Errorf("%s was lost to a flood of %s: %v", s, flood, err)
		}
	}
}

// A store that was made when streams had no sizes gets them, and loses nothing,
// also where it holds more than a share.
func TestAStoreWithoutSizesGetsThemAndLosesNothing(t *testing.T) {
	t.Parallel()
	r := natstest.New(t)
	old := sized(t, 4*mib, "acme")
	for i := range old.Streams {
		c := &old.Streams[i].Config
		c.MaxBytes, c.MaxMsgs, c.Discard = -1, -1, jetstream.DiscardNew
		switch c.Name {
		case events.StreamOps, events.StreamRejected, events.StreamProvider:
			c.MaxMsgsPerSubject = -1
		}
		if _, err := r.JS.CreateStream(t.Context(), *c); err != nil {
			t.Fatal(err)
		}
	}
	subjects := map[string]string{
		"CALLS": "append.calls.acme.c%d.orchestrator.requested", "OPS": "ops.acme.e%d", "REJECTED": "rejected.acme.request",
		"PROVIDER": "provider.acme.tcn", "FACTS": "facts.acme.dnc.%d", "REQUESTS_acme": "dial.requests.acme",
	}
	before := map[string]jetstream.StreamState{}
	for name, s := range subjects {
		if n, err := fill(t, r, 8000, 250, func(n int) string { return numbered(s, n) }); err != nil {
			t.Fatalf("%s after %d: %v", name, n, err)
		}
		before[name] = holds(t, r, name)
	}
	apply(t, r, sized(t, 4*mib, "acme"))
	for name, was := range before {
		if is := holds(t, r, name); is.Msgs != was.Msgs || is.Bytes != was.Bytes || is.FirstSeq != was.FirstSeq {
			t.Errorf("%s held %d messages from %d, and now %d from %d", name, was.Msgs, was.FirstSeq, is.Msgs, is.FirstSeq)
		}
		if _, err := r.JS.Publish(t.Context(), numbered(subjects[name], 999), make([]byte, 100)); err != nil {
			t.Errorf("%s does not write any more: %v", name, err)
		}
	}
	apply(t, r, sized(t, 64*mib, "acme")) // and what was raised for what was held is a share again
	if c := config(t, r, "CALLS"); c.MaxBytes != 64*mib/1000*350 {
		t.Errorf("CALLS may hold %d bytes", c.MaxBytes)
	}
}

func config(t *testing.T, r *natstest.Rig, stream string) jetstream.StreamConfig {
	t.Helper()
	s, err := r.JS.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().Config
}

func TestProvisionSaysWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	r := natstest.New(t, func(c *embedded.Config) { c.MaxStore = 8 * mib })
	_, err := broker.Apply(t.Context(), r.JS, sized(t, 64*mib, "acme"))
	if !errors.Is(err, broker.ErrNoRoom) || !strings.Contains(err.Error(), "nats.maxStore") || !strings.Contains(err.Error(), "60 MiB") {
		t.Errorf("err = %v", err)
	}
	apply(t, r, sized(t, 8*mib, "acme"))
	// Another tenant's requests find room, because the others give it back first.
	apply(t, r, sized(t, 8*mib, "acme", "globex", "initech"))
	apply(t, r, sized(t, 8*mib, "acme", "globex"))
}

// What outdial decides by, and what upstream was told is accepted, nobody takes
// out of a stream, not even with an operator's permissions.
func TestWhatIsAcceptedCannotBeTakenOut(t *testing.T) {
	t.Parallel()
	r := rig(t, "acme")
	for name, subject := range map[string]string{
		"REQUESTS_acme": "dial.requests.acme", "CALLS": "append.calls.acme.c1.orchestrator.requested",
		"AGENTS": "append.agents.acme.a1.bridge.ready", "FACTS": "facts.acme.dnc.x",
	} {
		ack, err := r.JS.Publish(t.Context(), subject, []byte("kept"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := r.JS.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if s.DeleteMsg(t.Context(), ack.Sequence) == nil || s.SecureDeleteMsg(t.Context(), ack.Sequence) == nil {
			t.Errorf("a message of %s was deleted", name)
		}
		if s.Purge(t.Context()) == nil {
			t.Errorf("%s was purged", name)
		}
		if n := holds(t, r, name).Msgs; n != 1 {
			t.Errorf("%s holds %d messages, want the one", name, n)
		}
	}
}
