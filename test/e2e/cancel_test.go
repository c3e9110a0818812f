package e2e_test

import (
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/tcnsim"
	"github.com/outdial/outdial/test/rig"
)

// cancel withdraws a call as its upstream would.
func cancel(t *testing.T, r *rig.Rig, call, want string) {
	t.Helper()
	var out struct {
		Calls []struct{ Call, State, Status string }
	}
	code := r.Ask(rig.Acme, "call", "cancel", map[string]string{"call": call, "reason": "e2e"}, &out)
	if code != "" || len(out.Calls) != 1 || out.Calls[0].Status != want {
		t.Fatalf("call.cancel: %s %+v, want %s", code, out, want)
	}
}

func TestACancellationBeforeAnythingHappened(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	r.AwaitReadyAgents(1)
	r.Set(rig.Agent(0), map[string]any{"status": "PAUSED"})
	r.AwaitPresence(rig.Agent(0), events.NotReady)
	call := r.Dial("early", rig.To(rig.Number(1), rig.Agent(0)))
	r.Await(call, events.Waiting)
	cancel(t, r, call, "requested")
	r.Closed(call, events.OutcomeCancelled, events.ByUpstream)
	cancel(t, r, call, "closed")
	if r.Dials(rig.Number(1)) != 0 {
		t.Error("dialed")
	}
}

func TestACancellationWhilePreparingUndoesThePreparation(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	r.Fault(sim.Fault{Provider: tcnsim.Name, Operation: tcnsim.OpScrub, Mode: sim.Late, Delay: sim.Duration(700 * time.Millisecond)})
	call := r.Dial("preparing", rig.To(rig.Number(1), rig.Agent(0)))
	r.Until("the scrub is asked for", 20*time.Second, func() bool {
		return len(r.Sim.History(tcnsim.Name, tcnsim.OpScrub, "")) > 0
	})
	cancel(t, r, call, "requested")
	cancel(t, r, call, "already")
	c := r.Closed(call, events.OutcomeCancelled, events.ByUpstream)
	steps(t, c.Log, events.Preparing, events.CancelRequested, events.Passed, events.Cancelled, events.Closed)
	if r.Dials(rig.Number(1)) != 0 || rig.Has(c, events.Dialing) {
		t.Error("dialed")
	}
	r.Closed(r.Dial("next", rig.To(rig.Number(2), rig.Agent(0))), events.OutcomeCompleted, "")
}

func TestACancellationOfACallThatIsUpCannotBe(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	call := r.Dial("up", rig.To(rig.Number(1), rig.Agent(0)))
	r.Await(call, events.Talking)
	cancel(t, r, call, "cancel_failed")
	c := r.Await(call, events.CancelFailed)
	if !c.CancelFailed {
		t.Error(rig.Path(c))
	}
	r.Closed(call, events.OutcomeCompleted, "")
}

// Whoever cancels a call whose start hangs at the provider is answered while it
// hangs.
func TestACancellationDoesNotWaitForAStartThatHangs(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Timing: patient, Hang: time.Minute, Unjudged: true})
	t.Cleanup(func() { _ = r.Sim.Close() }) // lets go of it
	r.AwaitReadyAgents(1)
	r.Fault(sim.Fault{Provider: tcnsim.Name, Operation: tcnsim.OpStart, Mode: sim.Silent})
	call := r.Dial("hangs", rig.To(rig.Number(1), rig.Agent(0)))
	r.Await(call, events.Dialing)
	r.Until("the start hangs", 20*time.Second, func() bool { return len(r.Sim.History(tcnsim.Name, tcnsim.OpStart, "")) > 0 })
	asked := time.Now()
	cancel(t, r, call, "cancel_failed")
	c := r.Await(call, events.CancelFailed)
	took := time.Since(asked).Round(time.Millisecond)
	t.Logf("answered after %s", took)
	steps(t, c.Log, events.Dialing, events.CancelRequested, events.CancelFailed)
	if took > 10*time.Second {
		t.Errorf("answered after %s: it waited for the provider", took)
	}
}

