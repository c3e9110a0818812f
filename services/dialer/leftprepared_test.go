package dialer

import (
	"context"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/orders"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
)

// leftPrepared is an agent whom no call has, shown prepared and held back for it,
// and shown so once more.
func leftPrepared(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, providers.Capabilities{Prepares: true})
	w.say(events.Orchestrator, events.Closed, &events.CallClosed{Outcome: events.OutcomeFailed})
	w.becomes(events.Released, "")
	w.becomes(events.NotReady, events.ReasonPrepared)
	w.becomes(events.Quarantined, events.ReasonLeftover)
	w.becomes(events.NotReady, events.ReasonPrepared)
	return w
}

// becomes is one event more of the agent.
func (w *world) becomes(on events.Name, reason string) {
	w.t.Helper()
	s, _ := w.agent().After(on, "", reason, w.Now())
	switch on {
	case events.Released:
		w.agentSays(events.Orchestrator, on, &events.AgentReleased{State: s})
	case events.Quarantined:
		w.agentSays(events.Orchestrator, on, &events.AgentQuarantined{Reason: reason, State: s})
	case events.Claimed:
		w.agentSays(events.Orchestrator, on, &events.AgentClaimed{Call: "c2", State: s})
	default:
		w.agentSays(events.Bridge, on, &events.AgentPresence{Reason: reason, State: s})
	}
}

func TestWhatAnAgentIsLeftPreparedForIsWithdrawn(t *testing.T) {
	t.Parallel()
	w := leftPrepared(t)
	s, _ := w.heard()
	for range 4 { // the provider's word of it is slow to come
		if err := s.Turn(context.Background()); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
	}
	if len(w.p.withdraws) != 1 {
		t.Fatalf("withdrawn %d times", len(w.p.withdraws))
	}
	o := w.p.withdraws[0]
	if o.Call != "" || o.Dialed || o.Agent.Agent != "ann" || o.Agent.Session != "s1" || o.Agent.Token != "secret-token" ||
		!o.NotAfter.Equal(noon.Add(orders.WithdrawFor)) {
		t.Errorf("%+v", o)
	}
	w.pass(time.Minute)
	w.turns() // it shows still
	if len(w.p.withdraws) != 2 {
		t.Error("left there for good")
	}
	w.want("requested assigned closed") // it was no call's
}

// By session, what is withdrawn could be her next call's: she must be held for
// it, by the leader's word, and shown prepared since.
func TestNothingIsWithdrawnFromWhomACallMayHave(t *testing.T) {
	t.Parallel()
	for story, then := range map[string]func(*world){
		"ready by now": func(w *world) { w.becomes(events.Ready, "") },
		"free by now":  func(w *world) { w.becomes(events.Ready, ""); w.becomes(events.Released, "") },
		"another call's by now": func(w *world) {
			w.becomes(events.Ready, "")
			w.becomes(events.Released, "")
			w.becomes(events.Claimed, "")
		},
		"on a break by now":            func(w *world) { w.becomes(events.NotReady, "paused") },
		"let go, and prepared again":   func(w *world) { w.becomes(events.Released, ""); w.becomes(events.NotReady, events.ReasonPrepared) },
		"held, and not yet seen since": func(w *world) { w.becomes(events.Released, ""); w.becomes(events.Quarantined, events.ReasonLeftover) },
		"held for something else": func(w *world) {
			w.becomes(events.Released, "")
			w.becomes(events.Quarantined, "no_news")
			w.becomes(events.NotReady, events.ReasonPrepared)
		},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := leftPrepared(t)
			late, _ := w.heard() // hears nothing of what follows
			then(w)
			w.turns()
			if err := late.Turn(context.Background()); err != nil {
				t.Fatal(err)
			}
			if len(w.p.withdraws) != 0 {
				t.Error("withdrawn")
			}
		})
	}
	t.Run("while people have stopped the dialer", func(t *testing.T) {
		t.Parallel()
		w := leftPrepared(t)
		w.s.Paused = func(context.Context) (bool, error) { return true, nil }
		w.turns()
		if len(w.p.withdraws) != 0 {
			t.Error("withdrawn")
		}
	})
	t.Run("longer than she is kept for it", func(t *testing.T) {
		t.Parallel()
		w := leftPrepared(t)
		w.s.Within = func(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
			if d > orders.WithdrawFor {
				t.Errorf("%s to withdraw in", d)
			}
			return context.WithCancel(ctx)
		}
		w.p.withdraw = func() (string, error) { return "", fault.New(fault.Permanent, "withdraw", "unauthorized", nil) }
		w.turns() // a provider's no is no failure of the turn
	})
}
