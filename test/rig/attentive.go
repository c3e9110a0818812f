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
const patience = 15 * time.Second

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
		if number := r.dialedAs(v.Call); number != "" && r.watch != nil && !r.watch.says(number, want) {
			return false
		}
	}
	return true
}

// dialedAs is the number that was dialed when the company began a call, "" for
// a call that is none of ours.
func (r *Rig) dialedAs(call string) string {
	for _, e := range slices.Backward(r.Sim.Ledger().Entries()) {
		if e.Kind == sim.Start && e.ProviderCall == call {
			return e.Number
		}
	}
	return ""
}

// says reports whether the open call that was dialed to a number has one of the
// events, or there is no open one. A call whose intent was not heard of yet has
// none of them: the watch may lag as everybody may.
func (w *watch) says(number string, names []events.Name) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	open := false
	for _, k := range slices.Backward(w.order) {
		has := func(names ...events.Name) bool {
			return slices.ContainsFunc(w.calls[k], func(e events.Record) bool { return slices.Contains(names, e.Name) })
		}
		first, ok := w.calls[k][0].Body.(*events.CallRequested)
		if !ok || first.Request.To != number || has(events.Closed) {
			continue
		}
		if has(events.Dialing) {
			return has(names...)
		}
		open = true
	}
	return !open
}
