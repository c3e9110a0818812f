package events

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var testKey = Key("0123456789abcdef0123456789abcdef")

func testContext() RequestContext {
	is := func(names ...string) func(string) bool {
		return func(s string) bool { return slices.Contains(names, s) }
	}
	return RequestContext{
		Tenant: "acme", Now: noon, Stored: noon.Add(-time.Second), CallsAge: 72 * time.Hour,
		CallerIDs: []string{"+18667451900"}, DefaultFrom: "+18667451900", DefaultConnection: "tcn-main", Key: testKey,
		Known: func(s string) (string, bool) {
			at, ok := map[string]string{"2098765": "tcn-main", "jane.doe@example.com": "ujet"}[s]
			return at, ok
		},
		HuntGroups: is("1045678"), Ruleset: is("us-federal"),
		Connection: func(n string) (string, bool) {
			k, ok := map[string]string{"tcn-main": "tcn", "ujet": "ujet", "lists": "ipscape"}[n]
			return k, ok
		},
		Takes: func(n string) Takes {
			return map[string]Takes{"tcn-main": {Agents: true, Records: true}, "ujet": {Agents: true, Queues: true}, "lists": {Queues: true, Records: true}}[n]
		},
	}
}

func requestHeader(kv ...string) Header {
	h := Header{
		"ce-specversion": {"1.0"}, "ce-type": {TypeDialRequested}, "ce-source": {"/crm"}, "ce-id": {"42"},
		"ce-time": {noon.Add(-2 * time.Second).Format(time.RFC3339Nano)}, "ce-datacontenttype": {"application/json"},
	}
	for i := 0; i < len(kv); i += 2 {
		if kv[i+1] == "" {
			delete(h, kv[i])
		} else {
			h[kv[i]] = []string{kv[i+1]}
		}
	}
	return h
}

const good = `{"to":"+12025550123","agent":"2098765"}`

func read(h Header, data string, c RequestContext) (Intake, []Fault, Identity) {
	return ReadRequest("dial.requests.acme", h, []byte(data), c)
}

