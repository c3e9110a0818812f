package log_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/test/exams/natstest"
)

// kept fills CALLS with calls that closed, as a single writer appends them,
// and returns the sequence of the last event.
func kept(t testing.TB, r *natstest.Rig, calls int) uint64 {
	t.Helper()
	said := []struct {
		role events.Role
		name events.Name
		body any
	}{
		{events.Orchestrator, events.Requested, &events.CallRequested{}},
		{events.Orchestrator, events.Assigned, &events.CallAssigned{Agent: "a1"}},
		{events.Compliance, events.Passed, &events.CallPassed{}},
		{events.Dialer, events.Dialing, &events.CallDialing{Attempt: "x"}},
		{events.Dialer, events.Started, &events.CallStarted{}},
		{events.Bridge, events.Talking, &events.CallProgress{}},
		{events.Bridge, events.Ended, &events.CallProgress{}},
		{events.Orchestrator, events.Closed, &events.CallClosed{}},
	}
	js, err := jetstream.New(r.NC, jetstream.WithPublishAsyncMaxPending(1024),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, _ *nats.Msg, err error) { t.Error(err) }))
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), events.StreamCalls)
	if err != nil {
		t.Fatal(err)
	}
	last := s.CachedInfo().State.LastSeq
	for i := range calls {
		call := fmt.Sprint("kept", i)
		for n, e := range said {
			rec := events.Record{Family: events.CallFamily, Tenant: "acme", Key: call, Role: e.role, Name: e.name,
				ID: fmt.Sprint(call, "-", n), Time: noon, Place: n + 1, Body: e.body}
			h, data, err := events.EncodeRecord(rec)
			if err != nil {
				t.Fatal(err)
			}
			after := last
			if n == 0 {
				after = 0
			}
			m := &nats.Msg{Subject: events.AppendPrefix + rec.Subject(), Header: nats.Header(h), Data: data}
			m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(after, 10))
			m.Header.Set("Nats-Expected-Last-Subject-Sequence-Subject", events.LogFilter(events.CallFamily, "acme", call))
			if _, err := js.PublishMsgAsync(m, jetstream.WithStallWait(time.Minute)); err != nil {
				t.Fatal(err)
			}
			last++
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-time.After(5 * time.Minute):
		t.Fatal("the store is not filled in time")
	}
	return last
}

