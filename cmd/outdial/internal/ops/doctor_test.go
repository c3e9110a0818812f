package ops

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/cmd/outdial/internal/app"
	"github.com/outdial/outdial/internal/broker/embedded"
	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/config/kinds"
	"github.com/outdial/outdial/internal/runtime/keycheck"
	"github.com/outdial/outdial/pkg/events"
)

// A ward is an installation that something is wrong with.
type ward struct {
	t       *testing.T
	dir     string
	server  string // YAML of nats
	http    string
	ruleset string
	base    string // of the provider
	more    string
	env     map[string]string
	safe    bool // want a server that fsyncs
}

func newWard(t *testing.T) *ward {
	t.Helper()
	w := &ward{t: t, dir: t.TempDir(), http: "127.0.0.1:0", ruleset: "us-federal", base: "http://127.0.0.1:9", env: map[string]string{}}
	w.server = fmt.Sprintf("{store: %q, listen: \"127.0.0.1:0\"}", w.store())
	w.key()
	return w
}

func (w *ward) store() string { return filepath.Join(w.dir, "nats") }

// key makes a new key for the tenant.
func (w *ward) key() {
	w.write("acme.key", base64.StdEncoding.EncodeToString(events.NewKey()))
}

func (w *ward) write(name, text string) {
	w.t.Helper()
	file := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *ward) getenv(name string) string { return w.env[name] }

// config loads the configuration as a command does.
func (w *ward) config(o config.Options) (*config.Config, error) {
	o.Kinds, o.UnsafeFsync = kinds.All(), !w.safe
	return config.Parse("outdial.yaml", fmt.Appendf(nil, `nats: %s
http: {listen: %q}
tenants:
  acme: {countries: [US], ruleset: %s, connection: tcn, key: {file: %q}}
connections:
  tcn: {kind: tcn, tenant: acme, baseURL: %q}
%s
`, w.server, w.http, w.ruleset, filepath.Join(w.dir, "acme.key"), w.base, w.more), w.getenv, o)
}

// up is what `outdial up` says, nil when it starts.
func (w *ward) up() error {
	cfg, err := w.config(config.Options{})
	if err != nil {
		return err
	}
	a, err := app.Start(w.t.Context(), app.Options{Config: cfg, Version: "0.0.1", Unsafe: !w.safe, LogTo: io.Discard, Getenv: w.getenv})
	if err != nil {
		return err
	}
	a.Close()
	return a.Wait()
}

// doctor is what `outdial doctor` says.
func (w *ward) doctor() (string, error) {
	cfg, err := w.config(config.Options{ReadOnly: true, BeforeStart: true, NoRoster: true})
	if err != nil {
		return err.Error(), err
	}
	_, roster := w.config(config.Options{ReadOnly: true, BeforeStart: true})
	var out bytes.Buffer
	err = Doctor(w.t.Context(), DoctorOptions{Config: cfg, Roster: roster, Unsafe: !w.safe, Getenv: w.getenv, Out: &out})
	return out.String(), err
}

// elsewhere provisions a server that others share.
func (w *ward) elsewhere(at time.Time) jetstream.JetStream {
	w.t.Helper()
	srv, err := embedded.Start(embedded.Config{StoreDir: w.store(), Listen: "127.0.0.1:0", Monitor: "127.0.0.1:0", UnsafeFsync: true})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(srv.Stop)
	w.server = fmt.Sprintf("{url: %q, monitor: %q, state: %q}", srv.ClientURL(), srv.MonitorURL(), filepath.Join(w.dir, "state"))
	cfg, err := w.config(config.Options{Provision: true, NoRoster: true})
	if err == nil {
		err = Provision(w.t.Context(), cfg, ProvisionOptions{At: at, Accept: keycheck.Accept{}, Out: io.Discard})
	}
	if err != nil {
		w.t.Fatal(err)
	}
	nc, err := srv.Client()
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		w.t.Fatal(err)
	}
	return js
}

