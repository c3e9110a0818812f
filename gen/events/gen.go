// Package gen prints the documents that are made from the vocabulary in
// package events, so that none of them can say something else than the code.
// It is deterministic: the same sources give the same bytes.
package gen

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/outdial/outdial/pkg/events"
)

const (
	schemaDir = "pkg/events/schemas"
	asyncFile = "docs/asyncapi.json"
	docsFile  = "docs/events.md"
	ourEvents = "pkg/events/testdata/interop/ours.json"
)

// An Entry is one event type with all that is known about it.
type Entry struct {
	Type    string
	Channel string // key of its AsyncAPI channel
	Role    string // who writes it
	Name    string // its title
	Says    string
	Body    any // pointer to an empty body
	Sample  any // pointer to an example body
}

// Entries lists every event type, in the order of the documents.
func Entries() []Entry {
	out := []Entry{{
		Type: events.TypeDialRequested, Channel: "dialRequests", Role: "upstream", Name: "dial requested",
		Says: "please call this number", Body: new(events.DialRequest), Sample: sampleRequest(),
	}}
	for _, s := range append(events.CallSpecs(), events.AgentSpecs()...) {
		channel := "calls"
		if s.Family == events.AgentFamily {
			channel = "agents"
		}
		out = append(out, Entry{
			Type: s.Type(), Channel: channel, Role: string(s.Role), Name: string(s.Family) + " " + string(s.Name),
			Says: s.Says, Body: s.New(), Sample: sampleOf(s),
		})
	}
	return append(out,
		Entry{events.TypeProviderRaw, "provider", "bridge", "provider message", "a provider's message as it came, before it is understood", new(events.ProviderRaw), sampleRaw()},
		Entry{events.TypeFact, "facts", "compliance", "fact", "what the company knows about a number; the number is in the subject, as a token", new(events.Fact), sampleFact()},
		Entry{events.TypeControl, "control", "operator", "control", "a pause, the clock of a rehearsal, or what is known of the store's past", new(events.Control), sampleControl()},
		Entry{events.TypeOps, "ops", "orchestrator", "operation", "an alarm, a connection's ups and downs, a command with who and why", new(events.Ops), sampleOps()},
		Entry{events.TypeRejected, "rejected", "orchestrator", "rejected", "an input was refused or a message parked; never the payload", new(events.Rejected), sampleRejected()},
	)
}

// Files prints everything, by path from the repository's root. It reads the
// comments of package events below root, which become descriptions.
func Files(root string) (map[string][]byte, error) {
	docs, err := readComments(filepath.Join(root, "pkg", "events"))
	if err != nil {
		return nil, err
	}
	entries := Entries()
	schemas, err := schemasOf(entries, docs)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for typ, s := range schemas {
		s.Schema = "https://json-schema.org/draft/2020-12/schema"
		s.ID = "urn:outdial:schema:" + typ
		if out[path.Join(schemaDir, typ+".schema.json")], err = pretty(s); err != nil {
			return nil, err
		}
		s.Schema, s.ID = "", ""
	}
	examples, err := examplesOf(entries)
	if err != nil {
		return nil, err
	}
	if out[asyncFile], err = pretty(asyncDocument(entries, schemas, examples)); err != nil {
		return nil, err
	}
	fixtures, err := fixturesOf(examples)
	if err != nil {
		return nil, err
	}
	if out[ourEvents], err = pretty(fixtures); err != nil {
		return nil, err
	}
	out[docsFile], out[wordsFile] = markdown(entries), wordsPage()
	return out, nil
}

// Stale lists schemas in the repository that no event type has any more.
func Stale(root string, files map[string][]byte) ([]string, error) {
	found, err := os.ReadDir(filepath.Join(root, filepath.FromSlash(schemaDir)))
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	var stale []string
	for _, f := range found {
		if name := path.Join(schemaDir, f.Name()); files[name] == nil {
			stale = append(stale, name)
		}
	}
	return stale, nil
}

func pretty(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("print: %w", err)
	}
	return b.Bytes(), nil
}
