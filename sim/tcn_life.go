package sim

import (
	"time"
)

// TCN's words for the states that the simulator plays.
const (
	tcnReady    = "READY"
	tcnPaused   = "PAUSED"
	tcnPrepared = "MANUAL_DIAL_PREPARED"
	tcnStarted  = "MANUAL_DIAL_STARTED"
	tcnLocked   = "OUTBOUND_LOCKED"
	tcnPeered   = "PEERED"
	tcnHeld     = "PEERED_WITH_CALL_ON_HOLD"
	tcnCold     = "COLD_AGENT_TRANSFER_STARTED"
	tcnWrapUp   = "WRAPUP"
	tcnUndone   = "PREPARING_AFTER_DIAL_CANCEL"
)

// become changes the agent's state at once. Timers set before are void.
func (t *TCN) become(a *tcnAgent, state string) {
	a.turn++
	a.current, a.changed = state, t.sim.clock.Now()
	if state == tcnReady {
		a.call, a.scrubbed = nil, nil
	}
}

// later does something after d, unless the agent's state changed meanwhile.
func (t *TCN) later(a *tcnAgent, d time.Duration, do func()) {
	if d <= 0 {
		d = t.sim.pace
	}
	a.turn++
	turn := a.turn
	t.sim.clock.AfterFunc(d, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if a.turn == turn {
			do()
		}
	})
}

// note writes the ledger.
func (t *TCN) note(a *tcnAgent, k Kind, detail string) error {
	e := Entry{Provider: TCNName, Agent: a.AgentSid, Session: a.VoiceSessionSid, Kind: k, Detail: detail}
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
func (t *TCN) witness(a *tcnAgent, k Kind, detail string) { _ = t.note(a, k, detail) }

// live plays a call: started, ringing, answered or not, wrap-up, ready.
func (t *TCN) live(a *tcnAgent) {
	part := a.call.part
	a.calls++
	a.sip = 0
	t.become(a, tcnStarted)
	t.later(a, t.opts.Pace.Start, func() {
		t.become(a, tcnLocked)
		t.witness(a, Ring, "")
		t.later(a, choose(part.Ring, t.opts.Pace.Ring), func() {
			if part.Outcome == Talks || part.Outcome == Transfers || part.Outcome == Machine {
				t.talk(a, choose(part.Talk, t.opts.Pace.Talk))
				return
			}
			a.sip = map[Outcome]int{NoAnswer: 480, Busy: 486, Fails: 503}[part.Outcome]
			t.wrap(a, string(part.Outcome))
		})
	})
}

func (t *TCN) talk(a *tcnAgent, d time.Duration) {
	t.witness(a, Answer, "")
	t.become(a, tcnPeered)
	t.witness(a, Talk, "")
	if a.call == nil || !a.call.part.Hold {
		t.leave(a, d)
		return
	}
	t.later(a, d, func() {
		t.become(a, tcnHeld)
		t.witness(a, Hold, "")
		t.later(a, d, func() {
			t.become(a, tcnPeered)
			t.leave(a, d)
		})
	})
}

// leave ends the agent's part after d: with the call, or with a cold transfer.
func (t *TCN) leave(a *tcnAgent, d time.Duration) {
	if a.call == nil || a.call.part.Outcome != Transfers {
		t.later(a, d, func() { t.wrap(a, "completed") })
		return
	}
	t.later(a, d, func() {
		t.become(a, tcnCold)
		t.later(a, d, func() { t.wrap(a, "transferred") })
	})
}

func (t *TCN) wrap(a *tcnAgent, how string) {
	t.witness(a, End, how)
	t.become(a, tcnWrapUp)
	t.witness(a, Wrap, "")
	var d Duration
	if a.call != nil {
		d = a.call.part.Wrap
	}
	t.later(a, choose(d, t.opts.Pace.Wrap), func() {
		t.witness(a, Ready, "")
		t.become(a, tcnReady)
	})
}

// inbound is a call that is not ours.
func (t *TCN) inbound(a *tcnAgent) {
	a.coming, a.scrubbed = false, nil
	a.call = &tcnCall{sid: t.sim.NewID(9), correlation: "inbound", part: Part{Outcome: Talks}}
	t.talk(a, t.opts.Pace.Talk)
}

func choose(own Duration, pace time.Duration) time.Duration {
	if own > 0 {
		return time.Duration(own)
	}
	return pace
}
