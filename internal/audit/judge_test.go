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

func TestHonestRecordsGiveNoFindings(t *testing.T) {
	t.Parallel()
	for story, write := range map[string]func(w *world){
		"nothing happened":      func(*world) {},
		"a good call":           func(w *world) { w.talked("c1") },
		"two calls, one agent":  func(w *world) { w.talked("c1"); w.talked("c2") },
		"two calls, two agents": twoAgents,
		"refused by compliance": func(w *world) { w.call("c1").adds(events.Assigned, events.Failed, events.Closed) },
		"the provider refused": func(w *world) {
			w.call("c1").adds(events.Assigned, events.Passed, events.Dialing, events.Refused, events.Closed)
		},
		"cancelled while cleared": func(w *world) {
			w.call("c1").adds(events.Assigned, events.Passed, events.CancelRequested, events.Closed)
		},
		"an operator frees the agent of a cancelled call": func(w *world) {
			p := w.call("c1").adds(events.Assigned, events.Passed, events.CancelRequested)
			w.release(agentID, "")
			p.fence = 0
			p.add(events.Closed)
		},
		"the second pass counts": func(w *world) {
			w.call("c1").adds(events.Assigned, events.Passed, events.Withheld, events.Waiting, events.Assigned, events.Passed, events.Dialing).
				rings(time.Second).adds(events.Started, events.Closed)
		},
		"nobody listened at the first desktop": func(w *world) {
			w.call("c1").unheard().adds(events.Waiting, events.Assigned, events.Passed, events.Dialing).
				rings(time.Second).adds(events.Started, events.Closed)
		},
		"nobody listened at three": func(w *world) {
			w.call("c1").unheard().add(events.Waiting).unheard().add(events.Waiting).unheard().add(events.Closed)
			w.talked("c2")
		},
		"cancelled between two intents": func(w *world) {
			w.call("c1").unheard().adds(events.CancelRequested, events.Closed)
		},
		"an orphan that was noticed": func(w *world) {
			w.call("c1").adds(events.Assigned, events.Passed, events.Dialing, events.Unknown, events.NotPlaced).
				rings(time.Second).adds(events.Closed, events.Orphaned)
		},
		"news after the end": func(w *world) { w.talked("c1").adds(events.Talking, events.Annotated) },
		"a quarantined agent": func(w *world) {
			p := w.call("c1").adds(events.Assigned, events.Passed, events.Dialing).rings(time.Second).adds(events.Unknown)
			p.fence = 0
			p.add(events.Closed)
			w.quarantine(agentID, "c1")
			w.presence(agentID, events.Ready)
			w.release(agentID, "c1")
			w.talked("c2")
		},
		"presence comes and goes": func(w *world) {
			p := w.call("c1").adds(events.Assigned)
			w.presence(agentID, events.Ready)
			p.adds(events.Passed, events.Dialing).rings(time.Second).adds(events.Started, events.Closed)
		},
		"a claim that was too late": func(w *world) {
			w.talked("c1")
			w.claim(agentID, "c1")
			w.release(agentID, "c1")
		},
		"an assignment void from the start": func(w *world) {
			p := w.call("c1")
			p.fence = p.claim(agentID, "c1")
			p.release(agentID, "c1")
			p.write(events.CallFamily, "c1", events.Orchestrator, events.Assigned, &events.CallAssigned{Agent: agentID, Fence: p.fence})
			p.fence = 0
			p.adds(events.Waiting, events.Closed)
		},
	} {
		w := newWorld()
		write(w)
		for _, strict := range []bool{false, true} {
			if r := w.judge(audit.Options{Strict: strict}); !r.Kept() {
				t.Errorf("%s (strict %v):\n%s", story, strict, text(r))
			}
		}
	}
}

func twoAgents(w *world) {
	w.enroll("agent5", "77")
	w.talked("c1")
	p := w.call("c2")
	p.agent = "agent5"
	p.adds(events.Assigned, events.Passed, events.Dialing).rings(9*time.Second).adds(events.Started, events.Closed)
	w.dials[1].Agent, w.dials[1].At = "77", w.dials[1].At.Add(100*time.Millisecond)
}

