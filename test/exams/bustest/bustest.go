// Package bustest is what the tests of every telephone system behind the Acqueon
// Workspace have in common: the document's samples, changed, and a desk that
// records what is sent to it.
package bustest

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
)

// Object is a JSON object.
type Object = map[string]any

// Fixture is a file of the package's testdata.
func Fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// At walks down to a nested object.
func At(o Object, path ...string) Object {
	for _, p := range path {
		o, _ = o[p].(Object)
	}
	return o
}

// Message is a sample, changed.
func Message(t testing.TB, sample []byte, change ...func(Object)) []byte {
	t.Helper()
	var m Object
	d := json.NewDecoder(bytes.NewReader(sample))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(m)
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Read is what a message means.
func Read(t testing.TB, r providers.Reader, body []byte, v providers.View) []providers.Observation {
	t.Helper()
	got, err := r.Read(events.ProviderRaw{Connection: "desk", Via: "desktop", Body: body}, v)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return got
}

// One is what a message means that means one thing.
func One(t testing.TB, r providers.Reader, body []byte, v providers.View) providers.Observation {
	t.Helper()
	got := Read(t, r, body, v)
	if len(got) != 1 {
		t.Fatalf("got %d observations, want 1: %+v", len(got), got)
	}
	return got[0]
}

// A Desk records what is sent to it and answers Err.
type Desk struct {
	Err      error
	Message  []byte
	Attempt  string
	Agent    providers.AgentRef
	NotAfter time.Time
	Sent     int
}

// Send implements providers.Desktop.
func (d *Desk) Send(_ context.Context, a providers.AgentRef, message []byte, attempt string, notAfter time.Time) error {
	d.Sent++
	d.Agent, d.Message, d.Attempt, d.NotAfter = a, message, attempt, notAfter
	return d.Err
}
