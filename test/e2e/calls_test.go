package e2e_test

import (
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/tcnsim"
	"github.com/outdial/outdial/test/rig"
)

// steps wants events in a call's log, in this order, others in between.
func steps(t *testing.T, log []events.Record, want ...events.Name) {
	t.Helper()
	i := 0
	for _, e := range log {
		if i < len(want) && e.Name == want[i] {
			i++
		}
	}
	if i < len(want) {
		t.Errorf("no %s in its place", want[i])
	}
}

func TestACallFromRequestToWrapUp(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	call := r.Dial("one", rig.To(rig.Number(1), rig.Agent(0)))
	c := r.Closed(call, events.OutcomeCompleted, "completed")
	steps(t, c.Log, events.Requested, events.Assigned, events.Preparing, events.Passed, events.Dialing,
		events.Started, events.Talking, events.WrapUp, events.Closed)
	if c.Closed.Presumed || c.Closed.Durations.Talk == nil || c.Closed.Durations.Queue == nil {
		t.Errorf("closed says %+v", c.Closed)
	}
	for i, e := range c.Log {
		if e.Place != i+1 {
			t.Errorf("%s has place %d, want %d", e.Name, e.Place, i+1)
		}
		if common, ok := events.CommonOf(e.Body); !ok || common.Number.Token != r.Keys[rig.Acme].NumberToken(rig.Number(1)) {
			t.Errorf("%s does not carry the number's token", e.Name)
		}
	}
	if n := r.Dials(rig.Number(1)); n != 1 {
		t.Errorf("%d dials", n)
	}
}

func TestADeniedScrubIsCancelledAndTheAgentIsFreeAfterwards(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Script: []sim.Part{rig.Talks("*"), {Number: rig.Number(1), Deny: []string{"isDnclScrubOk"}}}})
	c := r.Closed(r.Dial("denied", rig.To(rig.Number(1), rig.Agent(0))), events.OutcomeBlocked, "DNC_NATIONAL")
	steps(t, c.Log, events.Preparing, events.Failed, events.Cancelled, events.Closed)
	if r.Dials(rig.Number(1)) != 0 || r.Sim.Ledger().Count(sim.Cancel, rig.Agent(0)) == 0 {
		t.Error("the preparation was not cancelled, or the number dialed")
	}
	r.Closed(r.Dial("next", rig.To(rig.Number(2), rig.Agent(0))), events.OutcomeCompleted, "")
}

func TestANumberOnTheCompanysListIsBlocked(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	optOut(t, r, rig.Number(1))
	c := r.Closed(r.Dial("listed", rig.To(rig.Number(1), rig.Agent(0))), events.OutcomeBlocked, "DNC_INTERNAL")
	if rig.Has(c, events.Preparing) || rig.Has(c, events.Dialing) {
		t.Error(rig.Path(c))
	}
}

// optOut puts a number on acme's do-not-call list.
func optOut(t *testing.T, r *rig.Rig, number string) {
	t.Helper()
	var out []map[string]any
	code := r.Ask(rig.Acme, "dnc", "add", map[string]any{"contacts": []map[string]string{{"phone_number": number}}, "by": "e2e"}, &out)
	if code != "" || len(out) != 1 || out[0]["status"] != "created" {
		t.Fatalf("dnc.add: %s %v", code, out)
	}
}

func TestAnOptOutWhileTheCallWaitsForAnAgent(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	r.AwaitReadyAgents(1)
	r.Set(rig.Agent(0), map[string]any{"status": "PAUSED"})
	r.AwaitPresence(rig.Agent(0), events.NotReady)
	call := r.Dial("waits", rig.To(rig.Number(1), rig.Agent(0)))
	r.Await(call, events.Waiting)
	optOut(t, r, rig.Number(1))
	r.Closed(call, events.OutcomeBlocked, "DNC_INTERNAL")
	r.Set(rig.Agent(0), map[string]any{"status": "READY"})
	r.Closed(r.Dial("other", rig.To(rig.Number(2), rig.Agent(0))), events.OutcomeCompleted, "")
	if r.Dials(rig.Number(1)) != 0 {
		t.Error("dialed after the opt-out")
	}
}

func TestAnOptOutWhileTheCallIsBeingPrepared(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	r.Fault(sim.Fault{Provider: tcnsim.Name, Operation: tcnsim.OpScrub, Mode: sim.Late, Delay: sim.Duration(700 * time.Millisecond)})
	call := r.Dial("preparing", rig.To(rig.Number(1), rig.Agent(0)))
	r.Await(call, events.Preparing)
	optOut(t, r, rig.Number(1))
	c := r.Closed(call, events.OutcomeBlocked, "DNC_INTERNAL")
	if rig.Has(c, events.Dialing) || r.Dials(rig.Number(1)) != 0 {
		t.Errorf("dialed after the opt-out: %s", rig.Path(c))
	}
	if !rig.Has(c, events.Cancelled) {
		t.Errorf("the preparation was not undone: %s", rig.Path(c))
	}
}
