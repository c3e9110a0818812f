package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

const canary = "+18667451234"

func TestStepsAreAppendedAndTheMessageAcknowledged(t *testing.T) {
	t.Parallel()
	b := newBench(t, 30*time.Second)
	c, _ := b.config(t)
	run(t, c, requestsTo(func(ctx context.Context, d Delivery) error {
		_, err := b.log.Append(ctx, log.Draft{
			Family: events.CallFamily, Tenant: "acme", Key: string(d.Data), Role: events.Orchestrator,
			Name: events.Requested, Cause: fmt.Sprint(d.Seq), Time: noon, Body: &events.CallRequested{},
		})
		return err
	}))
	for i := range 50 {
		b.request(t, fmt.Sprintf("call%d", i))
	}
	b.settled(t, "REQUESTS_acme")
	for i := range 50 {
		if _, err := b.log.Last(t.Context(), events.CallFamily, "acme", fmt.Sprintf("call%d", i)); err != nil {
			t.Errorf("call%d: %v", i, err)
		}
	}
	if n := b.rejected(t); len(n) != 0 {
		t.Errorf("rejected: %v", n)
	}
}

func TestASnoozeIsHeardAgainAndNeverCounted(t *testing.T) {
	t.Parallel()
	b := newBench(t, 30*time.Second)
	c, _ := b.config(t)
	var heard atomic.Int32
	run(t, c, requestsTo(func(context.Context, Delivery) error {
		if heard.Add(1) <= 12 {
			return Snooze(time.Millisecond, "not_yet")
		}
		return nil
	}))
	b.request(t, "x")
	b.settled(t, "REQUESTS_acme")
	if heard.Load() != 13 || len(b.rejected(t)) != 0 {
		t.Errorf("heard %d times, rejected %v", heard.Load(), b.rejected(t))
	}
}

func TestWhatCannotBeHelpedIsParkedAndThePayloadIsNotKept(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		story string
		err   error
		code  string
	}{
		{"permanent", fault.New(fault.Permanent, "decide", "bad_number", errors.New("caused by "+canary)), "bad_number"},
		{"uncertain", fault.New(fault.Uncertain, "ask", "no_reply", nil), "no_reply"},
		{"nobody classified it", errors.New("oops " + canary), "unclassified"},
	} {
		t.Run(tc.story, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, 30*time.Second)
			c, out := b.config(t)
			var heard atomic.Int32
			run(t, c, requestsTo(func(context.Context, Delivery) error {
				heard.Add(1)
				return tc.err
			}))
			seq := b.request(t, canary)
			b.settled(t, "REQUESTS_acme")
			notes := b.rejected(t)
			if heard.Load() != 1 || len(notes) != 1 {
				t.Fatalf("heard %d times, %d notes", heard.Load(), len(notes))
			}
			n := notes[0]
			key, _ := tenantKey("acme")
			if n.Stage != "orchestrator" || n.Tenant != "acme" || n.Stream != "REQUESTS_acme" || n.Sequence != seq ||
				n.Faults[0].Code != tc.code || n.Digest != key.Digest([]byte(canary)) {
				t.Errorf("note %+v", n)
			}
			if all := fmt.Sprint(notes, out.String()); strings.Contains(all, canary) {
				t.Errorf("the payload leaked: %s", all)
			}
		})
	}
}

// What a sender got wrong is the sender's to mend: it is counted by itself, and
// the alert that asks for a person does not hear of it.
func TestARefusedInputIsNotCountedAsParked(t *testing.T) {
	t.Parallel()
	b := newBench(t, 30*time.Second)
	c, out := b.config(t)
	run(t, c, requestsTo(func(_ context.Context, d Delivery) error {
		return &events.RejectError{Note: events.Rejected{Stage: "request", Tenant: "acme", Faults: []events.Fault{{Code: "not_e164"}}}}
	}))
	b.request(t, canary)
	b.settled(t, "REQUESTS_acme")
	if notes := b.rejected(t); len(notes) != 1 || notes[0].Stage != "request" {
		t.Errorf("notes %+v", notes)
	}
	if says := out.String(); !strings.Contains(says, resultRefused) || strings.Contains(says, resultParked) {
		t.Errorf("log: %s", says)
	}
}

