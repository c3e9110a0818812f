package tcn_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/tcn"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/tcnsim"
)

func TestACallFromPrepareToReady(t *testing.T) {
	t.Parallel()
	r := newRig(t, tcnsim.Options{}, nil)
	o := r.prepared(order())

	// Another process starts it, from what is on record.
	kept, err := json.Marshal(o.Scrub)
	if err != nil {
		t.Fatal(err)
	}
	o.Scrub = new(events.Scrub)
	if err := json.Unmarshal(kept, o.Scrub); err != nil {
		t.Fatal(err)
	}
	other := tcn.New(tcn.Config{BaseURL: r.url}, nil)
	defer other.Close()
	receipt, err := other.Start(r.within(5*time.Second), o)
	if err != nil {
		t.Fatal(err)
	}
	if receipt.IDs["callSid"] != o.Scrub.State["callSid"] || receipt.IDs["taskGroupSid"] != o.Scrub.State["taskGroupSid"] || receipt.Pending {
		t.Errorf("receipt %v", receipt)
	}
	t.Run("TCN-60, 61, 62: the body is the document's", func(t *testing.T) {
		want := object(t, sample(t, "09-start-manual-dial.filled.request.json"))
		call := want["simpleCallData"].(map[string]any)
		call["callSid"], call["taskGroupSid"] = o.Scrub.State["callSid"], o.Scrub.State["taskGroupSid"]
		if d := cmp.Diff(want, object(t, r.lastBody(tcn.OpStart))); d != "" {
			t.Error(d)
		}
	})
	t.Run("TCN-68: whatever scrub and start both say, they say alike", func(t *testing.T) {
		scrub := object(t, r.lastBody(tcn.OpScrub))["call"].(map[string]any)
		start := object(t, r.lastBody(tcn.OpStart))["simpleCallData"].(map[string]any)
		shared := 0
		for k, v := range start {
			if w, ok := scrub[k]; ok {
				shared++
				if d := cmp.Diff(w, v); d != "" {
					t.Errorf("%s: %s", k, d)
				}
			}
		}
		if shared != 13 {
			t.Errorf("%d fields are shared, want 13", shared)
		}
	})
	r.await("the wrap-up's end", func() bool { return r.sim.Ledger().Count(sim.Ready, sampleAgent) == 1 })
	if n := r.sim.Ledger().Count(sim.Start, sampleAgent); n != 1 {
		t.Errorf("it rang %d times", n)
	}
	for _, e := range r.sim.Ledger().Entries() {
		if e.Kind == sim.Start && (e.Number != sampleTo || e.ProviderCall != o.Scrub.State["callSid"] || e.Correlation != "ABC1234") {
			t.Errorf("the ledger has %+v", e)
		}
	}
}

