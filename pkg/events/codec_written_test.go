package events

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/outdial/outdial/pkg/events/fault"
)

// Whatever becomes of a stored event's header, the short way to read it says what
// the SDK's way says: the same record, or the same fault.
func TestTheShortWayReadsAsTheLongOne(t *testing.T) {
	t.Parallel()
	keys := []string{"ce-specversion", "ce-type", "ce-source", "ce-subject", "ce-id", "ce-time", "ce-datacontenttype", "ce-correlationid",
		"ce-partitionkey", "ce-causationid", "ce-callsequence", "ce-traceparent", "ce-other", "CE-Id", "Content-Type", "content-type", "Nats-Msg-Id", "ce-", ""}
	values := []string{"", "1.0", "0.3", "io.outdial.call.waiting.v1", "/outdial/acme/orchestrator", "evt-9", "%41", "a b", "é", "000003", "0", "two",
		"2026-11-20T12:00:00Z", "2026-11-20T13:00:00.5+01:00", "0001-01-01T00:00:00Z", "application/json", "text/plain", "application/x+json", "application/cloudevents+json",
		sampleRecord().Key}
	short := 0
	rapid.Check(t, func(t *rapid.T) {
		h, data, err := EncodeRecord(sampleRecord())
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(0, 2).Draw(t, "changes") {
			key := rapid.SampledFrom(keys).Draw(t, "key")
			if h[key] = rapid.SliceOfN(rapid.SampledFrom(values), 0, 2).Draw(t, "values"); len(h[key]) == 0 {
				delete(h, key)
			}
		}
		data = rapid.SampledFrom([][]byte{data, nil, []byte("{}"), []byte("null"), []byte("{} {}"), []byte(`{"reason":1e400}`)}).Draw(t, "data")
		got, gotErr := DecodeRecord(sampleRecord().Subject(), h, data)
		if w, ok := readWritten(h); ok && w.into(&Record{Tenant: "acme", Key: sampleRecord().Key, Role: Orchestrator}, "io.outdial.call.waiting.v1") {
			short++
		}
		want := Record{Family: CallFamily, Tenant: "acme", Key: sampleRecord().Key, Role: Orchestrator, Name: Waiting, Body: new(CallWaiting)}
		body, wantErr := decodeForeign(&want, "io.outdial.call.waiting.v1", h, data)
		if wantErr == nil {
			wantErr = decodeJSON(body, want.Body)
		}
		if fault.Code(gotErr) != fault.Code(wantErr) || errors.Is(gotErr, ErrUnknownEvent) != errors.Is(wantErr, ErrUnknownEvent) {
			t.Fatalf("the fault is %v, and %v", gotErr, wantErr)
		}
		if wantErr == nil && !(cmp.Equal(want, got) && want.Time.Equal(got.Time)) {
			t.Fatal(cmp.Diff(want, got))
		}
	})
	if short == 0 {
		t.Error("nothing went the short way")
	}
}

// What is written without the SDK is what the SDK writes.
func TestThePlainEventIsTheSDKs(t *testing.T) {
	t.Parallel()
	for _, at := range []time.Time{noon, noon.Truncate(time.Second).In(time.FixedZone("east", 3600))} {
		for _, about := range []string{"", "k"} {
			e := event.New()
			e.SetType(TypeOps)
			e.SetSource("/outdial/acme/dialer")
			e.SetID("o1")
			e.SetTime(at)
			if about != "" {
				e.SetSubject(about)
			}
			if err := e.SetData("application/json", Ops{Event: "alarm"}); err != nil {
				t.Fatal(err)
			}
			want, wantData, err := Encode(e)
			if err != nil {
				t.Fatal(err)
			}
			got, data, err := EncodePlain(TypeOps, "/outdial/acme/dialer", about, "o1", at, Ops{Event: "alarm"})
			if d := cmp.Diff(want, got); err != nil || d != "" || string(data) != string(wantData) {
				t.Errorf("%v, %s against %s: %s", err, data, wantData, d)
			}
		}
	}
}

// An attribute that the SDK refuses is refused in what is written as we write it, too.
func TestTheShortWayRefusesWhatTheLongOneDoes(t *testing.T) {
	t.Parallel()
	for _, bad := range [][2]string{
		{attrSource, ":"}, {attrSource, "http://[::1"}, {attrSource, "1:x"}, {attrSource, "/a?b#c#d"}, {attrSubject, "x"}, {attrID, "x,y"},
		{attrTime, "0001-01-01T00:00:00Z"}, {attrTime, "2026-11-20T12:00:00,5Z"}, {attrTime, "2026-11-20T1:00:00Z"},
	} {
		h, data, err := EncodePlain(TypeProviderRaw, "/outdial/acme/bridge", "", "id1", noon, ProviderRaw{Connection: "c", Via: "webhook"})
		if err != nil {
			t.Fatal(err)
		}
		h[headerPrefix+bad[0]] = []string{bad[1]}
		_, _, short := DecodeBody[ProviderRaw](h, data, TypeProviderRaw)
		if _, long := Decode(h, data); (short == nil) != (long == nil) {
			t.Errorf("%v: %v, and by the long way %v", bad, short, long)
		}
	}
}

// Numbers of which nobody knows how large they are stand in a request's options
// alone: only there they are read with care.
func TestOnlyARequestHoldsValuesOfAnyKind(t *testing.T) {
	t.Parallel()
	var free func(t reflect.Type, seen map[reflect.Type]bool) bool
	free = func(t reflect.Type, seen map[reflect.Type]bool) bool {
		if seen[t] {
			return false
		}
		seen[t] = true
		switch t.Kind() {
		case reflect.Interface:
			return true
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
			return free(t.Elem(), seen)
		case reflect.Struct:
			return slices.ContainsFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool { return f.IsExported() && free(f.Type, seen) })
		}
		return false
	}
	bodies := map[reflect.Type]bool{reflect.TypeFor[Ops](): true, reflect.TypeFor[Rejected](): true, reflect.TypeFor[Fact](): true,
		reflect.TypeFor[Control](): true, reflect.TypeFor[ProviderRaw](): true}
	for _, s := range append(CallSpecs(), AgentSpecs()...) {
		bodies[reflect.TypeOf(s.New()).Elem()] = true
	}
	for body := range maps.Keys(bodies) {
		if is := free(body, map[reflect.Type]bool{}); is != (body == reflect.TypeFor[CallRequested]()) {
			t.Errorf("%v holds values of any kind: %v", body, is)
		}
	}
}
