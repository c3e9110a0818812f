package providertest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/httpapi"
	"github.com/outdial/outdial/test/exams/providertest"
)

// secret stands for a customer's number.
const secret = "4355551234"

// careful is a client as it should be.
type careful struct {
	url  string
	once *httpapi.Once
}

func (c careful) Start(ctx context.Context, o providers.Order) (providers.Receipt, error) {
	a, err := c.once.Do(ctx, httpapi.Request{Operation: "dial", URL: c.url + "/calls", Body: []byte(`{"to":"` + o.To + `"}`), NotAfter: o.NotAfter})
	switch {
	case err != nil:
		return providers.Receipt{}, err
	case a.OK() && !a.Cut && bytes.Contains(a.Body, []byte(`"id"`)):
		return providers.Receipt{IDs: map[string]string{"id": "7"}}, nil
	case a.Status >= 400 && a.Status < 500 && a.Status != 408 && a.Status != 429:
		return providers.Receipt{}, fault.New(fault.Permanent, "dial", "refused", nil)
	}
	return providers.Receipt{}, fault.New(fault.Uncertain, "dial", "odd_reply", nil)
}

func dialect(start func(url string) providers.Starter) providertest.Dialect {
	return providertest.Dialect{
		New: start, Yes: `{"id":"7"}`, Secrets: []string{secret},
		Order: func() providers.Order { return providers.Order{To: "+1" + secret} },
	}
}

func TestACarefulClientPasses(t *testing.T) {
	t.Parallel()
	providertest.Run(t, dialect(func(url string) providers.Starter {
		return careful{url, httpapi.NewOnce(httpapi.Options{})}
	}))
}

// careless is what one writes first: http.Client with its kept connections, a
// rewindable body, and whatever shape adds to the request.
type careless struct {
	careful
	client *http.Client
	shape  func(*http.Request)
	tries  int
	waits  bool
}

func (c careless) Start(ctx context.Context, o providers.Order) (_ providers.Receipt, err error) {
	for range max(c.tries, 1) {
		var req *http.Request
		if req, err = http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/calls", strings.NewReader(`{"to":"`+o.To+`"}`)); err != nil {
			return providers.Receipt{}, err
		}
		if c.shape != nil {
			c.shape(req)
		}
		var res *http.Response
		if res, err = c.client.Do(req); err != nil {
			err = fault.New(fault.Uncertain, "dial", "no_reply", nil)
			continue
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return providers.Receipt{IDs: map[string]string{"id": "7"}, Pending: c.waits}, nil
		}
		err = fault.New(fault.Uncertain, "dial", "odd_reply", errors.New(res.Status))
	}
	return providers.Receipt{}, err
}

// An exam that nobody fails proves nothing: each carelessness must be seen, by
// the question that is about it.
func TestCarelessClientsFail(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		client   careless
		question string
		says     string
	}{
		"kept connections and an idempotency key: Go itself sends it twice": {
			careless{shape: func(r *http.Request) { r.Header.Set("Idempotency-Key", "k1") }},
			"a connection that dies after use brings no second request", "3 requests arrived, want 2",
		},
		"an idempotency key": {
			careless{shape: func(r *http.Request) { r.Header.Set("Idempotency-Key", "k1") }},
			"neither idempotency keys nor baggage are sent", "Idempotency-Key",
		},
		"kept connections": {careless{}, "two starts are two requests on two connections", "a yes became"},
		"a client that tries again": {
			careless{tries: 3}, "500 Internal Server Error is uncertain", "3 requests arrived, want 1",
		},
		"redirects are followed":        {careless{}, "a redirect is never followed", "it took it for a yes"},
		"a refusal is not seen as one":  {careless{}, "400 Bad Request is permanent", "want permanent"},
		"nobody home is not safe":       {careless{}, "nobody home is transient", "want transient"},
		"the deadline is not kept":      {careless{}, "too late is transient, and nothing is sent", "1 requests arrived, want 0"},
		"it waits for an agent, unsaid": {careless{waits: true}, "a yes is a yes", "does not say that it may"},
		"no deadline at all": {
			careless{client: &http.Client{Transport: deaf{}}}, "a slow drip is uncertain, and bounded", "it took",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			providertest.Fails(t, dialect(func(url string) providers.Starter {
				c := tc.client
				c.url = url
				if c.client == nil {
					c.client = &http.Client{Transport: &http.Transport{}}
				}
				return c
			}), tc.question, tc.says)
		})
	}
}

// nameless understands every message, and says not whose it is.
type nameless struct{}

func (nameless) Read(events.ProviderRaw, providers.View) ([]providers.Observation, error) {
	return []providers.Observation{{Call: events.Ringing, Customer: "+1" + secret}}, nil
}

// A listener hears what a test is told.
type listener struct {
	testing.TB
	told string
}

func (l *listener) Errorf(format string, args ...any) { l.told = fmt.Sprintf(format, args...) }

func TestNewsThatSaysNotWhoseItIsIsNoStory(t *testing.T) {
	t.Parallel()
	l := &listener{TB: t}
	if story, _ := providertest.Replay(l, nameless{}, providers.View{}, nil, nil); story != "" || !strings.Contains(l.told, "all 2 news are nobody's") {
		t.Errorf("told %q and %q", story, l.told)
	}
}

// deaf does not hear that its caller has given up.
type deaf struct{}

func (deaf) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 6*time.Second)
	time.AfterFunc(6*time.Second, cancel)
	return (&http.Transport{DisableKeepAlives: true}).RoundTrip(r.WithContext(ctx))
}
