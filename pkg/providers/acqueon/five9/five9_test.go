package five9

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/acqueon/bus"
	"github.com/outdial/outdial/test/exams/bustest"
	"github.com/outdial/outdial/test/exams/providertest"
)

func TestTheExamOfEveryProvider(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Dialect{
		Product: Product(), News: [][]byte{wrapUp(t)},
		Order:   func() providers.Order { return providers.Order{Call: "c1", Attempt: "a1", To: customer} },
		Secrets: []string{customer[2:]},
	})
}

func TestARequestIsTheDocumentsMessage(t *testing.T) { // F9-01, F9-02, F9-04
	t.Parallel()
	d := &bustest.Desk{}
	p := System().Provider(bus.Config{Desktop: d})
	if _, err := p.Starter.Start(t.Context(), providers.Order{To: customer, Attempt: "a1", NotAfter: time.Now().Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	var want, got any
	if err := json.Unmarshal(bustest.Fixture(t, "004-five9-set-make-call.request.json"), &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(d.Message, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	if want := (providers.Capabilities{Claims: true, Talking: true, Presence: providers.PresenceDesktop, Progress: providers.ProgressDesktop}); p.Can != want || p.Kind != providers.Five9 {
		t.Errorf("capabilities %+v", p.Can)
	}
	if p.Withdrawer != nil || p.Looker != nil {
		t.Error("the documents have no message that takes a call back, or asks about one")
	}
}

func TestWhatCannotBeDialedIsNotSent(t *testing.T) { // F9-28
	t.Parallel()
	for name, tc := range map[string]struct {
		order  providers.Order
		region string
		code   string
	}{
		"another country's number would ring a stranger at home": {providers.Order{To: "+917702779401"}, "US", "outside_home_region"},
		"the home region decides what is home":                   {providers.Order{To: customer}, "IN", "outside_home_region"},
		"an unknown home region dials nobody":                    {providers.Order{To: customer}, "XX", "outside_home_region"},
		"another spelling of ours":                               {providers.Order{To: "+116081234567"}, "US", "bad_number"},
		"no plus":                                                {providers.Order{To: "6081234567"}, "US", "bad_number"},
		"an old Workspace":                                       {providers.Order{To: customer, Agent: providers.AgentRef{IDs: map[string]string{"workspaceVersion": "3.18.9999"}}}, "US", "unsupported_version"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &bustest.Desk{}
			_, err := System().Provider(bus.Config{Desktop: d, HomeRegion: tc.region}).Starter.Start(t.Context(), tc.order)
			if fault.Of(err) != fault.Permanent || fault.Code(err) != tc.code || d.Sent != 0 {
				t.Errorf("got %v after %d sends, want permanent %s after none", err, d.Sent, tc.code)
			}
			if err != nil && strings.Contains(err.Error(), "608123") {
				t.Errorf("the error repeats the number: %v", err)
			}
		})
	}
	d := &bustest.Desk{}
	if _, err := System().Provider(bus.Config{Desktop: d, HomeRegion: "CA"}).Starter.Start(t.Context(), providers.Order{To: customer}); err != nil || d.Sent != 1 {
		t.Errorf("countries of one calling code are one home: %v", err)
	}
}

func TestTheSampleIsACallThatCouldNotBePlaced(t *testing.T) { // F9-07, 08, 12, 18, 22
	t.Parallel()
	o := one(t, wrapUp(t), view())
	if o.Call != events.Ended || o.Reason != "provider_failed" || o.Presence != events.WrapUp || o.Event != "WRAP_UP" {
		t.Errorf("says %s (%s), presence %s", o.Call, o.Reason, o.Presence)
	}
	if o.CallKey != "300000000115271" || o.Customer != customer || !o.Manual || o.Agent != "300000001745182" {
		t.Errorf("key %q, customer %q, manual %v, agent %q", o.CallKey, o.Customer, o.Manual, o.Agent)
	}
	want := map[string]string{"callId": "300000000115271", "interactionId": "DD80226271414A229947131A92EE86C3",
		"sessionId": "37D1E3B2067D49A183AB781062108666"}
	if diff := cmp.Diff(want, o.IDs); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
}

func TestTheSampleAsCopiedFromThePageIsRefused(t *testing.T) { // F9-06, F9-29
	t.Parallel()
	for _, name := range []string{"004-five9-outbound-call-state-change-wrap-up.event.raw", "004-five9-set-make-call.request.raw"} {
		_, err := reader().Read(events.ProviderRaw{Body: bustest.Fixture(t, name)}, view())
		if fault.Of(err) != fault.Permanent || fault.Code(err) != "not_json" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if o := one(t, wrapUp(t), view()); o.Call != events.Ended {
		t.Errorf("the next good message is not read: %+v", o)
	}
}

func TestLivesOfACall(t *testing.T) { // F9-08 to F9-13
	t.Parallel()
	say := func(names ...string) (out [][]byte) {
		for _, n := range names {
			out = append(out, message(t, event(n)))
		}
		return out
	}
	for name, tc := range map[string]struct {
		say  [][]byte
		want string
	}{
		"placed, talked, done (F9-09, F9-10)":            {say("ringing_on_other_side", "talking", "WRAP_UP", "finished"), "ringing talking wrap_up wrapped_up"},
		"in capitals (F9-13)":                            {say("RINGING_ON_OTHER_SIDE", "TALKING", "wrap_up", "FINISHED"), "ringing talking wrap_up wrapped_up"},
		"wrap-up out of the blue (F9-08)":                {say("WRAP_UP", "finished"), "ended(provider_failed) wrapped_up"},
		"offered, then wrap-up":                          {say("offered", "WRAP_UP"), "offered ended(provider_failed)"},
		"rang, nobody there (F9-11)":                     {say("ringing_on_other_side", "WRAP_UP"), "ringing ended(no_answer)"},
		"rang, finished without wrap-up":                 {say("ringing_on_other_side", "finished"), "ringing ended(no_answer)"},
		"finished without wrap-up":                       {say("talking", "finished"), "talking wrapped_up"},
		"hold and back":                                  {say("talking", "ON_HOLD", "TALKING"), "talking held talking"},
		"a wrap-up repeated is no failure of a talk":     {say("talking", "WRAP_UP", "WRAP_UP"), "talking wrap_up wrap_up"},
		"what nobody knows is kept":                      {say("TELEPORTED"), "annotated"},
		"talking is news after the failure too (X-05)":   {say("WRAP_UP", "talking"), "ended(provider_failed) talking"},
		"wrap-up after talking that came late stays one": {say("talking", "ringing_on_other_side", "WRAP_UP"), "talking ringing wrap_up"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, _ := providertest.Replay(t, reader(), view(), tc.say...); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestStatesInEitherPlace(t *testing.T) { // F9-12
	t.Parallel()
	want := map[string]events.Name{"offered": events.Offered, "ringing_on_other_side": events.Ringing,
		"talking": events.Talking, "finished": events.Ended, "WRAP_UP": events.Ended}
	for state, name := range want {
		outer := message(t, event(state))
		inner := message(t, event(state), func(m object) {
			delete(bustest.At(m, "message", "call"), "event")
			delete(bustest.At(m, "message", "call", "ResponseFields"), "CallState")
		})
		for _, body := range [][]byte{outer, inner} {
			if o := one(t, body, view()); o.Call != name {
				t.Errorf("%s: says %s, want %s", state, o.Call, name)
			}
		}
	}
	nothing := message(t, event(""))
	if _, err := reader().Read(events.ProviderRaw{Body: nothing}, view()); fault.Code(err) != "no_event" {
		t.Errorf("an event without a name: %v", err)
	}
}

func TestOneMessageManySpellings(t *testing.T) { // F9-14, 15, 16, 17, 20, 21
	t.Parallel()
	want := one(t, wrapUp(t), view())
	rename := func(o object, from, to string) {
		o[to] = o[from]
		delete(o, from)
	}
	for name, change := range map[string]func(object){
		"OutboundCallStateChange": func(m object) { m["subtopic"] = "OutboundCallStateChange" },
		"topic Outbound":          func(m object) { m["topic"] = "Outbound" },
		"OutboundType": func(m object) {
			rename(bustest.At(m, "message", "call", "ResponseFields"), "OutBoundType", "OutboundType")
		},
		"callid and CallState": func(m object) {
			rename(data(m), "callId", "callid")
			rename(data(m), "callState", "CallState")
		},
		"CallType in the interaction": func(m object) { rename(data(m), "callType", "CallType") },
		"startTime as text":           func(m object) { data(m)["startTime"] = "1711000862149" },
		"click2DialData as text":      func(m object) { data(m)["click2DialData"] = `{"clickToDialNumber":"6081234567"}` },
		"call.id as a number":         func(m object) { bustest.At(m, "message", "call")["id"] = json.Number("300000000115271") },
	} {
		if diff := cmp.Diff(want, one(t, message(t, change), view())); diff != "" {
			t.Errorf("%s reads differently (-want +got):\n%s", name, diff)
		}
	}
	if want.Attrs["callType"] != "outbound" || want.Attrs["interactionCallType"] != "AGENT" { // F9-16
		t.Errorf("the two call types are mixed up: %v", want.Attrs)
	}
	if want.Attrs["startedAt"] != "2024-03-21T06:01:02.149Z" { // F9-20
		t.Errorf("startedAt %q", want.Attrs["startedAt"])
	}
	for name, clicked := range map[string]any{ // F9-21
		"object": object{"clickToDialNumber": "6081234567"}, "text": `{"clickToDialNumber":"6081234567"}`,
		"number in text": `{"clickToDialNumber":6081234567}`, "bare": "6081234567",
	} {
		o := one(t, message(t, func(m object) {
			data(m)["click2DialData"] = clicked
			delete(bustest.At(m, "message", "call", "ResponseFields"), "fromAddress")
		}), view())
		if o.Customer != customer {
			t.Errorf("click2DialData as %s: customer %q", name, o.Customer)
		}
	}
}

func TestTwoIDsAreBothKept(t *testing.T) { // F9-19
	t.Parallel()
	o := one(t, message(t, func(m object) { data(m)["callId"] = "300000000115255" }), view())
	if o.CallKey != "300000000115271" || o.IDs["interactionCallId"] != "300000000115255" || o.Attrs["warning"] != "call_id_mismatch" {
		t.Errorf("key %q, ids %v, warning %q", o.CallKey, o.IDs, o.Attrs["warning"])
	}
}

func TestDetailsAreKeptThePersonIsNot(t *testing.T) { // F9-23, 25, 26, 27
	t.Parallel()
	o := one(t, wrapUp(t), view())
	for key, want := range map[string]string{
		"agentExtension": "0018", "distributionMode": "Automatic", "interactionSubType": "Call", "locale": "en-US",
		"domainName": "Acqueon", "user_name": "Five9@acqueon.com", "full_name": "Five9_Softphone @acqueon.com",
		"agentName": "Five9_Softphone @acqueon.com", "interactionType": "Call",
	} {
		if o.Attrs[key] != want {
			t.Errorf("%s is %q, want %q", key, o.Attrs[key], want)
		}
	}
	o.Customer = ""
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, personal := range []string{"Allison", "6081234567"} {
		if strings.Contains(string(text), personal) {
			t.Errorf("%q is in %s", personal, text)
		}
	}
}

func TestNumbersWithoutACountry(t *testing.T) { // F9-05, F9-07
	t.Parallel()
	for given, want := range map[any]string{
		"6081234567": customer, json.Number("6081234567"): customer, "+16081234567": customer,
		"(608) 123-4567": customer, "16081234567": customer, "": "", "anonymous": "",
		"+116081234567": "", "116081234567": "", "608123CALL": "", "6081234567.0": "", "1234567": "",
	} {
		o := one(t, message(t, func(m object) {
			bustest.At(m, "message", "call", "ResponseFields")["fromAddress"] = given
			delete(data(m), "click2DialData")
		}), view())
		if o.Customer != want {
			t.Errorf("%v: customer %q, want %q", given, o.Customer, want)
		}
		if o.Unread != (want == "" && given != "") {
			t.Errorf("%v: unread %v", given, o.Unread)
		}
	}
	v := view()
	v.HomeRegion = "GB"
	if o := one(t, message(t, func(m object) {
		bustest.At(m, "message", "call", "ResponseFields")["fromAddress"] = "2079460123"
	}), v); o.Customer != "+442079460123" {
		t.Errorf("the view's region is not used: %q", o.Customer)
	}
}

func TestOnlyATelephoneCallIsOurs(t *testing.T) { // F9-24, F9-31
	t.Parallel()
	kind := func(k string) func(object) { return func(m object) { data(m)["type"] = k } }
	for _, k := range []string{"PreviewCall", "QueueCallback", "SomethingElse"} {
		if o := one(t, message(t, kind(k), event("talking")), view()); o.Manual || o.Presence != events.OnCall {
			t.Errorf("%s: %+v", k, o)
		}
	}
	for _, k := range []string{"Chat", "Email", "SkillVoicemail"} {
		if got := bustest.Read(t, reader(), message(t, kind(k)), view()); len(got) != 0 {
			t.Errorf("%s: %+v", k, got)
		}
	}
	predictive := func(m object) { bustest.At(m, "message", "call", "ResponseFields")["OutBoundType"] = "predictive" }
	if o := one(t, message(t, predictive, event("talking")), view()); o.Manual {
		t.Error("a predictive call was taken for ours")
	}
	webex := func(m object) { m["channel"] = "Webex CC" }
	if o := one(t, message(t, webex, event("talking")), view()); o.Manual || o.CallKey != "" || o.Call != "" || o.Presence != events.OnCall {
		t.Errorf("Webex CC's call: %+v", o)
	}
}

func TestPresenceOfThePage(t *testing.T) { // F9-03, F9-28
	t.Parallel()
	for version, want := range map[string]events.Name{"3.19.2403": events.Ready, "3.18.9999": events.NotReady, "4": events.Ready} {
		o := one(t, []byte(`{"outdial":"presence","status":"ready","version":"`+version+`"}`), providers.View{})
		if o.Presence != want || o.IDs["workspaceVersion"] != version {
			t.Errorf("%s: %+v", version, o)
		}
		if want == events.NotReady && o.Reason != "unsupported_version" {
			t.Errorf("%s: reason %q", version, o.Reason)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(wrapUp(f))
	f.Add(bustest.Fixture(f, "004-five9-outbound-call-state-change-wrap-up.event.raw"))
	f.Add(bustest.Fixture(f, "004-five9-set-make-call.request.raw"))
	f.Add(bustest.Fixture(f, "004-five9-set-make-call-numeric.request.json"))
	f.Add([]byte(`{"channel":"five9","topic":"outbound","subtopic":"outboundcallstatechange","message":{"call":{"id":1e999,"event":"talking","ResponseFields":{"interactionData":"{}","fromAddress":6081234567}}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if err := providertest.Reads(reader(), events.ProviderRaw{Body: body}, view()); err != nil {
			t.Fatal(err)
		}
	})
}
