package bridge

import (
	"errors"
	"strings"
	"testing"

	"github.com/outdial/outdial/internal/api"
	"github.com/outdial/outdial/pkg/events"
)

func TestPresenceByCommand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.s.Desk(&doors{})
	if err := d.Opened(t.Context(), "webex", "wes", "one"); err != nil {
		t.Fatal(err)
	}
	set := func(body string) (SetAnswer, error) {
		v, err := w.s.onSet(t.Context(), "acme", []byte(body))
		a, _ := v.(SetAnswer)
		return a, err
	}
	first, err := set(`{"agent":"wes","status":"ready","by":"boss"}`)
	if err != nil || first.Presence != "ready" || first.Seq != w.agent("wes").Last.Seq {
		t.Fatalf("%+v, %v", first, err)
	}
	if again, err := set(`{"agent":"wes","status":"ready"}`); err != nil || again != first {
		t.Errorf("again: %+v, %v", again, err)
	}
	if _, err := set(`{"agent":"wes","status":"not_ready","reason":"lunch"}`); err != nil || w.agent("wes").State.Reason != "lunch" {
		t.Errorf("%+v, %v", w.agent("wes").State, err)
	}
	w.wantAgent("wes", "session_started ready not_ready")
	if len(w.ops) != 3 || w.ops[0].What != "agent.set ready" || w.ops[0].By != "boss" || w.ops[0].Agent != "wes" {
		t.Errorf("%+v", w.ops)
	}
	// Held back, even the same presence is news: it may prove the agent free.
	after, _ := w.agent("wes").After(events.Quarantined, "c1", "unknown", w.Now())
	w.agentSays("wes", events.Orchestrator, events.Quarantined, &events.AgentQuarantined{State: after})
	if _, err := set(`{"agent":"wes","status":"not_ready"}`); err != nil {
		t.Fatal(err)
	}
	w.wantAgent("wes", "session_started ready not_ready not_ready")
	for body, code := range map[string]string{
		`{}`: "400", `{"agent":"wes"}`: "400", `{"agent":"wes","status":"on_call"}`: "400", `{"status":"ready"}`: "400",
		`{"agent":"wes","status":"ready","stauts":1}`: "400",
		`{"agent":"nobody","status":"ready"}`:         "404",
		`{"agent":"ann","status":"ready"}`:            "409", // her provider says it itself
	} {
		var e *api.Error
		if _, err := set(body); !errors.As(err, &e) || e.Code != code {
			t.Errorf("%s: %v, want %s", body, err, code)
		}
	}
	// Who cannot be reached is not ready, whoever says so.
	d.Closed(t.Context(), "webex", "wes", "one", "lost")
	var e *api.Error
	if _, err := set(`{"agent":"wes","status":"ready"}`); !errors.As(err, &e) || e.Code != "409" {
		t.Errorf("ready without a desktop: %v", err)
	}
	if _, err := set(`{"agent":"wes","status":"not_ready"}`); err != nil {
		t.Error(err)
	}
	if !strings.Contains(w.s.Endpoints()[0].Does, "ready") {
		t.Error("the command does not say what it does")
	}
}
