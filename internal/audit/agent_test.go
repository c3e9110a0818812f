package audit_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/audit"
	"github.com/outdial/outdial/pkg/events"
)

func TestAgents(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		write func(w *world)
		want  string
		says  string
	}{
		"claimed by two calls at once": {func(w *world) {
			a := w.call("c1").add(events.Assigned)
			b := w.call("c2").add(events.Assigned)
			a.fence = 0
			b.add(events.Closed)
			a.add(events.Closed)
		}, "I4", "claimed while call c1 holds the agent"},
		"an assignment without a claim": {func(w *world) {
			p := w.call("c1").add(events.Assigned)
			w.at(events.Assigned, 1).Body.(*events.CallAssigned).Fence = 99
			p.add(events.Closed)
		}, "I4", "assigned with fence 99"},
		"another queue than was asked for": {func(w *world) {
			p := w.queued("c1").add(events.Assigned)
			w.at(events.Assigned, 1).Body.(*events.CallAssigned).Queue = "menu-8"
			p.add(events.Closed)
		}, "I4", "a queue that the request does not name"},
		"a queue for a call that asked for an agent": {func(w *world) {
			p := w.call("c1")
			p.queue = "menu-7"
			p.adds(events.Assigned, events.Closed)
		}, "I4", "a queue that the request does not name"},
		"neither agent nor queue": {func(w *world) {
			p := w.queued("c1").add(events.Assigned)
			w.at(events.Assigned, 1).Body.(*events.CallAssigned).Queue = ""
			p.add(events.Closed)
		}, "I4", "assigned with fence 0"},
		"the claim of another call": {func(w *world) {
			w.talked("c1")
			p := w.call("c2").add(events.Assigned)
			w.at(events.Assigned, 2).Body.(*events.CallAssigned).Fence = w.at(events.Claimed, 1).Seq
			p.add(events.Closed)
		}, "I4", "no claim of this agent for this call"},
		"released by somebody else": {func(w *world) {
			w.talked("c1")
			w.at(events.Released, 1).Body.(*events.AgentReleased).Call = "c7"
		}, "I4", "in the name of another call"},
		"quarantined by somebody else": {func(w *world) {
			p := w.call("c1").add(events.Assigned)
			p.fence = 0
			p.add(events.Closed)
			w.quarantine(agentID, "c1")
			w.at(events.Quarantined, 1).Body.(*events.AgentQuarantined).Call = "c7"
		}, "I4", "quarantined in the name of another call"},
		"released before the dial": {func(w *world) {
			p := w.call("c1").adds(events.Assigned, events.Passed)
			w.release(agentID, "c1")
			p.add(events.Dialing).rings(time.Second).add(events.Started)
			p.fence = 0
			p.add(events.Closed)
		}, "I4", "over before the call was dialed"},
		"released during the call": {func(w *world) {
			p := w.call("c1").adds(events.Assigned, events.Passed, events.Dialing).rings(time.Second).add(events.Started)
			w.release(agentID, "c1")
			p.fence = 0
			p.add(events.Closed)
		}, "I4", "released before its call let the agent go"},
		"released, and the call goes on": {func(w *world) {
			w.call("c1").adds(events.Assigned, events.Passed, events.Dialing).rings(time.Second).add(events.Started)
			w.release(agentID, "c1")
			w.now = w.now.Add(2 * time.Minute)
		}, "I4", "its call still has the agent"},
		"never given back after the end": {func(w *world) {
			p := w.call("c1").add(events.Assigned)
			p.fence = 0
			p.add(events.Closed)
			w.now = w.now.Add(61 * time.Second)
		}, "I4", "still claimed by a call that is closed, for 1m2s"},
		"never given back while waiting": {func(w *world) {
			p := w.call("c1").add(events.Assigned)
			p.fence = 0
			p.add(events.Waiting)
			w.now = w.now.Add(2 * time.Minute)
		}, "I4", "is waiting and not assigned by this claim"},
		"claimed by a call nobody knows": {func(w *world) {
			w.claim(agentID, "c9")
			w.now = w.now.Add(2 * time.Minute)
		}, "I4", "is not on record"},
		"presence forgets the claim": {func(w *world) {
			p := w.call("c1").add(events.Assigned)
			w.presence(agentID, events.OnCall)
			w.at(events.OnCall, 1).Body.(*events.AgentPresence).State.Claim = nil
			p.add(events.Closed)
		}, "I4", "held by nobody, the log says c1"},
		"a claim longer than any call": {func(w *world) {
			p := w.call("c1").add(events.Assigned)
			w.now = w.now.Add(7 * time.Hour)
			p.add(events.Closed)
		}, "I4", "longer than any call can last"},
		"events out of order": {func(w *world) {
			w.talked("c1")
			w.at(events.Released, 1).Place = 1
		}, "log", "out of order"},
	} {
		w := newWorld()
		tc.write(w)
		r := w.judge(audit.Options{})
		if found(r) != tc.want || !strings.Contains(r.Findings[0].What, tc.says) {
			t.Errorf("%s: want %s: %s\n%s", story, tc.want, tc.says, text(r))
		}
	}
}

