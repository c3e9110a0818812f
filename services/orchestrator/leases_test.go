package orchestrator

import (
	"context"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// A bridge is silent when this process could have heard it for a whole lease
// and did not; a time in which it could not counts for nothing.
func TestWhenABridgeIsSilent(t *testing.T) {
	t.Parallel()
	const s = time.Second
	type step struct {
		at    time.Duration
		hears string // a bridge
		up    bool   // else: looks, with or without a connection
		link  uint64
	}
	look := func(from, to time.Duration) []step {
		var out []step
		for at := from; at <= to; at += s {
			out = append(out, step{at: at, up: true})
		}
		return out
	}
	for story, tc := range map[string]struct {
		steps  []step
		silent bool
	}{
		"never looked":                           {nil, false},
		"just started":                           {look(0, 9*s), false},
		"never heard for ten seconds":            {look(0, 10*s), true},
		"heard, and then for nine seconds not":   {append(look(0, 5*s), append([]step{{at: 5 * s, hears: "b1"}}, look(6*s, 14*s)...)...), false},
		"heard, and then for ten seconds not":    {append(look(0, 5*s), append([]step{{at: 5 * s, hears: "b1"}}, look(6*s, 15*s)...)...), true},
		"another one is heard":                   {append(look(0, 5*s), append([]step{{at: 5 * s, hears: "b2"}}, look(6*s, 12*s)...)...), true},
		"no connection until now":                {append(look(0, 14*s), step{at: 15 * s}), false},
		"no connection for a while":              {append(append(look(0, 5*s), step{at: 6 * s}), look(7*s, 15*s)...), false},
		"none, and then silence for the lease":   {append(append(look(0, 5*s), step{at: 6 * s}), look(7*s, 16*s)...), true},
		"connected anew between two looks":       {append(look(0, 9*s), step{at: 10 * s, up: true, link: 1}, step{at: 19 * s / 1, up: true, link: 1}), false},
		"asleep for a minute":                    {append(look(0, 9*s), look(69*s, 70*s)...), false},
		"asleep, and then awake for the lease":   {append(look(0, 9*s), look(69*s, 79*s)...), true},
		"asleep just short of half the lease":    {append(look(0, 2*s), look(7*s, 10*s)...), true},
		"heard a long time ago, and never again": {append([]step{{at: 0, hears: "b1"}}, look(0, 60*s)...), true},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			l, now := newLeases(10*s), noon
			for _, st := range tc.steps {
				now = noon.Add(st.at)
				if st.hears != "" {
					l.hear(st.hears, now)
				} else {
					l.look(now, st.up, st.link)
				}
			}
			if got := l.silent("b1", now); got != tc.silent {
				t.Errorf("silent: %t, want %t", got, tc.silent)
			}
		})
	}
}

// Whatever happened, a bridge that was heard within the lease is not silent,
// nor is any within a lease of a look without connection.
func TestABridgeThatSpeaksIsNeverSilent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const lease = 10 * time.Second
		l, now := newLeases(lease), noon
		heard, deaf := noon.Add(-time.Hour), noon.Add(-time.Hour)
		link := uint64(0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 8000).Draw(t, "ms")) * time.Millisecond)
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				l.hear("b1", now)
				heard = now
			case 1:
				l.look(now, false, link)
				deaf = now
			case 2:
				link++
				l.look(now, true, link)
				deaf = now
			default:
				l.look(now, true, link)
			}
			if l.silent("b1", now) && (now.Sub(heard) < lease || now.Sub(deaf) < lease) {
				t.Fatalf("silent %s after its word, %s after nobody could be heard", now.Sub(heard), now.Sub(deaf))
			}
		}
	})
}

// desk enrols an agent of the desk connection, whose socket a bridge holds.
func (w *world) desk(agent, bridge, group string) {
	w.t.Helper()
	if _, err := w.s.Enrol(context.Background(), w.tenant(), Enrolment{Agent: agent, Connection: "desk", HuntGroups: []string{group}}); err != nil {
		w.t.Fatal(err)
	}
	w.sit(agent, bridge)
}

