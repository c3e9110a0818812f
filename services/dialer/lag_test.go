package dialer

import (
	"context"
	"testing"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
)

// A process knows the logs as far as it has heard them. What it does on the
// strength of that is what it would have done on the strength of the log.
func TestWhoLagsBehindTheLogDoesNothingElse(t *testing.T) {
	t.Parallel()
	claimedBy := func(w *world, call string) {
		w.agentSays(events.Orchestrator, events.Released, &events.AgentReleased{State: w.after(events.Released, "c1")})
		w.agentSays(events.Orchestrator, events.Claimed, &events.AgentClaimed{Call: call, State: w.after(events.Claimed, call)})
	}
	for story, tc := range map[string]struct {
		before, unheard func(*world) // what the process has heard, and what it has not
		want            string
		starts, asked   int
	}{
		"a pass that was not heard of is dialed": {nil, func(w *world) { w.prepare(); w.passed() },
			"requested assigned preparing passed dialing started", 1, 1},
		"an agent who is on another call by now is not dialed": {func(w *world) { w.passed() }, func(w *world) { claimedBy(w, "c2") },
			"requested assigned passed withheld", 0, 1},
		"an agent who is claimed anew by now is not dialed": {func(w *world) { w.passed() }, func(w *world) { claimedBy(w, "c1") },
			"requested assigned passed withheld", 0, 1},
		"an agent who is not ready by now is not dialed": {func(w *world) { w.passed() }, func(w *world) {
			w.agentSays(events.Bridge, events.NotReady, &events.AgentPresence{State: w.after(events.NotReady, "")})
		}, "requested assigned passed withheld", 0, 1},
		"an opt-out that was not heard of stops the call": {func(w *world) { w.passed() }, func(w *world) {
			w.say(events.Compliance, events.Failed, &events.CallFailed{})
		}, "requested assigned passed failed", 0, 1},
		"a cancellation that was not heard of stops the call": {func(w *world) { w.passed() }, func(w *world) {
			w.say(events.Orchestrator, events.CancelRequested, &events.CallCancelRequested{By: events.ByOperator})
		}, "requested assigned passed cancel_requested", 0, 1},
		"another's intent that was not heard of is not sent again": {func(w *world) { w.passed() }, func(w *world) {
			w.say(events.Dialer, events.Dialing, &events.CallDialing{Attempt: "other", NotAfter: w.Now()})
		}, "requested assigned passed dialing", 0, 1},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, providers.Capabilities{Prepares: true})
			if tc.before != nil {
				tc.before(w)
			}
			s, _ := w.heard()
			tc.unheard(w)
			for _, r := range w.call().Log {
				if r.Name == events.Passed {
					if err := s.OnCall(t.Context(), r); err != nil {
						t.Fatal(err)
					}
				}
			}
			w.want(tc.want)
			w.wantStarts(tc.starts)
			if w.p.confirms != tc.asked {
				t.Errorf("the provider was asked %d times, want %d", w.p.confirms, tc.asked)
			}
		})
	}
}

// A claim that was not heard of is no reason to leave the last look out.
func TestTheLastLookIsTakenOfAnAgentWhoseClaimWasNotHeard(t *testing.T) {
	t.Parallel()
	w := newWorld(t, providers.Capabilities{Prepares: true})
	w.agentSays(events.Orchestrator, events.Released, &events.AgentReleased{State: w.after(events.Released, call)})
	s, _ := w.heard()
	w.agentSays(events.Orchestrator, events.Claimed, &events.AgentClaimed{Call: call, State: w.after(events.Claimed, call)})
	w.say(events.Orchestrator, events.Waiting, &events.CallWaiting{})
	w.say(events.Orchestrator, events.Assigned, &events.CallAssigned{Agent: "ann", Connection: "tcn", Session: "s1", Fence: w.agent().Fence})
	if err := w.hears(s, w.passed()); err != nil {
		t.Fatal(err)
	}
	w.want("requested assigned waiting assigned passed dialing started")
	if w.p.confirms != 1 {
		t.Errorf("looked %d times", w.p.confirms)
	}
}

// What is withdrawn by session is another's once the agent is on another call,
// whatever the process has heard of it, and whether or not the call is over.
func TestWhatIsWithdrawnIsTheCallsAsTheLeaderKnowsIt(t *testing.T) {
	t.Parallel()
	for story, over := range map[string]bool{"of a call that is over": true, "of a call that is open": false} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, providers.Capabilities{})
			var r events.Record
			if over {
				r = gone(w, events.Failed)
			} else {
				w.prepare()
				r = w.say(events.Compliance, events.Failed, &events.CallFailed{Touched: true})
			}
			s, _ := w.heard()
			w.agentSays(events.Orchestrator, events.Released, &events.AgentReleased{Call: call, State: w.after(events.Released, call)})
			w.agentSays(events.Orchestrator, events.Claimed, &events.AgentClaimed{Call: "c2", State: w.after(events.Claimed, "c2")})
			if err := w.hears(s, r); err != nil {
				t.Fatal(err)
			}
			if len(w.p.withdraws) != 0 {
				t.Error("another's preparation was withdrawn, though the leader knew better")
			}
		})
	}
}

// A process that has just started sends while it still hears the log, and has
// heard what was stored at its start before the answer comes: the answer is put
// on record, though its own intent has not come by the stream.
func TestAnAnswerIsRecordedThoughTheIntentWasNotHeard(t *testing.T) {
	t.Parallel()
	w := newWorld(t, providers.Capabilities{Presence: providers.PresenceDesktop})
	p := w.passed()
	view := log.NewFollower()
	for _, r := range w.call().Log {
		view.Take(r)
	}
	w.p.during = func(context.Context) error { view.CaughtUp(events.CallFamily); return nil }
	c := w.s.Config
	c.Log = log.New(w.log, view)
	if err := New(c).OnCall(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	w.want("requested assigned passed dialing started")
	w.wantStarts(1)
}

// Of a call that goes well the leader is asked where the agent is, right before
// the intent, and for her token once an enrolment; of what follows, nothing.
func TestHowOftenTheLeaderIsAskedToDialACall(t *testing.T) {
	t.Parallel()
	for story, can := range map[string]providers.Capabilities{"prepared": {Prepares: true, Presence: providers.PresencePolled}, "desktop": {Presence: providers.PresenceDesktop}} {
		w := newWorld(t, can)
		p := w.passed()
		s, leader := w.heard()
		if err := w.hears(s, p); err != nil {
			t.Fatal(err)
		}
		if err := w.hears(s, w.last()); err != nil {
			t.Fatal(err)
		}
		if err := s.Turn(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.want("requested assigned passed dialing started")
		if leader.reads != 0 || leader.lasts != 1 || leader.ats != 1 {
			t.Errorf("%s: %d calls, %d agents, %d enrolments were read, want 0, 1, 1", story, leader.reads, leader.lasts, leader.ats)
		}
	}
}
