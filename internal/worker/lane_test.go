package worker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"pgregory.net/rapid"

	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// Whatever order messages come, come again and end in: of one key one is
// handled at a time and the first of those that wait is next, none is handled
// twice at once, and none is lost, be it handled or handed back at the end.
func TestOfOneKeyOneIsHandledAtATimeInOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var given []*lane // whose turn has come
		l := newLanes(rapid.IntRange(1, 4).Draw(rt, "places"), func(ln *lane) { given = append(given, ln) })
		type job struct {
			*held
			ln *lane
		}
		working, here := map[string]job{}, map[uint64]*held{}
		draw := func(n int) int {
			return rapid.IntRange(0, n-1).Draw(rt, "who")
		}
		rt.Repeat(map[string]func(*rapid.T){
			"come": func(rt *rapid.T) {
				h := &held{}
				h.Sequence.Stream = rapid.Uint64Range(1, 40).Draw(rt, "seq")
				h.key, h.group = fmt.Sprint("k", h.seq()%3), fmt.Sprint("g", h.seq()%2)
				want := isHeld
				if here[h.seq()] == nil {
					want, here[h.seq()] = isQueued, h
				}
				if got := l.add(h); got != want {
					rt.Fatalf("%d: %v, want %v", h.seq(), got, want)
				}
			},
			"begin": func(rt *rapid.T) {
				if len(given) == 0 {
					return
				}
				at := draw(len(given))
				ln := given[at]
				given = slices.Delete(given, at, at+1)
				h := l.next(ln, time.Time{})
				if other, ok := working[h.key]; ok {
					rt.Fatalf("%d begins while %d of its key is handled", h.seq(), other.seq())
				}
				for seq, o := range here {
					if o.key == h.key && seq < h.seq() {
						rt.Fatalf("%d begins while %d waits", h.seq(), seq)
					}
				}
				working[h.key] = job{h, ln}
			},
			"end": func(rt *rapid.T) {
				keys := slices.Sorted(maps.Keys(working))
				if len(keys) == 0 {
					return
				}
				j := working[keys[draw(len(keys))]]
				delete(working, j.key)
				delete(here, j.seq())
				l.settle(j.held)
				l.end(j.ln)
				l.turns.give()
			},
		})
		if back := len(l.close()); back+len(working) != len(here) {
			rt.Fatalf("%d handed back and %d at work, want %d", back, len(working), len(here))
		}
		for _, ln := range given {
			if h := l.next(ln, time.Time{}); h != nil {
				rt.Fatalf("%d begins after it was handed back", h.seq())
			}
		}
		if got := l.add(&held{}); got != tooLate || len(l.waiting) != 0 {
			rt.Fatalf("after the end: %v, and %v wait", got, l.waiting)
		}
	})
}

// A delivery that comes again while the first is held settles it: the broker
// takes the word of the newest.
func TestTheNewestDeliverySettles(t *testing.T) {
	t.Parallel()
	type delivery struct{ jetstream.Msg }
	l, first, second := newLanes(1, func(*lane) {}), &delivery{}, &delivery{}
	h := &held{msg: first}
	l.add(h)
	if got := l.add(&held{msg: second}); got != isHeld {
		t.Fatalf("the second delivery: %v", got)
	}
	if l.settle(h) != jetstream.Msg(second) {
		t.Error("the first delivery is to settle the message")
	}
}

// However many flood, who comes after them finds room, and what waits here
// stays bounded.
func TestASilentGroupFindsRoomBesideFloods(t *testing.T) {
	t.Parallel()
	l, seq, total := newLanes(1, func(*lane) {}), uint64(0), 0
	for group := range 20 {
		n := 0
		for verdict := isQueued; verdict == isQueued; n++ {
			seq++
			h := &held{group: fmt.Sprint(group)}
			h.Sequence.Stream = seq
			verdict = l.add(h)
		}
		if total += n - 1; n == 1 {
			t.Fatalf("group %d finds no room", group)
		}
	}
	if total > 4*windowSize {
		t.Errorf("%d wait here, which nothing bounds", total)
	}
}

// mark remembers who handles what, and complains when two of one key meet.
type mark struct {
	mu    sync.Mutex
	inuse map[string]bool
	order map[string][]uint64
	tries map[uint64]int
	clash atomic.Int32
}

func newMark() *mark {
	return &mark{inuse: map[string]bool{}, order: map[string][]uint64{}, tries: map[uint64]int{}}
}

