package simulation

import (
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
)

// Worlds that come to one case for sure. Each is red without the guard that it
// is told for: test/controls.
func TestAWorldThatMustReachTheCase(t *testing.T) {
	for name, of := range map[string]plot{
		"no acknowledgement of an intent arrives":                 unheard,
		"agents leave right before the intent":                    leaving,
		"the dialer sleeps over its intent, and its clock is set": asleep,
		"a bridge stops amid a message":                           halved,
		"preparations take effect late":                           stray,
		"two are put on one seat":                                 twins,
		"bridges fall silent":                                     silent,
		"the store goes back":                                     older,
	} {
		t.Run(name, func(t *testing.T) {
			calls := 12
			if of == older || of == halved || of == stray {
				calls = 60
			}
			for seed := range uint64(min(worlds, 3)) {
				r := play(t, seed, Options{Calls: calls, plot: of})
				if r.Counts["reached"] == 0 {
					t.Errorf("seed %d: the case was not reached", seed)
				}
				if len(r.Broken) > 0 {
					tell(t, r)
				}
			}
		})
	}
}

// A bridge that is stopped loses its sessions after a lease, each once, and the
// pages come to another, where calls go on.
func TestAnotherBridgeTakesOverFromASilentOne(t *testing.T) {
	const most = 10*time.Second + 3*time.Second // the lease, a beat before it, and a look
	for seed := range uint64(min(worlds, 3)) {
		r := play(t, seed, Options{Calls: 40, plot: silent})
		lost, elsewhere := map[string]int{}, 0
		for _, e := range r.w.since(events.AgentFamily, 0) {
			s, _ := events.StateOf(e.Body)
			for _, h := range r.w.halted {
				after := e.Stored.Sub(h.at)
				switch b, _ := e.Body.(*events.AgentPresence); {
				case b == nil || after < 0 || after > stopped:
				case e.Name == events.SessionLost && b.Reason == "bridge_silent":
					lost[h.bridge]++
					if after > most {
						t.Errorf("seed %d: a session of a silent bridge ended after %s", seed, after)
					}
				case e.Name == events.SessionStarted && s.Bridge != "" && s.Bridge != h.bridge:
					elsewhere++
				}
			}
		}
		if len(lost) == 0 || elsewhere == 0 {
			t.Errorf("seed %d: sessions ended by bridge %v, begun elsewhere %d", seed, lost, elsewhere)
		}
		if r.Talked == 0 || len(r.Broken) > 0 {
			tell(t, r)
		}
	}
}
