package tcnsim_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/tcnsim"
)

func TestTCNPlaysACallOnVirtualTime(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		part   sim.Part
		states []string
		sip    string
		ledger []sim.Kind
	}{
		"a talk": {
			sim.Part{}, []string{"OUTBOUND_LOCKED", "PEERED", "WRAPUP", "READY"}, "0",
			[]sim.Kind{sim.Prepare, sim.Scrub, sim.Start, sim.Ring, sim.Answer, sim.Talk, sim.End, sim.Wrap, sim.Ready},
		},
		"a talk with a hold": {
			sim.Part{Hold: true}, []string{"OUTBOUND_LOCKED", "PEERED", "PEERED_WITH_CALL_ON_HOLD", "PEERED", "WRAPUP", "READY"}, "0",
			[]sim.Kind{sim.Prepare, sim.Scrub, sim.Start, sim.Ring, sim.Answer, sim.Talk, sim.Hold, sim.End, sim.Wrap, sim.Ready},
		},
		"nobody answers": {
			sim.Part{Outcome: sim.NoAnswer}, []string{"OUTBOUND_LOCKED", "WRAPUP", "READY"}, "480",
			[]sim.Kind{sim.Prepare, sim.Scrub, sim.Start, sim.Ring, sim.End, sim.Wrap, sim.Ready},
		},
		"busy": {
			sim.Part{Outcome: sim.Busy}, []string{"OUTBOUND_LOCKED", "WRAPUP", "READY"}, "486",
			[]sim.Kind{sim.Prepare, sim.Scrub, sim.Start, sim.Ring, sim.End, sim.Wrap, sim.Ready},
		},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			c := sim.NewManualClock(time.Date(2024, 1, 1, 23, 0, 0, 0, time.UTC))
			path := filepath.Join(t.TempDir(), "ledger.jsonl")
			d := open(t, sim.Options{Clock: c, LedgerPath: path}, tcnsim.Options{})
			tc.part.Number = "1234"
			if err := d.sim.Script.Set(tc.part); err != nil {
				t.Fatal(err)
			}
			if got := d.want(200, tcnsim.OpStatus, mySession)["lastStatusChange"]; got != "1704150000000" {
				t.Errorf("TCN-41: lastStatusChange %v", got)
			}
			d.want(200, tcnsim.OpPrepare, mySession)
			d.want(400, tcnsim.OpPrepare, mySession)
			c.Step()
			call := d.want(200, tcnsim.OpScrub, sample(t, "07-process-compliance.filled.request.json"))["scrubbedCall"].(map[string]any)
			d.want(200, tcnsim.OpStart, strings.NewReplacer("234567890", call["callSid"].(string), "765432", call["taskGroupSid"].(string)).
				Replace(sample(t, "09-start-manual-dial.filled.request.json")))
			var states []string
			for range tc.states {
				c.Step()
				got := d.want(200, tcnsim.OpStatus, mySession)
				states = append(states, got["statusDesc"].(string))
				if got["statusDesc"] == "WRAPUP" && got["lastSipCode"] != tc.sip {
					t.Errorf("SIP code %v, want %s", got["lastSipCode"], tc.sip)
				}
			}
			if diff := cmp.Diff(tc.states, states); diff != "" {
				t.Error(diff)
			}
			entries, err := sim.ReadLedger(path)
			if err != nil {
				t.Fatal(err)
			}
			var kinds []sim.Kind
			for _, e := range entries {
				kinds = append(kinds, e.Kind)
				if e.Kind != sim.Prepare && (e.Number != "+14355551234" || e.ProviderCall != call["callSid"] || e.Correlation != "ABC1234") {
					t.Errorf("entry %+v", e)
				}
			}
			if diff := cmp.Diff(tc.ledger, kinds); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTCNAgentsAndSessions(t *testing.T) {
	t.Parallel()
	d := open(t, sim.Options{}, tcnsim.Options{Agents: tcnsim.Agents(3)})
	t.Run("each token is its own agent", func(t *testing.T) {
		for _, sid := range []string{"2098765", "2098766", "2098767"} {
			status, b := d.post(tcnsim.OpAgent, "token-"+sid, []byte(`{}`))
			if status != 200 || !strings.Contains(string(b), `"agentSid":"`+sid+`"`) {
				t.Errorf("%s: %d %s", sid, status, b)
			}
		}
	})
	t.Run("TCN-38: a lost session ends with a new one", func(t *testing.T) {
		if err := d.tcn.Set("2098765", map[string]any{"keepAlive": false}); err != nil {
			t.Fatal(err)
		}
		if got := d.want(200, tcnsim.OpStatus, mySession)["keepAliveSucceeded"]; got != false {
			t.Errorf("keepalive %v", got)
		}
		fresh := d.want(200, tcnsim.OpSession, `{}`)["voiceSession"].(map[string]any)["voiceSessionSid"].(string)
		if got := d.want(200, tcnsim.OpStatus, `{"sessionSid":"`+fresh+`"}`)["keepAliveSucceeded"]; got != true || fresh == "50006789" {
			t.Errorf("session %s, keepalive %v", fresh, got)
		}
	})
	t.Run("W3: a preparation in a wrong session ends in wrap-up", func(t *testing.T) {
		if status, _ := d.post(tcnsim.OpPrepare, "token-2098766", []byte(`{"sessionSid":"20003457"}`)); status != 200 {
			t.Errorf("%d", status)
		}
		if got := d.tcn.Agents()[1].State; got != "WRAPUP" {
			t.Errorf("the agent is %s", got)
		}
	})
	t.Run("somebody calls the agent", func(t *testing.T) {
		if err := d.tcn.Set("2098767", map[string]any{"inbound": true}); err != nil {
			t.Fatal(err)
		}
		if a := d.tcn.Agents()[2]; a.State != "PEERED" || d.sim.Ledger().Count(sim.Start, a.Agent) != 0 {
			t.Errorf("%+v", a)
		}
	})
	t.Run("two agents cannot share a token", func(t *testing.T) {
		if _, err := tcnsim.New(d.sim, tcnsim.Options{Agents: []tcnsim.Agent{{}, {}}}); err == nil {
			t.Error("they do")
		}
	})
}
