package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/test/rig"
)

// unhurried is for tests in which the machine, not the timing, is put to the
// test.
const unhurried = `
  orchestrator: {undo: 60s, answer: 60s, unknown: 60s, ring: 60s, talk: 120s, ended: 30s, wrapUp: 60s, retry: 200ms, claimAge: 10s}
  compliance: {prepare: 15s}
  dialer: {send: 10s, answer: 10s, event: 10s, settle: 300ms}
  bridge: {pollEvery: 400ms}
`

// An expected is how the n-th call of a crowd ends, by how its number behaves.
type expected struct{ outcome, reason string }

// crowd scripts numbers in turn: three of four talk, the others are busy, do
// not answer, fail in the network, or are denied.
func crowd(n int) (sim.Part, expected) {
	p := rig.Talks(rig.Number(n))
	switch n % 16 {
	case 3:
		p.Outcome = sim.Busy
		return p, expected{events.OutcomeFailed, "busy"}
	case 7:
		p.Outcome = sim.NoAnswer
		return p, expected{events.OutcomeFailed, "no_answer"}
	case 11:
		p.Outcome = sim.Fails
		return p, expected{events.OutcomeFailed, ""}
	case 15:
		p.Deny = []string{"isDnclScrubOk"}
		return p, expected{events.OutcomeBlocked, "DNC_NATIONAL"}
	}
	return p, expected{events.OutcomeCompleted, "completed"}
}

// send publishes the crowd's calls and returns their ids.
func send(r *rig.Rig, from, to int) []string {
	var ids []string
	for n := from; n < to; n++ {
		ids = append(ids, r.Dial(fmt.Sprint("crowd-", n), rig.ToGroup(rig.Number(n))))
	}
	return ids
}

// ended wants every call closed as its number behaves.
func ended(t *testing.T, r *rig.Rig, ids []string, within time.Duration) {
	t.Helper()
	r.Until(fmt.Sprintf("%d calls are closed", len(ids)), within, func() bool { return closed(r) >= len(ids) })
	for n, id := range ids {
		c := r.Call(id)
		_, want := crowd(n)
		if c.Closed.Outcome != want.outcome || want.reason != "" && c.Closed.Reason != want.reason {
			t.Errorf("call %d closed %s (%s), want %+v: %s", n, c.Closed.Outcome, c.Closed.Reason, want, rig.Path(c))
		}
		dials := 1
		if want.outcome == events.OutcomeBlocked {
			dials = 0
		}
		if got := r.Dials(rig.Number(n)); got != dials {
			t.Errorf("call %d was dialed %d times, want %d", n, got, dials)
		}
	}
}

func closed(r *rig.Rig) int {
	_, n := r.Progress()
	return n
}

func script(calls int) []sim.Part {
	var parts []sim.Part
	for n := range calls {
		p, _ := crowd(n)
		parts = append(parts, p)
	}
	return parts
}

// Redis is a projection: losing it in the middle changes no outcome.
func TestFlushingRedisAmidTwoHundredCalls(t *testing.T) {
	const calls = 200
	r := rig.Start(t, rig.Options{Agents: 10, Pace: 5 * time.Millisecond, Timing: unhurried, Script: script(calls), Closing: time.Minute})
	r.AwaitReadyAgents(10)
	ids := send(r, 0, calls)
	for _, n := range []int{20, 60, 100, 140} {
		r.Until(fmt.Sprintf("%d calls are closed", n), 8*time.Minute, func() bool { return closed(r) >= n })
		r.FlushRedis()
	}
	ended(t, r, ids, 8*time.Minute)
}

// Two of each service share the work and do not disturb each other.
func TestTwoOfEachService(t *testing.T) {
	const calls = 100
	r := rig.Start(t, rig.Options{Agents: 8, Copies: 2, Pace: 5 * time.Millisecond, Timing: unhurried, Script: script(calls), Closing: time.Minute})
	r.AwaitReadyAgents(8)
	ended(t, r, send(r, 0, calls), 8*time.Minute)
}
