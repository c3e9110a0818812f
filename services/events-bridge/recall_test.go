package bridge

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
)

// startsAnew is a bridge that has heard of the open calls alone; recalled, it has
// looked through what CALLS holds as well.
func (w *feedWorld) startsAnew() (recalled func()) {
	w.s.calls = newFinder(mostClosed)
	w.s.calls.begin()
	all, err := w.log.From(events.CallFamily, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	past := w.s.recollection()
	for _, r := range all {
		if w.call(r.Key).Open() {
			w.s.FollowCall(r)
		}
		if recollects(r.Name) {
			past.take(r)
		}
	}
	return past.done
}

// Late news of a call that was over before this bridge began is that call's, and
// not the next one's to the number; until it is known which there were, it waits.
func TestABridgeThatStartsKnowsWhatWasOverBefore(t *testing.T) {
	t.Parallel()
	const to = "+81312345678"
	for story, tc := range map[string]item{
		"by id and number":  {ID: "p-c1", To: to, Event: events.Ended, Reason: "no_answer", Second: 30},
		"by id":             {ID: "p-c1", Event: events.Ended, Reason: "no_answer", Second: 30},
		"by attempt":        {Attempt: "try-c1", To: to, Event: events.Ended, Reason: "no_answer", Second: 30},
		"an id it had late": {ID: "p-news", To: to, Event: events.Ended, Reason: "no_answer", Second: 30},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newFeedWorld(t)
			w.queue("c1", to)
			if tc.ID == "p-news" {
				w.say("c1", events.Bridge, events.Ringing, &events.CallProgress{Provider: map[string]string{callKey: tc.ID}})
			} else {
				w.started("c1")
			}
			w.say("c1", events.Orchestrator, events.Closed, &events.CallClosed{Outcome: events.OutcomeFailed, Presumed: true})
			w.pass(time.Minute)
			w.queue("c2", to)
			w.hears()
			recalled := w.startsAnew()
			late := w.post(tc)
			if err := w.understands(late); err == nil || !strings.Contains(err.Error(), "again in") {
				t.Fatalf("it is somebody's before it is known whose: %v", err)
			}
			recalled()
			if err := w.understands(late); err != nil {
				t.Fatal(err)
			}
			w.wantCall("c2", "")
			if c := w.call("c1"); c.Last().Name != events.Ended {
				t.Errorf("the call that was over does not know: %s", c.Last().Name)
			}
			if _, ok := w.s.calls.names[slices.Clone(w.s.calls.closed)[0]]; !ok || len(w.s.calls.closed) != 1 {
				t.Errorf("closed: %v", w.s.calls.closed)
			}
		})
	}
}

// What a provider says of a call by one name and what it says by another keep
// their order, though the record does not know yet that both are the call's.
func TestNewsByAnyNameOfACallKeepsItsOrder(t *testing.T) {
	t.Parallel()
	const to = "+81312345678"
	for story, tc := range map[string][2]item{
		"by id and number, by number alone": {{ID: "p-c1", To: to}, {To: to}},
		"by id and attempt, by attempt":     {{ID: "p-c1", Attempt: "try-c1"}, {Attempt: "try-c1"}},
		"by id and attempt, by number":      {{ID: "p-c1", Attempt: "try-c1"}, {To: to}},
		"by number alone, by id and number": {{To: to}, {ID: "p-c1", To: to}},
		"by id alone, by id and attempt":    {{ID: "p-c1"}, {ID: "p-c1", Attempt: "try-c1"}},
		"by id alone, by id and number":     {{ID: "p-c1"}, {ID: "p-c1", To: to}},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newFeedWorld(t)
			w.s.HearAfter(0)
			w.queue("c1", to)
			w.hears()
			tc[0].Event, tc[0].Second, tc[1].Event, tc[1].Second = events.Ringing, 1, events.Ended, 2
			tc[1].Reason = "no_answer"
			all := []worker.Delivery{w.post(tc[0]), w.post(tc[1])}
			for _, d := range all {
				w.s.Hear(d)
			}
			for _, d := range slices.Backward(all) {
				if err := w.understands(d); err != nil {
					t.Fatal(err)
				}
			}
			w.wantCall("c1", "ringing ended")
		})
	}
}
