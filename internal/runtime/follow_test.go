package runtime_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/log/marks"
	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/internal/telemetry"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/test/exams/natstest"
)

// said keeps what a process logs.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *said) says(what string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.text.String(), what)
}

// started opens a service whose words are kept, and lists the calls it is told
// of before anything else happens.
func started(t *testing.T, r *natstest.Rig, dir string) (*runtime.Host, *said, []string) {
	t.Helper()
	o, words := options(t, r), &said{}
	tele, err := telemetry.Start(t.Context(), telemetry.Config{Service: "x", Getenv: func(string) string { return "" }, LogTo: words})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tele.Shutdown(t.Context()) })
	o.Telemetry, o.State = tele, dir
	h, err := runtime.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	var mu sync.Mutex
	var calls []string
	if err := h.Follow(t.Context(), events.StreamCalls, func(r events.Record) {
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, r.Key+" "+string(r.Name))
	}, func() {}); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	return h, words, slices.Clone(calls)
}

// A start knows the calls that are open, whatever was kept of them: what fits
// the store is used, what does not is thrown away, and said.
func TestAStartKnowsTheOpenCalls(t *testing.T) {
	t.Parallel()
	text := func(f func(string) string) func(*testing.T, string) {
		return func(t *testing.T, file string) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(f(string(b))), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tc := range []struct {
		story string
		spoil func(t *testing.T, file string)
		says  string
	}{
		{"what was kept fits", func(*testing.T, string) {}, `"by":"what was kept"`},
		{"nothing was kept", func(t *testing.T, file string) { _ = os.Remove(file) }, `"by":"a walk through the log"`},
		{"it was cut off", text(func(s string) string { return s[:len(s)/2] }), "it cannot be read"},
		{"a bit has flipped", text(func(s string) string { return strings.Replace(s, `"acme"`, `"acne"`, 1) }), "its checksum is wrong"},
		{"a later version wrote it", text(func(s string) string { return strings.Replace(s, `"version":1`, `"version":2`, 1) }), "it is of version 2"},
	} {
		t.Run(tc.story, func(t *testing.T) {
			t.Parallel()
			r, dir := provisioned(t), t.TempDir()
			h, _, _ := started(t, r, dir)
			requested(t, h, "open-one")
			closed := func(call string) { say(t, h, call, events.Orchestrator, events.Closed, &events.CallClosed{}) }
			requested(t, h, "over")
			closed("over")
			seq := requested(t, h, "open-two")
			if err := h.Log.Reach(t.Context(), events.CallFamily, seq); err != nil {
				t.Fatal(err)
			}
			h.Close()
			file := filepath.Join(dir, "open.json")
			tc.spoil(t, file)

			// Others go on while the process is away.
			other, _, _ := started(t, r, t.TempDir())
			h = other
			closed("open-one")
			requested(t, h, "open-three")

			again, words, told := started(t, r, dir)
			if !words.says(tc.says) {
				t.Errorf("it says\n%s", words.text.String())
			}
			for _, call := range []string{"open-two", "open-three"} {
				if !slices.Contains(told, call+" requested") {
					t.Errorf("%s is not told of: %v", call, told)
				}
			}
			if slices.Contains(told, "over closed") && tc.story == "what was kept fits" {
				t.Errorf("a closed call is told of: %v", told)
			}
			c, err := again.Log.Call(t.Context(), log.Ref{Tenant: "acme", ID: "open-one"})
			if err != nil || c.State != lifecycle.Closed {
				t.Errorf("a call that closed meanwhile is %v, %v", c, err)
			}
		})
	}
}

// say puts the next event of a call on record.
func say(t *testing.T, h *runtime.Host, call string, role events.Role, name events.Name, body any) {
	t.Helper()
	c, err := h.Log.LatestCall(t.Context(), log.Ref{Tenant: "acme", ID: call})
	if err != nil {
		t.Fatal(err)
	}
	d, err := log.NextOfCall(c, role, name, time.Now(), body)
	if err != nil {
		t.Fatal(err)
	}
	a, err := h.Log.Append(t.Context(), *d)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Log.Reach(t.Context(), events.CallFamily, a.Record.Seq); err != nil {
		t.Fatal(err)
	}
}

// A start knows whose customer was handed on and is on a line of ours still,
// though the call is closed, whatever was kept of it, and whoever heard the end.
func TestAStartKnowsWhoWasHandedOn(t *testing.T) {
	t.Parallel()
	leaves := func(t *testing.T, h *runtime.Host) {
		say(t, h, "handed", events.Bridge, events.Ended, &events.CallProgress{Reason: events.EndTransferred})
	}
	closes := func(t *testing.T, h *runtime.Host) {
		say(t, h, "handed", events.Orchestrator, events.Closed, &events.CallClosed{})
	}
	hangsUp := func(t *testing.T, h *runtime.Host) {
		say(t, h, "handed", events.Bridge, events.Ended, &events.CallProgress{Reason: events.EndCompleted})
	}
	change := func(to func(*marks.Open)) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			o, err := marks.LoadOpen(dir)
			if err != nil || o == nil {
				t.Fatal(o, err)
			}
			to(o)
			if err := marks.SaveOpen(dir, *o); err != nil {
				t.Fatal(err)
			}
		}
	}
	type does []func(*testing.T, *runtime.Host)
	const walks = "who was handed on was not kept"
	for _, tc := range []struct {
		story     string
		kept      does // before the process ends
		spoil     func(t *testing.T, dir string)
		meanwhile does // while it is away
		up, walks bool
	}{
		{"it was kept", does{leaves, closes}, nil, nil, true, false},
		{"closed after what was kept", does{leaves}, nil, does{closes}, true, false},
		{"handed on after what was kept, as before a kill -9", nil, nil, does{leaves, closes}, true, false},
		{"gone after what was kept", does{leaves, closes}, nil, does{hangsUp}, false, false},
		{"gone before", does{leaves, closes, hangsUp}, nil, nil, false, false},
		{"nobody was handed on", does{closes}, nil, nil, false, false},
		{"an earlier version kept it", does{leaves, closes}, change(func(o *marks.Open) { o.Handed = nil }), nil, true, true},
		{"what was kept is lost", does{leaves, closes}, func(_ *testing.T, dir string) { _ = os.Remove(filepath.Join(dir, "open.json")) }, nil, true, true},
		{"what was kept fits no more", does{leaves, closes}, change(func(o *marks.Open) { o.ID = "x" }), nil, true, true},
	} {
		t.Run(tc.story, func(t *testing.T) {
			t.Parallel()
			r, dir := provisioned(t), t.TempDir()
			h, _, _ := started(t, r, dir)
			requested(t, h, "handed")
			say(t, h, "handed", events.Orchestrator, events.Assigned, &events.CallAssigned{Agent: "a1"})
			say(t, h, "handed", events.Compliance, events.Passed, &events.CallPassed{})
			say(t, h, "handed", events.Dialer, events.Dialing, &events.CallDialing{Attempt: "x"})
			say(t, h, "handed", events.Dialer, events.Started, &events.CallStarted{})
			say(t, h, "handed", events.Bridge, events.Talking, &events.CallProgress{})
			for _, does := range tc.kept {
				does(t, h)
			}
			h.Close()
			if tc.spoil != nil {
				tc.spoil(t, dir)
			}
			other, _, _ := started(t, r, t.TempDir())
			for _, does := range tc.meanwhile {
				does(t, other)
			}
			for _, again := range []bool{false, true} { // and so does the start after it
				h, words, told := started(t, r, dir)
				c := h.Log.Held(log.Ref{Tenant: "acme", ID: "handed"})
				if up := c != nil && c.HandedOn(); up != tc.up {
					t.Errorf("on our line: %v, want %v (again: %v)", up, tc.up, again)
				}
				if tc.up && !slices.Contains(told, "handed ended") {
					t.Errorf("it is not told: %v", told)
				}
				if words.says(walks) != (tc.walks && !again) {
					t.Errorf("again: %v; it says\n%s", again, words.text.String())
				}
				h.Close()
			}
		})
	}
}

