package five9

import (
	"testing"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/acqueon/bus"
	"github.com/outdial/outdial/test/exams/bustest"
)

const customer = "+16081234567"

func wrapUp(t testing.TB) []byte {
	return bustest.Fixture(t, "004-five9-outbound-call-state-change-wrap-up.event.json")
}

type object = bustest.Object

// message is the document's sample, changed.
func message(t testing.TB, change ...func(object)) []byte {
	t.Helper()
	return bustest.Message(t, wrapUp(t), change...)
}

func data(m object) object {
	return bustest.At(m, "message", "call", "ResponseFields", "interactionData")
}

func event(name string) func(object) {
	return func(m object) {
		bustest.At(m, "message", "call")["event"] = name
		bustest.At(m, "message", "call", "ResponseFields")["CallState"] = name
		data(m)["callState"] = name
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
