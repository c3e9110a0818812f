package webexcc

import (
	"strings"
	"testing"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/acqueon/bus"
	"github.com/outdial/outdial/test/exams/bustest"
)

const (
	customer    = "+917702779401"
	interaction = "982c6b08-5a55-471c-9dcb-4280359c66f7"
	orgID       = "013dce5c-a8aa-4590-bebe-fed6d419dcc4"
)

func offer(t testing.TB) []byte {
	return bustest.Fixture(t, "001-webexcc-outbound-call-state-change-offer.event.json")
}

type object = bustest.Object

// message is the document's sample, changed.
func message(t testing.TB, change ...func(object)) []byte {
	t.Helper()
	return bustest.Message(t, offer(t), change...)
}

func event(name string) func(object) {
	return func(m object) {
		bustest.At(m, "message", "call")["event"] = name
		bustest.At(m, "message", "call", "ResponseActual", "data")["type"] = strings.TrimPrefix(name, "e")
	}
}

func people(m object) object {
	return bustest.At(m, "message", "call", "ResponseActual", "data", "interaction", "participants")
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

func one(t testing.TB, body []byte, v providers.View) providers.Observation {
	t.Helper()
	return bustest.One(t, reader(), body, v)
}
