package bridge

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/outdial/outdial/internal/api"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
)

// newAssumedWorld is a world whose lists have agents, too, of whom they never say
// where they are: uma is one of them.
func newAssumedWorld(t *testing.T, p providers.Presence) *feedWorld {
	t.Helper()
	w := newFeedWorld(t)
	var all []tenants.Connection
	for _, c := range w.dir.Connections() {
		if c.Name == "lists" {
			c.Provider.Can.Claims, c.Provider.Can.Presence = true, p
		}
		all = append(all, c)
	}
	var err error
	if w.dir, err = tenants.New(w.dir.Tenants(), all); err != nil {
		t.Fatal(err)
	}
	w.s.Directory, w.s.book.Directory = w.dir, w.dir
	w.agentSays("uma", events.Orchestrator, events.Enrolled, &events.AgentEnrolled{State: events.AgentState{
		Presence: events.Ready, Connection: "lists", ProviderAgent: "uma@example.com"}})
	w.s.agents.take(w.agent("uma").Last, w.s.polled)
	return w
}

// What such a provider tells of calls is told of calls alone, whichever agent it
// names: nobody would say that she has come back from where it puts her. A call in
// a queue is found although she who took it has another.
func TestNewsThatNamesAnAgentOfWhomNothingIsSaidIsOfItsCallAlone(t *testing.T) {
	t.Parallel()
	const hers, queued, nobodys = "+81312345678", "+81312345679", "+81312345670"
	for story, tc := range map[string]struct {
		item        item
		hers, queue string
	}{
		"her own call":                 {item{To: hers, Event: events.Talking}, "talking", ""},
		"her own, by its attempt":      {item{Attempt: "att", Event: events.Talking}, "talking", ""},
		"one that she took of a queue": {item{Attempt: "try-c2", Event: events.Talking}, "", "talking"},
		"somebody else's":              {item{To: nobodys, Event: events.Talking}, "", ""},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newAssumedWorld(t, providers.PresenceAssumed)
			w.dial("c1", "uma", hers)
			w.queue("c2", queued)
			w.started("c2")
			w.hears()
			tc.item.Agent = "uma@example.com"
			said := w.post(tc.item)
			w.pass(2 * namelessFor) // no id is to come any more by which it could be ours
			if err := w.understands(said); err != nil {
				t.Fatal(err)
			}
			w.wantCall("c1", tc.hers)
			w.wantCall("c2", tc.queue)
			w.wantAgent("uma", "")
		})
	}
}

// People may say that she is ready, who has no desktop to be reached at, and that
// she is not; it is news even of one who is held back.
func TestPeopleSayOfHerWhatNobodyElseDoes(t *testing.T) {
	t.Parallel()
	for _, p := range []providers.Presence{providers.PresenceAssumed, providers.PresenceNone} {
		w := newAssumedWorld(t, p)
		set := func(status string) {
			t.Helper()
			if _, err := w.s.onSet(t.Context(), "acme", []byte(`{"agent":"uma","status":"`+status+`"}`)); err != nil {
				t.Errorf("%s: %v", p, err)
			}
		}
		set("not_ready")
		set("ready")
		after, _ := w.agent("uma").After(events.Quarantined, "c1", events.ReasonNotAvailable, w.Now())
		w.agentSays("uma", events.Orchestrator, events.Quarantined, &events.AgentQuarantined{State: after})
		set("ready")
		w.wantAgent("uma", "not_ready ready ready")
		if a := w.agent("uma"); a.ClaimState() != lifecycle.Quarantined {
			t.Errorf("the bridge itself set her free: %+v", a.State)
		}
	}
	w := newWorld(t)
	after, _ := json.Marshal(map[string]string{"agent": "wes", "status": "ready"})
	var e *api.Error
	if _, err := w.s.onSet(t.Context(), "acme", after); !errors.As(err, &e) || e.Code != "409" {
		t.Errorf("whose desktop is away is ready: %v", err)
	}
}
