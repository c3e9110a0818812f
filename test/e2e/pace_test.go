package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/test/rig"
)

// Twenty agents are ready and ten calls and ten more are asked for at once, of a
// provider that takes five a second. Two dialers place no more, be it that Redis
// is emptied and hangs amid; the others wait for their turn, and all are served.
func TestAProviderIsDialedAtItsPaceByAllDialersTogether(t *testing.T) {
	const calls, rate = 20, 5
	desks := make([]rig.Desk, calls)
	for n := range desks {
		desks[n] = rig.Desk{Agent: fmt.Sprint("ann", n), Kind: providers.Five9, Bridge: n % 2}
	}
	r := rig.Start(t, rig.Options{Copies: 2, Desks: desks, Rate: rate})
	r.AwaitReadyAgents(calls)
	ids := make([]string, calls)
	ask := func(from, to int) {
		for n := from; n < to; n++ {
			ids[n] = r.Dial(fmt.Sprint("paced-", n), rig.ToDesk(rig.Number(n), desks[n].Agent))
		}
	}
	began := r.Now()
	ask(0, calls/2)
	dialed := func() (at []time.Time) {
		for _, c := range r.Calls() {
			for _, e := range c.Log {
				if e.Name == events.Dialing {
					at = append(at, e.Time)
				}
			}
		}
		slices.SortFunc(at, time.Time.Compare)
		return at
	}
	r.Until("some are dialed", 30*time.Second, func() bool { return len(dialed()) >= rate })
	r.FlushRedis()
	r.HangRedis(1500 * time.Millisecond)
	ask(calls/2, calls)
	r.Until("all are served", 60*time.Second, func() bool { return closed(r) >= calls })
	at := dialed()
	for n, when := range at {
		// A machine that is busy writes an intent later than its slot, and never
		// before it; a rate that is not kept is exceeded many times over.
		if least := time.Duration(n-3) * time.Second / rate; when.Sub(began) < least {
			t.Errorf("call %d was dialed %v after the first request, want %v at least: %v", n, when.Sub(began), least, at)
			break
		}
	}
	if len(at) != calls {
		t.Errorf("%d intents for %d calls", len(at), calls)
	}
	for _, id := range ids {
		if c := r.Call(id); c.Closed == nil || c.Closed.Outcome != events.OutcomeCompleted {
			t.Errorf("%s ended %+v", id, c.Closed)
		}
	}
	if n := strings.Count(r.Logs(), "pace_alone"); n == 0 || n > 2 {
		t.Errorf("it was said %d times that a dialer keeps the rate alone", n)
	}
}
