package dialer

import (
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
)

// enqueued makes a call that stands in a queue of its provider's.
func enqueued(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, providers.Capabilities{})
	w.say(events.Orchestrator, events.Waiting, &events.CallWaiting{Reason: events.WaitAgentNotReady})
	w.say(events.Orchestrator, events.Assigned, &events.CallAssigned{Queue: "menu-7", Connection: "lists"})
	return w
}

// Nobody's claim, presence or session is asked for, whoever of ours is ready or
// away; everything else that an intent needs is.
func TestACallInAQueueIsDialedWithoutAnAgent(t *testing.T) {
	t.Parallel()
	w := enqueued(t)
	pass := w.passed()
	w.hear(pass)
	w.want("requested assigned waiting assigned passed dialing started")
	if d := w.call().Dialing; d.Agent != "" || d.Fence != 0 {
		t.Errorf("dialed by %+v", d)
	}
	if len(w.p.starts) != 1 || w.p.starts[0].Queue != "menu-7" || w.p.starts[0].Agent.Agent != "" {
		t.Errorf("the provider was asked %+v", w.p.starts)
	}

	late := enqueued(t)
	pass = late.passed()
	late.pass(time.Hour)
	late.hear(pass)
	late.want("requested assigned waiting assigned passed withheld")
}

// What its provider holds is withdrawn by the call's own id, so that nobody's
// session stands in the way.
func TestACallInAQueueIsWithdrawn(t *testing.T) {
	t.Parallel()
	w := enqueued(t)
	w.hear(w.passed())
	w.hear(w.say(events.Orchestrator, events.CancelRequested, &events.CallCancelRequested{By: events.ByOperator}))
	w.want("requested assigned waiting assigned passed dialing started cancel_requested cancelled")
	if len(w.p.withdraws) != 1 || w.p.withdraws[0].Queue != "menu-7" {
		t.Errorf("withdrawn %+v", w.p.withdraws)
	}
}

// An agent of the provider's who was to act has as long as the provider said.
func TestWhoWasToActHasAsLongAsTheProviderSaid(t *testing.T) {
	t.Parallel()
	w := enqueued(t)
	w.p.start = func(providers.Order) (providers.Receipt, error) {
		return providers.Receipt{Pending: true, Until: w.Now().Add(30 * time.Minute)}, nil
	}
	w.hear(w.passed())
	w.want("requested assigned waiting assigned passed dialing pending_agent")
	for _, after := range []time.Duration{29 * time.Minute, 2 * time.Minute} {
		w.pass(after)
		w.turns()
	}
	w.want("requested assigned waiting assigned passed dialing pending_agent unknown")
}

// A yes that somebody has to act first, of a provider whose document knows none,
// is none that anybody understands: what became of it is looked up.
func TestAYesThatWaitsOfWhomNoneIsKnownIsUncertain(t *testing.T) {
	t.Parallel()
	for says, want := range map[bool]string{true: "pending_agent", false: "unknown"} {
		w := newWorld(t, providers.Capabilities{Pending: says})
		w.p.start = func(providers.Order) (providers.Receipt, error) {
			return providers.Receipt{Pending: true, Until: w.Now().Add(30 * time.Minute)}, nil
		}
		w.hear(w.passed())
		w.want("requested assigned passed dialing " + want)
		w.wantStarts(1)
	}
}

// An assignment with neither an agent nor a queue is a mistake of somebody's,
// and nobody may dial by it.
func TestAnAssignmentToNobodyIsDialedByNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, providers.Capabilities{})
	w.say(events.Orchestrator, events.Waiting, &events.CallWaiting{Reason: events.WaitAgentNotReady})
	w.say(events.Orchestrator, events.Assigned, &events.CallAssigned{Connection: "lists"})
	if err := w.hears(w.s, w.passed()); err == nil {
		w.want("requested assigned waiting assigned passed withheld")
	} else {
		w.want("requested assigned waiting assigned passed")
	}
	w.wantStarts(0)
}
