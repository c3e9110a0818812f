package events

import (
	"encoding/json"
	"reflect"
	"testing"

	quick "github.com/goccy/go-json"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Bodies are read by another library than the language's own, for a third of the
// price. Whatever a body holds, both read the same of it or both nothing.
func TestTheQuickLibraryReadsAsTheLanguagesOwn(t *testing.T) {
	t.Parallel()
	specs := append(CallSpecs(), AgentSpecs()...)
	fragments := []string{"{", "}", "[", "]", `"`, ",", ":", "null", "true", "0", "-", "1.5", "1e400", "99999999999999999999", `é`, `\ud800`, `\`, "\x00", "\xff",
		"{}", "[]", `"x"`, `"<b>\u2028&"`, " ", `"number":`, `"NUMBER":{"token":"a"},`, `"legs":{"customer":"up"},`, `"2026-13-01T00:00:00Z"`, `"2026-11-20T12:00:00.5+02:00"`, `"0001-01-01T00:00:00Z"`}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom(specs).Draw(t, "event")
		filled := reflect.ValueOf(s.New())
		fill(t, filled.Elem())
		data, err := json.Marshal(filled.Interface())
		if err != nil {
			t.Fatal(err)
		}
		same(t, data, s)
		for range rapid.IntRange(1, 2).Draw(t, "changes") {
			at := rapid.IntRange(0, len(data)).Draw(t, "at")
			to := min(len(data), at+rapid.IntRange(0, 30).Draw(t, "without"))
			data = append(append(data[:at:at], rapid.SampledFrom(fragments).Draw(t, "fragment")...), data[to:]...)
		}
		same(t, data, s)
	})
}

// same has both libraries read a body.
func same(t *rapid.T, data []byte, s Spec) {
	want, got := s.New(), s.New()
	wantErr, gotErr := json.Unmarshal(data, want), quick.Unmarshal(data, got)
	if (wantErr == nil) != (gotErr == nil) {
		t.Fatalf("%s: %v, and %v", data, wantErr, gotErr)
	}
	if wantErr != nil {
		return
	}
	if d := cmp.Diff(want, got, cmp.Exporter(func(reflect.Type) bool { return true })); d != "" {
		t.Fatal(d)
	}
}

// fill puts something into every field that is shown, as far down as they go.
func fill(t *rapid.T, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(t, v.Field(i))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), rapid.IntRange(0, 2).Draw(t, "length"), 2))
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		if v.Type().Elem().Kind() == reflect.String {
			v.SetMapIndex(reflect.ValueOf(rapid.String().Draw(t, "key")), reflect.ValueOf(rapid.String().Draw(t, "value")))
		}
	case reflect.String:
		v.SetString(rapid.String().Draw(t, "text"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "yes"))
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.Int64().Draw(t, "number"))
	case reflect.Uint64:
		v.SetUint(rapid.Uint64().Draw(t, "sequence"))
	}
}
