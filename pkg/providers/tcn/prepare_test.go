package tcn_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/tcn"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/tcnsim"
)

func TestAScrubSaysWhatTheDocumentSays(t *testing.T) {
	t.Parallel()
	r := newRig(t, tcnsim.Options{}, nil)
	o := r.prepared(order())

	t.Run("TCN-48, 11 to 16, 23, 30, 42: the body is the document's, filled in", func(t *testing.T) {
		sameObject(t, r.lastBody(tcn.OpScrub), sample(t, "07-process-compliance.filled.request.json"))
	})
	t.Run("TCN-15: the do-not-call scrub is a bare true", func(t *testing.T) {
		call := object(t, r.lastBody(tcn.OpScrub))["call"].(map[string]any)
		if call["doDnclScrub"] != true {
			t.Errorf("doDnclScrub is %v", call["doDnclScrub"])
		}
	})
	t.Run("TCN-01, 25, 28: who, which session, which countries are asked with {}", func(t *testing.T) {
		for _, op := range []string{tcn.OpAgent, tcn.OpCountries} {
			sameObject(t, r.lastBody(op), []byte(`{}`))
		}
	})
	t.Run("TCN-07: the settings are asked for by hunt group", func(t *testing.T) {
		sameObject(t, r.lastBody(tcn.OpSettings), []byte(`{"huntGroupSid":"1045678"}`))
	})
	t.Run("TCN-44, 26: the preparation names the voice session, never the asm session", func(t *testing.T) {
		sameObject(t, r.lastBody(tcn.OpPrepare), []byte(`{"sessionSid":"50006789"}`))
		for _, x := range r.sim.History(tcnsim.Name, "", "") {
			if slices.Contains([]string{tcn.OpStatus, tcn.OpPrepare}, x.Operation) && !json.Valid([]byte(x.Body)) {
				t.Errorf("%s: not JSON", x.Operation)
			}
		}
	})
	t.Run("TCN-08: the seven settings are kept, and what the start must repeat", func(t *testing.T) {
		want := map[string]string{
			"defaultCallerId": "8667451900", "defaultCallerIdCountrySid": "1", "defaultCountrySid": "1",
			"naturalComplianceRuleSetName": "Default Compliance Ruleset", "scrubCellPhones": "false",
			"timezoneRestrictions": "true", "callRecording": "true",
			"sessionSid": sampleSession, "huntGroupSid": sampleGroup, "clientSid": "2000123", "agentSid": sampleAgent,
		}
		for k, v := range want {
			if o.Scrub.State[k] != v {
				t.Errorf("%s is %q, want %q", k, o.Scrub.State[k], v)
			}
		}
		for k, v := range o.Scrub.State {
			if v == "4355551234" || v == sampleTo {
				t.Errorf("the customer's number is kept as %s", k)
			}
		}
		if _, ok := o.Scrub.State["randomCallerIdBucket"]; ok {
			t.Error("TCN-19: a bucket of -1 is none")
		}
	})
	t.Run("TCN-54: a scrub that was not asked for did not run", func(t *testing.T) {
		if got := o.Scrub.State[events.VerdictPrefix+tcn.VerdictCell]; got != tcn.VerdictNotRun {
			t.Errorf("the cell scrub is %q", got)
		}
		if got := o.Scrub.State[events.VerdictPrefix+tcn.VerdictHours]; got != tcn.VerdictOK {
			t.Errorf("the hours are %q", got)
		}
	})
	t.Run("TCN-49: the ids are known before the dial", func(t *testing.T) {
		if len(o.Scrub.State["callSid"]) != 9 || len(o.Scrub.State["taskGroupSid"]) != 6 || o.Scrub.State["startTime"] != "1704150360" {
			t.Errorf("got %q %q %q", o.Scrub.State["callSid"], o.Scrub.State["taskGroupSid"], o.Scrub.State["startTime"])
		}
	})
}