func (m *mark) handle(d Delivery, work func()) (first bool) {
	m.mu.Lock()
	if m.inuse[d.Record.Key] {
		m.clash.Add(1)
	}
	m.inuse[d.Record.Key] = true
	m.order[d.Record.Key] = append(m.order[d.Record.Key], d.Seq)
	m.tries[d.Seq]++
	first = m.tries[d.Seq] == 1
	m.mu.Unlock()
	work()
	m.mu.Lock()
	m.inuse[d.Record.Key] = false
	m.mu.Unlock()
	return first
}

// story stores events of some calls, mixed.
func (b *bench) story(t *testing.T, calls, each int) (total int) {
	t.Helper()
	last := map[string]uint64{}
	for i := range each {
		for c := range calls {
			key := fmt.Sprint("c", c)
			a, err := b.log.Append(t.Context(), log.Draft{
				Family: events.CallFamily, Tenant: "acme", Key: key, Role: events.Bridge, Name: events.Held,
				Cause: fmt.Sprint("raw", i), Place: i + 1, Time: noon, After: last[key], Body: &events.CallProgress{},
			})
			if err != nil {
				t.Fatal(err)
			}
			last[key] = a.Record.Seq
			total++
		}
	}
	return total
}

// One process that fails at nothing handles every call's events in the order of
// the log, and other calls' beside them.
func TestOneProcessHandlesACallInTheOrderOfItsLog(t *testing.T) {
	t.Parallel()
	b := newBench(t, 5*time.Second)
	c, _ := b.config(t)
	b.story(t, 6, 10)
	m := newMark()
	meet := make(chan struct{}) // closed when two calls are handled at once
	var once sync.Once
	var together atomic.Int32
	run(t, c, callsTo(func(ctx context.Context, d Delivery) error {
		m.handle(d, func() {
			if together.Add(1) > 1 {
				once.Do(func() { close(meet) })
			}
			select {
			case <-meet:
			case <-ctx.Done():
			}
			together.Add(-1)
		})
		return nil
	}))
	b.settled(t, "CALLS")
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, order := range m.order {
		if len(order) != 10 || !slices.IsSorted(order) {
			t.Errorf("%s was handled as %v", key, order)
		}
	}
	if n := m.clash.Load(); n > 0 {
		t.Errorf("%d times two events of one call were handled at once", n)
	}
}

// Two processes share a consumer, handlers fail and the broker delivers again:
// still no process has two events of one call at work, and every event is
// handled to its end.
func TestNoProcessHandlesTwoEventsOfACallAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t, 300*time.Millisecond)
	total := b.story(t, 5, 12)
	var done sync.Map
	marks := []*mark{newMark(), newMark()}
	for _, m := range marks {
		c, _ := b.config(t)
		run(t, c, callsTo(func(ctx context.Context, d Delivery) error {
			first := m.handle(d, func() { sleep(ctx, time.Duration(d.Seq%4)*5*time.Millisecond) })
			if first && d.Seq%3 == 0 {
				return fault.New(fault.Transient, "decide", "store_down", nil)
			}
			done.Store(d.Seq, true)
			return nil
		}))
	}
	b.settled(t, "CALLS")
	n := 0
	done.Range(func(any, any) bool { n++; return true })
	if n != total {
		t.Errorf("%d of %d were handled", n, total)
	}
	for i, m := range marks {
		if n := m.clash.Load(); n > 0 {
			t.Errorf("process %d: %d times two events of one call were handled at once", i, n)
		}
	}
}

// What waits for its turn is in good hands too: a handler that takes three times
// AckWait makes the broker deliver nothing again, not even of what came after
// the first pull.
func TestWhatWaitsForItsTurnIsNotDeliveredAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t, time.Second)
	c, _ := b.config(t)
	const waiting = pullSize + 50
	for i := range waiting {
		b.request(t, fmt.Sprint(i))
	}
	var heard atomic.Int32
	route := requestsTo(func(ctx context.Context, _ Delivery) error {
		if heard.Add(1) == 1 {
			sleep(ctx, 3*time.Second)
		}
		return nil
	})
	route.MaxInFlight = 1
	run(t, c, route)
	b.settled(t, "REQUESTS_acme")
	cons, err := b.JS.Consumer(t.Context(), "REQUESTS_acme", broker.Orchestrator)
	if err != nil {
		t.Fatal(err)
	}
	if n := cons.CachedInfo().Delivered.Consumer; heard.Load() != waiting || n != waiting {
		t.Errorf("%d handled and %d delivered, want %d of each", heard.Load(), n, waiting)
	}
}

