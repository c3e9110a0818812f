// Package sixth is a provider that nobody sells, written by what CONTRIBUTING
// says and by nothing else: it proves that the contract has a place for
// providers unlike the ones that are built. Its calls stand in queues of its
// own and name no agent of ours; what becomes of them it keeps in a feed and
// posts as well; it takes five requests a second, rings a person's numbers one
// after the other, at the time that it is told, and gives calls back.
//
//	POST /calls · GET /calls?attempt= · DELETE /calls/<id> · GET /events?after=
package sixth

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/callstate"
	"github.com/outdial/outdial/pkg/providers/httpapi"
)

// Kind is its name in the configuration.
const Kind providers.Kind = "sixth"

// Product is its line in a registry; five a second is from its document.
func Product() providers.Product {
	can := providers.Capabilities{Queues: true, Withdraw: true, LooksUp: true, Talking: true, PerSecond: 5,
		Alternates: true, Schedules: true, Progress: providers.ProgressFeed}
	return providers.Product{Kind: Kind, Can: can, Words: []providers.Vocabulary{words}, Section: func() providers.Section { return new(Section) }}
}

// Section is its part of the configuration.
type Section struct {
	BaseURL string           `yaml:"baseURL,omitempty" help:"Where the company is. Required."`
	Timeout time.Duration    `yaml:"timeout,omitempty" default:"10s" help:"Of one exchange."`
	Key     providers.Secret `yaml:"key,omitempty" help:"The account's key. Required."`
	Site    int              `yaml:"site,omitempty" default:"1" help:"Whose queues they are, from 1."`
}

// Check implements providers.Section.
func (s *Section) Check() []providers.Mistake {
	out := providers.CheckAPI(Kind, s.BaseURL, nil, nil)
	if s.Key.IsZero() {
		out = append(out, providers.Missing("key", "the company knows its customers by it"))
	}
	if s.Site < 1 {
		out = append(out, providers.Mistake{At: []string{"site"}, Says: "begins at 1"})
	}
	return out
}

// Address implements providers.Section.
func (s *Section) Address() string { return s.BaseURL }

// Build implements providers.Section.
func (s *Section) Build(d providers.Deps) (providers.Provider, error) {
	c := New(*s, httpapi.Options{Timeout: s.Timeout, Tracer: d.Tracer, Now: d.Now})
	return providers.Provider{Starter: c, Looker: c, Withdrawer: c, Feeder: c, Hook: Reader{}, Reader: Reader{}}, nil
}

// A Client is one account.
type Client struct {
	base        string
	header      http.Header
	once, reads httpapi.Doer
}

// New makes a client of the company.
func New(s Section, o httpapi.Options) *Client {
	header := http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + s.Key.Reveal()}, "Site": {strconv.Itoa(s.Site)}}
	return &Client{base: s.BaseURL, header: header, once: httpapi.NewOnce(o), reads: httpapi.NewReads(o)}
}

type order struct {
	Attempt string    `json:"attempt"`
	Numbers []string  `json:"numbers"` // rung one after the other
	Queue   string    `json:"queue"`
	At      time.Time `json:"at,omitzero"`
	Until   time.Time `json:"until,omitzero"`
}

type taken struct {
	ID    string `json:"id"`
	State string `json:"state"`
}

// Start implements providers.Starter: one POST, never two. Only a 201 with an
// id is a yes; a plain 4xx is a no; anything else proves nothing.
func (c *Client) Start(ctx context.Context, o providers.Order) (providers.Receipt, error) {
	body, err := json.Marshal(order{o.Attempt, o.Numbers, o.Queue, o.CallAt, o.PassEnds})
	if err != nil {
		return providers.Receipt{}, fault.New(fault.Permanent, "sixth start", "bad_request", nil)
	}
	a, err := c.once.Do(ctx, httpapi.Request{Operation: "sixth start", URL: c.base + "/calls",
		Header: c.header, Body: body, NotAfter: o.NotAfter})
	if err != nil {
		return providers.Receipt{}, err
	}
	var yes taken
	switch s := a.Status; {
	case s == http.StatusTooManyRequests, s == http.StatusRequestTimeout:
		return providers.Receipt{}, fault.New(fault.Uncertain, "sixth start", "no_verdict", nil)
	case s >= 400 && s < 500:
		return providers.Receipt{}, fault.New(fault.Permanent, "sixth start", "refused", nil)
	case !a.OK():
		return providers.Receipt{}, fault.New(fault.Uncertain, "sixth start", "provider_error", nil)
	case json.Unmarshal(a.Body, &yes) != nil || yes.ID == "":
		return providers.Receipt{}, fault.New(fault.Uncertain, "sixth start", "broken_reply", nil)
	}
	return providers.Receipt{IDs: map[string]string{providers.CallID: yes.ID}}, nil
}

