package tcnsim_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/tcnsim"
)

// A desk is somebody who talks to the simulated TCN by hand.
type desk struct {
	t   *testing.T
	sim *sim.Simulator
	tcn *tcnsim.Company
	url string
}

func open(t *testing.T, o sim.Options, p tcnsim.Options) *desk {
	t.Helper()
	if o.Pace == 0 {
		o.Pace = time.Hour // nothing happens by itself
	}
	s, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, sim: s}
	if d.tcn, err = tcnsim.New(s, p); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(d.tcn)
	t.Cleanup(func() {
		_ = d.sim.Close() // first: what is silent must let go
		srv.Close()
	})
	d.url = srv.URL
	return d
}

var _ http.Handler = (*tcnsim.Company)(nil)

func paths() map[string]string {
	return map[string]string{
		tcnsim.OpAgent: "p3api/getcurrentagent", tcnsim.OpSettings: "p3api/gethuntgroupagentsettings",
		tcnsim.OpCountries: "org/countries/list/get", tcnsim.OpStatus: "acd/agentgetstatus",
		tcnsim.OpPrepare: "acd/dialmanualprepare", tcnsim.OpScrub: "callqueue/processmanualdialcall",
		tcnsim.OpCancel: "acd/dialmanualcancel", tcnsim.OpStart: "p3api/manualdialstart",
	}
}

func (d *desk) post(op, token string, body []byte) (int, []byte) {
	d.t.Helper()
	path := "/api/v0alpha/" + paths()[op]
	if op == tcnsim.OpSession {
		path = "/api/v1alpha1/asm/asmapi/getcurrentsession"
	}
	req, err := http.NewRequestWithContext(d.t.Context(), http.MethodPost, d.url+path, bytes.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return res.StatusCode, b
}

const token = "token-2098765"

// want posts and fails unless the status is as wanted; it returns the body.
func (d *desk) want(status int, op, body string) map[string]any {
	d.t.Helper()
	got, b := d.post(op, token, []byte(body))
	if got != status {
		d.t.Fatalf("%s: %d %s, want %d", op, got, b, status)
	}
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		d.t.Fatalf("%s: %s", op, b)
	}
	return out
}

