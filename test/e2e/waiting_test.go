package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/tcnsim"
	"github.com/outdial/outdial/test/rig"
)

func TestTheAgentWhoWaitedLongestIsDialedFirst(t *testing.T) {
	t.Parallel()
	const agents, calls = 4, 20
	r := rig.Start(t, rig.Options{Agents: agents})
	r.AwaitReadyAgents(agents)
	first := rig.Agent(2)
	for n := range agents { // all but one start waiting anew
		if a := rig.Agent(n); a != first {
			r.Set(a, map[string]any{"status": "PAUSED"})
			r.AwaitPresence(a, events.NotReady)
			r.Set(a, map[string]any{"status": "READY"})
			r.AwaitPresence(a, events.Ready)
		}
	}
	var ids []string
	for n := range calls {
		ids = append(ids, r.Dial(fmt.Sprint("group-", n), rig.ToGroup(rig.Number(n))))
		if n == 0 {
			if c := r.Await(ids[0], events.Assigned); c.Assigned.Agent != first {
				t.Errorf("the first call went to %s, longest idle was %s", c.Assigned.Agent, first)
			}
		}
	}
	used := map[string]int{}
	for _, id := range ids {
		c := r.Closed(id, events.OutcomeCompleted, "")
		used[c.Closed.Agent]++
	}
	if len(used) != agents {
		t.Errorf("calls by agent: %v", used)
	}
	for n := range agents { // no agent has two calls at once, by the agents' own logs
		holder := ""
		for _, e := range r.AgentLog(rig.Agent(n)) {
			s, _ := events.StateOf(e.Body)
			if s.Claim != nil && holder != "" && s.Claim.Call != holder {
				t.Errorf("agent %s went from call %s to %s without a release", rig.Agent(n), holder, s.Claim.Call)
			}
			holder = ""
			if s.Claim != nil {
				holder = s.Claim.Call
			}
		}
	}
}

func TestACallWaitsForItsAgentAndIsThenDialed(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	r.AwaitReadyAgents(1)
	r.Set(rig.Agent(0), map[string]any{"status": "PAUSED"})
	r.AwaitPresence(rig.Agent(0), events.NotReady)
	call := r.Dial("pause", rig.To(rig.Number(1), rig.Agent(0)))
	if c := r.Await(call, events.Waiting); c.Waiting.Reason != events.WaitAgentNotReady {
		t.Errorf("waits for %s", c.Waiting.Reason)
	}
	r.Set(rig.Agent(0), map[string]any{"status": "READY"})
	c := r.Closed(call, events.OutcomeCompleted, "")
	steps(t, c.Log, events.Requested, events.Waiting, events.Assigned, events.Dialing, events.Talking)
}

func TestThoseWhoWaitAreServedInTheirOrder(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	r.AwaitReadyAgents(1)
	r.Set(rig.Agent(0), map[string]any{"status": "PAUSED"})
	r.AwaitPresence(rig.Agent(0), events.NotReady)
	low, high := rig.ToGroup(rig.Number(1)), rig.ToGroup(rig.Number(2))
	high.Priority = 9
	var ids []string
	for i, q := range []events.DialRequest{low, high, rig.To(rig.Number(3), rig.Agent(0))} {
		ids = append(ids, r.Dial(fmt.Sprint("turn-", i), q))
		r.Await(ids[i], events.Waiting)
	}
	r.Set(rig.Agent(0), map[string]any{"status": "READY"})
	var last uint64
	for _, i := range []int{2, 1, 0} { // who names the agent, then priority
		c := r.Closed(ids[i], events.OutcomeCompleted, "")
		if c.Refs.Assigned < last {
			t.Errorf("request %d was served out of turn", i)
		}
		last = c.Refs.Assigned
	}
}

func TestNothingHappensBeforeNotBefore(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	r.AwaitReadyAgents(1)
	q := rig.To(rig.Number(1), rig.Agent(0))
	at := r.Now().Add(1500 * time.Millisecond)
	q.NotBefore = &at
	call := r.Dial("later", q)
	c := r.Await(call, events.Waiting)
	if c.Waiting.Reason != events.WaitNotBefore || c.Waiting.Until == nil || !c.Waiting.Until.Equal(at.UTC()) {
		t.Errorf("waits %+v, want until %s", c.Waiting, at)
	}
	c = r.Closed(call, events.OutcomeCompleted, "")
	if c.Instants.Assigned.Before(at) {
		t.Errorf("assigned at %s, before %s", c.Instants.Assigned, at)
	}
}

