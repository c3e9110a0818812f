package rig

import (
	"slices"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/sim"
)

// attentive is the simulated world's clock in tests that ask for outcomes. TCN
// can only be polled, and what is shorter than the gap between two polls is
// never seen: on a busy machine a conversation of half a second may pass
// unnoticed. So the world does not move on before the log has what is up now,
// or gives up waiting. It changes nothing about what is seen, only when.
type attentive struct {
	sim.RealClock
	r *Rig
}

// patience is how long the world waits for the log.
const patience = 5 * time.Second

// AfterFunc implements sim.Clock.
func (a attentive) AfterFunc(d time.Duration, f func()) func() bool {
	return a.RealClock.AfterFunc(d, func() {
		for deadline := time.Now().Add(patience); !a.r.noticed() && time.Now().Before(deadline); {
			select {
			case <-a.r.Changed():
			case <-time.After(100 * time.Millisecond):
			}
		}
		f()
	})
}

// noticed reports whether the log has everything that TCN shows just now.
func (r *Rig) noticed() bool {
	for _, v := range r.TCN.Agents() {
		var want []events.Name
		switch v.State {
		case "PEERED", "PEERED_WITH_CALL_ON_HOLD":
			want = []events.Name{events.Talking, events.Closed}
		case "WRAPUP":
			want = []events.Name{events.Ended, events.WrapUp, events.WrappedUp, events.Closed}
		default:
			continue
		}
		if r.watch != nil && !r.watch.says(v.Agent, want) {
			return false
		}
	}
	return true
}

// says reports whether the last call dialed for an agent has one of the
// events, or there is none.
func (w *watch) says(agent string, names []events.Name) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	log := w.calls[w.dialed[agent]]
	return len(log) == 0 || slices.ContainsFunc(log, func(e events.Record) bool { return slices.Contains(names, e.Name) })
}
