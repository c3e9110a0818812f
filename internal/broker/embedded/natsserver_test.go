package embedded_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/internal/broker/embedded"
	"github.com/outdial/outdial/test/exams/natstest"
)

func withMonitor(unsafe bool) func(*embedded.Config) {
	return func(c *embedded.Config) {
		c.Listen, c.Monitor, c.UnsafeFsync = "127.0.0.1:0", "127.0.0.1:0", unsafe
	}
}

func TestTheZeroConfigIsDurable(t *testing.T) {
	t.Parallel()
	r := natstest.New(t, withMonitor(false))
	if err := broker.CheckDurability(t.Context(), r.NC, "", r.Server); err != nil {
		t.Errorf("by its options: %v", err)
	}
	if err := broker.CheckDurability(t.Context(), r.NC, r.Server.MonitorURL(), nil); err != nil {
		t.Errorf("by its monitoring: %v", err)
	}
}

func TestAnUnsafeServerIsRefused(t *testing.T) {
	t.Parallel()
	r := natstest.New(t, withMonitor(true))
	for story, check := range map[string]error{
		"by its options":    broker.CheckDurability(t.Context(), r.NC, "", r.Server),
		"by its monitoring": broker.CheckDurability(t.Context(), r.NC, r.Server.MonitorURL(), nil),
	} {
		if !errors.Is(check, broker.ErrNotDurable) {
			t.Fatalf("%s: %v", story, check)
		}
		for _, want := range []string{"sync_interval", "always", "--unsafe-fsync"} {
			if !strings.Contains(check.Error(), want) {
				t.Errorf("%s: %q does not name %s", story, check, want)
			}
		}
	}
}

// A server somebody else started, with NATS's own defaults.
func TestAForeignServerWithDefaultsIsRefused(t *testing.T) {
	t.Parallel()
	srv, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, HTTPHost: "127.0.0.1", HTTPPort: server.RANDOM_PORT,
		JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(10 * time.Second) {
		t.Fatal("not ready")
	}
	nc, err := nats.Connect(srv.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	err = broker.CheckDurability(t.Context(), nc, "http://"+srv.MonitorAddr().String(), nil)
	if !errors.Is(err, broker.ErrNotDurable) || !strings.Contains(err.Error(), "2m0s") {
		t.Errorf("err = %v", err)
	}
}

func TestWhatCannotBeSeenIsRefused(t *testing.T) {
	t.Parallel()
	r := natstest.New(t, withMonitor(false))
	other := natstest.New(t, withMonitor(false))
	junk := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("<html>hello"))
	}))
	t.Cleanup(junk.Close)
	for story, url := range map[string]string{
		"no monitoring address":       "",
		"nobody answers there":        "http://127.0.0.1:1",
		"it is not a NATS server":     junk.URL,
		"it is not a URL":             "localhost",
		"it belongs to another":       other.Server.MonitorURL(),
		"one of several is not there": r.Server.MonitorURL() + ", http://127.0.0.1:1",
	} {
		if err := broker.CheckDurability(t.Context(), r.NC, url, nil); !errors.Is(err, broker.ErrNotDurable) {
			t.Errorf("%s: %v", story, err)
		}
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	for v, ok := range map[string]bool{
		"2.15.2": true, "2.14.4": true, "3.0.0": true, "v2.15.0": true, "2.15.0-beta.1": true,
		"2.14.3": false, "2.9.10": false, "1.4.1": false, "": false, "new": false,
	} {
		if err := broker.CheckVersion(v); (err == nil) != ok {
			t.Errorf("%q: %v", v, err)
		}
	}
}

func TestBadConfigs(t *testing.T) {
	t.Parallel()
	for story, c := range map[string]embedded.Config{
		"no store":                  {},
		"reachable from everywhere": {StoreDir: t.TempDir(), Listen: "0.0.0.0:4222"},
		"reachable from outside":    {StoreDir: t.TempDir(), Listen: "192.0.2.1:4222"},
		"no host":                   {StoreDir: t.TempDir(), Listen: ":4222"},
		"no port":                   {StoreDir: t.TempDir(), Listen: "127.0.0.1"},
		"a port that is none":       {StoreDir: t.TempDir(), Listen: "127.0.0.1:99999"},
		"monitoring from outside":   {StoreDir: t.TempDir(), Monitor: "0.0.0.0:8222"},
	} {
		if s, err := embedded.Start(c); err == nil {
			s.Stop()
			t.Errorf("%s: started", story)
		}
	}
}

func TestWhatWasStoredIsThereAfterARestart(t *testing.T) {
	t.Parallel()
	r := natstest.New(t)
	if r.Server.ClientURL() != "" || r.Server.MonitorURL() != "" {
		t.Errorf("in-process only, yet at %q and %q", r.Server.ClientURL(), r.Server.MonitorURL())
	}
	if _, err := r.JS.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.JS.Publish(t.Context(), "s", []byte("kept")); err != nil {
		t.Fatal(err)
	}
	r.Server.Stop()
	r.Start(t)
	s, err := r.JS.Stream(t.Context(), "S")
	if err != nil {
		t.Fatal(err)
	}
	if m, err := s.GetMsg(t.Context(), 1); err != nil || string(m.Data) != "kept" {
		t.Errorf("%v, %v", m, err)
	}
}