func TestACallWhoseAgentNeverComesExpires(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	r.AwaitReadyAgents(1)
	r.Set(rig.Agent(0), map[string]any{"status": "PAUSED"})
	r.AwaitPresence(rig.Agent(0), events.NotReady)
	q := rig.To(rig.Number(1), rig.Agent(0))
	at := r.Now().Add(time.Second)
	q.ExpiresAt = &at
	c := r.Closed(r.Dial("expires", q), events.OutcomeExpired, events.WaitAgentNotReady)
	if rig.Has(c, events.Assigned) {
		t.Error(rig.Path(c))
	}
}

func TestAClosedWindowBlocksOrMakesTheCallWait(t *testing.T) {
	t.Parallel()
	// 05:00 UTC is past 21:00 in Utah all the year round; the window opens
	// again at 08:00, nine or ten hours later.
	r := rig.Start(t, rig.Options{At: 5 * time.Hour, Unjudged: true})
	c := r.Closed(r.Dial("soon", rig.To(rig.Number(1), rig.Agent(0))), events.OutcomeBlocked, "")
	if c.Failed == nil || c.Failed.NextAllowedAt == nil || rig.Has(c, events.Preparing) {
		t.Errorf("%s", rig.Path(c))
	}
	q := rig.To(rig.Number(2), rig.Agent(0))
	at := r.Now().Add(20 * time.Hour)
	q.ExpiresAt = &at
	call := r.Dial("tomorrow", q)
	r.Until("the call waits for the window", 20*time.Second, func() bool {
		c := r.Call(call)
		return rig.Has(c, events.Failed) && c.State == "waiting" && c.Waiting.Reason == events.WaitWindow
	})
	r.Until("the agent is free meanwhile", 20*time.Second, func() bool { return r.AgentState(rig.Agent(0)).Claim == nil })
	if c := r.Call(call); !c.Waiting.Until.Equal(*c.Failed.NextAllowedAt) {
		t.Errorf("waits until %s, the window opens %s", c.Waiting.Until, c.Failed.NextAllowedAt)
	}
	if found := r.Audit(false).Findings; len(found) > 0 {
		t.Errorf("audit: %v", found)
	}
}

func TestAForeignCallKeepsTheAgentFromBeingDialed(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{TCN: tcnsim.Options{Pace: tcnsim.Pace{Talk: 1500 * time.Millisecond}}})
	r.AwaitReadyAgents(1)
	r.Set(rig.Agent(0), map[string]any{"inbound": true})
	r.AwaitPresence(rig.Agent(0), events.ForeignCall)
	call := r.Dial("meanwhile", rig.To(rig.Number(1), rig.Agent(0)))
	r.Await(call, events.Waiting)
	c := r.Closed(call, events.OutcomeCompleted, "")
	inboundEnds, starts := 0, 0
	for _, e := range r.Sim.Ledger().Entries() {
		switch {
		case e.Kind == sim.End && e.Correlation == "inbound":
			inboundEnds = e.N
		case e.Kind == sim.Start:
			starts = e.N
		}
	}
	if inboundEnds == 0 || starts < inboundEnds {
		t.Errorf("dialed (entry %d) before the foreign call ended (entry %d): %s", starts, inboundEnds, rig.Path(c))
	}
}

func TestARefusedTokenLosesTheSessionUntilItIsReplaced(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Secrets: []string{"canary-new-token"}})
	r.AwaitReadyAgents(1)
	r.Set(rig.Agent(0), map[string]any{"token": "canary-new-token"})
	r.AwaitPresence(rig.Agent(0), events.Lost)
	if s := r.AgentState(rig.Agent(0)); s.Reason != "token" {
		t.Errorf("lost because of %q", s.Reason)
	}
	call := r.Dial("lost", rig.To(rig.Number(1), rig.Agent(0)))
	r.Await(call, events.Waiting)
	code := r.Ask(rig.Acme, "agent", "put", map[string]any{"agent": rig.Agent(0), "connection": "tcn-main",
		"huntGroups": []string{rig.HuntGroup}, "token": "canary-new-token", "by": "e2e"}, nil)
	if code != "" {
		t.Fatalf("agent.put: %s", code)
	}
	r.Closed(call, events.OutcomeCompleted, "")
}

// TCN-03: the hunt group that TCN itself names is the one to dial with.
func TestTheHuntGroupChangesAtTheProvider(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	r.Closed(r.Dial("before", rig.To(rig.Number(1), rig.Agent(0))), events.OutcomeCompleted, "")
	r.Set(rig.Agent(0), map[string]any{"huntGroupSid": "1049999"})
	r.Closed(r.Dial("after", rig.To(rig.Number(2), rig.Agent(0))), events.OutcomeCompleted, "")
}
