// Package five9 is Five9 behind the Acqueon Workspace: a manual call is a
// message to the agent's desktop, and everything that becomes of it comes back
// as events of the same desktop. Its trap is WRAP_UP, which is after-call work
// when there was a call, and "could not be placed" when there was none.
package five9

import (
	"cmp"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/acqueon/bus"
)

// MinVersion is the first Workspace version the document covers.
const MinVersion = "3.19.2403"

// Config is one connection to Five9.
type Config struct {
	Desktop    providers.Desktop // carries requests to the agent's desktop
	HomeRegion string            // ISO region whose national numbers Five9 is sent and sends; default US
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

// Provider is the adapter as the dialer and the bridge know it.
func (a *Adapter) Provider() providers.Provider {
	return providers.Provider{
		Kind:    providers.Five9,
		Can:     providers.Capabilities{Desktop: true, Talking: true},
		Starter: bus.Starter{Desktop: a.cfg.Desktop, MinVersion: a.cfg.MinVersion, Request: a.request},
		Reader:  Reader{HomeRegion: a.cfg.HomeRegion, MinVersion: a.cfg.MinVersion},
	}
}

// request is the document's SetMakeCall, on the topic InboundCall although the
// call goes out. Five9 takes national digits and has no place for a country
// code, so a number of another country is refused: its national digits would
// ring a stranger at home.
func (a *Adapter) request(o providers.Order) (bus.Request, error) {
	if !events.IsE164(o.To) {
		return bus.Request{}, fault.New(fault.Permanent, "dial", "bad_number", nil)
	}
	country, national, ok := events.National(o.To)
	if !ok {
		return bus.Request{}, fault.New(fault.Permanent, "dial", "bad_number", nil)
	}
	if int(country) != bus.CallingCode(a.cfg.HomeRegion) {
		return bus.Request{}, fault.New(fault.Permanent, "dial", "outside_home_region", nil)
	}
	return bus.Request{Channel: "Five9", Topic: "InboundCall", Subtopic: "SetMakeCall", Data: national}, nil
}
