package e2e_test

import (
	"testing"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/desktopsim"
	"github.com/outdial/outdial/test/rig"
)

const briefly = `
  orchestrator: {undo: 2s, answer: 2s, unknown: 500ms, ring: 15s, talk: 30s, ended: 3s, wrapUp: 15s, retry: 150ms, claimAge: 2s}
  compliance: {prepare: 4s}
  dialer: {send: 2s, answer: 1500ms, event: 1500ms, settle: 100ms}
  bridge: {pollEvery: 60ms}
`

// A desktop that took a call and never said a word of it is held back, asked
// whether it is ready, and dials again.
func TestAHeldBackDesktopServesAgain(t *testing.T) {
	t.Parallel()
	desk := rig.Desk{Agent: "agent4", Kind: providers.WebexCC}
	r := rig.Start(t, rig.Options{Desks: []rig.Desk{desk}, Timing: briefly})
	r.AwaitPresence(desk.Agent, events.Ready)
	r.Fault(sim.Fault{Provider: string(desk.Kind), Operation: desktopsim.OpCall, Mode: sim.Silent})
	c := r.Closed(r.Dial("silent", rig.ToDesk(rig.Number(1), desk.Agent)), events.OutcomeFailed, "outcome_unknown")
	if !c.Closed.Quarantine {
		t.Errorf("its agent is let go: %s", rig.Path(c))
	}
	r.Closed(r.Dial("next", rig.ToDesk(rig.Number(2), desk.Agent)), events.OutcomeCompleted, "")
}
