package e2e_test

import (
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/desktopsim"
	"github.com/outdial/outdial/sim/tcnsim"
	"github.com/outdial/outdial/test/rig"
)

// Whatever the provider does with a start, it is sent one start, and the ledger
// has one dial at most.
func TestAProviderThatMisbehavesAtTheStart(t *testing.T) {
	t.Parallel()
	ms := func(n int) sim.Duration { return sim.Duration(time.Duration(n) * time.Millisecond) }
	for _, tc := range []struct {
		mode   sim.Mode
		delay  sim.Duration
		status int
		dials  int
		says   events.Name // must be on the call's log; "": the news may come before the answer is given up
		ends   string      // the outcome, "" for either
	}{
		{mode: sim.HTTP500, says: events.Unknown, ends: events.OutcomeFailed},
		{mode: sim.Silent, says: events.Unknown, ends: events.OutcomeFailed},
		{mode: sim.Reset, says: events.Unknown, ends: events.OutcomeFailed},
		{mode: sim.HTTPStatus, status: 503, says: events.Unknown, ends: events.OutcomeFailed},
		{mode: sim.HTTPStatus, status: 400, says: events.Refused, ends: events.OutcomeFailed},
		{mode: sim.AcceptThen500, dials: 1, says: events.Unknown, ends: events.OutcomeCompleted},
		{mode: sim.AcceptThenSilent, dials: 1, ends: events.OutcomeCompleted},
		{mode: sim.AcceptThenReset, dials: 1, says: events.Unknown, ends: events.OutcomeCompleted},
		{mode: sim.AcceptThenStatus, status: 502, dials: 1, says: events.Unknown, ends: events.OutcomeCompleted},
		{mode: sim.CloseKeepalive, dials: 1, says: events.Unknown, ends: events.OutcomeCompleted},
		{mode: sim.Drip, delay: ms(300), dials: 1, says: events.Talking, ends: events.OutcomeCompleted},
		{mode: sim.BrokenJSON, dials: 1, says: events.Talking, ends: events.OutcomeCompleted},
		{mode: sim.Late, delay: ms(400), dials: 1, says: events.Started, ends: events.OutcomeCompleted},
		{mode: sim.Late, delay: ms(3000), dials: 1, ends: events.OutcomeCompleted},
		{mode: sim.LateEffect, delay: ms(300), dials: 1, says: events.Started},
	} {
		name := string(tc.mode)
		if tc.delay > 0 {
			name += " " + time.Duration(tc.delay).String()
		}
		if tc.status > 0 {
			name += " " + time.Duration(tc.status).String()[:3]
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rig.Start(t, rig.Options{})
			r.Fault(sim.Fault{Provider: tcnsim.Name, Operation: tcnsim.OpStart, Mode: tc.mode, Delay: tc.delay, Status: tc.status})
			call := r.Dial("fault", rig.To(rig.Number(1), rig.Agent(0)))
			c := r.Await(call, events.Closed)
			if tc.ends != "" && c.Closed.Outcome != tc.ends {
				t.Errorf("closed %s, want %s: %s", c.Closed.Outcome, tc.ends, rig.Path(c))
			}
			if tc.says != "" && !rig.Has(c, tc.says) {
				t.Errorf("no %s: %s", tc.says, rig.Path(c))
			}
			if n := len(r.Sim.History(tcnsim.Name, tcnsim.OpStart, "")); n != 1 {
				t.Errorf("%d start requests on the wire", n)
			}
			if n := r.Dials(rig.Number(1)); n != tc.dials {
				t.Errorf("%d dials in the ledger, want %d", n, tc.dials)
			}
			// The agent is not locked: the next call goes through.
			r.Closed(r.Dial("next", rig.To(rig.Number(2), rig.Agent(0))), events.OutcomeCompleted, "")
		})
	}
}

// A company that rings twice though it was asked once is told of by the
// ledger, and the audit says so.
func TestAProviderThatDialsTwiceByItselfIsFoundOut(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Unjudged: true})
	r.Fault(sim.Fault{Provider: tcnsim.Name, Operation: tcnsim.OpStart, Mode: sim.Double})
	r.Closed(r.Dial("double", rig.To(rig.Number(1), rig.Agent(0))), events.OutcomeCompleted, "")
	if n := len(r.Sim.History(tcnsim.Name, tcnsim.OpStart, "")); n != 1 {
		t.Errorf("%d start requests on the wire", n)
	}
	if n := r.Dials(rig.Number(1)); n != 2 {
		t.Errorf("%d dials, the fault wants two", n)
	}
	found := r.Audit(false).Findings
	if len(found) == 0 {
		t.Error("the audit does not see the second dial")
	}
	for _, f := range found {
		if f.Invariant != "I2" {
			t.Errorf("the audit also finds %s", f)
		}
	}
}

