package events

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events/fault"
)

// allowedMessages is the closed list of what a fault may say. Nothing of the
// input can be in a message that is on it.
func allowedMessages() map[string]bool {
	ok := map[string]bool{}
	for _, c := range FaultCodes() {
		ok[c.Code+"~"+c.Says] = true
	}
	for k := isNull; k <= isObject; k++ {
		ok[FaultWrongJSONType+"~"+sayWant(k)] = true
	}
	names := []string{"key", "value", "id", "on", "permission", "rule", "agent", "reason"}
	for name := range (&requestReader{}).requestFields() {
		names = append(names, name)
	}
	for _, name := range names {
		ok[FaultUnknownField+"~"+saysOf(FaultUnknownField)+"; did you mean "+name+"?"] = true
	}
	return ok
}

func TestFaultCodesAreDistinct(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range FaultCodes() {
		if seen[c.Code] || c.Says == "" {
			t.Errorf("%s is there twice, or says nothing", c.Code)
		}
		seen[c.Code] = true
	}
	purposes := strings.Join([]string{PurposeTelemarketing, PurposeDebt, PurposeInformational, PurposeResearch}, ", ")
	modes := strings.Join([]string{ModeManual, ModePreview, ModePredictive, ModePrerecorded}, ", ")
	if !strings.HasSuffix(saysOf(FaultBadPurpose), purposes) || !strings.HasSuffix(saysOf(FaultBadMode), modes) {
		t.Error("the messages name other values than the reader takes")
	}
}

// positionOf is where an unknown name stands; it is all that is said of it.
var positionOf = regexp.MustCompile(` \(name [0-9]+ of its object\)$`)

// checkFaults holds what must be true of any answer of ReadRequest.
func checkFaults(t *testing.T, in Intake, faults []Fault, data []byte) {
	allowed := allowedMessages()
	// encoding/json, which looks the pointers up, keeps the last of two.
	twice := slices.ContainsFunc(faults, func(f Fault) bool { return f.Code == FaultDuplicateKey || f.Code == FaultDuplicateAttribute })
	for _, f := range faults {
		if !allowed[f.Code+"~"+positionOf.ReplaceAllString(f.Message, "")] {
			t.Errorf("not on the list: %+v", f)
		}
		if !twice && !pointerFits(f.Pointer, data) {
			t.Errorf("%q points nowhere", f.Pointer)
		}
		for step := range strings.SplitSeq(strings.TrimPrefix(f.Pointer, "/ce-"), "/") {
			if _, err := strconv.Atoi(step); err != nil && step != "" && attrPointer(step) == "" && !mayRepeat(step) {
				t.Errorf("%q may hold somebody's name", f.Pointer)
			}
		}
	}
	if len(faults) > maxFaults+1 {
		t.Errorf("%d faults", len(faults))
	}
	if len(faults) > 0 {
		return
	}
	if len(in.Call) != 26 || in.Digest == "" || in.Source == "" || in.ID == "" || !in.ExpiresAt.After(in.NotBefore) && in.Request.NotBefore != nil {
		t.Errorf("taken in, but not whole: %+v", in)
	}
	body, err := json.Marshal(CallRequested{Request: in.Request})
	if err != nil {
		t.Fatalf("the request cannot be put on record: %v", err)
	}
	var back CallRequested
	if err := json.Unmarshal(body, &back); err != nil || back.Request.To != in.Request.To {
		t.Errorf("the record cannot be read: %v", err)
	}
}

// pointerFits reports whether a pointer leads to a value in the data, to a
// member missing from an object there, or to an attribute.
func pointerFits(ptr string, data []byte) bool {
	if ptr == "" || strings.HasPrefix(ptr, "/ce-") {
		return true
	}
	var at any
	if json.Unmarshal(data, &at) != nil {
		return false
	}
	steps := strings.Split(ptr, "/")[1:]
	for i, step := range steps {
		switch v := at.(type) {
		case map[string]any:
			next, has := v[step]
			if !has {
				return i == len(steps)-1
			}
			at = next
		case []any:
			n, err := strconv.Atoi(step)
			if err != nil || n < 0 || n >= len(v) {
				return false
			}
			at = v[n]
		default:
			return false
		}
	}
	return true
}

