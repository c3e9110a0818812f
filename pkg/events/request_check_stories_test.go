package events

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type badStory struct {
	story string
	h     Header // nil: that of a good request
	data  string
	want  string // pointer and code of every fault
}

// badStories says what is wrong, where the answer says so, and the code.
func badStories() []badStory {
	return slices.Concat(envelopeStories(), attributeStories(), formStories(), targetStories(), fieldStories(), timeStories())
}

// with is a good request with a field more.
func with(field string) string { return `{"to":"+12025550123","agent":"2098765",` + field + `}` }

func envelopeStories() []badStory {
	structured := Header{"Content-Type": {"application/cloudevents+json"}}
	envelope := func(s string) string {
		return `{"specversion":"1.0","id":"42","source":"/crm","type":"` + TypeDialRequested + `",` + s + `}`
	}
	return []badStory{
		{"not JSON", nil, `{"to":`, "~not_json"},
		{"nothing at all", nil, ``, "~missing"},
		{"two documents", nil, good + good, "~not_json"},
		{"not an object", nil, `["to"]`, "~wrong_json_type"},
		{"no CloudEvent", Header{}, good, "~not_cloudevent"},
		{"only a content type", Header{"Content-Type": {"application/json"}}, good, "~not_cloudevent"},
		{"a batch", Header{"Content-Type": {"application/cloudevents-batch+json"}}, `[]`, "~unsupported_format"},
		{"structured, but broken", structured, `{"a"`, "~not_json"},
		{"structured, but a list", structured, `[]`, "~not_cloudevent"},
		{"structured, an attribute twice", structured, envelope(`"id":"43","data":` + good), "/ce-id~duplicate_attribute"},
		{"structured, an object for an attribute", structured, envelope(`"ext":{},"data":` + good), "~bad_attribute"},
		{"structured, a number for an id", structured, `{"specversion":"1.0","id":42,"source":"/crm","type":"` + TypeDialRequested + `","data":` + good + `}`, "/ce-id~bad_attribute"},
		{"structured, no data", structured, envelope(`"subject":"x"`), "~missing"},
		{"structured, null for data", structured, envelope(`"data":null`), "~wrong_json_type"},
		{"structured, data in two forms", structured, envelope(`"data_base64":"e30=","data":` + good), "~bad_data ~missing"},
		{"structured, faults inside and outside", structured, `{"specversion":"1.0","id":"","source":"/crm","type":"` + TypeDialRequested + `","data":{"to":1}}`, "/ce-id~missing /to~wrong_json_type ~no_target"},
		{"all at once", requestHeader("ce-id", "", "ce-time", "x"), `{"to":"1","priority":11,"agent":"x","queue":"y","campain":"z"}`,
			"/ce-id~missing /ce-time~bad_time /to~not_e164 /priority~bad_priority /agent~unknown_agent /campain~unknown_field /queue~two_targets /queue~queue_unsupported"},
	}
}

func attributeStories() []badStory {
	var extensions []string
	for i := range 17 {
		extensions = append(extensions, fmt.Sprintf("ce-ext%c", 'a'+i), "x")
	}
	return []badStory{
		{"another type", requestHeader("ce-type", "io.outdial.dial.requested.v2"), `{}`, "/ce-type~wrong_event_type"},
		{"no type", requestHeader("ce-type", ""), good, "/ce-type~missing"},
		{"no specversion", requestHeader("ce-specversion", ""), good, "/ce-specversion~missing"},
		{"specversion 0.3", requestHeader("ce-specversion", "0.3"), good, "/ce-specversion~wrong_specversion"},
		{"data that is not JSON", requestHeader("ce-datacontenttype", "text/xml"), "<to/>", "/ce-datacontenttype~wrong_datacontenttype"},
		{"no id", requestHeader("ce-id", ""), good, "/ce-id~missing"},
		{"no source", requestHeader("ce-source", ""), good, "/ce-source~missing"},
		{"an id of 257 bytes", requestHeader("ce-id", strings.Repeat("i", 257)), good, "/ce-id~too_long"},
		{"a source of 257 bytes", requestHeader("ce-source", strings.Repeat("i", 257)), good, "/ce-source~too_long"},
		{"an id with a line break", requestHeader("ce-id", "a%0Ab"), good, "/ce-id~bad_attribute"},
		{"an id with blanks around it", requestHeader("ce-id", "%20a"), good, "/ce-id~bad_attribute"},
		{"a source that is no URI", requestHeader("ce-source", ":"), good, "/ce-source~bad_attribute"},
		{"two ids in two cases", requestHeader("CE-ID", "43"), good, "/ce-id~duplicate_attribute"},
		{"a time that is none", requestHeader("ce-time", "today"), good, "/ce-time~bad_time"},
		{"a dataschema that is no URI", requestHeader("ce-dataschema", "not absolute"), good, "~bad_attribute"},
		{"seventeen extensions", requestHeader(extensions...), good, "~too_many_attributes"},
		{"an extension of 1025 bytes", requestHeader("ce-ext", strings.Repeat("x", 1025)), good, "~too_long"},
		{"data for an attribute", requestHeader("ce-data", "x"), good, "~bad_attribute"},
		{"an attribute that is not UTF-8", requestHeader("ce-ext", "%ff"), good, "~bad_attribute"},
		{"a telephone number for an attribute", requestHeader("ce-12025550123", "%ff"), good, "~bad_attribute"},
	}
}

