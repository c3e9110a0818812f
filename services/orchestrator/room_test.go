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
	err := w.s.OnRequest(acme)(t.Context(), worker.Delivery{Subject: "dial.requests.acme", Data: []byte(`{}`)})
	if err == nil || !strings.Contains(err.Error(), "no room") {
		t.Errorf("accepted: %v", err)
	}
	s.parts[events.StreamCalls] = 0.94
	w.s.lookAtRoom(t.Context(), s)
	if err := w.s.OnRequest(acme)(t.Context(), worker.Delivery{Subject: "dial.requests.acme", Data: []byte(`{}`)}); err == nil || strings.Contains(err.Error(), "no room") {
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
			_ = w.s.OnRequest(of)(t.Context(), worker.Delivery{Subject: "dial.requests." + tenant, Data: []byte(`{}`), Stored: begin})
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
	for _, tc := range []struct {
		story  string
		due    map[string]int
		now    map[string]int
		more   bool
		second string // whose call is at the second place
	}{
		{"nothing", nil, map[string]int{}, false, ""},
		{"a few of one", map[string]int{"acme": 3}, map[string]int{"acme": 3}, false, "acme"},
		{"as many as there may be", map[string]int{"acme": 64}, map[string]int{"acme": 64}, false, "acme"},
		{"a flood and one", map[string]int{"acme": 9000, "globex": 1}, map[string]int{"acme": 63, "globex": 1}, true, "globex"},
		{"two floods", map[string]int{"acme": 9000, "globex": 80}, map[string]int{"acme": 32, "globex": 32}, true, "globex"},
		{"many tenants", map[string]int{"a": 50, "b": 2, "c": 50}, map[string]int{"a": 31, "b": 2, "c": 31}, true, "b"},
	} {
		x, seq := newIndex(), uint64(0)
		for tenant, n := range tc.due {
			for i := range n {
				seq++
				x.Take(events.Record{Family: events.CallFamily, Tenant: tenant, Key: fmt.Sprint(i), Name: events.Requested, Seq: seq, Time: noon,
					Body: &events.CallRequested{ExpiresAt: noon.Add(time.Minute)}})
			}
		}
		now, next := x.Due(noon.Add(time.Minute), mostAtOnce)
		got := map[string]int{}
		for _, d := range now {
			got[d.Tenant]++
		}
		more := !next.IsZero() && !next.After(noon.Add(time.Minute))
		if !maps.Equal(got, tc.now) || more != tc.more || tc.second != "" && now[1].Tenant != tc.second {
			t.Errorf("%s: %v, more %v", tc.story, got, more)
		}
	}
}
