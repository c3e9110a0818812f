package bridge

import (
	"context"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/test/exams/logtest"
)

func TestAnAgentIsPolledFromSignInToReady(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 4 {
		w.poll()
	}
	w.wantAgent("ann", "session_started ready")
	a := w.agent("ann")
	if a.State.Session != "s1" || a.State.Provider["asmSessionSid"] != "s1" || a.State.Presence != events.Ready {
		t.Errorf("%+v", a.State)
	}
	if len(w.raws) != 1 {
		t.Errorf("%d messages stored, want only what is news", len(w.raws))
	}
	w.p.status = "PAUSED"
	w.poll()
	w.p.status = "READY"
	w.poll()
	w.wantAgent("ann", "session_started ready not_ready ready")
}

func TestACallIsFollowedByPolling(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.poll()
	w.poll()
	w.dial("c1", "ann", newYork)
	for _, status := range []string{"MANUAL_DIAL_STARTED", "PEERED", "PEERED", "PEERED_WITH_CALL_ON_HOLD", "PEERED", "WRAPUP"} {
		w.p.status = status
		w.pass(time.Second)
		w.poll()
		w.poll()
	}
	c := w.call("c1")
	w.wantCall("c1", "talking held talking wrap_up")
	if d := c.Durations(time.Time{}); c.State != lifecycle.WrapUp || d.Hold == nil || *d.Hold == 0 {
		t.Errorf("%s, %+v", c.State, d)
	}
	for _, r := range c.Log {
		if p, ok := r.Body.(*events.CallProgress); ok && (p.Evidence != "poll" || p.RawSeq == 0 || p.Event == "" || p.Late) {
			t.Errorf("%s: %+v", r.Name, p)
		}
	}
}

// onCall is a world in which ann, who was ready, has a call started.
func onCall(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.poll()
	w.poll()
	w.dial("c1", "ann", newYork)
	return w
}

// Whatever was written while the provider was asked is newer than its answer.
func TestAStalePollIsDropped(t *testing.T) {
	t.Parallel()
	t.Run("the call moved while it was asked", func(t *testing.T) {
		t.Parallel()
		w := onCall(t)
		w.p.status = "READY"
		w.p.meanwhile = func() { w.say("c1", events.Orchestrator, events.CancelRequested, &events.CallCancelRequested{}) }
		w.poll()
		w.wantCall("c1", "")
	})
	t.Run("the agent moved while it was asked", func(t *testing.T) {
		t.Parallel()
		w := onCall(t)
		w.p.status = "PAUSED"
		w.p.meanwhile = func() {
			w.p.meanwhile = nil
			w.agentSays("ann", events.Orchestrator, events.Enrolled, &events.AgentEnrolled{State: w.agent("ann").State})
		}
		before := w.agent("ann").Last.Seq
		w.poll()
		if after := w.agent("ann").Last.Seq; after != before+1 {
			t.Errorf("the stale answer was written: %d to %d", before, after)
		}
	})
}

// Nor is it written when the log moved between the look and the append.
func TestAPollThatWentStaleIsDropped(t *testing.T) {
	t.Parallel()
	t.Run("the call moved right before it was written", func(t *testing.T) {
		t.Parallel()
		w := onCall(t)
		w.p.status = "PEERED"
		w.log.Before(events.Talking, func() { w.say("c1", events.Orchestrator, events.CancelRequested, &events.CallCancelRequested{}) })
		w.poll()
		w.wantCall("c1", "")
		w.poll() // the next one knows
		w.wantCall("c1", "talking")
	})
	t.Run("the agent moved right before it was written", func(t *testing.T) {
		t.Parallel()
		w := onCall(t)
		w.p.status = "PAUSED"
		w.log.Before(events.NotReady, func() {
			w.agentSays("ann", events.Orchestrator, events.Enrolled, &events.AgentEnrolled{State: w.agent("ann").State})
		})
		w.poll()
		if got := w.agent("ann").Last.Name; got != events.Enrolled {
			t.Errorf("the stale answer was written: last is %s", got)
		}
	})
	t.Run("it is of a session that is over", func(t *testing.T) {
		t.Parallel()
		w := onCall(t)
		w.p.status = "PAUSED"
		w.log.Before(events.NotReady, func() {
			s := w.agent("ann").State
			s.Session, s.Presence = "s2", events.NotReady
			w.agentSays("ann", events.Bridge, events.SessionStarted, &events.AgentPresence{State: s})
		})
		w.poll()
		if got := w.agent("ann").Last.Name; got != events.SessionStarted {
			t.Errorf("last is %s", got)
		}
	})
}