// What goes wrong before the start leads to no dial that was not allowed, and
// to no agent that stays locked.
func TestAProviderThatMisbehavesWhilePreparing(t *testing.T) {
	t.Parallel()
	for _, op := range []string{tcnsim.OpSettings, tcnsim.OpPrepare, tcnsim.OpScrub} {
		for _, mode := range []sim.Mode{sim.HTTP500, sim.AcceptThen500, sim.AcceptThenReset, sim.BrokenJSON} {
			t.Run(op+" "+string(mode), func(t *testing.T) {
				t.Parallel()
				r := rig.Start(t, rig.Options{})
				r.Fault(sim.Fault{Provider: tcnsim.Name, Operation: op, Mode: mode})
				r.Closed(r.Dial("fault", rig.To(rig.Number(1), rig.Agent(0))), events.OutcomeCompleted, "")
				if n := r.Dials(rig.Number(1)); n != 1 {
					t.Errorf("%d dials", n)
				}
			})
		}
	}
}

func TestADesktopThatMisbehaves(t *testing.T) {
	t.Parallel()
	ms := func(n int) sim.Duration { return sim.Duration(time.Duration(n) * time.Millisecond) }
	for _, kind := range []providers.Kind{providers.Five9, providers.WebexCC} {
		for _, tc := range []struct {
			op    string
			mode  sim.Mode
			delay sim.Duration
			dials int
			says  events.Name
			ends  string
		}{
			{op: desktopsim.OpRequest, mode: sim.Silent, says: events.Unknown, ends: events.OutcomeFailed},        // never acknowledged, nothing done
			{op: desktopsim.OpRequest, mode: sim.AcceptThenSilent, dials: 1, ends: events.OutcomeCompleted},       // done, never acknowledged
			{op: desktopsim.OpRequest, mode: sim.Late, delay: ms(500), dials: 1, ends: events.OutcomeCompleted},   // acknowledged late
			{op: desktopsim.OpRequest, mode: sim.Late, delay: ms(4000), dials: 1, ends: events.OutcomeCompleted},  // too late to be heard
			{op: desktopsim.OpRequest, mode: sim.Double, dials: 1, ends: events.OutcomeCompleted},                 // acknowledged twice
			{op: desktopsim.OpRequest, mode: sim.HTTP500, says: events.Refused, ends: events.OutcomeFailed},       // refused
			{op: desktopsim.OpRequest, mode: sim.AcceptThenReset, dials: 1},                                       // done, then the socket is cut
			{op: desktopsim.OpCall, mode: sim.Silent, dials: 1, says: events.Unknown, ends: events.OutcomeFailed}, // acknowledged, never heard of again
			{op: desktopsim.OpEvent, mode: sim.Double, dials: 1, ends: events.OutcomeCompleted},                   // every event twice
			{op: desktopsim.OpEvent, mode: sim.Reset, dials: 1},                                                   // cut in the middle
		} {
			name := string(kind) + " " + tc.op + " " + string(tc.mode)
			if tc.delay > 0 {
				name += " " + time.Duration(tc.delay).String()
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				desk := rig.Desk{Agent: "agent5", Kind: kind}
				r := rig.Start(t, rig.Options{Desks: []rig.Desk{desk}, Closing: 40 * time.Second})
				r.AwaitPresence(desk.Agent, events.Ready)
				r.Fault(sim.Fault{Provider: string(kind), Operation: tc.op, Mode: tc.mode, Delay: tc.delay})
				call := r.Dial("fault", rig.ToDesk(rig.Number(1), desk.Agent))
				c := r.Await(call, events.Closed)
				if tc.ends != "" && c.Closed.Outcome != tc.ends {
					t.Errorf("closed %s, want %s: %s", c.Closed.Outcome, tc.ends, rig.Path(c))
				}
				if tc.says != "" && !rig.Has(c, tc.says) {
					t.Errorf("no %s: %s", tc.says, rig.Path(c))
				}
				if n := r.Dials(rig.Number(1)); n != tc.dials {
					t.Errorf("%d dials in the ledger, want %d: %s", n, tc.dials, rig.Path(c))
				}
				if n := len(r.Sim.History(string(kind), desktopsim.OpRequest, "")); n != 1 {
					t.Errorf("%d requests reached the desktop", n)
				}
			})
		}
	}
}
