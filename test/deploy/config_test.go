package deploy

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/config/kinds"
	"github.com/outdial/outdial/services/compliance"
)

// The configuration that the containers get loads as they will load it.
func TestComposeConfiguration(t *testing.T) {
	t.Parallel()
	secrets := t.TempDir()
	orchestrator := project(t).Services["orchestrator"]
	for _, s := range orchestrator.Secrets {
		text := base64.StdEncoding.EncodeToString(make([]byte, 32))
		switch {
		case filepath.Base(s.Target) == "nats_nkey":
			kp, err := nkeys.CreateUser()
			if err != nil {
				t.Fatal(err)
			}
			seed, err := kp.Seed()
			if err != nil {
				t.Fatal(err)
			}
			text = string(seed)
		case s.Source == "valkey_url":
			text = "redis://:pass@valkey:6379/0"
		}
		name := s.Source
		if s.Target != "" {
			name = filepath.Base(s.Target)
		}
		if err := os.WriteFile(filepath.Join(secrets, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	here := func(s string) string { return strings.ReplaceAll(s, "/run/secrets", secrets) }
	env := func(name string) string {
		v := orchestrator.Environment[name]
		if v == nil {
			return ""
		}
		return here(*v)
	}
	cfg, err := config.Parse("outdial.yaml", []byte(here(string(read(t, "deploy", "compose", "outdial.yaml")))), env, config.Options{Kinds: kinds.All()})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.NATS.URL.Reveal() == "" || cfg.NATS.Monitor == "" || cfg.NATS.NKey == "" || !strings.Contains(cfg.Redis.URL.Reveal(), "valkey") {
		t.Error("the environment of the services does not reach their configuration")
	}
	if cfg.ProvidersLoopback() {
		t.Error("another container's simulator counts as this machine's")
	}
	sets, err := compliance.Rulesets(filepath.Join(root, "deploy", "compose", "rulesets"))
	if err != nil {
		t.Fatal(err)
	}
	for name, tenant := range cfg.Tenants {
		rs, ok := sets[tenant.Ruleset]
		if !ok {
			t.Errorf("tenant %s names rule set %s, which is not there", name, tenant.Ruleset)
		}
		// Approving is a person's act, not a repository's.
		if ok && rs.Approved() {
			t.Errorf("rule set %s comes approved", tenant.Ruleset)
		}
	}
}

// The program that examines containers tells well from ill.
func TestHealthcheck(t *testing.T) {
	t.Parallel()
	bin := filepath.Join(t.TempDir(), "healthcheck")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, filepath.Join(root, "deploy", "healthcheck", "main.go")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer srv.Close()
	run := func(args ...string) bool { return exec.CommandContext(t.Context(), bin, args...).Run() == nil }
	if !run(srv.URL + "/readyz") {
		t.Error("a ready service was found ill")
	}
	for _, args := range [][]string{{srv.URL + "/other"}, {"http://127.0.0.1:1/readyz"}, {}} {
		if run(args...) {
			t.Errorf("%v was found well", args)
		}
	}
}
