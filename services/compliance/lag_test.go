package compliance

import (
	"context"
	"testing"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
)

// counted is a leader that says how often it is asked.
type counted struct {
	log.Leader
	reads, lasts, ats int
}

func (l *counted) Read(ctx context.Context, f events.Family, tenant, key string, first uint64) ([]events.Record, error) {
	l.reads++
	return l.Leader.Read(ctx, f, tenant, key, first)
}

func (l *counted) Last(ctx context.Context, f events.Family, tenant, key string) (events.Record, error) {
	l.lasts++
	return l.Leader.Last(ctx, f, tenant, key)
}

func (l *counted) At(ctx context.Context, f events.Family, seq uint64) (events.Record, error) {
	l.ats++
	return l.Leader.At(ctx, f, seq)
}

// heard is a service whose process has heard what is stored now, and of what
// comes later only what it appends itself.
func (w *world) heard() (*Service, *counted) {
	w.t.Helper()
	view := log.NewFollower()
	for _, f := range []events.Family{events.CallFamily, events.AgentFamily} {
		rs, err := w.log.From(f, 0)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, r := range rs {
			view.Take(r)
		}
		view.CaughtUp(f)
	}
	leader := &counted{Leader: w.log}
	c := w.s.Config
	c.Log = log.New(leader, view)
	return New(c), leader
}

// A process knows the logs as far as it has heard them. What it does on the
// strength of that is what it would have done on the strength of the log.
func TestWhoLagsBehindTheLogDoesNothingElse(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		before, unheard func(*world) // what the process has heard, and what it has not
		want            string
		prepares        int
	}{
		"an assignment that was not heard of is answered": {nil, func(w *world) { w.assign() },
			"requested assigned preparing passed", 1},
		"an agent who is on another call by now is not prepared": {func(w *world) { w.assign() }, func(w *world) {
			w.agentSays(w.agent(), events.Orchestrator, events.Released, &events.AgentReleased{State: w.after(events.Released, call)})
			w.agentSays(w.agent(), events.Orchestrator, events.Claimed, &events.AgentClaimed{Call: "c2", State: w.after(events.Claimed, "c2")})
		}, "requested assigned preparing failed", 0},
		"a cancellation that was not heard of stops the call": {func(w *world) { w.assign() }, func(w *world) {
			w.say(events.Orchestrator, events.CancelRequested, &events.CallCancelRequested{By: events.ByOperator})
		}, "requested assigned cancel_requested", 0},
		"another's preparation that was not heard of is not made again": {func(w *world) { w.assign() }, func(w *world) {
			w.say(events.Compliance, events.Preparing, &events.CallPreparing{Attempt: "other", NotAfter: w.Now()})
		}, "requested assigned preparing", 0},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "tcn", newYork)
			if tc.before != nil {
				tc.before(w)
			}
			s, _ := w.heard()
			tc.unheard(w)
			for _, r := range w.call().Log {
				if err := s.OnCall(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
			w.want(tc.want)
			if w.p.prepares != tc.prepares {
				t.Errorf("the provider was touched %d times, want %d", w.p.prepares, tc.prepares)
			}
		})
	}
}

// An opt-out looks at the calls as its process has heard of them, and reaches
// them as they are.
func TestAnOptOutReachesACallThatHasMovedOnUnheard(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "desk", newYork)
	s, _ := w.heard()
	r := w.assign()
	w.say(events.Compliance, events.Passed, &events.CallPassed{Fence: r.Body.(*events.CallAssigned).Fence, ValidUntil: noon.Add(1 << 40)})
	w.s = s
	if _, err := w.do("dnc", "add", optOutOfNewYork); err != nil {
		t.Fatal(err)
	}
	w.want("requested assigned passed failed")
}

// Of a call that goes well the leader is asked where the agent is, right before
// her provider is touched, and for her token once an enrolment; of a provider
// that is not touched, nothing.
func TestHowOftenTheLeaderIsAskedToJudgeACall(t *testing.T) {
	t.Parallel()
	for connection, want := range map[string]int{"tcn": 1, "desk": 0} {
		w := newWorld(t, connection, newYork)
		r := w.assign()
		s, leader := w.heard()
		for _, r := range []events.Record{w.call().Log[0], r} {
			if err := w.hears(s, r); err != nil {
				t.Fatal(err)
			}
		}
		if w.last().Name != events.Passed || leader.reads != 0 || leader.lasts != want || leader.ats != want {
			t.Errorf("%s: %d calls, %d agents, %d enrolments were read, want 0, %d, %d", connection, leader.reads, leader.lasts, leader.ats, want, want)
		}
	}
}