func TestWhatKeepsTCNFromBeingTouched(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		set   map[string]any
		shape func(*tcn.Config)
		order func(*providers.Order)
		class fault.Class
		code  string
	}{
		"TCN-10: manual dial is switched off": {
			set:   map[string]any{"settings": map[string]any{"enabled": false}},
			class: fault.Permanent, code: "manual_dial_disabled",
		},
		"TCN-21: required metadata is missing": {
			order: func(o *providers.Order) { o.Metadata = o.Metadata[1:] },
			class: fault.Permanent, code: "metadata_missing",
		},
		"TCN-21: required metadata is empty": {
			order: func(o *providers.Order) { o.Metadata = []events.KeyValue{{Key: "Account Number"}} },
			class: fault.Permanent, code: "metadata_missing",
		},
		"TCN-22: without the alias the sample's own metadata is not enough": {
			shape: func(c *tcn.Config) { c.MetadataAliases = nil },
			class: fault.Permanent, code: "metadata_missing",
		},
		"TCN-31: a number that is too short": {
			order: func(o *providers.Order) { o.To = "+1435555123" },
			class: fault.Permanent, code: "invalid_number",
		},
		"a number of a country that is not on the list": {
			order: func(o *providers.Order) { o.To = "+442071838750" },
			class: fault.Permanent, code: "country_unknown",
		},
		"a caller id of one's own where only the group's is allowed": {
			set:   map[string]any{"settings": map[string]any{"hasCustomCallerId": false}},
			order: func(o *providers.Order) { o.From = "+12125550100" },
			class: fault.Permanent, code: "caller_id_not_allowed",
		},
		"TCN-34: the agent is on pause": {
			set: map[string]any{"status": "PAUSED"}, class: fault.Transient, code: "agent_not_ready",
		},
		"TCN-36: a status number that says ready does not make it so": {
			set: map[string]any{"status": "WRAPUP"}, class: fault.Transient, code: "agent_not_ready",
		},
		"TCN-51: the session on the line is not ours": {
			set: map[string]any{"currentSessionId": "0"}, class: fault.Transient, code: "session_mismatch",
		},
		"TCN-38: the session is lost and stays lost": {
			set: map[string]any{"keepAlive": "never"}, class: fault.Transient, code: "session_lost",
		},
		"the token is not accepted": {
			order: func(o *providers.Order) { o.Agent.Token = "old" }, class: fault.Permanent, code: "unauthorized",
		},
		"the token is another agent's": {
			order: func(o *providers.Order) { o.Agent.Provider = "2098766" }, class: fault.Permanent, code: "wrong_agent",
		},
		"the time for it is over": {
			order: func(o *providers.Order) { o.NotAfter = time.Now().Add(-time.Second) },
			class: fault.Transient, code: "too_late",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tcnsim.Options{}, tc.shape)
			if tc.set != nil {
				r.set(tc.set)
			}
			o := order()
			if tc.order != nil {
				tc.order(&o)
			}
			_, touched, err := r.Prepare(r.within(5*time.Second), o)
			wantFault(t, err, tc.class, tc.code)
			if touched {
				t.Error("it says that TCN was touched")
			}
			r.wantAsked(tcn.OpPrepare, 0)
		})
	}
}

func TestAPreparationThatGoesWrong(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault sim.Fault
		class fault.Class
		code  string
	}{
		"TCN-47: PREPARED never comes": {
			fault: sim.Fault{Operation: tcn.OpPrepare, Mode: sim.HTTPStatus, Status: 200},
			class: fault.Transient, code: "prepare_timeout",
		},
		"the preparation breaks down": {
			fault: sim.Fault{Operation: tcn.OpPrepare, Mode: sim.HTTP500},
			class: fault.Transient, code: "provider_down",
		},
		"the preparation is refused": {
			fault: sim.Fault{Operation: tcn.OpPrepare, Mode: sim.HTTPStatus, Status: 400},
			class: fault.Transient, code: "prepare_refused",
		},
		"the scrub breaks down": {
			fault: sim.Fault{Operation: tcn.OpScrub, Mode: sim.HTTP500}, class: fault.Transient, code: "provider_down",
		},
		"the scrub's line is cut": {
			fault: sim.Fault{Operation: tcn.OpScrub, Mode: sim.Reset}, class: fault.Transient, code: "provider_down",
		},
		"the scrub is half an answer": {
			fault: sim.Fault{Operation: tcn.OpScrub, Mode: sim.BrokenJSON}, class: fault.Transient, code: "unreadable",
		},
		"the scrub is refused": {
			fault: sim.Fault{Operation: tcn.OpScrub, Mode: sim.HTTPStatus, Status: 422}, class: fault.Permanent, code: "status_422",
		},
		"the scrub answers with nothing": {
			fault: sim.Fault{Operation: tcn.OpScrub, Mode: sim.HTTPStatus, Status: 200}, class: fault.Permanent, code: "scrub_incomplete",
		},
		"the scrub is too much for it": {
			fault: sim.Fault{Operation: tcn.OpScrub, Mode: sim.HTTPStatus, Status: 429}, class: fault.Transient, code: "rate_limited",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tcnsim.Options{}, nil)
			r.fault(tc.fault)
			_, touched, err := r.Prepare(r.within(time.Second), order())
			wantFault(t, err, tc.class, tc.code)
			if !touched {
				t.Error("it says that TCN was not touched")
			}
			r.wantAsked(tcn.OpPrepare, 1)
			r.wantAsked(tcn.OpStart, 0)
		})
	}
}

