package lifecycle

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/outdial/outdial/pkg/events"
)

// reach lists the states that can be reached from one, not passing through
// those that without names.
func reach(m *Machine, from State, without ...State) map[State]bool {
	return reachBy(m, from, func(r Rule) bool { return !slices.Contains(without, r.To) })
}

// unproved lists the states that can be reached from one without the proof
// that nothing was placed.
func unproved(m *Machine, from State) map[State]bool {
	return reachBy(m, from, func(r Rule) bool { return r.On != Proved })
}

func reachBy(m *Machine, from State, may func(Rule) bool) map[State]bool {
	seen := map[State]bool{from: true}
	for grew := true; grew; {
		grew = false
		for _, r := range m.Rules() {
			if seen[r.From] && !seen[r.To] && may(r) {
				seen[r.To], grew = true, true
			}
		}
	}
	return seen
}

// Invariant I2 in the table: no path holds two intents without a proof between
// them, whatever happens, and a proof follows its intent at once.
func TestDialingAtMostOnceWithoutAProof(t *testing.T) {
	t.Parallel()
	m := Calls()
	for _, r := range m.Rules() {
		if r.On != events.Dialing {
			continue
		}
		for s := range unproved(m, r.To) {
			if _, v := m.Next(s, events.Dialing); v != Illegal {
				t.Errorf("after an intent the call reaches %s, where another is %s", s, v)
			}
		}
	}
}

func TestAProofFollowsItsIntentAndAsksForANewPass(t *testing.T) {
	t.Parallel()
	m := Calls()
	for _, s := range m.States() {
		to, v := m.Next(s, Proved)
		if (v == Move) != (s == Dialing) || v == Known {
			t.Errorf("%s in %s is %s", Proved, s, v)
		}
		if v == Move && reach(m, to, Cleared)[Dialing] {
			t.Error("after a proof the call is dialed without another pass")
		}
	}
}

// Invariant I2 by the fold: whatever the log holds, an intent that the table
// lets pass comes first, or after the proof, with its attempt, that the one
// before it placed nothing; and there are three at most.
func TestNeverASecondIntentWithoutTheProofOfTheFirst(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := Fold(dialed().log)
		intents, proved := 1, false
		attempts := []string{"", "a1", "a2", "a3", "a4"}
		c.Dialing.Attempt = "a1"
		last := "a1"
		steps := map[events.Name]func() any{
			events.Withheld: func() any {
				return &events.CallWithheld{Attempt: rapid.SampledFrom(attempts).Draw(t, "attempt"),
					Proof: rapid.SampledFrom([]string{"", "no_responders", "no_responders", "no_desktop"}).Draw(t, "proof")}
			},
			events.Waiting:  func() any { return &events.CallWaiting{} },
			events.Assigned: func() any { return &events.CallAssigned{} },
			events.Passed:   func() any { return &events.CallPassed{} },
			events.Dialing: func() any {
				return &events.CallDialing{Attempt: rapid.SampledFrom(attempts[1:]).Draw(t, "attempt")}
			},
			events.CancelRequested: func() any { return &events.CallCancelRequested{} },
			events.Unknown:         func() any { return &events.CallUnknown{} },
			events.Failed:          func() any { return &events.CallFailed{} },
		}
		usual := []events.Name{events.Withheld, events.Waiting, events.Assigned, events.Passed, events.Dialing}
		names := append(slices.Concat(usual, usual, usual), events.CancelRequested, events.Unknown, events.Failed)
		for i := range rapid.IntRange(1, 60).Draw(t, "events") {
			n := rapid.SampledFrom(names).Draw(t, "event")
			body, was := steps[n](), c.State
			v := c.Take(events.Record{Family: events.CallFamily, Tenant: "acme", Key: "c", Name: n, Seq: uint64(1000 + i), Body: body})
			switch b := body.(type) {
			case *events.CallWithheld:
				proved = proved || was == Dialing && v == Move && b.Proof == "no_responders" && b.Attempt == last && c.Cancel == nil
			case *events.CallDialing:
				if v == Illegal {
					continue
				}
				if intents++; !proved || intents > MaxProofs {
					t.Fatalf("intent %d, proved %t", intents, proved)
				}
				proved, last = false, b.Attempt
			}
		}
	})
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
	for s := range unproved(Calls(), Dialing) { // after a proof there is no call that could be news
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
