package orchestrator

import (
	"context"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
)

func TestTheSweeperReleasesWhatNoCallKnows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	call := w.ask("1", map[string]any{"agent": "ann"})
	w.work(w.s)
	w.dial(call)
	// The process dies after closed and before the release; the message is lost
	// to it for good.
	w.say(call, events.Dialer, events.Refused, &events.CallRefused{Code: "no"})
	w.say(call, events.Orchestrator, events.Closed, &events.CallClosed{Outcome: "failed", Reason: "no"})
	w.tell()
	w.s.Sweep(context.Background())
	w.wantAgent("ann", "enrolled claimed") // not before the claim is old enough
	w.pass(20 * time.Second)
	w.s.Sweep(context.Background())
	w.wantAgent("ann", "enrolled claimed released")
}

func TestTheSweeperLeavesALiveCallAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	call := w.ask("1", map[string]any{"agent": "ann"})
	w.work(w.s)
	w.dial(call)
	w.pass(time.Minute)
	blind := w.join() // its index has heard nothing of the call
	for _, r := range w.since(events.AgentFamily, 0) {
		blind.Follow(r)
	}
	blind.Sweep(context.Background())
	w.wantAgent("ann", "enrolled claimed")
}

func TestRedisLostIsRebuilt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann", "sales")
	w.work(w.s)
	w.s.Sessions.(interface{ Flush() }).Flush()
	if ids, _ := w.s.Sessions.Ready(context.Background(), "acme", "sales", 9); len(ids) != 0 {
		t.Fatalf("not flushed: %v", ids)
	}
	call := w.ask("1", map[string]any{"huntGroup": "sales"})
	w.tell()
	w.s.Sweep(context.Background())
	if ids, _ := w.s.Sessions.Ready(context.Background(), "acme", "sales", 9); len(ids) != 1 {
		t.Errorf("not rebuilt: %v", ids)
	}
	w.work(w.s)
	w.wantCall(call, "requested assigned")
}
