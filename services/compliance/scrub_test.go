package compliance

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
)

// What a provider's scrub says is told as the provider's, whatever rule it
// claims to speak for, and a no without a reason is one all the same.
func TestAProvidersNoIsToldAsItsOwn(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		said []events.Reason
		want string
	}{
		"no reason":             {nil, "PROVIDER_SCRUB_DENIED provider-scrub"},
		"one of our own codes":  {[]events.Reason{{Code: "DNC_INTERNAL", Rule: "dnc"}}, "DNC_INTERNAL provider-scrub"},
		"a code of next year's": {[]events.Reason{{Code: "MOON_IS_FULL"}, {Code: "DNC_NATIONAL"}}, "DNC_NATIONAL provider-scrub MOON_IS_FULL provider-scrub"},
	} {
		w := newWorld(t, "tcn", newYork)
		w.p.prepare = func(context.Context, providers.Order) (events.Scrub, bool, error) {
			return events.Scrub{Reasons: tc.said}, true, nil
		}
		w.hear(w.assign())
		w.want("requested assigned preparing failed")
		var told []string
		for _, r := range w.call().Failed.Reasons {
			told = append(told, r.Code, r.Rule)
		}
		if got := strings.Join(told, " "); got != tc.want {
			t.Errorf("%s: %s, want %s", story, got, tc.want)
		}
	}
}

// Whoever prepared the call may have been given up meanwhile. What it then
// hears from the provider is about an assignment that is over: it must neither
// pass nor fail the one that came after.
func TestTheVerdictOfAnOlderAssignmentAnswersNothing(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"assigned", "preparing", "cancelling"} {
		for _, said := range []struct {
			scrub events.Scrub
			err   error
		}{{scrub: events.Scrub{OK: true}}, {scrub: events.Scrub{}}, {err: fmt.Errorf("nobody knows")}} {
			w := newWorld(t, "tcn", newYork)
			w.p.prepare = func(context.Context, providers.Order) (events.Scrub, bool, error) {
				w.say(events.Compliance, events.Failed, &events.CallFailed{Decision: "lost", Retry: true, Touched: true,
					Reasons: []events.Reason{{Code: "PREPARATION_LOST"}}})
				w.say(events.Dialer, events.Cancelled, &events.CallCancelled{})
				w.say(events.Orchestrator, events.Waiting, &events.CallWaiting{})
				w.assign()
				if state != "assigned" {
					w.say(events.Compliance, events.Preparing, &events.CallPreparing{Attempt: "another", Agent: "ann",
						Fence: w.agent().Fence, NotAfter: w.Now().Add(w.s.Prepare)})
				}
				if state == "cancelling" {
					w.say(events.Orchestrator, events.CancelRequested, &events.CallCancelRequested{By: events.ByOperator})
				}
				return said.scrub, true, said.err
			}
			w.hear(w.assign())
			want := "requested assigned preparing failed cancelled waiting assigned"
			switch state {
			case "preparing":
				want += " preparing"
			case "cancelling":
				want += " preparing cancel_requested"
			}
			w.want(want)
		}
	}
}

// The claim is looked at again right before the provider is touched: it must
// still be this call's, and the very one that was assigned.
func TestAnAgentClaimedAnewIsNotTouched(t *testing.T) {
	t.Parallel()
	for story, claim := range map[string]string{"for another call": "c2", "for this call, by a later claim": call, "for nobody": ""} {
		w := newWorld(t, "tcn", newYork)
		r := w.assign()
		w.agentSays(w.agent(), events.Orchestrator, events.Released, &events.AgentReleased{State: w.after(events.Released, call)})
		if claim != "" {
			w.agentSays(w.agent(), events.Orchestrator, events.Claimed, &events.AgentClaimed{Call: claim, State: w.after(events.Claimed, claim)})
		}
		w.hear(r)
		w.wantFailed("AGENT_NOT_READY", true, false)
		if w.p.prepares != 0 {
			t.Errorf("touched for an agent who is claimed %s", story)
		}
	}
}
