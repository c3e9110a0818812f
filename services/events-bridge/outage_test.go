package bridge

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/test/exams/logtest"
)

// polled is a world whose agent ann, who is ready, is polled every second of a
// bubble's clock until the bubble ends.
func polled(t *testing.T, before func(*world)) *world {
	t.Helper()
	w := newWorld(t)
	w.poll()
	w.poll()
	if before != nil {
		before(w)
	}
	rs, err := w.log.From(events.AgentFamily, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rs {
		w.s.Follow(r)
	}
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	go w.s.pollDue(ctx)
	w.after(0)
	return w
}

// after lets a time pass and handles what was stored meanwhile.
func (w *world) after(d time.Duration) {
	w.t.Helper()
	time.Sleep(d) // of the bubble's clock: no luck in it
	synctest.Wait()
	w.deliver()
}

func (w *world) wantOps(want ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.ops) != len(want) {
		w.t.Fatalf("on record: %+v, want %v", w.ops, want)
	}
	for i, o := range w.ops {
		if o.Event != want[i] || o.Tenant != "acme" || o.What != "tcn" || o.Agent != "ann" || o.Service != "events-bridge" {
			w.t.Errorf("on record: %+v, want %s", o, want[i])
		}
	}
}

var down = fault.New(fault.Transient, "poll", "provider_down", nil)

func TestAProviderThatDoesNotAnswerSignsItsAgentsOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := polled(t, nil)
		w.p.fails(down)
		w.after(4 * time.Second) // asked twice in vain
		w.wantAgent("ann", "session_started ready")
		w.wantOps()
		w.after(4 * time.Second)
		w.wantAgent("ann", "session_started ready session_lost")
		if a := w.agent("ann"); a.State.Reason != "provider_down" || a.State.Session != "" || a.Claimable() {
			t.Errorf("%+v", a.State)
		}
		w.wantOps("connection_down")
		if n := w.s.unanswered()["tcn"]; n != 1 {
			t.Errorf("%d agents are counted as unanswered", n)
		}
		if got := w.ops[0].Reason; got != "provider_down" {
			t.Errorf("reason %s", got)
		}
		w.after(10 * time.Minute) // it is said once
		w.wantAgent("ann", "session_started ready session_lost")
		w.wantOps("connection_down")

		w.p.fails(nil)
		w.after(time.Minute)
		w.wantAgent("ann", "session_started ready session_lost session_started ready")
		w.wantOps("connection_down", "connection_up")
		if n := w.s.unanswered()["tcn"]; n != 0 {
			t.Errorf("%d agents are counted as unanswered", n)
		}
		if !w.agent("ann").Claimable() {
			t.Errorf("%+v", w.agent("ann").State)
		}

		w.p.fails(down) // and the next outage is one of its own
		w.after(time.Minute)
		w.wantOps("connection_down", "connection_up", "connection_down")
	})
}

// The third failure cannot be recorded, or comes to another process than the
// first two: the agent is signed out all the same, and it is said once.
func TestAnOutageIsRecordedThoughItsThirdFailureIsNot(t *testing.T) {
	t.Parallel()
	for story, meanwhile := range map[string]func(*world){
		"the log is away": func(w *world) {
			w.log.Cut(true)
			w.after(20 * time.Second)
			w.wantOps()
			w.log.Cut(false)
		},
		"the append is refused": func(w *world) { w.log.Fail(events.SessionLost, logtest.Down) },
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := polled(t, nil)
				w.p.fails(down)
				w.after(4 * time.Second) // two failures
				meanwhile(w)
				w.after(time.Minute)
				w.wantAgent("ann", "session_started ready session_lost")
				w.wantOps("connection_down")
			})
		})
	}
	w := newWorld(t)
	w.poll()
	w.poll()
	w.p.fails(down)
	ask := func(failures int) {
		rs, err := w.log.From(events.AgentFamily, 0)
		if err != nil {
			t.Fatal(err)
		}
		w.s = New(w.s.Config) // a new process
		for _, r := range rs {
			w.s.Follow(r)
		}
		for range failures {
			w.s.PollOnce(t.Context(), log.Ref{Tenant: "acme", ID: "ann"})
		}
	}
	ask(2)
	w.wantAgent("ann", "session_started ready")
	ask(3)
	w.wantAgent("ann", "session_started ready session_lost")
	w.wantOps("connection_down")
}

// An outage that one process said began is said to be over by whichever finds
// it over, once.
func TestTheEndOfAnOutageIsSaidAfterARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := polled(t, nil)
		w.p.fails(down)
		w.after(time.Minute)
		w.wantOps("connection_down")
		w.s = New(w.s.Config) // a new process
		again := func(times int) {
			for range times {
				rs, err := w.log.From(events.AgentFamily, 0)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range rs {
					w.s.Follow(r)
				}
				w.s.PollOnce(t.Context(), log.Ref{Tenant: "acme", ID: "ann"})
				w.deliver()
			}
		}
		again(2) // in vain, too
		w.wantOps("connection_down")
		w.p.fails(nil)
		again(5)
		w.wantOps("connection_down", "connection_up")
	})
}

func TestAShortOutageIsNoNews(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := polled(t, nil)
		for range 5 {
			w.p.fails(down)
			w.after(4 * time.Second)
			w.p.fails(nil)
			w.after(20 * time.Second)
		}
		w.wantAgent("ann", "session_started ready")
		w.wantOps()
	})
}