func TestStartIsSaidOnceWhateverTheAnswer(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault sim.Fault
		ok    bool
		class fault.Class
		rang  int
		found providers.Verdict
	}{
		"TCN-64: a yes with a broken body is a yes": {fault: sim.Fault{Mode: sim.BrokenJSON}, ok: true, rang: 1, found: providers.Placed},
		"TCN-65: it hears nothing, and it was placed": {
			fault: sim.Fault{Mode: sim.AcceptThenSilent}, class: fault.Uncertain, rang: 1, found: providers.Placed},
		"TCN-65: it hears nothing, and it was not":      {fault: sim.Fault{Mode: sim.Silent}, class: fault.Uncertain, found: providers.NotPlaced},
		"D6: 500 after it was placed":                   {fault: sim.Fault{Mode: sim.AcceptThen500}, class: fault.Uncertain, rang: 1, found: providers.Placed},
		"D6: 500 and it was not":                        {fault: sim.Fault{Mode: sim.HTTP500}, class: fault.Uncertain, found: providers.NotPlaced},
		"D6: 503 after it was placed":                   {fault: sim.Fault{Mode: sim.AcceptThenStatus, Status: 503}, class: fault.Uncertain, rang: 1, found: providers.Placed},
		"D7: 429":                                       {fault: sim.Fault{Mode: sim.HTTPStatus, Status: 429}, class: fault.Uncertain, found: providers.NotPlaced},
		"D8: the line is cut after it was placed":       {fault: sim.Fault{Mode: sim.AcceptThenReset}, class: fault.Uncertain, rang: 1, found: providers.Placed},
		"D8: the connection is closed without a word":   {fault: sim.Fault{Mode: sim.CloseKeepalive}, class: fault.Uncertain, rang: 1, found: providers.Placed},
		"D8: a slow drip":                               {fault: sim.Fault{Mode: sim.Drip}, class: fault.Uncertain, rang: 1, found: providers.Placed},
		"D9: a plain refusal":                           {fault: sim.Fault{Mode: sim.HTTPStatus, Status: 400}, class: fault.Permanent, found: providers.NotPlaced},
		"a credential that is not accepted":             {fault: sim.Fault{Mode: sim.HTTPStatus, Status: 401}, class: fault.Permanent, found: providers.NotPlaced},
		"a provider that rings twice though asked once": {fault: sim.Fault{Mode: sim.Double}, ok: true, rang: 2, found: providers.Placed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// The customer lets it ring for long, so that the lookup meets the call.
			r := newRig(t, tcnsim.Options{Pace: tcnsim.Pace{Ring: time.Minute}}, nil)
			o := r.prepared(order())
			tc.fault.Operation = tcn.OpStart
			r.fault(tc.fault)
			_, err := r.Start(r.within(time.Second), o)
			if (err == nil) != tc.ok || (err != nil && fault.Of(err) != tc.class) {
				t.Errorf("got %v, want class %v", err, tc.class)
			}
			r.wantAsked(tcn.OpStart, 1)
			if n := r.sim.Ledger().Count(sim.Start, ""); n != tc.rang {
				t.Errorf("it rang %d times, want %d", n, tc.rang)
			}
			found, err := r.Lookup(r.within(5*time.Second), o)
			if err != nil || found.Verdict != tc.found {
				t.Errorf("looked up: %v, %v; want %s", found, err, tc.found)
			}
			r.wantAsked(tcn.OpStart, 1)
		})
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]providers.Verdict{
		"MANUAL_DIAL_PREPARED": providers.NotPlaced,
		"READY":                providers.Over, "PAUSED": providers.Over, "IDLE": providers.Over,
		"PREPARING_AFTER_WRAPUP": providers.Over,
		"MANUAL_DIAL_STARTED":    providers.Placed, "OUTBOUND_LOCKED": providers.Placed, "PEERED": providers.Placed,
		"INCALL": providers.Placed, "WRAPUP": providers.Placed, "PEERED_WITH_CALL_ON_HOLD": providers.Placed,
		"WARM_AGENT_TRANSFER_STARTED_SOURCE": providers.Placed,
		"DESTROYED":                          providers.CannotSay, "UNAVALIABLE": providers.CannotSay, "BRAND_NEW": providers.CannotSay,
	} {
		t.Run("TCN-67: "+status+" is "+string(want), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tcnsim.Options{}, nil)
			r.set(map[string]any{"status": status})
			o := order()
			o.Scrub = &events.Scrub{State: map[string]string{"sessionSid": sampleSession}}
			found, err := r.Lookup(r.within(5*time.Second), o)
			if err != nil || found.Verdict != want {
				t.Errorf("got %v, %v", found, err)
			}
		})
	}
	t.Run("an unreachable provider cannot say", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{}, nil)
		r.fault(sim.Fault{Operation: tcn.OpStatus, Mode: sim.HTTP500})
		found, err := r.Lookup(r.within(5*time.Second), order())
		if found.Verdict != providers.CannotSay || fault.Of(err) != fault.Transient {
			t.Errorf("got %v, %v", found, err)
		}
	})
}

