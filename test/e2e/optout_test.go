package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/test/rig"
)

// An optedOut is an opt-out that was sent in the very moment in which the
// provider's scrub said yes, and what was on record when it was answered.
type optedOut struct {
	number   string
	answered time.Time
	lastSeq  uint64 // of CALLS
	lastDial int    // in the telephone company's ledger
	said     string // the answer's message
}

// atTheScrub sends an opt-out for every number whose scrub is answered, a
// little later each time, until there are so many.
func atTheScrub(t *testing.T, r *rig.Rig, many int) []optedOut {
	t.Helper()
	var wg sync.WaitGroup
	out := make([]optedOut, many)
	ledger := r.Sim.Ledger()
	deadline := time.After(time.Minute)
	for seen, n := 0, 0; n < many; {
		grown := ledger.Grown()
		entries := ledger.Entries()
		for _, e := range entries[seen:] {
			if e.Kind != sim.Scrub || n == many {
				continue
			}
			at := n
			wait := time.After(time.Duration(at%16) * time.Millisecond)
			n++
			wg.Go(func() {
				<-wait
				out[at] = optOutNow(t, r, e.Number)
			})
		}
		seen = len(entries)
		select {
		case <-grown:
		case <-deadline:
			t.Fatalf("%d scrubs of %d", n, many)
		}
	}
	wg.Wait()
	return out
}

func optOutNow(t *testing.T, r *rig.Rig, number string) optedOut {
	var answer []struct{ Status, Message string }
	if code := r.Ask(rig.Acme, "dnc", "add", map[string]any{"contacts": []map[string]string{{"phone_number": number}}}, &answer); code != "" || len(answer) != 1 {
		t.Errorf("dnc.add: %s %v", code, answer)
		return optedOut{}
	}
	o := optedOut{number: number, answered: time.Now(), lastDial: len(r.Sim.Ledger().Entries()), said: answer[0].Message}
	s, err := r.JS.Stream(t.Context(), events.StreamCalls)
	if err != nil {
		t.Error(err)
		return o
	}
	o.lastSeq = s.CachedInfo().State.LastSeq
	return o
}

// When an add is answered, no call of that number gets an intent any more. A
// call that has one is told of in the answer; it may still be on its way.
func TestWhatTheAnswerOfAnOptOutPromises(t *testing.T) {
	t.Parallel()
	const calls = 40
	r := rig.Start(t, rig.Options{Agents: 8})
	r.AwaitReadyAgents(8)
	var ids []string
	for n := range calls {
		ids = append(ids, r.Dial(fmt.Sprint("promise-", n), rig.ToGroup(rig.Number(n))))
	}
	outs := atTheScrub(t, r, calls)
	var late []time.Duration
	dialed := 0
	for n, id := range ids {
		c := r.Await(id, events.Closed)
		i := slices.IndexFunc(outs, func(o optedOut) bool { return o.number == rig.Number(n) })
		o := outs[i]
		told := strings.Contains(o.said, "under way")
		intent := slices.IndexFunc(c.Log, func(e events.Record) bool { return e.Name == events.Dialing })
		if intent < 0 {
			continue
		}
		dialed++
		if seq := c.Log[intent].Seq; seq > o.lastSeq {
			t.Errorf("call %d got its intent at %d, after the answer at %d: %s", n, seq, o.lastSeq, rig.Path(c))
		}
		over := slices.IndexFunc(c.Log, func(e events.Record) bool {
			return e.Name == events.Ended || e.Name == events.WrapUp || e.Name == events.Closed
		})
		if c.Log[over].Seq <= o.lastSeq {
			continue // it came and went while the answer was made
		}
		if !told {
			t.Errorf("call %d is under way and the answer says %q: %s", n, o.said, rig.Path(c))
		}
		for _, e := range r.Sim.Ledger().Entries()[o.lastDial:] {
			if e.Kind == sim.Start && e.Number == o.number {
				late = append(late, e.At.Sub(o.answered))
			}
		}
	}
	t.Logf("%d opt-outs at the scrub's answer: %d calls had their intent before the answer, %d of them were started after it, by %v", calls, dialed, len(late), late)
}