// The same message twice, e.g. because the bridge died before it acknowledged.
func TestAPollHandledTwice(t *testing.T) {
	t.Parallel()
	for story, at := range map[string]events.Name{"after the first append": events.OnCall, "before it": events.Talking} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.poll()
			w.poll()
			w.dial("c1", "ann", newYork)
			w.p.status = "PEERED"
			if _, err := w.s.pollOnce(t.Context(), "acme", "ann"); err != nil {
				t.Fatal(err)
			}
			d := w.raws[len(w.raws)-1]
			w.log.Fail(at, logtest.Down)
			if err := w.understands(d); fault.Code(err) != log.CodeUnavailable {
				t.Fatalf("err = %v", err)
			}
			for range 3 {
				if err := w.understands(d); err != nil {
					t.Fatal(err)
				}
			}
			w.wantCall("c1", "talking")
			if got := w.agent("ann").State.Presence; got != events.OnCall {
				t.Errorf("ann is %s", got)
			}
		})
	}
}

func TestSomebodyElsesCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.poll()
	w.poll()
	w.p.status = "PEERED"
	w.poll()
	w.wantAgent("ann", "session_started ready foreign_call")
	w.p.status = "READY"
	w.poll()
	w.wantAgent("ann", "session_started ready foreign_call ready")
}

// A ready agent is said again after her call was placed: what was on record
// is older than the call.
func TestReadinessIsNewsAfterADial(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.poll()
	w.poll()
	w.dial("c1", "ann", newYork)
	w.poll()
	w.poll()
	last := w.agent("ann").Last
	p, ok := last.Body.(*events.AgentPresence)
	if !ok || last.Name != events.Ready || p.Call != "c1" || p.CallSeq < answered(w.call("c1")) {
		t.Errorf("%s with %+v", last.Name, last.Body)
	}
	before := last.Seq
	w.poll()
	if got := w.agent("ann").Last.Seq; got != before {
		t.Error("said once more, though it proves no more than before")
	}
}

func TestQuarantineIsAskedAboutOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.poll()
	w.poll()
	after, _ := w.agent("ann").After(events.Quarantined, "c9", "outcome_unknown", w.Now())
	w.agentSays("ann", events.Orchestrator, events.Quarantined, &events.AgentQuarantined{State: after})
	for range 3 {
		w.poll()
	}
	w.wantAgent("ann", "session_started ready ready")
	if w.agent("ann").State.Quarantine == nil {
		t.Error("the bridge set her free; that is the orchestrator's")
	}
}

// What stands prepared and is no call's is on record whatever she was not ready
// for before, once more when she is held back for it, and so is its end.
func TestWhoIsLeftPreparedIsOnRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.p.status = "MANUAL_DIAL_PREPARED"
	want := func(story, on string) {
		t.Helper()
		for range 3 {
			w.poll()
			w.pass(time.Second)
		}
		w.wantAgent("ann", on)
		if !w.agent("ann").Prepared() {
			t.Errorf("%s: %+v", story, w.agent("ann").State)
		}
	}
	w.poll()
	want("since she signed in", "session_started not_ready")
	since := w.agent("ann").State.Since
	after, _ := w.agent("ann").After(events.Quarantined, "", events.ReasonLeftover, w.Now())
	w.agentSays("ann", events.Orchestrator, events.Quarantined, &events.AgentQuarantined{State: after})
	want("since she is held back for it", "session_started not_ready not_ready")
	if !w.agent("ann").State.Since.Equal(since) {
		t.Error("since when, is forgotten")
	}
	w.p.status = "PAUSED"
	w.poll()
	if a := w.agent("ann"); a.Prepared() || a.State.Reason != "paused" || a.State.Quarantine == nil {
		t.Errorf("when it is gone: %+v", a.State)
	}
}

