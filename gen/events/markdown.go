package gen

import (
	"bytes"
	"fmt"
	"reflect"
	"sort"
	"strings"

	"github.com/outdial/outdial/pkg/events"
)

// markdown prints docs/events.md.
func markdown(entries []Entry) []byte {
	var b bytes.Buffer
	fmt.Fprint(&b, `# Events

Printed by `+"`make gen`"+` from pkg/events; do not edit. The same, for machines: [asyncapi.json](asyncapi.json) and the
JSON Schemas in [pkg/events/schemas](../pkg/events/schemas).

Every message is a CloudEvent 1.0. outdial writes binary mode: each attribute is a header `+"`ce-<name>`"+` with a
percent-encoded value, the data is the payload. It reads binary and structured mode
(`+"`Content-Type: application/cloudevents+json`"+`), header names in any case, and, so that `+"`nats pub`"+` needs no headers, a
structured event without any. Readers must ignore fields and attributes they do not know; a breaking change is a new type.

## Streams and subjects

| stream | subject | who writes | keeps | |
|---|---|---|---|---|
`)
	for _, r := range events.SubjectTable() {
		stream := "(none)"
		if r.Stream != "" {
			stream = code(r.Stream)
		}
		row(&b, stream, code(r.Subjects), r.Writer, r.Keeps, r.Says)
	}
	fmt.Fprint(&b, `
Tokens are letters, digits, `+"`_` and `-`"+`, 1 to 64. `+"`_`"+` stands for all tenants, or a tenant that is not known. CALLS and AGENTS
are written with the prefix `+"`append.`"+` and compare-and-set; what was stored is republished without it, so

| to see | subscribe to |
|---|---|
| every event of every call of a tenant | `+"`calls.<tenant>.>`"+` |
| call states only | `+"`calls.<tenant>.*.bridge.>`"+` |
| outcomes only | `+"`calls.*.*.orchestrator.closed`"+` |
| what was refused | `+"`rejected.<tenant>.>`"+` |

## Attributes

| header | |
|---|---|
`)
	for _, a := range attributes() {
		says := a.says
		if a.required {
			says = "**required**: " + says
		}
		row(&b, code("ce-"+a.name), says)
	}
	request(&b)
	callTables(&b, entries)
	faults(&b)
	return b.Bytes()
}

func request(b *bytes.Buffer) {
	limits := events.DefaultLimits()
	fmt.Fprintf(b, `
## The request: `+"`%s` on `dial.requests.<tenant>`"+`

The event's `+"`source` and `id`"+` are the request's identity (each at most %d bytes): sent twice, it is one call; the same identity
with another body is refused. At most %d KiB, %d levels, %d names, %d bytes a string, %d extension attributes.
An empty string or null is a fault; leave the field out.

| field | type | |
|---|---|---|
`, events.TypeDialRequested, limits.MaxIdentity, limits.MaxBytes>>10, limits.MaxDepth, limits.MaxKeys, limits.MaxString, limits.MaxExtensions)
	fields := requestFields()
	for _, name := range fieldOrder(reflect.TypeFor[events.DialRequest]()) {
		row(b, code(name), fields[name].typ, fields[name].says)
	}
	example, _ := pretty(sampleRequest()) // a sample always prints; Files has encoded it before
	fmt.Fprintf(b, "\n```json\n%s```\n", example)
}

func callTables(b *bytes.Buffer, entries []Entry) {
	for _, section := range []struct{ channel, title, intro string }{
		{"calls", "The call's log", "Every event carries `number` {token, masked}, the business keys and `refs` (sequences in CALLS). The clear number and the metadata are in `requested` alone. Unknown types hold the call, they are not skipped."},
		{"agents", "The agent's log", "Every event carries the agent's whole `state`, so the last one alone tells it."},
		{"", "Other events", "Attributes as above; the data's schema says the rest."},
	} {
		fmt.Fprintf(b, "\n## %s\n\n%s\n\n| who | event | says | fields besides |\n|---|---|---|---|\n", section.title, section.intro)
		for _, e := range entries {
			inSection := e.Channel == section.channel
			if section.channel == "" {
				inSection = e.Channel != "calls" && e.Channel != "agents" && e.Channel != "dialRequests"
			}
			if !inSection {
				continue
			}
			_, name, _ := strings.Cut(what(e.Type), ".")
			if name == "" || section.channel == "" {
				name = what(e.Type)
			}
			link := "[" + code(name) + "](../" + schemaDir + "/" + e.Type + ".schema.json)"
			var own []string
			for _, f := range fieldOrder(reflect.TypeOf(e.Body).Elem()) {
				if f != "state" || section.channel != "agents" {
					own = append(own, code(f))
				}
			}
			who := e.Role
			if section.channel == "" {
				who = writersOf(e)
			}
			row(b, who, link, e.Says, strings.Join(own, " "))
		}
	}
}

func writersOf(e Entry) string {
	for _, r := range events.SubjectTable() {
		if strings.HasPrefix(r.Subjects, e.Channel+".") {
			return r.Writer
		}
	}
	return e.Role
}

func faults(b *bytes.Buffer) {
	fmt.Fprint(b, `
## Faults

A refused request gets one event on `+"`rejected.<tenant>.request`"+` (over HTTP, an answer 400) with every fault at once: `+"`pointer`"+` (RFC
6901, into the data; `+"`/ce-<name>`"+` is an attribute, empty the whole), `+"`code`"+` (stable) and `+"`message`"+`, which never repeats the
input. A member's name that could be somebody's data is not repeated in a pointer either.

| code | |
|---|---|
`)
	list := events.FaultCodes()
	sort.Slice(list, func(i, j int) bool { return list[i].Code < list[j].Code })
	for _, f := range list {
		row(b, code(f.Code), f.Says)
	}
}

// fieldOrder lists a body's own JSON fields in the order of the Go type.
func fieldOrder(t reflect.Type) []string {
	var out []string
	for i := range t.NumField() {
		if f := t.Field(i); !f.Anonymous {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			out = append(out, name)
		}
	}
	return out
}

func code(s string) string { return "`" + s + "`" }

func row(b *bytes.Buffer, cells ...string) {
	for i, c := range cells {
		if !strings.HasPrefix(c, "`") {
			c = strings.ReplaceAll(c, "<", "&lt;")
		}
		cells[i] = strings.ReplaceAll(c, "|", `\|`)
	}
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}
