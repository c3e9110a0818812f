package e2e_test

import (
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/tcnsim"
	"github.com/outdial/outdial/test/rig"
)

// A call that comes in to the agent while the provider scrubs is not dialed
// over: the request waits until the agent is free again, and is then placed.
func TestACallThatComesInBeforeTheStart(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{TCN: tcnsim.Options{Pace: tcnsim.Pace{Talk: 700 * time.Millisecond}}})
	r.AwaitReadyAgents(1)
	r.Fault(sim.Fault{Provider: tcnsim.Name, Operation: tcnsim.OpScrub, Mode: sim.Late, Delay: sim.Duration(400 * time.Millisecond)})
	call := r.Dial("crossed", rig.To(rig.Number(1), rig.Agent(0)))
	r.Until("the scrub", 10*time.Second, func() bool { return r.Sim.Ledger().Count(sim.Scrub, "") == 1 })
	r.Set(rig.Agent(0), map[string]any{"inbound": true})
	c := r.Closed(call, events.OutcomeCompleted, "")
	if !rig.Has(c, events.Withheld) || rig.Has(c, events.Refused) || rig.Has(c, events.CancelFailed) {
		t.Errorf("want withheld and placed later: %s", rig.Path(c))
	}
	if n := len(r.Sim.History(tcnsim.Name, tcnsim.OpStart, "")); n != 1 {
		t.Errorf("%d start requests on the wire", n)
	}
}
