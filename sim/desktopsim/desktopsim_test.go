package desktopsim_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/desktopsim"
)

const (
	indian   = "+917702779401"
	american = "+16085550123"
)

func TestLivesOfCallsThroughTheHub(t *testing.T) { // WXC-09, 10, 18, 19, F9-08 to F9-11
	t.Parallel()
	for name, tc := range map[string]struct {
		kind   providers.Kind
		number string
		part   sim.Part
		want   string
	}{
		"Webex talks":        {providers.WebexCC, indian, sim.Part{}, "offered answered recording_started ended(completed) wrap_up wrapped_up ready"},
		"Webex holds":        {providers.WebexCC, american, sim.Part{Hold: true}, "offered answered recording_started held talking ended(completed) wrap_up wrapped_up ready"},
		"Webex, nobody home": {providers.WebexCC, indian, sim.Part{Outcome: sim.NoAnswer}, "offered ended(no_answer) ended(no_answer) wrapped_up ready"},
		"Webex, busy":        {providers.WebexCC, indian, sim.Part{Outcome: sim.Busy}, "offered ended(busy) ready"},
		"Webex, dropped":     {providers.WebexCC, indian, sim.Part{Outcome: sim.Fails}, "offered ended(provider_failed) ready"},
		"Five9 talks":        {providers.Five9, american, sim.Part{}, "ringing talking wrap_up wrapped_up ready"},
		"Five9 holds":        {providers.Five9, american, sim.Part{Hold: true}, "ringing talking held talking wrap_up wrapped_up ready"},
		"Five9, nobody home": {providers.Five9, american, sim.Part{Outcome: sim.NoAnswer}, "ringing ended(no_answer) wrapped_up ready"},
		"Five9, not placed":  {providers.Five9, american, sim.Part{Outcome: sim.Fails}, "ended(provider_failed) ready"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tc.kind)
			tc.part.Number = tc.number
			if err := r.sim.Script.Set(tc.part); err != nil {
				t.Fatal(err)
			}
			r.until("open ready")
			if err := r.dial(tc.number, "a1", soon); err != nil {
				t.Fatal(err)
			}
			story := r.until("ready")
			if story != tc.want {
				t.Errorf("got  %s\nwant %s", story, tc.want)
			}
			starts := r.starts()
			if len(starts) != 1 || starts[0].Number != tc.number || starts[0].Correlation != "a1" || starts[0].Agent != "agent4" {
				t.Fatalf("on the ledger: %+v", starts)
			}
			for _, o := range r.observations() {
				if o.Call != "" && (o.Customer != tc.number || !o.Manual || o.CallKey != starts[0].ProviderCall) {
					t.Errorf("%s is not tied to the call: customer %q, manual %v, key %q", o.Event, o.Customer, o.Manual, o.CallKey)
				}
			}
		})
	}
}

func TestTwoCallsOfOneOrganisationAreTwo(t *testing.T) { // WXC-15
	t.Parallel()
	r := newRig(t, providers.WebexCC)
	r.until("open ready")
	for _, attempt := range []string{"a1", "a2"} {
		if err := r.dial(indian, attempt, soon); err != nil {
			t.Fatal(err)
		}
		r.until("wrapped_up ready")
	}
	keys, shared := map[string]bool{}, map[string]bool{}
	for _, o := range r.observations() {
		if o.Call == events.Offered {
			keys[o.CallKey], shared[o.IDs["callId"]] = true, true
		}
	}
	if len(keys) != 2 || len(shared) != 1 {
		t.Errorf("calls %v, organisations %v", keys, shared)
	}
}

func TestAnAgentWhoIsNotReadyIsNotDialed(t *testing.T) { // WXC-02, F9-03, WXC-34
	t.Parallel()
	r := newRig(t, providers.Five9, func(c *desktopsim.Config) { c.NotReady = true })
	r.until("open not_ready")
	if err := r.dial(american, "a1", soon); fault.Of(err) != fault.Permanent || fault.Code(err) != "not_ready" {
		t.Errorf("got %v", err)
	}
	r.fleet.Desktop("agent4").SetReady(true, "")
	r.until("ready")
	if err := r.dial(american, "a2", soon); err != nil {
		t.Fatal(err)
	}
	if err := r.dial(american, "a3", soon); fault.Code(err) != "not_ready" {
		t.Errorf("a second call while one is under way: %v", err)
	}
	r.until("ready")
	if starts := r.starts(); len(starts) != 1 || starts[0].Correlation != "a2" {
		t.Errorf("on the ledger: %+v", starts)
	}
}

