package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/test/rig"
)

// desks are pages of agents, spread over bridges.
func desks(n, bridges int) []rig.Desk {
	all := make([]rig.Desk, n)
	for i := range all {
		all[i] = rig.Desk{Agent: fmt.Sprintf("wes%02d", i), Kind: providers.WebexCC, Bridge: i % bridges}
	}
	return all
}

// toDesks sends calls to agents in turn and wants each to be one that people
// talked on.
func toDesks(t *testing.T, r *rig.Rig, all []rig.Desk, calls int, meanwhile func()) {
	t.Helper()
	var ids []string
	for n := range calls {
		ids = append(ids, r.Dial(fmt.Sprint("order-", n), rig.ToDesk(rig.Number(n), all[n%len(all)].Agent)))
	}
	meanwhile()
	for _, id := range ids {
		c := r.Closed(id, events.OutcomeCompleted, events.EndCompleted)
		if got := saidBy(c, events.Bridge); got != "offered answered recording_started ended wrap_up wrapped_up" {
			t.Errorf("the bridge said %s", got)
		}
	}
}

// Every message of these pages comes at once, to two bridges whose consumer
// hands it to either.
func TestPagesThatSayEverythingAtOnce(t *testing.T) {
	t.Parallel()
	all := desks(10, 2)
	r := rig.Start(t, rig.Options{Desks: all, Copies: 2, Pace: time.Nanosecond, Timing: unhurried, Closing: time.Minute})
	toDesks(t, r, all, 50, func() {})
}

// A bridge goes and comes back while agents talk, and their pages say then what
// they could not say before.
func TestABridgeRestartsAmidThirtyCalls(t *testing.T) {
	t.Parallel()
	all := desks(30, 1)
	var script []sim.Part
	for n := range all {
		p := rig.Talks(rig.Number(n))
		p.Talk = sim.Duration(2 * time.Second)
		script = append(script, p)
	}
	r := rig.Start(t, rig.Options{Desks: all, Pace: 5 * time.Millisecond, Timing: unhurried, Script: script, Closing: time.Minute})
	toDesks(t, r, all, len(all), func() {
		r.Until("everybody talks", time.Minute, func() bool { return talking(r) == len(all) })
		r.Kill("events-bridge", 0)
		r.StartService("events-bridge", 0)
	})
}

func talking(r *rig.Rig) (n int) {
	for _, c := range r.Calls() {
		if c.Talked {
			n++
		}
	}
	return n
}

// saidBy lists what a role has said of a call, in order.
func saidBy(c *lifecycle.Call, role events.Role) string {
	var said []string
	for _, r := range c.Log {
		if r.Role == role {
			said = append(said, string(r.Name))
		}
	}
	return strings.Join(said, " ")
}