// formStories are about JSON as such.
func formStories() []badStory {
	deep := strings.Repeat(`{"a":`, 20) + "1" + strings.Repeat("}", 20)
	var many strings.Builder
	for i := range 260 {
		fmt.Fprintf(&many, `,"k%d":1`, i)
	}
	return []badStory{
		{"65 KiB", nil, `{"to":"` + strings.Repeat("1", 65<<10) + `"}`, "~too_large"},
		{"invalid UTF-8", nil, "{\"to\":\"\xff\"}", "~bad_utf8"},
		{"half a character", nil, with(`"region":"\ud800"`), "/region~bad_utf8"},
		{"the other half", nil, with(`"options":{"a":"\\\udc00"}`), "/options~bad_utf8"},
		{"a key that is half a character", nil, with(`"\ud83d":1`), "~bad_utf8"},
		{"twenty levels", nil, with(`"options":` + deep), "/options~too_deep"},
		{"seventeen brackets", nil, with(`"options":{"a":` + strings.Repeat("[", 15) + strings.Repeat("]", 15) + `}`), "/options~too_deep"},
		{"257 names", nil, with(`"options":{"x":1` + many.String() + `}`), "~too_many_keys"},
		{"a string of 1025 bytes", nil, with(`"region":"` + strings.Repeat("x", 1025) + `"`), "/region~too_long"},
		{"a number of 50 digits", nil, with(`"options":{"n":` + strings.Repeat("9", 50) + `}`), "/options~too_long"},
		{"a name twice", nil, with(`"agent":"2098765"`), "/agent~duplicate_key"},
		{"a name twice, far down", nil, with(`"options":{"a":[{"b":1,"b":1}]}`), "/options~duplicate_key"},
		{"a name twice, once escaped", nil, with(`"\u0061gent":"2098765"`), "/agent~duplicate_key"},
	}
}

