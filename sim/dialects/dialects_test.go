package dialects_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/outdial/outdial/internal/config/kinds"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/dialects"
)

func TestEveryProviderThatIsBuiltIsPlayed(t *testing.T) {
	t.Parallel()
	all := dialects.All()
	for _, p := range kinds.All() {
		if _, played := all[p.Kind]; p.Section != nil && !played {
			t.Errorf("nobody plays %s", p.Kind)
		}
	}
}

func TestACompanyIsBelowItsKindAndTCNAtTheRoot(t *testing.T) {
	t.Parallel()
	s, err := sim.New(sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	front, err := dialects.Serve(s, 2)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{
		"/api/v0alpha/p3api/getcurrentagent": http.StatusOK, "/tcn/api/v0alpha/p3api/getcurrentagent": http.StatusOK,
		"/tcn/nothing": http.StatusNotFound, "/nothing": http.StatusNotFound,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(`{}`))
		r.Header.Set("Authorization", "Bearer token-2098766")
		w := httptest.NewRecorder()
		front.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
	if n := len(s.Agents()); n != 2 {
		t.Errorf("%d agents", n)
	}
}
