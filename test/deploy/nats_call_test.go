package deploy

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outdial/outdial/internal/clock"
	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/config/kinds"
	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/internal/runtime/keycheck"
	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/internal/telemetry"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/services/compliance"
	"github.com/outdial/outdial/services/dialer"
	bridge "github.com/outdial/outdial/services/events-bridge"
	"github.com/outdial/outdial/services/orchestrator"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/tcnsim"
)

// lines is a log that several services write to.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// company is a simulated TCN on this machine.
func company(t *testing.T) string {
	t.Helper()
	s, err := sim.New(sim.Options{Seed: 1, Pace: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	// Phases longer than the bridge's polls, or it would not see them.
	long := sim.Duration(500 * time.Millisecond)
	if err := s.Script.Set(sim.Part{Number: "*", Ring: long, Talk: long, Wrap: long}); err != nil {
		t.Fatal(err)
	}
	tcn, err := tcnsim.New(s, tcnsim.Options{Agents: tcnsim.Agents(1)})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(tcn)
	t.Cleanup(func() {
		srv.Close()
		_ = s.Close()
	})
	return srv.URL
}

// setup is what a container's service has: the shipped configuration, its own
// key and nobody else's.
func (s *shipped) setup(t *testing.T, user, provider string, log *lines) runtime.Setup {
	t.Helper()
	dir := t.TempDir()
	seed, err := s.keys[user].Seed()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"nats_nkey": seed, "tcn_token": []byte("token-2098765"),
		"tenant_acme": []byte(base64.StdEncoding.EncodeToString(make([]byte, 32)))} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := strings.NewReplacer("/run/secrets", dir, "http://simulator:9101", provider).
		Replace(string(read(t, "deploy", "compose", "outdial.yaml")))
	env := map[string]string{
		"OUTDIAL_NATS_STATE": t.TempDir(), "OUTDIAL_NATS_URL": s.srv.ClientURL(), "OUTDIAL_NATS_MONITOR": "http://127.0.0.1:8222",
		"OUTDIAL_TIMING_BRIDGE_POLL_EVERY": "50ms",
		"OUTDIAL_NATS_NKEY":                filepath.Join(dir, "nats_nkey"),
		"OUTDIAL_RULESETS_DIR":             filepath.Join(root, "deploy", "compose", "rulesets"),
	}
	cfg, err := config.Parse("outdial.yaml", []byte(text), func(name string) string { return env[name] }, config.Options{Kinds: kinds.All()})
	if err != nil {
		t.Fatal(err)
	}
	tele, err := telemetry.Start(t.Context(), telemetry.Config{Service: user, LogTo: log, Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	// The server of a test has no monitoring to see fsync by; TestNATSSettings
	// looks at its configuration instead.
	return runtime.Setup{Config: cfg, Version: runtime.Version(), Unsafe: true, Telemetry: tele}
}

// keyed puts the check value of the tenant's key on record, as provision does.
func (s *shipped) keyed(t *testing.T, provider string, log *lines) {
	t.Helper()
	js, none := s.stream(t, "provision"), keycheck.Accept{}
	fresh, err := keycheck.Examine(within(t, 5*time.Second), js, s.setup(t, "provision", provider, log).Keys(), none)
	if err == nil {
		err = keycheck.Write(within(t, 5*time.Second), js, fresh, none)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// start runs the four services under their own users until the test ends.
func (s *shipped) start(t *testing.T, log *lines) {
	t.Helper()
	provider := company(t)
	s.keyed(t, provider, log)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	t.Cleanup(func() {
		stop()
		wg.Wait()
	})
	for service, run := range map[string]func(runtime.Setup, *runtime.Host) error{
		"orchestrator": func(p runtime.Setup, h *runtime.Host) error {
			return orchestrator.Run(ctx, h, orchestrator.Options(p, sessions.NewMemory(nil)))
		},
		"compliance": func(p runtime.Setup, h *runtime.Host) error {
			c, err := compliance.Options(p)
			if err != nil {
				return err
			}
			return compliance.Run(ctx, h, c)
		},
		"dialer": func(p runtime.Setup, h *runtime.Host) error { return dialer.Run(ctx, h, dialer.Options(p)) },
		"events-bridge": func(p runtime.Setup, h *runtime.Host) error {
			return bridge.Run(ctx, h, bridge.Options(p, http.NewServeMux()))
		},
	} {
		user := strings.TrimPrefix(service, "events-")
		p := s.setup(t, user, provider, log)
		h, err := p.Host(within(t, 10*time.Second), service)
		if err != nil {
			t.Fatalf("%s: %v", service, err)
		}
		wg.Go(func() {
			defer h.Close()
			if err := run(p, h); err != nil && ctx.Err() == nil {
				t.Errorf("%s: %v", service, err)
			}
		})
	}
}

// A whole call, from a tenant's own account to its outcome, under the shipped
// permissions: nothing that any service does on the way is refused.
func TestNATSCarriesAWholeCall(t *testing.T) {
	s := ship(t)
	// A Tuesday morning in Utah, where the number is.
	if _, err := clock.Fix(within(t, 5*time.Second), s.stream(t, "provision"), time.Date(2026, 3, 3, 18, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	var log lines
	s.start(t, &log)
	acme := s.as(t, "acme")
	closed, err := acme.SubscribeSync("calls.acme.*.orchestrator.closed")
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(events.DialRequest{To: "+14355551001", Agent: "2098765",
		Metadata: []events.KeyValue{{Key: "Account", Value: "ABC1234"}, {Key: "Zip Code", Value: "84770"}}})
	if err != nil {
		t.Fatal(err)
	}
	request := &nats.Msg{Subject: events.RequestSubject("acme"), Data: body, Header: nats.Header{
		"ce-specversion": {"1.0"}, "ce-id": {"1"}, "ce-source": {"/crm"}, "ce-type": {events.TypeDialRequested}, "ce-datacontenttype": {"application/json"}}}
	if _, err := acme.RequestMsg(request, 5*time.Second); err != nil {
		t.Fatalf("the request is not acknowledged: %v", err)
	}
	m, err := closed.NextMsg(30 * time.Second)
	if err != nil {
		t.Fatalf("the call is not closed: %v\n%s", err, log.String())
	}
	var end events.CallClosed
	if err := json.Unmarshal(m.Data, &end); err != nil || end.Outcome != events.OutcomeCompleted {
		t.Errorf("the call ended %s, %s (%v)", end.Outcome, end.Reason, err)
	}
	call := strings.Split(m.Subject, ".")[2]
	answer, err := acme.Request(events.ServiceSubject("acme", "call", "get"), []byte(`{"call":"`+call+`"}`), 5*time.Second)
	if err != nil || answer.Header.Get("Nats-Service-Error-Code") != "" {
		t.Errorf("the tenant cannot ask about its call: %v", err)
	}
	if refused := "NATS refused"; strings.Contains(log.String(), refused) {
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, refused) {
				t.Error(strings.TrimSpace(line))
			}
		}
	}
}