// A proof is a proof of its own intent, from the broker, of a call that is still
// dialing and that nobody cancels; everything else is a second dialing.
func TestWhatIsNoProofThatNothingWasPlaced(t *testing.T) {
	t.Parallel()
	said := func(w *world) *events.CallWithheld { return w.at(events.Withheld, 1).Body.(*events.CallWithheld) }
	again := []events.Name{events.Waiting, events.Assigned, events.Passed, events.Dialing, events.Started, events.Closed}
	for story, write := range map[string]func(w *world){
		"the sender's own word":   func(w *world) { w.call("c1").unheard().adds(again...); said(w).Proof = "" },
		"a bridge's word":         func(w *world) { w.call("c1").unheard().adds(again...); said(w).Proof = "no_desktop" },
		"another attempt's proof": func(w *world) { w.call("c1").unheard().adds(again...); said(w).Attempt = "attempt0" },
		"a proof of no attempt":   func(w *world) { w.call("c1").unheard().adds(again...); said(w).Attempt = "" },
		"the first proof, again": func(w *world) {
			w.call("c1").unheard().add(events.Waiting).unheard().adds(again...)
			w.at(events.Withheld, 2).Body.(*events.CallWithheld).Attempt = "attempt1"
		},
		"a cancellation came in between": func(w *world) {
			p := w.call("c1").adds(events.Assigned, events.Passed, events.Dialing, events.CancelRequested, events.Withheld)
			b := p.calls[len(p.calls)-1].Body.(*events.CallWithheld)
			b.Attempt, b.Proof = "attempt1", events.ProofNoResponders
			p.adds(again...)
		},
		"a fourth intent": func(w *world) {
			w.call("c1").unheard().add(events.Waiting).unheard().add(events.Waiting).unheard().adds(again...)
		},
	} {
		w := newWorld()
		write(w)
		if r := w.judge(audit.Options{Strict: true}); !strings.Contains(found(r), audit.I2) || !strings.Contains(text(r), "a second dialing without a proof") {
			t.Errorf("%s:\n%s", story, text(r))
		}
	}
}

// A proof that the ledger contradicts was none.
func TestADialThatIsProvedNotToBe(t *testing.T) {
	t.Parallel()
	again := []events.Name{events.Waiting, events.Assigned, events.Passed, events.Dialing, events.Started, events.Closed}
	w := newWorld()
	p := w.call("c1").unheard()
	p.rings(time.Second)
	w.dials[0].Correlation = "attempt1"
	p.adds(again...)
	expect(t, w.judge(audit.Options{Strict: true}), "I1 I2", "proved on record not to have been placed")

	w = newWorld()
	p = w.call("c1").unheard()
	p.rings(time.Second)
	p.add(events.Closed)
	if r := w.judge(audit.Options{Strict: true}); r.Kept() {
		t.Errorf("a dial after a proof:\n%s", text(r))
	}
}

// Each story spoils one thing of a good record, and exactly that is found.
func TestEveryRuleFindsWhatItIsFor(t *testing.T) {
	t.Parallel()
	dialing := func(w *world) *events.CallDialing { return w.at(events.Dialing, 1).Body.(*events.CallDialing) }
	pass := func(w *world) *events.CallPassed { return w.at(events.Passed, 1).Body.(*events.CallPassed) }
	rehash := func(w *world) { dialing(w).PassHash = hashOf(*w.at(events.Passed, 1)) }
	for story, tc := range map[string]struct {
		spoil func(w *world)
		want  string
		says  string
	}{
		"no pass": {func(w *world) { w.drop(w.at(events.Passed, 1)) }, "I1", "no pass is on record"},
		"the pass came after the dial": {func(w *world) {
			w.swap(w.at(events.Passed, 1), w.at(events.Dialing, 1))
		}, "I1 I3", "no pass is on record"},
		"the pass is of another fence":      {func(w *world) { pass(w).Fence++; rehash(w) }, "I1", "by a pass for fence"},
		"the pass names another assignment": {func(w *world) { pass(w).Refs.Assigned--; rehash(w) }, "I1", "made on assignment"},
		"the pass is over another number":   {func(w *world) { pass(w).Number = acmeKey.Number(stranger); rehash(w) }, "I1", "the pass is not over"},
		"another number than requested": {func(w *world) {
			dialing(w).Number = acmeKey.Number(stranger)
			pass(w).Number = acmeKey.Number(stranger)
			rehash(w)
		}, "I1", "not the request's"},
		"the pass had run out":      {func(w *world) { pass(w).ValidUntil = noon; rehash(w) }, "I1", "had run out"},
		"another pass is named":     {func(w *world) { dialing(w).PassID = "x" }, "I1", "names another pass"},
		"another content is named":  {func(w *world) { dialing(w).PassHash = "x" }, "I1", "another content"},
		"another sequence is named": {func(w *world) { dialing(w).Refs.Passed++ }, "I1", "as its pass"},

		"two intents":  {func(w *world) { w.again(events.Dialing, events.Started) }, "I2", "a second dialing without a proof"},
		"closed twice": {func(w *world) { w.again(events.Closed, "") }, "I3", "closed a second time"},

		"another fence at the dial": {func(w *world) { dialing(w).Fence++ }, "I4", "dialing with fence"},
		"another agent at the dial": {func(w *world) { dialing(w).Agent = "agent9" }, "I4", "another agent"},
		"a hole in the log":         {func(w *world) { w.calls = slices.Delete(w.calls, 6, 7) }, "log", "place 8 follows place 6"},
		"no request": {func(w *world) {
			w.calls = w.calls[1:]
			w.at(events.Assigned, 1).Seq = 1
			w.at(events.Assigned, 1).Body.(*events.CallAssigned).Refs.Requested = 1
		}, "log", "begins with assigned"},
	} {
		w := newWorld()
		w.talked("c1")
		if r := w.judge(audit.Options{Strict: true}); !r.Kept() {
			t.Fatalf("not good to begin with:\n%s", text(r))
		}
		tc.spoil(w)
		r := w.judge(audit.Options{Strict: true})
		if found(r) != tc.want || !strings.Contains(r.Findings[0].What, tc.says) || r.Findings[0].Call != "c1" {
			t.Errorf("%s: want %s: %s\n%s", story, tc.want, tc.says, text(r))
		}
	}
}