func TestAPreparationThatGoesAStrangeWay(t *testing.T) {
	t.Parallel()
	t.Run("TCN-45: answered with the status, no look is needed", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{PrepareStatus: true}, nil)
		r.prepared(order())
		r.wantAsked(tcn.OpStatus, 1)
	})
	t.Run("TCN-45, 46: answered with {}, the status is looked at until it is PREPARED", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{}, nil)
		r.prepared(order())
		if r.asked(tcn.OpStatus) < 2 {
			t.Error("nobody looked")
		}
		r.wantAsked(tcn.OpScrub, 1)
	})
	t.Run("an answer that got lost is looked for, not asked for again", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{}, nil)
		r.fault(sim.Fault{Operation: tcn.OpPrepare, Mode: sim.AcceptThenReset})
		r.prepared(order())
		r.wantAsked(tcn.OpPrepare, 1)
	})
	t.Run("TCN-35: READY at the third look is soon enough", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{}, func(c *tcn.Config) { c.ReadyWait = 5 * time.Second })
		r.set(map[string]any{"status": "PAUSED"})
		done := make(chan error, 1)
		go func() {
			_, _, err := r.Prepare(r.within(5*time.Second), order())
			done <- err
		}()
		r.await("three looks", func() bool { return r.asked(tcn.OpStatus) >= 3 })
		r.set(map[string]any{"status": "READY"})
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Run("TCN-35: never READY ends with the wait", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{}, func(c *tcn.Config) { c.ReadyWait = 40 * time.Millisecond })
		r.set(map[string]any{"status": "PAUSED"})
		began := time.Now()
		_, _, err := r.Prepare(r.within(5*time.Second), order())
		wantFault(t, err, fault.Transient, "agent_not_ready")
		if took := time.Since(began); took < 40*time.Millisecond || took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
	})
	t.Run("TCN-38: a lost session is opened again, once", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{}, nil)
		r.set(map[string]any{"keepAlive": false})
		o := r.prepared(order())
		r.wantAsked(tcn.OpSession, 1)
		if s := o.Scrub.State["sessionSid"]; s == sampleSession || s == "" {
			t.Errorf("it went on in session %q", s)
		}
	})
	t.Run("TCN-43: the paused flag beside READY does not decide", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{}, nil)
		r.set(map[string]any{"paused": true})
		r.prepared(order())
	})
	t.Run("TCN-27, 05, 04: a flat session and sids as numbers", func(t *testing.T) {
		t.Parallel()
		const big = "9007199254740993" // 2^53 + 1
		r := newRig(t, tcnsim.Options{FlatSession: true, NumericSids: true, Agents: []tcnsim.Agent{{
			AgentSid: big, VoiceSessionSid: "9007199254740995",
		}}}, nil)
		o := order()
		o.Agent.Token, o.Agent.Provider, o.Agent.Session = "token-"+big, big, ""
		o = r.prepared(o)
		if o.Scrub.State["agentSid"] != big || o.Scrub.State["sessionSid"] != "9007199254740995" {
			t.Errorf("got %q, %q", o.Scrub.State["agentSid"], o.Scrub.State["sessionSid"])
		}
	})
	t.Run("TCN-03, 02: another hunt group, other settings", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{}, nil)
		o := r.prepared(order())
		if _, err := r.Withdraw(r.within(5*time.Second), o); err != nil {
			t.Fatal(err)
		}
		r.awaitState("READY")
		r.set(map[string]any{"huntGroupSid": "1045679"})
		second := r.prepared(order())
		sameObject(t, r.lastBody(tcn.OpSettings), []byte(`{"huntGroupSid":"1045679"}`))
		if second.Scrub.State["huntGroupSid"] != "1045679" || second.Scrub.State["agentSid"] != o.Scrub.State["agentSid"] {
			t.Errorf("got %v", second.Scrub.State)
		}
		r.wantAsked(tcn.OpSettings, 2)
		r.wantAsked(tcn.OpCountries, 1)
	})
	t.Run("the request may ask for no recording", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{}, nil)
		o := order()
		o.Recording = &events.RecordingAsk{On: false}
		r.prepared(o)
		call := object(t, r.lastBody(tcn.OpScrub))["call"].(map[string]any)
		if call["doRecord"] != "false" {
			t.Errorf("doRecord is %v", call["doRecord"])
		}
	})
	t.Run("TCN-11, 12, 13, 16: other settings, and booleans without quotes", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{Settings: map[string]map[string]any{sampleGroup: {
			"callRecording": false, "timezoneRestrictions": "FALSE", "scrubCellPhones": "TRUE",
		}}}, func(c *tcn.Config) { c.BareBooleans = true })
		o := r.prepared(order())
		call := object(t, r.lastBody(tcn.OpScrub))["call"].(map[string]any)
		if call["doRecord"] != false || call["useGlobalTimeZoneScrub"] != false || call["doCellPhoneScrub"] != true {
			t.Errorf("got %v", call)
		}
		if o.Scrub.State[events.VerdictPrefix+tcn.VerdictHours] != tcn.VerdictNotRun || o.Scrub.State[events.VerdictPrefix+tcn.VerdictCell] != tcn.VerdictOK {
			t.Errorf("got %v", o.Scrub.State)
		}
	})
}