func TestWithdraw(t *testing.T) {
	t.Parallel()
	t.Run("TCN-58, 66: a preparation is cancelled once, by session", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{}, nil)
		evidence, err := r.Withdraw(r.within(5*time.Second), r.prepared(order()))
		if err != nil || evidence == "" || evidence == "MANUAL_DIAL_PREPARED" {
			t.Errorf("got %q, %v", evidence, err)
		}
		r.wantAsked(tcn.OpCancel, 1)
		sameObject(t, r.lastBody(tcn.OpCancel), []byte(`{"sessionSid":"50006789"}`))
	})
	t.Run("TCN-59: it is said until it is heard", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{}, nil)
		o := r.prepared(order())
		r.fault(sim.Fault{Operation: tcn.OpCancel, Mode: sim.HTTPStatus, Status: 503, Count: 2})
		if _, err := r.Withdraw(r.within(5*time.Second), o); err != nil {
			t.Error(err)
		}
		r.wantAsked(tcn.OpCancel, 3)
		r.wantAsked(tcn.OpStart, 0)
	})
	t.Run("TCN-47: a preparation that may still come is cancelled once, though it does not show", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{}, nil)
		if evidence, err := r.Withdraw(r.within(5*time.Second), order()); err != nil || evidence != "READY" {
			t.Errorf("got %q, %v", evidence, err)
		}
		r.wantAsked(tcn.OpCancel, 1)
	})
	t.Run("one that is gone already is left alone", func(t *testing.T) {
		t.Parallel()
		for _, status := range []string{"READY", "WRAPUP", "PAUSED"} {
			r := newRig(t, tcnsim.Options{}, nil)
			o := r.prepared(order())
			r.set(map[string]any{"status": status})
			if evidence, err := r.Withdraw(r.within(5*time.Second), o); err != nil || evidence != status {
				t.Errorf("%s: got %q, %v", status, evidence, err)
			}
			r.wantAsked(tcn.OpCancel, 0)
		}
	})
	t.Run("TCN-67: a call under way is never hung up", func(t *testing.T) {
		t.Parallel()
		for _, status := range []string{"MANUAL_DIAL_STARTED", "OUTBOUND_LOCKED", "PEERED", "PEERED_WITH_CALL_ON_HOLD"} {
			r := newRig(t, tcnsim.Options{}, nil)
			o := r.prepared(order())
			o.Dialed = true
			r.set(map[string]any{"status": status})
			_, err := r.Withdraw(r.within(5*time.Second), o)
			wantFault(t, err, fault.Permanent, "answered")
			r.wantAsked(tcn.OpCancel, 0)
		}
	})
	t.Run("what is left and no call's is cancelled where it shows", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{}, nil)
		nobodys := providers.Order{Agent: agentRef(), NotAfter: time.Now().Add(time.Minute)}
		if evidence, err := r.Withdraw(r.within(5*time.Second), nobodys); err != nil || evidence != "READY" {
			t.Errorf("got %q, %v", evidence, err)
		}
		r.wantAsked(tcn.OpCancel, 0)
		r.prepared(order())
		if _, err := r.Withdraw(r.within(5*time.Second), nobodys); err != nil {
			t.Error(err)
		}
		r.wantAsked(tcn.OpCancel, 1)
		r.set(map[string]any{"status": "PEERED"})
		if evidence, err := r.Withdraw(r.within(5*time.Second), nobodys); err != nil || evidence != "PEERED" {
			t.Errorf("got %q, %v", evidence, err)
		}
		r.wantAsked(tcn.OpCancel, 1)
	})
	t.Run("nothing is cancelled after its time", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{}, nil)
		o := r.prepared(order())
		o.NotAfter = time.Now()
		if _, err := r.Withdraw(r.within(150*time.Millisecond), o); fault.Of(err) != fault.Transient || err == nil {
			t.Errorf("got %v", err)
		}
		r.wantAsked(tcn.OpCancel, 0)
	})
	t.Run("still prepared at the end is to be tried again", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{}, nil)
		o := r.prepared(order())
		r.fault(sim.Fault{Operation: tcn.OpCancel, Mode: sim.HTTPStatus, Status: 200, Count: sim.Forever})
		_, err := r.Withdraw(r.within(150*time.Millisecond), o)
		wantFault(t, err, fault.Transient, "still_prepared")
	})
	t.Run("unreachable is to be tried again", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{}, nil)
		o := r.prepared(order())
		r.fault(sim.Fault{Operation: tcn.OpStatus, Mode: sim.HTTP500, Count: sim.Forever})
		_, err := r.Withdraw(r.within(50*time.Millisecond), o)
		wantFault(t, err, fault.Transient, "provider_down")
	})
	t.Run("a token that is not accepted needs a person", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{}, nil)
		o := r.prepared(order())
		r.set(map[string]any{"token": "another"})
		_, err := r.Withdraw(r.within(5*time.Second), o)
		wantFault(t, err, fault.Permanent, "unauthorized")
	})
}

func TestStartWantsWhatWasScrubbed(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*providers.Order){
		"no scrub":              func(o *providers.Order) { o.Scrub = nil },
		"a scrub that said no":  func(o *providers.Order) { o.Scrub.OK = false },
		"no callSid":            func(o *providers.Order) { o.Scrub.State["callSid"] = "" },
		"another number":        func(o *providers.Order) { o.To = "+442071838750" },
		"no session on record":  func(o *providers.Order) { delete(o.Scrub.State, "sessionSid") },
		"no hunt group, either": func(o *providers.Order) { delete(o.Scrub.State, "huntGroupSid") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tcnsim.Options{}, nil)
			o := r.prepared(order())
			spoil(&o)
			_, err := r.Start(r.within(5*time.Second), o)
			if fault.Of(err) != fault.Permanent || err == nil {
				t.Errorf("got %v", err)
			}
			r.wantAsked(tcn.OpStart, 0)
		})
	}
	t.Run("too late is nothing sent", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{}, nil)
		o := r.prepared(order())
		o.NotAfter = time.Now().Add(-time.Millisecond)
		_, err := r.Start(r.within(5*time.Second), o)
		wantFault(t, err, fault.Transient, "too_late")
		r.wantAsked(tcn.OpStart, 0)
	})
}

// The evidence must be findable below the code.
func TestAnsweredSaysWhichStatus(t *testing.T) {
	t.Parallel()
	r := newRig(t, tcnsim.Options{}, nil)
	o := r.prepared(order())
	o.Dialed = true
	r.set(map[string]any{"status": "PEERED"})
	_, err := r.Withdraw(r.within(5*time.Second), o)
	if e, ok := errors.AsType[*fault.Error](err); !ok || e.Err == nil || e.Err.Error() != "PEERED" {
		t.Errorf("got %v", err)
	}
}