func TestAPanicIsParkedAndItsValueStaysInside(t *testing.T) {
	t.Parallel()
	b := newBench(t, 30*time.Second)
	c, out := b.config(t)
	run(t, c, requestsTo(func(_ context.Context, d Delivery) error {
		if string(d.Data) == "at once" {
			panic(canary)
		}
		return nil
	}))
	b.request(t, "at once")
	b.request(t, "fine")
	b.settled(t, "REQUESTS_acme")
	notes := b.rejected(t)
	if len(notes) != 1 || notes[0].Faults[0].Code != "panic" {
		t.Errorf("notes %+v", notes)
	}
	if strings.Contains(out.String(), canary) || !strings.Contains(out.String(), "panicked") {
		t.Errorf("log: %s", out)
	}
}

func TestTheEighthFailureIsQuarantined(t *testing.T) {
	t.Parallel()
	b := newBench(t, 30*time.Second)
	c, _ := b.config(t)
	var bad, slow atomic.Int32
	run(t, c, requestsTo(func(_ context.Context, d Delivery) error {
		switch string(d.Data) {
		case "bad":
			bad.Add(1)
			return fault.New(fault.Transient, "decide", "store_down", nil)
		case "slow": // seven failures are forgiven
			if slow.Add(1) <= 7 {
				return fault.New(fault.Transient, "decide", "store_down", nil)
			}
		}
		return nil
	}))
	b.request(t, "bad")
	b.request(t, "slow")
	b.settled(t, "REQUESTS_acme")
	notes := b.rejected(t)
	if bad.Load() != 8 || slow.Load() != 8 || len(notes) != 1 || notes[0].Faults[0].Code != "store_down" {
		t.Errorf("bad heard %d times, slow %d, notes %+v", bad.Load(), slow.Load(), notes)
	}
}

func TestABrokerThatIsAwayIsNotTheMessagesFault(t *testing.T) {
	t.Parallel()
	b := newBench(t, 30*time.Second)
	c, _ := b.config(t)
	var heard atomic.Int32
	run(t, c, requestsTo(func(context.Context, Delivery) error {
		if heard.Add(1) <= 10 {
			return fault.New(fault.Transient, "append", log.CodeUnavailable, nil)
		}
		return nil
	}))
	b.request(t, "x")
	b.settled(t, "REQUESTS_acme")
	if heard.Load() != 11 || len(b.rejected(t)) != 0 {
		t.Errorf("heard %d times, rejected %v", heard.Load(), b.rejected(t))
	}
}

// deaf is a Rejecter that fails at first.
type deaf struct {
	Rejecter
	left atomic.Int32
}

func (d *deaf) Reject(ctx context.Context, n events.Rejected, p []byte) error {
	if d.left.Add(-1) >= 0 {
		return fault.New(fault.Transient, "publish", log.CodeUnavailable, nil)
	}
	return d.Rejecter.Reject(ctx, n, p)
}

func TestNothingEndsBeforeItIsNoted(t *testing.T) {
	t.Parallel()
	b := newBench(t, 30*time.Second)
	c, _ := b.config(t)
	d := &deaf{Rejecter: c.Rejecter}
	d.left.Store(3)
	c.Rejecter = d
	var heard atomic.Int32
	run(t, c, requestsTo(func(context.Context, Delivery) error {
		heard.Add(1)
		return fault.New(fault.Permanent, "decide", "bad", nil)
	}))
	b.request(t, "x")
	b.settled(t, "REQUESTS_acme")
	if heard.Load() != 4 || len(b.rejected(t)) != 1 {
		t.Errorf("heard %d times, %d notes", heard.Load(), len(b.rejected(t)))
	}
}

