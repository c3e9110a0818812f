package sim_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outdial/outdial/internal/audit"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/tcnsim"
)

func TestLedger(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	l, err := sim.OpenLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	grown := l.Grown()
	for _, k := range []sim.Kind{sim.Prepare, sim.Scrub, sim.Start} {
		if err := l.Append(sim.Entry{At: at, Provider: "tcn", Agent: "7", Number: "+12025550100", Kind: k}); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-grown:
	default:
		t.Error("nobody was told that it grew")
	}
	t.Run("it can be read while it is open", func(t *testing.T) {
		got, err := sim.ReadLedger(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(l.Entries(), got); d != "" || len(got) != 3 || got[2].N != 3 {
			t.Error(d)
		}
	})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	t.Run("a line cut by a crash is dropped, and the rest goes on", func(t *testing.T) {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(`{"n":4,"kind":"sta`); err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		if got, err := sim.ReadLedger(path); err != nil || len(got) != 3 {
			t.Errorf("%d entries, %v", len(got), err)
		}
		again, err := sim.OpenLedger(path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = again.Close() }()
		if err := again.Append(sim.Entry{At: at, Agent: "7", Kind: sim.End}); err != nil {
			t.Fatal(err)
		}
		got, err := sim.ReadLedger(path)
		if err != nil || len(got) != 4 || got[3].N != 4 || got[3].Kind != sim.End || again.Count(sim.Start, "7") != 1 {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("a line broken in the middle is not passed over", func(t *testing.T) {
		if err := os.WriteFile(path, []byte("{}\nbroken\n{}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := sim.ReadLedger(path); err == nil {
			t.Error("it was")
		}
	})
}

func TestPlan(t *testing.T) {
	t.Parallel()
	var p sim.Plan
	for _, f := range []sim.Fault{
		{Provider: "tcn", Operation: "start", Number: "0100", Mode: sim.Reset, Count: 2},
		{Operation: "start", Number: "+12025550111", Mode: sim.Silent},
		{Agent: "7", Mode: sim.HTTP500, Count: sim.Forever},
	} {
		if _, err := p.Add(f); err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range []sim.Fault{{Mode: "sulk"}, {Mode: sim.HTTPStatus}, {}} {
		if _, err := p.Add(bad); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
	for i, tc := range []struct {
		provider, op, agent, number string
		want                        sim.Mode
	}{
		{"tcn", "start", "1", "+12025550100", sim.Reset},
		{"five9", "start", "1", "+12025550100", ""},
		{"tcn", "start", "1", "+12025550100", sim.Reset},
		{"tcn", "start", "1", "+12025550100", ""}, // used up
		{"tcn", "start", "1", "+13025550111", ""},
		{"tcn", "start", "1", "+12025550111", sim.Silent},
		{"tcn", "status", "7", "", sim.HTTP500},
		{"tcn", "status", "7", "", sim.HTTP500},
		{"tcn", "status", "8", "", ""},
	} {
		f, ok := p.Take(tc.provider, tc.op, tc.agent, tc.number)
		if f.Mode != tc.want || ok != (tc.want != "") {
			t.Errorf("%d: got %q, want %q", i, f.Mode, tc.want)
		}
	}
	if len(p.List()) != 1 {
		t.Errorf("left: %v", p.List())
	}
	p.Remove(0)
	if len(p.List()) != 0 {
		t.Error("not all are gone")
	}
}

func TestScript(t *testing.T) {
	t.Parallel()
	var s sim.Script
	for _, p := range []sim.Part{
		{Number: "*", Outcome: sim.Busy}, {Number: "0100", Outcome: sim.NoAnswer}, {Number: "+12025550100", Outcome: sim.Fails},
	} {
		if err := s.Set(p); err != nil {
			t.Fatal(err)
		}
	}
	for number, want := range map[string]sim.Outcome{
		"+12025550100": sim.Fails, "+13025550100": sim.NoAnswer, "+12025550199": sim.Busy,
	} {
		if got := s.For(number).Outcome; got != want {
			t.Errorf("%s: %s, want %s", number, got, want)
		}
	}
	s.Clear()
	if got := s.For("+12025550100").Outcome; got != sim.Talks {
		t.Errorf("unscripted: %s", got)
	}
	if s.Set(sim.Part{}) == nil || s.Set(sim.Part{Number: "1", Outcome: "sings"}) == nil {
		t.Error("nonsense was taken")
	}
}

func TestManagement(t *testing.T) {
	t.Parallel()
	s, err := sim.New(sim.Options{Pace: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if _, err := tcnsim.New(s, tcnsim.Options{}); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s.Management())
	defer srv.Close()
	call := func(method, path, body string, want int) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := srv.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		b, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != want {
			t.Fatalf("%s %s: %d %s, %v", method, path, res.StatusCode, b, err)
		}
		return string(b)
	}
	call("POST", "/sim/faults", `{"operation":"start","mode":"late","delay":"70s","count":3}`, 200)
	call("POST", "/sim/faults", `{"mode":"sulk"}`, 400)
	call("POST", "/sim/faults", `{"mode":"late","dealy":"1s"}`, 400)
	if f := s.Faults.List(); len(f) != 1 || time.Duration(f[0].Delay) != 70*time.Second || f[0].Count != 3 {
		t.Errorf("faults %v", f)
	}
	call("DELETE", "/sim/faults/1", "", 200)
	if got := call("GET", "/sim/faults", "", 200); got != "[]" {
		t.Errorf("left: %s", got)
	}
	call("POST", "/sim/answers", `{"number":"0100","outcome":"busy","ring":"20ms"}`, 200)
	if p := s.Script.For("+12025550100"); p.Outcome != sim.Busy || time.Duration(p.Ring) != 20*time.Millisecond {
		t.Errorf("part %+v", p)
	}
	call("POST", "/sim/agents/tcn/2098765", `{"status":"PAUSED"}`, 200)
	call("POST", "/sim/agents/tcn/1", `{"status":"PAUSED"}`, 400)
	call("POST", "/sim/agents/tcn/2098765", `{"mood":"good"}`, 400)
	call("POST", "/sim/agents/pigeon/2098765", `{}`, 400)
	var agents []sim.AgentView
	if err := json.Unmarshal([]byte(call("GET", "/sim/agents", "", 200)), &agents); err != nil || len(agents) != 1 || agents[0].State != "PAUSED" {
		t.Errorf("agents %v, %v", agents, err)
	}
	for _, path := range []string{"/sim/ledger", "/sim/history", "/sim/answers"} {
		if b := call("GET", path, "", 200); !json.Valid([]byte(b)) {
			t.Errorf("%s: %s", path, b)
		}
	}
}

func TestTheJudgeIsGivenTheDialsOfALedger(t *testing.T) {
	t.Parallel()
	const customer = "+14355550142"
	at := func(s int) time.Time {
		return time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC).Add(time.Duration(s) * time.Second)
	}
	e := func(s int, k sim.Kind, agent, call string) sim.Entry {
		return sim.Entry{N: s, At: at(s), Provider: "tcn", Agent: agent, Number: customer, ProviderCall: call, Correlation: "x", Kind: k}
	}
	got := sim.Dials([]sim.Entry{
		e(1, sim.Prepare, "a", "1"), e(2, sim.Scrub, "a", "1"), e(3, sim.Start, "a", "1"), e(4, sim.Start, "b", "2"),
		e(5, sim.Ring, "a", "1"), e(6, sim.End, "a", "1"), e(7, sim.Wrap, "a", "1"), e(8, sim.Ready, "a", "1"), e(9, sim.Start, "a", "3"),
	})
	want := []audit.Dialed{
		{At: at(3), Until: at(6), Provider: "tcn", Agent: "a", Number: customer, ProviderCall: "1", Correlation: "x", Rang: []audit.Rung{{At: at(5), Number: customer}}},
		{At: at(4), Provider: "tcn", Agent: "b", Number: customer, ProviderCall: "2", Correlation: "x"},
		{At: at(9), Provider: "tcn", Agent: "a", Number: customer, ProviderCall: "3", Correlation: "x"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestManualClock(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 1, 1, 23, 0, 0, 0, time.UTC)
	c := sim.NewManualClock(at)
	var ran []int
	c.AfterFunc(2*time.Second, func() { ran = append(ran, 2) })
	c.AfterFunc(time.Second, func() {
		ran = append(ran, 1)
		c.AfterFunc(500*time.Millisecond, func() { ran = append(ran, 15) })
	})
	stop := c.AfterFunc(time.Second, func() { ran = append(ran, -1) })
	if !stop() || stop() {
		t.Error("a timer is stopped once")
	}
	c.AfterFunc(time.Hour, func() { ran = append(ran, 60) })
	c.Advance(3 * time.Second)
	if diff := cmp.Diff([]int{1, 15, 2}, ran); diff != "" || !c.Now().Equal(at.Add(3*time.Second)) {
		t.Errorf("%s at %v", diff, c.Now())
	}
	if !c.Step() || c.Step() || !c.Now().Equal(at.Add(time.Hour)) {
		t.Errorf("after the last timer it is %v", c.Now())
	}
}
