package webexcc

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/test/exams/bustest"
	"github.com/outdial/outdial/test/exams/providertest"
)

func TestTheSampleIsAnOfferOfOneCall(t *testing.T) { // WXC-14, 16, 18, 19, 23, 25, 30
	t.Parallel()
	o := one(t, offer(t), view())
	if o.Call != events.Offered || o.Presence != events.OnCall || o.State != "new" || o.Event != "eAgentOfferContact" {
		t.Errorf("says %s/%s, event %q in state %q", o.Call, o.Presence, o.Event, o.State)
	}
	if o.CallKey != interaction || o.IDs["interactionId"] != interaction || o.IDs["callId"] != orgID {
		t.Errorf("key %q, ids %v: the interaction is the call, call.id is the organisation", o.CallKey, o.IDs)
	}
	if o.Customer != customer || !o.Manual || o.Agent != "22a3ff9b-c51c-4c6b-8b8a-ca98154240f1" {
		t.Errorf("customer %q, manual %v, agent %q", o.Customer, o.Manual, o.Agent)
	}
	if want := time.Date(2024, 6, 21, 10, 31, 56, 252e6, time.UTC); !o.At.Equal(want) {
		t.Errorf("at %v, want %v", o.At, want)
	}
	if o.Legs != (events.Legs{Customer: "none", Agent: "offered"}) {
		t.Errorf("legs %+v", o.Legs)
	}
}

func TestTheSampleAsCopiedFromThePageIsRefused(t *testing.T) { // WXC-32: U+00A0 is no white space
	t.Parallel()
	raw := bustest.Fixture(t, "001-webexcc-outbound-call-state-change-offer.event.raw")
	if !strings.Contains(string(raw), "\u00a0") {
		t.Fatal("the raw fixture has lost its no-break spaces")
	}
	_, err := reader().Read(events.ProviderRaw{Body: raw}, view())
	if fault.Of(err) != fault.Permanent || fault.Code(err) != "not_json" {
		t.Fatalf("got %v", err)
	}
	if strings.Contains(err.Error(), "7702779401") {
		t.Errorf("the error repeats the number: %v", err)
	}
	if got := one(t, offer(t), view()); got.Call != events.Offered {
		t.Errorf("the next good message is not read: %+v", got)
	}
}