func TestARefusedCredentialLosesTheSession(t *testing.T) {
	t.Parallel()
	unauthorized := fault.New(fault.Permanent, "poll", "unauthorized", nil)
	t.Run("while polling", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.poll()
		w.poll()
		w.p.err = unauthorized
		for range 3 {
			_, _ = w.s.pollOnce(t.Context(), "acme", "ann")
		}
		w.wantAgent("ann", "session_started ready session_lost")
		if a := w.agent("ann"); a.State.Presence != events.Lost || a.State.Reason != "token" || a.State.Session != "" {
			t.Errorf("%+v", a.State)
		}
		w.p.err = nil // a new token
		w.poll()
		w.poll()
		w.wantAgent("ann", "session_started ready session_lost session_started ready")
	})
	t.Run("as an answer", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.poll()
		w.poll()
		w.p.code = 401
		w.poll()
		w.wantAgent("ann", "session_started ready session_lost")
	})
	t.Run("at sign-in", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.p.err = unauthorized
		for range 3 {
			_, _ = w.s.pollOnce(t.Context(), "acme", "ann")
		}
		w.wantAgent("ann", "session_lost")
	})
	t.Run("another failure is the provider's trouble", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.poll()
		w.poll()
		w.p.err = fault.New(fault.Transient, "poll", "provider_down", nil)
		if _, err := w.s.pollOnce(t.Context(), "acme", "ann"); fault.Code(err) != "provider_down" {
			t.Errorf("err = %v", err)
		}
		w.wantAgent("ann", "session_started ready")
	})
}

func TestTheRosterSaysWhomToPoll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.s.PollEvery = time.Millisecond
	rs, err := w.log.From(events.AgentFamily, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rs {
		w.s.Follow(r)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.s.pollDue(ctx) }()
	deadline := time.Now().Add(5 * time.Second)
	for w.agent("ann").State.Session == "" && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	stop()
	<-done
	w.wantAgent("ann", "session_started")
	w.wantAgent("wes", "") // a desktop is not polled
}

// readsOf counts what the leader is read.
type readsOf struct {
	log.Leader
	n int
}

func (l *readsOf) Read(ctx context.Context, f events.Family, tenant, key string, first uint64) ([]events.Record, error) {
	l.n++
	return l.Leader.Read(ctx, f, tenant, key, first)
}

func (l *readsOf) Last(ctx context.Context, f events.Family, tenant, key string) (events.Record, error) {
	l.n++
	return l.Leader.Last(ctx, f, tenant, key)
}

// An answer that is no news costs the broker nothing: nothing is read for the
// question, and nothing is stored of it.
func TestAPollThatIsNoNewsIsNothingToTheBroker(t *testing.T) {
	t.Parallel()
	for story, before := range map[string]func(*world){
		"she is ready": func(*world) {},
		"she talks": func(w *world) {
			w.dial("c1", "ann", newYork)
			w.p.says("PEERED")
			w.poll()
		},
		"her last call is over": func(w *world) {
			w.dial("c1", "ann", newYork)
			w.say("c1", events.Orchestrator, events.Closed, &events.CallClosed{Outcome: events.OutcomeFailed})
			after, _ := w.agent("ann").After(events.Released, "c1", "closed", w.Now())
			w.agentSays("ann", events.Orchestrator, events.Released, &events.AgentReleased{Call: "c1", State: after})
		},
		"she is held back": func(w *world) {
			w.dial("c1", "ann", newYork)
			w.say("c1", events.Orchestrator, events.Closed, &events.CallClosed{Outcome: events.OutcomeFailed, Quarantine: true})
			after, _ := w.agent("ann").After(events.Quarantined, "c1", "outcome_unknown", w.Now())
			w.agentSays("ann", events.Orchestrator, events.Quarantined, &events.AgentQuarantined{Call: "c1", State: after})
		},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.poll()
			w.poll()
			before(w)
			w.poll() // what she is, is on record
			w.poll()
			// A process that has just begun to hear, and holds no call that is over.
			view, leader := log.NewFollower(), &readsOf{Leader: w.log}
			stored := len(w.raws)
			for _, f := range []events.Family{events.CallFamily, events.AgentFamily} {
				rs, err := w.log.From(f, 0)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range rs {
					if f == events.AgentFamily || w.call(r.Key).Open() {
						view.Take(r)
						w.s.Follow(r)
					}
				}
				view.CaughtUp(f)
			}
			w.s.Log = log.New(leader, view)
			w.s.book.Log = leader
			for range 50 {
				w.pass(time.Second)
				if w.s.PollOnce(t.Context(), log.Ref{Tenant: "acme", ID: "ann"}) > w.s.PollEvery {
					t.Fatal("she could not be asked")
				}
			}
			if len(w.raws) != stored || leader.n > 1 {
				t.Errorf("%d messages were stored and %d times the leader was read", len(w.raws)-stored, leader.n)
			}
		})
	}
}
