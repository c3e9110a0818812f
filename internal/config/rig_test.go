package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/config/kinds"
)

// Keys of tenants, as openssl prints them.
const (
	acmeKey   = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	globexKey = "/////////////////////////////////////////w8="
)

// environment is what tests have instead of the process's own.
func environment(more map[string]string) func(string) string {
	env := map[string]string{
		"TCN_TOKEN": "token-2098765", "OTHER_TOKEN": "token-2098766", "DESK_TOKEN": "desk",
		"GLOBEX_KEY": globexKey, "SHORT_KEY": "c2hvcnQ=", "IPS_TOKEN": "ips",
	}
	for k, v := range more {
		env[k] = v
	}
	return func(name string) string { return env[name] }
}

// home is a working directory with the files that fixtures refer to.
func home(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"secrets/acme.key": " " + acmeKey + "\n", "secrets/empty": " \n", "secrets/lines": "one\ntwo\n",
		"secrets/ujet": "x", "secrets/nats.nk": "seed", "secrets/ca.pem": "pem",
	} {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func options(dir string) config.Options { return config.Options{Kinds: kinds.All(), Dir: dir} }

// parse loads a text that must be right.
func parse(t testing.TB, text string, env map[string]string, dir string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("outdial.yaml", []byte(text), environment(env), options(dir))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// small is the least that one can start with.
const small = `
tenants:
  acme: {countries: [US], ruleset: us-federal, connection: tcn-main, key: {file: secrets/acme.key}}
connections:
  tcn-main: {kind: tcn, tenant: acme, baseURL: "http://127.0.0.1:9101"}
`
