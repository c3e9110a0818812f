package tcn_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/tcn"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/tcnsim"
)

// staleAnswers are the ways in which TCN may say that a session is over: by
// the keepalive's failure, or by any refusal that is not about who asks or how
// often. The question names nothing but the session.
func staleAnswers() []int { return []int{0, 400, 404, 409, 410, 422} }

// A session that TCN has replaced is of no use to undo what was prepared in
// it: the preparation is withdrawn over a fresh one.
func TestAPreparationOfAStaleSessionIsWithdrawnOverAFreshOne(t *testing.T) {
	t.Parallel()
	for _, status := range staleAnswers() {
		t.Run(fmt.Sprint("answered ", status), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tcnsim.Options{StaleStatus: status}, nil)
			o := r.prepared(order())
			r.set(map[string]any{"keepAlive": false}) // the session is over, the preparation is not
			evidence, err := r.Withdraw(r.within(5*time.Second), o)
			if err != nil || evidence == "MANUAL_DIAL_PREPARED" {
				t.Errorf("got %q, %v", evidence, err)
			}
			r.wantAsked(tcn.OpCancel, 1)
			if n := r.asked(tcn.OpSession); n != 1 {
				t.Errorf("a session was opened %d times", n)
			}
			if body := string(r.lastBody(tcn.OpCancel)); body == `{"sessionSid":"`+sampleSession+`"}` {
				t.Error("it was cancelled in the session that is over")
			}
			r.awaitState("READY")
		})
	}
}

// The same session cannot keep a call from being prepared, or its outcome from
// being found out.
func TestAStaleSessionIsOpenedAgain(t *testing.T) {
	t.Parallel()
	for _, status := range staleAnswers() {
		t.Run(fmt.Sprint("when preparing, answered ", status), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tcnsim.Options{StaleStatus: status}, nil)
			r.set(map[string]any{"keepAlive": false})
			if o := r.prepared(order()); o.Scrub.State["sessionSid"] == sampleSession {
				t.Error("it went on in the session that is over")
			}
			r.wantAsked(tcn.OpSession, 1)
		})
		t.Run(fmt.Sprint("when looking up, answered ", status), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tcnsim.Options{StaleStatus: status}, nil)
			o := r.prepared(order())
			r.set(map[string]any{"keepAlive": false})
			if found, err := r.Lookup(r.within(5*time.Second), o); err != nil || found.Verdict != providers.NotPlaced {
				t.Errorf("got %v, %v", found, err)
			}
		})
		t.Run(fmt.Sprint("one that ends amid the preparation may be tried again, answered ", status), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tcnsim.Options{StaleStatus: status, Pace: tcnsim.Pace{Prepare: time.Minute}}, nil)
			done := make(chan error, 1)
			go func() {
				_, touched, err := r.Prepare(r.within(5*time.Second), order())
				if !touched {
					t.Error("it says that TCN was not touched")
				}
				done <- err
			}()
			r.await("the preparation", func() bool { return r.asked(tcn.OpPrepare) == 1 })
			r.set(map[string]any{"keepAlive": false})
			wantFault(t, <-done, fault.Transient, "session_lost")
		})
	}
	t.Run("but not one that the credential is refused for", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{}, nil)
		o := r.prepared(order())
		r.fault(sim.Fault{Operation: tcn.OpStatus, Mode: sim.HTTPStatus, Status: 403, Count: sim.Forever})
		_, err := r.Withdraw(r.within(5*time.Second), o)
		wantFault(t, err, fault.Permanent, "unauthorized")
		r.wantAsked(tcn.OpSession, 0)
	})
}

// Between the pass and the intent the agent may have taken another call: one
// look, which rings nothing, is asked before the intent.
func TestTheStatusIsLookedAtOnceMoreBeforeTheStart(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change map[string]any
		fault  *sim.Fault
		code   string // "" is a yes
	}{
		"still prepared":                            {},
		"a call came in":                            {change: map[string]any{"inbound": true}, code: "agent_not_ready"},
		"the agent is ready, not prepared":          {change: map[string]any{"status": "READY"}, code: "agent_not_ready"},
		"the agent went on pause":                   {change: map[string]any{"status": "PAUSED"}, code: "agent_not_ready"},
		"a word that nobody told us":                {change: map[string]any{"status": "BRAND_NEW"}, code: "agent_not_ready"},
		"prepared in another session":               {change: map[string]any{"currentSessionId": "50009999"}, code: "session_mismatch"},
		"the session is over":                       {change: map[string]any{"keepAlive": false}, code: "session_lost"},
		"nobody answers":                            {fault: &sim.Fault{Mode: sim.HTTP500}, code: "provider_down"},
		"half an answer":                            {fault: &sim.Fault{Mode: sim.BrokenJSON}, code: "unreadable"},
		"too many questions":                        {fault: &sim.Fault{Mode: sim.HTTPStatus, Status: 429}, code: "rate_limited"},
		"a credential that is refused":              {fault: &sim.Fault{Mode: sim.HTTPStatus, Status: 401}, code: "unauthorized"},
		"a session that TCN does not know any more": {fault: &sim.Fault{Mode: sim.HTTPStatus, Status: 400}, code: "session_lost"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tcnsim.Options{Pace: tcnsim.Pace{Talk: time.Minute}}, nil)
			o := r.prepared(order())
			if tc.change != nil {
				r.set(tc.change)
			}
			if tc.fault != nil {
				tc.fault.Operation = tcn.OpStatus
				r.fault(*tc.fault)
			}
			before := r.asked(tcn.OpStatus)
			err := r.Confirm(r.within(5*time.Second), o)
			if got := fault.Code(err); (err == nil) != (tc.code == "") || err != nil && got != tc.code {
				t.Errorf("got %v, want %q", err, tc.code)
			}
			if n := r.asked(tcn.OpStatus) - before; n != 1 {
				t.Errorf("it was looked at %d times", n)
			}
			r.wantAsked(tcn.OpSession, 0)
			r.wantAsked(tcn.OpStart, 0)
			r.wantAsked(tcn.OpCancel, 0)
		})
	}
}

// A preparation is one status of the agent, so a call of somebody else's has
// ended it; only after an intent may the call be ours, and is never hung up.
func TestAnInboundCallEndsAPreparationThatWasNeverStarted(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"MANUAL_DIAL_STARTED", "OUTBOUND_LOCKED", "PEERED", "PEERED_WITH_CALL_ON_HOLD", "INCALL"} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tcnsim.Options{}, nil)
			o := r.prepared(order())
			r.set(map[string]any{"status": status})
			if evidence, err := r.Withdraw(r.within(5*time.Second), o); err != nil || evidence != status {
				t.Errorf("got %q, %v", evidence, err)
			}
			o.Dialed = true
			_, err := r.Withdraw(r.within(5*time.Second), o)
			wantFault(t, err, fault.Permanent, "answered")
			r.wantAsked(tcn.OpCancel, 0)
		})
	}
	t.Run("one that may still come is waited for", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{}, nil)
		r.set(map[string]any{"status": "PEERED"})
		o := order()
		o.Scrub = (*events.Scrub)(nil)
		_, err := r.Withdraw(r.within(50*time.Millisecond), o)
		wantFault(t, err, fault.Transient, "on_call")
	})
}
