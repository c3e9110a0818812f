package orchestrator

import (
	"context"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
)

// at enrols an agent of the group sales on a connection and makes it ready.
func (w *world) at(connection, agent string) {
	w.t.Helper()
	if _, err := w.s.Enrol(context.Background(), w.tenant(), Enrolment{Agent: agent, Connection: connection, HuntGroups: []string{"sales"}}); err != nil {
		w.t.Fatal(err)
	}
	w.presence(agent, events.SessionStarted, "")
	w.presence(agent, events.Ready, "")
	w.pass(time.Second)
}

// A request that names its connection is served by an agent of that connection
// or by nobody.
func TestARequestIsServedOnTheConnectionItNames(t *testing.T) {
	t.Parallel()
	t.Run("by the agent it names, if that is where she sits", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.at("tcn", "ann")
		call := w.ask("1", map[string]any{"agent": "ann", "connection": "tcn"})
		w.work(w.s)
		w.wantCall(call, "requested assigned")
	})
	t.Run("not by the agent it names on another", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.at("tcn", "ann")
		call := w.ask("1", map[string]any{"agent": "ann", "connection": "desk", "expiresAt": noon.Add(time.Hour)})
		w.work(w.s)
		w.presence("ann", events.NotReady, "")
		w.presence("ann", events.Ready, "") // nor when her turn comes again
		w.turn(w.s)
		w.wantAgent("ann", "enrolled")
		w.pass(2 * time.Hour)
		w.turn(w.s)
		w.wantCall(call, "requested waiting closed")
	})
	t.Run("not by the one of the group who waited longest on another", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.at("tcn", "ann")
		w.at("desk", "wes")
		call := w.ask("1", map[string]any{"huntGroup": "sales", "connection": "desk"})
		w.work(w.s)
		w.wantCall(call, "requested assigned")
		if got := w.call(call).Assigned; got.Agent != "wes" || got.Connection != "desk" {
			t.Errorf("assigned to %s on %s", got.Agent, got.Connection)
		}
		w.wantAgent("ann", "enrolled")
	})
	t.Run("not by one who is claimed for it already", func(t *testing.T) {
		t.Parallel()
		for story, q := range map[string]map[string]any{
			"whom it names": {"agent": "ann"}, "of its group": {"huntGroup": "sales"},
		} {
			w := newWorld(t)
			w.at("tcn", "ann")
			q["connection"], q["expiresAt"] = "desk", noon.Add(time.Hour)
			call := w.ask("1", q)
			a := w.agent("ann") // a claim that somebody made in error, and died
			after, _ := a.After(events.Claimed, call, "", w.Now())
			after.Claim.CallSeq = w.call(call).Seq()
			d := log.NextOfAgent(a, events.Orchestrator, events.Claimed, w.Now(), &events.AgentClaimed{Call: call, State: after})
			if _, err := w.log.Append(context.Background(), *d); err != nil {
				t.Fatal(err)
			}
			w.work(w.s)
			if c := w.call(call); c.Assigned != nil {
				t.Errorf("%s: assigned on %s", story, c.Assigned.Connection)
			}
			w.pass(time.Minute)
			w.turn(w.s)
			w.wantAgent("ann", "enrolled claimed released")
		}
	})
}

// lose closes a call whose outcome nobody knows, so that its agent is held back.
func (w *world) lose(call string) {
	w.t.Helper()
	w.dial(call)
	w.say(call, events.Dialer, events.Unknown, &events.CallUnknown{Attempt: "attempt", Code: "timeout"})
	w.presence("ann", events.OnCall, "poll")
	w.pass(11 * time.Minute)
	w.turn(w.s)
	if w.agent("ann").State.Quarantine == nil {
		w.t.Fatal("ann is not held back")
	}
}

