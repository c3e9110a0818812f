package orchestrator

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
)

// assumed puts an agent on the roster of a provider that never says where she is.
func (w *world) assumed(agent string, groups ...string) {
	w.t.Helper()
	if _, err := w.s.Enrol(ctx(), w.tenant(), Enrolment{Agent: agent, Connection: "assumed", HuntGroups: groups}); err != nil {
		w.t.Fatal(err)
	}
}

// placed brings a call to uma as far as the provider's yes.
func (w *world) placed(id string) string {
	w.t.Helper()
	call := w.ask(id, map[string]any{"agent": uma, "expiresAt": w.Now().Add(time.Hour)})
	w.work(w.s)
	w.dial(call)
	w.say(call, events.Dialer, events.Started, &events.CallStarted{Attempt: "attempt"})
	w.work(w.s)
	return call
}

func (w *world) refused(call, code string) {
	w.t.Helper()
	w.dial(call)
	w.say(call, events.Dialer, events.Refused, &events.CallRefused{Attempt: "attempt", Code: code})
	w.work(w.s)
}

// Where nobody signs in an agent is ready from her enrolment on, and what people
// say of her stands until they say otherwise.
func TestWhoIsAssumedReadyIsOfferedCallsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.assumed(uma)
	call := w.ask("1", map[string]any{"agent": uma})
	w.work(w.s)
	w.wantCall(call, "requested assigned")
	w.refused(call, "bad_number")
	w.wantAgent(uma, "enrolled claimed released")

	w.presence(uma, events.NotReady, "command")
	w.assumed(uma, "sales") // another hunt group makes her no readier
	if a := w.agent(uma); a.Claimable() || a.State.Presence != events.NotReady {
		t.Errorf("%+v", a.State)
	}
	w.presence(uma, events.Ready, "command")
	if !w.agent(uma).Claimable() {
		t.Errorf("%+v", w.agent(uma).State)
	}
}

// Where nobody says anything at all, only people do.
func TestOfWhomNobodySaysAnythingPeopleDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.s.Enrol(ctx(), w.tenant(), Enrolment{Agent: "sil", Connection: "silent"}); err != nil {
		t.Fatal(err)
	}
	call := w.ask("1", map[string]any{"agent": "sil"})
	w.work(w.s)
	w.wantCall(call, "requested waiting")
	w.presence("sil", events.Ready, "command")
	w.work(w.s)
	w.wantCall(call, "requested waiting assigned")
}

// A connection that becomes another product keeps nobody's presence: who was
// signed out at the one is assumed ready at the other once she is enrolled again.
func TestAnotherProductBehindAConnectionIsAnotherSeat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.assumed(uma)
	a := w.agent(uma)
	after, _ := a.After(events.SessionLost, "", "", w.Now())
	after.Kind = "five9"
	if _, err := w.log.Append(ctx(), *log.NextOfAgent(a, events.Bridge, events.SessionLost, w.Now(), &events.AgentPresence{State: after})); err != nil {
		t.Fatal(err)
	}
	w.assumed(uma)
	if a := w.agent(uma); !a.Claimable() || a.State.Kind != "assumed" {
		t.Errorf("%+v", a.State)
	}
}

// Not available is a word about the agent for as long as her provider says, and
// then she is ready again though nobody says so; whoever is alive sees to it.
func TestWhoIsNotAvailableIsLeftAloneForAWhile(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		sooner func(w *world) // what ends it before its time
		held   time.Duration
	}{
		"until the time is over": {nil, 45 * time.Second},
		"or somebody says that she is ready": {func(w *world) {
			w.presence(uma, events.Ready, "command")
			w.work(w.s)
		}, 0},
		"or sets her free": {func(w *world) {
			if _, err := w.s.onReleaseAgent(ctx(), "acme", []byte(`{"agent":"uma","reason":"is here"}`)); err != nil {
				w.t.Fatal(err)
			}
			w.work(w.s)
		}, 0},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.assumed(uma)
			call := w.ask("1", map[string]any{"agent": uma})
			w.work(w.s)
			w.refused(call, events.ReasonNotAvailable)
			if c := w.call(call).Closed; c == nil || c.Outcome != events.OutcomeFailed || c.Reason != events.ReasonNotAvailable || c.Quarantine {
				t.Fatalf("%+v", c)
			}
			w.wantAgent(uma, "enrolled claimed quarantined")
			next := w.ask("2", map[string]any{"agent": uma, "expiresAt": w.Now().Add(time.Hour)})
			w.work(w.s)
			if tc.sooner != nil {
				tc.sooner(w)
			}
			if tc.held > 0 {
				w.s = w.join() // who saw the refusal is gone
				w.crew = w.crew[1:]
				w.pass(tc.held - time.Second)
				w.turn(w.s)
				w.wantCall(next, "requested waiting")
				w.pass(time.Second)
				w.turn(w.s)
			}
			w.wantCall(next, "requested waiting assigned")
			w.wantAgent(uma, "enrolled claimed quarantined released claimed")
		})
	}
}

