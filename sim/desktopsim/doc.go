// Package desktopsim plays the desktops of agents: it connects to the
// events-bridge as a page with the relay script would, takes requests, and
// tells of calls in the words of Webex CC or Five9 behind the Acqueon
// Workspace. Its messages are the documents' own samples with other ids and
// numbers.
//
// How a number behaves is the simulator's Script, what goes wrong its Plan, and
// every accepted request is in its Ledger before anything rings. The
// operations of a desktop, for faults:
//
//	request  late · late_effect · double (said yes twice) · silent (not done, no answer) ·
//	         accept_then_silent (done, no answer) · reset · accept_then_reset (socket cut);
//	         any other mode refuses
//	call     silent (done, and never heard of again)
//	event    late · double · lost · reset (socket cut, the event is sent after it)
package desktopsim

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/acqueon/desktop"
	"github.com/outdial/outdial/sim"
)

// Operations that a sim.Fault can name.
const (
	OpRequest = "request"
	OpCall    = "call"
	OpEvent   = "event"
)

// Config is one agent's desktop.
type Config struct {
	URL        string // of the events-bridge, e.g. http://127.0.0.1:8080
	Connection string
	Agent      string
	Token      string // of the connection; "" where none is configured
	Kind       providers.Kind

	ProviderAgent string        // the provider's id of the agent; default the sample's
	Version       string        // of the Workspace; default a supported one
	HomeRegion    string        // of Five9's national numbers; default US
	NotReady      bool          // begins not ready
	Pace          time.Duration // between events; default sim.DefaultPace
	Log           *slog.Logger
	Now           func() time.Time
}

func (c Config) withDefaults() Config {
	c.Version = cmp.Or(c.Version, "3.21.2410")
	c.HomeRegion = cmp.Or(c.HomeRegion, "US")
	c.Pace = cmp.Or(c.Pace, sim.DefaultPace)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func (c Config) validate() error {
	var errs []error
	if c.Kind != providers.WebexCC && c.Kind != providers.Five9 {
		errs = append(errs, fmt.Errorf("kind %q has no desktop", c.Kind))
	}
	if !events.IsToken(c.Connection) {
		errs = append(errs, errors.New("connection is not a token"))
	}
	if c.Agent == "" {
		errs = append(errs, errors.New("agent is missing"))
	}
	if _, err := c.socketURL(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// socketURL is where the desktop's socket is.
func (c Config) socketURL() (string, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" {
		return "", errors.New("url must name the events-bridge, e.g. http://127.0.0.1:8080")
	}
	switch u.Scheme {
	case "http", "ws":
		u.Scheme = "ws"
	case "https", "wss":
		u.Scheme = "wss"
	default:
		return "", fmt.Errorf("url scheme %q is not http or ws", u.Scheme)
	}
	base := strings.TrimSuffix(u.String(), "/")
	return base + desktop.BasePath + c.Connection + "/" + url.PathEscape(c.Agent), nil
}