func targetStories() []badStory {
	return []badStory{
		{"an unknown field", nil, with(`"colour":"blue"`), "~unknown_field"},
		{"an unknown field in metadata", nil, with(`"metadata":[{"key":"a","value":"b","val":1}]`), "/metadata/0~unknown_field"},
		{"a telephone number for a field", nil, with(`"+12025550199":1`), "~unknown_field"},
		{"a telephone number for a field, far up", nil, with(`"options":{"+12025550199":{"a":{"b":1,"b":2}}}`), "/options~duplicate_key"},
		{"no to", nil, `{"agent":"2098765"}`, "/to~missing"},
		{"a number for to", nil, `{"to":12025550123,"agent":"2098765"}`, "/to~wrong_json_type"},
		{"null for to", nil, `{"to":null,"agent":"2098765"}`, "/to~wrong_json_type"},
		{"an empty to", nil, `{"to":"","agent":"2098765"}`, "/to~empty"},
		{"to without a plus", nil, `{"to":"12025550123","agent":"2098765"}`, "/to~not_e164"},
		{"to with dashes", nil, `{"to":"+1-202-555-0123","agent":"2098765"}`, "/to~not_e164"},
		{"to that begins with 0", nil, `{"to":"+02025550123","agent":"2098765"}`, "/to~not_e164"},
		{"to with six digits", nil, `{"to":"+120255","agent":"2098765"}`, "/to~not_e164"},
		{"to with a trunk zero", nil, `{"to":"+4401612345678","agent":"2098765"}`, "/to~not_e164"},
		{"to with a national prefix behind the country code", nil, `{"to":"+114355550142","agent":"2098765"}`, "/to~not_e164"},
		{"to with its country code twice", nil, `{"to":"+91919812345678","agent":"2098765"}`, "/to~not_e164"},
		{"to that can be dialed at home only", nil, `{"to":"+15550147","agent":"2098765"}`, "/to~not_e164"},
		{"to in other digits", nil, `{"to":"+１４３５５５５０１４２","agent":"2098765"}`, "/to~not_e164"},
		{"to with a mark nobody sees", nil, `{"to":"+14355550142\u200b","agent":"2098765"}`, "/to~not_e164"},
		{"to with an extension", nil, `{"to":"+14355550142;ext=12","agent":"2098765"}`, "/to~not_e164"},
		{"an alternate with a trunk zero", nil, with(`"alternates":["+9109812345678"]`), "/alternates/0~not_e164"},
		{"a caller id with a national prefix", nil, with(`"from":"+118667451900"`), "/from~not_e164"},
		{"to with sixteen digits", nil, `{"to":"+1202555012345678","agent":"2098765"}`, "/to~not_e164"},
		{"to with a line break after it", nil, `{"to":"+12025550123\n","agent":"2098765"}`, "/to~not_e164"},
		{"alternates that are no list", nil, with(`"alternates":"+12025550124"`), "/alternates~wrong_json_type"},
		{"an alternate without shape", nil, with(`"alternates":["+12025550124","home"]`), "/alternates/1~not_e164"},
		{"seventeen alternates", nil, with(`"alternates":["` + strings.Repeat(`+12025550124","`, 16) + `+12025550124"]`), "/alternates~too_many"},
		{"no target", nil, `{"to":"+12025550123"}`, "~no_target"},
		{"the number again", nil, with(`"alternates":["+12025550123","+12025550124"]`), "/alternates/0~same_number"},
		{"an alternate twice", nil, with(`"alternates":["+12025550124","+12025550125","+12025550124"]`), "/alternates/2~same_number"},
		{"two targets", nil, with(`"huntGroup":"1045678"`), "/huntGroup~two_targets"},
		{"three targets", nil, with(`"queue":"7","connection":"ujet","huntGroup":"1045678"`), "/huntGroup~two_targets"},
		{"an unknown agent", nil, `{"to":"+12025550123","agent":"1"}`, "/agent~unknown_agent"},
		{"an agent with a dot", nil, `{"to":"+12025550123","agent":"a.b"}`, "/agent~bad_token"},
		{"a wildcard for an agent", nil, `{"to":"+12025550123","agent":">"}`, "/agent~bad_token"},
		{"a list for an agent", nil, `{"to":"+12025550123","agent":[]}`, "/agent~wrong_json_type"},
		{"an unknown hunt group", nil, `{"to":"+12025550123","huntGroup":"1"}`, "/huntGroup~unknown_hunt_group"},
		{"an unknown connection", nil, with(`"connection":"nowhere"`), "/connection~unknown_connection"},
		{"an agent where there are none", nil, `{"to":"+12025550123","agent":"2098765","connection":"lists"}`, "/connection~agents_unsupported"},
		{"a hunt group where there are no agents", nil, `{"to":"+12025550123","huntGroup":"1045678","connection":"lists"}`, "/connection~agents_unsupported"},
		{"a recording where none can be asked for", nil, `{"to":"+12025550123","agent":"2098765","connection":"ujet","recording":{"on":true}}`, "/recording~recording_unsupported"},
		{"or none can be forbidden", nil, `{"to":"+12025550123","queue":"7","connection":"ujet","recording":{"on":false}}`, "/recording~recording_unsupported"},
		{"or not where its agent sits", nil, `{"to":"+12025550123","agent":"jane.doe@example.com","recording":{"on":true}}`, "/recording~recording_unsupported"},
		{"a queue where there is none", nil, `{"to":"+12025550123","queue":"7","connection":"tcn-main"}`, "/queue~queue_unsupported"},
		{"a queue where there is none by default", nil, `{"to":"+12025550123","queue":"7"}`, "/queue~queue_unsupported"},
	}
}

