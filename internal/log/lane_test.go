package log

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/outdial/outdial/pkg/events"
)

// Whoever comes and whatever becomes of what was sent: there is one batch at a
// time, of many, with nothing of a log of which something else is under way, and
// everybody who waits is sent in the end.
func TestALaneKeepsItsRules(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a := NewLanes("CALLS")["CALLS"]
		a.abreast, a.fewest = rapid.IntRange(1, 8).Draw(rt, "abreast"), rapid.IntRange(2, 8).Draw(rt, "fewest")
		var all []*waiter
		var flying [][]*waiter
		sent := map[*waiter]int{}
		look := func() {
			for _, w := range all {
				select {
				case n := <-w.turn:
					if n.send[0] != w {
						rt.Fatal("somebody else is told to send")
					}
					if len(n.send) > 1 {
						a.batchIsRight(rt, n.send, flying)
					}
					for _, w := range n.send {
						sent[w]++
					}
					flying = append(flying, n.send)
				default:
				}
			}
			if len(flying) > a.abreast || len(flying) < a.abreast && len(a.waiting) > 0 {
				rt.Fatalf("%d under way of %d, and %d wait", len(flying), a.abreast, len(a.waiting))
			}
		}
		back := func(i int, refused bool) {
			was := flying[i]
			flying = append(flying[:i:i], flying[i+1:]...)
			a.leave(was, refused && len(was) > 1, false)
			look()
		}
		for range rapid.IntRange(1, 120).Draw(rt, "steps") {
			if len(flying) > 0 && rapid.IntRange(0, 2).Draw(rt, "do") == 0 {
				back(rapid.IntRange(0, len(flying)-1).Draw(rt, "which"), rapid.Bool().Draw(rt, "refused"))
				continue
			}
			w := &waiter{d: Draft{Family: events.CallFamily, Tenant: "acme", Key: fmt.Sprint(rapid.IntRange(0, 20).Draw(rt, "log"))}, turn: make(chan turn, 1)}
			all = append(all, w)
			a.enter(w)
			look()
		}
		for len(flying) > 0 {
			back(0, false)
		}
		for i, w := range all {
			if sent[w] == 0 || sent[w] > 2 || sent[w] == 2 && !w.alone {
				rt.Fatalf("number %d was sent %d times", i, sent[w])
			}
		}
		if a.flying != 0 || a.together || len(a.logs) != 0 {
			rt.Fatalf("at the end %+v", a)
		}
	})
}

func (a *lane) batchIsRight(rt *rapid.T, send []*waiter, flying [][]*waiter) {
	under := map[string]bool{}
	for _, f := range flying {
		if len(f) > 1 {
			rt.Fatal("two batches are under way")
		}
		under[f[0].d.Key] = true
	}
	if len(send) < a.fewest {
		rt.Fatalf("a batch of %d", len(send))
	}
	for _, w := range send {
		if under[w.d.Key] || w.alone {
			rt.Fatal("something of the log is under way, or was refused in a batch")
		}
		under[w.d.Key] = true
	}
}
