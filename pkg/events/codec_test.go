package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/go-cmp/cmp"

	"github.com/outdial/outdial/pkg/events/fault"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 123456789, time.UTC)

func sampleRecord() Record {
	return Record{
		Family: CallFamily, Tenant: "acme", Key: "mzxw6ytboi4dsojqgyydanzqga", Role: Orchestrator, Name: Waiting,
		ID: "evt-2", Time: noon, Cause: "evt-1", Place: 2,
		TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		Body:        &CallWaiting{Common: Common{Number: Number{Token: "t", Masked: "+1******0100"}}, Reason: WaitWindow},
	}
}

func TestARecordIsWrittenAsTheDesignSays(t *testing.T) {
	t.Parallel()
	h, data, err := EncodeRecord(sampleRecord())
	if err != nil {
		t.Fatal(err)
	}
	want := Header{
		"ce-specversion":     {"1.0"},
		"ce-type":            {"io.outdial.call.waiting.v1"},
		"ce-source":          {"/outdial/acme/orchestrator"},
		"ce-subject":         {"mzxw6ytboi4dsojqgyydanzqga"},
		"ce-id":              {"evt-2"},
		"ce-time":            {"2026-11-20T12:00:00.123456789Z"},
		"ce-datacontenttype": {"application/json"},
		"ce-correlationid":   {"mzxw6ytboi4dsojqgyydanzqga"},
		"ce-partitionkey":    {"mzxw6ytboi4dsojqgyydanzqga"},
		"ce-causationid":     {"evt-1"},
		"ce-callsequence":    {"000002"},
		"ce-traceparent":     {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
	}
	if d := cmp.Diff(want, h); d != "" {
		t.Error(d)
	}
	if got := string(data); got != `{"number":{"token":"t","masked":"+1******0100"},"refs":{},"reason":"window"}` {
		t.Error(got)
	}
	for _, subject := range []string{sampleRecord().Subject(), AppendPrefix + sampleRecord().Subject()} {
		back, err := DecodeRecord(subject, h, data)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(sampleRecord(), back); d != "" {
			t.Error(d)
		}
	}
}

// Every event of both logs goes out and comes back as it was.
func TestEveryEventOfTheVocabularySurvives(t *testing.T) {
	t.Parallel()
	specs := append(CallSpecs(), AgentSpecs()...)
	if len(specs) < 40 {
		t.Fatal("the vocabulary has shrunk")
	}
	for _, s := range specs {
		r := sampleRecord()
		r.Family, r.Role, r.Name, r.Body = s.Family, s.Role, s.Name, s.New()
		h, data, err := EncodeRecord(r)
		if err != nil {
			t.Fatalf("%s: %v", s.Type(), err)
		}
		back, err := DecodeRecord(r.Subject(), h, data)
		if err != nil {
			t.Fatalf("%s: %v", s.Type(), err)
		}
		if d := cmp.Diff(r, back); d != "" {
			t.Errorf("%s: %s", s.Type(), d)
		}
	}
}

func TestRecordsThatMayNotBeWritten(t *testing.T) {
	t.Parallel()
	for story, spoil := range map[string]func(*Record){
		"compliance does not write dialing":   func(r *Record) { r.Role, r.Name = Compliance, Dialing },
		"the body of another event":           func(r *Record) { r.Body = &CallClosed{} },
		"no body":                             func(r *Record) { r.Body = nil },
		"a nil body":                          func(r *Record) { r.Body = (*CallWaiting)(nil) },
		"a key that would add a token":        func(r *Record) { r.Key = "a.b" },
		"a tenant that is a wildcard":         func(r *Record) { r.Tenant = ">" },
		"no id":                               func(r *Record) { r.ID = "" },
		"an id with a space":                  func(r *Record) { r.ID = "a b" },
		"an id with a percent sign":           func(r *Record) { r.ID = "a%20b" },
		"a cause with a quote":                func(r *Record) { r.Cause = `a"b` },
		"a trace that is not ASCII":           func(r *Record) { r.TraceParent = "é" },
		"no time":                             func(r *Record) { r.Time = time.Time{} },
		"a place before the first":            func(r *Record) { r.Place = -1 },
		"a place that would not sort as text": func(r *Record) { r.Place = 1000000 },
	} {
		r := sampleRecord()
		spoil(&r)
		if _, _, err := EncodeRecord(r); err == nil || fault.Of(err) != fault.Permanent {
			t.Errorf("%s: %v", story, err)
		}
	}
}

func TestStoredEventsThatAreNotBelieved(t *testing.T) {
	t.Parallel()
	good := sampleRecord().Subject()
	for story, tc := range map[string]struct {
		subject, key, value string
		is                  error
	}{
		"another version":             {good, "ce-type", "io.outdial.call.waiting.v2", ErrUnknownEvent},
		"another type":                {good, "ce-type", "io.outdial.call.closed.v1", ErrUnknownEvent},
		"an event nobody knows":       {"calls.acme.k.orchestrator.dreaming", "", "", ErrUnknownEvent},
		"a role nobody has":           {"calls.acme.k.poet.waiting", "", "", ErrUnknownEvent},
		"a source of another tenant":  {good, "ce-source", "/outdial/other/orchestrator", ErrContradiction},
		"a source of another role":    {good, "ce-source", "/outdial/acme/dialer", ErrContradiction},
		"the subject of another call": {good, "ce-subject", "other", ErrContradiction},
		"no subject":                  {good, "ce-subject", "", ErrContradiction},
		"another correlation":         {good, "ce-correlationid", "other", ErrContradiction},
		"another partition":           {good, "ce-partitionkey", "other", ErrContradiction},
		"a place that is no number":   {good, "ce-callsequence", "two", nil},
		"place zero":                  {good, "ce-callsequence", "000000", nil},
		"no time":                     {good, "ce-time", "", nil},
		"a time that is none":         {good, "ce-time", "yesterday", nil},
		"no id":                       {good, "ce-id", "", nil},
		"specversion 0.3":             {good, "ce-specversion", "0.3", nil},
		"data that is not JSON":       {good, "ce-datacontenttype", "text/plain", nil},
		"not a log":                   {"ops.acme.alarm", "", "", nil},
		"a wildcard for a call":       {"calls.acme.*.orchestrator.waiting", "", "", nil},
		"a token too many":            {good + ".x", "", "", nil},
	} {
		h, data, err := EncodeRecord(sampleRecord())
		if err != nil {
			t.Fatal(err)
		}
		if tc.key != "" {
			delete(h, tc.key)
			if tc.value != "" {
				h[tc.key] = []string{tc.value}
			}
		}
		_, err = DecodeRecord(tc.subject, h, data)
		if err == nil || fault.Of(err) != fault.Permanent || (tc.is != nil && !errors.Is(err, tc.is)) {
			t.Errorf("%s: %v", story, err)
		}
	}
}

func TestANewerWriterMayAddFields(t *testing.T) {
	t.Parallel()
	h, _, err := EncodeRecord(sampleRecord())
	if err != nil {
		t.Fatal(err)
	}
	h["ce-newextension"] = []string{"x"}
	r, err := DecodeRecord(sampleRecord().Subject(), h, []byte(`{"reason":"cap","mood":{"is":"good"}}`))
	if err != nil || r.Body.(*CallWaiting).Reason != WaitCap {
		t.Errorf("%+v, %v", r, err)
	}
}

// A provider's id in a request's options may be larger than a float can say.
func TestLongNumbersKeepTheirDigits(t *testing.T) {
	t.Parallel()
	r := sampleRecord()
	r.Name, r.Body = Requested, &CallRequested{Request: DialRequest{To: "+12025550123", Options: map[string]any{"ticketId": json.Number("12345678901234567891")}}}
	h, data, err := EncodeRecord(r)
	if err != nil {
		t.Fatal(err)
	}
	back, err := DecodeRecord(r.Subject(), h, data)
	if err != nil {
		t.Fatal(err)
	}
	if got := back.Body.(*CallRequested).Request.Options["ticketId"]; got != json.Number("12345678901234567891") {
		t.Errorf("%T %v", got, got)
	}
}

func TestDecodeReadsWhatOthersWrite(t *testing.T) {
	t.Parallel()
	const structured = `{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"Euro €","n":5,"data":{"a":1}}`
	binary := func(kv ...string) Header {
		h := Header{"ce-specversion": {"1.0"}, "ce-id": {"1"}, "ce-source": {"/s"}, "ce-type": {"t"}}
		for i := 0; i < len(kv); i += 2 {
			h[kv[i]] = []string{kv[i+1]}
		}
		return h
	}
	for story, tc := range map[string]struct {
		h             Header
		data, subject string
	}{
		"binary, percent-encoded":           {binary("ce-subject", "Euro%20%E2%82%AC"), `{"a":1}`, "Euro €"},
		"decoded once, not twice":           {binary("ce-subject", "100%2525"), `{"a":1}`, "100%25"},
		"a percent sign nobody encoded":     {binary("ce-subject", "100%"), `{"a":1}`, "100%"},
		"keys as HTTP writes them":          {Header{"CE-Specversion": {"1.0"}, "Ce-Id": {"1"}, "CE-Source": {"/s"}, "cE-tYpe": {"t"}}, `{"a":1}`, ""},
		"a bare content type":               {binary("content-type", "application/json; charset=utf-8"), `{"a":1}`, ""},
		"structured":                        {Header{"Content-Type": {"application/cloudevents+json"}}, structured, "Euro €"},
		"structured, with charset":          {Header{"content-type": {"Application/CloudEvents+JSON; charset=UTF-8"}}, structured, "Euro €"},
		"structured, without any header":    {nil, structured, "Euro €"},
		"structured, announced as any JSON": {Header{"content-type": {"application/json"}}, structured, "Euro €"},
	} {
		e, err := Decode(tc.h, []byte(tc.data))
		if err != nil || e.ID() != "1" || e.Source() != "/s" || e.Type() != "t" || e.Subject() != tc.subject || string(e.Data()) != `{"a":1}` {
			t.Errorf("%s: %v, %v", story, e, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	str := Header{"Content-Type": {"application/cloudevents+json"}}
	full := `"specversion":"1.0","id":"1","source":"/s","type":"t"`
	for story, tc := range map[string]struct {
		h    Header
		data string
	}{
		"nothing":                          {nil, ""},
		"JSON that is no event":            {nil, `{"to":"+1"}`},
		"a batch":                          {Header{"Content-Type": {"application/cloudevents-batch+json"}}, `[]`},
		"an attribute in two cases":        {Header{"ce-specversion": {"1.0"}, "ce-id": {"1"}, "CE-ID": {"2"}, "ce-source": {"/s"}, "ce-type": {"t"}}, ""},
		"an attribute with two values":     {Header{"ce-specversion": {"1.0"}, "ce-id": {"1", "2"}, "ce-source": {"/s"}, "ce-type": {"t"}}, ""},
		"a value that is not UTF-8":        {Header{"ce-specversion": {"1.0"}, "ce-id": {"%ff"}, "ce-source": {"/s"}, "ce-type": {"t"}}, ""},
		"a name with a dash":               {Header{"ce-specversion": {"1.0"}, "ce-id": {"1"}, "ce-a-b": {"1"}, "ce-source": {"/s"}, "ce-type": {"t"}}, ""},
		"an array":                         {str, `[]`},
		"half an object":                   {str, `{"specversion":"1.0"`},
		"something after the object":       {str, `{` + full + `}{}`},
		"an attribute that is an object":   {str, `{` + full + `,"ext":{}}`},
		"an attribute that is a fraction":  {str, `{` + full + `,"ext":1.5}`},
		"an attribute twice":               {str, `{` + full + `,"id":"2"}`},
		"an upper-case attribute":          {str, `{` + full + `,"ID2":"2"}`},
		"an empty name hides the rest":     {str, `{"":1,` + full + `}`},
		"data in two forms":                {str, `{` + full + `,"data":1,"data_base64":"AA=="}`},
		"base64 that is none":              {str, `{` + full + `,"data_base64":"§"}`},
		"text that is no string":           {str, `{` + full + `,"datacontenttype":"text/plain","data":1}`},
		"0.3, which would panic the SDK":   {str, `{"datacontentencoding":"","specversion":"0.3","id":"1","source":"/s","type":"t"}`},
		"no type":                          {str, `{"specversion":"1.0","id":"1","source":"/s"}`},
		"an id of blanks":                  {str, `{"specversion":"1.0","id":"  ","source":"/s","type":"t"}`},
		"a source that is no URI":          {str, `{"specversion":"1.0","id":"1","source":":","type":"t"}`},
		"bytes that are not UTF-8":         {str, "{" + full + ",\"x\":\"\xff\"}"},
		"a media type that is none":        {str, `{` + full + `,"datacontenttype":"/"}`},
		"a time with a comma for a second": {str, `{` + full + `,"time":"2026-13-01T00:00:00Z"}`},
	} {
		if e, err := Decode(tc.h, []byte(tc.data)); err == nil || fault.Of(err) != fault.Permanent {
			t.Errorf("%s: %v, %v", story, e, err)
		}
	}
}

func TestStructuredKeepsBytesThatAreNoText(t *testing.T) {
	t.Parallel()
	e := event.New()
	e.SetID("1")
	e.SetSource("/s")
	e.SetType("t")
	e.SetDataContentType("application/octet-stream")
	e.DataEncoded = []byte{0xff, 0, 1}
	h, data, err := EncodeStructured(e)
	if err != nil {
		t.Fatal(err)
	}
	back, err := Decode(h, data)
	if err != nil || !bytes.Equal(back.Data(), e.Data()) {
		t.Errorf("%v, %v", back, err)
	}
	if again, err := Decode(h, data); err != nil || !again.DataBase64 {
		t.Errorf("bytes have become text: %v, %v", again, err)
	}
	e.SetDataContentType("application/json")
	e.DataBase64 = false
	if _, _, err := EncodeStructured(e); err == nil {
		t.Error("broken JSON went into the envelope")
	}
}

// foreign is a header as nobody here writes it.
func foreign(h Header) Header {
	other := maps.Clone(h)
	other["CE-ID"] = other["ce-id"]
	delete(other, "ce-id")
	return other
}

func TestPlainEvents(t *testing.T) {
	t.Parallel()
	want := Ops{Event: "alarm", Service: "dialer", Tenant: "acme", What: "orphan", At: noon}
	h, data, err := EncodePlain(TypeOps, SourceOf("acme", Dialer), "", "o1", noon, want)
	if err != nil {
		t.Fatal(err)
	}
	for _, header := range []Header{h, foreign(h)} {
		got, id, err := DecodeBody[Ops](header, data, TypeOps)
		if d := cmp.Diff(want, got); err != nil || d != "" || id != "o1" {
			t.Errorf("%v, %q: %s", err, id, d)
		}
	}
	if _, _, err := DecodeBody[Fact](h, data, TypeFact); !errors.Is(err, ErrUnknownEvent) {
		t.Errorf("an alarm was read as a fact: %v", err)
	}
	for _, bad := range [][4]string{{"", "/s", "", "1"}, {"t", "", "", "1"}, {"t", "/s", "", ""}, {"t", "/s", "a b", "1"}, {"t", ":", "", "1"}} {
		if _, _, err := EncodePlain(bad[0], bad[1], bad[2], bad[3], noon, want); err == nil {
			t.Errorf("%q was written", bad)
		}
	}
	if _, _, err := EncodePlain(TypeOps, "/s", "", "1", noon, func() {}); err == nil {
		t.Error("a function was written")
	}
}
