package tcn

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/outdial/outdial/pkg/events"
)

// The whole verdict must be a clear yes: one that is missing, null, empty or
// unreadable is a no, also where the connection trusts the whole over its parts.
func TestOnlyAClearWholeYesIsAYes(t *testing.T) {
	t.Parallel()
	for _, trust := range []bool{false, true} {
		for value, ok := range map[string]bool{
			`,"isDialValidationOk":true`: true, `,"isDialValidationOk":"TRUE"`: true,
			``: false, `,"isDialValidationOk":null`: false, `,"isDialValidationOk":""`: false, `,"isDialValidationOk":"maybe"`: false,
			`,"isDialValidationOk":{}`: false, `,"isDialValidationOk":false`: false, `,"isDialValidationOK ":true`: false,
		} {
			s, err := scrubbed(t, trust, `"isTimeZoneScrubOk":true,"isCellPhoneScrubOk":true,"isCustomCallingRulesScrubOk":true,"isDnclScrubOk":true,"isNaturalComplianceOk":true`+value)
			if err != nil || s.OK != ok {
				t.Errorf("trust %v, %q: ok is %v, %v", trust, value, s.OK, err)
			}
			if (s.State[events.VerdictPrefix+VerdictValidation] == VerdictOK) != ok {
				t.Errorf("trust %v, %q: the verdict is %s", trust, value, s.State[events.VerdictPrefix+VerdictValidation])
			}
		}
	}
}

// Only a clear no is told as a no. The rest of what is no yes counts as one,
// but is told as missing.
func TestAVerdictIsRefusedOnlyByAClearNo(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		`true`: VerdictOK, `1`: VerdictOK, `false`: VerdictRefused, `"False"`: VerdictRefused, `0`: VerdictRefused, `"0"`: VerdictRefused,
		`null`: VerdictMissing, `""`: VerdictMissing, `" "`: VerdictMissing, `"maybe"`: VerdictMissing, `{}`: VerdictMissing, `[false]`: VerdictMissing,
	} {
		s, err := scrubbed(t, false, `"isDialValidationOk":true,"isDnclScrubOk":`+value+`,"isTimeZoneScrubOk":true,"isCustomCallingRulesScrubOk":true,"isNaturalComplianceOk":true`)
		if err != nil || s.State[events.VerdictPrefix+VerdictDNC] != want || s.OK != (want == VerdictOK) {
			t.Errorf("%s is %s, ok %v, %v; want %s", value, s.State[events.VerdictPrefix+VerdictDNC], s.OK, err, want)
		}
	}
	for value, want := range map[string]string{`true`: VerdictNotRun, `null`: VerdictNotRun, `false`: VerdictRefused, `""`: VerdictMissing, `{}`: VerdictMissing} {
		s, err := scrubbed(t, false, `"isDialValidationOk":true,"isDnclScrubOk":true,"isCustomCallingRulesScrubOk":true,"isNaturalComplianceOk":true,"isCellPhoneScrubOk":`+value)
		if err != nil || s.State[events.VerdictPrefix+VerdictCell] != want || s.OK != (want == VerdictNotRun) {
			t.Errorf("a scrub that was not asked for says %s: %s, ok %v, %v; want %s", value, s.State[events.VerdictPrefix+VerdictCell], s.OK, err, want)
		}
	}
}

// scrubbed judges an answer with these verdicts; cell phones and hours were not
// asked about.
func scrubbed(t *testing.T, trust bool, verdicts string) (events.Scrub, error) {
	t.Helper()
	var out scrubAnswer
	if err := json.Unmarshal(fmt.Appendf(nil, `{"scrubbedCall":{"callSid":"1","taskGroupSid":"2",%s}}`, verdicts), &out); err != nil {
		t.Fatal(err)
	}
	return (&Client{cfg: Config{TrustValidation: trust}}).judge(out, plan{})
}

// TCN's silence is not its no: only what it said may be told as the registry's,
// the clock's or a rule's answer. What it did not say is told by the verdict's
// own name.
func TestSilenceIsNotToldAsAnAnswer(t *testing.T) {
	t.Parallel()
	said := map[string]string{
		VerdictDNC: "DNC_NATIONAL", VerdictCell: "LINE_TYPE_WIRELESS_BLOCKED", VerdictHours: "TIME_AMBIGUOUS_ZONE",
		VerdictRules: "CUSTOM_RULE_DENIED", VerdictNatural: "NATURAL_RULE_DENIED", VerdictValidation: scrubDenied,
	}
	all := map[string]string{}
	for name, code := range said {
		for answer, want := range map[string]string{VerdictRefused: code, VerdictMissing: scrubDenied} {
			got := reasons(map[string]string{name: answer})
			if len(got) != 1 || got[0].Code != want || got[0].Detail != name+": "+answer {
				t.Errorf("%s is %s: %+v, want %s", name, answer, got, want)
			}
		}
		for _, content := range []string{VerdictOK, VerdictNotRun} {
			got := reasons(map[string]string{name: content})
			if len(got) != 1 || got[0].Code != scrubDenied {
				t.Errorf("%s is %s, and yet the scrub says no: %+v", name, content, got)
			}
		}
		all[name] = VerdictMissing
	}
	got := reasons(all)
	if len(got) != len(said) || slices.ContainsFunc(got, func(r events.Reason) bool { return r.Code != scrubDenied }) {
		t.Errorf("%d silences are told as %+v", len(said), got)
	}
}

// The whole no stands beside a partial one only if it adds something.
func TestTheWholeNoIsToldOnce(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct{ whole, part, want string }{
		"a partial no explains the whole one": {VerdictRefused, VerdictRefused, "DNC_NATIONAL"},
		"the whole one is all there is":       {VerdictRefused, VerdictOK, scrubDenied},
		"no whole verdict, a partial no":      {VerdictMissing, VerdictRefused, "DNC_NATIONAL " + scrubDenied},
		"no whole verdict, a partial silence": {VerdictMissing, VerdictMissing, scrubDenied + " " + scrubDenied},
	} {
		var codes []string
		for _, r := range reasons(map[string]string{VerdictValidation: tc.whole, VerdictDNC: tc.part}) {
			codes = append(codes, r.Code)
		}
		if got := strings.Join(codes, " "); got != tc.want {
			t.Errorf("%s: %s, want %s", story, got, tc.want)
		}
	}
}
