package pace_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/pace"
)

var line = pace.Account{Tenant: "acme", Connection: "line"}

// A flaky store can be away.
type flaky struct {
	pace.Store
	away  bool
	asked int
}

func (f *flaky) Take(ctx context.Context, a pace.Ask) (pace.Answer, error) {
	f.asked++
	if f.away {
		return pace.Answer{}, errors.New("away")
	}
	return f.Store.Take(ctx, a)
}

// paced is one process of four that may ask five times a second.
func paced() (p *pace.Pacer, store *flaky, pass func(time.Duration)) {
	now := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	store = &flaky{Store: pace.NewMemory(clock)}
	return pace.NewPacer(store, map[pace.Account]int{line: 5}, 4, clock), store, func(d time.Duration) { now = now.Add(d) }
}

func ask(t *testing.T, p *pace.Pacer, class pace.Class) pace.Answer {
	t.Helper()
	return p.Ask(t.Context(), line.Tenant, line.Connection, class)
}

func TestAConnectionWithoutARateHasNoPace(t *testing.T) {
	t.Parallel()
	p, store, _ := paced()
	for range 100 {
		if a := p.Ask(t.Context(), "acme", "other", pace.Poll); !a.Granted || a.Wait != 0 {
			t.Fatalf("%+v", a)
		}
		if a := ask(t, nil, pace.Poll); !a.Granted || a.Wait != 0 {
			t.Fatalf("%+v without a pacer", a)
		}
	}
	if store.asked != 0 {
		t.Errorf("the store was asked %d times", store.asked)
	}
}

// While the store is away a process keeps its share, beginning where everybody's
// slots end; who does so is said once, and so is the end of it.
func TestAloneEachProcessKeepsItsShare(t *testing.T) {
	t.Parallel()
	p, store, pass := paced()
	var told []bool
	p.Tell(func(_ context.Context, alone bool) { told = append(told, alone) })
	p.Tell(func(context.Context, bool) { t.Error("two are told") })
	for range 6 { // the last of them in a second
		ask(t, p, pace.Dial)
	}
	store.away = true
	for i, want := range []time.Duration{1200, 2000, 2800, 3600, 4400} {
		if a := ask(t, p, pace.Dial); !a.Granted || a.Wait != want*time.Millisecond {
			t.Errorf("dial %d alone: %+v, want a slot in %d ms", i, a, want)
		}
	}
	if a := ask(t, p, pace.Dial); a.Granted || a.Wait != 5200*time.Millisecond {
		t.Errorf("%+v beyond the horizon", a)
	}
	if asked := store.asked; asked != 7 {
		t.Errorf("asked %d times, want one look at a store that is away", asked)
	}
	pass(time.Second)
	ask(t, p, pace.Dial)
	pass(time.Second)
	store.away = false
	if a := ask(t, p, pace.Dial); !a.Granted {
		t.Errorf("%+v when it is back", a)
	}
	if len(told) != 2 || !told[0] || told[1] {
		t.Errorf("told %v, want once that it is alone and once that it is not", told)
	}
}

func TestNobodyAsksForWhatIsKnown(t *testing.T) {
	t.Parallel()
	p, store, pass := paced()
	ask(t, p, pace.Poll)
	for range 10 {
		if a := ask(t, p, pace.Poll); a.Granted || a.Wait != 200*time.Millisecond {
			t.Fatalf("%+v", a)
		}
	}
	if store.asked != 2 {
		t.Errorf("asked %d times", store.asked)
	}
	if a := ask(t, p, pace.Dial); !a.Granted || a.Wait != 200*time.Millisecond {
		t.Errorf("%+v: a dial was kept out by what polls were told", a)
	}
	pass(200 * time.Millisecond)
	if a := ask(t, p, pace.Poll); a.Granted {
		t.Errorf("%+v: the slot is the dial's", a)
	}
	pass(200 * time.Millisecond)
	if a := ask(t, p, pace.Poll); !a.Granted {
		t.Errorf("%+v", a)
	}
}

// One who is told to end hears no for an answer, and nobody takes that for the
// store's silence.
func TestWhoEndsSaysNothingOfTheStore(t *testing.T) {
	t.Parallel()
	p, store, _ := paced()
	p.Tell(func(context.Context, bool) { t.Error("the store was called away") })
	store.away = true
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if a := p.Ask(ctx, line.Tenant, line.Connection, pace.Dial); a.Granted {
		t.Errorf("%+v", a)
	}
}

// Who was held up with others sends a slot apart from them, none after its time,
// and whoever asks for a slot then has it behind them, as does every process.
func TestWhoWasHeldUpTogetherSendsOneByOne(t *testing.T) {
	t.Parallel()
	p, store, pass := paced()
	send := func(want time.Duration, may bool) {
		t.Helper()
		if wait, ok := p.Distance(line.Tenant, line.Connection, time.Second); ok != may || wait != want {
			t.Errorf("it waits %s, %t; want %s, %t", wait, ok, want, may)
		}
	}
	for _, wait := range []time.Duration{0, 200, 400, 600, 800} {
		send(wait*time.Millisecond, true)
	}
	send(0, false)
	if a := ask(t, p, pace.Dial); !a.Granted || a.Wait != time.Second {
		t.Errorf("a slot amid those that are sent late: %+v", a)
	}
	other := pace.NewPacer(store.Store, map[pace.Account]int{line: 5}, 4, func() time.Time { return time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC) })
	if a := ask(t, other, pace.Dial); a.Wait != 1200*time.Millisecond {
		t.Errorf("another process has a slot amid them: %+v", a)
	}
	pass(2 * time.Second)
	send(0, true)
	if wait, ok := (*pace.Pacer)(nil).Distance("acme", "line", 0); wait != 0 || !ok {
		t.Error("it waits without a pacer")
	}
}
