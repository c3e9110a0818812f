package webexcc

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/acqueon/bus"
)

const (
	customer    = "+917702779401"
	interaction = "982c6b08-5a55-471c-9dcb-4280359c66f7"
	orgID       = "013dce5c-a8aa-4590-bebe-fed6d419dcc4"
)

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func offer(t testing.TB) []byte {
	return fixture(t, "001-webexcc-outbound-call-state-change-offer.event.json")
}

type object = map[string]any

// at walks down to a nested object.
func at(o object, path ...string) object {
	for _, p := range path {
		o, _ = o[p].(object)
	}
	return o
}

// message is the document's sample, changed.
func message(t testing.TB, change ...func(object)) []byte {
	t.Helper()
	var m object
	d := json.NewDecoder(bytes.NewReader(offer(t)))
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

func event(name string) func(object) {
	return func(m object) {
		at(m, "message", "call")["event"] = name
		at(m, "message", "call", "ResponseActual", "data")["type"] = strings.TrimPrefix(name, "e")
	}
}

func people(m object) object {
	return at(m, "message", "call", "ResponseActual", "data", "interaction", "participants")
}

func joined(who ...string) func(object) {
	return func(m object) {
		for _, w := range who {
			for _, p := range people(m) {
				if person := p.(object); person["pType"] == w {
					person["hasJoined"] = true
				}
			}
		}
	}
}

func reader() providers.Reader { return System().Provider(bus.Config{}).Reader }

func view() providers.View {
	return providers.View{Dialed: true, CallState: events.Started, To: customer, HomeRegion: "US"}
}

func read(t testing.TB, body []byte, v providers.View) []providers.Observation {
	t.Helper()
	got, err := reader().Read(events.ProviderRaw{Connection: "webex-desk", Via: "desktop", Body: body}, v)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return got
}

func one(t testing.TB, body []byte, v providers.View) providers.Observation {
	t.Helper()
	got := read(t, body, v)
	if len(got) != 1 {
		t.Fatalf("got %d observations, want 1: %+v", len(got), got)
	}
	return got[0]
}

// A desk records what is sent to it and answers err.
type desk struct {
	err      error
	message  []byte
	attempt  string
	agent    providers.AgentRef
	notAfter time.Time
	sent     int
}

func (d *desk) Send(_ context.Context, a providers.AgentRef, message []byte, attempt string, notAfter time.Time) error {
	d.sent++
	d.agent, d.message, d.attempt, d.notAfter = a, message, attempt, notAfter
	return d.err
}
