package compliance

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/tcn"
)

// A provider's silence is not its no: only what it said may be told as the
// registry's, the clock's or a rule's answer. What it did not say is told by
// the verdict's own name.
func TestAProvidersSilenceIsNotToldAsItsAnswer(t *testing.T) {
	t.Parallel()
	said := map[string]string{
		tcn.VerdictDNC: "DNC_NATIONAL", tcn.VerdictCell: "LINE_TYPE_WIRELESS_BLOCKED", tcn.VerdictHours: "TIME_AMBIGUOUS_ZONE",
		tcn.VerdictRules: "CUSTOM_RULE_DENIED", tcn.VerdictNatural: "NATURAL_RULE_DENIED", tcn.VerdictValidation: "PROVIDER_SCRUB_DENIED",
		"a_verdict_of_next_year": "PROVIDER_SCRUB_DENIED",
	}
	for verdict, code := range said {
		for answer, want := range map[string]string{
			tcn.VerdictRefused: code, tcn.VerdictMissing: "PROVIDER_SCRUB_DENIED", "": "PROVIDER_SCRUB_DENIED", "perhaps": "PROVIDER_SCRUB_DENIED",
		} {
			got := scrubReasons(events.Scrub{Verdicts: map[string]string{verdict: answer}})
			if len(got) != 1 || got[0].Code != want || !strings.HasPrefix(got[0].Detail, verdict+": ") || got[0].Rule != "provider-scrub" {
				t.Errorf("%s is %q: %+v, want %s", verdict, answer, got, want)
			}
		}
		for _, content := range []string{tcn.VerdictOK, tcn.VerdictNotRun} {
			got := scrubReasons(events.Scrub{Verdicts: map[string]string{verdict: content}})
			if len(got) != 1 || got[0].Code != "PROVIDER_SCRUB_DENIED" || !strings.HasPrefix(got[0].Detail, tcn.VerdictValidation+": ") {
				t.Errorf("%s is %s, and yet the scrub says no: %+v", verdict, content, got)
			}
		}
	}
	all := map[string]string{}
	for verdict := range said {
		all[verdict] = tcn.VerdictMissing
	}
	got := scrubReasons(events.Scrub{Verdicts: all})
	if len(got) != len(said) {
		t.Errorf("%d reasons for %d silences", len(got), len(said))
	}
	for _, r := range got {
		if r.Code != "PROVIDER_SCRUB_DENIED" {
			t.Errorf("nothing was said, and told as %s", r.Code)
		}
	}
}

// The whole no stands beside a partial one only if it adds something.
func TestTheWholeNoIsToldOnce(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		whole, part string
		want        string
	}{
		"a partial no explains the whole one": {tcn.VerdictRefused, tcn.VerdictRefused, "DNC_NATIONAL"},
		"the whole one is all there is":       {tcn.VerdictRefused, tcn.VerdictOK, "PROVIDER_SCRUB_DENIED"},
		"no whole verdict, a partial no":      {tcn.VerdictMissing, tcn.VerdictRefused, "DNC_NATIONAL PROVIDER_SCRUB_DENIED"},
		"no whole verdict, a partial silence": {tcn.VerdictMissing, tcn.VerdictMissing, "PROVIDER_SCRUB_DENIED PROVIDER_SCRUB_DENIED"},
	} {
		w := newWorld(t, "tcn", newYork)
		w.p.prepare = func(context.Context, providers.Order) (events.Scrub, bool, error) {
			return events.Scrub{Verdicts: map[string]string{tcn.VerdictValidation: tc.whole, tcn.VerdictDNC: tc.part}}, true, nil
		}
		w.hear(w.assign())
		w.want("requested assigned preparing failed")
		var codes []string
		for _, r := range w.call().Failed.Reasons {
			codes = append(codes, r.Code)
		}
		if got := strings.Join(codes, " "); got != tc.want {
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
		}{{scrub: events.Scrub{OK: true, CallSid: "old"}}, {scrub: events.Scrub{}}, {err: fmt.Errorf("nobody knows")}} {
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