func sample(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "000-tcn-"+name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const mySession = `{"sessionSid":"50006789"}`

// prepared brings the agent to MANUAL_DIAL_PREPARED.
func prepared(t *testing.T, p tcnsim.Options) *desk {
	t.Helper()
	p.PrepareStatus = true
	d := open(t, sim.Options{Seed: 1}, p)
	d.want(200, tcnsim.OpPrepare, mySession)
	return d
}

// scrubbed also runs the scrub, and gives the start that fits it.
func scrubbed(t *testing.T, p tcnsim.Options) (*desk, map[string]any) {
	t.Helper()
	d := prepared(t, p)
	call := d.want(200, tcnsim.OpScrub, sample(t, "07-process-compliance.filled.request.json"))["scrubbedCall"].(map[string]any)
	var start map[string]any
	if err := json.Unmarshal([]byte(sample(t, "09-start-manual-dial.filled.request.json")), &start); err != nil {
		t.Fatal(err)
	}
	data := start["simpleCallData"].(map[string]any)
	data["callSid"], data["taskGroupSid"] = call["callSid"], call["taskGroupSid"]
	return d, start
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTCNAnswersAsTheDocument(t *testing.T) {
	t.Parallel()
	d := open(t, sim.Options{}, tcnsim.Options{})
	for name, tc := range map[string]struct{ op, body, sample string }{
		"TCN-01": {tcnsim.OpAgent, `{}`, "01-get-current-agent.response.json"},
		"TCN-07": {tcnsim.OpSettings, `{"huntGroupSid":"1045678"}`, "02-get-hunt-group-settings.response.json"},
		"TCN-25": {tcnsim.OpSession, `{}`, "03-get-session.response.json"},
		"TCN-28": {tcnsim.OpCountries, `{}`, "04-list-countries.response.json"},
		"TCN-33": {tcnsim.OpStatus, mySession, "05-agent-status-ready.response.json"},
	} {
		got := d.want(200, tc.op, tc.body)
		var want map[string]any
		if err := json.Unmarshal([]byte(sample(t, tc.sample)), &want); err != nil {
			t.Fatal(err)
		}
		delete(got, "lastStatusChange") // the clock's
		delete(want, "lastStatusChange")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestTCNScrub(t *testing.T) {
	t.Parallel()
	for name, deny := range map[string][]string{
		"07-process-compliance.response.json": nil, "07-process-compliance-denied.response.json": {"isDnclScrubOk"},
	} {
		d := prepared(t, tcnsim.Options{})
		if err := d.sim.Script.Set(sim.Part{Number: "*", Deny: deny}); err != nil {
			t.Fatal(err)
		}
		got := d.want(200, tcnsim.OpScrub, sample(t, "07-process-compliance.filled.request.json"))["scrubbedCall"].(map[string]any)
		var want map[string]map[string]any
		if err := json.Unmarshal([]byte(sample(t, name)), &want); err != nil {
			t.Fatal(err)
		}
		for _, own := range []string{"callSid", "taskGroupSid"} {
			delete(got, own)
			delete(want["scrubbedCall"], own)
		}
		if diff := cmp.Diff(want["scrubbedCall"], got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestTCNIsStrict(t *testing.T) {
	t.Parallel()
	good := sample(t, "07-process-compliance.filled.request.json")
	for story, tc := range map[string]struct {
		status   int
		old, new string
	}{
		"as printed":                               {200, "", ""},
		"TCN-16: bare booleans":                    {200, `"doRecord": "true"`, `"doRecord": true`},
		"TCN-16: a boolean that is none":           {400, `"doRecord": "true"`, `"doRecord": "maybe"`},
		"TCN-15: the do-not-call scrub quoted":     {200, `"doDnclScrub": true`, `"doDnclScrub": "true"`},
		"TCN-55: Manual":                           {200, `"manual"`, `"Manual"`},
		"another kind of call":                     {400, `"manual"`, `"preview"`},
		"W7: the country code twice":               {400, `"4355551234"`, `"14355551234"`},
		"a number that is too short":               {400, `"4355551234"`, `"435555123"`},
		"another agent":                            {400, `"2098765"`, `"2098766"`},
		"TCN-42: milliseconds for seconds":         {400, `"1704150360"`, `"1704150360000"`},
		"TCN-05: a sid as a number":                {200, `"2000123"`, `2000123`},
		"TCN-23: metadata that is not a list":      {400, `"simpleMetaData": [`, `"simpleMetaData": 7, "x": [`},
		"TCN-63: comments are not JSON":            {400, `"call": {`, "\"call\": {\n// a comment\n"},
		"a country that is not on the list":        {400, `"countrySid": "1"`, `"countrySid": "99"`},
		"TCN-14: any rule set, even an empty name": {200, `"Default Compliance Ruleset"`, `""`},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			d := prepared(t, tcnsim.Options{})
			if tc.old != "" && !strings.Contains(good, tc.old) {
				t.Fatalf("the sample has no %s", tc.old)
			}
			d.want(tc.status, tcnsim.OpScrub, strings.Replace(good, tc.old, tc.new, 1))
		})
	}
	t.Run("TCN-46: no scrub before PREPARED", func(t *testing.T) {
		t.Parallel()
		open(t, sim.Options{}, tcnsim.Options{}).want(400, tcnsim.OpScrub, good)
	})
	t.Run("a stranger, and another method", func(t *testing.T) {
		t.Parallel()
		d := open(t, sim.Options{}, tcnsim.Options{})
		for _, bad := range []string{"", "token", token + "x"} {
			if status, _ := d.post(tcnsim.OpAgent, bad, []byte(`{}`)); status != 401 {
				t.Errorf("%q: %d", bad, status)
			}
		}
		res, err := http.Get(d.url + "/api/v0alpha/" + paths()[tcnsim.OpAgent])
		if err != nil || res.StatusCode == 200 {
			t.Fatalf("%v, %v", res, err)
		}
		_ = res.Body.Close()
	})
}

func TestTCNStart(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		status int
		change func(start, data map[string]any)
	}{
		"TCN-60: what was scrubbed": {200, func(_, _ map[string]any) {}},
		"TCN-62: with optional fields": {200, func(_, data map[string]any) {
			data["taskSid"], data["isDialValidationOk"], data["doDnclScrub"] = "0", true, "true"
		}},
		"TCN-49: another callSid":              {400, func(_, d map[string]any) { d["callSid"] = "1" }},
		"another task group":                   {400, func(_, d map[string]any) { d["taskGroupSid"] = "1" }},
		"TCN-68: another number":               {400, func(_, d map[string]any) { d["phoneNumber"] = "4355551235" }},
		"TCN-68: another start time":           {400, func(_, d map[string]any) { d["startTime"] = "1704150361" }},
		"TCN-68: other metadata":               {400, func(_, d map[string]any) { d["simpleMetaData"] = []any{} }},
		"TCN-61: another session":              {400, func(s, _ map[string]any) { s["agentSessionSid"] = "20003456" }},
		"TCN-03: a hunt group that was left":   {400, func(s, _ map[string]any) { s["huntGroupSid"] = "1" }},
		"recording otherwise than it was said": {400, func(_, d map[string]any) { d["doRecord"] = "false" }},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			d, start := scrubbed(t, tcnsim.Options{})
			tc.change(start, start["simpleCallData"].(map[string]any))
			d.want(tc.status, tcnsim.OpStart, text(t, start))
			want := 0
			if tc.status == 200 {
				want = 1
			}
			if n := d.sim.Ledger().Count(sim.Start, "2098765"); n != want {
				t.Errorf("it rang %d times", n)
			}
		})
	}
	t.Run("a second start of the same call is refused", func(t *testing.T) {
		t.Parallel()
		d, start := scrubbed(t, tcnsim.Options{})
		d.want(200, tcnsim.OpStart, text(t, start))
		d.want(400, tcnsim.OpStart, text(t, start))
		if n := d.sim.Ledger().Count(sim.Start, ""); n != 1 {
			t.Errorf("it rang %d times", n)
		}
	})
	t.Run("TCN-50: a call that was denied is not started", func(t *testing.T) {
		t.Parallel()
		d := prepared(t, tcnsim.Options{})
		if err := d.sim.Script.Set(sim.Part{Number: "+14355551234", Deny: []string{"isTimeZoneScrubOk"}}); err != nil {
			t.Fatal(err)
		}
		call := d.want(200, tcnsim.OpScrub, sample(t, "07-process-compliance.filled.request.json"))["scrubbedCall"].(map[string]any)
		start := strings.NewReplacer("234567890", call["callSid"].(string), "765432", call["taskGroupSid"].(string)).
			Replace(sample(t, "09-start-manual-dial.filled.request.json"))
		d.want(403, tcnsim.OpStart, start)
	})
	t.Run("TCN-63: the document's own text, comments and all", func(t *testing.T) {
		t.Parallel()
		raw := strings.NewReplacer("{{clientSid}}", "2000123", "{{defaultCountrySid}}", "1", "{{agentSid}}", "2098765",
			"{{startTime}}", "1704150360", "{{callerId}}", "8667451900", "{{callRecording}}", "true",
			"{{callerIdCountryCode}}", "1", "{{callerIdCountrySid}}", "1",
			"{{naturalComplianceRuleSetName}}", "Default Compliance Ruleset", "{{huntGroupSid}}", "1045678",
			"{{sessionSid}}", "50006789").Replace(sample(t, "09-start-manual-dial.request.raw"))
		for jsonc, status := range map[bool]int{false: 400, true: 200} {
			d, start := scrubbed(t, tcnsim.Options{JSONC: jsonc})
			data := start["simpleCallData"].(map[string]any)
			d.want(status, tcnsim.OpStart, strings.NewReplacer("{{callSid}}", data["callSid"].(string),
				"{{taskGroupSid}}", data["taskGroupSid"].(string)).Replace(raw))
		}
	})
	t.Run("no ledger, no dial", func(t *testing.T) {
		t.Parallel()
		d, start := scrubbed(t, tcnsim.Options{})
		if err := d.sim.Ledger().Close(); err != nil {
			t.Fatal(err)
		}
		d.want(500, tcnsim.OpStart, text(t, start))
		if got := d.want(200, tcnsim.OpStatus, mySession)["statusDesc"]; got != "MANUAL_DIAL_PREPARED" {
			t.Errorf("the agent is %v", got)
		}
	})
}