// Who is on a call stays on it: nobody knows what became of the call, and the
// next word of the provider tells.
func TestAnOutageAmidACall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := polled(t, func(w *world) {
			w.dial("c1", "ann", newYork)
			w.p.says("MANUAL_DIAL_STARTED")
		})
		w.p.fails(down)
		w.after(time.Minute)
		w.wantOps("connection_down")
		if a := w.agent("ann"); a.State.Presence != events.Lost || a.State.Claim == nil {
			t.Errorf("%+v", a.State)
		}
		w.p.says("PEERED")
		w.after(time.Minute)
		w.wantCall("c1", "talking")
		w.wantOps("connection_down", "connection_up")
	})
}

// spoil stores something in a call's log that no reader of today understands.
func (w *world) spoil(call string) {
	r := events.Record{Family: events.CallFamily, Tenant: "acme", Key: call, Role: events.Compliance, Name: events.Passed}
	w.log.Plant(events.CallFamily, r.Subject(), events.Header{"Content-Type": {"application/json"}}, []byte(`{"of":"tomorrow"}`))
}

// noCalls is a log of which only the agents' part can be reached.
type noCalls struct{ log.Leader }

func (noCalls) Read(context.Context, events.Family, string, string, uint64) ([]events.Record, error) {
	return nil, fault.New(fault.Transient, "read log", log.CodeUnavailable, nil)
}

func TestACallThatCannotBeReadDoesNotBlindUsToItsAgent(t *testing.T) {
	t.Parallel()
	t.Run("her last call", func(t *testing.T) {
		t.Parallel()
		w := onCall(t)
		w.say("c1", events.Orchestrator, events.Closed, &events.CallClosed{Outcome: "failed"})
		after, _ := w.agent("ann").After(events.Released, "c1", "closed", w.Now())
		w.agentSays("ann", events.Orchestrator, events.Released, &events.AgentReleased{Call: "c1", State: after})
		if got := w.agent("ann").State.LastCall; got != "c1" {
			t.Fatalf("her last call is %q", got)
		}
		w.spoil("c1")
		w.p.status = "PAUSED"
		w.poll()
		w.p.status = "READY"
		w.poll()
		w.wantAgent("ann", "session_started ready not_ready ready")
	})
	t.Run("the call that holds her", func(t *testing.T) {
		t.Parallel()
		w := onCall(t)
		w.spoil("c1")
		w.p.status = "PEERED"
		w.poll()
		w.p.status = "PAUSED"
		w.poll()
		w.wantAgent("ann", "session_started ready foreign_call not_ready")
	})
	t.Run("but a log that is away is asked again", func(t *testing.T) {
		t.Parallel()
		w := onCall(t)
		w.s.Log = log.New(noCalls{w.log}, nil)
		if _, err := w.s.pollOnce(t.Context(), "acme", "ann"); fault.Of(err) != fault.Transient {
			t.Errorf("err = %v", err)
		}
	})
}

// touchy panics over one message.
type touchy struct{ providers.Reader }

func (r touchy) Read(raw events.ProviderRaw, v providers.View) ([]providers.Observation, error) {
	if string(raw.Body) == `"poison"` {
		panic("over what a stranger wrote")
	}
	return r.Reader.Read(raw, v)
}

// A message that a provider's reader panics over is parked when it is its turn.
// Whoever only hears it goes on, and so does its agent.
func TestAMessageThatAReaderPanicsOverHarmsNobodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conn, _ := w.dir.Connection("acme", "tcn")
	acme, _ := w.dir.Tenant("acme")
	conn.Provider.Reader = touchy{conn.Provider.Reader}
	var err error
	if w.dir, err = tenants.New([]tenants.Tenant{acme}, []tenants.Connection{conn}); err != nil {
		t.Fatal(err)
	}
	r := w.replica(0)
	for _, agent := range []string{"", "ann"} { // from a webhook, and of her own
		if _, err := w.Raw(t.Context(), "acme", events.ProviderRaw{Connection: "tcn", Agent: agent, Body: []byte(`"poison"`), ReceivedAt: w.Now()}, ""); err != nil {
			t.Fatal(err)
		}
	}
	r.asks("READY")
	r.asks("READY")
	if err := r.takes(2); err != nil { // what was before it is carried out with it
		t.Errorf("the answer of a poll: %v", err)
	}
	w.wantAgent("ann", "session_started ready")
	for n := range 2 {
		if err := r.takes(n); fault.Of(err) != fault.Permanent {
			t.Errorf("the message itself: %v", err)
		}
	}
	w.wantAgent("ann", "session_started ready")
}

// clumsy is a log that the code stumbles over with one message.
type clumsy struct {
	log.Leader
	over string
}

func (c clumsy) Append(ctx context.Context, d log.Draft) (log.Appended, error) {
	if d.Cause == c.over {
		var nobody *log.Draft
		return c.Leader.Append(ctx, *nobody)
	}
	return c.Leader.Append(ctx, d)
}

// The worker parks what its handler panics over: it must be the message itself,
// and not those after it that carry it out on their way.
func TestAMessageThatIsStumbledOverHarmsNoneAfterIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.s.Desk(&doors{})
	if err := d.Opened(t.Context(), "webex", "wes", "one"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := d.Message(t.Context(), "webex", "wes", "one", []byte(sayReady)); err != nil {
			t.Fatal(err)
		}
	}
	r := w.replica(0)
	r.s.Log = log.New(clumsy{w.log, "raw1"}, r.view)
	if err := r.takes(1); err != nil {
		t.Errorf("the message after it: %v", err)
	}
	w.wantAgent("wes", "session_started ready")
}