// taken is an address that somebody has.
func taken(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// Whatever `outdial up` refuses, the doctor says in the same words.
func TestTheDoctorSaysWhatUpRefuses(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		wrong func(t *testing.T, w *ward)
		says  string
	}{
		"a rule set that nobody has written": {func(_ *testing.T, w *ward) { w.ruleset = "us-federla" }, `no rule set "us-federla"`},
		"a folder of rule sets that is not there": {func(_ *testing.T, w *ward) {
			w.more = fmt.Sprintf("rulesets: {dir: %q}", filepath.Join(w.dir, "nowhere"))
		}, "rulesets.dir (line 7): there is no such folder"},
		"a rule set that is wrong": {func(_ *testing.T, w *ward) {
			w.write("rules/house.yaml", "name: house\ncountries: [US]\nwindows: {every-day: never}\n")
			w.ruleset, w.more = "house", fmt.Sprintf("rulesets: {dir: %q}", filepath.Join(w.dir, "rules"))
		}, "house"},
		"an agent's credential in a variable that is not set": {func(_ *testing.T, w *ward) {
			w.more = "agents:\n  - {tenant: acme, agent: ann, connection: tcn, token: {env: ANNS_TOKEN}}"
		}, "the environment variable ANNS_TOKEN is not set"},
		"a connection that is not there": {func(_ *testing.T, w *ward) {
			w.more = "agents:\n  - {tenant: acme, agent: ann, connection: tnc}"
		}, `connection "tnc" does not exist`},
		"the address of HTTP is another's": {func(t *testing.T, w *ward) {
			ln := taken(t)
			t.Cleanup(func() { _ = ln.Close() })
			w.http = ln.Addr().String()
		}, "http.listen"},
		"the address of NATS is another's": {func(t *testing.T, w *ward) {
			ln := taken(t)
			t.Cleanup(func() { _ = ln.Close() })
			go func() { // somebody who is no NATS server
				for {
					c, err := ln.Accept()
					if err != nil {
						return
					}
					_ = c.Close()
				}
			}()
			w.server = fmt.Sprintf("{store: %q, listen: %q}", w.store(), ln.Addr())
		}, "does another outdial run here?"},
		"another process has the store": {func(t *testing.T, w *ward) {
			srv, err := embedded.Start(embedded.Config{StoreDir: w.store(), UnsafeFsync: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(srv.Stop)
		}, "is in use"},
		"what was known of the store cannot be read": {func(_ *testing.T, w *ward) {
			w.write("state/dialer/marks.json", "{")
		}, "what was known of the store"},
		"a server that nobody has provisioned for this": {func(_ *testing.T, w *ward) {
			w.elsewhere(time.Time{})
			w.more = "callsAge: 96h"
		}, "the server is not as it should be"},
		"another key": {func(_ *testing.T, w *ward) {
			w.elsewhere(time.Time{})
			w.key()
		}, keycheck.ErrOther.Error()},
		"real telephones on a rehearsal's store": {func(_ *testing.T, w *ward) {
			w.elsewhere(time.Now().Add(-100 * time.Hour))
			w.base = "https://api.company.example"
		}, "this store is a rehearsal's"},
		"calls that are gone beside agents that are not": {func(t *testing.T, w *ward) {
			if err := w.elsewhere(time.Time{}).DeleteStream(t.Context(), events.StreamCalls); err != nil {
				t.Fatal(err)
			}
		}, "the stream CALLS is gone while AGENTS is still there"},
		"a server that may lose what it acknowledges": {func(_ *testing.T, w *ward) {
			w.elsewhere(time.Time{})
			w.safe = true
		}, "may lose acknowledged messages"},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWard(t)
			tc.wrong(t, w)
			if err := w.up(); err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("up says %v, want %q", err, tc.says)
			}
			said, err := w.doctor()
			if err == nil || !strings.Contains(said, tc.says) {
				t.Errorf("the doctor does not say %q (%v):\n%s", tc.says, err, said)
			}
		})
	}
}

// What only a start elsewhere would miss, and calls that nobody has approved.
func TestWhatTheDoctorTellsBesides(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.elsewhere(time.Time{})
	w.more = "agents:\n  - {tenant: acme, agent: ann, connection: tcn, token: {env: ANNS_TOKEN}}"
	w.base = "https://api.company.example"
	said, _ := w.doctor()
	for _, want := range []string{"  !  agents", "ANNS_TOKEN is not set", "  ✗  approval       nobody has approved rule set us-federal"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
}

// Whoever begins asks the doctor before the first start, when nothing is made
// yet; where a key is missing that nobody will make, that is a finding as ever.
func TestTheDoctorIsAskedBeforeTheFirstStart(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	if err := os.Remove(filepath.Join(w.dir, "acme.key")); err != nil {
		t.Fatal(err)
	}
	said, _ := w.doctor()
	for _, want := range []string{"  !  warning        tenants.acme.key", "is not there yet; the first `outdial up` makes it", "  ✓  rule sets", "  ✓  providers", "  ✓  addresses"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
	if _, err := os.Stat(filepath.Join(w.dir, "acme.key")); err == nil {
		t.Error("the doctor has made the key")
	}
	w.base = "https://api.company.example"
	if said, err := w.doctor(); err == nil || !strings.Contains(said, "it is made only where everything is on loopback") {
		t.Errorf("a key that nobody makes: %v\n%s", err, said)
	}
}