func FuzzReadRequest(f *testing.F) {
	for _, data := range []string{
		good, `{}`, ``, `[1]`, `{"to":"+12025550123","queue":"7","options":{"a":[{"b":null}]},"expiresAt":"2026-11-20T12:30:00Z"}`,
		`{"to":"+12025550123","to":"x","\ud800":1}`, `{"metadata":[{"key":"Name","value":"Jane"}],"huntGroup":"1045678","to":"+442071838750"}`,
		`{"specversion":"1.0","id":"42","source":"/crm","type":"io.outdial.dial.requested.v1","data":` + good + `}`,
		`{"datacontentencoding":"","specversion":"0.3"}`, "\xff", `{"overrides":[{}],"recording":{},"consent":{"ID":"x"}}`,
	} {
		f.Add("42", "/crm", "2026-11-20T11:59:59Z", "", []byte(data), byte(0))
		f.Add("", "", "", "2026-11-20T13:00:00Z", []byte(data), byte(1))
	}
	f.Fuzz(func(t *testing.T, id, source, at, expiry string, data []byte, mode byte) {
		h := requestHeader("ce-id", id, "ce-source", source, "ce-time", at, "ce-expirytime", expiry)
		body := data
		if mode%2 == 1 {
			h = Header{"Content-Type": {"application/cloudevents+json"}}
			var e map[string]json.RawMessage
			if json.Unmarshal(data, &e) == nil {
				body = e["data"]
				if e["data_base64"] != nil {
					_ = json.Unmarshal(e["data_base64"], &body)
				}
			}
		}
		in, faults, who := ReadRequest("dial.requests.acme", h, data, testContext())
		checkFaults(t, in, faults, body)
		again, faults2, who2 := ReadRequest("dial.requests.acme", h, data, testContext())
		if again.Call != in.Call || again.Digest != in.Digest || who != who2 || !slices.Equal(faults, faults2) {
			t.Error("two readings, two answers")
		}
		if len(who.ID) > 256 || len(who.Source) > 256 {
			t.Error("an identity without bounds")
		}
	})
}

func FuzzDecode(f *testing.F) {
	h, data, err := EncodeRecord(sampleRecord())
	if err != nil {
		f.Fatal(err)
	}
	f.Add("", h["ce-id"][0], h["ce-source"][0], "1.0", "ce-subject", "Euro%20%E2%82%AC", data)
	f.Add("application/cloudevents+json", "", "", "", "", "", []byte(`{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"a":1}}`))
	f.Add("application/cloudevents+json", "", "", "", "", "", []byte(`{"datacontentencoding":"","specversion":"0.3"}`))
	f.Add("", "", "", "", "", "", []byte(`{"specversion":"1.0","":1,"id":"1","source":"/s","type":"t","data_base64":"AAE="}`))
	f.Fuzz(func(t *testing.T, ct, id, source, version, key, value string, data []byte) {
		h := Header{"ce-type": {"t"}}
		for k, v := range map[string]string{"Content-Type": ct, "ce-id": id, "ce-source": source, "ce-specversion": version, key: value} {
			if v != "" {
				h[k] = []string{v}
			}
		}
		e, err := Decode(h, data)
		if err != nil {
			if fault.Of(err) != fault.Permanent || fault.Code(err) == "unclassified" {
				t.Errorf("unclassified: %v", err)
			}
			return
		}
		// What was read can be written, and reads the same.
		h2, data2, err := Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode(h2, data2)
		if err != nil || back.ID() != e.ID() || back.Source() != e.Source() || back.Subject() != e.Subject() || string(back.Data()) != string(e.Data()) {
			t.Errorf("%v\n%v\n%v", e, back, err)
		}
	})
}

func FuzzDecodeRecord(f *testing.F) {
	h, data, err := EncodeRecord(sampleRecord())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sampleRecord().Subject(), h["ce-type"][0], h["ce-source"][0], h["ce-subject"][0], h["ce-callsequence"][0], data)
	f.Add("append.agents.acme.7.bridge.ready", "io.outdial.agent.ready.v1", "/outdial/acme/bridge", "7", "", []byte(`{"state":{}}`))
	f.Add("calls.acme.k.orchestrator.dreaming", "t", "/s", "", "x", []byte(`[]`))
	f.Fuzz(func(t *testing.T, subject, typ, source, key, place string, data []byte) {
		h := Header{"ce-specversion": {"1.0"}, "ce-id": {"1"}, "ce-type": {typ}, "ce-source": {source},
			"ce-subject": {key}, "ce-callsequence": {place}, "ce-time": {noon.Format(time.RFC3339Nano)}}
		r, err := DecodeRecord(subject, h, data)
		if err != nil {
			if fault.Of(err) != fault.Permanent {
				t.Errorf("unclassified: %v", err)
			}
			_, _, _, role, name, ok := ParseLogSubject(subject)
			if _, known := Lookup(CallFamily, role, name); ok && !known && strings.HasPrefix(strings.TrimPrefix(subject, AppendPrefix), "calls.acme.k.") && !errors.Is(err, ErrUnknownEvent) {
				t.Errorf("an unknown event is not said to be one: %v", err)
			}
			return
		}
		if r.Subject() != strings.TrimPrefix(subject, AppendPrefix) || TypeOf(r.Family, r.Name) != typ || r.Body == nil {
			t.Errorf("%q was read as %+v", subject, r)
		}
		if _, _, err := EncodeRecord(r); err != nil {
			t.Errorf("what was read cannot be written: %v", err)
		}
	})
}
