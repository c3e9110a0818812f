package simulation

import (
	"testing"

	"github.com/outdial/outdial/internal/pace"
)

// Intents whose answers were held up are not sent together, though each had its
// slot before.
func TestWhatWasHeldUpTogetherIsNotSentTogether(t *testing.T) {
	for seed := range uint64(min(worlds, 3)) {
		r := play(t, seed, Options{Calls: 40, plot: burst, rate: 1})
		if r.Counts["reached"] == 0 {
			t.Errorf("seed %d: no intent was held up", seed)
		}
		if len(r.Broken) > 0 {
			tell(t, r)
		}
	}
}

// The promises hold at a pace as well: calls wait for their slots while
// everything else goes wrong, some are sent away, and all of them end.
func TestAtAPaceNoPromiseIsBroken(t *testing.T) {
	slots, sentAway := map[pace.Class]int{}, map[pace.Class]int{}
	for seed := range uint64(6) {
		o := unkind()
		o.Calls, o.rate = 40, 2
		r := play(t, seed, o)
		if len(r.Broken) > 0 {
			tell(t, r)
			return
		}
		for class := pace.Dial; class <= pace.Poll; class++ {
			slots[class] += r.w.slots[class]
			sentAway[class] += r.w.sentAway[class]
		}
	}
	t.Logf("slots %v, sent away %v", slots, sentAway)
	for class := pace.Dial; class <= pace.Poll; class++ {
		if slots[class] == 0 || class > pace.Dial && sentAway[class] == 0 {
			t.Errorf("class %d: %d slots, %d times none", class, slots[class], sentAway[class])
		}
	}
}

// Queues are dialed at the rate of their account, whoever dials, however many
// ask at once, and whatever goes wrong; where nothing does, to the letter.
func TestQueuesAreDialedAtTheirRate(t *testing.T) {
	for seed := range uint64(min(worlds, 3)) {
		o := listed()
		o.Calls, o.rate, o.hurry = 40, 1, true
		kind := Options{Calls: o.Calls, rate: o.rate, hurry: true, listed: true}
		for _, o := range []Options{o, kind} {
			r := play(t, seed, o)
			if len(r.Broken) > 0 {
				tell(t, r)
			}
			if ahead := r.w.overRate("lists"); o.odd == 0 && ahead > 0 {
				t.Errorf("seed %d: the account is %s ahead of its rate", seed, ahead)
			}
			if n := len(r.w.allSent["lists"]); n < 5 {
				t.Errorf("seed %d: %d starts", seed, n)
			}
		}
	}
}
