package orchestrator

import (
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// A call that holds an agent is watched at the agent's seat: another seat's
// telephone says nothing of it.
func TestAnAgentKeepsItsSeatWhileItIsHeld(t *testing.T) {
	t.Parallel()
	const put = `{"agent":"ann","huntGroups":["sales"],"token":"s3cret"}`
	held := map[string]func(*testing.T) (*world, string){
		"claimed": func(t *testing.T) (*world, string) {
			w := newWorld(t)
			if _, err := w.do("agent", "put", put); err != nil {
				t.Fatal(err)
			}
			w.presence("ann", events.SessionStarted, "")
			w.presence("ann", events.Ready, "")
			call := w.ask("1", map[string]any{"agent": "ann"})
			w.work(w.s)
			return w, call
		},
	}
	held["quarantined"] = func(t *testing.T) (*world, string) {
		w, call := held["claimed"](t)
		w.dial(call)
		w.say(call, events.Dialer, events.Unknown, &events.CallUnknown{Attempt: "attempt"})
		w.pass(11 * time.Minute)
		w.turn(w.s)
		return w, call
	}
	for state, begin := range held {
		for story, tc := range map[string]struct{ put, code string }{
			"the connection":                {`{"agent":"ann","huntGroups":["sales"],"token":"s3cret","connection":"desk"}`, "409"},
			"the provider's agent":          {`{"agent":"ann","huntGroups":["sales"],"token":"s3cret","providerAgent":"7"}`, "409"},
			"the token":                     {`{"agent":"ann","huntGroups":["sales"],"token":"n3w"}`, "409"},
			"the token, taken away":         {`{"agent":"ann","huntGroups":["sales"]}`, "409"},
			"the token and the hunt groups": {`{"agent":"ann","huntGroups":["support"],"token":"n3w"}`, "409"},
			"nothing":                       {put, ""},
			"the hunt groups":               {`{"agent":"ann","huntGroups":["support"],"token":"s3cret"}`, ""},
		} {
			t.Run(state+": "+story, func(t *testing.T) {
				t.Parallel()
				w, _ := begin(t)
				before := w.agent("ann")
				if before.State.Claim == nil && before.State.Quarantine == nil {
					t.Fatalf("ann is free: %+v", before.State)
				}
				_, err := w.do("agent", "put", tc.put)
				after := w.agent("ann")
				if tc.code != "" {
					wantCode(t, err, tc.code)
					if after.Last.Seq != before.Last.Seq {
						t.Errorf("the log grew: %s", after.Last.Name)
					}
					return
				}
				if err != nil {
					t.Error(err)
				}
				if (after.State.Claim == nil) != (before.State.Claim == nil) || (after.State.Quarantine == nil) != (before.State.Quarantine == nil) {
					t.Errorf("who holds her: %+v, was %+v", after.State, before.State)
				}
			})
		}
	}
}

func TestAnAgentChangesItsSeatWhenItIsFree(t *testing.T) {
	t.Parallel()
	w, call := onACall(t)
	const move = `{"agent":"ann","connection":"desk"}`
	_, err := w.do("agent", "put", move)
	wantCode(t, err, "409")
	w.say(call, events.Orchestrator, events.Closed, &events.CallClosed{Agent: "ann", Outcome: "expired"})
	w.work(w.s)
	if _, err := w.do("agent", "put", move); err != nil {
		t.Fatal(err)
	}
	if a := w.agent("ann"); a.State.Connection != "desk" || a.State.Session != "" || a.Claimable() {
		t.Errorf("%+v", a.State)
	}
	// She has not signed in there: a call waits for her until she has.
	next := w.ask("2", map[string]any{"agent": "ann"})
	w.work(w.s)
	w.wantCall(next, "requested waiting")
	w.presence("ann", events.SessionStarted, "")
	w.presence("ann", events.Ready, "")
	w.work(w.s)
	w.wantCall(next, "requested waiting assigned")
}

// An agent that is claimed in the moment its seat is changed keeps its seat.
func TestAClaimThatComesBeforeTheChangeWins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	call := w.ask("1", map[string]any{"agent": "ann"})
	w.log.Before(events.Enrolled, func() { w.work(w.s) })
	_, err := w.do("agent", "put", `{"agent":"ann","connection":"desk"}`)
	wantCode(t, err, "409")
	if a := w.agent("ann"); a.State.Connection != "tcn" || a.State.Claim == nil || a.State.Claim.Call != call {
		t.Errorf("%+v", a.State)
	}
}

// A call whose agent's hunt groups changed under it goes on in the end.
func TestHuntGroupsThatChangeUnderACall(t *testing.T) {
	t.Parallel()
	w, call := onACall(t)
	if _, err := w.do("agent", "put", `{"agent":"ann","huntGroups":["support"]}`); err != nil {
		t.Fatal(err)
	}
	// The fence has moved, so compliance and the dialer give the assignment back.
	w.say(call, events.Compliance, events.Failed, &events.CallFailed{Retry: true, Reasons: []events.Reason{{Code: "AGENT_NOT_READY"}}})
	w.work(w.s)
	w.pass(5 * time.Second)
	w.turn(w.s)
	w.wantCall(call, "requested assigned failed waiting assigned")
	if c, a := w.call(call), w.agent("ann"); c.State != lifecycle.Assigned || c.Assigned.Fence != a.Fence {
		t.Errorf("%s with %+v, the fence is %d", c.State, c.Assigned, a.Fence)
	}
}

// The configuration's agents are enrolled one by one; one that cannot be is
// tried again, and nobody waits for it.
func TestAnAgentOfTheConfigurationThatCannotBeEnrolledYet(t *testing.T) {
	t.Parallel()
	w, call := onACall(t)
	w.enrol("eve")
	w.spoil(events.AgentFamily, "eve", events.Bridge, events.Ready)
	w.s.pending = pendingOf(w.dir, map[string][]Enrolment{"acme": {
		{Agent: "ann", Connection: "desk"},            // on a call
		{Agent: "eve", HuntGroups: []string{"sales"}}, // nobody can read her log
		{Agent: "kim", Connection: "none"},            // nowhere to sit
		{Agent: "bob", HuntGroups: []string{"sales"}},
	}, "nobody": {{Agent: "x"}}})
	w.s.enrolPending(t.Context())
	if a := w.agent("bob"); !a.Enrolled() {
		t.Error("bob is not enrolled, and nothing is wrong with him")
	}
	if a := w.agent("ann"); a.State.Connection != "tcn" {
		t.Errorf("ann was moved amid a call: %+v", a.State)
	}
	if n := len(w.s.pending); n != 3 {
		t.Errorf("%d agents wait to be enrolled, want ann, eve and kim", n)
	}
	w.say(call, events.Orchestrator, events.Closed, &events.CallClosed{Agent: "ann", Outcome: "expired"})
	r := w.call(call).Last()
	w.handle(w.s, w.s.OnCall, r)
	w.s.Sweep(t.Context())
	if a := w.agent("ann"); a.State.Connection != "desk" {
		t.Errorf("ann, now free: %+v", a.State)
	}
	if n := len(w.s.pending); n != 2 {
		t.Errorf("%d agents wait to be enrolled, want eve and kim", n)
	}
}
