package dialer

import (
	"context"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/pace"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
)

// at has the dialer's provider asked at a pace of five a second, by the twin on
// the world's clock, which sleeping moves.
func (w *world) at(store pace.Store) *pace.Pacer {
	p := pace.NewPacer(store, map[pace.Account]int{{Tenant: "acme", Connection: "tcn"}: 5}, 4, w.Now)
	w.s.Pace = p.Ask
	w.s.Sleep = func(_ context.Context, d time.Duration) error { w.pass(d); return nil }
	return p
}

func (w *world) others(t *testing.T, p *pace.Pacer, dials int) {
	t.Helper()
	for range dials {
		if a := p.Ask(t.Context(), "acme", "tcn", pace.Dial); !a.Granted {
			t.Fatalf("%+v", a)
		}
	}
}

// A call's turn is awaited before the intent, whose time to be sent begins with
// it, and what was looked at before the dial is looked at after the wait.
func TestACallWaitsForItsTurnBeforeTheIntent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, providers.Capabilities{Prepares: true})
	w.others(t, w.at(pace.NewMemory(w.Now)), 3)
	asked := w.s.Pace
	w.s.Pace = func(ctx context.Context, tenant, connection string, class pace.Class) pace.Answer {
		if w.call().Dialing != nil {
			t.Error("asked between the intent and the send")
		}
		return asked(ctx, tenant, connection, class)
	}
	w.p.confirm = func(context.Context) error {
		if !w.Now().Equal(noon.Add(600 * time.Millisecond)) {
			t.Error("the agent was looked at before the wait")
		}
		return nil
	}
	w.prepare()
	w.hear(w.passed())
	w.want("requested assigned preparing passed dialing started")
	if d := w.call().Dialing; !d.NotAfter.Equal(noon.Add(600*time.Millisecond + w.s.Send)) {
		t.Errorf("%+v", d)
	}
}

// A turn that is more than five seconds away is not waited for with an agent in
// hand.
func TestACallWhoseTurnIsFarAwayIsNotDialed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, providers.Capabilities{})
	w.others(t, w.at(pace.NewMemory(w.Now)), 26)
	w.hear(w.passed())
	w.want("requested assigned passed withheld")
	w.wantStarts(0)
	if h := w.call().Withheld; h.Reason != RateLimited || h.Until == nil || !h.Until.Equal(noon.Add(5200*time.Millisecond)) || h.Attempt != "" {
		t.Errorf("%+v", h)
	}
}

// What was withdrawn while it waited for its turn is not dialed.
func TestWhatIsWithdrawnWhileItWaitsIsNotDialed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, providers.Capabilities{})
	w.others(t, w.at(pace.NewMemory(w.Now)), 3)
	w.s.Sleep = func(context.Context, time.Duration) error {
		w.say(events.Orchestrator, events.CancelRequested, &events.CallCancelRequested{By: events.ByUpstream})
		return nil
	}
	w.hear(w.passed())
	w.want("requested assigned passed cancel_requested")
	w.wantStarts(0)
}

// One who is told to end while it waits leaves the call to others.
func TestWhoEndsWhileItWaitsDialsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, providers.Capabilities{})
	w.others(t, w.at(pace.NewMemory(w.Now)), 3)
	ctx, cancel := context.WithCancel(t.Context())
	w.s.Sleep = func(context.Context, time.Duration) error { cancel(); return ctx.Err() }
	if err := w.s.OnCall(ctx, w.passed()); err == nil {
		t.Error("it was handled")
	}
	w.want("requested assigned passed")
}

// Who was stopped while he waited finds his slot past, with those of all who were
// stopped with him: he asks again.
func TestWhoOversleptHisTurnAsksAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, providers.Capabilities{})
	p := w.at(pace.NewMemory(w.Now))
	w.others(t, p, 3)
	slept := 0
	w.s.Sleep = func(_ context.Context, d time.Duration) error {
		if slept++; slept == 1 {
			w.pass(d + 4*time.Second)
			w.others(t, p, 2) // who came meanwhile, and after him
			return nil
		}
		w.pass(d)
		return nil
	}
	w.hear(w.passed())
	w.want("requested assigned passed dialing started")
	if at := *w.call().Instants.Dialing; slept != 2 || !at.Equal(noon.Add(5*time.Second)) {
		t.Errorf("slept %d times, and dialed at %v", slept, at)
	}
}

// A send that waits for its distance is not sent after its pass, the request, or the
// instant at which the provider is to call.
func TestAnIntentIsSentWhileItsPassStands(t *testing.T) {
	t.Parallel()
	for story, until := range map[string]func(p *events.CallPassed, at time.Time){
		"its pass ends":     func(p *events.CallPassed, at time.Time) { p.ValidUntil = at },
		"its instant comes": func(p *events.CallPassed, at time.Time) { p.ValidUntil, p.CallAt = at.Add(time.Hour), &at },
	} {
		for _, late := range []bool{false, true} {
			w := enqueued(t)
			distance := time.Second
			if late {
				distance = 3 * time.Second
			}
			w.s.Distance = func(_, _ string, most time.Duration) (time.Duration, bool) { return distance, distance < most }
			w.s.Sleep = func(_ context.Context, d time.Duration) error { w.pass(d); return nil }
			body := &events.CallPassed{Fence: w.call().Assigned.Fence}
			until(body, w.Now().Add(2*time.Second))
			w.hear(w.say(events.Compliance, events.Passed, body))
			if sent := len(w.p.starts) > 0; sent == late {
				t.Errorf("%s: sent %v after %s", story, sent, distance)
			}
		}
	}
}
