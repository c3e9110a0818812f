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
// would be carried out in one. Nothing that was sent is repeated but the name of
// a field that the command does not have, and that in the pointer alone: whoever
// asked reads it, and messages go into the service's statistics.
type strictReader struct{ faults []events.Fault }

func check(body []byte, t reflect.Type) []events.Fault {
	r := &strictReader{}
	switch {
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
	case first == '"' && !isText(raw):
		r.say(at, events.FaultBadUTF8, notText)
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
		from := dec.InputOffset()
		token, _ := dec.Token()
		name, _ := token.(string)
		if !isText(raw[from:dec.InputOffset()]) {
			r.say(at, events.FaultBadUTF8, notText)
		}
		var value json.RawMessage
		_ = dec.Decode(&value)
		of, ok := known[name]
		in := at + "/" + name
		if !ok && (t.Kind() != reflect.Struct || !repeatable(name)) {
			in = at
		}
		switch {
		case seen[name]:
			r.say(in, events.FaultDuplicateKey, "the name stands here more than once")
		case t.Kind() != reflect.Struct:
			r.value(at, value, elem(t), depth+1)
		case !ok:
			r.say(in, events.FaultUnknownField, sayUnknown(name, known))
		default:
			r.value(in, value, of, depth+1)
		}
		seen[name] = true
	}
}

const notText = "not valid UTF-8, or half of a character"

// isText says that JSON holds whole characters alone, as bytes and as escapes.
func isText(raw []byte) bool { return utf8.Valid(raw) && !events.LoneSurrogate(raw) }

// repeatable says that an unknown name can be told to who wrote it: a word, and
// nothing that could be a number.
func repeatable(name string) bool { return events.IsToken(name) && events.Showable(name) == name }

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
	if len(known) == 0 {
		return "unknown field; it takes none"
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
