// Package webexcc is Webex Contact Center behind the Acqueon Workspace: a
// manual call is a message to the agent's desktop, and everything that becomes
// of it comes back as events of the same desktop. Nothing is answered; the
// page's acknowledgment says only that the message was posted.
package webexcc

import (
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/acqueon/bus"
)

// MinVersion is the first Workspace version the document covers.
const MinVersion = "3.21.2410"

// Product is its line in the registry.
func Product() providers.Product { return System().Product() }

// System is its part of the bus. It reports no talking, so answered counts.
func System() bus.System {
	return bus.System{Kind: providers.WebexCC, Channel: "webexcc", MinVersion: MinVersion,
		Words: []providers.Vocabulary{words, states}, Request: request, Read: understand}
}

// request is the document's MakeCall: the number as digits with the country
// code and without the plus.
func request(o providers.Order, _ string) (bus.Request, error) {
	return bus.Request{Channel: "Webexcc", Topic: "OutboundCall", Subtopic: "MakeCall", Data: o.To[1:]}, nil
}