func TestACancellationOfADesktopsCallIsUnsupported(t *testing.T) {
	t.Parallel()
	desk := rig.Desk{Agent: "agent5", Kind: providers.Five9}
	r := rig.Start(t, rig.Options{Desks: []rig.Desk{desk}})
	r.AwaitPresence(desk.Agent, events.Ready)
	call := r.Dial("up", rig.ToDesk(rig.Number(1), desk.Agent))
	r.Await(call, events.Started)
	cancel(t, r, call, "cancel_failed")
	c := r.Await(call, events.CancelFailed)
	for _, e := range c.Log {
		if b, ok := e.Body.(*events.CallCancelFailed); ok && b.Reason != "unsupported" {
			t.Errorf("could not be because of %s", b.Reason)
		}
	}
	r.Closed(call, events.OutcomeCompleted, "")
}

func TestACampaignIsCancelledAtOnce(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	r.AwaitReadyAgents(1)
	r.Set(rig.Agent(0), map[string]any{"status": "PAUSED"})
	r.AwaitPresence(rig.Agent(0), events.NotReady)
	var ids []string
	for n, campaign := range []string{"spring", "spring", "autumn"} {
		q := rig.To(rig.Number(n), rig.Agent(0))
		q.Campaign = campaign
		ids = append(ids, r.Dial(campaign+string(rune('0'+n)), q))
		r.Await(ids[n], events.Waiting)
	}
	var out struct{ Calls []struct{ Call string } }
	r.Until("the campaign's calls are known", 20*time.Second, func() bool {
		return r.Ask(rig.Acme, "call", "find", map[string]string{"campaign": "spring"}, &out) == "" && len(out.Calls) == 2
	})
	if code := r.Ask(rig.Acme, "call", "cancel", map[string]string{"campaign": "spring", "by": "alice", "reason": "e2e"}, nil); code != "" {
		t.Fatal(code)
	}
	r.Closed(ids[0], events.OutcomeCancelled, events.ByOperator)
	r.Closed(ids[1], events.OutcomeCancelled, events.ByOperator)
	r.Set(rig.Agent(0), map[string]any{"status": "READY"})
	r.Closed(ids[2], events.OutcomeCompleted, "")
}

func TestAnAgentIsReleasedByHand(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	r.AwaitReadyAgents(1)
	r.StopService("compliance", 0) // so that the call stays where the agent is claimed and nothing else was done
	call := r.Dial("stuck", rig.To(rig.Number(1), rig.Agent(0)))
	r.Await(call, events.Assigned)
	if code := r.Ask(rig.Acme, "agent", "release", map[string]string{"agent": rig.Agent(0)}, nil); code != "400" {
		t.Errorf("without a reason: %q", code)
	}
	var out struct{ Claim *events.AgentClaim }
	if code := r.Ask(rig.Acme, "agent", "release", map[string]string{"agent": rig.Agent(0), "reason": "goes home", "by": "alice"}, &out); code != "" || out.Claim != nil {
		t.Fatalf("agent.release: %s %+v", code, out)
	}
	r.Closed(call, events.OutcomeCancelled, events.ByOperator)
	r.StartService("compliance", 0)
	r.AwaitReady("compliance", 0)
	r.Closed(r.Dial("next", rig.To(rig.Number(2), rig.Agent(0))), events.OutcomeCompleted, "")
	if r.Dials(rig.Number(1)) != 0 {
		t.Error("the released agent's call was dialed")
	}
}

func TestAnAgentWhoseCallIsUpIsNotReleasedByHand(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	call := r.Dial("up", rig.To(rig.Number(1), rig.Agent(0)))
	r.Await(call, events.Talking)
	if code := r.Ask(rig.Acme, "agent", "release", map[string]string{"agent": rig.Agent(0), "reason": "e2e"}, nil); code != "409" {
		t.Errorf("agent.release of a talking agent: %q", code)
	}
	r.Closed(call, events.OutcomeCompleted, "")
}