// Lookup implements providers.Looker.
func (c *Client) Lookup(ctx context.Context, o providers.Order) (providers.Found, error) {
	var found taken
	status, err := c.get(ctx, "/calls?attempt="+url.QueryEscape(o.Attempt), &found)
	switch {
	case err != nil:
		return providers.Found{Verdict: providers.CannotSay}, err
	case status == http.StatusNotFound:
		return providers.Found{Verdict: providers.NotPlaced, Evidence: "no such attempt"}, nil
	}
	return providers.Found{Verdict: providers.Placed, Evidence: found.State}, nil
}

// Withdraw implements providers.Withdrawer: by the attempt, since the answer with
// the id may have been lost. One that rings is not taken back.
func (c *Client) Withdraw(ctx context.Context, o providers.Order) (string, error) {
	var found taken
	status, err := c.get(ctx, "/calls?attempt="+url.QueryEscape(o.Attempt), &found)
	if err != nil {
		return "", err
	}
	if status == http.StatusNotFound {
		return "never there", nil
	}
	a, err := c.reads.Do(ctx, httpapi.Request{Operation: "sixth withdraw", Method: http.MethodDelete, Header: c.header, URL: c.base + "/calls/" + url.PathEscape(found.ID)})
	switch {
	case err != nil:
		return "", fault.New(fault.Transient, "sixth withdraw", "provider_down", err)
	case a.Status == http.StatusConflict:
		return "", fault.New(fault.Permanent, "sixth withdraw", "answered", nil)
	case !a.OK():
		return "", fault.New(fault.Transient, "sixth withdraw", "provider_down", nil)
	}
	return "withdrawn", nil
}

// Page implements providers.Feeder.
func (c *Client) Page(ctx context.Context, cursor string, _ time.Time) (providers.Page, error) {
	var page struct {
		Events []json.RawMessage `json:"events"`
		Next   int               `json:"next"`
		More   bool              `json:"more"`
	}
	if _, err := c.get(ctx, "/events?after="+url.QueryEscape(cursor), &page); err != nil {
		return providers.Page{}, err
	}
	out := providers.Page{Next: strconv.Itoa(page.Next), More: page.More}
	for _, e := range page.Events {
		out.Items = append(out.Items, e)
	}
	return out, nil
}

// get asks a harmless question.
func (c *Client) get(ctx context.Context, path string, into any) (status int, err error) {
	a, err := c.reads.Do(ctx, httpapi.Request{Operation: "sixth ask", Method: http.MethodGet, Header: c.header, URL: c.base + path})
	switch {
	case err != nil:
		return 0, fault.New(fault.Transient, "sixth ask", "provider_down", err)
	case a.Status == http.StatusNotFound:
		return a.Status, nil
	case a.Status == http.StatusUnauthorized, a.Status == http.StatusForbidden:
		return a.Status, fault.New(fault.Permanent, "sixth ask", "unauthorized", nil)
	case !a.OK() || json.Unmarshal(a.Body, into) != nil:
		return a.Status, fault.New(fault.Transient, "sixth ask", "provider_down", nil)
	}
	return a.Status, nil
}

// Reader understands its events, from the feed and as posted.
type Reader struct{}

// Split implements providers.Hook: it posts lists.
func (Reader) Split(body []byte) ([][]byte, error) {
	var all []json.RawMessage
	if err := json.Unmarshal(body, &all); err != nil {
		return nil, fault.New(fault.Permanent, "read sixth post", "unreadable", nil)
	}
	out := make([][]byte, len(all))
	for i := range all {
		out[i] = all[i]
	}
	return out, nil
}

// Read implements providers.Reader.
func (Reader) Read(raw events.ProviderRaw, v providers.View) ([]providers.Observation, error) {
	var e Event
	if err := json.Unmarshal(raw.Body, &e); err != nil || e.Word == "" {
		return nil, fault.New(fault.Permanent, "read sixth event", "unreadable", nil)
	}
	o := providers.Observation{Event: e.Word, Attempt: e.Attempt, CallKey: e.Call, Manual: true, At: e.At,
		IDs: map[string]string{"queueEntry": e.Call}}
	return []providers.Observation{callstate.Onto(o, words.Said(e.Word, v)[0])}, nil
}

// An Event is one line of its feed.
type Event struct {
	Call    string    `json:"call"`
	Attempt string    `json:"attempt,omitempty"`
	Word    string    `json:"event"`
	At      time.Time `json:"at"`
}

// words is its word → event table; a word that is not in it is kept as it is.
var words = callstate.New(map[callstate.Meaning]string{
	callstate.Ringing:  "RINGING",
	callstate.Answered: "PICKED_UP",
	callstate.Talking:  "BRIDGED",
}, callstate.Traits{Ends: map[string]string{events.EndCompleted: "HUNG_UP", events.EndNoAnswer: "NOBODY"}})
