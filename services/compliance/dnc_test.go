package compliance

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outdial/outdial/internal/api"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/services/compliance/rules"
)

func fixture(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// same compares two JSON texts by what they say.
func same(t *testing.T, got, want string) {
	t.Helper()
	var a, b any
	if err := errors.Join(json.Unmarshal([]byte(got), &a), json.Unmarshal([]byte(want), &b)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(b, a); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// The document's own example, on the day that makes it true: after the one
// time that is past, before the others.
func TestTheExampleOfTheDocument(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "desk", newYork)
	w.now = time.Date(2022, 10, 28, 12, 0, 0, 0, time.UTC)
	if _, err := w.do("dnc", "add", `{"contacts":[{"phone_number":"+14151113333","expires_at":"2022-10-29 00:00:00 UTC"},{"phone_number":"+1 415 111 5555"}]}`); err != nil {
		t.Fatal(err)
	}
	got, err := w.do("dnc", "add", string(fixture(t, "003-ujet-dnc-add.request.json")))
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, string(fixture(t, "003-ujet-dnc-add.response.json")))

	if _, err := w.do("dnc", "add", `{"contacts":[{"phone_number":"1-415-111-1111","expires_at":"2023-08-05 22:02:36.362009 +0000"}]}`); err != nil {
		t.Fatal(err)
	}
	var ask struct{ Query json.RawMessage }
	if err := json.Unmarshal(fixture(t, "003-ujet-dnc-check.request.json"), &ask); err != nil {
		t.Fatal(err)
	}
	got, err = w.do("dnc", "check", string(ask.Query))
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, string(fixture(t, "003-ujet-dnc-check.response.json")))

	got, err = w.do("dnc", "remove", string(fixture(t, "003-ujet-dnc-remove.request.json")))
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, `[{"phone_number":"1-415-111-1111","status":"removed"},{"phone_number":"1-415-222-2222","status":"not_listed"},
		{"phone_number":"1-415-333-333-3333","error":"phone_number is invalid","status":"failed"}]`)
	got, err = w.do("dnc", "check", string(ask.Query))
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, `{"phone_number":"1-415-111-1111","do_not_call":false}`)
}

func TestListedUntil(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "desk", newYork)
	if _, err := w.do("dnc", "add", `{"contacts":[{"phone_number":"`+newYork+`","expires_at":"2026-03-09T17:00:00Z"}]}`); err != nil {
		t.Fatal(err)
	}
	check := `{"phone_number":"(212) 867-5309"}` // as people write it at home
	if got, err := w.do("dnc", "check", check); err != nil || !strings.Contains(got, `"expired_at":"2026-03-09 17:00:00 +0000","do_not_call":true`) &&
		!strings.Contains(got, `"do_not_call":true,"expired_at":"2026-03-09 17:00:00 +0000"`) {
		t.Errorf("%s, %v", got, err)
	}
	w.pass(time.Hour)
	if got, err := w.do("dnc", "check", check); err != nil || !strings.Contains(got, `"do_not_call":false`) {
		t.Errorf("an hour later: %s, %v", got, err)
	}
	// What has lapsed is created anew, not updated.
	if got, err := w.do("dnc", "add", `{"contacts":[{"phone_number":"`+newYork+`"}]}`); err != nil || !strings.Contains(got, "created") {
		t.Errorf("%s, %v", got, err)
	}
}

func TestWhatTheListRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "desk", newYork)
	for body, says := range map[string]string{
		`{"contacts":[{"phone_number":"` + newYork + `","expires_at":"tomorrow"}]}`:                                 dncBadTime,
		`{"contacts":[{"phone_number":"` + newYork + `","expires_at":"2026-03-09 16:00:00 UTC"}]}`:                  dncPast,
		`{"contacts":[{"phone_number":"112"}]}`:                                                                     dncEmergency,
		`{"contacts":[{"phone_number":""}]}`:                                                                        dncInvalid,
		`{"contacts":[{"phone_number":"` + newYork + `","expires_at":"2027-01-01T00:00:00Z"}],"origin":"consumer"}`: dncLapses,
	} {
		got, err := w.do("dnc", "add", body)
		if err != nil || !strings.Contains(got, `"error":"`+says+`","status":"failed"`) {
			t.Errorf("%s: %s, %v", body, got, err)
		}
	}
	if len(w.list.facts) != 0 {
		t.Errorf("something is listed: %v", w.list.facts)
	}
	for verb, body := range map[string]string{"add": `{"contacts":[]}`, "remove": `{}`, "check": `{"phone_number":"sss"}`} {
		var e *api.Error
		if _, err := w.do("dnc", verb, body); !errors.As(err, &e) || e.Code != "400" {
			t.Errorf("%s %s: %v", verb, body, err)
		}
	}
	if _, err := w.do("dnc", "add", `{"contact":[]}`); err == nil {
		t.Error("a misspelt field was let through")
	}
}

