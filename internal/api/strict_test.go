package api_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/api"
)

type by struct {
	By string `json:"by,omitempty"`
}

// order is a command with all that commands have.
type order struct {
	Call   string         `json:"call"`
	Until  *time.Time     `json:"until,omitempty"`
	Groups []string       `json:"groups,omitempty"`
	Items  []body         `json:"items,omitempty"`
	More   map[string]any `json:"more,omitempty"`
	by
}

// A command that can be read in two ways is carried out in none, and all that
// is wrong with it is told at once, each fault with its place and no message with
// what was sent.
func TestEveryFaultOfACommandIsToldWithItsPlace(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"Jane":`, 9000) + `1` + strings.Repeat(`}`, 9000)
	for text, want := range map[string][]string{
		`{"call":"Jane","call":"Doe"}`:                                {"/call duplicate_key"},
		`{"call":"Jane","c\u0061ll":"Doe"}`:                           {"/call duplicate_key"},
		`{"Call":"Jane"}`:                                             {"/Call unknown_field"},
		`{"phon":1,"Jane Doe":1,"2125550142":1,"a/b":1}`:              {"/phon unknown_field", " unknown_field"},
		`{"call":1,"until":"Jane","groups":[1,"a",{}],"by":[]}`:       {"/call wrong_json_type", "/until wrong_json_type", "/groups/0 wrong_json_type", "/groups/2 wrong_json_type", "/by wrong_json_type"},
		`{"items":[{"call":"a"},{"n":1.5,"Jane":2},7],"Jane":3}`:      {"/items/1/n wrong_json_type", "/items/1/Jane unknown_field", "/items/2 wrong_json_type", "/Jane unknown_field"},
		`{"items":{"Jane":1},"groups":"Jane"}`:                        {"/items wrong_json_type", "/groups wrong_json_type"},
		`{"items":[{"n":1e999}]}`:                                     {"/items/0/n wrong_json_type"},
		`{"more":{"a":[{"Jane":1,"Jane":2}]}}`:                        {"/more duplicate_key"},
		`{"more":` + deep + `}`:                                       {"/more too_deep"},
		`{"more":{"a":` + strings.Repeat("[", 20000) + `}}`:           {" not_json"},
		"{\"call\":\"\xffJane\"}":                                     {"/call bad_utf8"},
		`{"call":"\ud800"}`:                                           {"/call bad_utf8"},
		`{"groups":["a","\udc00\ud800"],"items":[{"call":"\ud83d"}]}`: {"/groups/1 bad_utf8", "/items/0/call bad_utf8"},
		`{"more":{"a":"\ud800","\ud800":1},"until":"\ud800"}`:         {"/more bad_utf8", "/until bad_utf8"},
		`{"\ud800":"Jane"}`:                                           {" bad_utf8", " unknown_field"},
		`{"call":"\ud83d\ude00 \\ud800"}`:                             nil,
		"{\"call\":\"Jane\x00\"}":                                     {" not_json"},
		`"Jane"`:                                                      {" wrong_json_type"},
		`{"call":null,"until":null,"items":null,"more":{"a":"b"}}`:    nil,
		`{"call":"c","by":"b","until":"2026-01-01T00:00:00Z"}`:        nil,
	} {
		_, err := api.Decode[order]([]byte(text))
		var got []string
		if e, ok := errors.AsType[*api.Error](err); ok {
			for _, f := range e.Faults {
				got = append(got, f.Pointer+" "+f.Code)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) || (err == nil) != (want == nil) || err != nil && strings.Contains(err.Error(), "Jane") {
			t.Errorf("%.80s: %v, %v", text, got, err)
		}
	}
}
