package e2e_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/services/dialer"
	bridge "github.com/outdial/outdial/services/events-bridge"
	"github.com/outdial/outdial/sim/tcnsim"
	"github.com/outdial/outdial/test/rig"
)

// hasty is a rule set whose passes hold for three seconds.
const hasty = `name: e2e
description: The federal calling hours, with passes that do not last.
source: test
extends: us-federal
lease: 3s
`

// withheldBefore wants the call not dialed, for the reason, before anything
// else happened.
func withheldBefore(t *testing.T, r *rig.Rig, call, reason string) {
	t.Helper()
	r.Until("the dialer decides", 30*time.Second, func() bool {
		c := r.Call(call)
		return rig.Has(c, events.Withheld) || rig.Has(c, events.Dialing)
	})
	for _, e := range r.Call(call).Log {
		if e.Name == events.Dialing {
			t.Fatalf("dialed, want withheld (%s): %s", reason, rig.Path(r.Call(call)))
		}
		if b, ok := e.Body.(*events.CallWithheld); ok {
			if b.Reason != reason {
				t.Errorf("withheld because of %s, want %s", b.Reason, reason)
			}
			return
		}
	}
}

// I1: a pass is good until validUntil, and not a moment longer.
func TestAPassThatHasExpiredDoesNotDial(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Ruleset: hasty})
	r.AwaitReadyAgents(1)
	r.StopService("dialer", 0)
	call := r.Dial("expired-pass", rig.To(rig.Number(1), rig.Agent(0)))
	until := r.Await(call, events.Passed).Passed.ValidUntil
	r.Until("the pass has expired", 20*time.Second, func() bool { return r.Now().After(until) })
	r.StartService("dialer", 0)
	withheldBefore(t, r, call, dialer.PassExpired)
	c := r.Closed(call, events.OutcomeCompleted, "") // on another pass
	if rig.Count(c, events.Passed) < 2 || r.Dials(rig.Number(1)) != 1 {
		t.Error(rig.Path(c))
	}
}

