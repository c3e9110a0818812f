package tcn

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/httpapi"
)

// Operations, as Config.Paths and the simulator name them.
const (
	OpAgent     = "agent"
	OpSettings  = "settings"
	OpSession   = "session"
	OpCountries = "countries"
	OpStatus    = "status"
	OpPrepare   = "prepare"
	OpScrub     = "scrub"
	OpCancel    = "cancel"
	OpStart     = "start"
)

// DefaultPaths returns the path of each operation. None of them is in the
// source document, which lost every URL: they are from TCN's public protos and
// pages, prepare, cancel and start with weaker evidence than the rest.
func DefaultPaths() map[string]string {
	return map[string]string{
		OpAgent:     "/api/v0alpha/p3api/getcurrentagent",           // not in the source document
		OpSettings:  "/api/v0alpha/p3api/gethuntgroupagentsettings", // not in the source document
		OpSession:   "/api/v1alpha1/asm/asmapi/getcurrentsession",   // not in the source document
		OpCountries: "/api/v0alpha/org/countries/list/get",          // not in the source document
		OpStatus:    "/api/v0alpha/acd/agentgetstatus",              // not in the source document
		OpPrepare:   "/api/v0alpha/acd/dialmanualprepare",           // not in the source document
		OpScrub:     "/api/v0alpha/callqueue/processmanualdialcall", // not in the source document
		OpCancel:    "/api/v0alpha/acd/dialmanualcancel",            // not in the source document
		OpStart:     "/api/v0alpha/p3api/manualdialstart",           // not in the source document
	}
}

func (c Config) withDefaults() Config {
	paths := DefaultPaths()
	maps.Copy(paths, c.Paths)
	c.Paths = paths
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	for d, def := range map[*time.Duration]time.Duration{
		&c.Timeout: 10 * time.Second, &c.PollEvery: 250 * time.Millisecond, &c.SettingsFor: time.Minute,
	} {
		if *d <= 0 {
			*d = def
		}
	}
	return c
}

// Client is one connection to TCN. It is safe for concurrent use and holds no
// lock while it asks, so a slow scrub keeps no agent's keepalive waiting.
type Client struct {
	cfg   Config
	now   func() time.Time
	once  *httpapi.Once
	reads *httpapi.Reads

	mu        sync.Mutex
	settings  map[string]cached[settings] // by agent
	countries map[string]cached[[]country]
}

type cached[T any] struct {
	value T
	at    time.Time
}

// settings are those of one hunt group.
type settings struct {
	group string
	manualDial
}

// New makes a client. now is the clock that Order.NotAfter is measured by;
// nil is time.Now.
func New(c Config, now func() time.Time) *Client {
	if now == nil {
		now = time.Now
	}
	c = c.withDefaults()
	o := httpapi.Options{Timeout: c.Timeout, Tracer: c.Tracer, Now: now}
	return &Client{
		cfg: c, now: now, once: httpapi.NewOnce(o), reads: httpapi.NewReads(o),
		settings: map[string]cached[settings]{}, countries: map[string]cached[[]country]{},
	}
}

// Provider has the connection's parts. A started call cannot be withdrawn: TCN's
// cancel undoes a preparation only.
func (c *Client) Provider() providers.Provider {
	return providers.Provider{Starter: c, Looker: c, Withdrawer: c, Preparer: c, Confirmer: c, Configured: c, Poller: c, Reader: Reader{}}
}

// Close lets idle connections go.
func (c *Client) Close() { c.reads.Close() }

// post sends body to an operation and returns the answer, whatever its status.
func (c *Client) post(ctx context.Context, via httpapi.Doer, op, token string, body any, notAfter time.Time) (httpapi.Answer, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return httpapi.Answer{}, fault.New(fault.Permanent, verb(op), "bad_request", nil)
	}
	return via.Do(ctx, httpapi.Request{
		Operation: verb(op),
		URL:       c.cfg.BaseURL + c.cfg.Paths[op],
		Header: http.Header{
			"Authorization": {"Bearer " + token},
			"Content-Type":  {"application/json"},
			"Accept":        {"application/json"},
		},
		Body: b, NotAfter: notAfter,
	})
}

// ask puts a harmless question and reads the answer into out.
func (c *Client) ask(ctx context.Context, op, token string, body, out any) error {
	a, err := c.post(ctx, c.reads, op, token, body, time.Time{})
	if err != nil {
		if fault.Of(err) == fault.Permanent {
			return err
		}
		return fault.New(fault.Transient, verb(op), "provider_down", err)
	}
	if err := refusal(op, a); err != nil {
		return err
	}
	return decode(op, a.Body, out)
}

// refusal classifies a status that is not a 2xx, for operations whose
// repetition harms nobody. Start has a stricter table of its own.
func refusal(op string, a httpapi.Answer) error {
	switch {
	case a.OK():
		return nil
	case a.Status == http.StatusUnauthorized, a.Status == http.StatusForbidden:
		return fault.New(fault.Permanent, verb(op), "unauthorized", nil)
	case a.Status == http.StatusTooManyRequests, a.Status == http.StatusRequestTimeout:
		e := fault.New(fault.Transient, verb(op), "rate_limited", nil)
		if s, err := strconv.Atoi(a.Header.Get("Retry-After")); err == nil && s > 0 && s <= 3600 {
			e.After = time.Duration(s) * time.Second
		}
		return e
	case a.Status >= 400 && a.Status < 500:
		return fault.New(fault.Permanent, verb(op), "status_"+strconv.Itoa(a.Status), nil)
	}
	return fault.New(fault.Transient, verb(op), "provider_down", nil)
}

// decode reads an answer. The error says where, never what: an answer may hold
// anything.
func decode(op string, body []byte, out any) error {
	if err := json.Unmarshal(body, out); err != nil {
		return fault.New(fault.Transient, verb(op), "unreadable", nil)
	}
	return nil
}

func verb(op string) string { return "tcn " + op }