func TestAGoodRequestIsTakenIn(t *testing.T) {
	t.Parallel()
	in, faults, who := read(requestHeader("ce-traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), `{
		"to":"+12025550123","alternates":["+12025550124"],"from":"+18667451900","huntGroup":"1045678","connection":"tcn-main",
		"campaign":"fall","reference":"r-1","contact":"c_1","parent":"p1","priority":3,"purpose":"debt","seller":"s","offer":"o","debt":"d",
		"mode":"preview","metadata":[{"key":"Zip Code","value":"20001"},{"key":"Zip Code","value":""}],"postalCode":"20001","region":"DC",
		"timeZone":"America/New_York","consent":{"id":"k-1"},"ruleset":"us-federal","recording":{"on":true,"permission":"both"},
		"overrides":[{"rule":"cap","agent":"2098765","reason":"asked to be called back"}],
		"notBefore":"2026-11-20T13:00:00+01:00","expiresAt":"2026-11-20T12:30:00Z","options":{"ticketId":12345678901234567890,"a":[null,true,{"b":"c"}]}}`, testContext())
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	until := at.Add(30 * time.Minute)
	want := Intake{
		Call: CallID("acme", "/crm", "42"), From: "+18667451900", Connection: "tcn-main", Source: "/crm", ID: "42",
		Digest: in.Digest, ReceivedAt: noon.Add(-time.Second), NotBefore: at, ExpiresAt: until,
		TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		Request: DialRequest{
			To: "+12025550123", Alternates: []string{"+12025550124"}, From: "+18667451900", HuntGroup: "1045678", Connection: "tcn-main",
			Campaign: "fall", Reference: "r-1", Contact: "c_1", Parent: "p1", Priority: 3, Purpose: "debt", Seller: "s", Offer: "o", Debt: "d",
			Mode: "preview", Metadata: []KeyValue{{"Zip Code", "20001"}, {"Zip Code", ""}}, PostalCode: "20001", Region: "DC",
			TimeZone: "America/New_York", Consent: &ConsentRef{"k-1"}, Ruleset: "us-federal", Recording: &RecordingAsk{true, "both"},
			Overrides: []Override{{"cap", "2098765", "asked to be called back"}}, NotBefore: &at, ExpiresAt: &until,
			Options: map[string]any{"ticketId": json.Number("12345678901234567890"), "a": []any{nil, true, map[string]any{"b": "c"}}},
		},
	}
	if d := cmp.Diff(want, in); d != "" {
		t.Error(d)
	}
	if who != (Identity{"/crm", "42"}) {
		t.Error(who)
	}
}

// The reader's list of fields and the type's are one list.
func TestEveryFieldOfTheTypeIsRead(t *testing.T) {
	t.Parallel()
	checks := (&requestReader{}).requestFields()
	typ := reflect.TypeFor[DialRequest]()
	for i := range typ.NumField() {
		name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
		if checks[name] == nil {
			t.Errorf("%s is not read", name)
		}
		delete(checks, name)
	}
	if len(checks) > 0 {
		t.Errorf("read, but not in the type: %v", checks)
	}
}

func TestAnotherTenantsSubject(t *testing.T) {
	t.Parallel()
	_, faults, _ := ReadRequest("dial.requests.other", requestHeader(), []byte(good), testContext())
	if len(faults) != 1 || faults[0].Code != FaultWrongSubject {
		t.Error(faults)
	}
}

func TestDidYouMean(t *testing.T) {
	t.Parallel()
	for wrote, meant := range map[string]string{
		"campain": "campaign", "TO": "to", "huntgroup": "huntGroup", "hunt_group": "huntGroup", "expiresat": "expiresAt",
		"notBefroe": "notBefore", "prio": "", "telephone": "", "x": "", "metdata": "metadata", "form": "from",
	} {
		_, faults, _ := read(requestHeader(), `{"to":"+12025550123","agent":"2098765","`+wrote+`":1}`, testContext())
		want := "the request has no such field"
		if meant != "" {
			want += "; did you mean " + meant + "?"
		} else {
			want += " (name 3 of its object)"
		}
		if len(faults) != 1 || faults[0].Message != want {
			t.Errorf("%s: %v, want %q", wrote, faults, want)
		}
	}
}

func TestTheNumberOfFaultsIsBounded(t *testing.T) {
	t.Parallel()
	_, faults, _ := read(requestHeader(), `{"alternates":[`+strings.Repeat(`"x",`, 15)+`"x"],"overrides":[`+strings.Repeat(`{},`, 15)+`{}]}`, testContext())
	if len(faults) != maxFaults+1 || faults[maxFaults].Code != FaultMore {
		t.Errorf("%d faults", len(faults))
	}
}

func TestWhenARequestEnds(t *testing.T) {
	t.Parallel()
	at := func(s string) time.Time { v, _ := time.Parse(time.RFC3339Nano, s); return v }
	group := `"huntGroup":"1045678"`
	for _, tc := range []struct {
		story, time, expiry, field string
		begin, end                 time.Time
	}{
		{"a named agent: a minute from the event's time", "2026-11-20T11:59:58Z", "", `"agent":"2098765"`, noon.Add(-time.Second), at("2026-11-20T12:00:58Z")},
		{"others: a quarter of an hour", "2026-11-20T11:59:58Z", "", group, noon.Add(-time.Second), at("2026-11-20T12:14:58Z")},
		{"without a time, from receipt", "", "", group, noon.Add(-time.Second), noon.Add(15*time.Minute - time.Second)},
		{"from notBefore, when it is given", "2026-11-20T11:59:58Z", "", `"agent":"2098765","notBefore":"2026-11-20T14:00:00Z"`, at("2026-11-20T14:00:00Z"), at("2026-11-20T14:01:00Z")},
		{"as asked", "", "", group + `,"expiresAt":"2026-11-21T00:00:00Z"`, noon.Add(-time.Second), at("2026-11-21T00:00:00Z")},
		{"by expirytime", "", "2026-11-20T13:00:00Z", group, noon.Add(-time.Second), at("2026-11-20T13:00:00Z")},
		{"by expirytime, although there is a begin", "", "2026-11-20T15:00:00Z", group + `,"notBefore":"2026-11-20T14:00:00Z"`, at("2026-11-20T14:00:00Z"), at("2026-11-20T15:00:00Z")},
		{"the earlier of the two: expirytime", "", "2026-11-20T13:00:00Z", group + `,"expiresAt":"2026-11-20T14:00:00Z"`, noon.Add(-time.Second), at("2026-11-20T13:00:00Z")},
		{"the earlier of the two: expiresAt", "", "2026-11-20T15:00:00Z", group + `,"expiresAt":"2026-11-20T14:00:00Z"`, noon.Add(-time.Second), at("2026-11-20T14:00:00Z")},
		{"two days less a second are not too far", "", "", group + `,"expiresAt":"2026-11-22T11:59:59Z"`, noon.Add(-time.Second), at("2026-11-22T11:59:59Z")},
	} {
		in, faults, _ := read(requestHeader("ce-time", tc.time, "ce-expirytime", tc.expiry), `{"to":"+12025550123",`+tc.field+`}`, testContext())
		if len(faults) > 0 || !in.NotBefore.Equal(tc.begin) || !in.ExpiresAt.Equal(tc.end) {
			t.Errorf("%s: %v to %v, %v", tc.story, in.NotBefore, in.ExpiresAt, faults)
		}
	}
}

// A rehearsal half a year ahead: the event's own time is real and moves along,
// what the request asks for is meant by the rehearsal's clock.
func TestTheRehearsalClock(t *testing.T) {
	t.Parallel()
	c := testContext()
	c.ClockOffset = 180 * 24 * time.Hour
	c.Now = c.Now.Add(c.ClockOffset)
	in, faults, _ := read(requestHeader(), good, c)
	if len(faults) > 0 || !in.ReceivedAt.Equal(c.Now.Add(-time.Second)) || !in.ExpiresAt.Equal(c.Now.Add(58*time.Second)) {
		t.Errorf("%+v, %v", in, faults)
	}
	in, faults, _ = read(requestHeader("ce-time", ""), `{"to":"+12025550123","agent":"2098765","expiresAt":"`+c.Now.Add(time.Hour).Format(time.RFC3339)+`"}`, c)
	if len(faults) > 0 || !in.ExpiresAt.Equal(c.Now.Add(time.Hour).Truncate(time.Second)) {
		t.Errorf("%+v, %v", in, faults)
	}
	_, faults, _ = read(requestHeader(), `{"to":"+12025550123","agent":"2098765","expiresAt":"2026-11-20T13:00:00Z"}`, c)
	if len(faults) != 1 || faults[0].Code != FaultExpired {
		t.Error(faults)
	}
}

func TestWhatIsLeftToOthers(t *testing.T) {
	t.Parallel()
	c := RequestContext{Tenant: "acme", Now: noon, Key: testKey}
	in, faults, _ := read(requestHeader(), `{"to":"+12025550123","queue":"menu 7","connection":"any","ruleset":"any"}`, c)
	if len(faults) > 0 || in.Connection != "any" || in.Request.Purpose != PurposeTelemarketing || in.Request.Mode != ModeManual || !in.ReceivedAt.Equal(noon) {
		t.Errorf("%+v, %v", in, faults)
	}
	in, faults, _ = read(requestHeader(), `{"to":"+12025550123","agent":"jane.doe@example.com"}`, testContext())
	if len(faults) > 0 || in.Request.Agent != "jane.doe@example.com" {
		t.Errorf("an enrolled agent was refused for its name: %v", faults)
	}
	in, faults, _ = read(requestHeader("ce-traceparent", "who%20asks"), good, testContext())
	if len(faults) > 0 || in.TraceParent != "" {
		t.Errorf("a trace that is none was kept, or refused: %q, %v", in.TraceParent, faults)
	}
	c.CallsAge = time.Hour
	if _, faults, _ = read(requestHeader(), good, c); len(faults) > 0 {
		t.Errorf("a short log takes nothing in: %v", faults)
	}
}

func TestTheIdentityOutlivesRefusal(t *testing.T) {
	t.Parallel()
	want := Identity{"/crm", "42"}
	for _, data := range []string{"", "{", "\xff", `{"to":1}`, strings.Repeat("x", 70<<10)} {
		in, faults, who := read(requestHeader(), data, testContext())
		if who != want || len(faults) == 0 || in.Call != CallID("acme", "/crm", "42") || in.Digest == "" {
			t.Errorf("%.20q: %v, %+v, %v", data, who, in, faults)
		}
	}
	if _, _, who := read(requestHeader("ce-id", strings.Repeat("x", 300)), good, testContext()); who.ID != "" || who.Source != "/crm" {
		t.Error(who)
	}
}

// The digest sees what the body says, not how it is spelt.
func TestTheDigest(t *testing.T) {
	t.Parallel()
	digest := func(data string) string { in, _, _ := read(requestHeader(), data, testContext()); return in.Digest }
	first := digest(`{"to":"+12025550123","agent":"2098765","options":{"a":1,"b":[2,"é"]}}`)
	for _, same := range []string{
		`{ "agent" : "2098765", "to":"\u002b12025550123", "options":{"b":[2,"\u00e9"],"a":1} }`,
		"\n{\"options\":{\"a\":1,\"b\":[2,\"é\"]},\"to\":\"+12025550123\",\"agent\":\"2098765\"}",
	} {
		if digest(same) != first {
			t.Errorf("another digest for %s", same)
		}
	}
	seen := map[string]string{first: "the first"}
	for _, other := range []string{
		`{"to":"+12025550124","agent":"2098765","options":{"a":1,"b":[2,"é"]}}`,
		`{"to":"+12025550123","agent":"2098765","options":{"a":1,"b":["é",2]}}`,
		`{"to":"+12025550123","agent":"2098765","options":{"a":"1","b":[2,"é"]}}`,
		`{"to":"+12025550123","agent":"2098765"}`,
	} {
		d := digest(other)
		if was, twice := seen[d]; twice {
			t.Errorf("%s has the digest of %s", other, was)
		}
		seen[d] = other
	}
	c := testContext()
	c.Key = Key("another key, another thirty-two.")
	if in, _, _ := read(requestHeader(), good, c); in.Digest == digest(good) {
		t.Error("the digest does not depend on the key")
	}
}

// Both modes and any order of fields are one request.
func TestModesAgreeAboutARequest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.Permutation([]string{`"to":"+12025550123"`, `"agent":"2098765"`, `"priority":4`, `"metadata":[{"key":"é","value":"\u0000"}]`}).Draw(t, "order")
		body := "{" + strings.Join(parts, ",") + "}"
		attrs := rapid.Permutation([]string{`"specversion":"1.0"`, `"id":"42"`, `"source":"/crm"`, `"type":"` + TypeDialRequested + `"`,
			`"time":"` + noon.Add(-2*time.Second).Format(time.RFC3339Nano) + `"`, `"data":` + body}).Draw(t, "envelope")
		a, fa, wa := read(requestHeader(), body, testContext())
		b, fb, wb := read(Header{"content-type": {"application/cloudevents+json"}}, "{"+strings.Join(attrs, ",")+"}", testContext())
		if d := cmp.Diff(a, b); d != "" || len(fa)+len(fb) > 0 || wa != wb {
			t.Fatal(d, fa, fb)
		}
	})
}