// Copies that were taken one after the other are of different moments: what
// seems broken by that is said to be perhaps no more than that, and what one
// moment would show is not excused.
func TestCopiesOfDifferentMomentsAreSaidToBe(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		write func(w *world)
		apart bool
	}{
		"AGENTS was copied before the claim": {func(w *world) {
			p := w.call("c1").add(events.Assigned)
			w.at(events.Assigned, 1).Body.(*events.CallAssigned).Fence = 99
			p.add(events.Closed)
		}, true},
		"an assignment by another's claim": {func(w *world) {
			w.talked("c1")
			p := w.call("c2").add(events.Assigned)
			w.at(events.Assigned, 2).Body.(*events.CallAssigned).Fence = w.at(events.Claimed, 1).Seq
			p.add(events.Closed)
		}, false},
		"CALLS was copied before the request": {func(w *world) {
			w.talked("c1")
			w.now = w.now.Add(time.Second)
			w.claim(agentID, "c9")
		}, true},
		"a claim for nobody, amid calls": {func(w *world) {
			w.claim("other", "c9")
			w.now = w.now.Add(time.Second)
			w.talked("c1")
		}, false},
		"CALLS was copied before the end": {func(w *world) {
			w.call("c1").adds(events.Assigned, events.Passed, events.Dialing).rings(time.Second).add(events.Started)
			w.now = w.now.Add(time.Second)
			w.release(agentID, "c1")
		}, true},
	} {
		w := newWorld()
		tc.write(w)
		r := w.judge(audit.Options{Strict: true})
		if len(r.Findings) == 0 || strings.Contains(text(r), "different moments") != tc.apart {
			t.Errorf("%s: want %t\n%s", story, tc.apart, text(r))
		}
	}
}

func TestAtRestEveryAgentIsBackAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld()
	p := w.call("c1").add(events.Assigned)
	p.fence = 0
	p.add(events.Closed)
	expect(t, w.judge(audit.Options{}), "")
	expect(t, w.judge(audit.Options{Strict: true}), "I4", "still claimed by a call that is closed")
}

// AGENTS keeps the last events of a kind. What it has forgotten is no fault of
// the agent's, and what it still has is judged.
func TestWhatAgentsHasForgotten(t *testing.T) {
	t.Parallel()
	forgetful := func(spoil func(*world)) audit.Report {
		w := newWorld()
		for i := range 9 {
			p := w.call(fmt.Sprint("c", i)).add(events.Assigned)
			w.presence(agentID, events.OnCall)
			p.add(events.Closed)
		}
		if spoil != nil {
			spoil(w)
		}
		kept := map[events.Name]int{}
		for i := len(w.agents) - 1; i >= 0; i-- {
			n := w.agents[i].Name
			if kept[n]++; kept[n] > 4 {
				w.agents = slices.Delete(w.agents, i, i+1)
			}
		}
		return w.judge(audit.Options{AgentKeeps: 4})
	}
	expect(t, forgetful(nil), "")
	expect(t, forgetful(func(w *world) {
		// A release more than claims: the claim before is kept, its end is not.
		w.release(agentID, "")
		w.release(agentID, "")
	}), "")
	expect(t, forgetful(func(w *world) {
		w.at(events.Released, 8).Body.(*events.AgentReleased).Call = "c0"
	}), "I4", "in the name of another call")
}

// A call in a provider's own queue needs nobody of ours, and is dialed by a pass
// as every other.
func TestACallInAQueueNeedsNoClaim(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.queued("c1").adds(events.Assigned, events.Passed, events.Dialing).rings(time.Second).adds(events.Started, events.Ended, events.Closed)
	if r := w.judge(audit.Options{Strict: true}); !r.Kept() {
		t.Errorf("%v", r.Findings)
	}
	w = newWorld()
	w.queued("c1").adds(events.Assigned, events.Dialing).rings(time.Second).adds(events.Started, events.Ended, events.Closed)
	if r := w.judge(audit.Options{Strict: true}); r.Kept() {
		t.Error("dialed without a pass, and nobody minds")
	}
}
