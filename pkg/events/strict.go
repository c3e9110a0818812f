package events

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Reading a stranger's JSON strictly: encoding/json alone keeps the last of
// duplicate keys, matches names in any case, replaces broken UTF-8 in silence
// and stops at the first fault. encoding/json/v2 and jsontext would do most of
// this, but are still behind GOEXPERIMENT in Go 1.26; when they are not, this
// file goes.

type kind byte

const (
	isNull kind = iota
	isBool
	isNumber
	isString
	isList
	isObject
)

// A node is one JSON value.
type node struct {
	kind    kind
	text    string // of a string; of a number as it was written
	yes     bool
	items   []node
	members []field
	dropped []string // members that a fault was found in
	partial bool     // something below was left out, a fault says why
}

type field struct {
	name  string
	value node
	at    int // its place among the object's members, from 1
}

// has reports whether an object has a member, readable or not.
func (n node) has(name string) bool {
	return slices.Contains(n.dropped, name) || slices.ContainsFunc(n.members, func(f field) bool { return f.name == name })
}

// faultList collects faults in the order they are met, at most maxFaults.
type faultList struct {
	list []Fault
	more bool
}

const maxFaults = 64

// add reports a fault with its code's message.
func (l *faultList) add(pointer, code string) { l.say(pointer, code, saysOf(code)) }

// say reports a fault in other words, which must not be the input's.
func (l *faultList) say(pointer, code, message string) {
	f := Fault{pointer, code, message}
	switch {
	case slices.Contains(l.list, f):
	case len(l.list) < maxFaults:
		l.list = append(l.list, f)
	case !l.more:
		l.more = true
		l.list = append(l.list, Fault{"", FaultMore, saysOf(FaultMore)})
	}
}

type strictReader struct {
	dec    *json.Decoder
	data   []byte
	lim    Limits
	faults *faultList
	keys   int
}

// readStrict parses data and reports everything that is wrong with it as JSON,
// by pointer. ok is false when there is no value to go on with.
func readStrict(data []byte, lim Limits, faults *faultList) (n node, ok bool) {
	if !utf8.Valid(data) {
		faults.add("", FaultBadUTF8)
		return node{}, false
	}
	// The check up front keeps a syntax error from being reported after half
	// of the fields; its own nesting limit is 10000.
	if !json.Valid(data) {
		faults.add("", FaultNotJSON)
		return node{}, false
	}
	r := &strictReader{dec: json.NewDecoder(bytes.NewReader(data)), data: data, lim: lim, faults: faults}
	r.dec.UseNumber()
	return r.value(place{}, 1)
}

func (r *strictReader) value(at place, depth int) (node, bool) {
	from := r.dec.InputOffset()
	t, err := r.dec.Token()
	if err != nil {
		return node{}, false
	}
	switch t := t.(type) {
	case bool:
		return node{kind: isBool, yes: t}, true
	case json.Number:
		if len(t) > maxNumber {
			r.faults.add(at.ptr, FaultTooLong)
			return node{}, false
		}
		return node{kind: isNumber, text: t.String()}, true
	case string:
		return node{kind: isString, text: t}, r.text(at, t, from)
	case json.Delim:
		if depth > r.lim.MaxDepth {
			r.faults.add(at.ptr, FaultTooDeep)
			r.skip()
			return node{}, false
		}
		if t == '[' {
			return r.list(at, depth), true
		}
		return r.object(at, depth), true
	}
	return node{kind: isNull}, true
}

// maxNumber bounds a number's length: a double has 17 digits, an id perhaps 20.
const maxNumber = 40

func (r *strictReader) text(at place, s string, from int64) bool {
	if len(s) > r.lim.MaxString {
		r.faults.add(at.ptr, FaultTooLong)
		return false
	}
	if LoneSurrogate(r.data[from:r.dec.InputOffset()]) {
		r.faults.add(at.ptr, FaultBadUTF8)
		return false
	}
	return true
}

// skip reads to the end of the value just opened, without recursion.
func (r *strictReader) skip() {
	for open := 1; open > 0; {
		t, err := r.dec.Token()
		if err != nil {
			return
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			open++
		case json.Delim('}'), json.Delim(']'):
			open--
		}
	}
}

func (r *strictReader) list(at place, depth int) node {
	n := node{kind: isList}
	for i := 0; r.dec.More(); i++ {
		item, ok := r.value(at.child(strconv.Itoa(i), true), depth+1)
		if !ok || item.partial {
			n.partial = true
		}
		if ok {
			n.items = append(n.items, item)
		}
	}
	_, _ = r.dec.Token() // the bracket; the input is known to be valid
	return n
}

func (r *strictReader) object(where place, depth int) node {
	n := node{kind: isObject}
	seen := map[string]bool{}
	for at := 1; r.dec.More(); at++ {
		from := r.dec.InputOffset()
		t, err := r.dec.Token()
		name, isText := t.(string)
		if err != nil || !isText {
			return n
		}
		in := where.child(name, mayRepeat(name))
		if r.keys++; r.keys > r.lim.MaxKeys {
			r.faults.add("", FaultTooManyKeys)
		}
		fine := r.text(in, name, from)
		if seen[name] {
			r.faults.add(in.ptr, FaultDuplicateKey)
			fine = false
		}
		seen[name] = true
		v, ok := r.value(in, depth+1)
		if !fine || !ok || v.partial {
			n.partial = true
		}
		if fine && ok {
			n.members = append(n.members, field{name, v, at})
		} else {
			n.dropped = append(n.dropped, name)
		}
	}
	_, _ = r.dec.Token()
	return n
}

// LoneSurrogate finds a \u escape that is half a character. encoding/json
// would turn it into U+FFFD without a word. raw may begin with the comma or
// colon before the string.
func LoneSurrogate(raw []byte) bool {
	unit := func(i int) (uint64, bool) {
		if i+6 > len(raw) || raw[i] != '\\' || raw[i+1] != 'u' {
			return 0, false
		}
		u, err := strconv.ParseUint(string(raw[i+2:i+6]), 16, 16)
		return u, err == nil
	}
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		u, ok := unit(i)
		switch {
		case !ok:
			i++ // an escape of two bytes
		case u >= 0xDC00 && u < 0xE000:
			return true
		case u >= 0xD800 && u < 0xDC00:
			if low, ok := unit(i + 6); !ok || low < 0xDC00 || low >= 0xE000 {
				return true
			}
			i += 11
		default:
			i += 5
		}
	}
	return false
}

// A place is where in the data a value stands. Below a name that may not be
// repeated the pointer stays at the last object that can be named.
type place struct {
	ptr    string
	hidden bool
}

func (p place) child(name string, shown bool) place {
	if p.hidden || !shown {
		return place{p.ptr, true}
	}
	return place{ptr: p.ptr + "/" + name}
}

// canonical is the value with sorted names and no white space, so that two
// spellings of one body have one digest.
func (n node) canonical() []byte {
	text, _ := json.Marshal(n.plainValue()) // what was read as JSON always marshals
	return text
}

// plainValue is the value as encoding/json would give it, numbers as
// json.Number so that a long id keeps its digits.
func (n node) plainValue() any {
	switch n.kind {
	case isBool:
		return n.yes
	case isNumber:
		return json.Number(n.text)
	case isString:
		return n.text
	case isList:
		list := make([]any, len(n.items))
		for i, item := range n.items {
			list[i] = item.plainValue()
		}
		return list
	case isObject:
		m := make(map[string]any, len(n.members))
		for _, f := range n.members {
			m[f.name] = f.value.plainValue()
		}
		return m
	}
	return nil
}
