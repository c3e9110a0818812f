package e2e_test

import (
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/tcnsim"
	"github.com/outdial/outdial/test/rig"
)

const soonLeftover = `
  orchestrator: {undo: 2s, answer: 2s, unknown: 500ms, ring: 15s, talk: 30s, ended: 3s, wrapUp: 15s, retry: 150ms, claimAge: 2s, prepared: 2500ms}
  compliance: {prepare: 1s}
  dialer: {send: 2s, answer: 1s, event: 1500ms, settle: 100ms}
  bridge: {pollEvery: 60ms}
`

// A preparation that took effect after its call had ended locks nobody: the agent
// is held back, somebody is told, the preparation is withdrawn, and once she has
// been free for long enough she has the next call.
func TestAPreparationThatNoCallOwnsIsWithdrawn(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Timing: soonLeftover})
	r.Closed(r.Dial("before", rig.To(rig.Number(1), rig.Agent(0))), events.OutcomeCompleted, "")
	r.AwaitPresence(rig.Agent(0), events.Ready)
	cancels := len(r.Sim.History(tcnsim.Name, tcnsim.OpCancel, ""))
	fault, err := r.Sim.Faults.Add(sim.Fault{Provider: tcnsim.Name, Operation: tcnsim.OpPrepare, Mode: sim.LateEffect, Delay: sim.Duration(3 * time.Second), Count: sim.Forever})
	if err != nil {
		t.Fatal(err)
	}
	q := rig.To(rig.Number(2), rig.Agent(0))
	end := r.Now().Add(1500 * time.Millisecond)
	q.ExpiresAt = &end
	c := r.Await(r.Dial("lost", q), events.Closed)
	if n := r.Dials(rig.Number(2)); n != 0 {
		t.Errorf("%d dials: %s", n, rig.Path(c))
	}
	held := func() bool {
		st := r.AgentState(rig.Agent(0))
		return st.Quarantine != nil && st.Quarantine.Reason == events.ReasonLeftover
	}
	r.Until("she is held back for what is prepared", 30*time.Second, held)
	r.Until("it is withdrawn", 30*time.Second, func() bool { return len(r.Sim.History(tcnsim.Name, tcnsim.OpCancel, "")) > cancels })
	r.Until("she is let go", 30*time.Second, func() bool { return r.AgentState(rig.Agent(0)).Quarantine == nil })
	told := 0
	for _, o := range r.Ops() {
		if o.Event == "alarm" && o.Reason == events.ReasonLeftover {
			told++
		}
	}
	if told == 0 {
		t.Error("nobody was told")
	}
	r.Sim.Faults.Remove(fault)
	r.Closed(r.Dial("next", rig.To(rig.Number(3), rig.Agent(0))), events.OutcomeCompleted, "")
}
