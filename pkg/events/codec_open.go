package events

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"mime"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A problem is one thing wrong with a message's form: a stable code, and the
// attribute it concerns ("" when it is the message as a whole).
type problem struct{ attr, code string }

// open takes a NATS message apart, whichever mode it is in. It always returns
// what could be read; m.problems says what could not.
func open(h Header, data []byte) *message {
	m := &message{attrs: map[string]any{}}
	low := m.lowerKeys(h)
	ct := strings.ToLower(strings.TrimSpace(low[contentType]))
	_, hasVersion := low[headerPrefix+attrVersion]
	switch {
	case isStructured(ct):
		m.structured(data)
	case strings.HasPrefix(ct, "application/cloudevents"):
		// Batches and other formats: the NATS binding has no batch mode.
		m.problem("", "unsupported_format")
	case !hasVersion && looksStructured(data):
		m.structured(data)
	default:
		m.binary(low, data)
	}
	return m
}

func (m *message) problem(attr, code string) {
	m.problems = append(m.problems, problem{attr, code})
}

// lowerKeys folds the keys' case. A key that is there twice, or has two
// values, is ambiguous: whoever reads the other one sees another event.
func (m *message) lowerKeys(h Header) map[string]string {
	low := make(map[string]string, len(h))
	for _, key := range slices.Sorted(maps.Keys(h)) {
		k, vs := strings.ToLower(key), h[key]
		if k != contentType && !strings.HasPrefix(k, headerPrefix) || len(vs) == 0 {
			continue
		}
		if _, twice := low[k]; twice || len(vs) > 1 {
			m.problem(strings.TrimPrefix(k, headerPrefix), "duplicate_attribute")
			continue
		}
		low[k] = vs[0]
	}
	return low
}

func isStructured(ct string) bool {
	base, _, _ := strings.Cut(ct, ";")
	base = strings.TrimSpace(base)
	return base == "application/cloudevents+json" || base == "application/cloudevents"
}

// looksStructured recognises an event that was published without any header.
func looksStructured(data []byte) bool {
	trimmed := bytes.TrimLeft(data, " \t\r\n")
	if len(trimmed) == 0 || trimmed[0] != '{' {
		return false
	}
	var probe map[string]json.RawMessage
	if json.Unmarshal(data, &probe) != nil {
		return false
	}
	_, ok := probe[attrVersion]
	return ok
}

func (m *message) binary(low map[string]string, data []byte) {
	m.data, m.hasData = data, len(data) > 0
	for _, k := range slices.Sorted(maps.Keys(low)) {
		name, isAttr := strings.CutPrefix(k, headerPrefix)
		if !isAttr {
			continue
		}
		v := percentDecode(low[k])
		if !attributeName(name) || !utf8.ValidString(v) {
			m.problem(name, "bad_attribute")
			continue
		}
		m.attrs[name] = v
	}
	// Other SDKs carry HTTP's headers over one to one, where the data's media
	// type is a bare Content-Type.
	if ct := low[contentType]; ct != "" && m.attrs[attrMediaType] == nil {
		m.attrs[attrMediaType] = ct
	}
}

func (m *message) structured(data []byte) {
	parts := m.members(data)
	var body, body64 json.RawMessage
	for _, p := range parts {
		switch p.name {
		case "data":
			body = p.raw
		case "data_base64":
			body64 = p.raw
		default:
			v, ok := attributeValue(p.raw)
			if !attributeName(p.name) || !ok {
				m.problem(p.name, "bad_attribute")
			} else if v != nil {
				m.attrs[p.name] = v
			}
		}
	}
	if body != nil && body64 != nil {
		m.problem("", "bad_data")
		return
	}
	m.setStructuredData(body, body64)
}

// setStructuredData undoes what the JSON event format does to the data: JSON
// stands as it is, text is a string, bytes are base64.
func (m *message) setStructuredData(body, body64 json.RawMessage) {
	var s string
	switch {
	case body64 != nil:
		err := json.Unmarshal(body64, &s)
		raw, err64 := base64.StdEncoding.DecodeString(s)
		if err != nil || err64 != nil {
			m.problem("", "bad_data")
			return
		}
		m.data, m.hasData, m.base64 = raw, true, true
	case body != nil:
		m.data, m.hasData = body, true
		media, _ := m.attrs[attrMediaType].(string)
		if base, _, err := mime.ParseMediaType(media); media != "" && err == nil && !isJSONMedia(base) {
			if json.Unmarshal(body, &s) != nil {
				m.problem("", "bad_data")
			}
			m.data = []byte(s)
		}
	}
}

type member struct {
	name string
	raw  json.RawMessage
}

// members lists an object's members in order. A name that is there twice is
// refused: readers disagree about which one counts.
func (m *message) members(data []byte) []member {
	if !utf8.Valid(data) {
		m.problem("", "bad_utf8")
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	t, err := dec.Token()
	if err != nil || !json.Valid(data) {
		m.problem("", "not_json")
		return nil
	}
	if t != json.Delim('{') {
		m.problem("", "not_cloudevent")
		return nil
	}
	var out []member
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		name, _ := t.(string)
		p := member{name: name}
		if err != nil || dec.Decode(&p.raw) != nil {
			m.problem("", "not_json")
			return nil
		}
		if seen[name] {
			m.problem(name, "duplicate_attribute")
			continue
		}
		seen[name] = true
		out = append(out, p)
	}
	return out
}

// attributeValue reads an attribute of the JSON event format: a string, an
// integer of 32 bits or a boolean; null counts as absent.
func attributeValue(raw json.RawMessage) (any, bool) {
	var v any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if dec.Decode(&v) != nil {
		return nil, false
	}
	switch v := v.(type) {
	case nil:
		return nil, true
	case string, bool:
		return v, true
	case json.Number:
		n, err := strconv.ParseInt(v.String(), 10, 32)
		return int32(n), err == nil
	}
	return nil, false
}

// attributeName reports whether name may be a CloudEvents attribute: lower
// case letters and digits. Names longer than 64 are nobody's.
func attributeName(name string) bool {
	if name == "" || len(name) > 64 {
		return false
	}
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return name != "data"
}

func isJSONMedia(media string) bool {
	return media == "" || media == mediaJSON || media == "text/json" || strings.HasSuffix(media, "+json")
}