func TestTheListHoldsNoNumberAndItsChangesAreOnRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "desk", newYork)
	if _, err := w.do("dnc", "add", `{"contacts":[{"phone_number":"`+newYork+`"}],"by":"boss"}`); err != nil {
		t.Fatal(err)
	}
	if _, err := w.do("dnc", "remove", `{"phone_numbers":["`+newYork+`"],"by":"boss"}`); err != nil {
		t.Fatal(err)
	}
	if len(w.ops) != 2 || w.ops[0].What != "dnc.add" || w.ops[1].What != "dnc.remove" || w.ops[0].By != "boss" {
		t.Errorf("%+v", w.ops)
	}
	raw, _ := json.Marshal([]any{w.ops, w.list.facts})
	if strings.Contains(string(raw), "8675309") {
		t.Error("the number is on record in clear")
	}
}

// One item that is not what it should be fails alone, and nothing of it is
// repeated.
func TestAnItemOfAWrongShapeFailsAlone(t *testing.T) {
	t.Parallel()
	for verb, lists := range map[string]struct{ body, good string }{
		"add":    {`{"contacts":[%s,{"phone_number":"` + newYork + `"}]}`, dncCreated},
		"remove": {`{"phone_numbers":[%s,"` + newYork + `"]}`, dncNotListed},
	} {
		for _, wrong := range []string{`12128675310`, `{"phone_number":12128675310}`, `{"phone_number":["12128675310"]}`, `[]`, `true`, `null`, `1e400`,
			`{"phone_number":"+12128675310","expires":"12128675310"}`, `{"12128675310":""}`,
			`{"phone_number":"+12128675310","phone_number":"+12128675311"}`} {
			w := newWorld(t, "desk", newYork)
			got, err := w.do("dnc", verb, fmt.Sprintf(lists.body, wrong))
			if err != nil || strings.Count(got, `"status":"failed"`) != 1 || !strings.Contains(got, `"error":"`+dncInvalid) ||
				!strings.Contains(got, lists.good) || strings.Contains(got, "2128675310") {
				t.Errorf("%s %s: %s, %v", verb, wrong, got, err)
			}
		}
	}
}

func TestARacingListIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "desk", newYork)
	w.list.race = 3
	if got, err := w.do("dnc", "add", `{"contacts":[{"phone_number":"`+newYork+`"}]}`); err != nil || !strings.Contains(got, "created") {
		t.Errorf("%s, %v", got, err)
	}
	w.list.race = 100
	if _, err := w.do("dnc", "add", `{"contacts":[{"phone_number":"`+newYork+`"}]}`); err == nil {
		t.Error("it says done, and nothing is stored")
	}
}

func TestAnOptOutReachesOpenCalls(t *testing.T) {
	t.Parallel()
	pass := func(w *world) {
		w.assign()
		w.say(events.Compliance, events.Passed, &events.CallPassed{Fence: 1, ValidUntil: noon.Add(time.Hour)})
	}
	dial := func(w *world) { pass(w); w.say(events.Dialer, events.Dialing, &events.CallDialing{Attempt: "a"}) }
	for state, tc := range map[string]struct {
		bring func(*world)
		fails bool
	}{
		"requested": {func(*world) {}, true},
		"waiting":   {func(w *world) { w.say(events.Orchestrator, events.Waiting, &events.CallWaiting{}) }, true},
		"assigned":  {func(w *world) { w.assign() }, true},
		"cleared":   {pass, true},
		"withheld":  {func(w *world) { pass(w); w.say(events.Dialer, events.Withheld, &events.CallWithheld{}) }, true},
		"failed":    {func(w *world) { w.assign(); w.say(events.Compliance, events.Failed, &events.CallFailed{}) }, false},
		"cancelling": {func(w *world) {
			w.say(events.Orchestrator, events.CancelRequested, &events.CallCancelRequested{})
		}, false},
		"dialing": {dial, false},
		"started": {func(w *world) { dial(w); w.say(events.Dialer, events.Started, &events.CallStarted{}) }, false},
		"closed":  {func(w *world) { w.say(events.Orchestrator, events.Closed, &events.CallClosed{}) }, false},
	} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "desk", newYork)
			tc.bring(w)
			if got := string(w.call().State); got != state {
				t.Fatalf("it is %s", got)
			}
			before := len(w.call().Log)
			w.request("other", "+12128675310") // somebody else's number
			w.follow()
			if _, err := w.do("dnc", "add", `{"contacts":[{"phone_number":"`+newYork+`"}]}`); err != nil {
				t.Fatal(err)
			}
			after := w.call().Log
			if tc.fails != (len(after) == before+1) {
				t.Errorf("the log grew from %d to %d", before, len(after))
			}
			if tc.fails {
				w.wantFailed(rules.DNCInternal, false, false)
			}
			if n := len(w.callOf("other").Log); n != 1 {
				t.Errorf("the other call has %d events", n)
			}
		})
	}
}

