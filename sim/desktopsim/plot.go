package desktopsim

import (
	"cmp"
	"time"

	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/sim"
)

// A step is one event of a call and how long after the one before it comes.
type step struct {
	after           time.Duration
	event, state    string
	reason          string
	agent, customer bool // who has joined
	over            bool
	kind            sim.Kind // for the ledger, "" none
}

// plot is what a call of this kind goes through when the customer behaves as
// the part says.
func plot(kind providers.Kind, p sim.Part, pace time.Duration) []step {
	if kind == providers.Five9 {
		return five9Plot(p, pace)
	}
	return webexPlot(p, pace)
}

func webexPlot(p sim.Part, pace time.Duration) []step {
	ring := cmp.Or(time.Duration(p.Ring), pace)
	talk := cmp.Or(time.Duration(p.Talk), pace)
	wrap := cmp.Or(time.Duration(p.Wrap), pace)
	offer := step{after: pace, event: "eAgentOfferContact", state: "new", kind: sim.Offer}
	after := func(joined bool) []step {
		return []step{
			{after: pace, event: "acw", state: "wrapUp", agent: true, customer: joined, over: true, kind: sim.Wrap},
			{after: wrap, event: "AgentWrappedUp", state: "wrapUp", agent: true, customer: joined, over: true},
		}
	}
	switch p.Outcome {
	case sim.NoAnswer:
		return append([]step{
			offer,
			{after: pace, event: "eAgentContactAssigned", state: "connected", agent: true, kind: sim.Ring},
			{after: ring, event: "eAgentContactEnded", state: "connected", agent: true, over: true, kind: sim.End},
		}, after(false)...)
	case sim.Busy:
		return []step{offer, {after: ring, event: "eAgentOutboundFailed", state: "new", reason: "CUSTOMER_BUSY", over: true, kind: sim.End}}
	case sim.Fails:
		return []step{offer, {after: ring, event: "DROPPED", state: "new", over: true, kind: sim.End}}
	}
	answer := "CustAnswered"
	if p.Outcome == sim.Machine {
		answer = "machine"
	}
	steps := []step{
		offer,
		{after: ring, event: answer, state: "connected", agent: true, customer: true, kind: sim.Answer},
		{after: pace, event: "eCallRecordingStarted", state: "connected", agent: true, customer: true, kind: sim.Talk},
	}
	if p.Hold {
		steps = append(steps,
			step{after: pace, event: "eAgentContactHeld", state: "connected", agent: true, customer: true, kind: sim.Hold},
			step{after: pace, event: "eAgentContactUnheld", state: "connected", agent: true, customer: true, kind: sim.Talk})
	}
	ended := step{after: talk, event: "eAgentContactEnded", state: "connected", agent: true, customer: true, over: true, kind: sim.End}
	if p.Outcome == sim.Transfers {
		ended.event, ended.over = "eAgentBlindTransferred", false
	}
	steps = append(steps, ended)
	return append(steps, after(true)...)
}

// five9Plot: Five9 does not tell busy from no answer, and a call that could
// not be placed is a WRAP_UP out of the blue.
func five9Plot(p sim.Part, pace time.Duration) []step {
	ring := cmp.Or(time.Duration(p.Ring), pace)
	talk := cmp.Or(time.Duration(p.Talk), pace)
	wrap := cmp.Or(time.Duration(p.Wrap), pace)
	ringing := step{after: pace, event: "ringing_on_other_side", state: "ringing_on_other_side", kind: sim.Ring}
	end := func(after time.Duration) []step {
		return []step{
			{after: after, event: "WRAP_UP", state: "WRAP_UP", over: true, kind: sim.Wrap},
			{after: wrap, event: "finished", state: "finished", over: true, kind: sim.End},
		}
	}
	switch p.Outcome {
	case sim.Fails:
		return []step{{after: pace, event: "WRAP_UP", state: "WRAP_UP", over: true, kind: sim.End}}
	case sim.NoAnswer, sim.Busy:
		return append([]step{ringing}, end(ring)...)
	}
	steps := []step{ringing, {after: ring, event: "talking", state: "talking", customer: true, kind: sim.Talk}}
	if p.Hold {
		steps = append(steps,
			step{after: pace, event: "ON_HOLD", state: "ON_HOLD", customer: true, kind: sim.Hold},
			step{after: pace, event: "talking", state: "talking", customer: true, kind: sim.Talk})
	}
	return append(steps, end(talk)...)
}
