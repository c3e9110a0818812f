package tcn_test

import (
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/tcnsim"
)

// A bystander keeps the record that the bridge would keep, and polls.
type bystander struct {
	*rig
	agent providers.AgentRef
	view  providers.View
	story []string
}

func (b *bystander) look() {
	b.t.Helper()
	status, body, err := b.Poll(b.within(5*time.Second), b.agent)
	if err != nil {
		b.t.Fatal(err)
	}
	obs, err := b.Provider().Reader.Read(events.ProviderRaw{Via: "poll", Status: status, Body: body}, b.view)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, o := range obs {
		if o.Call != "" {
			b.view.CallState = o.Call
			b.view.Talked = b.view.Talked || o.Call == events.Talking
		}
		if o.Presence != "" {
			b.view.Presence = o.Presence
		}
	}
	if s := told(obs); s != "" {
		b.story = append(b.story, s)
	}
}

// From signing in to wrapped up, against the simulator, by polling alone.
func TestAWholeCallAsTheBridgeSeesIt(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		part sim.Part
		want string
	}{
		"a talk": {sim.Part{},
			"agent ready; agent on_call; call talking; call wrap_up, agent wrap_up; call wrapped_up, agent ready"},
		"a talk with a hold": {sim.Part{Hold: true},
			"agent ready; agent on_call; call talking; call held; call talking; call wrap_up, agent wrap_up; call wrapped_up, agent ready"},
		"nobody answers": {sim.Part{Outcome: sim.NoAnswer},
			"agent ready; agent on_call; call ended(no_answer), call wrap_up, agent wrap_up; call wrapped_up, agent ready"},
		"busy": {sim.Part{Outcome: sim.Busy},
			"agent ready; agent on_call; call ended(busy), call wrap_up, agent wrap_up; call wrapped_up, agent ready"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := sim.NewManualClock(time.Now())
			r := newRigOn(t, clock, tcnsim.Options{PrepareStatus: true}, nil)
			tc.part.Number = "1234"
			if err := r.sim.Script.Set(tc.part); err != nil {
				t.Fatal(err)
			}
			b := &bystander{rig: r, agent: agentRef(), view: providers.View{Session: sampleSession}}
			b.look()
			o := r.prepared(order())
			b.view.CallState = events.Passed
			b.look()
			b.view.CallState, b.view.Dialed = events.Dialing, true
			if _, err := r.Start(r.within(5*time.Second), o); err != nil {
				t.Fatal(err)
			}
			b.view.CallState = events.Started
			for range 10 { // every state is seen twice
				b.look()
				b.look()
				clock.Step()
			}
			if got := strings.Join(b.story, "; "); got != tc.want {
				t.Errorf("told\n%s, want\n%s", got, tc.want)
			}
		})
	}
}