// What was kept belongs to one store and one past of it.
func TestWhatWasKeptOfAnotherStoreIsNotUsed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h, _, _ := started(t, provisioned(t), dir)
	seq := requested(t, h, "of-another-store")
	if err := h.Log.Reach(t.Context(), events.CallFamily, seq); err != nil {
		t.Fatal(err)
	}
	h.Close()
	if err := os.Remove(filepath.Join(dir, "marks.json")); err != nil { // or the store is in question, and nothing is kept
		t.Fatal(err)
	}
	r := provisioned(t)
	other, _, _ := started(t, r, t.TempDir())
	requested(t, other, "c1")
	_, words, told := started(t, r, dir)
	if !words.says("the stream was made anew") || !slices.Equal(told, []string{"c1 requested"}) {
		t.Errorf("told of %v, says\n%s", told, words.text.String())
	}
}

// Whoever pauses a consumer stops what is done in the place of its deliveries
// as well.
func TestAPausedConsumerIsKnownToBe(t *testing.T) {
	t.Parallel()
	r := provisioned(t)
	h, _, _ := started(t, r, "")
	want := func(paused bool) {
		t.Helper()
		if is, err := h.Paused(t.Context(), "dialer"); err != nil || is != paused {
			t.Errorf("paused: %v, %v; want %v", is, err, paused)
		}
	}
	want(false)
	if _, err := r.JS.PauseConsumer(t.Context(), events.StreamCalls, "dialer", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	want(true)
	if _, err := r.JS.ResumeConsumer(t.Context(), events.StreamCalls, "dialer"); err != nil {
		t.Fatal(err)
	}
	want(false)
	if _, err := h.Paused(t.Context(), "nobody"); fault.Of(err) != fault.Transient {
		t.Errorf("a consumer that is not there: %v", err)
	}
}

// A process of which no service needs to know all agents is told of none, and
// asks the leader about the one in question; one that needs them holds them.
func TestOnlyWhoNeedsAllAgentsHearsOfThem(t *testing.T) {
	t.Parallel()
	r := provisioned(t)
	consumers := func(stream string) int {
		s, err := r.JS.Stream(t.Context(), stream)
		if err != nil {
			t.Fatal(err)
		}
		return s.CachedInfo().State.Consumers
	}
	calls, agents := consumers(events.StreamCalls), consumers(events.StreamAgents)
	h, _, _ := started(t, r, t.TempDir())
	d := log.Draft{Family: events.AgentFamily, Tenant: "acme", Key: "anna", Role: events.Orchestrator, Name: events.Enrolled, Cause: "put",
		Time: time.Now(), Body: &events.AgentEnrolled{State: events.AgentState{ProviderAgent: "anna@example.com"}}}
	if _, err := h.Log.Append(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	a, err := h.Log.Agent(t.Context(), log.Ref{Tenant: "acme", ID: "anna"})
	if err != nil || !a.Enrolled() {
		t.Errorf("the agent is %+v, %v", a, err)
	}
	if now := consumers(events.StreamCalls); now <= calls {
		t.Fatalf("%d hear of the calls, want more than %d", now, calls)
	}
	if now := consumers(events.StreamAgents); now != agents {
		t.Errorf("%d hear of the agents, want %d as before", now, agents)
	}
	h.HearAgents()
	h.HearAgents() // two services of one process
	for deadline := time.Now().Add(patience); consumers(events.StreamAgents) != agents+1; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d hear of the agents, want one more than %d", consumers(events.StreamAgents), agents)
		}
	}
}
