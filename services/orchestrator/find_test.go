package orchestrator

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/api"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
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
		`{}`: two + " " + one,
		``:   two + " " + one,
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
	for _, query := range []string{`{"to":"nobody"}`, `{"to":"12"}`, `{"to":"+"}`, `{"to":"+1212867530912345678"}`, `{"too":"+81312345678"}`, `{"to":7}`} {
		_, err := w.do("call", "find", query)
		wantCode(t, err, "400")
	}
	if v, err := w.s.onFind(t.Context(), "globex", []byte(`{"campaign":"spring"}`)); err != nil {
		t.Error(err)
	} else if raw, _ := json.Marshal(v); strings.Contains(string(raw), one) {
		t.Error("another tenant finds the call")
	}
}

// Whoever asks for everything gets the newest of what is open, and is told how
// many were left out.
func TestCallFindSaysWhatItLeavesOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const calls, last = maxFound + 3, "call502"
	for i := range calls {
		c := &lifecycle.Call{ID: fmt.Sprint("call", i), State: lifecycle.Requested, Request: &events.CallRequested{}}
		c.Instants.Requested = w.Now().Add(time.Duration(i) * time.Second)
		w.s.index.open[log.Ref{Tenant: "acme", ID: c.ID}] = &entry{call: c}
	}
	got, err := w.do("call", "find", `{}`)
	if err != nil {
		t.Fatal(err)
	}
	var out struct {
		Calls []Line
		More  bool
		Next  uint64
		Left  int
	}
	if err := json.Unmarshal([]byte(got), &out); err != nil {
		t.Fatal(err)
	}
	if len(out.Calls) != maxFound || out.Calls[0].Call != last || !out.More || out.Next != 0 || out.Left != calls-maxFound {
		t.Errorf("%d calls, the first %s for %s, more %t, next %d, left %d", len(out.Calls), out.Calls[0].Call, last, out.More, out.Next, out.Left)
	}
}

// An answer looks back as far as there is time, and says where the next goes on:
// all of them together tell every call once, be the bounds where they may.
func TestCallFindGoesBackInPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann", "sales")
	var all []string
	for i := range 4 {
		all = append(all, w.ask(fmt.Sprint("closed", i), map[string]any{"to": "+81312345678", "huntGroup": "sales", "campaign": "spring"}))
		w.pass(time.Minute)
	}
	for _, call := range all {
		if _, err := w.do("call", "cancel", `{"call":"`+call+`","reason":"enough"}`); err != nil {
			t.Fatal(err)
		}
	}
	w.work(w.s)
	all = append(all, w.ask("open", map[string]any{"to": "+81312345678", "huntGroup": "sales", "campaign": "spring"}))
	for w.span = range uint64(12) {
		var told []string
		for before, pages := uint64(0), 0; ; pages++ {
			got, err := w.do("call", "find", fmt.Sprintf(`{"campaign":"spring","before":%d}`, before))
			if err != nil || pages > 100 {
				t.Fatalf("span %d, page %d: %v", w.span, pages, err)
			}
			var out struct {
				Calls []Line
				More  bool
				Next  uint64
			}
			if err := json.Unmarshal([]byte(got), &out); err != nil {
				t.Fatal(err)
			}
			for _, l := range out.Calls {
				told = append(told, l.Call)
			}
			if before = out.Next; out.More != (before > 0) {
				t.Errorf("span %d: more %t, next %d", w.span, out.More, before)
			}
			if before == 0 {
				break
			}
		}
		slices.Sort(told)
		if want := slices.Sorted(slices.Values(all)); !slices.Equal(told, want) {
			t.Errorf("span %d: told of %v, want %v", w.span, told, want)
		}
	}
}

// A number is asked for in the one form in which requests are taken: any other
// might be read as a number that was not meant.
func TestCallFindTakesCanonicalNumbersOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	call := w.ask("1", map[string]any{"to": "+12128675309", "agent": "ann"})
	if got, err := w.do("call", "find", `{"to":"+12128675309"}`); err != nil || !strings.Contains(got, call) {
		t.Errorf("%s, %v", got, err)
	}
	for _, to := range []string{"+1 212 867 5309", "+1 (212) 867-5309", "(212) 867-5309", "212-867-5309", "2128675309", " +12128675309", "+12128675309\u200b",
		"+112128675309", "+4401612345678", "+9109812345678", "867-5309", "+12128675309;ext=12", "8675309 extension"} {
		_, err := w.do("call", "find", `{"to":"`+to+`"}`)
		var e *api.Error
		if !errors.As(err, &e) || e.Code != "400" || len(e.Faults) != 1 || e.Faults[0].Code != events.FaultNotE164 || e.Faults[0].Pointer != "/to" {
			t.Errorf("%s: %v", to, err)
		}
		if raw, _ := json.Marshal(e); strings.Contains(string(raw), "867") {
			t.Errorf("what was asked is repeated: %s", raw)
		}
	}
}
