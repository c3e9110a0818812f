package orchestrator

import (
	"errors"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/test/exams/logtest"
)

func TestTheSameRequestTwiceIsOneCall(t *testing.T) {
	t.Parallel()
	for story, between := range map[string]func(*world, string){
		"at once":                      func(*world, string) {},
		"when the call has gone on":    func(w *world, _ string) { w.work(w.s) },
		"when it has expired meantime": func(w *world, _ string) { w.pass(2 * time.Hour) },
		"when it is closed": func(w *world, c string) {
			w.say(c, events.Orchestrator, events.Closed, &events.CallClosed{Outcome: "expired"})
		},
		"long after the broker forgot": func(w *world, _ string) { w.pass(10 * time.Minute) },
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.enrol("ann")
			data := map[string]any{"agent": "ann", "expiresAt": noon.Add(time.Hour)}
			first := w.ask("1", data)
			between(w, first)
			before := len(w.call(first).Log)
			again := w.request("1", data)
			again.Seq, again.Stored = 2, w.Now()
			if _, err := w.accept(w.s, again); err != nil {
				t.Errorf("the second: %v", err)
			}
			if got := len(w.call(first).Log); got != before {
				t.Errorf("the log grew from %d to %d events", before, got)
			}
		})
	}
}

func TestARedeliveryIsNoDuplicate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	d := w.request("1", map[string]any{"agent": "ann"})
	w.log.Fail(events.Requested, logtest.StoredUnknown)
	if _, err := w.accept(w.s, d); fault.Of(err) != fault.Transient {
		t.Fatalf("the first delivery: %v", err)
	}
	d.Tries = 2
	call, err := w.accept(w.s, d)
	if err != nil {
		t.Fatal(err)
	}
	w.wantCall(call, "requested")
	if len(w.ops) != 0 {
		t.Errorf("called a duplicate: %+v", w.ops)
	}
	other := d
	other.Seq = 9
	if _, err := w.accept(w.s, other); err != nil || len(w.ops) != 1 || w.ops[0].Event != "duplicate" {
		t.Errorf("sent twice: %v, %+v", err, w.ops)
	}
}

// The store was put back and has lost the call, and this process does not know yet:
// what is asked for again is not folded into a call that is nowhere.
func TestARequestIsNotFoldedIntoALostCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	before := w.log.Copy()
	d := w.request("1", map[string]any{"agent": "ann"})
	w.ask("1", map[string]any{"agent": "ann"})
	w.tell()
	w.s.Log = log.New(before, w.views[w.s])
	d.Seq, d.Tries = 9, 2
	if _, err := w.accept(w.s, d); fault.Of(err) != fault.Transient || err == nil {
		t.Errorf("asked for again: %v", err)
	}
	w.pass(10 * time.Minute)
	_, err := w.accept(w.s, d)
	wantReject(t, err, "expired")
	if len(w.ops) != 0 {
		t.Errorf("called a duplicate: %+v", w.ops)
	}
}

func TestAnIDUsedForAnotherBodyIsRefused(t *testing.T) {
	t.Parallel()
	for story, between := range map[string]func(*world){
		"at once":                   func(*world) {},
		"when the call has gone on": func(w *world) { w.work(w.s) },
		"later":                     func(w *world) { w.pass(10 * time.Minute) },
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.enrol("ann")
			call := w.ask("1", map[string]any{"agent": "ann", "priority": 1})
			between(w)
			_, err := w.accept(w.s, w.request("1", map[string]any{"agent": "ann", "priority": 2}))
			wantReject(t, err, "id_reuse")
			if c := w.call(call); c.Request.Request.Priority != 1 {
				t.Errorf("the call is now %+v", c.Request.Request)
			}
		})
	}
}

func TestABadRequestIsRefusedWithEveryFault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.accept(w.s, w.request("1", map[string]any{"to": "911", "agent": "ann", "priority": 12, "frmo": "x"}))
	var r *events.RejectError
	if !errors.As(err, &r) {
		t.Fatalf("err = %v", err)
	}
	codes := map[string]string{}
	for _, f := range r.Note.Faults {
		codes[f.Pointer] = f.Code
	}
	if len(codes) < 4 || codes["/agent"] != events.FaultUnknownAgent || r.Note.ID != "1" || r.Note.Digest == "" || r.Note.Sequence != 1 {
		t.Errorf("%+v", r.Note)
	}
}

func TestARosterThatCannotBeReadDecidesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.request("1", map[string]any{"agent": "ann"})
	w.tell()
	w.log.Cut(true)
	err := w.s.OnRequest(w.tenant())(t.Context(), d)
	if fault.Of(err) != fault.Transient || fault.Code(err) != log.CodeUnavailable {
		t.Errorf("err = %v, want: try again", err)
	}
	w.log.Cut(false)
	_, err = w.accept(w.s, d)
	wantReject(t, err, events.FaultUnknownAgent)
}

// Another process has answered agent.put: however late this one hears of it, the
// group is not unknown before everything that was stored by then was heard.
func TestAHuntGroupThatIsNotYetKnown(t *testing.T) {
	t.Parallel()
	var rejected *events.RejectError
	for _, late := range []time.Duration{0, 3 * time.Second, 10 * time.Minute} {
		w := newWorld(t)
		blind := w.join()
		w.enrol("ann", "sales")
		d := w.request("1", map[string]any{"huntGroup": "sales"})
		w.pass(late)
		if err := blind.OnRequest(w.tenant())(t.Context(), d); err == nil || errors.As(err, &rejected) {
			t.Errorf("%v late: err = %v, want: again in a moment", late, err)
		}
		if _, err := w.accept(blind, d); err != nil {
			t.Errorf("once it has heard of the group: %v", err)
		}
		_, err := w.accept(blind, w.request("2", map[string]any{"huntGroup": "salse"}))
		wantReject(t, err, events.FaultUnknownHuntGroup)
	}
}

// While the agents of an accepted store are read again nobody knows any group,
// and no request is refused for it.
func TestAHuntGroupWhileTheRosterIsReadAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann", "sales")
	d := w.request("1", map[string]any{"huntGroup": "sales"})
	w.tell()
	w.views[w.s].Reset(events.AgentFamily)
	w.s.index.forgetAgents()
	w.told[w.s][events.AgentFamily] = 0
	var rejected *events.RejectError
	if err := w.s.OnRequest(w.tenant())(t.Context(), d); err == nil || errors.As(err, &rejected) {
		t.Errorf("err = %v, want: again in a moment", err)
	}
	if _, err := w.accept(w.s, d); err != nil {
		t.Error(err)
	}
}

// The process that answered agent.put knows the agent at once.
func TestARequestMayFollowItsAgentAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.s.Enrol(t.Context(), w.tenant(), Enrolment{Agent: "ann", HuntGroups: []string{"sales"}}); err != nil {
		t.Fatal(err)
	}
	for id, q := range map[string]map[string]any{"1": {"agent": "ann"}, "2": {"huntGroup": "sales"}} {
		if err := w.s.OnRequest(w.tenant())(t.Context(), w.request(id, q)); err != nil {
			t.Errorf("%v: %v", q, err)
		}
	}
}

func TestARemovedAgentIsUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	if _, err := w.s.onRemoveAgent(t.Context(), "acme", []byte(`{"agent":"ann","by":"boss"}`)); err != nil {
		t.Fatal(err)
	}
	_, err := w.accept(w.s, w.request("1", map[string]any{"agent": "ann"}))
	wantReject(t, err, events.FaultUnknownAgent)
}
