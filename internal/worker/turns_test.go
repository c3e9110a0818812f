package worker

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outdial/outdial/pkg/events"
)

// queue lets somebody wait for a place and says, by the channel, when it came.
func queue(t *turns, key string, got chan<- string) {
	t.join(key, func() { got <- key })
}

func TestTurnsGoRoundByKey(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		story string
		come  string // who comes, in this order
		turns string // who has a place, in this order
	}{
		{"one alone", "aaa", "aaa"},
		{"who comes after a flood is next", "aaaaab", "abaaaa"},
		{"two take turns, the third joins them", "aaaabbbbc", "abcababab"},
		{"many keys, one each", "abcdef", "abcdef"},
	} {
		t.Run(tc.story, func(t *testing.T) {
			t.Parallel()
			places := newTurns(1)
			got := make(chan string, len(tc.come)+1)
			queue(places, "x", got) // takes the only one
			for _, key := range tc.come {
				queue(places, string(key), got)
			}
			if <-got != "x" {
				t.Fatal("a free place was not given")
			}
			var order []string
			for range tc.come {
				places.give()
				order = append(order, <-got)
			}
			if strings.Join(order, "") != tc.turns {
				t.Errorf("turns %v, want %s", order, tc.turns)
			}
			places.give()
			if places.free != 1 || len(places.lines) != 0 || len(places.order) != 0 {
				t.Errorf("%d free, %d lines and %d keys are left, want 1, 0, 0", places.free, len(places.lines), len(places.order))
			}
		})
	}
}

// Who stops waiting takes no place along, not even one that came in the same
// moment.
func TestWhoStopsWaitingTakesNoPlaceAlong(t *testing.T) {
	t.Parallel()
	for round := range 200 {
		places := newTurns(1)
		places.join("x", func() {})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		for _, key := range []string{"a", "a", "b"} {
			here := make(chan struct{})
			mine := places.join(key, func() { close(here) })
			go func() {
				if places.wait(ctx, mine, here) {
					places.give()
				}
				ended <- struct{}{}
			}()
		}
		if round%2 == 0 {
			go places.give()
			stop()
		} else {
			go stop()
			places.give()
		}
		for range 3 {
			<-ended
		}
		eventually(t, "the place is free again", func() bool {
			places.mu.Lock()
			defer places.mu.Unlock()
			return places.free == 1 && len(places.lines) == 0 && len(places.order) == 0
		})
		stop()
	}
}