func TestLivesOfACall(t *testing.T) { // WXC-09, 10, 11, 13, 26, 35, 38
	t.Parallel()
	sample := func(name string, change ...func(object)) []byte {
		return message(t, append([]func(object){event(name)}, change...)...)
	}
	wrapFlag := func(m object) {
		for _, p := range people(m) {
			if person := p.(object); person["pType"] == "Agent" {
				person["isWrapUp"] = true
			}
		}
	}
	both := joined("Customer", "Agent")
	predial := func(m object) { people(m)[customer].(object)["isInPredial"] = true }
	for name, tc := range map[string]struct {
		say  [][]byte
		want string
	}{
		"the document's order (WXC-09)": {[][]byte{sample("eAgentOfferContact"), sample("CustAnswered"), sample("eCallRecordingStarted"), sample("eAgentContactEnded"), sample("acw"), sample("AgentWrappedUp")},
			"offered answered recording_started ended(completed) wrap_up wrapped_up"},
		"dropped before an answer is a failure (WXC-10)": {[][]byte{sample("eAgentOfferContact"), sample("DROPPED")}, "offered ended(provider_failed)"},
		"dropped after it is the end (WXC-11)":           {[][]byte{sample("eAgentOfferContact"), sample("CustAnswered"), sample("DROPPED")}, "offered answered ended(completed)"},
		"everything twice changes nothing (WXC-35)":      {[][]byte{sample("eAgentOfferContact"), sample("eAgentOfferContact"), sample("CustAnswered"), sample("CustAnswered"), sample("acw"), sample("acw")}, "offered offered answered answered wrap_up wrap_up"},
		"both joined is connected, said or not (WXC-26)": {[][]byte{sample("eAgentOfferContact"), sample("eCallRecordingStarted", both), sample("acw", both)}, "offered talking recording_started wrap_up"},
		"and the end alone proves it":                    {[][]byte{sample("eAgentContactEnded", both)}, "talking ended(completed)"},
		"assigned without the customer says nothing yet": {[][]byte{sample("eAgentOfferContact"), sample("eAgentContactAssigned", joined("Agent"))}, "offered"},
		"assigned with the customer is talking":          {[][]byte{sample("eAgentContactAssigned", both)}, "talking"},
		"a leg being dialed has not joined":              {[][]byte{sample("eAgentContactAssigned", both, predial)}, ""},
		"the agent waited, nobody came":                  {[][]byte{sample("eAgentContactEnded", joined("Agent"))}, "ended(no_answer)"},
		"the agent's flag is wrap-up (WXC-38)":           {[][]byte{sample("CustAnswered"), sample("eAgentContactEnded", wrapFlag)}, "answered ended(completed) wrap_up"},
		"wrap-up of a call that never was":               {[][]byte{sample("eAgentOfferContact"), sample("eAgentWrapup"), sample("AgentWrappedup")}, "offered ended(provider_failed) wrapped_up"},
		"ringing, then nothing":                          {[][]byte{sample("Ringing"), sample("acw")}, "ringing ended(no_answer)"},
		"hold and back":                                  {[][]byte{sample("CustAnswered"), sample("eAgentContactHeld"), sample("eAgentContactUnheld")}, "answered held talking"},
		"consult and conference":                         {[][]byte{sample("CustAnswered"), sample("eAgentConsulting"), sample("AgentConsultConferenced"), sample("ContactEnded")}, "answered consulting conferencing ended(completed)"},
		"the agent misses it, in both spellings":         {[][]byte{sample("AgentOfferContactRona"), sample("AgentContactOfferRona")}, "ended(agent_missed) ended(agent_missed)"},
		"it cannot be placed":                            {[][]byte{sample("eAgentOutboundFailed")}, "ended(provider_failed)"},
		"a machine answers": {[][]byte{sample("Machine"), sample("eAgentContactEnded", both), sample("acw", both), sample("AgentWrappedUp")},
			"answered(machine) ended(machine) ended(machine) wrapped_up"},
		"a person does after all":           {[][]byte{sample("Machine"), sample("Human"), sample("eAgentContactEnded", both)}, "answered(machine) answered(human) ended(completed)"},
		"a consultation that was given up":  {[][]byte{sample("CustAnswered"), sample("AgentContactHeld"), sample("AgentConsulting"), sample("AgentConsultEnded"), sample("AgentContactUnheld")}, "answered held consulting held talking"},
		"its end is heard when all is over": {[][]byte{sample("CustAnswered"), sample("ContactEnded"), sample("AgentConsultEnded")}, "answered ended(completed) annotated"},
		"a blind transfer": {[][]byte{sample("CustAnswered"), sample("eAgentBlindTransferred"), sample("AgentWrapup"), sample("AgentWrappedUp"), sample("ContactEnded")},
			"answered ended(transferred) wrap_up wrapped_up ended(completed)"},
		"to a queue":                       {[][]byte{sample("CustAnswered"), sample("AgentVteamTransferred", wrapFlag)}, "answered ended(transferred) wrap_up"},
		"after a consultation":             {[][]byte{sample("CustAnswered"), sample("AgentConsulting"), sample("AgentConsultTransferred")}, "answered consulting ended(transferred)"},
		"a transfer that did not work":     {[][]byte{sample("CustAnswered"), sample("AgentBlindTransferFailed")}, "answered annotated"},
		"what nobody knows is kept (X-06)": {[][]byte{sample("eSomethingNew")}, "annotated"},
		"recording moves nothing":          {[][]byte{sample("ContactRecordingPaused"), sample("ContactRecordingResumed")}, "recording_stopped recording_started"},
		"started tells nothing new":        {[][]byte{sample("Initiate"), sample("Started")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, _ := providertest.Replay(t, reader(), view(), tc.say...); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestOneChannelManySpellings(t *testing.T) { // WXC-05, 06, 07, 08, 12
	t.Parallel()
	want := one(t, offer(t), view())
	set := func(key, value string) func(object) { return func(m object) { m[key] = value } }
	for name, change := range map[string]func(object){
		"Webex CC": set("channel", "Webex CC"), "webex cc": set("channel", "webex cc"),
		"topic Outbound": set("topic", "Outbound"), "topic OutboundCall": set("topic", "OutboundCall"),
		"OutboundCallStateChange": set("subtopic", "OutboundCallStateChange"),
		"the key Subtopic": func(m object) {
			m["Subtopic"] = m["subtopic"]
			delete(m, "subtopic")
		},
	} {
		if diff := cmp.Diff(want, one(t, message(t, change), view())); diff != "" {
			t.Errorf("%s reads differently (-want +got):\n%s", name, diff)
		}
	}
	if want.Attrs["callType"] != "outbound" {
		t.Errorf("callType %q", want.Attrs["callType"])
	}
	regular := one(t, message(t, func(m object) { bustest.At(m, "message", "call")["CallType"] = "Regular_call" }), view())
	if regular.Attrs["callType"] != "regular_call" {
		t.Errorf("an unlisted call type is not kept: %q", regular.Attrs["callType"])
	}
}

func TestKeysInAnyCaseReadTheSame(t *testing.T) { // WXC-24
	t.Parallel()
	var shout func(any) any
	shout = func(v any) any {
		switch x := v.(type) {
		case object:
			out := object{}
			for k, e := range x {
				out[strings.ToLower(strings.ReplaceAll(k, "_", ""))] = shout(e)
			}
			return out
		case []any:
			for i := range x {
				x[i] = shout(x[i])
			}
		}
		return v
	}
	var m any
	if err := json.Unmarshal(offer(t), &m); err != nil {
		t.Fatal(err)
	}
	low, err := json.Marshal(shout(m))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(one(t, offer(t), view()), one(t, low, view())); diff != "" {
		t.Errorf("all-lower keys read differently (-want +got):\n%s", diff)
	}
}

func TestWhichCallItIs(t *testing.T) { // WXC-15, 16, 17
	t.Parallel()
	other := message(t, func(m object) {
		bustest.At(m, "message", "call", "ResponseActual", "data")["interactionId"] = "another"
	})
	if got := one(t, other, view()); got.CallKey == interaction || got.IDs["callId"] != orgID {
		t.Errorf("two interactions of one organisation are one call: %q", got.CallKey)
	}
	bare := func(to string) providers.Observation {
		return one(t, message(t, func(m object) {
			delete(bustest.At(m, "message", "call"), "ResponseActual")
			bustest.At(m, "message", "call", "ResponseFields")["toAddress"] = to
		}), view())
	}
	a, again, b := bare(customer), bare("917702779401"), bare("+917702779402")
	if a.CallKey == "" || a.CallKey != again.CallKey || a.CallKey == b.CallKey {
		t.Errorf("without an interaction: %q, %q, %q", a.CallKey, again.CallKey, b.CallKey)
	}
	if a.Unread || a.Customer != customer {
		t.Errorf("customer %q, unread %v", a.Customer, a.Unread)
	}
	for _, to := range []string{"+9107702779401", "9107702779401", "91917702779401", "9177027794CALL", "917702779401x12"} {
		if o := bare(to); o.Customer != "" || !o.Unread || o.CallKey != "" {
			t.Errorf("%s: customer %q, unread %v, key %q", to, o.Customer, o.Unread, o.CallKey)
		}
	}
	if strings.Contains(a.CallKey, "7702779401") || a.Call != events.Offered {
		t.Errorf("key %q, says %s", a.CallKey, a.Call)
	}
}

func TestTheFlatFormOfTheTable(t *testing.T) { // WXC-31, WXC-21, WXC-22
	t.Parallel()
	flat := message(t, event("CustAnswered"), func(m object) {
		bustest.At(m, "message", "call")["ResponseActual"] = object{
			"fromaddress": "1908603511", "toAddress": customer, "id": orgID, "mediaType": "telephony", "state": "connected",
			"interactionId": interaction, "trackingId": "notifs_1", "Ep_id": "729d9201", "ronaTimeout": "18",
			"participants":    object{"mediatype": "telephony", "state": "connected"},
			"mediaProperties": object{"teamName": "Acqueon_Site1_Team2", "siteid": "5729b45e", "QMrgName": "aqm", "queuedTimestamp": "1718965914454"},
		}
		delete(bustest.At(m, "message", "call", "ResponseFields"), "toAddress")
	})
	o := one(t, flat, view())
	if o.Call != events.Answered || o.CallKey != interaction || o.Customer != customer || !o.Manual {
		t.Errorf("reads %+v", o)
	}
	for key, want := range map[string]string{
		"ronaTimeout": "18", "queuedAt": "2024-06-21T10:31:54.454Z", "teamName": "Acqueon_Site1_Team2",
		"siteId": "5729b45e", "queueManager": "aqm", "entryPoint": "729d9201",
	} {
		if o.Attrs[key] != want {
			t.Errorf("%s is %q, want %q", key, o.Attrs[key], want)
		}
	}
}

func TestDetailsAreKeptThePersonIsNot(t *testing.T) { // WXC-21, 22, 27, 29, 37
	t.Parallel()
	o := one(t, offer(t), view())
	for key, want := range map[string]string{
		"virtualTeamName": "Outdial Queue-1", "ronaTimeout": "18", "ani": "1908603511",
		"teamName": "Acqueon_Site1_Team1", "teamId": "56cf5b28-56b0-4905-9d49-6893257100b1",
		"siteId": "5729b45e-2913-4425-b5e2-0d730aa6db0a", "queueId": "1cdb8b2e-b83c-4c53-8279-0e3138d43fb8",
		"agentName": "wxcc-test-qa-acqueon_org agent4", "queueManager": "aqm", "queuedAt": "2024-06-21T10:31:54.454Z",
		"outdialTransferToQueueEnabled": "false", "participantInviteTimeout": "false", "mohFileName": "Menu10sec.wav",
		"callState": "new",
	} {
		if o.Attrs[key] != want {
			t.Errorf("%s is %q, want %q", key, o.Attrs[key], want)
		}
	}
	personal := message(t, func(m object) {
		bustest.At(m, "message", "call", "CallVariables")["ani"] = "917702779401"
		bustest.At(m, "message", "call", "CallVariables")["virtualTeamName"] = "for +91 770-277-9401"
	})
	for _, body := range [][]byte{offer(t), personal} {
		o := one(t, body, view())
		o.Customer = ""
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "7702779401") || strings.Contains(string(text), "770-277") {
			t.Errorf("the customer's number is in %s", text)
		}
	}
}

func TestStatesHaveOneSpelling(t *testing.T) { // WXC-13, 14
	t.Parallel()
	for _, spelled := range []string{"wrapUp", "WRAP_UP", "wrap_up", "wrapup"} {
		v := view()
		v.Talked = true
		o := one(t, message(t, func(m object) {
			delete(bustest.At(m, "message", "call"), "event")
			delete(bustest.At(m, "message", "call", "ResponseActual", "data"), "type")
			bustest.At(m, "message", "call", "ResponseFields")["CallState"] = spelled
		}), v)
		if o.Call != events.WrapUp || o.Attrs["callState"] != "wrapup" || o.State != spelled {
			t.Errorf("%s: says %s, state %q (%q)", spelled, o.Call, o.State, o.Attrs["callState"])
		}
	}
	if canonicalState("consult") != canonicalState("Consulting") {
		t.Error("consult and consulting differ")
	}
}

func TestParticipantsMayBeAList(t *testing.T) { // WXC-25
	t.Parallel()
	o := one(t, message(t, event("eAgentContactAssigned"), joined("Customer", "Agent"), func(m object) {
		inter := bustest.At(m, "message", "call", "ResponseActual", "data", "interaction")
		var list []any
		for _, p := range people(m) {
			list = append(list, p)
		}
		delete(inter, "participants")
		bustest.At(inter, "media", interaction)["participants"] = list
	}), view())
	if o.Call != events.Talking || o.Legs != (events.Legs{Customer: "up", Agent: "up"}) {
		t.Errorf("says %s with legs %+v", o.Call, o.Legs)
	}
}

func TestCallsThatAreNotOurs(t *testing.T) { // WXC-07, WXC-20, F9-31
	t.Parallel()
	predictive := func(m object) { bustest.At(m, "message", "call", "ResponseFields")["OutBoundType"] = "predictive" }
	if o := one(t, message(t, predictive), view()); o.Manual || o.Presence != events.OnCall {
		t.Errorf("predictive: %+v", o)
	}
	for name, change := range map[string]func(object){
		"inbound": func(m object) { m["topic"], m["subtopic"] = "InboundCall", "InboundCallStateChange" },
		"Five9's": func(m object) { m["channel"] = "Five9" },
	} {
		o := one(t, message(t, change), view())
		if o.Manual || o.Presence != events.OnCall || o.CallKey != "" || o.Customer != "" || o.Call != "" {
			t.Errorf("%s call: %+v", name, o)
		}
		if got := bustest.Read(t, reader(), message(t, change, event("ContactEnded")), view()); len(got) != 0 {
			t.Errorf("%s call's end: %+v", name, got)
		}
	}
	if got := bustest.Read(t, reader(), []byte(`{"channel":"Webexcc","topic":"agent","subtopic":"AgentStateChange","message":{}}`), view()); got != nil {
		t.Errorf("not about a call: %+v", got)
	}
	if got := bustest.Read(t, reader(), bustest.Fixture(t, "001-webexcc-make-call.request.json"), view()); got != nil {
		t.Errorf("our own request coming by: %+v", got)
	}
	silent := func(m object) { delete(bustest.At(m, "message", "call", "ResponseFields"), "OutBoundType") }
	if o := one(t, message(t, silent), view()); !o.Manual {
		t.Error("without OutBoundType the number that was dialed decides")
	}
	v := view()
	v.To = "+15550001111"
	if o := one(t, message(t, silent), v); o.Manual {
		t.Error("without OutBoundType somebody else's number is not ours")
	}
}

func TestPresenceOfThePage(t *testing.T) { // WXC-02, WXC-36
	t.Parallel()
	for body, want := range map[string]providers.Observation{
		`{"outdial":"presence","status":"ready","version":"3.21.2410"}`:         {Presence: events.Ready},
		`{"outdial":"presence","status":"ready"}`:                               {Presence: events.Ready},
		`{"outdial":"presence","status":"not_ready","reason":"lunch"}`:          {Presence: events.NotReady, Reason: "lunch"},
		`{"outdial":"presence","status":"ready","version":"3.20.0001"}`:         {Presence: events.NotReady, Reason: "unsupported_version"},
		`{"outdial":"presence","status":"not_ready","version":"3.9.9999"}`:      {Presence: events.NotReady, Reason: "unsupported_version"},
		`{"outdial":"presence","status":"ready","version":"3.100.1"}`:           {Presence: events.Ready},
		`{"outdial":"presence","status":"ready","version":"next, but nothing"}`: {Presence: events.NotReady, Reason: "unsupported_version"},
	} {
		o := one(t, []byte(body), providers.View{})
		if o.Presence != want.Presence || o.Reason != want.Reason || o.Call != "" {
			t.Errorf("%s: %+v", body, o)
		}
	}
	for _, body := range []string{`{"outdial":"presence","status":"asleep"}`, `{"outdial":"hello"}`} {
		if _, err := reader().Read(events.ProviderRaw{Body: []byte(body)}, view()); fault.Of(err) != fault.Permanent || err == nil {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(offer(f))
	f.Add(bustest.Fixture(f, "001-webexcc-outbound-call-state-change-offer.event.raw"))
	f.Add(bustest.Fixture(f, "001-webexcc-make-call.request.json"))
	f.Add([]byte(`{"outdial":"presence","status":"ready","version":"3.21.2410"}`))
	f.Add([]byte(`{"channel":"webex cc","topic":"outbound","subtopic":"outboundcallstatechange","message":{"call":{"event":"e","id":1e400}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if err := providertest.Reads(reader(), events.ProviderRaw{Body: body}, view()); err != nil {
			t.Fatal(err)
		}
	})
}