// Readiness proves what was before it, and nothing of a call that came after.
func TestAnOlderReadinessLiftsNoNewerQuarantine(t *testing.T) {
	t.Parallel()
	for story, evidence := range map[string]string{"of a poll": "poll", "of a desktop": "desktop"} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.enrol("ann")
			first := w.ask("1", map[string]any{"agent": "ann", "expiresAt": noon.Add(time.Hour)})
			w.work(w.s)
			w.lose(first)
			w.presence("ann", events.Ready, evidence)
			older := w.agent("ann").Last
			w.work(w.s) // one orchestrator hears it, and she is free
			second := w.ask("2", map[string]any{"agent": "ann", "expiresAt": noon.Add(time.Hour)})
			w.work(w.s)
			w.lose(second)
			w.handle(w.join(), w.s.OnAgent, older) // another hears it only now
			if a := w.agent("ann"); a.State.Quarantine == nil || a.State.Quarantine.Call != second {
				t.Errorf("an old readiness set her free: %+v", a.State)
			}
			w.presence("ann", events.Ready, evidence)
			w.work(w.s)
			if a := w.agent("ann"); a.State.Quarantine != nil {
				t.Errorf("a new one did not: %+v", a.State)
			}
		})
	}
}

// Not ready is no proof that an agent is free: at the provider she may hold what
// was prepared for the very call that she is held back for.
func TestNotReadyLiftsNoQuarantine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	call := w.ask("1", map[string]any{"agent": "ann", "expiresAt": noon.Add(time.Hour)})
	w.work(w.s)
	w.lose(call)
	w.presence("ann", events.NotReady, "poll")
	w.work(w.s)
	if a := w.agent("ann"); a.State.Quarantine == nil || a.State.Quarantine.Call != call {
		t.Errorf("not ready set her free: %+v", a.State)
	}
	w.presence("ann", events.Ready, "poll")
	w.work(w.s)
	if a := w.agent("ann"); a.State.Quarantine != nil {
		t.Errorf("ready did not: %+v", a.State)
	}
}

// An agent whose preparation nobody could undo is held back, however the call
// that prepared it ends: the provider may hold it still.
func TestAnAgentWhosePreparationWasNotUndoneIsHeldBack(t *testing.T) {
	t.Parallel()
	prepare := func(w *world, call string) {
		c := w.call(call)
		w.say(call, events.Compliance, events.Preparing, &events.CallPreparing{Attempt: "p", Agent: "ann", Fence: c.Assigned.Fence, NotAfter: w.Now()})
	}
	for story, end := range map[string]func(*world, string){
		"the call was blocked": func(w *world, call string) {
			w.say(call, events.Compliance, events.Failed, &events.CallFailed{Touched: true, Reasons: []events.Reason{{Code: "DNC_INTERNAL"}}})
		},
		"the provider was down": func(w *world, call string) {
			w.say(call, events.Compliance, events.Failed, &events.CallFailed{Touched: true, Retry: true, Reasons: []events.Reason{{Code: "PROVIDER_DOWN"}}})
		},
		"the pass was withheld": func(w *world, call string) {
			w.clear(call)
			w.say(call, events.Dialer, events.Withheld, &events.CallWithheld{Reason: "agent_not_ready"})
		},
		"somebody cancelled": func(w *world, call string) {
			w.clear(call)
			w.say(call, events.Orchestrator, events.CancelRequested, &events.CallCancelRequested{By: events.ByOperator})
		},
		"the provider refused the start": func(w *world, call string) {
			w.dial(call)
			w.say(call, events.Dialer, events.Refused, &events.CallRefused{Code: "no"})
		},
		"compliance never answered": func(w *world, call string) {
			w.say(call, events.Orchestrator, events.CancelRequested, &events.CallCancelRequested{By: events.ByOperator})
		},
		"the dialer never answered": func(w *world, call string) { w.dial(call) },
		"a person said that it was never placed": func(w *world, call string) {
			w.dial(call)
			w.say(call, events.Dialer, events.Unknown, &events.CallUnknown{Attempt: "attempt"})
			w.say(call, events.Operator, events.Resolved, &events.CallResolved{})
		},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.enrol("ann")
			call := w.ask("1", map[string]any{"agent": "ann", "expiresAt": noon.Add(time.Hour)})
			w.work(w.s)
			prepare(w, call)
			end(w, call)
			w.pass(11 * time.Minute)
			w.turn(w.s)
			if c := w.call(call).Closed; c == nil || !c.Quarantine {
				t.Errorf("closed %+v", c)
			}
			w.wantAgent("ann", "enrolled claimed quarantined")
		})
	}
}