func TestAnOldWorkspaceIsNotReady(t *testing.T) { // WXC-36, F9-28
	t.Parallel()
	r := newRig(t, providers.WebexCC, func(c *desktopsim.Config) { c.Version = "3.20.9999" })
	r.until("open not_ready:unsupported_version")
}

func TestWhatGoesWrongWithARequest(t *testing.T) { // WXC-33, F9-30, X-03
	t.Parallel()
	for name, tc := range map[string]struct {
		mode   sim.Mode
		class  fault.Class
		code   string
		starts int
		events bool
	}{
		"taken, and never acknowledged":        {sim.AcceptThenSilent, fault.Uncertain, "no_reply", 1, true},
		"acknowledged when nobody waits":       {sim.Late, fault.Uncertain, "no_reply", 1, true},
		"neither taken nor answered":           {sim.Silent, fault.Uncertain, "no_reply", 0, false},
		"the socket is cut before":             {sim.Reset, fault.Uncertain, "socket_lost", 0, false},
		"the socket is cut after it was taken": {sim.AcceptThenReset, fault.Uncertain, "socket_lost", 1, true},
		"refused":                              {sim.HTTP500, fault.Permanent, "refused", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, providers.Five9)
			r.until("open ready")
			r.fault(sim.Fault{Operation: desktopsim.OpRequest, Mode: tc.mode, Delay: sim.Duration(time.Minute)})
			err := r.dial(american, "a1", 200*time.Millisecond)
			if err == nil || fault.Of(err) != tc.class || fault.Code(err) != tc.code {
				t.Errorf("got %v, want %s %s", err, tc.class, tc.code)
			}
			if tc.events {
				r.count("wrapped_up", 1)
				if story := r.until("ready"); strings.Count(story, " ready") != 1 {
					t.Errorf("ready amid the call: %s", story)
				}
			}
			if starts := r.starts(); len(starts) != tc.starts {
				t.Errorf("%d starts on the ledger, want %d", len(starts), tc.starts)
			}
		})
	}
}

func TestADoubleYesIsOneCall(t *testing.T) {
	t.Parallel()
	r := newRig(t, providers.Five9)
	r.until("open ready")
	r.fault(sim.Fault{Operation: desktopsim.OpRequest, Mode: sim.Double})
	if err := r.dial(american, "a1", soon); err != nil {
		t.Fatal(err)
	}
	r.until("wrapped_up ready")
	if len(r.starts()) != 1 {
		t.Errorf("on the ledger: %+v", r.starts())
	}
}

func TestACallThatIsNeverHeardOf(t *testing.T) { // WXC-33
	t.Parallel()
	r := newRig(t, providers.WebexCC)
	r.until("open ready")
	r.fault(sim.Fault{Operation: desktopsim.OpCall, Mode: sim.Silent})
	if err := r.dial(indian, "a1", soon); err != nil {
		t.Fatal(err)
	}
	if story := r.until("ready"); story != "ready" {
		t.Errorf("heard %q", story)
	}
	if len(r.starts()) != 1 || r.sim.Ledger().Count(sim.Answer, "agent4") != 1 {
		t.Errorf("the second witness saw %+v", r.sim.Ledger().Entries())
	}
}

func TestWhatGoesWrongWithEvents(t *testing.T) { // WXC-35, X-05
	t.Parallel()
	const whole = "offered answered recording_started ended(completed) wrap_up wrapped_up ready"
	for name, tc := range map[string]struct {
		mode  sim.Mode
		count int
		want  string
	}{
		"everything twice":       {sim.Double, sim.Forever, "offered offered answered answered recording_started recording_started ended(completed) ended(completed) wrap_up wrap_up wrapped_up wrapped_up ready"},
		"the first is lost":      {sim.Lost, 1, strings.TrimPrefix(whole, "offered ")},
		"the answer is lost too": {sim.Lost, 2, "talking recording_started ended(completed) wrap_up wrapped_up ready"}, // WXC-26
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, providers.WebexCC)
			r.until("open ready")
			r.fault(sim.Fault{Operation: desktopsim.OpEvent, Mode: tc.mode, Count: tc.count})
			if err := r.dial(indian, "a1", soon); err != nil {
				t.Fatal(err)
			}
			if story := r.until("ready"); story != tc.want {
				t.Errorf("got  %s\nwant %s", story, tc.want)
			}
		})
	}
}