// sit is the agent's page coming in at a bridge, and saying ready.
func (w *world) sit(agent, bridge string) {
	w.t.Helper()
	a := w.agent(agent)
	after, _ := a.After(events.SessionStarted, "", "", w.Now())
	after.Session, after.Bridge = "session-"+agent+"-"+bridge, bridge
	d := log.NextOfAgent(a, events.Bridge, events.SessionStarted, w.Now(), &events.AgentPresence{State: after})
	if _, err := w.log.Append(context.Background(), *d); err != nil {
		w.t.Fatal(err)
	}
	w.presence(agent, events.Ready, "desktop")
	w.pass(time.Second)
}

// silence lets the lease run out, for everybody but these.
func (w *world) silence(but ...string) {
	w.t.Helper()
	w.tell()
	now := w.Now()
	w.s.leases.look(now.Add(-20*time.Second), true, 0) // long ago
	w.s.leases.mu.Lock()
	clear(w.s.leases.heard)
	w.s.leases.looked = now
	w.s.leases.mu.Unlock()
	for _, b := range but {
		w.s.Alive(b)
	}
	w.s.endSilent(context.Background(), func() {})
	w.tell()
}

func TestTheSessionsOfASilentBridgeEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.desk("ann", "b1", "sales")
	w.desk("bob", "b2", "sales")
	w.enrol("tina", "sales") // polled: nobody's lease
	w.desk("old", "", "sales")
	fence := w.agent("ann").Fence
	w.silence("b2")
	for id, want := range map[string]events.Name{"ann": events.Lost, "bob": events.Ready, "tina": events.Ready, "old": events.Lost} {
		if a := w.agent(id); a.State.Presence != want || (want == events.Lost) != (a.State.Session == "") {
			t.Errorf("%s is %s in session %q, want %s", id, a.State.Presence, a.State.Session, want)
		}
	}
	if a := w.agent("ann"); a.Fence != fence || a.State.Reason != bridgeSilent || a.Last.Role != events.Orchestrator {
		t.Errorf("fence %d, was %d: %+v", a.Fence, fence, a.State)
	}
	if len(w.ops) != 2 { // one for each process, not one for each agent
		t.Errorf("%d alarms: %+v", len(w.ops), w.ops)
	}
	w.silence("b2")
	w.wantAgent("ann", "enrolled session_lost")

	w.sit("ann", "b2") // the page comes back, elsewhere
	w.silence("b2")
	if a := w.agent("ann"); !a.Claimable() {
		t.Errorf("back, and not claimable: %+v", a.State)
	}
}

// A bridge's first session may be on record before its first word is heard.
func TestABridgeLivesWhoseSessionHasJustBegun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := w.Now()
	w.s.leases.since, w.s.leases.looked = now.Add(-time.Hour), now
	w.desk("ann", "b1", "sales")
	w.tell()
	w.s.endSilent(context.Background(), func() {})
	w.wantAgent("ann", "enrolled")
}

// A bridge that was heard between the decision and the append is alive.
func TestASessionWhoseBridgeSpeaksInTheLastMomentGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.desk("ann", "b1", "sales")
	w.log.Before(events.SessionLost, func() {
		w.presence("ann", events.NotReady, "desktop") // and the log has moved on
		w.s.Alive("b1")
	})
	w.silence()
	w.wantAgent("ann", "enrolled")
}

// The lease ends a session and nothing else: a call that holds the agent goes
// its way.
func TestALostSessionTouchesNoClaim(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.desk("ann", "b1", "sales")
	call := w.ask("1", map[string]any{"huntGroup": "sales"})
	w.work(w.s)
	w.dial(call)
	w.say(call, events.Dialer, events.Started, &events.CallStarted{Attempt: "attempt"})
	w.silence()
	a := w.agent("ann")
	if a.State.Claim == nil || a.State.Claim.Call != call || a.Fence != w.call(call).Assigned.Fence {
		t.Errorf("%+v", a.State)
	}
	w.say(call, events.Bridge, events.Talking, &events.CallProgress{})
	w.say(call, events.Bridge, events.WrappedUp, &events.CallProgress{})
	w.work(w.s)
	w.wantAgent("ann", "enrolled claimed session_lost released")
}

// unheard lets the dialer find nobody at the desktop of an assigned call.
func (w *world) unheard(call, proof string) {
	w.dial(call)
	w.say(call, events.Dialer, events.Withheld, &events.CallWithheld{Reason: "nothing_sent", Attempt: "attempt", Proof: proof})
}

