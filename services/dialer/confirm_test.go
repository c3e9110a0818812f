package dialer

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
)

// A provider that prepares is looked at once more before the intent. Whatever
// it says but yes, nothing is dialed, no intent is spent, and the call may wait
// for its agent.
func TestTheLastLookBeforeTheIntent(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		err error
		why string // "" is dialed
	}{
		"the agent stands where we left it":   {nil, ""},
		"another call came in":                {fault.New(fault.Transient, "look", "agent_not_ready", nil), AgentNotReady},
		"the session is another's":            {fault.New(fault.Transient, "look", "session_mismatch", nil), AgentNotReady},
		"the session is over":                 {fault.New(fault.Transient, "look", "session_lost", nil), AgentNotReady},
		"nobody answers":                      {fault.New(fault.Transient, "look", "provider_down", nil), ConnectionDown},
		"the credential is refused":           {fault.New(fault.Permanent, "look", "unauthorized", nil), ConnectionDown},
		"it may or may not have been heard":   {fault.New(fault.Uncertain, "look", "no_reply", nil), ConnectionDown},
		"an error that nobody has a word for": {errors.New("?"), ConnectionDown},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, providers.Capabilities{Prepares: true})
			w.p.confirm = func(ctx context.Context) error {
				if until, ok := ctx.Deadline(); !ok || time.Until(until) > w.s.Send {
					t.Error("the look has no end")
				}
				return tc.err
			}
			w.prepare()
			p := w.passed()
			w.hear(p)
			if tc.why == "" {
				w.want("requested assigned preparing passed dialing started")
				w.wantStarts(1)
			} else {
				w.want("requested assigned preparing passed withheld")
				w.wantStarts(0)
				if got := w.call().Withheld; got == nil || got.Reason != tc.why || got.Detail != fault.Code(tc.err) {
					t.Errorf("%+v", got)
				}
			}
			w.hear(p)
			if w.p.confirms != 1 {
				t.Errorf("it was looked at %d times", w.p.confirms)
			}
		})
	}
}

func TestWhatIsNotDialedIsNotLookedAt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, providers.Capabilities{Prepares: true})
	p := w.passed()
	w.pass(10 * time.Minute) // the pass ran out
	w.hear(p)
	desk := newWorld(t, providers.Capabilities{Presence: providers.PresenceDesktop})
	desk.hear(desk.passed())
	if w.p.confirms+desk.p.confirms != 0 {
		t.Error("a provider was asked in vain")
	}
	desk.want("requested assigned passed dialing started")
}

// What changes while the provider is asked is seen: the log decides, after it.
func TestTheLastLookIsNotTheLastWord(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		meanwhile func(*world)
		want      string
	}{
		"the agent is lost": {func(w *world) {
			w.agentSays(events.Orchestrator, events.Released, &events.AgentReleased{State: w.after(events.Released, call)})
		}, "requested assigned passed withheld"},
		"an opt-out": {func(w *world) {
			w.say(events.Compliance, events.Failed, &events.CallFailed{})
		}, "requested assigned passed failed"},
		"the pass runs out": {func(w *world) { w.pass(time.Hour) }, "requested assigned passed withheld"},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, providers.Capabilities{Prepares: true})
			w.p.confirm = func(context.Context) error { tc.meanwhile(w); return nil }
			w.hear(w.passed())
			w.want(tc.want)
			w.wantStarts(0)
		})
	}
}

// A start that is on its way is not cut off when the process is told to end at
// once: the provider has heard it. Whether the answer can still be recorded is
// another matter; if not, the call is looked up.
func TestAShutdownDoesNotCutTheAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, providers.Capabilities{})
	ctx, end := context.WithCancel(t.Context())
	w.p.during = func(sent context.Context) error {
		end()
		if sent.Err() != nil {
			t.Error("the start was cut off")
		}
		if _, ok := sent.Deadline(); !ok {
			t.Error("the answer is awaited for ever")
		}
		return nil
	}
	_ = w.s.OnCall(ctx, w.passed())
	w.wantStarts(1)
	w.pass(time.Minute)
	w.turns()
	w.want("requested assigned passed dialing unknown")
	w.wantStarts(1)
}

// One that is told to end while it looks has not begun: the pass is heard again.
func TestAShutdownAmidTheLastLookLeavesThePassToAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t, providers.Capabilities{Prepares: true})
	ctx, end := context.WithCancel(t.Context())
	w.p.confirm = func(look context.Context) error { end(); return look.Err() }
	if err := w.s.OnCall(ctx, w.passed()); err == nil {
		t.Error("it is taken for handled")
	}
	w.want("requested assigned passed")
}
