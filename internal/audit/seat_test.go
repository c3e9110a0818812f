package audit_test

import (
	"strings"
	"testing"

	"github.com/outdial/outdial/internal/audit"
	"github.com/outdial/outdial/pkg/events"
)

// Two enrolments on one seat are one person. The first of the two agents is agent4,
// who is on call c1; twin is the other, whose call is c2.
const twin = "agent5"

// twins are two agents at one seat, with a call each.
func twins() (w *world, first, second *phone) {
	w = newWorld()
	w.enroll(twin, sid)
	second = w.call("c2")
	second.agent = twin
	return w, w.call("c1"), second
}

// quarantines holds back the agent of a call that is closed.
func (p *phone) quarantines() {
	p.fence = 0
	p.add(events.Closed)
	p.quarantine(p.agent, p.id)
}

func TestTwoClaimsOnOneSeat(t *testing.T) {
	t.Parallel()
	sits := func(w *world, change func(*events.AgentState)) {
		s := w.states[twin]
		change(&s)
		w.states[twin] = s
	}
	for story, tc := range map[string]struct {
		write func(w *world, first, second *phone)
		both  string // what is said of the later claim, "" for nothing
	}{
		"both at once": {func(_ *world, first, second *phone) {
			first.add(events.Assigned)
			second.adds(events.Assigned, events.Closed)
			first.add(events.Closed)
		}, "call c1 since #3"},
		"the later one first": {func(_ *world, first, second *phone) {
			second.add(events.Assigned)
			first.adds(events.Assigned, events.Closed)
			second.add(events.Closed)
		}, "agent agent5, who is the same agent of the provider's, is held by call c2"},
		"the later one goes on for longer": {func(_ *world, first, second *phone) {
			first.add(events.Assigned)
			second.add(events.Assigned)
			first.add(events.Closed)
			second.add(events.Closed)
		}, "call c1 since #3"},
		"while the first is held back": {func(w *world, first, second *phone) {
			first.add(events.Assigned)
			first.quarantines()
			second.adds(events.Assigned, events.Closed)
		}, "call c1 since #3"},
		"while the first is held back, and off the roster": {func(w *world, first, second *phone) {
			first.add(events.Assigned)
			first.quarantines()
			s := w.states[agentID]
			s.Presence = events.Gone
			w.write(events.AgentFamily, agentID, events.Orchestrator, events.Removed, &events.AgentRemoved{State: s})
			second.adds(events.Assigned, events.Closed)
		}, "call c1 since #3"},

		"one after the other": {func(_ *world, first, second *phone) {
			first.adds(events.Assigned, events.Closed)
			second.adds(events.Assigned, events.Waiting)
			first.world.call("c3").adds(events.Assigned, events.Closed)
			second.adds(events.Assigned, events.Closed)
		}, ""},
		"one after the other was held back": {func(w *world, first, second *phone) {
			first.add(events.Assigned)
			first.quarantines()
			w.release(agentID, "c1")
			second.adds(events.Assigned, events.Closed)
		}, ""},
		"the first is held back for a call of long ago": {func(w *world, first, second *phone) {
			first.adds(events.Assigned, events.Closed)
			w.quarantine(agentID, "c1")
			second.adds(events.Assigned, events.Closed)
		}, ""},
		"the second sits elsewhere by then": {func(w *world, first, second *phone) {
			sits(w, func(s *events.AgentState) { s.ProviderAgent = "77" })
			first.add(events.Assigned)
			second.adds(events.Assigned, events.Closed)
			first.add(events.Closed)
		}, ""},
		"the provider of another connection": {func(w *world, first, second *phone) {
			sits(w, func(s *events.AgentState) { s.Connection = "tcn-b" })
			first.add(events.Assigned)
			second.adds(events.Assigned, events.Closed)
			first.add(events.Closed)
		}, ""},
		"of nobody at the provider": {func(w *world, first, second *phone) {
			sits(w, func(s *events.AgentState) { s.ProviderAgent = "" })
			w.states[agentID] = w.states[twin]
			first.add(events.Assigned)
			second.adds(events.Assigned, events.Closed)
			first.add(events.Closed)
		}, ""},
		"a call in a queue has nobody": {func(w *world, first, second *phone) {
			first.add(events.Assigned)
			second.add(events.Closed)
			w.queued("c3").adds(events.Assigned, events.Closed)
			first.add(events.Closed)
		}, ""},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w, first, second := twins()
			tc.write(w, first, second)
			r := w.judge(audit.Options{})
			if tc.both == "" {
				expect(t, r, "")
				return
			}
			expect(t, r, "I4", tc.both)
			if f := r.Findings[0]; !strings.Contains(f.What, "claimed while") || w.agents[f.Seq-1].Name != events.Claimed || w.agents[f.Seq-1].Key != f.Agent {
				t.Errorf("it points at #%d\n%s", f.Seq, text(r))
			}
		})
	}
}

// AGENTS keeps the last events of each kind: of whom older claims are gone, what is
// still on record is judged.
func TestTwoClaimsOnOneSeatOfWhichOneBeganBeforeTheRecord(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		overlap bool
		want    string
	}{"one after the other": {false, ""}, "at once": {true, "I4"}} {
		w, first, second := twins()
		for range 3 {
			first.adds(events.Assigned, events.Waiting)
		}
		first.add(events.Assigned)
		if !tc.overlap {
			first.add(events.Closed)
		}
		second.adds(events.Assigned, events.Closed)
		if tc.overlap {
			first.add(events.Closed)
		}
		for _, keeps := range []int{3, 64} {
			if r := w.judge(audit.Options{AgentKeeps: keeps}); found(r) != tc.want {
				t.Errorf("%s, of %d on record:\n%s", story, keeps, text(r))
			}
		}
	}
}