// The word of a provider that tells presence by itself is not taken so: there the
// agent is what it says.
func TestARefusalHoldsNobodyBackOfWhomTheProviderTells(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	call := w.ask("1", map[string]any{"agent": "ann"})
	w.work(w.s)
	w.refused(call, events.ReasonNotAvailable)
	w.wantAgent("ann", "enrolled claimed released")
}

// A call whose end nobody saw may still be up: its agent is on no other before
// the longest call is over, and then she is free, though nobody proves it.
func TestAnEndThatNobodySawHoldsAsLongAsTheLongestCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.assumed(uma)
	call := w.placed("1")
	w.pass(w.s.Limits.Answer)
	w.turn(w.s)
	w.wantAgent(uma, "enrolled claimed quarantined")
	var shown AgentView
	if v, err := w.s.onGetAgent(ctx(), "acme", []byte(`{"agent":"uma"}`)); err != nil {
		t.Fatal(err)
	} else if raw, _ := json.Marshal(v); json.Unmarshal(raw, &shown) != nil || shown.HeldUntil == nil || !shown.HeldUntil.Equal(w.Now().Add(w.s.Limits.Talk)) {
		t.Errorf("shown: %s", raw)
	}
	w.pass(w.s.Limits.Talk - time.Second)
	w.turn(w.s)
	w.wantAgent(uma, "enrolled claimed quarantined")
	// It turns up: from now on it may last as long as any call.
	w.say(call, events.Bridge, events.Ringing, &events.CallProgress{})
	w.say(call, events.Dialer, events.Orphaned, &events.CallOrphaned{})
	w.work(w.s)
	w.pass(w.s.Limits.Talk - time.Second)
	w.turn(w.s)
	w.wantAgent(uma, "enrolled claimed quarantined quarantined")
	w.pass(time.Second)
	w.turn(w.s)
	w.wantAgent(uma, "enrolled claimed quarantined quarantined released")
}

// Late news that the call is over sets its agent free, whatever comes of it first;
// news that it lives does not, nor one that came before.
func TestALateEndSetsFreeWhomNobodyElseWould(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		heard []events.Name
		free  bool
	}{
		"ended":                 {[]events.Name{events.Ended}, true},
		"wrapped up":            {[]events.Name{events.Ended, events.WrapUp, events.WrappedUp}, true},
		"alive":                 {[]events.Name{events.Talking}, false},
		"in after-call work":    {[]events.Name{events.WrapUp}, false},
		"over, and alive again": {[]events.Name{events.Ended, events.Ringing}, false},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.assumed(uma)
			call := w.placed("1")
			w.pass(w.s.Limits.Answer)
			w.turn(w.s)
			for _, name := range tc.heard {
				w.say(call, events.Bridge, name, &events.CallProgress{Late: true})
			}
			w.work(w.s)
			if free := w.agent(uma).Claimable(); free != tc.free {
				t.Errorf("free: %t; %+v", free, w.agent(uma).State)
			}
		})
	}
}

// The end may be heard before the close has let the agent go.
func TestALateEndIsNotLostToACloseThatIsHandledAfterIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.assumed(uma)
	call := w.placed("1")
	w.pass(w.s.Limits.Answer)
	w.tell()
	w.s.Turn(ctx()) // closes it, and dies
	w.say(call, events.Bridge, events.Ended, &events.CallProgress{Late: true})
	w.tell()
	said := w.call(call).Log
	for _, r := range []events.Record{said[len(said)-1], said[len(said)-2]} {
		w.handle(w.s, w.s.OnCall, r)
		w.tell()
	}
	if a := w.agent(uma); !a.Claimable() {
		t.Errorf("%+v", a.State)
	}
}

// A call that asks for a recording waits for an agent whose provider can be told,
// and is in nobody's way meanwhile who can not.
func TestARecordingIsAskedForWhereOneCanBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.away("ann") // at tcn, which can be told
	w.assumed(uma, "sales")
	ask := map[string]any{"huntGroup": "sales", "recording": map[string]any{"on": true}}
	recorded := w.ask("1", ask)
	other := w.ask("2", map[string]any{"huntGroup": "sales"})
	w.work(w.s)
	w.wantCall(recorded, "requested waiting")
	if as := w.call(other).Assigned; as == nil || as.Agent != uma {
		t.Errorf("the call behind it: %+v", as)
	}
	w.presence("ann", events.Ready, "")
	w.work(w.s)
	if as := w.call(recorded).Assigned; as == nil || as.Agent != "ann" {
		t.Errorf("assigned %+v", as)
	}
	_, err := w.accept(w.s, w.request("3", map[string]any{"agent": uma, "recording": map[string]any{"on": false}}))
	wantReject(t, err, events.FaultRecordingUnsupported)
}

// Whose provider takes calls for its queues alone cannot be claimed, and is not
// enrolled.
func TestNobodyIsEnrolledWhereNobodyIsClaimed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.do("agent", "put", `{"agent":"ann","connection":"lists"}`); err == nil {
		t.Error("she was enrolled")
	}
}