// Where nobody listened the session ends and the next agent has the call.
func TestACallThatFoundNobodyGoesOnToTheNextAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.desk("ghost", "b1", "sales") // the longest idle
	w.desk("ann", "b2", "sales")
	call := w.ask("1", map[string]any{"huntGroup": "sales"})
	w.work(w.s)
	if got := w.call(call).Assigned.Agent; got != "ghost" {
		t.Fatalf("assigned to %s", got)
	}
	w.unheard(call, events.ProofNoResponders)
	w.work(w.s)
	w.wantCall(call, "requested assigned passed dialing withheld waiting assigned")
	w.wantAgent("ghost", "enrolled claimed session_lost released")
	if c := w.call(call); c.Assigned.Agent != "ann" || c.Passed != nil {
		t.Errorf("assigned to %s, pass %v", c.Assigned.Agent, c.Passed)
	}
	if a := w.agent("ghost"); a.State.Presence != events.Lost || a.State.Reason != noResponders {
		t.Errorf("%+v", a.State)
	}
}

func TestWhatFindsNobodyThreeTimesIsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, id := range []string{"g1", "g2", "g3", "ann"} {
		w.desk(id, "b1", "sales")
	}
	call := w.ask("1", map[string]any{"huntGroup": "sales"})
	for n := range lifecycle.MaxProofs {
		w.work(w.s)
		if c := w.call(call); n == 2 && (c.State != lifecycle.Waiting || c.Waiting.Until == nil) {
			t.Errorf("a second time without an answer, and it hurries: %s", names(c.Log))
		}
		w.pass(10 * time.Second)
		w.turn(w.s)
		w.unheard(call, events.ProofNoResponders)
	}
	w.work(w.s)
	if c := w.call(call); c.State != lifecycle.Closed || c.Closed.Outcome != events.OutcomeFailed || c.Closed.Reason != "nothing_sent" {
		t.Errorf("%s: %+v", c.State, c.Closed)
	}
	if !w.agent("ann").Claimable() {
		t.Error("ann was touched")
	}
}

func TestABridgesWordThatNobodyIsThereClosesTheCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.desk("ann", "b1", "sales")
	call := w.ask("1", map[string]any{"huntGroup": "sales"})
	w.work(w.s)
	w.unheard(call, "")
	w.work(w.s)
	w.wantCall(call, "requested assigned passed dialing withheld closed")
}

// A desktop that came back by itself meanwhile keeps its new session.
func TestAProofEndsItsOwnSessionOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.desk("ann", "b1", "sales")
	call := w.ask("1", map[string]any{"huntGroup": "sales"})
	w.work(w.s)
	w.dial(call)
	w.sit("ann", "b2")
	w.say(call, events.Dialer, events.Withheld, &events.CallWithheld{Reason: "nothing_sent", Attempt: "attempt", Proof: events.ProofNoResponders})
	w.work(w.s)
	w.wantCall(call, "requested assigned passed dialing withheld waiting assigned")
	if c := w.call(call); c.Assigned.Session != "session-ann-b2" {
		t.Errorf("assigned in %s", c.Assigned.Session)
	}
}

// An agent without a desktop is offered no call, though somebody calls it ready.
func TestNobodyIsOfferedCallsWithoutADesktop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.desk("ann", "b1", "sales")
	w.silence()
	w.presence("ann", events.Ready, "command")
	call := w.ask("1", map[string]any{"huntGroup": "sales"})
	named := w.ask("2", map[string]any{"agent": "ann"})
	w.work(w.s)
	w.wantCall(call, "requested waiting")
	w.wantCall(named, "requested waiting")
	w.sit("ann", "b1")
	w.work(w.s)
	w.wantCall(named, "requested waiting assigned")
}

// The watchdog takes the same way as whoever hears the event.
func TestTheWatchdogEndsTheSessionTooBeforeItLetsTheCallWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.desk("ghost", "b1", "sales")
	w.desk("ann", "b2", "sales")
	call := w.ask("1", map[string]any{"huntGroup": "sales"})
	w.work(w.s)
	w.unheard(call, events.ProofNoResponders)
	s := w.join()
	w.tell()
	w.pass(late) // and whoever should have heard it has not
	s.Turn(context.Background())
	if a := w.agent("ghost"); a.State.Presence != events.Lost {
		t.Errorf("the ghost is %s", a.State.Presence)
	}
	w.work(s)
	if c := w.call(call); c.Assigned == nil || c.Assigned.Agent != "ann" {
		t.Errorf("%+v", c.Assigned)
	}
}