func fieldStories() []badStory {
	return []badStory{
		{"a foreign caller id", nil, with(`"from":"+18005550100"`), "/from~foreign_caller_id"},
		{"a caller id without shape", nil, with(`"from":"ACME"`), "/from~not_e164"},
		{"an unknown rule set", nil, with(`"ruleset":"none"`), "/ruleset~unknown_ruleset"},
		{"priority 10", nil, with(`"priority":10`), "/priority~bad_priority"},
		{"priority -1", nil, with(`"priority":-1`), "/priority~bad_priority"},
		{"priority 1.5", nil, with(`"priority":1.5`), "/priority~bad_priority"},
		{"priority in quotes", nil, with(`"priority":"1"`), "/priority~wrong_json_type"},
		{"a purpose nobody has", nil, with(`"purpose":"fun"`), "/purpose~bad_purpose"},
		{"a mode nobody has", nil, with(`"mode":"psychic"`), "/mode~bad_mode"},
		{"a mode in other letters", nil, with(`"mode":"Manual"`), "/mode~bad_mode"},
		{"a mode in other letters that would not be allowed", nil, with(`"mode":"PREDICTIVE"`), "/mode~bad_mode"},
		{"a mode with a blank", nil, with(`"mode":"predictive "`), "/mode~bad_mode"},
		{"a machine that dials ahead", nil, with(`"mode":"predictive"`), "/mode~mode_unsupported"},
		{"a recording that speaks", nil, with(`"mode":"prerecorded"`), "/mode~mode_unsupported"},
		{"a machine that dials ahead, with a consent that nobody has on record", nil, with(`"mode":"predictive","consent":{"id":"c-1"},"purpose":"informational"`), "/mode~mode_unsupported"},
		{"consent claimed, not named", nil, with(`"consent":{}`), "/consent/id~missing"},
		{"consent by a bare yes", nil, with(`"consent":true`), "/consent~wrong_json_type"},
		{"consent with an empty id", nil, with(`"consent":{"id":""}`), "/consent/id~empty"},
		{"tokens that are none", nil, with(`"campaign":"a.b","reference":"*","contact":"a b","parent":">","seller":"é","offer":"","debt":"a/b"`),
			"/campaign~bad_token /reference~bad_token /contact~bad_token /parent~bad_token /seller~bad_token /offer~empty /debt~bad_token"},
		{"a campaign of 65 letters", nil, with(`"campaign":"` + strings.Repeat("c", 65) + `"`), "/campaign~bad_token"},
		{"metadata that is an object", nil, with(`"metadata":{"a":"b"}`), "/metadata~wrong_json_type"},
		{"metadata of strings", nil, with(`"metadata":["a"]`), "/metadata/0~wrong_json_type"},
		{"metadata without value", nil, with(`"metadata":[{"key":"a"}]`), "/metadata/0/value~missing"},
		{"metadata with an empty key", nil, with(`"metadata":[{"key":"","value":"b"}]`), "/metadata/0/key~empty"},
		{"metadata with a number", nil, with(`"metadata":[{"key":"a","value":1}]`), "/metadata/0/value~wrong_json_type"},
		{"a time zone that is no place", nil, with(`"timeZone":"UTC"`), "/timeZone~bad_time_zone"},
		{"a time zone that is an offset", nil, with(`"timeZone":"Etc/GMT+5"`), "/timeZone~bad_time_zone"},
		{"a time zone that is an abbreviation", nil, with(`"timeZone":"EST5EDT"`), "/timeZone~bad_time_zone"},
		{"a time zone behind another door", nil, with(`"timeZone":"posix/America/New_York"`), "/timeZone~bad_time_zone"},
		{"a key that is nearly a postal code's", nil, with(`"metadata":[{"key":"Home Zip","value":"20001"}]`), "/metadata/0/key~near_key"},
		{"a time zone that is a phrase", nil, with(`"timeZone":"where he lives"`), "/timeZone~bad_time_zone"},
		{"a region of two lines", nil, with(`"region":"a\nb"`), "/region~bad_text"},
		{"recording without on", nil, with(`"recording":{"permission":"both"}`), "/recording/on~missing"},
		{"recording as a flag", nil, with(`"recording":true`), "/recording~wrong_json_type"},
		{"recording on in words", nil, with(`"recording":{"on":"yes"}`), "/recording/on~wrong_json_type"},
		{"an override without reason", nil, with(`"overrides":[{"rule":"cap","agent":"7"}]`), "/overrides/0/reason~missing"},
		{"an override that is a word", nil, with(`"overrides":["all"]`), "/overrides/0~wrong_json_type"},
		{"overrides that are no list", nil, with(`"overrides":{}`), "/overrides~wrong_json_type"},
		{"seventeen overrides", nil, with(`"overrides":[` + strings.Repeat("1,", 16) + `1]`), "/overrides~too_many"},
		{"options that are a list", nil, with(`"options":[]`), "/options~wrong_json_type"},
	}
}

