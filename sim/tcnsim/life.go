package tcnsim

import (
	"time"

	"github.com/outdial/outdial/sim"
)

// TCN's words for the states that the simulator plays.
const (
	stateReady    = "READY"
	statePaused   = "PAUSED"
	statePrepared = "MANUAL_DIAL_PREPARED"
	stateStarted  = "MANUAL_DIAL_STARTED"
	stateLocked   = "OUTBOUND_LOCKED"
	statePeered   = "PEERED"
	stateHeld     = "PEERED_WITH_CALL_ON_HOLD"
	stateCold     = "COLD_AGENT_TRANSFER_STARTED"
	stateWrapUp   = "WRAPUP"
	stateUndone   = "PREPARING_AFTER_DIAL_CANCEL"
)

// become changes the agent's state at once. Timers set before are void.
func (t *Company) become(a *seat, state string) {
	a.turn++
	a.current, a.changed = state, t.sim.Clock().Now()
	if state == stateReady {
		a.call, a.scrubbed = nil, nil
	}
}

// later does something after d, unless the agent's state changed meanwhile.
func (t *Company) later(a *seat, d time.Duration, do func()) {
	if d <= 0 {
		d = t.sim.Pace()
	}
	a.turn++
	turn := a.turn
	t.sim.Clock().AfterFunc(d, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if a.turn == turn {
			do()
		}
	})
}

// note writes the ledger.
func (t *Company) note(a *seat, k sim.Kind, detail string) error {
	e := sim.Entry{Provider: Name, Agent: a.AgentSid, Session: a.VoiceSessionSid, Kind: k, Detail: detail}
	switch {
	case a.call != nil:
		e.Number, e.ProviderCall, e.Correlation = a.call.number, a.call.sid, a.call.correlation
	case a.scrubbed != nil:
		e.Number, e.ProviderCall = e164In(a.scrubbed.said), a.scrubbed.callSid
		e.Correlation = correlation(a.scrubbed.said)
	}
	return t.sim.Record(e)
}

// witness notes what happens by itself: it happens whether or not the ledger
// can be written, and only an accepted dial must be there.
func (t *Company) witness(a *seat, k sim.Kind, detail string) { _ = t.note(a, k, detail) }

// live plays a call: started, ringing, answered or not, wrap-up, ready.
func (t *Company) live(a *seat) {
	part := a.call.part
	a.calls++
	a.sip = 0
	t.become(a, stateStarted)
	t.later(a, t.opts.Pace.Start, func() {
		t.become(a, stateLocked)
		t.witness(a, sim.Ring, "")
		t.later(a, choose(part.Ring, t.opts.Pace.Ring), func() {
			if part.Outcome == sim.Talks || part.Outcome == sim.Transfers || part.Outcome == sim.Machine {
				t.talk(a, choose(part.Talk, t.opts.Pace.Talk))
				return
			}
			a.sip = map[sim.Outcome]int{sim.NoAnswer: 480, sim.Busy: 486, sim.Fails: 503}[part.Outcome]
			t.wrap(a, string(part.Outcome))
		})
	})
}

func (t *Company) talk(a *seat, d time.Duration) {
	t.witness(a, sim.Answer, "")
	t.become(a, statePeered)
	t.witness(a, sim.Talk, "")
	if a.call == nil || !a.call.part.Hold {
		t.leave(a, d)
		return
	}
	t.later(a, d, func() {
		t.become(a, stateHeld)
		t.witness(a, sim.Hold, "")
		t.later(a, d, func() {
			t.become(a, statePeered)
			t.leave(a, d)
		})
	})
}

// leave ends the agent's part after d: with the call, or with a cold transfer.
func (t *Company) leave(a *seat, d time.Duration) {
	if a.call == nil || a.call.part.Outcome != sim.Transfers {
		t.later(a, d, func() { t.wrap(a, "completed") })
		return
	}
	t.later(a, d, func() {
		t.become(a, stateCold)
		t.later(a, d, func() { t.wrap(a, "transferred") })
	})
}

func (t *Company) wrap(a *seat, how string) {
	t.witness(a, sim.End, how)
	t.become(a, stateWrapUp)
	t.witness(a, sim.Wrap, "")
	var d sim.Duration
	if a.call != nil {
		d = a.call.part.Wrap
	}
	t.later(a, choose(d, t.opts.Pace.Wrap), func() {
		t.witness(a, sim.Ready, "")
		t.become(a, stateReady)
	})
}

// inbound is a call that is not ours.
func (t *Company) inbound(a *seat) {
	a.coming, a.scrubbed = false, nil
	a.call = &underWay{sid: t.sim.NewID(9), correlation: "inbound", part: sim.Part{Outcome: sim.Talks}}
	t.talk(a, t.opts.Pace.Talk)
}

func choose(own sim.Duration, pace time.Duration) time.Duration {
	if own > 0 {
		return time.Duration(own)
	}
	return pace
}
