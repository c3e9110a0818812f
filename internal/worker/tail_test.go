package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outdial/outdial/internal/broker/embedded"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/test/exams/natstest"
)

// fixedPort lets a server come back where it was.
func fixedPort(t *testing.T) func(*embedded.Config) {
	t.Helper()
	addr := natstest.Vacant(t)
	return func(c *embedded.Config) { c.Listen = addr }
}

type heard struct {
	mu   sync.Mutex
	seqs []uint64
}

func (h *heard) add(seq uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seqs = append(h.seqs, seq)
}

func (h *heard) all() []uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]uint64(nil), h.seqs...)
}

func TestATailSeesAllInOrderAcrossRestarts(t *testing.T) {
	t.Parallel()
	b := newBench(t, 30*time.Second, fixedPort(t))
	for i := range 100 {
		b.requested(t, fmt.Sprintf("a%d", i))
	}
	nc, err := Connect(t.Context(), ConnectOptions{URL: b.Server.ClientURL(), Name: "index"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js := jetstreamOf(t, nc)
	var h heard
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	tl, err := tail(ctx, js, "CALLS", []string{"calls.>"}, 0, 500*time.Millisecond, func(_ context.Context, d Delivery, problem error) error {
		if problem != nil || d.Record == nil {
			t.Errorf("sequence %d: %v", d.Seq, problem)
		}
		h.add(d.Seq)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-tl.CaughtUp():
	case <-time.After(patience):
		t.Fatal("never caught up")
	}
	if n := len(h.all()); n < 100 {
		t.Errorf("caught up after %d of 100", n)
	}
	for round := range 2 {
		b.Server.Stop()
		b.Start(t)
		b.log = newLog(t, b)
		for i := range 50 {
			b.requested(t, fmt.Sprintf("b%d-%d", round, i))
		}
		want := uint64(100 + 50*(round+1))
		eventually(t, "all heard after a restart", func() bool { return tl.Seq() == want })
	}
	for i, seq := range h.all() {
		if seq != uint64(i+1) {
			t.Fatalf("the %dth was sequence %d", i+1, seq)
		}
	}
	if n := len(h.all()); n != 200 {
		t.Errorf("heard %d, want each of 200 once", n)
	}
	stop()
	if err := tl.Err(); err != nil {
		t.Errorf("ended with %v", err)
	}
}

func TestATailStories(t *testing.T) {
	t.Parallel()
	b := newBench(t, 30*time.Second)
	t.Run("nothing stored is caught up at once", func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		tl, err := Tail(ctx, b.JS, "CALLS", nil, 0, func(context.Context, Delivery, error) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		<-tl.CaughtUp()
	})
	b.requested(t, "one")
	b.unknownEvent(t, "two")
	b.requested(t, "three")
	t.Run("what cannot be read is said to be so, and not skipped", func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var problems []error
		tl, err := Tail(ctx, b.JS, "CALLS", nil, 0, func(_ context.Context, _ Delivery, problem error) error {
			problems = append(problems, problem)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		<-tl.CaughtUp()
		if len(problems) != 3 || problems[0] != nil || !errors.Is(problems[1], events.ErrUnknownEvent) || problems[2] != nil {
			t.Errorf("problems: %v", problems)
		}
	})
	t.Run("it starts where it is told, and hears only its filters", func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var h heard
		tl, err := Tail(ctx, b.JS, "CALLS", []string{"calls.*.*.orchestrator.requested"}, 2, func(_ context.Context, d Delivery, _ error) error {
			h.add(d.Seq)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		<-tl.CaughtUp()
		if got := h.all(); len(got) != 1 || got[0] != 3 {
			t.Errorf("heard %v", got)
		}
	})
}

func TestATailObeysItsHandler(t *testing.T) {
	t.Parallel()
	b := newBench(t, 30*time.Second)
	for _, call := range []string{"one", "two", "three"} {
		b.requested(t, call)
	}
	t.Run("a handler may ask for the same again", func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var h heard
		tl, err := Tail(ctx, b.JS, "CALLS", nil, 3, func(_ context.Context, d Delivery, _ error) error {
			h.add(d.Seq)
			if len(h.all()) < 3 {
				return &fault.Error{Class: fault.Transient, Op: "index", Code: "busy", After: time.Millisecond}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		<-tl.CaughtUp()
		if got := h.all(); len(got) != 3 || got[0] != 3 || got[2] != 3 {
			t.Errorf("heard %v", got)
		}
	})
	t.Run("a handler that cannot go on ends it", func(t *testing.T) {
		broken := errors.New("broken")
		tl, err := Tail(t.Context(), b.JS, "CALLS", nil, 0, func(context.Context, Delivery, error) error { return broken })
		if err != nil {
			t.Fatal(err)
		}
		if err := tl.Err(); !errors.Is(err, broken) {
			t.Errorf("ended with %v", err)
		}
	})
	t.Run("a stream that is not there is an error at once", func(t *testing.T) {
		if _, err := Tail(t.Context(), b.JS, "NOWHERE", nil, 0, nil); err == nil {
			t.Error("no error")
		}
	})
}

// What was last when the tail began may age out before it is heard. Then there
// is nothing left to catch up with.
func TestATailCatchesUpWithWhatIsStillThere(t *testing.T) {
	t.Parallel()
	b := newBench(t, 30*time.Second)
	b.requested(t, "one")
	tl := newTailer(b.JS, "CALLS", nil, 50*time.Millisecond, func(context.Context, Delivery, error) error { return nil })
	tl.target = 2 // it was stored then, and is not any more
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { _ = tl.run(ctx) }()
	select {
	case <-tl.CaughtUp():
	case <-time.After(patience):
		t.Fatal("never caught up")
	}
	if tl.Seq() != 1 {
		t.Errorf("caught up at %d, before what is there was heard", tl.Seq())
	}
}

func TestCarrier(t *testing.T) {
	t.Parallel()
	for story, h := range map[string]nats.Header{
		"the hop's own header":     {"traceparent": {"x"}, "ce-traceparent": {"y"}},
		"the event's attribute":    {"ce-traceparent": {"x"}},
		"in another case":          {"Ce-Traceparent": {"x"}},
		"a header in another case": {"TraceParent": {"x"}},
	} {
		if got := Carrier(h).Get("traceparent"); got != "x" {
			t.Errorf("%s: %q", story, got)
		}
	}
	c := Carrier{}
	c.Set("traceparent", "z")
	if len(c.Keys()) != 1 || c["traceparent"][0] != "z" {
		t.Errorf("%v", c)
	}
}
