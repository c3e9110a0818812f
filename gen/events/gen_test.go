package gen

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/outdial/outdial/pkg/events"
)

const root = "../.."

func files(t *testing.T) map[string][]byte {
	t.Helper()
	out, err := Files(root)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestThePrintedFilesAreCurrent(t *testing.T) {
	t.Parallel()
	printed := files(t)
	if len(printed) < 50 {
		t.Fatalf("only %d files are printed", len(printed))
	}
	for name, want := range printed {
		got, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what eventsgen prints now (%v): run go run ./cmd/eventsgen in pkg/events", name, err)
		}
	}
	stale, err := Stale(root, printed)
	if err != nil || len(stale) > 0 {
		t.Errorf("schemas of events that are no more: %v, %v", stale, err)
	}
}

func TestPrintingTwiceGivesTheSame(t *testing.T) {
	t.Parallel()
	a, b := files(t), files(t)
	for name := range a {
		if !bytes.Equal(a[name], b[name]) {
			t.Errorf("%s differs from one run to the next", name)
		}
	}
}

func parse(t *testing.T, data []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func compile(t *testing.T, url string, doc any) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(url, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(url)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Every sample fits its schema, and so does a sample with a field more; one
// with a required field less does not.
func TestSamplesFitTheirSchemas(t *testing.T) {
	t.Parallel()
	printed := files(t)
	for _, e := range Entries() {
		schema := compile(t, "mem:///"+e.Type, parse(t, printed[schemaDir+"/"+e.Type+".schema.json"]))
		data, err := json.Marshal(e.Sample)
		if err != nil {
			t.Fatal(err)
		}
		sample := parse(t, data).(map[string]any)
		if err := schema.Validate(sample); err != nil {
			t.Errorf("%s: %v", e.Type, err)
		}
		sample["fieldOfTheFuture"] = []any{1}
		if err := schema.Validate(sample); err != nil {
			t.Errorf("%s does not tolerate a new field: %v", e.Type, err)
		}
		if len(schema.Required) == 0 {
			t.Errorf("%s requires nothing", e.Type)
			continue
		}
		delete(sample, schema.Required[0])
		if schema.Validate(sample) == nil {
			t.Errorf("%s does not miss %s", e.Type, schema.Required[0])
		}
	}
}

// An empty body as Go writes it must fit as well: services fill in what they
// know.
func TestEmptyBodiesFit(t *testing.T) {
	t.Parallel()
	printed := files(t)
	for _, e := range Entries() {
		if e.Type == events.TypeDialRequested {
			continue // an empty request is a fault
		}
		schema := compile(t, "mem:///"+e.Type, parse(t, printed[schemaDir+"/"+e.Type+".schema.json"]))
		data, err := json.Marshal(e.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(parse(t, data)); err != nil {
			t.Errorf("%s: %v", e.Type, err)
		}
	}
}

// The schema of the request and the reader agree, where a schema can say it.
func TestTheRequestSchemaAgreesWithTheReader(t *testing.T) {
	t.Parallel()
	schema := compile(t, "mem:///request", parse(t, files(t)[schemaDir+"/"+events.TypeDialRequested+".schema.json"]))
	now := time.Date(2026, 11, 20, 17, 0, 0, 0, time.UTC)
	h := events.Header{"ce-specversion": {"1.0"}, "ce-id": {"1"}, "ce-source": {"/crm"}, "ce-type": {events.TypeDialRequested}}
	for data, want := range map[string]bool{
		`{"to":"+12025550123","agent":"7"}`:                                          true,
		`{"to":"+12025550123","huntGroup":"7","priority":9}`:                         true,
		`{"to":"+12025550123","queue":"a menu","metadata":[{"key":"a","value":""}]}`: true,
		`{"to":"+12025550123","agent":"7","options":{"a":[null]}}`:                   true,
		`{"to":"+12025550123","agent":"7","notBefore":"2026-11-20T18:00:00Z"}`:       true,
		`{"agent":"7"}`:         false,
		`{"to":"+12025550123"}`: false,
		`{"to":"+12025550123","agent":"7","queue":"8"}`:                         false,
		`{"to":"12025550123","agent":"7"}`:                                      false,
		`{"to":12025550123,"agent":"7"}`:                                        false,
		`{"to":null,"agent":"7"}`:                                               false,
		`{"to":"+12025550123","agent":""}`:                                      false,
		`{"to":"+12025550123","agent":"7","alternates":["x"]}`:                  false,
		`{"to":"+12025550123","agent":"7","alternates":null}`:                   false,
		`{"to":"+12025550123","agent":"7","priority":10}`:                       false,
		`{"to":"+12025550123","agent":"7","purpose":"fun"}`:                     false,
		`{"to":"+12025550123","agent":"7","mode":""}`:                           false,
		`{"to":"+12025550123","agent":"7","mode":"preview"}`:                    true,
		`{"to":"+12025550123","agent":"7","mode":"predictive"}`:                 false,
		`{"to":"+12025550123","agent":"7","mode":"prerecorded"}`:                false,
		`{"to":"+12025550123","agent":"7","campaign":"a.b"}`:                    false,
		`{"to":"+12025550123","agent":"7","consent":{}}`:                        false,
		`{"to":"+12025550123","agent":"7","metadata":[{"key":"","value":"b"}]}`: false,
		`{"to":"+12025550123","agent":"7","metadata":{"a":"b"}}`:                false,
		`{"to":"+12025550123","agent":"7","recording":{"permission":"both"}}`:   false,
		`{"to":"+12025550123","agent":"7","overrides":[{"rule":"cap"}]}`:        false,
		`{"to":"+12025550123","agent":"7","expiresAt":"soon"}`:                  false,
		`{"to":"+12025550123","agent":"7","options":[]}`:                        false,
		`[]`: false,
	} {
		_, faults, _ := events.ReadRequest("dial.requests.acme", h, []byte(data), events.RequestContext{Tenant: "acme", Now: now})
		err := schema.Validate(parse(t, []byte(data)))
		if (err == nil) != want || (len(faults) == 0) != want {
			t.Errorf("%s: schema says %v, reader says %v", data, err, faults)
		}
	}
}

func TestTheTableOfRequestFieldsIsWhole(t *testing.T) {
	t.Parallel()
	table := requestFields()
	for _, name := range fieldOrder(reflect.TypeFor[events.DialRequest]()) {
		if table[name].says == "" || table[name].typ == "" {
			t.Errorf("%s is not described", name)
		}
		delete(table, name)
	}
	if len(table) > 0 {
		t.Errorf("described, but no fields: %v", table)
	}
}

// AsyncAPI's own schema has the word on the document.
func TestTheAsyncAPIDocumentIsValid(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../pkg/events/testdata/asyncapi-3.0.0.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	schema := compile(t, "http://asyncapi.com/definitions/3.0.0/asyncapi.json", parse(t, data))
	doc := parse(t, files(t)[asyncFile]).(map[string]any)
	if err := schema.Validate(doc); err != nil {
		t.Fatal(err)
	}
	doc["channels"].(map[string]any)["calls"].(map[string]any)["adress"] = "x"
	if schema.Validate(doc) == nil {
		t.Error("the schema lets a misspelt key pass: it checks nothing")
	}
}

// The examples in the document fit the schemas in the document, and every
// reference leads somewhere.
func TestTheAsyncAPIExamplesFit(t *testing.T) {
	t.Parallel()
	doc := parse(t, files(t)[asyncFile]).(map[string]any)
	components := doc["components"].(map[string]any)
	schemas, messages := components["schemas"].(map[string]any), components["messages"].(map[string]any)
	types := map[string]bool{}
	for _, e := range Entries() {
		types[e.Type] = true
	}
	if len(messages) != len(types) {
		t.Errorf("%d messages for %d events", len(messages), len(types))
	}
	for typ, m := range messages {
		m := m.(map[string]any)
		for _, part := range []string{"headers", "payload"} {
			to := m[part].(map[string]any)["$ref"].(string)
			schema := schemas[strings.TrimPrefix(to, "#/components/schemas/")]
			if schema == nil {
				t.Fatalf("%s leads nowhere", to)
			}
			for _, x := range m["examples"].([]any) {
				if err := compile(t, "mem:///"+typ+part, schema).Validate(x.(map[string]any)[part]); err != nil {
					t.Errorf("%s %s: %v", typ, part, err)
				}
			}
		}
	}
	in := map[string]bool{}
	for key, c := range doc["channels"].(map[string]any) {
		for name := range c.(map[string]any)["messages"].(map[string]any) {
			in[name] = true
		}
		if !strings.Contains(string(mustJSON(t, doc["operations"])), `"#/channels/`+key+`"`) {
			t.Errorf("nobody uses channel %s", key)
		}
	}
	for typ := range messages {
		if !in[typ] {
			t.Errorf("%s is on no channel", typ)
		}
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Every stream of the code is in the subject table, and every row of the
// AsyncAPI document is.
func TestTheSubjectTableIsWhole(t *testing.T) {
	t.Parallel()
	var streams, subjects []string
	for _, r := range events.SubjectTable() {
		streams, subjects = append(streams, r.Stream), append(subjects, r.Subjects)
	}
	for _, s := range []string{
		events.RequestStream("<tenant>"), events.StreamCalls, events.StreamAgents, events.StreamProvider,
		events.StreamFacts, events.StreamControl, events.StreamOps, events.StreamRejected,
	} {
		if !slices.Contains(streams, s) {
			t.Errorf("stream %s is not in the table", s)
		}
	}
	for _, s := range []string{
		events.RequestSubject("<tenant>"), events.LogSubject(events.CallFamily, "<tenant>", "<call>", "<role>", "<event>"),
		events.LogSubject(events.AgentFamily, "<tenant>", "<agent>", "<role>", "<event>"), events.ProviderSubject("<tenant>", "<connection>"),
		events.FactSubject("<tenant>", "<kind>", "<token>"), events.ControlSubject("<tenant>", "<scope>", "<name>"),
		events.OpsSubject("<tenant>", "<event>"), events.RejectedSubject("<tenant>", "<stage>"), events.ServiceSubject("<tenant>", "<group>", "<verb>"),
		events.WorkspaceSubject("<tenant>", "<connection>", "<agent>", "<session>"),
	} {
		if !slices.Contains(subjects, s) {
			t.Errorf("subject %s is not in the table", s)
		}
	}
	for _, c := range channels() {
		if !slices.Contains(subjects, strings.NewReplacer("{", "<", "}", ">").Replace(c.address)) {
			t.Errorf("channel %s is not in the table", c.address)
		}
	}
}

// Only the request, and its record, show the clear number.
func TestTheClearNumberIsInTwoEventsOnly(t *testing.T) {
	t.Parallel()
	for _, e := range Entries() {
		shows := bytes.Contains(mustJSON(t, e.Sample), []byte(sampleTo))
		if want := e.Type == events.TypeDialRequested || e.Type == events.TypeOf(events.CallFamily, events.Requested); shows != want {
			t.Errorf("%s: shows the number: %v", e.Type, shows)
		}
	}
}
