package gen

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/outdial/outdial/pkg/events"
)

// schemasOf makes the schema of every event's data from its Go type.
func schemasOf(entries []Entry, docs map[string]string) (map[string]*jsonschema.Schema, error) {
	opts := &jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[time.Time](): {Type: "string", Format: "date-time"},
		reflect.TypeFor[[]byte]():    {Types: []string{"null", "string"}, ContentEncoding: "base64"},
	}}
	out, bodies := map[string]*jsonschema.Schema{}, map[string]reflect.Type{}
	for _, e := range entries {
		t := reflect.TypeOf(e.Body).Elem()
		if was := bodies[e.Type]; was == t {
			continue // another role writes it too
		} else if was != nil {
			return nil, fmt.Errorf("%s is there twice, with two bodies", e.Type)
		}
		bodies[e.Type] = t
		s, err := jsonschema.ForType(t, opts)
		if err != nil {
			return nil, err
		}
		loosen(s)
		describe(s, t, docs)
		s.Title, s.Description = e.Type, e.Says
		if e.Type == events.TypeDialRequested {
			restrictRequest(s)
		}
		out[e.Type] = s
	}
	return out, nil
}

// loosen takes out what would break a tolerant reader: a newer writer may add
// fields. And a field that is left out when empty is never null.
func loosen(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	if a := s.AdditionalProperties; a != nil && a.Not != nil {
		s.AdditionalProperties = nil
	}
	for name, p := range s.Properties {
		if !slices.Contains(s.Required, name) {
			notNull(p)
		}
		loosen(p)
	}
	loosen(s.Items)
	loosen(s.AdditionalProperties)
}

func notNull(s *jsonschema.Schema) {
	if len(s.Types) == 2 && s.Types[0] == "null" {
		s.Type, s.Types = s.Types[1], nil
	}
}

// describe hangs the Go comments on the properties.
func describe(s *jsonschema.Schema, t reflect.Type, docs map[string]string) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		if s.Items != nil {
			s = s.Items
		}
		describe(s, t.Elem(), docs)
		return
	case reflect.Struct:
	default:
		return
	}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		p := s.Properties[name]
		if p == nil || f.Anonymous {
			continue
		}
		owner := t
		if len(f.Index) > 1 {
			owner = t.FieldByIndex(f.Index[:len(f.Index)-1]).Type
		}
		p.Description = docs[owner.Name()+"."+f.Name]
		describe(p, f.Type, docs)
	}
}

const tokenPattern = `^[A-Za-z0-9_-]{1,64}$`

// restrictRequest adds what the Go type cannot say. The reader in package
// events is the judge; this schema tells senders what it will say.
func restrictRequest(s *jsonschema.Schema) {
	says := requestFields()
	for name, p := range s.Properties {
		p.Description = strings.TrimPrefix(says[name].says, "**required**: ")
	}
	p := s.Properties
	for _, number := range []*jsonschema.Schema{p["to"], p["from"], p["alternates"].Items} {
		number.Pattern = events.E164Pattern
	}
	p["alternates"].MaxItems = jsonschema.Ptr(events.DefaultLimits().MaxItems)
	p["overrides"].MaxItems = jsonschema.Ptr(events.DefaultLimits().MaxItems)
	for _, name := range []string{"huntGroup", "connection", "campaign", "reference", "contact", "parent", "seller", "offer", "debt", "ruleset"} {
		p[name].Pattern = tokenPattern
	}
	for _, name := range []string{"agent", "queue", "postalCode", "region", "timeZone"} {
		p[name].MinLength = jsonschema.Ptr(1)
	}
	p["priority"].Minimum, p["priority"].Maximum = jsonschema.Ptr(0.0), jsonschema.Ptr(9.0)
	p["purpose"].Enum = []any{events.PurposeTelemarketing, events.PurposeDebt, events.PurposeInformational, events.PurposeResearch}
	p["purpose"].Default = []byte(`"` + events.PurposeTelemarketing + `"`)
	p["mode"].Enum = []any{events.ModeManual, events.ModePreview}
	p["mode"].Default = []byte(`"` + events.ModeManual + `"`)
	p["consent"].Properties["id"].MinLength = jsonschema.Ptr(1)
	p["metadata"].Items.Properties["key"].MinLength = jsonschema.Ptr(1)
	s.Required = []string{"to"}
	s.OneOf = []*jsonschema.Schema{{Required: []string{"agent"}}, {Required: []string{"huntGroup"}}, {Required: []string{"queue"}}}
}