func timeStories() []badStory {
	return []badStory{
		{"a begin that is no time", nil, with(`"notBefore":"tomorrow"`), "/notBefore~bad_time"},
		{"a begin without zone", nil, with(`"notBefore":"2026-11-20T13:00:00"`), "/notBefore~bad_time"},
		{"a begin in seconds", nil, with(`"notBefore":1795176000`), "/notBefore~wrong_json_type"},
		{"an end that is no time", nil, with(`"expiresAt":"2026-11-20"`), "/expiresAt~bad_time"},
		{"an end with a comma", nil, with(`"expiresAt":"2026-11-20T13:00:00,5Z"`), "/expiresAt~bad_time"},
		{"an end with an offset of thirty hours", nil, with(`"expiresAt":"2026-11-20T13:00:00+30:00"`), "/expiresAt~bad_time"},
		{"the end before the begin", nil, with(`"notBefore":"2026-11-20T13:00:00Z","expiresAt":"2026-11-20T12:30:00Z"`), "/expiresAt~expires_first"},
		{"the end is the begin", nil, with(`"notBefore":"2026-11-20T13:00:00Z","expiresAt":"2026-11-20T13:00:00Z"`), "/expiresAt~expires_first"},
		{"the attribute ends it before the begin", requestHeader("ce-expirytime", "2026-11-20T12:30:00Z"), with(`"notBefore":"2026-11-20T13:00:00Z"`), "/ce-expirytime~expires_first"},
		{"past already", nil, with(`"expiresAt":"2026-11-20T12:00:00Z"`), "/expiresAt~expired"},
		{"past this very moment", nil, with(`"expiresAt":"2026-11-20T12:00:00.123456789Z"`), "/expiresAt~expired"},
		{"past already, by the attribute", requestHeader("ce-expirytime", "2026-11-20T11:00:00Z"), with(`"expiresAt":"2026-11-20T13:00:00Z"`), "/ce-expirytime~expired"},
		{"past already, by default", requestHeader("ce-time", "2026-11-20T11:58:00Z"), good, "/expiresAt~expired"},
		{"an expiry that is no time", requestHeader("ce-expirytime", "soon"), good, "/ce-expirytime~bad_time"},
		{"an end beyond the log", nil, with(`"expiresAt":"2026-11-22T12:00:01Z"`), "/expiresAt~expiry_too_far"},
		{"an end beyond the log, by the attribute", requestHeader("ce-expirytime", "2026-12-22T12:00:01Z"), good, "/ce-expirytime~expiry_too_far"},
		{"a begin beyond the log", nil, with(`"notBefore":"2026-11-22T12:00:01Z"`), "/notBefore~not_before_too_far"},
		{"an event from next year", requestHeader("ce-time", "2027-11-20T12:00:00Z"), good, "/expiresAt~expiry_too_far"},
	}
}

func (s badStory) read() []Fault {
	h := s.h
	if h == nil {
		h = requestHeader()
	}
	_, faults, _ := read(h, s.data, testContext())
	return faults
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	for _, s := range badStories() {
		t.Run(s.story, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, f := range s.read() {
				got = append(got, f.Pointer+"~"+f.Code)
			}
			if strings.Join(got, " ") != s.want {
				t.Errorf("got  %s\nwant %s", strings.Join(got, " "), s.want)
			}
		})
	}
}

// The whole answers, messages included, as senders see them: a change in the
// file is a change for every sender. Set OUTDIAL_GOLDEN=write to accept it.
func TestBadInputGolden(t *testing.T) {
	t.Parallel()
	const file = "testdata/golden/bad-input.json"
	answers := map[string][]Fault{}
	for _, s := range badStories() {
		if _, twice := answers[s.story]; twice {
			t.Errorf("two stories called %q", s.story)
		}
		answers[s.story] = s.read()
	}
	got, err := json.MarshalIndent(answers, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if os.Getenv("OUTDIAL_GOLDEN") == "write" {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Error(d)
	}
}