// roomy makes CALLS anew with other limits.
func roomy(t testing.TB, r *natstest.Rig, change func(*jetstream.StreamConfig)) {
	t.Helper()
	s, err := r.JS.Stream(t.Context(), events.StreamCalls)
	if err != nil {
		t.Fatal(err)
	}
	c := s.CachedInfo().Config
	change(&c)
	if err := r.JS.DeleteStream(t.Context(), c.Name); err != nil {
		t.Fatal(err)
	}
	if _, err := r.JS.CreateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

// many is how many calls a benchmark keeps: OUTDIAL_BENCH_CALLS, or few.
func many(b *testing.B) int {
	n, err := strconv.Atoi(os.Getenv("OUTDIAL_BENCH_CALLS"))
	if err != nil {
		return 2_000
	}
	return n
}

// BenchmarkReadAmongMany reads one closed call of eight events.
func BenchmarkReadAmongMany(b *testing.B) {
	r := natstest.New(b)
	provisioned(b, r)
	roomy(b, r, func(c *jetstream.StreamConfig) { c.MaxBytes = -1 })
	n := many(b)
	kept(b, r, n)
	l := log.NewJetStream(r.JS, log.Options{})
	b.ResetTimer()
	for i := 0; b.Loop(); i++ {
		records, err := l.Read(b.Context(), events.CallFamily, "acme", fmt.Sprint("kept", (i*7919)%n), 0)
		if err != nil || len(records) != 8 {
			b.Fatal(len(records), err)
		}
	}
}

// BenchmarkStillOpenAmongMany is a start for which nothing was kept: one walk
// through the headers of everything.
func BenchmarkStillOpenAmongMany(b *testing.B) {
	r := natstest.New(b)
	provisioned(b, r)
	roomy(b, r, func(c *jetstream.StreamConfig) { c.MaxBytes = -1 })
	kept(b, r, many(b))
	must(b, log.NewJetStream(r.JS, log.Options{}), requested("open"))
	b.ResetTimer()
	for b.Loop() {
		now, err := log.Snapshot{}.Forward(b.Context(), r.JS)
		if err != nil || len(now.Open) != 1 {
			b.Fatal(now, err)
		}
	}
}

// BenchmarkHandedOnAmongMany is the look of a start, for which nothing was kept,
// for customers who were handed on.
func BenchmarkHandedOnAmongMany(b *testing.B) {
	r := natstest.New(b)
	provisioned(b, r)
	roomy(b, r, func(c *jetstream.StreamConfig) { c.MaxBytes = -1 })
	kept(b, r, many(b))
	b.ResetTimer()
	for b.Loop() {
		if up, err := log.HandedOn(b.Context(), r.JS, time.Now().Add(-time.Hour)); err != nil || len(up) > 0 {
			b.Fatal(up, err)
		}
	}
}

func TestWhoMayHaveBeenHandedOn(t *testing.T) {
	t.Parallel()
	r := rig(t)
	l, before := log.NewJetStream(r.JS, log.Options{}), log.Snapshot{}
	find := func(since time.Duration) []log.Ref {
		t.Helper()
		up, err := log.HandedOn(t.Context(), r.JS, time.Now().Add(since))
		if err != nil {
			t.Fatal(err)
		}
		return up
	}
	if up := find(-time.Hour); len(up) > 0 {
		t.Errorf("in an empty log: %v", up)
	}
	for i, tc := range []struct {
		call    string
		reasons []string // of what ended, in this order
	}{
		{"still with somebody", []string{events.EndTransferred}},
		{"gone meanwhile", []string{events.EndTransferred, events.EndCompleted}},
		{"gone before the agent's part was told", []string{events.EndCompleted, events.EndTransferred}},
		{"talked, and over", []string{events.EndCompleted}},
	} {
		call := fmt.Sprint("c", i)
		seq := must(t, l, requested(call)).Record.Seq
		if i == 0 {
			s, err := before.Forward(t.Context(), r.JS)
			if err != nil || s.Seq != seq || s.ID == "" || len(s.Open) != 1 {
				t.Fatalf("%+v, %v", s, err)
			}
			before = s
		}
		for n, reason := range tc.reasons {
			seq = must(t, l, draft(call, events.Bridge, events.Ended, fmt.Sprint(n), seq, &events.CallProgress{Reason: reason})).Record.Seq
		}
		must(t, l, draft(call, events.Orchestrator, events.Closed, "x", seq, &events.CallClosed{}))
	}
	up, out := log.Ref{Tenant: "acme", ID: "c0"}, log.Ref{Tenant: "acme", ID: "c3"}
	if all := find(-time.Hour); !slices.Contains(all, up) || slices.Contains(all, log.Ref{Tenant: "acme", ID: "c1"}) || slices.Contains(all, out) {
		t.Errorf("by what ended: %v", all)
	}
	if all := find(time.Hour); len(all) > 0 {
		t.Errorf("of another time: %v", all)
	}
	s, err := before.Forward(t.Context(), r.JS)
	if err != nil || len(s.Open) > 0 || !slices.Contains(s.Handed, up) || slices.Contains(s.Handed, out) {
		t.Errorf("after a place: %+v, %v", s, err)
	}
	if s, err = s.Forward(t.Context(), r.JS); err != nil || !slices.Contains(s.Handed, up) || s.ID == "" {
		t.Errorf("with nothing after it: %+v, %v", s, err)
	}
}

func TestHistoryLooksBackFromAPlace(t *testing.T) {
	t.Parallel()
	r := rig(t)
	kept(t, r, 300) // of eight events, three of which tell of it
	for _, tc := range []struct {
		tenant string
		before uint64
		enough bool
		told   int
		rest   uint64
	}{{"acme", 0, false, 900, 0}, {"acme", 17, false, 6, 0}, {"globex", 0, false, 0, 0}, {"acme", 0, true, 750, 401}} {
		told := 0
		rest, err := log.History(t.Context(), r.JS, tc.tenant, tc.before, func(span []events.Record) bool {
			told += len(span)
			return !tc.enough
		})
		if err != nil || told != tc.told || rest != tc.rest {
			t.Errorf("%+v: told of %d, then %d, %v", tc, told, rest, err)
		}
	}
}

func TestACallOfWhichOnlyTheEndIsLeftIsToldFromAWholeOne(t *testing.T) {
	t.Parallel()
	r := rig(t)
	roomy(t, r, func(c *jetstream.StreamConfig) {
		c.MaxMsgs, c.Discard, c.DiscardNewPerSubject = 14, jetstream.DiscardOld, false
	})
	kept(t, r, 3) // two calls lose their beginning
	l := log.NewJetStream(r.JS, log.Options{})
	read := func(call string) ([]events.Record, error) {
		return l.Read(t.Context(), events.CallFamily, "acme", call, 0)
	}
	if records, err := read("kept0"); err != nil || len(records) != 0 {
		t.Errorf("one that is gone: %d events, %v", len(records), err)
	}
	if _, err := read("kept1"); fault.Of(err) != fault.Permanent || fault.Code(err) != log.CodeCut {
		t.Errorf("one that is cut: %v", err)
	}
	if records, err := read("kept2"); err != nil || len(records) != 8 {
		t.Errorf("one that is whole: %d events, %v", len(records), err)
	}
}