// I4: an agent whom somebody else has let go of meanwhile is not dialed.
func TestAnAgentWhoseClaimIsLostIsNotDialed(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Unjudged: true}) // the release below is a wrong on purpose
	r.AwaitReadyAgents(1)
	r.StopService("dialer", 0)
	call := r.Dial("lost-claim", rig.To(rig.Number(1), rig.Agent(0)))
	r.Await(call, events.Passed)
	store := log.New(log.NewJetStream(r.JS, log.Options{}), nil)
	_, err := store.UpdateAgent(t.Context(), log.Ref{Tenant: rig.Acme, ID: rig.Agent(0)}, func(a *lifecycle.Agent) (*log.Draft, error) {
		if a.State.Claim == nil {
			return nil, nil
		}
		after, _ := a.After(events.Released, call, "e2e", r.Now())
		return log.NextOfAgent(a, events.Orchestrator, events.Released, r.Now(),
			&events.AgentReleased{Call: call, Cause: "e2e", State: after}), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Until("the agent is released", 20*time.Second, func() bool { return r.AgentState(rig.Agent(0)).Claim == nil })
	r.StartService("dialer", 0)
	withheldBefore(t, r, call, dialer.ClaimLost)
}

// I4: an agent who became not ready after the pass is not dialed.
func TestAnAgentWhoIsNotReadyAnyMoreIsNotDialed(t *testing.T) {
	t.Parallel()
	desk := rig.Desk{Agent: "agent5", Kind: providers.Five9}
	r := rig.Start(t, rig.Options{Desks: []rig.Desk{desk}})
	r.AwaitPresence(desk.Agent, events.Ready)
	r.StopService("dialer", 0)
	call := r.Dial("paused", rig.ToDesk(rig.Number(1), desk.Agent))
	r.Await(call, events.Passed)
	r.Desktop(desk).SetReady(false, "lunch")
	r.AwaitPresence(desk.Agent, events.NotReady)
	r.StartService("dialer", 0)
	withheldBefore(t, r, call, dialer.AgentNotReady)
	r.Desktop(desk).SetReady(true, "")
	r.Closed(call, events.OutcomeCompleted, "")
}

// forgetful is a log whose acknowledgements of intents get lost: the event is
// stored, and found again, but nobody knows who put it there.
type forgetful struct{ log.Leader }

func (f forgetful) Append(ctx context.Context, d log.Draft) (log.Appended, error) {
	a, err := f.Leader.Append(ctx, d)
	if d.Name == events.Dialing {
		a.Won = false
	}
	return a, err
}

// I2: only who got the acknowledgement of its own intent may send.
func TestAnIntentWhoseAcknowledgementWasLostIsNeverSent(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	r.AwaitReadyAgents(1)
	r.StopService("dialer", 0)
	h := r.Host("dialer")
	view := log.NewFollower()
	if err := h.Follow(t.Context(), events.StreamCalls, view.Take, func() {}); err != nil {
		t.Fatal(err)
	}
	store := log.New(forgetful{h.Log}, view)
	s := dialer.New(dialer.Config{Log: store, Notes: h, Directory: h.Directory, Now: h.Now, Logger: h.Logger,
		Limits: dialer.Limits{Send: time.Second, Answer: time.Second, Event: time.Second, Settle: 200 * time.Millisecond}})
	rt, err := worker.New(worker.Config{NC: h.NC, Name: "dialer", Logger: h.Logger, Clock: h.Clock,
		Rejecter: worker.NewRejecter(h.JS, events.Dialer, func(tenant string) (events.Key, bool) { return r.Keys[tenant], true })})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	wait.Go(func() {
		if err := rt.Run(ctx, s.Routes()...); err != nil {
			t.Errorf("dialer: %v", err)
		}
	})
	t.Cleanup(func() { stop(); wait.Wait() })
	defer h.Turns(ctx, 100*time.Millisecond, s.Turn, func() {})()
	c := r.Closed(r.Dial("lost-ack", rig.To(rig.Number(1), rig.Agent(0))), events.OutcomeFailed, "")
	steps(t, c.Log, events.Dialing, events.Unknown, events.NotPlaced, events.Cancelled, events.Closed)
	if n := len(r.Sim.History(tcnsim.Name, tcnsim.OpStart, "")); n != 0 {
		t.Errorf("%d starts were sent", n)
	}
}

// I2: the same pass handed to several dialers at once leads to one intent and
// one start.
func TestARaceOfDialersForOnePassHasOneWinner(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	r.AwaitReadyAgents(1)
	r.StopService("dialer", 0)
	h := r.Host("dialer")
	call := r.Dial("race", rig.To(rig.Number(1), rig.Agent(0)))
	c := r.Await(call, events.Passed)
	var wait sync.WaitGroup
	for n := range 8 {
		wait.Go(func() {
			s := dialer.New(dialer.Config{Log: h.Log, Notes: h, Directory: h.Directory, Now: h.Now, Logger: h.Logger})
			err := s.Routes()[0].Handle(t.Context(), worker.Delivery{Stream: events.StreamCalls, Tries: 1, Record: &c.Log[len(c.Log)-1]})
			if err != nil && fault.Of(err) != fault.Transient {
				t.Error(fmt.Errorf("dialer %d: %w", n, err))
			}
		})
	}
	wait.Wait()
	r.StartService("dialer", 0)
	c = r.Closed(call, events.OutcomeCompleted, "")
	if n := rig.Count(c, events.Dialing); n != 1 {
		t.Errorf("%d intents", n)
	}
	if n := len(r.Sim.History(tcnsim.Name, tcnsim.OpStart, "")); n != 1 {
		t.Errorf("%d starts were sent", n)
	}
}

// I4: what a desktop said first must not win because it was stored, tried in
// vain and tried again after what the desktop said next: the agent would stay
// locked, for a desktop is never polled.
func TestAnOlderWordOfADesktopDoesNotUndoALaterOne(t *testing.T) {
	t.Parallel()
	desk := rig.Desk{Agent: "agent5", Kind: providers.Five9}
	r := rig.Start(t, rig.Options{Desks: []rig.Desk{desk}})
	r.AwaitPresence(desk.Agent, events.Ready)
	h := r.Host("events-bridge")
	s := bridge.New(bridge.Config{Log: h.Log, Store: h, Directory: h.Directory, Now: h.Now, Logger: h.Logger})
	session := r.AgentState(desk.Agent).Session
	last := r.AgentState(desk.Agent).RawSeq
	say := func(seq uint64, status string) {
		body := fmt.Sprintf(`{"outdial":"presence","status":%q,"version":"3.21.2410"}`, status)
		header, data, err := events.EncodePlain(events.TypeProviderRaw, events.SourceOf(rig.Acme, events.Bridge), desk.Agent, events.RandomID(), r.Now(),
			events.ProviderRaw{Connection: rig.Connection(desk.Kind), Via: "desktop", Agent: desk.Agent, Session: session, ReceivedAt: r.Now(), Body: []byte(body)})
		if err != nil {
			t.Fatal(err)
		}
		err = s.Routes()[0].Handle(t.Context(), worker.Delivery{Stream: events.StreamProvider, Seq: seq, Tries: 2,
			Subject: events.ProviderSubject(rig.Acme, rig.Connection(desk.Kind)), Header: header, Data: data})
		if err != nil {
			t.Fatal(err)
		}
	}
	say(last+2, "not_ready")
	r.AwaitPresence(desk.Agent, events.NotReady)
	say(last+4, "ready")
	r.AwaitPresence(desk.Agent, events.Ready)
	say(last+3, "not_ready") // the one between, tried again
	r.Closed(r.Dial("after", rig.ToDesk(rig.Number(1), desk.Agent)), events.OutcomeCompleted, "")
}
