package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/desktopsim"
	"github.com/outdial/outdial/test/rig"
)

// leased is for tests of sessions as leases: everything is near, and a bridge
// is given up after two seconds of silence.
const leased = `
  orchestrator: {undo: 8s, answer: 8s, unknown: 10s, ring: 15s, talk: 30s, ended: 3s, wrapUp: 15s, retry: 150ms, claimAge: 2s, lease: 2s}
  compliance: {prepare: 4s}
  dialer: {send: 2s, answer: 1500ms, event: 1500ms, settle: 200ms}
  bridge: {pollEvery: 60ms, alive: 200ms}
`

// haunted is a rig with two bridges: ghost's page is at the first, and waits
// longest; the others' are at the second.
func haunted(t *testing.T, timing string) (r *rig.Rig, ghost rig.Desk, page *desktopsim.Desktop, shut func()) {
	t.Helper()
	ghost = rig.Desk{Agent: "ghost", Kind: providers.Five9, Away: true}
	desks := []rig.Desk{ghost}
	for n := range 4 {
		desks = append(desks, rig.Desk{Agent: fmt.Sprint("living", n), Kind: providers.Five9, Bridge: 1, Away: true})
	}
	quick := rig.Talks("*")
	quick.Ring, quick.Talk, quick.Wrap = quick.Ring/4, quick.Talk/4, quick.Wrap/4
	r = rig.Start(t, rig.Options{Desks: desks, Copies: 2, Pace: 5 * time.Millisecond, Timing: timing, Script: []sim.Part{quick}})
	page, shut = r.OpenPage(ghost)
	r.AwaitPresence(ghost.Agent, events.Ready)
	for _, d := range desks[1:] {
		r.OpenPage(d)
	}
	r.AwaitReadyAgents(5)
	return r, ghost, page, shut
}

// I4: a desktop that nobody reaches does not swallow its hunt group, however it
// came to be one.
func TestAGhostDesktopDoesNotSwallowAHuntGroup(t *testing.T) {
	t.Parallel()
	const calls = 30
	for story, die := range map[string]func(r *rig.Rig, shut func()){
		"its bridge was killed": func(r *rig.Rig, _ func()) { r.Kill("events-bridge", 0) },
		"its page closed while the broker was away": func(r *rig.Rig, shut func()) {
			r.WithoutNATS(shut)
		},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			r, ghost, _, shut := haunted(t, "")
			die(r, shut)
			var ids []string
			for n := range calls {
				q := rig.ToDesk(rig.Number(n), "")
				q.HuntGroup = rig.Sales
				ids = append(ids, r.Dial(fmt.Sprint("haunted-", n), q))
			}
			r.Until(fmt.Sprintf("%d calls are closed", calls), 2*time.Minute, func() bool { return closed(r) >= calls })
			served := 0
			for n, id := range ids { // a telephone rang; how the talk went is another story
				if r.Dials(rig.Number(n)) == 1 {
					served++
				} else {
					t.Log(rig.Path(r.Call(id)))
				}
			}
			if served < calls-1 {
				t.Errorf("%d of %d calls are served", served, calls)
			}
			r.AwaitPresence(ghost.Agent, events.Lost, events.Offline)
		})
	}
}

// I4: silence ends the sessions of a bridge that was killed, without a call
// that finds out; and a page that comes back elsewhere has its agent again.
func TestDesktopsOfASilentBridgeAreNotReady(t *testing.T) {
	t.Parallel()
	r, ghost, old, _ := haunted(t, leased)
	first := r.AgentState(ghost.Agent)

	// With two bridges the old page is told that it was replaced, as with one.
	elsewhere := ghost
	elsewhere.Bridge = 1
	r.OpenPage(elsewhere)
	r.Until("the old page is told", 10*time.Second, func() bool { return old.Status().Stopped == "replaced" })
	r.AwaitPresence(ghost.Agent, events.Ready)
	if now := r.AgentState(ghost.Agent); now.Session == first.Session || now.Bridge == first.Bridge || now.Bridge == "" {
		t.Errorf("the agent is in session %s of %s, was in %s of %s", now.Session, now.Bridge, first.Session, first.Bridge)
	}

	r.Kill("events-bridge", 1)
	for _, agent := range []string{ghost.Agent, "living0", "living1", "living2", "living3"} {
		r.AwaitPresence(agent, events.Lost)
		if s := r.AgentState(agent); s.Reason != "bridge_silent" {
			t.Errorf("%s is lost because of %s", agent, s.Reason)
		}
	}
	call := r.Dial("later", rig.ToDesk(rig.Number(1), ghost.Agent))
	if c := r.Await(call, events.Waiting); rig.Has(c, events.Dialing) {
		t.Errorf("dialed at nobody's desktop: %s", rig.Path(c))
	}
	r.OpenPage(ghost)
	if c := r.Await(call, events.Closed); r.Dials(rig.Number(1)) != 1 {
		t.Error(rig.Path(c))
	}
}
