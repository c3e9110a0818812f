package events_test

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/outdial/outdial/pkg/events"
)

// A pass is named by the hash of its body: what an earlier version wrote must be
// read, and written again byte for byte.
func TestAScrubOfTheFormerFormIsReadAndStaysAsItWas(t *testing.T) {
	t.Parallel()
	const former = `{"ok":true,"verdicts":{"dnc":"ok","validation":"ok"},"callSid":"123456789","taskGroupSid":"765432","startTime":"1795194002","settings":{"callerId":"8667451900","sessionSid":"42"}}`
	var s events.Scrub
	if err := json.Unmarshal([]byte(former), &s); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"callSid": "123456789", "taskGroupSid": "765432", "startTime": "1795194002", "callerId": "8667451900",
		"sessionSid": "42", events.VerdictPrefix + "dnc": "ok", events.VerdictPrefix + "validation": "ok"}
	if !s.OK || !maps.Equal(s.State, want) {
		t.Errorf("read as %+v", s)
	}
	body := events.CallPassed{Scrub: &s}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	var again events.CallPassed
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if got, err := json.Marshal(again.Scrub); err != nil || string(got) != former {
		t.Errorf("written again as %s, %v", got, err)
	}
}

func TestAScrubIsReadAsItIsWritten(t *testing.T) {
	t.Parallel()
	for _, s := range []events.Scrub{
		{}, {OK: true, State: map[string]string{"callSid": "1"}},
		{Reasons: []events.Reason{{Code: "DNC_NATIONAL", Detail: "dnc: refused"}}},
	} {
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var got events.Scrub
		if err := json.Unmarshal(text, &got); err != nil || got.OK != s.OK || len(got.Reasons) != len(s.Reasons) || !maps.Equal(got.State, s.State) {
			t.Errorf("%s is read as %+v, %v", text, got, err)
		}
	}
}
