package kinds_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/config/kinds"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/tcn"
	"github.com/outdial/outdial/test/exams/providertest"
)

// build makes a provider of a kind with the settings that set puts.
func build(t *testing.T, kind providers.Kind, d providers.Deps, set func(providers.Section)) providers.Provider {
	t.Helper()
	for _, one := range kinds.All() {
		if one.Kind != kind {
			continue
		}
		s := one.Section()
		if set != nil {
			set(s)
		}
		p, err := one.Build(s, d)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	t.Fatalf("%s is not in the registry", kind)
	return providers.Provider{}
}

func ofTCN(c tcn.Config) func(providers.Section) {
	return func(s providers.Section) { *s.(*tcn.Config) = c }
}

func TestTCNAsksWhereItIsTold(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 16)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path + " " + r.Header.Get("Authorization")
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer srv.Close()
	p := build(t, providers.TCN, providers.Deps{Now: time.Now}, ofTCN(tcn.Config{
		BaseURL: srv.URL + "/base/", Paths: map[string]string{"agent": "/elsewhere"}, Timeout: 5 * time.Second,
	}))
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
	p := build(t, providers.TCN, providers.Deps{}, ofTCN(tcn.Config{BaseURL: srv.URL, Timeout: 50 * time.Millisecond}))
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
	for _, kind := range []providers.Kind{providers.WebexCC, providers.Five9} {
		d := &desk{}
		p := build(t, kind, providers.Deps{Desktop: d, HomeRegion: "GB"}, nil)
		order := providers.Order{Call: "c", Attempt: "a", To: "+442079460000", NotAfter: time.Now().Add(time.Minute)}
		if _, err := p.Starter.Start(t.Context(), order); err != nil || len(d.sent) != 1 {
			t.Errorf("%s sent %d messages: %v", kind, len(d.sent), err)
		}
	}
}

func TestFive9IsAtHomeWhereItIsTold(t *testing.T) {
	t.Parallel()
	d := &desk{}
	p := build(t, providers.Five9, providers.Deps{Desktop: d, HomeRegion: "GB"}, nil)
	order := providers.Order{Call: "c", Attempt: "a", To: "+12025550100", NotAfter: time.Now().Add(time.Minute)}
	if _, err := p.Starter.Start(t.Context(), order); fault.Code(err) != "outside_home_region" || len(d.sent) != 0 {
		t.Errorf("sent %d messages: %v", len(d.sent), err)
	}
}

func TestWhatIsNotBuiltIsKnownByName(t *testing.T) {
	t.Parallel()
	for _, kind := range []providers.Kind{"ipscape", "ujet"} {
		i := slices.IndexFunc(kinds.All(), func(p providers.Product) bool { return p.Kind == kind })
		if i < 0 || kinds.All()[i].Section != nil {
			t.Errorf("%s is at %d", kind, i)
		}
	}
}

// What a provider says it can is what it has a part for: services look at the
// part, people at the word.
func TestWhatAKindSaysItCanItHasAPartFor(t *testing.T) {
	t.Parallel()
	for _, of := range kinds.All().Built() {
		if err := providertest.Agrees(of, build(t, of.Kind, providers.Deps{Desktop: &desk{}}, nil)); err != nil {
			t.Errorf("%s: %v", of.Kind, err)
		}
	}
}

// A section that took a name of every connection's would hide that setting.
func TestNoNameIsTakenTwice(t *testing.T) {
	t.Parallel()
	all, common, seen := kinds.All(), map[string]bool{"connections.<name>.ratePerSecond": true}, map[providers.Kind]bool{}
	for _, f := range config.Fields(all) {
		if f.Of == nil {
			common[f.Path] = true
		}
	}
	for _, f := range config.Fields(all) {
		switch {
		case f.Of == nil:
		case f.Group && f.Path != "connections.<name>":
			t.Errorf("%s of %s is no setting: a section is flat", f.Path, f.Of.Kind)
		case !f.Group && common[f.Path]:
			t.Errorf("%s has %s, which every connection has", f.Of.Kind, f.Path)
		}
	}
	for _, one := range all {
		if seen[one.Kind] {
			t.Errorf("%s stands twice", one.Kind)
		}
		seen[one.Kind] = true
	}
}