func TestTheScrubsVerdict(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		deny  []string
		trust bool
		ok    bool
		said  map[string]string
	}{
		"TCN-49: all is well":      {ok: true, said: map[string]string{tcn.VerdictValidation: tcn.VerdictOK, tcn.VerdictDNC: tcn.VerdictOK}},
		"TCN-50, 52: do not call":  {deny: []string{"isDnclScrubOk"}, said: map[string]string{tcn.VerdictDNC: tcn.VerdictRefused}},
		"TCN-52: outside of hours": {deny: []string{"isTimeZoneScrubOk"}, said: map[string]string{tcn.VerdictHours: tcn.VerdictRefused}},
		"TCN-51: no verdict at all": {deny: []string{"missing:isDialValidationOk"},
			said: map[string]string{tcn.VerdictValidation: tcn.VerdictMissing}},
		"TCN-51: no verdict at all is a no though the connection trusts the whole": {deny: []string{"missing:isDialValidationOk"}, trust: true,
			said: map[string]string{tcn.VerdictValidation: tcn.VerdictMissing, tcn.VerdictDNC: tcn.VerdictOK}},
		"TCN-53: a partial no overrules the whole yes": {deny: []string{"partial:isDnclScrubOk"},
			said: map[string]string{tcn.VerdictValidation: tcn.VerdictOK, tcn.VerdictDNC: tcn.VerdictRefused}},
		"TCN-53: unless the connection trusts the whole": {deny: []string{"partial:isDnclScrubOk"}, trust: true, ok: true},
		"a partial verdict that is missing is a no":      {deny: []string{"missing:isDnclScrubOk"}, said: map[string]string{tcn.VerdictDNC: tcn.VerdictMissing}},
		"a scrub that was not run may be missing":        {deny: []string{"missing:isCellPhoneScrubOk"}, ok: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tcnsim.Options{}, func(c *tcn.Config) { c.TrustValidation = tc.trust })
			if err := r.sim.Script.Set(sim.Part{Number: "1234", Deny: tc.deny}); err != nil {
				t.Fatal(err)
			}
			scrub, touched, err := r.Prepare(r.within(5*time.Second), order())
			if err != nil || !touched {
				t.Fatalf("touched %v, %v", touched, err)
			}
			if scrub.OK != tc.ok {
				t.Errorf("verdicts %v: ok is %v", scrub.State, scrub.OK)
			}
			for k, v := range tc.said {
				if scrub.State[events.VerdictPrefix+k] != v {
					t.Errorf("%s is %q, want %q", k, scrub.State[events.VerdictPrefix+k], v)
				}
			}
			if tc.ok {
				return
			}
			o := order()
			o.Scrub = &scrub
			_, err = r.Start(r.within(5*time.Second), o)
			wantFault(t, err, fault.Permanent, "no_scrub")
			r.wantAsked(tcn.OpStart, 0)
			if _, err := r.Withdraw(r.within(5*time.Second), o); err != nil {
				t.Error(err)
			}
			r.wantAsked(tcn.OpCancel, 1)
		})
	}
}
