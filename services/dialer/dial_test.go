package dialer

import (
	"errors"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/log/marks"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/test/exams/logtest"
)

func TestAPassIsDialedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, providers.Capabilities{})
	p := w.passed()
	for range 3 { // heard three times
		w.hear(p)
	}
	w.want("requested assigned passed dialing started")
	w.wantStarts(1)
	o, c := w.p.starts[0], w.call()
	if o.To != tokyo || o.Attempt != c.Dialing.Attempt || o.Agent.Token != "secret-token" || o.Agent.Provider != "2098765" ||
		o.Agent.Session != "s1" || !o.NotAfter.Equal(noon.Add(5*time.Second)) {
		t.Errorf("the order is not the call's")
	}
	if d := c.Dialing; d.PassID != p.ID || d.PassHash == "" || d.Fence != c.Assigned.Fence || d.Agent != "ann" {
		t.Errorf("%+v", d)
	}
	if c.Started.Provider["callSid"] != "1" {
		t.Errorf("%+v", c.Started)
	}
}

// Whoever did not get the acknowledgement of its own intent never sends.
func TestOnlyTheWinnerSends(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		fault  logtest.Fault
		stored bool
	}{
		"the acknowledgement was lost":        {logtest.LostAnswer, true},
		"nobody can say, and it is there":     {logtest.StoredUnknown, true},
		"nobody can say, and it is not there": {logtest.NotStored, false},
		"no connection":                       {logtest.Down, false},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, providers.Capabilities{})
			p := w.passed()
			w.log.Fail(events.Dialing, tc.fault)
			first := w.hears(w.s, p)
			w.wantStarts(0)
			if err := w.hears(w.s, p); err != nil { // heard again
				t.Fatal(err)
			}
			if !tc.stored {
				w.wantStarts(1) // the first intent is not on record, so the second is the only one
				return
			}
			w.wantStarts(0)
			w.want("requested assigned passed dialing")
			if tc.fault == logtest.StoredUnknown && fault.Of(first) != fault.Transient {
				t.Errorf("err = %v", first)
			}
		})
	}
}

func TestTwoDialersOneStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, providers.Capabilities{})
	other := w.join()
	p := w.passed()
	w.log.Before(events.Dialing, func() {
		if err := w.hears(other, p); err != nil {
			t.Error(err)
		}
	})
	w.hear(p)
	w.wantStarts(1)
	w.want("requested assigned passed dialing started")
}

func TestAnOptOutOrACancellationWinsTheRace(t *testing.T) {
	t.Parallel()
	for story, say := range map[string]func(*world){
		"an opt-out": func(w *world) { w.say(events.Compliance, events.Failed, &events.CallFailed{}) },
		"a cancellation": func(w *world) {
			w.say(events.Orchestrator, events.CancelRequested, &events.CallCancelRequested{By: events.ByOperator})
		},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, providers.Capabilities{})
			p := w.passed()
			w.log.Before(events.Dialing, func() { say(w) })
			w.hear(p)
			w.wantStarts(0)
			if w.call().Dialing != nil {
				t.Error("there is an intent")
			}
		})
	}
}

func TestWithheldInPlaceOfTheIntent(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		spoil func(*world)
		why   string
	}{
		"the pass ran out": {func(w *world) { w.pass(10 * time.Minute) }, PassExpired},
		"the agent went on pause": {func(w *world) {
			w.agentSays(events.Bridge, events.NotReady, &events.AgentPresence{State: w.after(events.NotReady, "")})
		}, AgentNotReady},
		"the claim was lost": {func(w *world) {
			w.agentSays(events.Orchestrator, events.Released, &events.AgentReleased{State: w.after(events.Released, call)})
		}, ClaimLost},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, providers.Capabilities{})
			p := w.passed()
			tc.spoil(w)
			w.hear(p)
			w.want("requested assigned passed withheld")
			w.wantStarts(0)
			if got := w.call().Withheld.Reason; got != tc.why {
				t.Errorf("withheld for %s, want %s", got, tc.why)
			}
		})
	}
}

func TestAPassOfAnEarlierAssignmentIsNotDialed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, providers.Capabilities{})
	old := w.passed()
	w.say(events.Dialer, events.Withheld, &events.CallWithheld{Reason: ClaimLost})
	w.say(events.Orchestrator, events.Waiting, &events.CallWaiting{})
	w.say(events.Orchestrator, events.Assigned, &events.CallAssigned{Agent: "ann", Connection: "tcn", Session: "s1", Fence: w.agent().Fence})
	w.hear(old)
	w.passed()
	w.hear(old)
	w.wantStarts(0)
}

// A process that slept between its acknowledgement and the send must not send.
func TestALateProcessDoesNotSend(t *testing.T) {
	t.Parallel()
	w := newWorld(t, providers.Capabilities{})
	p := w.passed()
	w.log.Before(events.Dialing, func() { w.pass(5 * time.Second) })
	w.hear(p)
	w.want("requested assigned passed dialing withheld")
	if got := w.call().Withheld.Reason; got != TooLate {
		t.Errorf("withheld for %s", got)
	}
	w.wantStarts(0)
}

func TestWhatCannotBeOrderedIsNotSent(t *testing.T) {
	t.Parallel()
	for _, connection := range []string{"mute", "gone"} {
		w := newWorld(t, providers.Capabilities{})
		w.say(events.Orchestrator, events.Waiting, &events.CallWaiting{})
		w.say(events.Orchestrator, events.Assigned, &events.CallAssigned{Agent: "ann", Connection: connection, Session: "s1", Fence: w.agent().Fence})
		w.hear(w.passed())
		w.want("requested assigned waiting assigned passed dialing withheld")
		if got := w.call().Withheld; got.Reason != NothingSent || got.Detail == "" {
			t.Errorf("%s: %+v", connection, got)
		}
	}
}

