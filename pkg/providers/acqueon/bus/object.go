package bus

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/outdial/outdial/pkg/providers/callstate"
)

// An Object is one JSON object of a message. Its keys are looked up without
// regard to case, underscores, hyphens and spaces, because the documents spell
// one key several ways; but only within this one object, because the same key
// means different things at different depths (Five9's CallType and callType).
type Object map[string]any

// Get finds a value by the first of keys that the object has: as spelled, else
// folded. Where several spellings fold to the same key the alphabetically
// first wins, so that one message always reads the same.
func (o Object) Get(keys ...string) (any, bool) {
	for _, k := range keys {
		if v, ok := o[k]; ok {
			return v, true
		}
		want, best := callstate.Fold(k), ""
		for have := range o {
			if len(have) >= len(want) && callstate.Fold(have) == want && (best == "" || have < best) {
				best = have
			}
		}
		if best != "" {
			return o[best], true
		}
	}
	return nil, false
}

// Text is a value as text: strings as they are (JSON inside a string is left
// alone), numbers by their own digits, so that a long id loses none. Nulls,
// objects and lists are "".
func (o Object) Text(keys ...string) string {
	v, _ := o.Get(keys...)
	switch t := v.(type) {
	case string:
		return t
	case json.Number:
		return t.String()
	case bool:
		return strconv.FormatBool(t)
	}
	return ""
}

// Int is a whole number, written as a number or as a string.
func (o Object) Int(keys ...string) (int64, bool) {
	s := strings.TrimSpace(o.Text(keys...))
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

// Bool is a truth value, written as one or as a string. What is neither
// ("Menu10sec.wav" where a flag was expected) is not said.
func (o Object) Bool(keys ...string) (value, said bool) {
	switch strings.ToLower(strings.TrimSpace(o.Text(keys...))) {
	case "true", "1", "yes":
		return true, true
	case "false", "0", "no":
		return false, true
	}
	return false, false
}

// Object is a nested object, nil when there is none.
func (o Object) Object(keys ...string) Object {
	v, _ := o.Get(keys...)
	m, _ := v.(map[string]any)
	return m
}

// Unwrapped is a nested object that some versions send as JSON in a string.
func (o Object) Unwrapped(keys ...string) Object {
	if m := o.Object(keys...); m != nil {
		return m
	}
	m, err := decode([]byte(o.Text(keys...)))
	if err != nil {
		return nil
	}
	return m
}

// Objects are the objects in a list or, since the documents have both, in a
// map; a map's in the order of its keys.
func (o Object) Objects(keys ...string) []Object {
	v, _ := o.Get(keys...)
	var out []Object
	switch t := v.(type) {
	case []any:
		for _, e := range t {
			if m, ok := e.(map[string]any); ok {
				out = append(out, m)
			}
		}
	case map[string]any:
		names := make([]string, 0, len(t))
		for k := range t {
			names = append(names, k)
		}
		slices.Sort(names)
		for _, k := range names {
			if m, ok := t[k].(map[string]any); ok {
				out = append(out, m)
			}
		}
	}
	return out
}

// Millis is an instant written as Unix milliseconds, as a number or a string.
// What is not within this century is not an instant.
func (o Object) Millis(keys ...string) time.Time {
	ms, ok := o.Int(keys...)
	if !ok || ms < 946684800000 || ms > 4102444800000 { // 2000-01-01 to 2100-01-01
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