// again writes an event a second time, before another or at the end.
func (w *world) again(name, before events.Name) {
	r := *w.at(name, 1)
	i := len(w.calls)
	if before != "" {
		i = slices.IndexFunc(w.calls, func(o events.Record) bool { return o.Name == before })
	}
	w.calls = slices.Insert(w.calls, i, r)
	w.renumber(r.Key)
}

// renumber gives every event of CALLS the next sequence and place. References
// by sequence to what comes before i stay right.
func (w *world) renumber(id string) {
	for i := range w.calls {
		w.calls[i].Seq = uint64(i + 1)
	}
	w.replace(id)
}

func TestWhatForbidsTheDialAfterThePass(t *testing.T) {
	t.Parallel()
	for _, veto := range []events.Name{events.Failed, events.CancelRequested, events.Withheld} {
		w := newWorld()
		w.call("c1").adds(events.Assigned, events.Passed, veto, events.Dialing).rings(time.Second).adds(events.Started, events.Closed)
		expect(t, w.judge(audit.Options{}), "I1", string(veto)+" came after the pass")
	}
}

func TestAPassOfAnEarlierAssignmentDoesNotCount(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.call("c1").adds(events.Assigned, events.Passed, events.Withheld, events.Waiting, events.Assigned, events.Dialing).
		rings(time.Second).adds(events.Started, events.Closed)
	expect(t, w.judge(audit.Options{}), "I1", "of an earlier assignment")
}

func TestAnEventThatTheTableForbids(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.call("c1").adds(events.Assigned, events.Started, events.Failed, events.Closed)
	expect(t, w.judge(audit.Options{}), "I3", "illegal event: started while assigned")
}

func TestOpenCallsAreListedAndInTimeFound(t *testing.T) {
	t.Parallel()
	open := func() *world {
		w := newWorld()
		w.call("c1").add(events.Waiting)
		return w
	}
	r := open().judge(audit.Options{})
	expect(t, r, "")
	if len(r.Open) != 1 || r.Open[0].Call != "c1" || r.Open[0].State != "waiting" || r.Open[0].Age != 2*time.Second {
		t.Errorf("open calls: %+v", r.Open)
	}
	expect(t, open().judge(audit.Options{Strict: true}), "I3", "not closed: still waiting")

	w := open()
	w.now = w.now.Add(74 * time.Minute) // expired 15 min after noon
	expect(t, w.judge(audit.Options{}), "")
	w.now = w.now.Add(2 * time.Minute)
	expect(t, w.judge(audit.Options{}), "I3", "not closed 1h0m0s after its expiry")

	// A conversation may last longer than its request was good for.
	w = newWorld()
	w.call("c1").adds(events.Assigned, events.Passed, events.Dialing).rings(5*time.Hour).adds(events.Started, events.Talking)
	w.now = w.now.Add(3 * time.Hour)
	expect(t, w.judge(audit.Options{}), "")
	w.now = w.now.Add(4 * time.Hour)
	expect(t, w.judge(audit.Options{}), "I3 I4", "not closed 6h0m0s after its intent", "longer than any call can last")
}

func TestWhatCallsHasForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.talked("c1")
	w.talked("c2")
	w.calls = w.calls[5:] // the log begins in the middle of c1
	r := w.judge(audit.Options{Strict: true})
	expect(t, r, "")
	if r.Aged != 1 || r.Calls != 1 || r.Dialed != 2 {
		t.Errorf("aged %d, judged %d, dials %d", r.Aged, r.Calls, r.Dialed)
	}

	w.calls = w.calls[7:] // nothing of c1 is left
	r = w.judge(audit.Options{})
	if r.Unjudged != 1 || strings.Contains(found(r), "I1") || strings.Contains(found(r), "I2") {
		t.Errorf("a dial older than the log was judged by it:\n%s", text(r))
	}
}

func TestTheSameEventAgainIsIgnored(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.talked("c1")
	w.calls = append(w.calls, w.calls...)
	w.agents = append(w.agents, w.agents...)
	expect(t, w.judge(audit.Options{Strict: true}), "")
}

// An event that nobody can read is a finding; what follows from not knowing it
// is none.
func TestAnEventNobodyCanRead(t *testing.T) {
	t.Parallel()
	for _, lost := range []events.Name{events.Requested, events.Withheld} {
		w := newWorld()
		w.call("c1").adds(events.Assigned, events.Passed, events.Withheld, events.Waiting, events.Assigned, events.Passed,
			events.Dialing, events.Started, events.Closed)
		j := audit.New(audit.Options{Strict: true})
		for _, r := range append(w.calls, w.agents...) {
			if r.Name == lost {
				j.Unreadable(r.Subject(), r.Seq, "unknown_event")
				continue
			}
			j.Take(r)
		}
		j.Unreadable("agents.acme.agent4.bridge.dreaming", 99, "unknown_event")
		j.Unreadable("ops.acme.alarm", 100, "bad_subject") // of no log
		expect(t, j.Report(w.now), "I3 I4", "cannot be read (unknown_event)", "cannot be read (unknown_event)")
	}
}

func TestTheReportForAPerson(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.talked("c1")
	w.call("c2").add(events.Waiting)
	good := text(w.judge(audit.Options{}))
	for _, want := range []string{"all promises kept", "2 judged: 1 closed (completed 1), 1 open", "1 dial\n", "c2", "waiting"} {
		if !strings.Contains(good, want) {
			t.Errorf("the report does not say %q:\n%s", want, good)
		}
	}
	w.dials = append(w.dials, audit.Dialed{At: w.now, Provider: "tcn", Agent: sid, Number: stranger})
	r := w.judge(audit.Options{})
	bad := text(r)
	for _, want := range []string{"2 FINDINGS", "I1", "BROKEN, 1 finding\n", events.Mask(stranger), "agent " + agentID} {
		if !strings.Contains(bad, want) {
			t.Errorf("the report does not say %q:\n%s", want, bad)
		}
	}
	for _, f := range r.Findings {
		bad += f.String()
	}
	if strings.Contains(bad, stranger) || strings.Contains(bad, stranger[1:]) || strings.Contains(good, customer[1:]) {
		t.Errorf("a number in clear:\n%s", bad)
	}
	j := audit.New(audit.Options{})
	if s := text(j.Report(noon)); !strings.Contains(s, "not judged, there is no ledger") {
		t.Errorf("a report without a ledger claims to have one:\n%s", s)
	}
}

func TestTheReportIsTheSameEveryTime(t *testing.T) {
	t.Parallel()
	w := newWorld()
	for i := range 12 {
		p := w.call(fmt.Sprint("c", i)).adds(events.Assigned, events.Dialing).rings(time.Minute)
		p.add(events.Closed)
		p.rings(time.Minute)
	}
	first := text(w.judge(audit.Options{}))
	if !strings.Contains(first, "FINDINGS") {
		t.Fatal(first)
	}
	for range 5 {
		if again := text(w.judge(audit.Options{})); again != first {
			t.Fatalf("%s\nthen\n%s", first, again)
		}
	}
}