func TestTheAnswersOfAProvider(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		err  error
		want string
	}{
		"no":            {fault.New(fault.Permanent, "dial", "not_prepared", nil), "refused"},
		"nobody knows":  {fault.New(fault.Uncertain, "dial", "http_503", nil), "unknown"},
		"nothing sent":  {fault.New(fault.Transient, "dial", "refused", nil), "withheld"},
		"nobody's word": {errors.New("?"), "unknown"},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, providers.Capabilities{})
			w.p.start = func(providers.Order) (providers.Receipt, error) { return providers.Receipt{}, tc.err }
			p := w.passed()
			w.hear(p)
			w.hear(p)
			w.want("requested assigned passed dialing " + tc.want)
			w.wantStarts(1)
		})
	}
}

func TestNewsOvertakesTheAnswer(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		err  error
		want string
	}{
		"a yes limps in":               {nil, "requested assigned passed dialing ringing started"},
		"a broken answer adds nothing": {fault.New(fault.Uncertain, "dial", "reset", nil), "requested assigned passed dialing ringing"},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, providers.Capabilities{})
			w.p.start = func(providers.Order) (providers.Receipt, error) {
				w.say(events.Bridge, events.Ringing, &events.CallProgress{Event: "RING"})
				return providers.Receipt{}, tc.err
			}
			w.hear(w.passed())
			w.want(tc.want)
			if w.call().State != lifecycle.Ringing {
				t.Errorf("it is %s", w.call().State)
			}
		})
	}
}

// The process dies after the send: the answer is never recorded.
func TestALostAnswerIsLookedUpNeverSentAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, providers.Capabilities{LooksUp: true})
	w.p.found = []providers.Found{{Verdict: providers.Placed, Evidence: "MANUAL_CALL"}}
	p := w.passed()
	w.log.Fail(events.Started, logtest.Down)
	if err := w.hears(w.s, p); fault.Code(err) != log.CodeUnavailable {
		t.Fatalf("err = %v", err)
	}
	again := w.join()
	if err := w.hears(again, p); err != nil {
		t.Fatal(err)
	}
	w.turns() // its sender may still be at it
	w.want("requested assigned passed dialing")
	w.pass(30 * time.Second)
	w.turns()
	w.turns() // everybody looks
	w.want("requested assigned passed dialing unknown")
	if err := w.hears(again, w.last()); err != nil {
		t.Fatal(err)
	}
	w.want("requested assigned passed dialing unknown started")
	if s := w.call().Started; !s.Presumed || s.Over || s.Evidence != "MANUAL_CALL" {
		t.Errorf("%+v", s)
	}
	w.wantStarts(1)
}

func TestALateAnswerAfterUnknown(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		err  error
		want string
	}{
		"a yes":       {nil, "unknown started"},
		"a no":        {fault.New(fault.Permanent, "dial", "no", nil), "unknown not_placed"},
		"not sent":    {fault.New(fault.Transient, "dial", "refused", nil), "unknown not_placed"},
		"no idea yet": {fault.New(fault.Uncertain, "dial", "timeout", nil), "unknown"},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, providers.Capabilities{LooksUp: true})
			w.p.start = func(providers.Order) (providers.Receipt, error) {
				w.pass(time.Minute) // it hangs
				w.turns()
				return providers.Receipt{}, tc.err
			}
			w.hear(w.passed())
			w.want("requested assigned passed dialing " + tc.want)
			w.wantStarts(1)
		})
	}
}

func TestASilentDesktop(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		can  providers.Capabilities
		news events.Name
		wait time.Duration
		want string
	}{
		"has time to speak":           {providers.Capabilities{Presence: providers.PresenceDesktop}, "", 19 * time.Second, ""},
		"leaves nobody the wiser":     {providers.Capabilities{Presence: providers.PresenceDesktop}, "", 20 * time.Second, " unknown"},
		"that has spoken is at work":  {providers.Capabilities{Presence: providers.PresenceDesktop}, events.Offered, time.Hour, " offered"},
		"is none where we ask agents": {providers.Capabilities{Presence: providers.PresencePolled}, "", time.Hour, ""},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tc.can)
			w.hear(w.passed())
			if tc.news != "" {
				w.say(events.Bridge, tc.news, &events.CallProgress{Event: "x"})
			}
			w.pass(tc.wait)
			w.turns()
			w.turns() // several look, one says it
			w.want("requested assigned passed dialing started" + tc.want)
		})
	}
}

// Of a store that went back and was accepted nothing is dialed, also by a dialer
// that hears of the acceptance before the orchestrator has closed its calls.
func TestACallOfALostPastIsNotDialedBeforeItIsClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, providers.Capabilities{Prepares: true})
	c := w.s.Config
	through := map[string]uint64{}
	c.Standing = func() marks.Standing { return marks.Standing{Through: through} }
	s := New(c)
	w.prepare()
	r := w.passed()
	through[events.StreamCalls] = w.call().Refs.Requested
	if err := w.hears(s, r); err != nil {
		t.Fatal(err)
	}
	w.want("requested assigned preparing passed")
	w.wantStarts(0)
	if w.p.confirms != 0 {
		t.Error("the provider was asked about it")
	}
	through[events.StreamCalls] = 0
	if err := w.hears(s, r); err != nil {
		t.Fatal(err)
	}
	w.wantStarts(1)
}