func TestAnUnknownEventIsHeldWithAnAlarmAndOthersGoOn(t *testing.T) {
	t.Parallel()
	b := newBench(t, 30*time.Second)
	c, _ := b.config(t)
	var known, read atomic.Int32
	b.unknownEvent(t, "c1")
	b.requested(t, "c2")
	run(t, c, callsTo(func(ctx context.Context, d Delivery) error {
		if d.Record == nil {
			t.Errorf("the handler got %s undecoded", d.Subject)
			return nil
		}
		// A handler that folds a call with an unknown event holds as well.
		if _, err := b.log.Read(ctx, events.CallFamily, "acme", "c1", 1); err != nil && known.Load() == 0 {
			read.Add(1)
			if read.Load() == 3 {
				known.Add(1)
			}
			return err
		}
		return nil
	}))
	var alarms []events.Ops
	eventually(t, "an alarm for each", func() bool {
		alarms = bodies[events.Ops](t, b, events.StreamOps, events.TypeOps)
		return len(alarms) >= 2 && read.Load() == 3
	})
	if alarms[0].What != log.CodeUnknownEvent || alarms[0].Tenant != "acme" {
		t.Errorf("alarm %+v", alarms[0])
	}
	eventually(t, "only the unknown event is left", func() bool {
		cons, err := b.JS.Consumer(t.Context(), "CALLS", "orchestrator")
		return err == nil && cons.CachedInfo().NumAckPending == 1 && cons.CachedInfo().Delivered.Stream == 2
	})
	if n := b.rejected(t); len(n) != 0 {
		t.Errorf("rejected %+v", n)
	}
	if n := len(bodies[events.Ops](t, b, events.StreamOps, events.TypeOps)); n != 2 {
		t.Errorf("%d alarms for two messages", n)
	}
}

func TestAnEventThatLiesIsParked(t *testing.T) {
	t.Parallel()
	b := newBench(t, 30*time.Second)
	c, _ := b.config(t)
	run(t, c, callsTo(func(context.Context, Delivery) error {
		t.Error("the handler heard it")
		return nil
	}))
	if _, err := b.JS.Publish(t.Context(), "append.calls.acme.c1.compliance.passed", []byte("{")); err != nil {
		t.Fatal(err)
	}
	b.settled(t, "CALLS")
	if n := b.rejected(t); len(n) != 1 || n[0].Call != "c1" || n[0].Tenant != "acme" {
		t.Errorf("notes %+v", n)
	}
}

func TestBackoffGrowsToItsLimitWithJitter(t *testing.T) {
	t.Parallel()
	c := Config{Backoff: 250 * time.Millisecond}
	for n, most := range map[int]time.Duration{1: 250 * time.Millisecond, 2: 500 * time.Millisecond, 5: 4 * time.Second, 9: maxBackoff, 1000: maxBackoff} {
		for range 50 {
			if d := c.delay(n); d < most/2 || d > most {
				t.Fatalf("failure %d: %s, want between %s and %s", n, d, most/2, most)
			}
		}
	}
}

// What is put off again and again, be it that this process never hears what the
// message tells, is silence to everybody: once it lasts, it is said, once.
func TestAMessageThatIsPutOffForLongIsSaidOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, 30*time.Second)
	c, out := b.config(t)
	c.Heard = func(context.Context, events.Family, log.Ref, uint64) (*events.Record, error) {
		return nil, context.DeadlineExceeded
	}
	rt, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	con := &consumer{rt: rt, route: callsTo(nil), failures: newFailures(8), metrics: rt.metrics.of(callsTo(nil)), log: c.Logger}
	d := Delivery{Stream: "CALLS", Subject: "calls.acme.c1.orchestrator.requested", Seq: 7}
	put := func() {
		if how := con.settle(t.Context(), given{}, d, con.read(t.Context(), time.Now().Add(time.Minute), &d)); how.result != resultSnooze {
			t.Fatalf("it ended as %v", how)
		}
	}
	put()
	if strings.Contains(out.String(), "WARN") {
		t.Errorf("said at once: %s", out)
	}
	con.failures.seen[7].since = time.Now().Add(-delayed - time.Second)
	put()
	put()
	if n := strings.Count(out.String(), `level=WARN msg="a message is put off again and again" seq=7 since=31s why="not heard here yet"`); n != 1 {
		t.Errorf("said %d times: %s", n, out)
	}
	con.settle(t.Context(), given{}, d, nil)
	if len(con.failures.seen) != 0 {
		t.Error("it is remembered although it got on")
	}
}

// given is a message that is settled to nobody.
type given struct{ jetstream.Msg }

func (given) Ack() error                       { return nil }
func (given) NakWithDelay(time.Duration) error { return nil }

func TestFailuresOfOthersAreForgottenInTime(t *testing.T) {
	t.Parallel()
	f := newFailures(8)
	for seq := range uint64(1024) {
		f.count(seq, false)
		f.seen[seq].last = time.Now().Add(-2 * forgetAfter)
	}
	f.count(5000, false)
	if len(f.seen) != 1 {
		t.Errorf("%d entries kept", len(f.seen))
	}
}
