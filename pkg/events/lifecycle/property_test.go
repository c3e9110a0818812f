package lifecycle

import (
	"slices"
	"testing"

	"github.com/outdial/outdial/pkg/events"
)

// reach lists the states that can be reached from one, not passing through
// those that without names.
func reach(m *Machine, from State, without ...State) map[State]bool {
	seen := map[State]bool{from: true}
	for grew := true; grew; {
		grew = false
		for _, r := range m.Rules() {
			if seen[r.From] && !seen[r.To] && !slices.Contains(without, r.To) {
				seen[r.To], grew = true, true
			}
		}
	}
	return seen
}

// Invariant I2 in the table: no path holds two intents, whatever happens.
func TestDialingAtMostOnce(t *testing.T) {
	t.Parallel()
	m := Calls()
	for _, r := range m.Rules() {
		if r.On != events.Dialing {
			continue
		}
		for s := range reach(m, r.To) {
			if _, v := m.Next(s, events.Dialing); v != Illegal {
				t.Errorf("after an intent the call reaches %s, where another is %s", s, v)
			}
		}
	}
}

// Invariant I1 in the table: there is no way to the intent around a pass.
func TestNoIntentWithoutAPass(t *testing.T) {
	t.Parallel()
	if reach(Calls(), None, Cleared)[Dialing] {
		t.Error("dialing can be reached without cleared")
	}
	for _, r := range Calls().Rules() {
		if r.To == Cleared && r.On != events.Passed {
			t.Errorf("%s leads to cleared from %s", r.On, r.From)
		}
	}
}

func TestNothingIsPlacedWithoutAnIntent(t *testing.T) {
	t.Parallel()
	early := reach(Calls(), None, Dialing)
	for _, s := range append(slices.Clone(inFlight), Refused, NotPlaced, Withdrawn) {
		if s != Dialing && early[s] {
			t.Errorf("%s can be reached without dialing", s)
		}
	}
	for _, p := range progress {
		if early[p.state] {
			t.Errorf("%s can be reached without dialing", p.state)
		}
	}
}

// Invariant I3 in the table: closed is final, can be reached from everywhere,
// and is what closed leads to and nothing else does.
func TestClosedIsTheEnd(t *testing.T) {
	t.Parallel()
	m := Calls()
	for _, s := range m.States() {
		if m.Final(s) != (s == Closed) {
			t.Errorf("final(%s) = %t", s, m.Final(s))
		}
		if !reach(m, s)[Closed] {
			t.Errorf("%s never ends", s)
		}
	}
	for _, r := range m.Rules() {
		if (r.To == Closed) != (r.On == events.Closed) {
			t.Errorf("%s in %s leads to %s", r.On, r.From, r.To)
		}
	}
}

func TestProgressNeverGoesBack(t *testing.T) {
	t.Parallel()
	for _, r := range Calls().Rules() {
		if Rank(r.From) == 0 || r.To == Closed {
			continue
		}
		if Rank(r.To) < Rank(r.From) {
			t.Errorf("%s goes from %s (%d) back to %s (%d)", r.On, r.From, Rank(r.From), r.To, Rank(r.To))
		}
		if Rank(r.To) == Rank(r.From) && Rank(r.To) != Rank(Talking) {
			t.Errorf("%s goes round between %s and %s, which are no conversation", r.On, r.From, r.To)
		}
	}
}

// A repetition changes nothing. The one exception says a wait anew, for
// another reason.
func TestTwiceInARow(t *testing.T) {
	t.Parallel()
	for _, m := range machines() {
		for _, r := range m.Rules() {
			if m.Name == "call" && r.On == events.Waiting {
				continue
			}
			if to, v := m.Next(r.To, r.On); v == Move {
				t.Errorf("%s: %s in %s leads to %s, and again to %s", m.Name, r.On, r.From, r.To, to)
			}
		}
	}
}

// Late news must never be parked: what the provider may still say after the
// intent is a move or known in every state that follows it.
func TestProvidersNewsIsNeverIllegalAfterTheIntent(t *testing.T) {
	t.Parallel()
	for s := range reach(Calls(), Dialing) {
		for _, p := range progress {
			if _, v := Calls().Next(s, p.on); v == Illegal {
				t.Errorf("%s in %s is illegal", p.on, s)
			}
		}
	}
}

// Anybody may ask for a cancellation at any time.
func TestCancellingIsAlwaysHeard(t *testing.T) {
	t.Parallel()
	for _, s := range Calls().States() {
		to, v := Calls().Next(s, events.CancelRequested)
		if s != None && v == Illegal {
			t.Errorf("cancel_requested in %s is illegal", s)
		}
		if _, dial := Calls().Next(to, events.Dialing); s != None && dial != Illegal {
			t.Errorf("after a cancellation in %s, dialing is %s", s, dial)
		}
	}
}

// Invariant I4 in the table: only a free agent is taken, and none is held for
// ever.
func TestOnlyTheFreeAreClaimed(t *testing.T) {
	t.Parallel()
	for _, s := range Claim().States() {
		if _, v := Claim().Next(s, events.Claimed); (v != Illegal) != (s == Free) {
			t.Errorf("claimed in %s is %s", s, v)
		}
		if !reach(Claim(), s)[Free] {
			t.Errorf("nobody in %s is ever free again", s)
		}
	}
}

// The broker lets each role write its own events only; the tables must know
// every one of them, or it could never be used.
func TestEveryEventIsOfUse(t *testing.T) {
	t.Parallel()
	for _, n := range Calls().Events() {
		if !anywhere(Calls(), n) {
			t.Errorf("%s is illegal in every state of a call", n)
		}
	}
	for _, n := range Presence().Events() {
		if !anywhere(Presence(), n) || !anywhere(Claim(), n) {
			t.Errorf("%s is illegal everywhere for an agent", n)
		}
	}
}

func anywhere(m *Machine, n events.Name) bool {
	return slices.ContainsFunc(m.States(), func(s State) bool {
		_, v := m.Next(s, n)
		return v != Illegal
	})
}
