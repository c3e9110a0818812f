package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/outdial/outdial/internal/config"
)

var fresh = strings.Replace(small, "secrets/acme.key", "./keys/new.key", 1)

func TestAMissingKeyIsMadeOnTheFirstStart(t *testing.T) {
	t.Parallel()
	dir := home(t)
	first := parse(t, fresh, nil, dir)
	info, err := os.Stat(filepath.Join(dir, "keys/new.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the key's file: %v, %v", info, err)
	}
	if len(first.Key("acme")) != 32 || len(first.Made) != 1 || len(first.Warnings) != 0 {
		t.Errorf("made %v, warnings %v", first.Made, first.Warnings)
	}
	second := parse(t, fresh, nil, dir)
	if string(second.Key("acme")) != string(first.Key("acme")) || len(second.Made) != 0 {
		t.Error("the second start has another key")
	}
	if other := parse(t, fresh, nil, home(t)); string(other.Key("acme")) == string(first.Key("acme")) {
		t.Error("two installations have one key")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "keys/.*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestServicesThatStartAtOnceAgreeOnOneKey(t *testing.T) {
	t.Parallel()
	dir := home(t)
	var wg sync.WaitGroup
	keys := make([]string, 8)
	for i := range keys {
		wg.Go(func() {
			cfg, err := config.Parse("", []byte(fresh), environment(nil), options(dir))
			if err != nil {
				t.Error(err)
				return
			}
			keys[i] = string(cfg.Key("acme"))
		})
	}
	wg.Wait()
	for _, k := range keys {
		if k != keys[0] || k == "" {
			t.Fatal("they disagree")
		}
	}
}

// elsewhere is a server of its own, on this machine.
var elsewhere = map[string]string{"OUTDIAL_NATS_URL": "nats://127.0.0.1:4222", "OUTDIAL_NATS_MONITOR": "http://127.0.0.1:8222"}

// One command begins an installation: it makes the keys and the streams.
func TestProvisionMakesTheKeyForAServerElsewhere(t *testing.T) {
	t.Parallel()
	dir := home(t)
	o := options(dir)
	o.Provision = true
	cfg, err := config.Parse("", []byte(fresh), environment(elsewhere), o)
	if err != nil || len(cfg.Made) != 1 {
		t.Fatalf("made nothing: %v", err)
	}
	service, err := config.Parse("", []byte(fresh), environment(elsewhere), options(dir))
	if err != nil || string(service.Key("acme")) != string(cfg.Key("acme")) {
		t.Errorf("a service afterwards: %v", err)
	}
}

func TestAKeyIsNotMadeWhereItWouldDoHarm(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		text string
		env  map[string]string
		look bool
		seen string // folder of the store that exists
		want string
	}{
		"by a command that only looks":                       {text: fresh, look: true, want: "the first `outdial up` makes it"},
		"by a command that only looks at a server elsewhere": {text: fresh, look: true, env: elsewhere, want: "`outdial provision` makes it"},
		"by a service of a server elsewhere":                 {text: fresh, env: elsewhere, want: "run `outdial provision` first"},
		"by a door that the environment opened": {text: fresh, env: map[string]string{"OUTDIAL_HTTP_LISTEN": ":8080"},
			want: "only where everything is on loopback"},
		"over a log that knows the tenant": {text: fresh, seen: "data/nats/jetstream/$G/streams/REQUESTS_acme",
			want: "bring the old key back"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := home(t)
			if tc.seen != "" {
				if err := os.MkdirAll(filepath.Join(dir, tc.seen), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			o := options(dir)
			o.ReadOnly = tc.look
			_, err := config.Parse("", []byte(tc.text), environment(tc.env), o)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v", err)
			}
			if _, err := os.Stat(filepath.Join(dir, "keys")); err == nil {
				t.Error("something was made")
			}
		})
	}
}

func TestANewTenantBesideOldOnesGetsAKey(t *testing.T) {
	t.Parallel()
	dir := home(t)
	if err := os.MkdirAll(filepath.Join(dir, "data/nats/jetstream/$G/streams/REQUESTS_globex"), 0o700); err != nil {
		t.Fatal(err)
	}
	if cfg := parse(t, fresh, nil, dir); len(cfg.Made) != 1 {
		t.Errorf("made %v", cfg.Made)
	}
}

func TestTwoNamesOfOneMissingKeyFileAreOneKey(t *testing.T) {
	t.Parallel()
	dir := home(t)
	if err := os.MkdirAll(filepath.Join(dir, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("keys", filepath.Join(dir, "same")); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(fresh, "connections:",
		"  globex: {countries: [US], ruleset: us-federal, key: {file: same/new.key}}\nconnections:", 1)
	_, err := config.Parse("", []byte(text), environment(nil), options(dir))
	if err == nil || !strings.Contains(err.Error(), "is the key of tenant acme too") {
		t.Errorf("got %v", err)
	}
}

func TestASecretThatOthersCanReadIsAWarning(t *testing.T) {
	t.Parallel()
	for mode, warned := range map[os.FileMode]bool{
		0o400: false, 0o600: false, 0o640: false, 0o644: true, 0o660: true, 0o700: true,
	} {
		dir := home(t)
		if err := os.Chmod(filepath.Join(dir, "secrets/acme.key"), mode); err != nil {
			t.Fatal(err)
		}
		cfg := parse(t, small, nil, dir)
		if got := len(cfg.Warnings) == 1 && strings.HasPrefix(cfg.Warnings[0], "tenants.acme.key: "); got != warned {
			t.Errorf("%04o: warnings %v", mode, cfg.Warnings)
		}
	}
}
