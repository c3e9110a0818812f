package tcn_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/tcn"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/tcnsim"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	r := newRig(t, tcnsim.Options{}, nil)
	session, ids, err := r.Open(r.within(5*time.Second), agentRef())
	if err != nil || session != sampleSession {
		t.Fatalf("TCN-26: session %q, %v", session, err)
	}
	want := map[string]string{ // TCN-01, 02, 25; TCN-06: no partner id
		"agentSid": sampleAgent, "clientSid": "2000123", "huntGroupSid": sampleGroup,
		"asmSessionSid": "20003456", "voiceSessionSid": sampleSession,
	}
	if d := cmp.Diff(want, ids); d != "" {
		t.Error(d)
	}
	bad := agentRef()
	bad.Token = "wrong"
	_, ids, err = r.Open(r.within(5*time.Second), bad)
	wantFault(t, err, fault.Permanent, "unauthorized")
	if ids == nil {
		t.Error("nil ids are never returned")
	}
}

func TestPoll(t *testing.T) {
	t.Parallel()
	t.Run("TCN-33, 37: the status as it came, keeping the session alive", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{}, nil)
		status, body, err := r.Poll(r.within(5*time.Second), agentRef())
		if err != nil || status != 200 || object(t, body)["statusDesc"] != "READY" {
			t.Errorf("got %d %s, %v", status, body, err)
		}
		sameObject(t, r.lastBody(tcn.OpStatus), []byte(`{"sessionSid":"50006789","performKeepAlive":"true"}`))
	})
	t.Run("a credential that is refused", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{}, nil)
		r.set(map[string]any{"token": "another"})
		status, _, err := r.Poll(r.within(5*time.Second), agentRef())
		wantFault(t, err, fault.Permanent, "unauthorized")
		if status != 401 {
			t.Errorf("status %d", status)
		}
	})
	t.Run("without a session nothing is asked", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{}, nil)
		a := agentRef()
		a.Session = ""
		_, _, err := r.Poll(r.within(5*time.Second), a)
		wantFault(t, err, fault.Transient, "no_session")
		r.wantAsked(tcn.OpStatus, 0)
	})
	t.Run("a server error is to be asked again", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{}, nil)
		r.fault(sim.Fault{Operation: tcn.OpStatus, Mode: sim.HTTP500})
		_, _, err := r.Poll(r.within(5*time.Second), agentRef())
		wantFault(t, err, fault.Transient, "provider_down")
	})
	t.Run("a session that is not known is for the reader", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{}, nil)
		r.fault(sim.Fault{Operation: tcn.OpStatus, Mode: sim.HTTPStatus, Status: 404})
		if status, _, err := r.Poll(r.within(5*time.Second), agentRef()); err != nil || status != 404 {
			t.Errorf("got %d, %v", status, err)
		}
	})
	t.Run("TCN-39: a slow scrub keeps nobody's keepalive waiting", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{}, nil)
		r.fault(sim.Fault{Operation: tcn.OpScrub, Mode: sim.Late, Delay: sim.Duration(time.Second)})
		done := make(chan error, 1)
		go func() {
			_, _, err := r.Prepare(r.within(5*time.Second), order())
			done <- err
		}()
		r.await("the scrub", func() bool { return r.asked(tcn.OpScrub) == 1 })
		for range 2 {
			if _, _, err := r.Poll(r.within(5*time.Second), agentRef()); err != nil {
				t.Error(err)
			}
		}
		select {
		case err := <-done:
			t.Errorf("the scrub was over before: %v", err)
		default:
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestSettings(t *testing.T) {
	t.Parallel()
	t.Run("TCN-08, 17 to 22, 28: as in the document", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{}, nil)
		got, err := r.Settings(r.within(5*time.Second), agentRef())
		if err != nil {
			t.Fatal(err)
		}
		raw := got.Raw
		got.Raw = nil
		want := providers.Settings{
			Enabled: true, RequiredMetadata: []string{"Account Number"}, Aliases: aliased(), TotalDigits: 10,
			Overrides: map[string]bool{"cell_phone": false, "calling_rules": false, "dnc": false,
				"calling_hours": false, "natural_compliance": false},
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		for k, v := range map[string]string{
			"enabled": "true", "useTimezoneValidationZip": "true", "enableManualDialDataDip": "false",
			"defaultCallerId": "8667451900", "agentOverrideDncl": "false",
		} {
			if raw[k] != v {
				t.Errorf("%s is %q, want %q", k, raw[k], v)
			}
		}
	})
	t.Run("TCN-09, 20: other flags, and a group of settings nobody asked about", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, tcnsim.Options{Settings: map[string]map[string]any{
			sampleGroup: {"agentOverrideDncl": true, "agentOverrideTimezone": "1", "randomCallerIdBucket": 7},
		}}, nil)
		got, err := r.Settings(r.within(5*time.Second), agentRef())
		if err != nil || !got.Overrides[tcn.VerdictDNC] || !got.Overrides[tcn.VerdictHours] || got.Overrides[tcn.VerdictCell] {
			t.Errorf("got %v, %v", got.Overrides, err)
		}
		if got.Raw["randomCallerIdBucket"] != "7" {
			t.Errorf("TCN-19: bucket %q", got.Raw["randomCallerIdBucket"])
		}
	})
}

// The three texts that are not JSON, and worse, as answers to every question.
func TestAnswersThatAreNotJSON(t *testing.T) {
	t.Parallel()
	bodies := map[string]string{
		"settings with <snip>":        string(sample(t, "02-get-hunt-group-settings.response.raw")),
		"countries without a brace":   string(sample(t, "04-list-countries.response.raw")),
		"a page of a load balancer":   "<html>Please call 4355551234</html>",
		"an empty body":               "",
		"a list":                      "[]",
		"an object of nothing we ask": `{"unexpected": true}`,
		"a sid that is a fraction":    `{"agentSid": 1.5, "clientSid": {}, "manualDial": []}`,
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(body))
			}))
			defer srv.Close()
			c := tcn.New(tcn.Config{BaseURL: srv.URL}, nil)
			defer c.Close()
			_, _, openErr := c.Open(t.Context(), agentRef())
			_, setErr := c.Settings(t.Context(), agentRef())
			_, touched, prepErr := c.Prepare(t.Context(), order())
			for _, err := range []error{openErr, setErr, prepErr} {
				wantFault(t, err, fault.Transient, "unreadable")
				if err != nil && strings.Contains(err.Error(), "4355551234") {
					t.Errorf("the error quotes the answer: %v", err)
				}
			}
			if touched {
				t.Error("touched")
			}
		})
	}
}
