// Package webexcc is Webex Contact Center behind the Acqueon Workspace: a
// manual call is a message to the agent's desktop, and everything that becomes
// of it comes back as events of the same desktop. Nothing is answered; the
// page's acknowledgment says only that the message was posted.
package webexcc

import (
	"cmp"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/acqueon/bus"
)

// MinVersion is the first Workspace version the document covers.
const MinVersion = "3.21.2410"

// Config is one connection to Webex CC.
type Config struct {
	Desktop    providers.Desktop // carries requests to the agent's desktop
	HomeRegion string            // ISO region for numbers without a country code; default US
	MinVersion string            // of the Workspace; default MinVersion
}

// An Adapter is a configured connection.
type Adapter struct {
	cfg Config
}

// New makes the adapter.
func New(cfg Config) *Adapter {
	cfg.HomeRegion = cmp.Or(cfg.HomeRegion, "US")
	cfg.MinVersion = cmp.Or(cfg.MinVersion, MinVersion)
	return &Adapter{cfg: cfg}
}

// Provider is the adapter as the dialer and the bridge know it. Webex CC
// reports no talking, so answered counts.
func (a *Adapter) Provider() providers.Provider {
	return providers.Provider{
		Kind:    providers.WebexCC,
		Can:     providers.Capabilities{Desktop: true},
		Starter: bus.Starter{Desktop: a.cfg.Desktop, MinVersion: a.cfg.MinVersion, Request: request},
		Reader:  Reader{HomeRegion: a.cfg.HomeRegion, MinVersion: a.cfg.MinVersion},
	}
}

// request is the document's MakeCall: the number as digits with the country
// code and without the plus.
func request(o providers.Order) (bus.Request, error) {
	if !events.IsE164(o.To) {
		return bus.Request{}, fault.New(fault.Permanent, "dial", "bad_number", nil)
	}
	return bus.Request{Channel: "Webexcc", Topic: "OutboundCall", Subtopic: "MakeCall", Data: o.To[1:]}, nil
}
