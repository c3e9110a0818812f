package e2e_test

import (
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/test/rig"
)

// A closed call says what the telephone company says: how long it was, whom it
// reached, and who is still on a line.
func TestWhatAClosedCallSaysIsTheCompanysWord(t *testing.T) {
	t.Parallel()
	held, moved, robot := rig.Talks(rig.Number(1)), rig.Talks(rig.Number(2)), rig.Talks(rig.Number(3))
	held.Hold, moved.Outcome, robot.Outcome = true, sim.Transfers, sim.Machine
	there := robot
	there.Number, there.Outcome = rig.Number(4), sim.Transfers
	desk := rig.Desk{Agent: "agent4", Kind: providers.WebexCC}
	r := rig.Start(t, rig.Options{Agents: 2, Desks: []rig.Desk{desk}, Script: []sim.Part{held, moved, robot, there}})
	first := r.Dial("held", rig.To(rig.Number(1), rig.Agent(0)))
	second := r.Dial("moved", rig.To(rig.Number(2), rig.Agent(1)))
	third := r.Dial("machine", rig.ToDesk(rig.Number(3), desk.Agent))

	c := r.Closed(first, events.OutcomeCompleted, "completed")
	d, i := c.Closed.Durations, c.Closed.Instants
	if d.Ring != nil || d.Hold == nil || d.Talk == nil || *d.Hold >= *d.Talk || len(i.ByProvider) == 0 || i.Ringing != nil {
		t.Errorf("TCN reports no ringing, and a hold amid the talk: %+v, %+v", d, i)
	}
	told := time.Duration(0) // from the talk's beginning to its end, by the company's ledger
	for _, e := range r.Sim.Ledger().Entries() {
		switch {
		case e.Number != rig.Number(1):
		case e.Kind == sim.Answer:
			told -= e.At.Sub(*i.Talking)
		case e.Kind == sim.End:
			told += e.At.Sub(*i.Talking)
		}
	}
	if off := told - time.Duration(*d.Talk)*time.Millisecond; off.Abs() > 20*time.Millisecond {
		t.Errorf("talked %d ms, by the company's ledger %s", *d.Talk, told)
	}

	for id, want := range map[string]string{second: "tcn", r.Dial("moved too", rig.ToDesk(rig.Number(4), desk.Agent)): "webexcc"} {
		c := r.Closed(id, events.OutcomeCompleted, events.EndTransferred)
		if !c.Transferred || !c.CustomerUp() || c.Closed.Durations.Talk == nil {
			t.Errorf("%s: transferred %t, up %t, %+v", want, c.Transferred, c.CustomerUp(), c.Closed.Durations)
		}
	}
	c = r.Closed(third, events.OutcomeFailed, events.EndMachine)
	if d := c.Closed.Durations; d.Talk != nil || c.Closed.Instants.Answered == nil {
		t.Errorf("a machine: %+v, %+v", d, c.Closed.Instants)
	}
}