func TestComplianceCheck(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "desk", newYork)
	ask := func(body string) CheckAnswer {
		t.Helper()
		raw, err := w.do("compliance", "check", body)
		if err != nil {
			t.Fatal(err)
		}
		var a CheckAnswer
		if err := json.Unmarshal([]byte(raw), &a); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(raw, "8675309") {
			t.Errorf("the number is in the answer: %s", raw)
		}
		return a
	}
	if a := ask(`{"request":{"to":"` + newYork + `"}}`); !a.Allowed || a.Primary != rules.OK || a.ValidUntil == nil {
		t.Errorf("at noon: %+v", a)
	}
	if a := ask(`{"request":{"to":"` + newYork + `"},"at":"2026-03-09T06:00:00Z"}`); a.Allowed || a.NextAllowedAt == nil || a.ValidUntil != nil || !a.Evidence.At.Equal(time.Date(2026, 3, 9, 6, 0, 0, 0, time.UTC)) {
		t.Errorf("at night: %+v", a)
	}
	if a := ask(`{"request":{"to":"+81312345678"}}`); a.Allowed || a.Primary != rules.JurisdictionUnsupported {
		t.Errorf("abroad: %+v", a)
	}
	if a := ask(`{"request":{"to":"` + newYork + `","ruleset":"nobodys"}}`); a.Primary != rules.RulesetNotFound {
		t.Errorf("no such rule set: %+v", a)
	}
	if a := ask(`{"request":{"to":"` + newYork + `"},"connection":"abroad"}`); a.Primary != rules.RulesetNotFound {
		t.Errorf("a connection elsewhere, rules that nobody approved: %+v", a)
	}
	if a := ask(`{"request":{"to":"` + newYork + `","ruleset":"counsel"},"connection":"abroad"}`); !a.Allowed {
		t.Errorf("approved rules: %+v", a)
	}
	if a := ask(`{"request":{"to":"` + newYork + `"},"connection":"tcn"}`); a.Note == "" || w.p.prepares != 0 {
		t.Errorf("a dry run says what it leaves out, and touches nobody: %+v", a)
	}
	if a := ask(`{"request":{"to":"` + newYork + `","alternates":["` + newYork2 + `","` + premium + `"]},"connection":"lists"}`); !a.Allowed ||
		len(a.Evidence.Alternates) != 2 || !a.Evidence.Alternates[0].Allowed || a.Evidence.Alternates[1].Allowed {
		t.Errorf("each of the person's numbers: %+v", a)
	}
	if a := ask(`{"request":{"to":"` + newYork + `","options":{"scheduledAt":"2026-03-09T06:00:00Z"}},"connection":"lists"}`); a.Allowed {
		t.Errorf("a call that is to ring at night: %+v", a)
	}
	w.list.down = true
	if a := ask(`{"request":{"to":"` + newYork + `"}}`); a.Allowed || a.Primary != rules.DNCListUnavailable {
		t.Errorf("the list cannot be read: %+v", a)
	}
	for _, body := range []string{`{}`, `{"request":{}}`, `{"request":{"to":"x","frmo":"y"}}`, `{"request":[1]}`} {
		var e *api.Error
		if _, err := w.do("compliance", "check", body); !errors.As(err, &e) || e.Code != "400" {
			t.Errorf("%s: %v", body, err)
		}
	}
	if len(w.call().Log) != 1 || len(w.ops) != 0 {
		t.Error("a dry run left something on record")
	}
}

var _ providers.Preparer = (*company)(nil)
