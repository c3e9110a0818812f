package app

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/broker/embedded"
	"github.com/outdial/outdial/internal/clock"
	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/config/kinds"
	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/pkg/events"
)

// approved is a rule set that may meet real telephones.
const approved = `name: house
description: A rule set that counsel has approved, for tests.
source: test
countries: [IN]
windows:
  every-day: 09:00-21:00
approvedBy: A. Lawyer
approvedOn: 2026-01-02
`

const (
	here  = "http://127.0.0.1:9"
	there = "https://api.company.example"
)

// a home is a store, and what belongs to it, across several starts.
type home struct {
	t    *testing.T
	dir  string
	more []string // lines of the configuration
}

func newHome(t *testing.T) *home {
	t.Helper()
	h := &home{t: t, dir: t.TempDir()}
	if err := os.MkdirAll(filepath.Join(h.dir, "rulesets"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.dir, "rulesets", "house.yaml"), []byte(approved), 0o644); err != nil {
		t.Fatal(err)
	}
	key := base64.StdEncoding.EncodeToString(events.NewKey())
	if err := os.WriteFile(filepath.Join(h.dir, "acme.key"), []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *home) store() string { return filepath.Join(h.dir, "nats") }

// config is a configuration whose provider is at an address.
func (h *home) config(provider string) *config.Config {
	h.t.Helper()
	file := filepath.Join(h.dir, "outdial.yaml")
	text := strings.Join(append([]string{
		fmt.Sprintf("nats: {store: %q, listen: \"127.0.0.1:0\"}", h.store()),
		`http: {listen: "127.0.0.1:0"}`,
		fmt.Sprintf("rulesets: {dir: %q}", filepath.Join(h.dir, "rulesets")),
		"tenants:",
		fmt.Sprintf("  acme: {countries: [IN], ruleset: house, connection: tcn, key: {file: %q}}", filepath.Join(h.dir, "acme.key")),
		"connections:",
		fmt.Sprintf("  tcn: {kind: tcn, tenant: acme, baseURL: %q}", provider),
	}, h.more...), "\n") + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	c, err := config.Load(file, noEnv, config.Options{Kinds: kinds.All()})
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

func noEnv(string) string { return "" }

// start starts outdial on the store and stops it again.
func (h *home) start(provider string, at time.Time) error {
	h.t.Helper()
	ctx, stop := context.WithTimeout(h.t.Context(), time.Minute)
	defer stop()
	a, err := Start(ctx, Options{Config: h.config(provider), Version: "0.0.1", Unsafe: true, At: at, LogTo: h.t.Output(), Getenv: noEnv})
	if err != nil {
		return err
	}
	a.Close()
	return a.Wait()
}

// amid does something to the store while nothing runs on it.
func (h *home) amid(do func(context.Context, jetstream.JetStream) error) {
	h.t.Helper()
	srv, err := embedded.Start(embedded.Config{StoreDir: h.store(), UnsafeFsync: true})
	if err != nil {
		h.t.Fatal(err)
	}
	defer srv.Stop()
	nc, err := srv.Client()
	if err != nil {
		h.t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err == nil {
		err = do(h.t.Context(), js)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *home) lose(stream string) {
	h.t.Helper()
	h.amid(func(ctx context.Context, js jetstream.JetStream) error { return js.DeleteStream(ctx, stream) })
}

// By a rehearsal's clock it is always a good hour to call.
func TestARehearsalsStoreMeetsNoRealTelephone(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	night := time.Now().Add(9 * time.Hour)
	if err := h.start(there, night); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("a rehearsal with a real provider: %v", err)
	}
	if err := h.start(here, night); err != nil {
		t.Fatal(err)
	}
	err := h.start(there, time.Time{})
	if !errors.Is(err, runtime.ErrRehearsal) {
		t.Errorf("the store of a rehearsal, with a real provider: %v", err)
	}
	if err != nil && !strings.Contains(err.Error(), "store of its own") {
		t.Errorf("it does not say what to do: %v", err)
	}
	if err := h.start(here, time.Time{}); err != nil {
		t.Errorf("the rehearsal goes on: %v", err)
	}
}

func TestAStoreByTheRealClockMeetsRealProviders(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	for range 2 {
		if err := h.start(there, time.Time{}); err != nil {
			t.Fatal(err)
		}
		// A rehearsal that was refused leaves nothing behind.
		if err := h.start(there, time.Now().Add(9*time.Hour)); err == nil {
			t.Fatal("a rehearsal with a real provider started")
		}
	}
}

// A rehearsal that is refused has changed nothing of the store.
func TestARefusedRehearsalMakesNoStreams(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	if err := h.start(here, time.Time{}); err != nil {
		t.Fatal(err)
	}
	h.amid(func(ctx context.Context, js jetstream.JetStream) error {
		_, err := js.Publish(ctx, events.RequestSubject("acme"), []byte("{}"))
		return err
	})
	h.lose(events.StreamOps)
	if err := h.start(here, time.Now().Add(9*time.Hour)); !errors.Is(err, clock.ErrReal) {
		t.Errorf("a rehearsal on a store of the real clock: %v", err)
	}
	if err := h.start(there, time.Now().Add(9*time.Hour)); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("a rehearsal with a real provider: %v", err)
	}
	h.amid(func(ctx context.Context, js jetstream.JetStream) error {
		if _, err := js.Stream(ctx, events.StreamOps); !errors.Is(err, jetstream.ErrStreamNotFound) {
			t.Errorf("%s was made anew: %v", events.StreamOps, err)
		}
		return nil
	})
}

// Whoever made the lost log anew would dial again what was dialed before.
func TestALogThatIsGoneBesideItsCompanionIsNotMadeAnew(t *testing.T) {
	t.Parallel()
	for lost, left := range map[string]string{events.StreamCalls: events.StreamAgents, events.StreamAgents: events.StreamCalls} {
		t.Run(lost, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			if err := h.start(here, time.Time{}); err != nil {
				t.Fatal(err)
			}
			h.lose(lost)
			for range 2 { // nor by trying twice
				err := h.start(here, time.Time{})
				if err == nil || !strings.Contains(err.Error(), "stream "+lost+" is gone while "+left+" is still there") || !strings.Contains(err.Error(), "backup") {
					t.Errorf("err = %v", err)
				}
			}
			h.amid(func(ctx context.Context, js jetstream.JetStream) error {
				if _, err := js.Stream(ctx, lost); !errors.Is(err, jetstream.ErrStreamNotFound) {
					t.Errorf("%s was made anew: %v", lost, err)
				}
				return nil
			})
		})
	}
}

func TestAnyOtherStreamIsMadeAnew(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	if err := h.start(here, time.Time{}); err != nil {
		t.Fatal(err)
	}
	h.lose(events.StreamOps)
	if err := h.start(here, time.Time{}); err != nil {
		t.Error(err)
	}
}

// One agent that cannot be enrolled keeps nobody else from work.
func TestAnAgentThatCannotBeEnrolledKeepsNobodyFromWork(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.more = []string{"  desk: {kind: webexcc, tenant: acme}", "agents:",
		"  - {tenant: acme, agent: ann, connection: desk, huntGroups: [sales]}",
		"  - {tenant: acme, agent: bob, connection: desk, huntGroups: [sales]}"}
	if err := h.start(here, time.Time{}); err != nil {
		t.Fatal(err)
	}
	h.amid(func(ctx context.Context, js jetstream.JetStream) error { // an event of tomorrow
		_, err := js.Publish(ctx, "append.agents.acme.ann.bridge.ready", []byte(`{"of":"tomorrow"}`))
		return err
	})
	h.more[2] = "  - {tenant: acme, agent: ann, connection: desk, huntGroups: [support]}"
	h.more = append(h.more, "  - {tenant: acme, agent: kim, connection: desk, huntGroups: [sales]}")
	if err := h.start(here, time.Time{}); err != nil {
		t.Fatal(err)
	}
	h.amid(func(ctx context.Context, js jetstream.JetStream) error {
		s, err := js.Stream(ctx, events.StreamAgents)
		if err == nil {
			_, err = s.GetLastMsgForSubject(ctx, "agents.acme.kim.orchestrator.enrolled")
		}
		return err // kim comes after ann, and is on the roster
	})
}
