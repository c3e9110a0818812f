// Package five9 is Five9 behind the Acqueon Workspace: a manual call is a
// message to the agent's desktop, and everything that becomes of it comes back
// as events of the same desktop. Its trap is WRAP_UP, which is after-call work
// when there was a call, and "could not be placed" when there was none.
package five9

import (
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/acqueon/bus"
)

// MinVersion is the first Workspace version the document covers.
const MinVersion = "3.19.2403"

// Product is its line in the registry.
func Product() providers.Product { return System().Product() }

// System is its part of the bus. National numbers are those of its home region,
// both ways.
func System() bus.System {
	return bus.System{Kind: providers.Five9, Channel: "five9", MinVersion: MinVersion, Talking: true,
		Words: []providers.Vocabulary{words}, Request: request, Read: understand}
}

// request is the document's SetMakeCall, on the topic InboundCall although the
// call goes out. Five9 takes national digits and has no place for a country
// code, so a number of another country is refused: its national digits would
// ring a stranger at home.
func request(o providers.Order, home string) (bus.Request, error) {
	country, national, ok := events.National(o.To)
	if !ok {
		return bus.Request{}, fault.New(fault.Permanent, "dial", "bad_number", nil)
	}
	if int(country) != bus.CallingCode(home) {
		return bus.Request{}, fault.New(fault.Permanent, "dial", "outside_home_region", nil)
	}
	return bus.Request{Channel: "Five9", Topic: "InboundCall", Subtopic: "SetMakeCall", Data: national}, nil
}
