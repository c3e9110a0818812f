package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
)

// shelves are streams as full as a test says.
type shelves struct {
	parts  map[string]float64
	err    error // of an alarm
	alarms []events.Ops
	ids    []string
}

func (s *shelves) Fill(_ context.Context, names ...string) ([]worker.Filled, error) {
	var out []worker.Filled
	for _, n := range names {
		out = append(out, worker.Filled{Stream: n, Part: s.parts[n], Forgets: n == events.StreamOps})
	}
	return out, nil
}

func (s *shelves) Alarm(_ context.Context, id string, o events.Ops) error {
	if s.err != nil {
		return s.err
	}
	s.alarms, s.ids = append(s.alarms, o), append(s.ids, id)
	return nil
}

// said lists the streams that alarms were raised about, since it was last asked.
func (s *shelves) said() string {
	var out []string
	for _, o := range s.alarms {
		out = append(out, o.Tenant+"/"+o.Details["stream"])
	}
	s.alarms = nil
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestAFillingStreamIsSaidOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &shelves{parts: map[string]float64{}}
	for _, tc := range []struct {
		story  string
		stream string
		part   float64
		said   string
	}{
		{"room everywhere", "CALLS", 0.1, ""},
		{"nearly", "CALLS", 0.79, ""},
		{"there", "CALLS", 0.80, "_/CALLS"},
		{"still there", "CALLS", 0.85, ""},
		{"a little less", "CALLS", 0.76, ""},
		{"up again, which is no crossing", "CALLS", 0.81, ""},
		{"much less", "CALLS", 0.5, ""},
		{"a new crossing", "CALLS", 0.9, "_/CALLS"},
		{"a tenant's own", "REQUESTS_acme", 1, "acme/REQUESTS_acme"},
		{"another tenant's own", "REQUESTS_globex", 0.81, "globex/REQUESTS_globex"},
		{"a record", "OPS", 0.99, "_/OPS"},
		{"what people are protected by", "FACTS", 0.8, "_/FACTS"},
	} {
		s.parts[tc.stream] = tc.part
		w.s.lookAtRoom(t.Context(), s)
		if got := s.said(); got != tc.said {
			t.Errorf("%s: said %q, want %q", tc.story, got, tc.said)
		}
	}
	if slices.Contains(s.ids, "") || s.ids[0] != s.ids[1] || s.ids[1] == s.ids[2] {
		t.Errorf("ids %v: an alarm is the stream's, so that it is noted once by all processes", s.ids)
	}
	// An alarm that could not be raised is raised later.
	s.parts["AGENTS"], s.err = 0.9, errors.New("away")
	w.s.lookAtRoom(t.Context(), s)
	s.err = nil
	w.s.lookAtRoom(t.Context(), s)
	if got := s.said(); got != "_/AGENTS" {
		t.Errorf("said %q after the first attempt failed", got)
	}
}

// What CALLS has left at the end belongs to the calls that are open.
func TestAFullLogBeginsNoNewCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &shelves{parts: map[string]float64{events.StreamCalls: 0.95}}
	w.s.lookAtRoom(t.Context(), s)
	acme, _ := w.dir.Tenant("acme")
	steps, err := w.s.accept(acme)(t.Context(), worker.Delivery{Subject: "dial.requests.acme", Data: []byte(`{}`)})
	if len(steps) != 0 || err == nil || !strings.Contains(err.Error(), "no room") {
		t.Errorf("accepted: %d steps, %v", len(steps), err)
	}
	s.parts[events.StreamCalls] = 0.94
	w.s.lookAtRoom(t.Context(), s)
	if _, err := w.s.accept(acme)(t.Context(), worker.Delivery{Subject: "dial.requests.acme", Data: []byte(`{}`)}); err == nil || strings.Contains(err.Error(), "no room") {
		t.Errorf("there is room, and yet: %v", err)
	}
}

// A tenant's flood is accepted at its own pace, and another tenant's requests
// at once.
func TestATenantsFloodIsAcceptedAtItsPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		accept := func(tenant string) time.Duration {
			of, _ := w.dir.Tenant(tenant)
			begin := time.Now()
			_, _ = w.s.accept(of)(t.Context(), worker.Delivery{Subject: "dial.requests." + tenant, Data: []byte(`{}`), Stored: begin})
			return time.Since(begin)
		}
		begin := time.Now()
		for range 600 {
			accept("acme")
		}
		if took := time.Since(begin); took < 9*time.Second || took > 11*time.Second {
			t.Errorf("600 requests took %s, want ten seconds for those beyond the first 100", took)
		}
		if took := accept("globex"); took > time.Millisecond {
			t.Errorf("another tenant's request waited %s", took)
		}
	})
}

// A tenant whose calls are due by the thousand does not hold up another's.
func TestDueCallsTakeTurns(t *testing.T) {
	t.Parallel()
	flood := func(tenant string, n int) (out []Due) {
		for i := range n {
			out = append(out, Due{Tenant: tenant, ID: fmt.Sprint(tenant, i)})
		}
		return out
	}
	for _, tc := range []struct {
		story  string
		due    []Due
		now    map[string]int
		more   bool
		second string // the call at the second place
	}{
		{"nothing", nil, map[string]int{}, false, ""},
		{"a few of one", flood("acme", 3), map[string]int{"acme": 3}, false, "acme1"},
		{"as many as there may be", flood("acme", 64), map[string]int{"acme": 64}, false, "acme1"},
		{"a flood and one", append(flood("acme", 9000), flood("globex", 1)...), map[string]int{"acme": 63, "globex": 1}, true, "globex0"},
		{"two floods", append(flood("acme", 9000), flood("globex", 80)...), map[string]int{"acme": 32, "globex": 32}, true, "globex0"},
		{"many tenants", append(append(flood("a", 50), flood("b", 2)...), flood("c", 50)...), map[string]int{"a": 31, "b": 2, "c": 31}, true, "b0"},
	} {
		now, more := inTurn(tc.due)
		got := map[string]int{}
		for _, d := range now {
			got[d.Tenant]++
		}
		if !maps.Equal(got, tc.now) || more != tc.more || tc.second != "" && now[1].ID != tc.second {
			t.Errorf("%s: %v, more %v", tc.story, got, more)
		}
	}
}
