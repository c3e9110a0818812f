package bus

import (
	"cmp"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
)

// A System is what one telephone system's document says; the rest is the bus.
type System struct {
	Kind       providers.Kind
	Channel    string // of its messages, however spelled
	MinVersion string // the first Workspace that the document covers
	Talking    bool   // it reports when people talk
	Words      []providers.Vocabulary
	// Request is the message that places a call to an E.164 number; home is the
	// connection's region. Its error is a fault, Permanent.
	Request func(o providers.Order, home string) (Request, error)
	// Read says what a message about an outbound call on the channel means;
	// home is the region of national numbers. It is pure; its errors are Permanent.
	Read func(call Object, home string, v providers.View) ([]providers.Observation, error)
}

// Provider is a connection as the dialer and the bridge know it.
func (s System) Provider(c Config) providers.Provider {
	home, version := cmp.Or(c.HomeRegion, "US"), cmp.Or(c.MinVersion, s.MinVersion)
	request := func(o providers.Order) (Request, error) { return s.Request(o, home) }
	return providers.Provider{
		Kind: s.Kind, Can: s.can(),
		Starter: Starter{Desktop: c.Desktop, MinVersion: version, Request: request},
		Reader:  reader{s, home, version},
	}
}

// A reader understands what an agent's desktop says. It is pure.
type reader struct {
	system        System
	home, version string
}

var _ providers.Opener = reader{}

// Read implements providers.Reader: it says what a message means for an agent
// and a call on record.
func (r reader) Read(raw events.ProviderRaw, v providers.View) ([]providers.Observation, error) {
	m, err := Parse(raw.Body)
	if err != nil {
		return nil, err
	}
	return r.read(m, v)
}

// Open implements providers.Opener: nearly all of reading is to parse.
func (r reader) Open(raw events.ProviderRaw) (func(providers.View) ([]providers.Observation, error), error) {
	m, err := Parse(raw.Body)
	return func(v providers.View) ([]providers.Observation, error) { return r.read(m, v) }, err
}

func (r reader) read(m Message, v providers.View) ([]providers.Observation, error) {
	if m.IsRelay() {
		return ReadRelay(m, r.version)
	}
	if !m.AboutCall() {
		return nil, nil
	}
	if !m.On(r.system.Channel) || !m.Outbound() {
		return Foreign(m.Call.Text("event")), nil
	}
	seen, err := r.system.Read(m.Call, cmp.Or(v.HomeRegion, r.home), v)
	for i := range seen {
		seen[i].Waited = m.Waited()
	}
	return seen, err
}
