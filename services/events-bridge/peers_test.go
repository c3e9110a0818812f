package bridge

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
)

// Whoever lives, every key has exactly one owner; what a dead one had is shared
// out among the others and nothing else moves.
func TestEveryKeyHasOneOwnerAmongTheLiving(t *testing.T) {
	t.Parallel()
	names := []string{"p1", "p2", "p3"}
	var all []*peers
	for _, n := range names {
		p := newPeers(n)
		for _, q := range names {
			p.heard(q, noon)
		}
		all = append(all, p)
	}
	owner := func(now time.Time, key string, of []*peers) string {
		var own []string
		for _, p := range of {
			if p.own(now)(key) {
				own = append(own, p.self)
			}
		}
		if len(own) != 1 {
			t.Fatalf("%s is %v's", key, own)
		}
		return own[0]
	}
	count, was := map[string]int{}, map[string]string{}
	for i := range 999 {
		key := fmt.Sprintf("acme/agent%d", i)
		was[key] = owner(noon.Add(silence), key, all)
		count[was[key]]++
	}
	for n, c := range count {
		if c < 250 || c > 420 {
			t.Errorf("%s has %d of 999", n, c)
		}
	}
	late := noon.Add(silence + time.Second) // p3 has died, the two others have not
	all[0].heard("p2", late)
	all[1].heard("p1", late)
	for key, before := range was {
		if now := owner(late, key, all[:2]); before != "p3" && now != before {
			t.Errorf("%s went from %s to %s, and neither had died", key, before, now)
		}
	}
	if got := all[0].living(late); !slices.Equal(got, []string{"p2", "p1"}) {
		t.Errorf("p1 takes %v for living", got)
	}
}

// One who hears of nobody does everything.
func TestABridgeThatHearsOfNobodyDoesEverything(t *testing.T) {
	t.Parallel()
	p := newPeers("p1")
	if !p.own(noon)("acme/ann") {
		t.Error("nobody else is there, and it is not its own")
	}
}

// Of two bridges one asks an agent. What a dead one asked the other asks within
// 12 s of its last sign of life.
func TestOneBridgeAsksAnAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	two := New(w.s.Config)
	for i := range 40 {
		w.agentSays(fmt.Sprintf("agent%02d", i), events.Orchestrator, events.Enrolled, &events.AgentEnrolled{State: events.AgentState{
			Presence: events.Offline, Connection: "tcn", ProviderAgent: fmt.Sprint(i)}})
	}
	rs, err := w.log.From(events.AgentFamily, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rs {
		w.s.Follow(r)
		two.Follow(r)
	}
	asks := func(s *Service) map[log.Ref]bool {
		out := map[log.Ref]bool{}
		refs, _ := s.Due(w.Now())
		for _, ref := range refs {
			out[ref] = true
			s.Later(ref, w.Now().Add(s.PollEvery))
		}
		return out
	}
	w.s.PeerLives(two.Process())
	two.PeerLives(w.s.Process())
	one, other := asks(w.s), asks(two)
	if len(one) == 0 || len(other) == 0 || len(one)+len(other) != 41 {
		t.Fatalf("one asks %d and the other %d of 41", len(one), len(other))
	}
	for ref := range one {
		if other[ref] {
			t.Errorf("both ask %s", ref.ID)
		}
	}
	again := map[log.Ref]bool{} // the other has died
	for range 12 {
		w.pass(time.Second)
		for ref := range asks(w.s) {
			again[ref] = true
		}
	}
	if len(again) != 41 {
		t.Errorf("12 s after the other was last heard %d of 41 are asked", len(again))
	}
}
