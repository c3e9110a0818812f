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
	"github.com/outdial/outdial/sim/tcnsim"
	"github.com/outdial/outdial/test/rig"
)

// patient is for a provider that hangs: its answer is not given up while the
// test looks, so whoever waits behind it waits for long.
const patient = `
  orchestrator: {undo: 30s, answer: 60s, unknown: 60s, ring: 15s, talk: 30s, ended: 3s, wrapUp: 15s, retry: 1s, claimAge: 5s}
  compliance: {prepare: 50s}
  dialer: {send: 5s, answer: 50s, event: 5s, settle: 300ms}
  bridge: {pollEvery: 2s}
`

// A provider that hangs delays whoever is served by it, and nobody else:
// neither another tenant nor the same tenant's other provider. Half of forty
// agents hang at the start, half when compliance asks for their settings: of
// each more than a service has places for a connection. Nothing here comes to its end, so it is
// not judged.
func TestAProviderThatHangsDelaysNobodyElse(t *testing.T) {
	const hanging, tries = 40, 3
	desks := make([]rig.Desk, tries)
	for n := range desks {
		desks[n] = rig.Desk{Agent: fmt.Sprint("dora", n), Kind: providers.Five9}
	}
	r := rig.Start(t, rig.Options{Agents: hanging, Others: tries, Desks: desks, Timing: patient, Hang: time.Minute, Unjudged: true})
	t.Cleanup(func() { _ = r.Sim.Close() }) // lets go of those who hang
	r.AwaitReadyAgents(hanging + tries)
	r.Until("globex' agents are ready", 20*time.Second, func() bool {
		ready := 0
		for n := range tries {
			if r.AgentStateOf(rig.Globex, rig.Agent(hanging+n)).Presence == events.Ready {
				ready++
			}
		}
		return ready == tries
	})
	in := func(state lifecycle.State) (n int) {
		for _, c := range r.Calls() {
			if c.Tenant == rig.Acme && c.State == state {
				n++
			}
		}
		return n
	}
	hangs := func() bool { return in(lifecycle.Dialing) >= 16 && in(lifecycle.Assigned) >= 16 }
	for n, op := range []string{tcnsim.OpStart, tcnsim.OpSettings} {
		for agent := n * hanging / 2; agent < (n+1)*hanging/2; agent++ {
			r.Fault(sim.Fault{Provider: tcnsim.Name, Operation: op, Agent: rig.Agent(agent), Mode: sim.Silent, Count: sim.Forever})
			r.Dial(fmt.Sprint("hangs-", agent), rig.To(rig.Number(agent), rig.Agent(agent)))
		}
		if op == tcnsim.OpStart {
			r.Until("the provider hangs at its starts", 20*time.Second, func() bool { return in(lifecycle.Dialing) >= 16 })
		}
	}
	r.Until("the provider hangs", 20*time.Second, hangs)
	swift(t, "another tenant's call", tries, hangs, func(n int) *lifecycle.Call {
		id := fmt.Sprint("globex-", n)
		r.Send(rig.Binary(id, rig.To(rig.Number(50+n), rig.Agent(hanging+n))).For(rig.Globex))
		return r.AwaitOf(rig.Globex, events.CallID(rig.Globex, rig.Source, id), events.Dialing)
	})
	swift(t, "the tenant's call by another provider", tries, hangs, func(n int) *lifecycle.Call {
		return r.Await(r.Dial(fmt.Sprint("desk-", n), rig.ToDesk(rig.Number(60+n), desks[n].Agent)), events.Dialing)
	})
}

// swift wants the intent within two seconds of the request, while the provider
// hangs. A machine that is busy with other tests may miss it once; whoever
// waits behind a provider that hangs misses it every time.
func swift(t *testing.T, what string, tries int, hangs func() bool, dial func(n int) *lifecycle.Call) {
	t.Helper()
	var took time.Duration
	for n := range tries {
		asked := time.Now()
		for _, e := range dial(n).Log {
			if e.Name == events.Dialing {
				took = e.Stored.Sub(asked).Round(time.Millisecond)
			}
		}
		t.Logf("%s: %s from request to intent", what, took)
		switch {
		case !hangs():
			t.Fatalf("the provider does not hang any more: %s says nothing", what)
		case took < 2*time.Second:
			return
		}
	}
	t.Errorf("%s took %s from request to intent, want less than 2 s", what, took)
}

// A tenant that floods fills its own part of the store and is told so by the
// broker. Another's requests are taken and dialed, and whoever protects people
// still writes.
func TestAFloodOfOneTenantLeavesTheOthersTheirRoom(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Others: 1, Store: 16 << 20})
	var refused error
	for n := 0; refused == nil && n < 5000; n++ {
		_, refused = r.JS.Publish(t.Context(), events.RequestSubject(rig.Acme), []byte(`{"to":"nobody"}`))
	}
	if refused == nil || !strings.Contains(refused.Error(), "maximum") {
		t.Fatalf("the flood ended with %v, want the broker's refusal", refused)
	}
	r.Until("globex' agent is ready", 20*time.Second, func() bool {
		return r.AgentStateOf(rig.Globex, rig.Agent(1)).Presence == events.Ready
	})
	r.Send(rig.Binary("globex", rig.To(rig.Number(1), rig.Agent(1))).For(rig.Globex))
	r.AwaitOf(rig.Globex, events.CallID(rig.Globex, rig.Source, "globex"), events.Closed)
	for _, tenant := range []string{rig.Acme, rig.Globex} {
		if code := r.Ask(tenant, "dnc", "add", map[string]any{"contacts": []map[string]string{{"phone_number": rig.Number(7)}}, "by": "test"}, nil); code != "" {
			t.Errorf("dnc.add of %s: %s", tenant, code)
		}
		if _, err := r.JS.Publish(t.Context(), events.ControlSubject(tenant, "tenant", "pause"), []byte(`{}`)); err != nil {
			t.Errorf("a pause of %s: %v", tenant, err)
		}
	}
}
