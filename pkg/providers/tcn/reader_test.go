package tcn_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/tcn"
	"github.com/outdial/outdial/test/exams/providertest"
)

// answer is the sample status with some fields changed; nil takes one out.
func answer(t testing.TB, change map[string]any) events.ProviderRaw {
	t.Helper()
	m := object(t, sample(t, "05-agent-status-ready.response.json"))
	for k, v := range change {
		if m[k] = v; v == nil {
			delete(m, k)
		}
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return events.ProviderRaw{Via: "poll", Status: 200, Body: b}
}

func saying(t testing.TB, desc string) events.ProviderRaw {
	return answer(t, map[string]any{"statusDesc": desc})
}

// told writes observations as one would say them.
func told(obs []providers.Observation) string {
	var out []string
	for _, o := range obs {
		s := "note " + o.Event
		if o.Presence != "" {
			s = "agent " + string(o.Presence)
		}
		if o.Call != "" {
			s = "call " + string(o.Call)
		}
		if o.Reason != "" {
			s += "(" + o.Reason + ")"
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

func idle(presence events.Name) providers.View {
	return providers.View{Presence: presence, Session: sampleSession}
}

// restingFor is an agent who is not ready for a reason.
func restingFor(reason string) providers.View {
	v := idle(events.NotReady)
	v.Reason = reason
	return v
}

func claimedAt(state events.Name) providers.View {
	v := idle(events.Ready)
	v.CallState, v.To = state, sampleTo
	return v
}

func dialedAt(state events.Name) providers.View {
	v := claimedAt(state)
	v.Dialed, v.Presence = true, events.OnCall
	v.Talked = slices.Contains([]events.Name{events.Talking, events.Held, events.Consulting}, state)
	return v
}

func afterTalkAt(state events.Name) providers.View {
	v := dialedAt(state)
	v.Talked = true
	return v
}

func wrapping(v providers.View) providers.View {
	v.Presence = events.WrapUp
	return v
}

type readerStory struct {
	story, status string
	view          providers.View
	want          string
}

func readerStories() []readerStory {
	return []readerStory{
		{"TCN-33: the agent comes up ready", "READY", idle(""), "agent ready"},
		{"and stays so: no news", "READY", idle(events.Ready), ""},
		{"a pause", "PAUSED", idle(events.Ready), "agent not_ready(paused)"},
		{"back from the pause", "READY", idle(events.NotReady), "agent ready"},
		{"unavailable, as TCN spells it", "UNAVALIABLE", idle(events.Ready), "agent not_ready(unavaliable)"},
		{"idle", "IDLE", idle(events.Ready), "agent not_ready(idle)"},
		{"signed out", "DESTROYED", idle(events.Ready), "agent session_ended(destroyed)"},
		{"the agent's own line is down", "HUNGUP", idle(events.Ready), "agent session_ended(hungup)"},

		{"our preparation writes nothing", "MANUAL_DIAL_PREPARED", claimedAt(events.Preparing), ""},
		{"nor does it once passed", "MANUAL_DIAL_PREPARED", claimedAt(events.Passed), ""},
		{"nor its undoing", "PREPARING_AFTER_DIAL_CANCEL", claimedAt(events.Failed), ""},
		{"a preparation that nobody claims is news of whoever was not ready before", "MANUAL_DIAL_PREPARED", restingFor(""),
			"agent not_ready(manual_dial_prepared)"},
		{"and said once", "MANUAL_DIAL_PREPARED", restingFor(events.ReasonPrepared), ""},
		{"that it is gone is news of whoever is not ready after it", "PAUSED", restingFor(events.ReasonPrepared), "agent not_ready(paused)"},
		{"another reason for the same is none", "IDLE", restingFor("paused"), ""},
		{"in another session it is somebody else's", "MANUAL_DIAL_PREPARED",
			providers.View{Presence: events.Ready, Session: "7"}, "agent not_ready(session_mismatch)"},
		{"a preparation that nobody claims keeps the agent from passing for ready", "MANUAL_DIAL_PREPARED", idle(events.Ready),
			"agent not_ready(manual_dial_prepared)"},
		{"an agent who dials by hand is on somebody's call", "MANUAL_DIAL_STARTED", idle(events.Ready),
			"agent foreign_call(manual_dial_started)"},
		{"a dial before our intent is not judged", "OUTBOUND_LOCKED", claimedAt(events.Passed), ""},

		{"our dial takes the agent", "MANUAL_DIAL_STARTED", claimedDialed(events.Dialing), "agent on_call"},
		{"dialing writes nothing of the call", "OUTBOUND_LOCKED", dialedAt(events.Started), ""},
		{"the customer answers", "PREPARED_TO_PEER", dialedAt(events.Started), "call answered"},
		{"they talk", "PEERED", dialedAt(events.Answered), "call talking"},
		{"they talk, by its other name", "INCALL", dialedAt(events.Started), "call talking"},
		{"a payment is taken", "SECURE_FORM_HANDLING", dialedAt(events.Started), "call talking"},
		{"they still talk: no news", "PEERED", dialedAt(events.Talking), ""},
		{"an unknown start shows itself", "PEERED", dialedAt(events.Unknown), "call talking"},
		{"on hold", "PEERED_WITH_CALL_ON_HOLD", dialedAt(events.Talking), "call held"},
		{"and back", "PEERED", dialedAt(events.Held), "call talking"},
		{"a transfer", "WARM_AGENT_TRANSFER_STARTED_SOURCE", dialedAt(events.Talking), "call consulting"},
		{"a cold one", "COLD_OUTBOUND_TRANSFER_STARTED", dialedAt(events.Talking), "call consulting"},
		{"a transfer that TCN will only invent", "CALLER_TRANSFER_BRAND_NEW", dialedAt(events.Talking), "call consulting"},
		{"a word to the supervisor", "INTERCOM_RINGING_SOURCE", dialedAt(events.Talking), "call consulting"},

		{"talk without a claim is not ours", "PEERED", idle(events.Ready), "agent foreign_call"},
		{"talk on a claim not dialed is not ours", "PEERED", claimedAt(events.Passed), "agent foreign_call"},
		{"talk after our call's end is not ours", "PEERED", wrapping(afterTalkAt(events.WrapUp)), "agent foreign_call"},
		{"a preview dial is not ours", "PREVIEW_DIAL_STARTED", idle(events.Ready), "agent foreign_call(preview_dial_started)"},
		{"a call from the house", "PBX_POPUP_LOCKED", idle(events.Ready), "agent foreign_call(pbx_popup_locked)"},
		{"its wrap-up is not ours either", "WRAPUP", idle(events.ForeignCall), "agent wrap_up"},

		{"wrap-up after a talk", "WRAPUP", dialedAt(events.Talking), "call wrap_up, agent wrap_up"},
		{"wrap-up without a talk is a failed call", "WRAPUP", dialedAt(events.Started),
			"call ended(no_answer), call wrap_up, agent wrap_up"},
		{"wrap-up without a talk, straight after the intent", "WRAPUP", dialedAt(events.Dialing),
			"call ended(no_answer), call wrap_up, agent wrap_up"},
		{"answered is not talked", "WRAPUP", dialedAt(events.Answered), "call ended(no_answer), call wrap_up, agent wrap_up"},
		{"wrap-up goes on: no news", "WRAPUP", wrapping(afterTalkAt(events.WrapUp)), ""},
		{"ready again after it", "READY", wrapping(afterTalkAt(events.WrapUp)), "call wrapped_up, agent ready"},
		{"on its way to ready", "PREPARING_AFTER_WRAPUP", wrapping(afterTalkAt(events.WrapUp)), "call wrapped_up"},
		{"on pause after it", "PAUSED", wrapping(afterTalkAt(events.WrapUp)), "call wrapped_up, agent not_ready(paused)"},
		{"wrapped up is wrapped up", "READY", idleAfter(events.WrappedUp), ""},
		{"ready, and wrap-up was missed", "READY", dialedAt(events.Talking),
			"call ended(completed), call wrapped_up, agent ready"},
		{"ready, and the whole call was missed", "READY", dialedAt(events.Started),
			"call ended(unknown), call wrapped_up, agent ready"},
		{"ready before the start was answered proves nothing of the call", "READY", dialedAt(events.Dialing), "agent ready"},
		{"nor does it for an unknown start", "READY", dialedAt(events.Unknown), "agent ready"},
		{"the agent's line drops amid the talk", "HUNGUP", dialedAt(events.Talking),
			"call ended(agent_lost), agent session_ended(hungup)"},

		{"TCN-57 in spirit: a word nobody knows is kept", "QUANTUM_ENTANGLED", dialedAt(events.Talking), "note QUANTUM_ENTANGLED"},
		{"a state in between is no news", "PREPARING_AFTER_PAUSE", idle(events.NotReady), ""},
		{"names are compared without their case", "ready", idle(""), "agent ready"},
	}
}

func claimedDialed(state events.Name) providers.View {
	v := claimedAt(state)
	v.Dialed = true
	return v
}

func idleAfter(state events.Name) providers.View {
	v := afterTalkAt(state)
	v.Presence = events.Ready
	return v
}

func TestReader(t *testing.T) {
	t.Parallel()
	tell(t, readerStories())
}

func tell(t *testing.T, stories []readerStory) {
	t.Helper()
	for _, tc := range stories {
		t.Run(tc.story, func(t *testing.T) {
			t.Parallel()
			obs, err := tcn.Reader{}.Read(saying(t, tc.status), tc.view)
			if err != nil {
				t.Fatal(err)
			}
			if got := told(obs); got != tc.want {
				t.Errorf("%s told %q, want %q", tc.status, got, tc.want)
			}
		})
	}
}

func TestReaderOnTheWholeAnswer(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		story  string
		raw    events.ProviderRaw
		view   providers.View
		want   string
		change map[string]any
	}{
		{story: "TCN-36: the status number counts for nothing", change: map[string]any{"status": "2"}, want: "agent ready"},
		{story: "TCN-43: ready, but with the paused flag, is not to be dialed", change: map[string]any{"paused": true}, want: "agent not_ready(paused)"},
		{story: "a disabled agent", change: map[string]any{"disabled": "TRUE"}, want: "agent not_ready(disabled)"},
		{story: "TCN-51: ready in no session", change: map[string]any{"currentSessionId": "0"}, want: "agent not_ready(session_mismatch)"},
		{story: "ready in another session", change: map[string]any{"currentSessionId": 1}, want: "agent not_ready(session_mismatch)"},
		{story: "TCN-38: the keepalive failed", change: map[string]any{"keepAliveSucceeded": false}, want: "agent session_lost(keepalive)"},
		{story: "TCN-38: the keepalive is not in the answer", change: map[string]any{"keepAliveSucceeded": nil}, want: "agent session_lost(keepalive)"},
		{story: "a lost session's status says nothing of the call", change: map[string]any{"keepAliveSucceeded": false, "statusDesc": "WRAPUP"},
			view: dialedAt(events.Talking), want: "agent session_lost(keepalive)"},
		{story: "TCN-17: true may be \"TRUE\" or 1", change: map[string]any{"keepAliveSucceeded": "TRUE", "paused": 1}, want: "agent not_ready(paused)"},
		{story: "TCN-56: busy, by a SIP code as text", change: map[string]any{"statusDesc": "WRAPUP", "lastSipCode": "486"},
			view: dialedAt(events.Started), want: "call ended(busy), call wrap_up, agent wrap_up"},
		{story: "TCN-56: no such number, by a SIP code as number", change: map[string]any{"statusDesc": "WRAPUP", "lastSipCode": 404},
			view: dialedAt(events.Started), want: "call ended(invalid_number), call wrap_up, agent wrap_up"},
	} {
		t.Run(tc.story, func(t *testing.T) {
			t.Parallel()
			v := tc.view
			if v.Session == "" {
				v = idle("")
			}
			obs, err := tcn.Reader{}.Read(answer(t, tc.change), v)
			if err != nil || told(obs) != tc.want {
				t.Errorf("told %q, %v; want %q", told(obs), err, tc.want)
			}
		})
	}
}

func TestReaderOnStatusCodes(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{
		401: "agent session_lost(token)", 403: "agent session_lost(token)",
		404: "agent session_lost(session)", 410: "agent session_lost(session)",
	} {
		obs, err := tcn.Reader{}.Read(events.ProviderRaw{Status: status, Body: []byte("<html>")}, idle(events.Ready))
		if err != nil || told(obs) != want {
			t.Errorf("%d told %q, %v", status, told(obs), err)
		}
		if obs, err = (tcn.Reader{}).Read(events.ProviderRaw{Status: status}, idle(events.Lost)); err != nil || len(obs) != 0 {
			t.Errorf("%d is no news to a lost agent: %q, %v", status, told(obs), err)
		}
	}
	for _, status := range []int{302, 400, 500, 503} {
		_, err := tcn.Reader{}.Read(events.ProviderRaw{Status: status, Body: []byte(`{}`)}, idle(events.Ready))
		wantFault(t, err, fault.Permanent, "no_status")
	}
}

func TestReaderKeepsWhatTheProviderSaid(t *testing.T) {
	t.Parallel()
	raw := answer(t, map[string]any{"statusDesc": "PEERED", "lastStatusChange": "1704150300000", "agentIsMuted": true, "lastSipCode": 200})
	obs, err := tcn.Reader{}.Read(raw, dialedAt(events.Started))
	if err != nil || len(obs) != 1 {
		t.Fatalf("got %q, %v", told(obs), err)
	}
	want := providers.Observation{
		Call: events.Talking, Event: "PEERED", State: "PEERED", Manual: true,
		Legs: events.Legs{Customer: "up", Agent: "up"}, IDs: map[string]string{"currentSessionId": sampleSession},
		Attrs: map[string]string{"agentIsMuted": "true", "lastSipCode": "200"},
		At:    time.Date(2024, 1, 1, 23, 5, 0, 0, time.UTC), // TCN-41
	}
	if d := cmp.Diff(want, obs[0]); d != "" {
		t.Error(d)
	}
	t.Run("TCN-41: other forms of time", func(t *testing.T) {
		for text, want := range map[string]time.Time{
			"1704150360":                  time.Date(2024, 1, 1, 23, 6, 0, 0, time.UTC),
			"2024-01-01T16:00:00.000000Z": time.Date(2024, 1, 1, 16, 0, 0, 0, time.UTC),
			"yesterday":                   {}, "": {}, "-5": {}, "99999999999999999999": {},
		} {
			obs, err := tcn.Reader{}.Read(answer(t, map[string]any{"lastStatusChange": text}), idle(""))
			if err != nil || len(obs) != 1 || !obs[0].At.Equal(want) {
				t.Errorf("%q: %v, %v", text, obs, err)
			}
		}
	})
}

func TestTheDocumentsOwnTexts(t *testing.T) {
	t.Parallel()
	t.Run("TCN-33: READY and MANUAL_DIAL_PREPARED", func(t *testing.T) {
		for name, want := range map[string]string{
			"05-agent-status-ready.response.json":  "agent ready",
			"06-prepare-manual-dial.response.json": "agent not_ready(manual_dial_prepared)",
		} {
			obs, err := tcn.Reader{}.Read(events.ProviderRaw{Status: 200, Body: sample(t, name)}, idle(""))
			if err != nil || told(obs) != want {
				t.Errorf("%s told %q, %v", name, told(obs), err)
			}
			for _, o := range obs {
				if o.At.After(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)) {
					t.Error("TCN-69: a status time that is not the status's")
				}
			}
		}
	})
	t.Run("X-06: texts that are not JSON are refused and break nothing", func(t *testing.T) {
		for _, name := range []string{
			"02-get-hunt-group-settings.response.raw", "04-list-countries.response.raw", "09-start-manual-dial.request.raw",
		} {
			_, err := tcn.Reader{}.Read(events.ProviderRaw{Status: 200, Body: sample(t, name)}, idle(events.Ready))
			wantFault(t, err, fault.Permanent, "unreadable")
			if err != nil && strings.Contains(err.Error(), "4355551234") {
				t.Error("the error quotes the text")
			}
		}
		obs, err := tcn.Reader{}.Read(saying(t, "READY"), idle(""))
		if err != nil || told(obs) != "agent ready" {
			t.Errorf("the next one: %q, %v", told(obs), err)
		}
	})
	t.Run("a text without a status is refused", func(t *testing.T) {
		for _, body := range []string{`{}`, `null`, `{"statusDesc":""}`, `{"statusDesc":null}`} {
			_, err := tcn.Reader{}.Read(events.ProviderRaw{Status: 200, Body: []byte(body)}, idle(""))
			wantFault(t, err, fault.Permanent, "no_status")
		}
	})
}

// named is what may be told of a status: a word, as TCN prints them.
var named = regexp.MustCompile(`^[A-Za-z_]{0,64}$`)

// A statusDesc is a stranger's text and goes into the log, where nobody expects
// a number or a name.
func TestAStatusThatIsNoWordIsNotRepeated(t *testing.T) {
	t.Parallel()
	views := map[string]providers.View{"nothing known": idle(""), "ready": idle(events.Ready), "claimed": claimedAt(events.Assigned),
		"dialed": dialedAt(events.Started), "talking": dialedAt(events.Talking)}
	told := 0
	for _, desc := range []string{
		"+12128675309", "8675309", "INTERCOM WITH 8675309", "WARM_TRANSFER 8675309", "COLD_8675309", "PREPARING_8675309",
		"PEERED 8675309", "READY (Mrs Miller 8675309)", " 8675309 ", "CALLING:8675309", "\n8675309", strings.Repeat("X", 65) + "8675309",
		strings.Repeat("8675309_", 400), "Müller_8675309", "{\"to\":\"8675309\"}",
	} {
		for story, v := range views {
			obs, err := tcn.Reader{}.Read(saying(t, desc), v)
			if err != nil {
				t.Errorf("%q, %s: %v", desc, story, err)
			}
			for _, o := range obs {
				told++
				for _, s := range []string{o.Event, o.State, o.Reason} {
					if !named.MatchString(s) || strings.Contains(s, "8675309") {
						t.Errorf("%q, %s: told %q", desc, story, s)
					}
				}
			}
		}
	}
	if told == 0 {
		t.Error("nothing was told at all")
	}
	// A word that nobody told us of is kept, or nobody could find it.
	if obs, err := (tcn.Reader{}).Read(saying(t, "QUITE_NEW"), idle(events.Ready)); err != nil || len(obs) != 1 || obs[0].Event != "QUITE_NEW" {
		t.Errorf("%+v, %v", obs, err)
	}
}

// Whatever arrives, the reader does not panic, says the same twice, tells only
// events of the bridge's, and calls nothing talking that was not dialed.
func FuzzReader(f *testing.F) {
	for _, name := range []string{"05-agent-status-ready.response.json", "06-prepare-manual-dial.response.json",
		"02-get-hunt-group-settings.response.raw", "07-process-compliance.response.json"} {
		f.Add(sample(f, name), true, string(events.Started))
	}
	for _, s := range readerStories() {
		f.Add([]byte(saying(f, s.status).Body), s.view.Dialed, string(s.view.CallState))
	}
	f.Fuzz(func(t *testing.T, body []byte, dialed bool, state string) {
		v := providers.View{Presence: events.Ready, Session: sampleSession, Dialed: dialed, CallState: events.Name(state)}
		raw := events.ProviderRaw{Status: 200, Body: body}
		if err := providertest.Reads(tcn.Reader{}, raw, v); err != nil {
			t.Fatal(err)
		}
		obs, err := tcn.Reader{}.Read(raw, v)
		if err != nil && len(obs) > 0 {
			t.Fatalf("%v with %d observations", err, len(obs))
		}
		for _, o := range obs {
			if !named.MatchString(o.Event) || !named.MatchString(o.State) {
				t.Fatalf("told the status %q, %q", o.Event, o.State)
			}
			if o.Call != "" && (!dialed || state == "") {
				t.Fatalf("told the call event %q (dialed %v, state %q)", o.Call, dialed, state)
			}
		}
	})
}
