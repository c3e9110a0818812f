package events

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTheVocabularyIsWhatIsRead(t *testing.T) {
	t.Parallel()
	for name := range maps.Keys((&requestReader{}).requestFields()) {
		if !slices.Contains(vocabulary(), name) {
			t.Errorf("%s is not in it", name)
		}
	}
	// Below the fields: everything that is read anywhere has its own pointer.
	const all = `{"metadata":[{"key":"","value":1}],"consent":{"id":1},"recording":{"on":1,"permission":1},"overrides":[{"rule":1,"agent":1,"reason":1}]}`
	_, faults, _ := ReadRequest(RequestSubject("acme"), requestHeader(), []byte(all), RequestContext{Tenant: "acme", Now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)})
	for _, want := range []string{"/metadata/0/key", "/metadata/0/value", "/consent/id", "/recording/on", "/recording/permission", "/overrides/0/rule", "/overrides/0/agent", "/overrides/0/reason"} {
		if !slices.ContainsFunc(faults, func(f Fault) bool { return f.Pointer == want }) {
			t.Errorf("no fault at %s: %v", want, faults)
		}
	}
}

// A member's name may be somebody's name or number, wherever it stands.
func TestAStrangersNameIsNotRepeated(t *testing.T) {
	t.Parallel()
	long := `"` + strings.Repeat("x", 2000) + `"`
	for story, tc := range map[string]struct{ header, value string }{
		"a name":                    {"Jane-Canary", "1"},
		"a first name":              {"Jane", "1"},
		"a surname near a field":    {"Keller", "1"},
		"another":                   {"Hoffer", "1"},
		"a name near a long field":  {"Constant", "1"},
		"a short one":               {"Jo", "1"},
		"a field and a name":        {"agentJane", "1"},
		"a field and a number":      {"to2125550142", "1"},
		"an account":                {"ABC1234", "1"},
		"an underscored name":       {"jane_canary", "1"},
		"a number":                  {"+12125550142", "1"},
		"a local number":            {"555-0142", "1"},
		"an address":                {"jane@example.com", "1"},
		"a name with too long text": {"Jane-Canary", long},
		"a name with a deep value":  {"Jane-Canary", strings.Repeat("[", 20) + strings.Repeat("]", 20)},
		"a name twice":              {"Jane-Canary", `1,"Jane-Canary":2`},
	} {
		for where, body := range map[string]string{
			"at the top":      `{"to":"+14355551234","agent":"ann","%s":%v}`,
			"in the metadata": `{"to":"+14355551234","agent":"ann","metadata":[{"key":"a","value":"b","%s":%v}]}`,
			"in the consent":  `{"to":"+14355551234","agent":"ann","consent":{"id":"1","%s":%v}}`,
			"in the options":  `{"to":"+14355551234","agent":"ann","options":{"deep":{"%s":[%v,` + long + `]}}}`,
			"nothing but it":  `{"%s":%v}`,
		} {
			body = strings.Replace(strings.Replace(body, "%s", tc.header, 1), "%v", tc.value, 1)
			_, faults, _ := ReadRequest(RequestSubject("acme"), requestHeader(), []byte(body), RequestContext{Tenant: "acme", Now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)})
			if len(faults) == 0 {
				t.Errorf("%s, %s: no fault", story, where)
			}
			for _, f := range faults {
				if strings.Contains(f.Pointer+f.Message, tc.header) {
					t.Errorf("%s, %s: %+v repeats it", story, where, f)
				}
			}
		}
	}
	for _, name := range []string{"jane", "janecanary", "x2125550142", "canary"} {
		for _, h := range []Header{requestHeader("ce-"+name, "%ff"), requestHeader("ce-"+name, strings.Repeat("x", 2000)), requestHeader("CE-"+name, "1", "ce-"+name, "2")} {
			_, faults, _ := ReadRequest(RequestSubject("acme"), h, []byte(`{"to":"+14355551234","agent":"ann"}`), RequestContext{Tenant: "acme", Now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)})
			if len(faults) == 0 {
				t.Errorf("attribute %s: no fault", name)
			}
			for _, f := range faults {
				if strings.Contains(f.Pointer+f.Message, name) {
					t.Errorf("attribute %s: %+v repeats it", name, f)
				}
			}
		}
	}
}

// What can only be a slip is named, so that its author finds it.
func TestASlipIsNamed(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"prioritty": "/prioritty priority", "hunt_group": "/hunt_group huntGroup", "HuntGroup": "/HuntGroup huntGroup", "Agent": "/Agent agent",
		"campain": "/campain campaign", "postal-code": "/postal-code postalCode", "metdata": "/metdata metadata",
		"agnet": " agent", "sellr": " seller", "Keller": " seller", "colour": " name 3",
	} {
		body := `{"to":"+14355551234","agent":"ann","` + name + `":1}`
		_, faults, _ := ReadRequest(RequestSubject("acme"), requestHeader(), []byte(body), RequestContext{Tenant: "acme", Now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)})
		pointer, says, _ := strings.Cut(want, " ")
		if len(faults) != 1 || faults[0].Pointer != pointer || !strings.Contains(faults[0].Message, says) {
			t.Errorf("%s: %+v, want %s", name, faults, want)
		}
	}
}
