package callstate_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/callstate"
)

// told writes observations as one would say them.
func told(seen []providers.Observation) string {
	var out []string
	for _, o := range seen {
		if o.Call == "" {
			continue
		}
		s := string(o.Call)
		if o.Reason != "" {
			s += "(" + o.Reason + ")"
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func anyCall(t *rapid.T) callstate.Call {
	state := rapid.SampledFrom([]events.Name{events.Dialing, events.Unknown, events.Started, events.PendingAgent, events.Offered, events.Ringing,
		events.Answered, events.Talking, events.Held, events.Consulting, events.Conferencing, events.Ended, events.WrapUp, events.WrappedUp, events.Closed})
	return table(callstate.Traits{}).Call(providers.View{CallState: state.Draw(t, "state")})
}

func table(traits callstate.Traits) *callstate.Table { return callstate.New(nil, traits) }

func meaning(t *rapid.T) callstate.Word {
	return callstate.Word{Means: callstate.Meaning(rapid.IntRange(int(callstate.Other), int(callstate.Elsewhere)).Draw(t, "meaning"))}
}

func TestNoHistoryNoConversation(t *testing.T) {
	t.Parallel()
	words := table(callstate.Traits{})
	rapid.Check(t, func(t *rapid.T) {
		w := meaning(t)
		c := callstate.Call{Rang: rapid.Bool().Draw(t, "rang"), Over: rapid.Bool().Draw(t, "over")}
		o := words.Judge(w, c)[0]
		if o.Call == events.WrapUp {
			t.Fatal("wrap-up of a call that never was")
		}
		if o.Call == events.Ended && (o.Reason == events.EndCompleted || o.Reason == "") {
			t.Fatalf("a call without a conversation ended %q", o.Reason)
		}
		talked := words.Judge(w, callstate.Call{Talked: true})[0]
		switch w.Means {
		case callstate.Missed, callstate.Failed, callstate.Transferred, callstate.Gone:
		default:
			if talked.Call == events.Ended && talked.Reason != events.EndCompleted {
				t.Fatalf("a conversation ended %q", talked.Reason)
			}
		}
		c.Machine = true
		if o := words.Judge(w, c)[0]; o.Call == events.WrapUp || o.Call == events.Ended && o.Reason == events.EndCompleted {
			t.Fatalf("a machine's call is %s(%s)", o.Call, o.Reason)
		}
	})
}

// A state that is asked for is said as long as it lasts, and names no call: it
// is told once, in the order of a call's life, and never of a call that is over
// that somebody talks on it.
func TestALinesStateIsNewsOnce(t *testing.T) {
	t.Parallel()
	words := table(callstate.Traits{Line: true})
	rapid.Check(t, func(t *rapid.T) {
		w, c := meaning(t), anyCall(t)
		c.Talked, c.Late = rapid.Bool().Draw(t, "talked"), rapid.Bool().Draw(t, "late")
		seen := words.Judge(w, c)
		for _, o := range seen {
			if o.Call == c.State || o.Call == "" || o.Call == events.Annotated {
				t.Fatalf("%v at %s says %q again", w, c.State, o.Call)
			}
			if c.Over && o.Call != events.WrapUp && o.Call != events.WrappedUp {
				t.Fatalf("%v at %s is of another call, and says %s", w, c.State, o.Call)
			}
			c = words.Call(providers.View{CallState: o.Call, Talked: c.Talked || o.Call == events.Talking})
		}
		if again := words.Judge(w, c); len(again) > 0 {
			t.Fatalf("%v said %q, and then %q", w, told(seen), told(again))
		}
	})
}

func TestWordsHoweverSpelled(t *testing.T) {
	t.Parallel()
	words := callstate.New(map[callstate.Meaning]string{
		callstate.Consulting:   "WARM_*",
		callstate.Conferencing: "WARM_LAST_*",
		callstate.Over:         "AgentContactEnded",
		callstate.AfterCall:    "WRAP_UP",
		callstate.Between:      "WARM_NOT",
	}, callstate.Traits{Lead: "e", Ends: map[string]string{events.EndBusy: "BUSY"}})
	for word, want := range map[string]callstate.Word{
		"wrapUp": {Means: callstate.AfterCall}, "Wrap Up": {Means: callstate.AfterCall}, "eAgentContactEnded": {Means: callstate.Over},
		"warm_agent_transfer": {Means: callstate.Consulting}, "WARM_LAST_ONE": {Means: callstate.Conferencing}, "WARM_NOT": {Means: callstate.Between},
		"busy": {Means: callstate.Over, Reason: events.EndBusy}, "WARM": {}, "WARMUP": {}, "": {}, "*": {}, "WRAP_UP_": {Means: callstate.AfterCall}, "é": {},
	} {
		if got := words.Of(word); got != want {
			t.Errorf("%q is %+v, want %+v", word, got, want)
		}
	}
}

// What two providers' documents print that are not built: a status of the call
// itself, in either spelling, and instants by their names. They need a table and
// no code.
func TestOtherProvidersWordsNeedATableAlone(t *testing.T) {
	t.Parallel()
	ujet := callstate.New(map[callstate.Meaning]string{
		callstate.Placing: "Scheduled Selecting Queued Assigned Connecting Switching",
		callstate.Talking: "Connected",
		callstate.Failed:  "Failed",
		callstate.Over:    "Finished Recovered",
	}, callstate.Traits{Ends: map[string]string{events.EndRejected: "Deflected",
		events.EndMachine: "Voicemail Voicemail_Received Voicemail_Read"}})
	ipscape := callstate.New(map[callstate.Meaning]string{
		callstate.Placing:  "created dialled",
		callstate.Assigned: "joinQueue",
		callstate.Answered: "answered",
		callstate.Over:     "hangUp",
		callstate.Done:     "wrapUp",
	}, callstate.Traits{NoTalking: true, Ends: map[string]string{events.EndNoAnswer: "Abandoned"}})
	for story, tc := range map[string]struct {
		words *callstate.Table
		said  string // one after the other, by commas
		want  string
	}{
		"UJET: a call":                       {ujet, "assigned,connecting,connected,finished", "talking ended(completed)"},
		"UJET: by the names of its page":     {ujet, "Queued,Switching,Connected,Finished", "talking ended(completed)"},
		"UJET: it cannot be placed":          {ujet, "assigned,failed", "ended(provider_failed)"},
		"UJET: a machine, on the wire":       {ujet, "connecting,voicemail_received", "ended(machine)"},
		"UJET: its own telephony":            {ujet, "action_only,action_only_finished", "annotated annotated"},
		"ipSCAPE: an attempt":                {ipscape, "dialled,answered,hangUp,wrapUp", "answered ended(completed) wrapped_up"},
		"ipSCAPE: nobody answers":            {ipscape, "dialled,hangUp", "ended(provider_failed)"},
		"ipSCAPE: the lead's own last word":  {ipscape, "dialled,Abandoned", "ended(no_answer)"},
		"ipSCAPE: wrap-up ends what had not": {ipscape, "dialled,wrapUp", "ended(provider_failed)"},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			v := providers.View{CallState: events.Started}
			var said []string
			for word := range strings.SplitSeq(tc.said, ",") {
				seen := tc.words.Judge(tc.words.Of(word), tc.words.Call(v))
				if s := told(seen); s != "" {
					said, v.CallState = append(said, s), seen[0].Call
				}
				v.Talked = v.Talked || v.CallState == events.Talking || tc.words.NoTalking && v.CallState == events.Answered
			}
			if got := fmt.Sprint(strings.Join(said, " ")); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}
