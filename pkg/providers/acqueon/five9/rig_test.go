package five9

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
	"github.com/outdial/outdial/pkg/providers/acqueon/bus"
)

const customer = "+16081234567"

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func wrapUp(t testing.TB) []byte {
	return fixture(t, "004-five9-outbound-call-state-change-wrap-up.event.json")
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
	d := json.NewDecoder(bytes.NewReader(wrapUp(t)))
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

func data(m object) object {
	return at(m, "message", "call", "ResponseFields", "interactionData")
}

func event(name string) func(object) {
	return func(m object) {
		at(m, "message", "call")["event"] = name
		at(m, "message", "call", "ResponseFields")["CallState"] = name
		data(m)["callState"] = name
	}
}

func reader() providers.Reader { return System().Provider(bus.Config{}).Reader }

func view() providers.View {
	return providers.View{Dialed: true, CallState: events.Started, To: customer, HomeRegion: "US"}
}

func read(t testing.TB, body []byte, v providers.View) []providers.Observation {
	t.Helper()
	got, err := reader().Read(events.ProviderRaw{Connection: "five9-desk", Via: "desktop", Body: body}, v)
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

// A desk records what is sent to it.
type desk struct {
	message []byte
	sent    int
}

func (d *desk) Send(_ context.Context, _ providers.AgentRef, message []byte, _ string, _ time.Time) error {
	d.sent++
	d.message = message
	return nil
}
