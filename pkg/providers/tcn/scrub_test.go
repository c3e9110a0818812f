package tcn

import (
	"encoding/json"
	"fmt"
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
			if (s.Verdicts[VerdictValidation] == VerdictOK) != ok {
				t.Errorf("trust %v, %q: the verdict is %s", trust, value, s.Verdicts[VerdictValidation])
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
		if err != nil || s.Verdicts[VerdictDNC] != want || s.OK != (want == VerdictOK) {
			t.Errorf("%s is %s, ok %v, %v; want %s", value, s.Verdicts[VerdictDNC], s.OK, err, want)
		}
	}
	for value, want := range map[string]string{`true`: VerdictNotRun, `null`: VerdictNotRun, `false`: VerdictRefused, `""`: VerdictMissing, `{}`: VerdictMissing} {
		s, err := scrubbed(t, false, `"isDialValidationOk":true,"isDnclScrubOk":true,"isCustomCallingRulesScrubOk":true,"isNaturalComplianceOk":true,"isCellPhoneScrubOk":`+value)
		if err != nil || s.Verdicts[VerdictCell] != want || s.OK != (want == VerdictNotRun) {
			t.Errorf("a scrub that was not asked for says %s: %s, ok %v, %v; want %s", value, s.Verdicts[VerdictCell], s.OK, err, want)
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
