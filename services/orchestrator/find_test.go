package orchestrator

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestCallFind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann", "sales")
	one := w.ask("1", map[string]any{"to": "+81312345678", "agent": "ann", "campaign": "spring", "reference": "r1", "contact": "p1"})
	w.pass(time.Minute)
	two := w.ask("2", map[string]any{"to": "+81398765432", "huntGroup": "sales", "campaign": "spring", "reference": "r2"})
	for query, want := range map[string]string{
		`{"to":"+81312345678"}`:                     one,
		`{"to":"+81300000000"}`:                     "",
		`{"reference":"r2"}`:                        two,
		`{"contact":"p1"}`:                          one,
		`{"campaign":"spring"}`:                     two + " " + one, // newest first
		`{"campaign":"spring","reference":"r1"}`:    one,
		`{"agent":"ann"}`:                           one,
		`{"from":"2026-03-09T12:00:30Z"}`:           two,
		`{"until":"2026-03-09T12:00:30Z"}`:          one,
		`{"campaign":"winter"}`:                     "",
		`{"campaign":"spring","to":"+81398765432"}`: two,
	} {
		got, err := w.do("call", "find", query)
		if err != nil {
			t.Fatal(err)
		}
		var out struct {
			Calls []Line
			Count int
		}
		if err := json.Unmarshal([]byte(got), &out); err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, l := range out.Calls {
			ids = append(ids, l.Call)
		}
		if strings.Join(ids, " ") != want || out.Count != len(ids) {
			t.Errorf("%s: %v, want %s", query, ids, want)
		}
		if strings.Contains(got, "12345678") || strings.Contains(got, "98765432") {
			t.Errorf("a number is shown: %s", got)
		}
	}
	for _, query := range []string{`{}`, `{"to":"nobody"}`, `{"to":"12"}`, `{"to":"+"}`, `{"to":"+1212867530912345678"}`, `{"too":"+81312345678"}`, `{"to":7}`} {
		_, err := w.do("call", "find", query)
		wantCode(t, err, "400")
	}
	if v, err := w.s.onFind(t.Context(), "globex", []byte(`{"campaign":"spring"}`)); err != nil {
		t.Error(err)
	} else if raw, _ := json.Marshal(v); strings.Contains(string(raw), one) {
		t.Error("another tenant finds the call")
	}
}

// A number is found however people write it, at home or from abroad.
func TestCallFindReadsANumberAsPeopleWriteIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	call := w.ask("1", map[string]any{"to": "+12128675309", "agent": "ann"})
	other := w.ask("2", map[string]any{"to": "+12128675300", "agent": "ann"})
	for _, to := range []string{"+12128675309", "+1 212 867 5309", "+1 (212) 867-5309", "(212) 867-5309", "212-867-5309", "212.867.5309", "1 212 867 5309", " 2128675309 "} {
		got, err := w.do("call", "find", `{"to":"`+to+`"}`)
		if err != nil || !strings.Contains(got, call) || strings.Contains(got, other) {
			t.Errorf("%s: %s, %v", to, got, err)
		}
		if strings.Contains(got, "8675309") {
			t.Errorf("%s: the number is shown", to)
		}
	}
	if _, err := w.do("call", "find", `{"to":"8675309 extension"}`); err != nil && strings.Contains(err.Error(), "8675309") {
		t.Errorf("what was asked is repeated: %v", err)
	}
}