func TestACutSocketLosesNoEvent(t *testing.T) {
	t.Parallel()
	r := newRig(t, providers.WebexCC)
	r.until("open ready")
	r.fault(sim.Fault{Operation: desktopsim.OpEvent, Mode: sim.Reset, Count: 3})
	if err := r.dial(indian, "a1", soon); err != nil {
		t.Fatal(err)
	}
	r.count("wrapped_up", 1)
	r.until("ready")
	var calls []string
	for _, o := range r.observations() { // what was sent again is a repeat, not a loss
		if word := string(o.Call); word != "" && !slices.Contains(calls, word) {
			calls = append(calls, word)
		}
	}
	if got := strings.Join(calls, " "); got != "offered answered recording_started ended wrap_up wrapped_up" {
		t.Errorf("got %s", got)
	}
	if len(r.starts()) != 1 {
		t.Errorf("a resumed socket dialed again: %+v", r.starts())
	}
}

func TestWhatWasNotStoredIsSentAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, providers.Five9)
	r.until("open ready")
	r.mu.Lock()
	r.failing = 2
	r.mu.Unlock()
	if err := r.dial(american, "a1", soon); err != nil {
		t.Fatal(err)
	}
	r.count("wrapped_up", 1)
	r.until("ready")
	var calls []string
	for _, o := range r.observations() {
		if o.Call != "" {
			calls = append(calls, string(o.Call))
		}
	}
	if got := strings.Join(calls, " "); got != "ringing talking wrap_up wrapped_up" {
		t.Errorf("got %s: each was stored once, and in order", got)
	}
}

func TestACallThatIsNotOurs(t *testing.T) { // WXC-20, I4
	t.Parallel()
	for _, kind := range []providers.Kind{providers.WebexCC, providers.Five9} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, kind)
			r.until("open ready")
			api := httptest.NewServer(r.sim.Management())
			defer api.Close()
			res, err := http.Post(api.URL+"/sim/agents/"+string(kind)+"/agent4", "application/json", strings.NewReader(`{"call":"`+american+`"}`))
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusOK {
				t.Fatalf("status %d", res.StatusCode)
			}
			r.until("foreign:wrapped_up ready")
			for _, o := range r.observations() {
				if o.Call != "" && o.Manual {
					t.Errorf("%s was taken for ours", o.Event)
				}
			}
			if len(r.starts()) != 0 {
				t.Error("a call nobody asked for is on the ledger as a start")
			}
			http.DefaultClient.CloseIdleConnections()
		})
	}
}

func TestTheManagementKnowsTheDesktops(t *testing.T) {
	t.Parallel()
	r := newRig(t, providers.Five9)
	r.until("open ready")
	if a := r.sim.Agents(); len(a) != 1 || a[0].State != "ready" || a[0].Session == "" || a[0].Provider != "five9" {
		t.Errorf("agents %+v", a)
	}
	if err := r.fleet.Set("agent4", map[string]any{"status": "not_ready", "reason": "lunch"}); err != nil {
		t.Fatal(err)
	}
	r.until("not_ready:lunch")
	if err := r.fleet.Set("agent4", map[string]any{"disconnect": true}); err != nil {
		t.Fatal(err)
	}
	r.until("closed:lost open not_ready:lunch")
	for _, change := range []map[string]any{{"status": "asleep"}, {"call": "911"}, {"mood": "good"}} {
		if err := r.fleet.Set("agent4", change); err == nil {
			t.Errorf("%v was accepted", change)
		}
	}
	if err := r.fleet.Set("nobody", nil); err == nil {
		t.Error("a stranger was accepted")
	}
	if _, err := r.fleet.Add(r.config); err == nil {
		t.Error("an agent has two desktops in one fleet")
	}
}

func TestASecondDesktopTakesTheSeat(t *testing.T) {
	t.Parallel()
	r := newRig(t, providers.Five9)
	r.until("open ready")
	second, err := desktopsim.New(r.sim, withKind(r.config, providers.Five9))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- second.Run(t.Context()) }()
	r.until("closed:replaced open ready")
	// The bridge records it before the desktop hears.
	for deadline := time.Now().Add(soon); r.fleet.Desktop("agent4").Status().Stopped != "replaced"; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the first desktop: %+v", r.fleet.Desktop("agent4").Status())
		}
	}
	third, err := desktopsim.New(r.sim, withKind(r.config, providers.Five9))
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = third.Run(t.Context()) }()
	select {
	case err := <-done:
		if err == nil {
			t.Error("a desktop that was replaced thinks all is well")
		}
	case <-time.After(soon):
		t.Error("a desktop that was replaced does not stop")
	}
}

func withKind(c desktopsim.Config, k providers.Kind) desktopsim.Config {
	c.Kind = k
	return c
}

func TestAWrongConfigNamesAllItsFaults(t *testing.T) {
	t.Parallel()
	s, err := sim.New(sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = desktopsim.New(s, desktopsim.Config{Kind: providers.TCN, URL: "ftp://x"})
	for _, word := range []string{"kind", "connection", "agent", "scheme"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%v does not name %s", err, word)
		}
	}
}