// flood stores events of as many calls of a tenant.
func (b *bench) flood(t *testing.T, tenant string, n int) {
	t.Helper()
	for i := range n {
		h, data, err := events.EncodeRecord(events.Record{
			Family: events.CallFamily, Tenant: tenant, Key: fmt.Sprint("c", i), Role: events.Bridge, Name: events.Held,
			ID: fmt.Sprint(tenant, i), Place: 1, Time: noon, Body: &events.CallProgress{},
		})
		if err != nil {
			t.Fatal(err)
		}
		subject := fmt.Sprintf("append.calls.%s.c%d.bridge.held", tenant, i)
		if err := b.NC.PublishMsg(&nats.Msg{Subject: subject, Header: nats.Header(h), Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.NC.Flush(); err != nil {
		t.Fatal(err)
	}
}

// A tenant who floods waits behind their own messages, and another tenant's
// are handled between them, even beyond what a worker holds at once.
func TestAFloodOfOneTenantHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	const flood = 3 * windowSize / 2
	b := newBench(t, 30*time.Second)
	c, _ := b.config(t)
	var before, after atomic.Int32 // of the flood
	heard := make(chan struct{})
	b.flood(t, "noisy", flood)
	b.flood(t, "acme", 1)
	route := callsTo(func(_ context.Context, d Delivery) error {
		if d.Record.Tenant == "acme" {
			close(heard)
			return nil
		}
		select {
		case <-heard:
			after.Add(1)
		case <-time.After(time.Millisecond): // work
			before.Add(1)
		}
		return nil
	})
	route.MaxInFlight = 2
	run(t, c, route)
	select {
	case <-heard:
	case <-time.After(patience):
		t.Fatalf("not heard, while %d of the flood were handled", before.Load())
	}
	if n := before.Load(); n > flood/2 {
		t.Errorf("%d of a flood of %d were handled before another tenant's message", n, flood)
	}
	eventually(t, "the flood is handled too", func() bool { return before.Load()+after.Load() >= flood })
}

// Messages that wait for a provider leave their lane to others; no more of one
// connection than it has places are with the provider at once.
func TestWhoWaitsForAProviderStepsAside(t *testing.T) {
	t.Parallel()
	b := newBench(t, 30*time.Second)
	c, _ := b.config(t)
	c.PerConnection = 3
	hangs := make(chan struct{})
	var inside, most, quick atomic.Int32
	route := requestsTo(func(ctx context.Context, d Delivery) error {
		connection, _, _ := strings.Cut(string(d.Data), " ")
		if err := Aside(ctx, "acme", connection); err != nil {
			return err
		}
		if connection != "hangs" {
			quick.Add(1)
			return nil
		}
		n := inside.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-hangs
		inside.Add(-1)
		return nil
	})
	route.MaxInFlight = 3
	run(t, c, route)
	for n := range 20 {
		b.request(t, fmt.Sprint("hangs ", n))
	}
	eventually(t, "the places are taken", func() bool { return inside.Load() == 3 })
	for n := range 20 {
		b.request(t, fmt.Sprint("works ", n))
	}
	for deadline := time.Now().Add(5 * time.Second); quick.Load() < 20; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			close(hangs)
			t.Fatalf("the other connection is not served: %d of 20", quick.Load())
		}
	}
	close(hangs)
	b.settled(t, "REQUESTS_acme")
	if most.Load() != 3 {
		t.Errorf("%d were with the provider at once, want 3", most.Load())
	}
}

// Whoever had to wait for a place looks at everything again: it may be old.
func TestWhoWaitedForAPlaceBeginsAnew(t *testing.T) {
	t.Parallel()
	b := newBench(t, 30*time.Second)
	c, _ := b.config(t)
	c.PerConnection = 1
	hangs := make(chan struct{})
	var holding atomic.Bool
	var began, done atomic.Int32
	run(t, c, requestsTo(func(ctx context.Context, d Delivery) error {
		second := string(d.Data) == "second"
		if second {
			began.Add(1)
		}
		if err := Aside(ctx, "acme", "tcn"); err != nil {
			return err
		}
		if second {
			done.Add(1)
			return nil
		}
		holding.Store(true)
		<-hangs
		return nil
	}))
	b.request(t, "first")
	eventually(t, "the place is taken", holding.Load)
	b.request(t, "second")
	eventually(t, "the second waits", func() bool { return began.Load() == 1 })
	close(hangs)
	b.settled(t, "REQUESTS_acme")
	if began.Load() != 2 || done.Load() != 1 {
		t.Errorf("began %d times and ended %d times, want 2 and 1", began.Load(), done.Load())
	}
}

func TestGroupsOfMessages(t *testing.T) {
	t.Parallel()
	for subject, want := range map[string]string{
		"dial.requests.acme":                  "acme",
		"calls.acme.c1.compliance.passed":     "acme",
		"agents.acme.ann.bridge.ready":        "acme",
		"provider.acme.tcn-main":              "provider.acme.tcn-main",
		"provider.acme.five9-desk":            "provider.acme.five9-desk",
		"calls.acme-2.c1.orchestrator.closed": "acme-2",
	} {
		if got := groupOf(subject); got != want {
			t.Errorf("%s: %s, want %s", subject, got, want)
		}
	}
}

func TestAsideOutsideOfARuntimeDoesNothing(t *testing.T) {
	t.Parallel()
	for range 100 {
		if err := Aside(t.Context(), "acme", "tcn"); err != nil {
			t.Fatal(err)
		}
	}
}
