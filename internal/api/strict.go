package api

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/outdial/outdial/pkg/events"
)

const (
	mostFaults = 32
	mostDepth  = 16 // of nested objects and lists
)

// A strictReader holds a body against the type it is to become, and lists
// everything that does not fit by JSON pointer. encoding/json alone keeps the
// last of two members of one name, takes names in any case, replaces broken
// UTF-8 and stops at the first fault: a command that can be read in two ways
// would be carried out in one. Nothing that was sent is repeated, a name either:
// a pointer ends at what the command knows.
type strictReader struct{ faults []events.Fault }

func check(body []byte, t reflect.Type) []events.Fault {
	r := &strictReader{}
	switch {
	case !utf8.Valid(body):
		r.say("", events.FaultBadUTF8, "the body is not valid UTF-8")
	case !json.Valid(body):
		r.say("", events.FaultNotJSON, "the body is not one JSON value")
	default:
		r.value("", body, t, 0)
	}
	return r.faults
}

func (r *strictReader) say(at, code, message string) {
	f := events.Fault{Pointer: at, Code: code, Message: message}
	if len(r.faults) < mostFaults && !slices.Contains(r.faults, f) {
		r.faults = append(r.faults, f)
	}
}

// value checks one value. What is kept as it came is read by whoever keeps it.
func (r *strictReader) value(at string, raw json.RawMessage, t reflect.Type, depth int) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	kind, first := t.Kind(), bytes.TrimSpace(raw)[0]
	whole := reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]())
	switch {
	case first == 'n' || t == reflect.TypeFor[json.RawMessage]():
		return // null is as good as left out
	case (first == '{' || first == '[') && depth >= mostDepth:
		r.say(at, events.FaultTooDeep, "nested too deep")
	case first == '{' && !whole && (kind == reflect.Struct || kind == reflect.Map || kind == reflect.Interface):
		r.object(at, raw, t, depth)
	case first == '[' && !whole && (kind == reflect.Slice || kind == reflect.Interface):
		var items []json.RawMessage
		_ = json.Unmarshal(raw, &items) // it is valid JSON
		for i, item := range items {
			in := at + "/" + strconv.Itoa(i)
			if kind == reflect.Interface {
				in = at // below a name that is not the command's
			}
			r.value(in, item, elem(t), depth+1)
		}
	default:
		if json.Unmarshal(raw, reflect.New(t).Interface()) != nil {
			r.say(at, events.FaultWrongJSONType, "must be "+wanted(t))
		}
	}
}

func (r *strictReader) object(at string, raw json.RawMessage, t reflect.Type, depth int) {
	known, seen := members(t), map[string]bool{}
	dec := json.NewDecoder(bytes.NewReader(raw))
	_, _ = dec.Token() // the brace; the body is valid JSON
	for dec.More() {
		token, _ := dec.Token()
		name, _ := token.(string)
		var value json.RawMessage
		_ = dec.Decode(&value)
		of, ok := known[name]
		in := at + "/" + name
		if !ok {
			in = at
		}
		switch {
		case seen[name]:
			r.say(in, events.FaultDuplicateKey, "the name stands here more than once")
		case t.Kind() != reflect.Struct:
			r.value(at, value, elem(t), depth+1)
		case !ok:
			r.say(at, events.FaultUnknownField, sayUnknown(name, known))
		default:
			r.value(in, value, of, depth+1)
		}
		seen[name] = true
	}
}

// elem is the type of what a list or a map holds.
func elem(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Interface {
		return t
	}
	return t.Elem()
}

// members are the fields of a struct by their JSON names, embedded ones too.
func members(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	if t.Kind() != reflect.Struct {
		return out
	}
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			out[name] = f.Type
		}
	}
	return out
}

// sayUnknown is the message about a field that a command does not have.
func sayUnknown(name string, of map[string]reflect.Type) string {
	known := slices.Sorted(maps.Keys(of))
	if like := events.Nearest(name, known); like != "" {
		return "unknown field; did you mean " + like + "?"
	}
	return "unknown field; it takes " + strings.Join(known, ", ")
}

// wanted says what a value of a type is written as.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map:
		if t == reflect.TypeFor[time.Time]() {
			return "an RFC 3339 time with zone"
		}
		return "an object"
	}
	return "a whole number within range"
}