// A handler is given nothing that its process has not heard of; while it does
// not hear, the message stays with the broker, and is nobody's failure.
func TestNothingIsHandledBeforeItWasHeard(t *testing.T) {
	t.Parallel()
	b := newBench(t, 5*time.Second)
	c, _ := b.config(t)
	var reached atomic.Bool
	var asked atomic.Int32
	c.Heard = func(_ context.Context, f events.Family, _ log.Ref, seq uint64) (*events.Record, error) {
		if asked.Add(1); f != events.CallFamily || seq != 1 {
			t.Errorf("asked to reach %d of %s", seq, f)
		}
		if asked.Load() <= 2 {
			return nil, context.DeadlineExceeded
		}
		reached.Store(true)
		return nil, nil
	}
	c.MaxFailures = 1
	run(t, c, callsTo(func(context.Context, Delivery) error {
		if !reached.Load() {
			t.Error("handled before it was heard")
		}
		return nil
	}))
	b.requested(t, "c1")
	b.settled(t, "CALLS")
	if asked.Load() != 3 || len(b.rejected(t)) != 0 {
		t.Errorf("asked %d times, rejected %v", asked.Load(), b.rejected(t))
	}
}

// What this process has heard is not read a second time, unless what it heard at
// that place was another event: the store may have gone back since.
func TestAnEventInMemoryIsHandledAsItIsThere(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, id string // "" is the stored event's
		memory   bool
	}{
		{name: "the same event", memory: true},
		{name: "another store's at that place", id: "another"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, 5*time.Second)
			c, _ := b.config(t)
			known := &events.Record{ID: tc.id}
			c.Heard = func(ctx context.Context, _ events.Family, ref log.Ref, seq uint64) (*events.Record, error) {
				if ref != (log.Ref{Tenant: "acme", ID: "c1"}) || seq != 1 {
					t.Errorf("asked for %d of %v", seq, ref)
				}
				if tc.id == "" {
					s, err := b.JS.Stream(ctx, "CALLS")
					if err != nil {
						return nil, err
					}
					m, err := s.GetMsg(ctx, seq)
					if err != nil {
						return nil, err
					}
					known.ID = m.Header["ce-id"][0]
				}
				return known, nil
			}
			handled := make(chan *events.Record, 1)
			run(t, c, callsTo(func(_ context.Context, d Delivery) error {
				handled <- d.Record
				return nil
			}))
			b.requested(t, "c1")
			if got := <-handled; (got == known) != tc.memory || got.ID == "another" {
				t.Errorf("handled %q, the one in memory: %v", got.ID, got == known)
			}
		})
	}
}

func TestKeysOfMessages(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		subject string
		header  nats.Header
		want    string
	}{
		{"calls.acme.c1.compliance.passed", nil, "call.acme.c1"},
		{"calls.acme.c1.dialer.dialing", nil, "call.acme.c1"},
		{"agents.acme.c1.bridge.ready", nil, "agent.acme.c1"},
		{"dial.requests.acme", nats.Header{"ce-id": {"17"}, "ce-source": {"/crm"}}, "/crm 17"},
		{"dial.requests.acme", nil, ""},
		{"provider.acme.tcn", nats.Header{"ce-id": {"17"}}, ""},
	} {
		if got := keyOf(tc.subject, tc.header); got != tc.want {
			t.Errorf("%s %v: %q, want %q", tc.subject, tc.header, got, tc.want)
		}
	}
}

// Whoever says that its part in the order is over, and waits on, holds up
// nothing of its key. Its message is its own until it ends.
func TestWhoWaitsBesideItsLaneHoldsUpNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, time.Second)
	c, _ := b.config(t)
	total := b.story(t, 1, 3)
	beside := make(chan struct{})
	var heard atomic.Int32
	run(t, c, callsTo(func(ctx context.Context, d Delivery) error {
		if heard.Add(1) == 1 {
			Beside(ctx)
			Beside(ctx) // twice is once
			select {
			case <-beside:
			case <-ctx.Done():
				t.Error("the others of its call waited for it")
			}
			sleep(ctx, 1500*time.Millisecond) // beyond AckWait
		} else if heard.Load() == int32(total) {
			close(beside)
		}
		return nil
	}))
	b.settled(t, events.StreamCalls)
	if n := heard.Load(); n != int32(total) {
		t.Errorf("%d handled of %d", n, total)
	}
	Beside(t.Context()) // outside of a runtime it does nothing
}
