package kinds_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/config/kinds"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
)

// build makes a provider and lets nothing pass that the table does not know.
func build(t *testing.T, c config.Connection, d config.Deps) providers.Provider {
	t.Helper()
	p, err := kinds.All()[providers.Kind(c.Kind)].Build(c, d)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTCNAsksWhereItIsTold(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 16)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path + " " + r.Header.Get("Authorization")
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer srv.Close()
	p := build(t, config.Connection{
		Kind: "tcn", BaseURL: srv.URL + "/base/", Paths: map[string]string{"agent": "/elsewhere"}, Timeout: 5 * time.Second,
	}, config.Deps{Now: time.Now})
	_, _, err := p.Poller.Open(t.Context(), providers.AgentRef{Token: "token"})
	if fault.Code(err) != "unauthorized" {
		t.Errorf("got %v", err)
	}
	if got := <-asked; got != "/base/elsewhere Bearer token" {
		t.Errorf("asked %s", got)
	}
}

func TestTCNWaitsNoLongerThanItIsTold(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-done }))
	defer srv.Close()
	defer close(done)
	p := build(t, config.Connection{Kind: "tcn", BaseURL: srv.URL, Timeout: 50 * time.Millisecond}, config.Deps{})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, _, err := p.Poller.Open(ctx, providers.AgentRef{Token: "token"}); fault.Of(err) != fault.Transient || ctx.Err() != nil {
		t.Errorf("got %v, and the test's own time: %v", err, ctx.Err())
	}
}

// desk takes every message and keeps it.
type desk struct{ sent [][]byte }

func (d *desk) Send(_ context.Context, _ providers.AgentRef, message []byte, _ string, _ time.Time) error {
	d.sent = append(d.sent, message)
	return nil
}

func TestDesktopKindsSpeakThroughTheDesktopTheyAreGiven(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"webexcc", "five9"} {
		d := &desk{}
		p := build(t, config.Connection{Kind: kind}, config.Deps{Desktop: d, HomeRegion: "GB"})
		order := providers.Order{Call: "c", Attempt: "a", To: "+442079460000", NotAfter: time.Now().Add(time.Minute)}
		if _, err := p.Starter.Start(t.Context(), order); err != nil || len(d.sent) != 1 {
			t.Errorf("%s sent %d messages: %v", kind, len(d.sent), err)
		}
	}
}

func TestFive9IsAtHomeWhereItIsTold(t *testing.T) {
	t.Parallel()
	d := &desk{}
	p := build(t, config.Connection{Kind: "five9"}, config.Deps{Desktop: d, HomeRegion: "GB"})
	order := providers.Order{Call: "c", Attempt: "a", To: "+12025550100", NotAfter: time.Now().Add(time.Minute)}
	if _, err := p.Starter.Start(t.Context(), order); fault.Code(err) != "outside_home_region" || len(d.sent) != 0 {
		t.Errorf("sent %d messages: %v", len(d.sent), err)
	}
}

func TestWhatIsNotBuiltIsKnownByName(t *testing.T) {
	t.Parallel()
	for _, kind := range []providers.Kind{"ipscape", "ujet"} {
		if k, ok := kinds.All()[kind]; !ok || k.Build != nil {
			t.Errorf("%s is known: %v", kind, ok)
		}
	}
}

// What a provider says it can is what it has a part for: services look at the
// part, people at the word.
func TestWhatAKindSaysItCanItHasAPartFor(t *testing.T) {
	t.Parallel()
	for _, name := range kinds.All().Built() {
		p := build(t, config.Connection{Kind: name, BaseURL: "http://127.0.0.1:1"}, config.Deps{Desktop: &desk{}})
		for part, is := range map[string][2]bool{
			"starts": {true, p.Starter != nil}, "reads": {true, p.Reader != nil},
			"prepares": {p.Can.Prepares, p.Preparer != nil}, "looks up": {p.Can.LooksUp, p.Looker != nil},
			"polls":                   {p.Can.Presence == providers.PresencePolled, p.Poller != nil},
			"withdraws what it holds": {p.Can.Prepares || p.Can.Withdraw, p.Withdrawer != nil},
			"claims or queues":        {true, p.Can.Claims},
		} {
			if is[0] != is[1] {
				t.Errorf("%s says that it %s: %t, and has the part: %t", name, part, is[0], is[1])
			}
		}
		if string(p.Kind) != name {
			t.Errorf("%s builds %s", name, p.Kind)
		}
	}
}
