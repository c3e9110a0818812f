package deploy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/outdial/outdial/internal/broker"
)

// users are all who may connect, as in deploy/nats/keys.sh.
var users = []string{"orchestrator", "compliance", "dialer", "bridge", "provision", "operator", "analytics", "acme"}

// inboxOf is the inbox prefix that a user's permissions allow: services have
// one of their own, outsiders are alone in their account.
func inboxOf(user string) string {
	switch user {
	case "operator", "analytics", "acme":
		return "_INBOX"
	case "bridge":
		user = "events-bridge"
	}
	return "_INBOX_outdial-" + user
}

// shipped is a server run from deploy/nats, but for its ports and its store.
type shipped struct {
	srv  *server.Server
	opts *server.Options
	keys map[string]nkeys.KeyPair
}

// ship starts the server that deploy/nats configures, and provisions it.
func ship(t *testing.T) *shipped {
	t.Helper()
	s := &shipped{keys: map[string]nkeys.KeyPair{}}
	t.Setenv("NATS_MONITOR", "127.0.0.1:0")
	for _, u := range users {
		kp, err := nkeys.CreateUser()
		if err != nil {
			t.Fatal(err)
		}
		public, err := kp.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		s.keys[u] = kp
		t.Setenv("NATS_NKEY_"+strings.ToUpper(u), public)
	}
	var err error
	if s.opts, err = server.ProcessConfigFile(filepath.Join(root, "deploy", "nats", "nats.conf")); err != nil {
		t.Fatal(err)
	}
	run := s.opts.Clone()
	run.Host, run.Port, run.HTTPPort, run.StoreDir = "127.0.0.1", server.RANDOM_PORT, 0, t.TempDir()
	run.NoSigs, run.NoLog = true, true
	if s.srv, err = server.NewServer(run); err != nil {
		t.Fatal(err)
	}
	s.srv.Start()
	t.Cleanup(func() {
		s.srv.Shutdown()
		s.srv.WaitForShutdown()
	})
	if !s.srv.ReadyForConnections(30 * time.Second) {
		t.Fatal("the server does not start")
	}
	layout, err := broker.Plan([]string{"acme", "other"}, broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := broker.Apply(t.Context(), s.stream(t, "provision"), layout); err != nil {
		t.Fatalf("provision: %v", err)
	}
	return s
}

// as connects as a user.
func (s *shipped) as(t *testing.T, user string) *nats.Conn {
	t.Helper()
	return s.from(t, user, inboxOf(user))
}

// from connects as a user who wants answers below an inbox.
func (s *shipped) from(t *testing.T, user, inbox string) *nats.Conn {
	t.Helper()
	public, err := s.keys[user].PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(s.srv.ClientURL(), nats.Nkey(public, s.keys[user].Sign), nats.CustomInboxPrefix(inbox),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), nats.NoReconnect())
	if err != nil {
		t.Fatalf("connect as %s: %v", user, err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func (s *shipped) stream(t *testing.T, user string) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(s.as(t, user))
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// denied does something that the server may refuse, and reports whether it did.
// The server's refusal comes before the answer to the flush.
func denied(t *testing.T, nc *nats.Conn, what, subject string, do func() error) bool {
	t.Helper()
	if err := do(); err != nil {
		t.Fatal(err)
	}
	if err := nc.FlushTimeout(5 * time.Second); err != nil {
		t.Fatal(err)
	}
	err := nc.LastError()
	return err != nil && strings.Contains(err.Error(), what) && strings.Contains(err.Error(), `"`+subject+`"`)
}

func mayPublish(t *testing.T, nc *nats.Conn, subject string) bool {
	t.Helper()
	return !denied(t, nc, "Publish", subject, func() error { return nc.Publish(subject, nil) })
}

func maySubscribe(t *testing.T, nc *nats.Conn, subject string) bool {
	t.Helper()
	return !denied(t, nc, "Subscription", subject, func() error { _, err := nc.SubscribeSync(subject); return err })
}

func TestNATSSettings(t *testing.T) {
	o := ship(t).opts
	for what, ok := range map[string]bool{
		"every message is on disk before it is acknowledged": o.SyncAlways,
		"1 MiB a message":                      o.MaxPayload == 1<<20,
		"the store is on the volume":           o.StoreDir == "/data",
		"monitoring is where it is told to be": o.HTTPHost == "127.0.0.1",
		"nobody is let in without a key":       o.NoAuthUser == "" && len(o.Nkeys) == len(users) && len(o.Users) == 0,
		"the disk is not filled to the brim":   o.JetStreamMaxStore == 8<<30,
		"dead connections are noticed":         o.PingInterval == 15*time.Second && o.MaxPingsOut == 2,
	} {
		if !ok {
			t.Errorf("not so: %s", what)
		}
	}
}

// Who may write what, row by row: each line is a promise.
func TestNATSPermissions(t *testing.T) {
	s := ship(t)
	for _, tc := range []struct {
		user        string
		may, maynot []string
	}{
		{"compliance",
			[]string{"append.calls.acme.c1.compliance.passed", "facts.acme.dnc.tok", "ops.acme.alarm", "rejected.acme.compliance",
				"$JS.ACK.CALLS.compliance.1.2.3.4.5", "$JS.API.CONSUMER.INFO.CALLS.compliance", "$JS.API.STREAM.MSG.GET.FACTS",
				"control._.store.regression", "$JS.API.CONSUMER.CREATE.CONTROL.any", "$JS.API.CONSUMER.MSG.NEXT.CONTROL.any"},
			[]string{"append.calls.acme.c1.dialer.dialing", "append.calls.acme.c1.orchestrator.closed", "append.agents.acme.a1.orchestrator.claimed",
				"dial.requests.acme", "$JS.ACK.CALLS.dialer.1.2.3.4.5", "$JS.API.CONSUMER.MSG.NEXT.CALLS.dialer", "control._.clock.offset", "control._.store.accepted", "control.acme.key.check", "$JS.API.STREAM.INFO.OPS"}},
		{"dialer",
			[]string{"append.calls.acme.c1.dialer.dialing", "workspace.acme.desk.a1.s1.send", "$JS.API.STREAM.MSG.GET.CALLS", "$JS.API.STREAM.MSG.GET.AGENTS",
				"$JS.API.STREAM.INFO.FACTS", "$JS.API.STREAM.MSG.GET.FACTS", "control._.store.regression", "$JS.API.CONSUMER.CREATE.CONTROL.any", "$JS.API.CONSUMER.MSG.NEXT.CONTROL.any"},
			[]string{"alive.bridge.p1", "append.calls.acme.c1.compliance.passed", "append.calls.acme.c1.bridge.talking", "append.agents.acme.a1.orchestrator.released",
				"facts.acme.dnc.tok", "$JS.API.CONSUMER.MSG.NEXT.CALLS.compliance", "control._.store.accepted"}},
		{"orchestrator",
			[]string{"append.calls.acme.c1.orchestrator.requested", "append.agents.acme.a1.orchestrator.claimed", "$JS.API.CONSUMER.MSG.NEXT.REQUESTS_acme.orchestrator",
				"$JS.ACK.REQUESTS_other.orchestrator.1.2.3.4.5", "$JS.API.CONSUMER.INFO.AGENTS.projector", "$JS.API.STREAM.INFO.AGENTS", "$JS.API.STREAM.INFO.OPS", "$JS.API.STREAM.INFO.REQUESTS_acme",
				"$JS.API.STREAM.INFO.FACTS", "control._.store.regression", "$JS.API.CONSUMER.CREATE.CONTROL.any", "$JS.API.CONSUMER.MSG.NEXT.CONTROL.any"},
			[]string{"append.calls.acme.c1.compliance.passed", "append.calls.acme.c1.dialer.started", "append.agents.acme.a1.bridge.ready", "alive.bridge.p1", "control._.store.accepted"}},
		{"bridge",
			[]string{"append.calls.acme.c1.bridge.ringing", "append.agents.acme.a1.bridge.ready", "provider.acme.tcn-main", "$JS.API.STREAM.INFO.PROVIDER", "dial.requests.acme", "alive.bridge.p1", "control.acme.feed.lists", "control._.store.regression", "$JS.API.CONSUMER.CREATE.CONTROL.any", "$JS.API.CONSUMER.MSG.NEXT.CONTROL.any"},
			[]string{"control._.store.accepted", "control.acme.key.check", "control._.clock.offset", "alive.bridge.p1.x", "append.agents.acme.a1.orchestrator.session_lost", "append.calls.acme.c1.compliance.passed", "append.agents.acme.a1.orchestrator.claimed", "workspace.acme.desk.a1.s1.send"}},
		{"operator",
			[]string{"append.calls.acme.c1.operator.resolved", "outdial.acme.call.cancel", "control._.clock.offset", "control._.store.accepted", "$SRV.PING", "$JS.API.STREAM.LIST"},
			[]string{"append.calls.acme.c1.compliance.passed", "append.calls.acme.c1.dialer.dialing", "append.agents.acme.a1.orchestrator.released", "control.acme.key.check"}},
		{"provision", []string{"$JS.API.STREAM.CREATE.X", "control._.clock.offset", "control.acme.key.check"}, []string{"append.calls.acme.c1.operator.resolved", "dial.requests.acme"}},
		{"analytics", nil, []string{"calls.acme.c1.bridge.ringing", "dial.requests.acme", "$JS.API.STREAM.INFO.CALLS"}},
	} {
		t.Run(tc.user, func(t *testing.T) {
			nc := s.as(t, tc.user)
			for _, subject := range tc.may {
				if !mayPublish(t, nc, subject) {
					t.Errorf("may not publish on %s", subject)
				}
			}
			// What the server stores, only the server publishes.
			for _, subject := range append(tc.maynot, "calls.acme.c1.compliance.passed", "agents.acme.a1.orchestrator.claimed") {
				if mayPublish(t, nc, subject) {
					t.Errorf("may publish on %s", subject)
				}
			}
		})
	}
}

// A worker reads the logs through consumers of the moment, but cannot change or
// hear one that is another's; its own it can hear and not change.
func TestNATSConsumersHaveOneOwner(t *testing.T) {
	s := ship(t)
	durables := map[string]string{"CALLS.orchestrator": "orchestrator", "CALLS.compliance": "compliance", "CALLS.dialer": "dialer",
		"AGENTS.orchestrator": "orchestrator", "AGENTS.projector": "orchestrator", "PROVIDER.bridge": "bridge"}
	for _, user := range []string{"orchestrator", "compliance", "dialer", "bridge"} {
		nc := s.as(t, user)
		for d, owner := range durables {
			for _, subject := range []string{"$JS.API.CONSUMER.CREATE." + d, "$JS.API.CONSUMER.CREATE." + d + ".calls.acme.>", "$JS.API.CONSUMER.DELETE." + d} {
				if mayPublish(t, nc, subject) {
					t.Errorf("%s may publish on %s", user, subject)
				}
			}
			if may := mayPublish(t, nc, "$JS.API.CONSUMER.MSG.NEXT."+d); may != (owner == user) {
				t.Errorf("%s may hear %s: %t", user, d, may)
			}
		}
		for _, stream := range []string{"CALLS", "AGENTS"} {
			for _, subject := range []string{"CREATE." + stream + ".x1", "CREATE." + stream + ".x1.calls.acme.>", "MSG.NEXT." + stream + ".x1", "DELETE." + stream + ".x1"} {
				if !mayPublish(t, nc, "$JS.API.CONSUMER."+subject) {
					t.Errorf("%s may not publish on $JS.API.CONSUMER.%s", user, subject)
				}
			}
		}
		for _, subject := range []string{"$JS.API.STREAM.DELETE.CALLS", "$JS.API.STREAM.PURGE.CALLS", "$JS.API.STREAM.UPDATE.CALLS", "$JS.API.STREAM.CREATE.X",
			"$JS.API.STREAM.MSG.DELETE.CALLS", "$JS.API.CONSUMER.DURABLE.CREATE.CALLS.dialer"} {
			if mayPublish(t, nc, subject) {
				t.Errorf("%s may publish on %s", user, subject)
			}
		}
	}
}

func TestNATSSubscriptions(t *testing.T) {
	s := ship(t)
	for _, tc := range []struct {
		user        string
		may, maynot []string
	}{
		{"orchestrator", []string{"outdial.*.call.get", "$SRV.PING", "_INBOX_outdial-orchestrator.x", "alive.bridge.*"}, []string{"calls.>", "_INBOX_outdial-dialer.>", "_INBOX.>", "dial.requests.acme"}},
		{"bridge", []string{"workspace.acme.desk.a1.s1.send", "alive.bridge.*"}, []string{"workspace.>", "calls.>"}},
		{"dialer", []string{"$SRV.INFO.dialer"}, []string{"workspace.acme.desk.a1.s1.send", "append.>"}},
		{"operator", []string{"calls.>", "ops.>"}, nil},
	} {
		nc := s.as(t, tc.user)
		for _, subject := range tc.may {
			if !maySubscribe(t, nc, subject) {
				t.Errorf("%s may not subscribe to %s", tc.user, subject)
			}
		}
		for _, subject := range tc.maynot {
			if maySubscribe(t, nc, subject) {
				t.Errorf("%s may subscribe to %s", tc.user, subject)
			}
		}
	}
}

func TestNATSRefusesStrangers(t *testing.T) {
	s := ship(t)
	stranger, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := stranger.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	for says, option := range map[string]nats.Option{
		"an unknown key":        nats.Nkey(public, stranger.Sign),
		"a user and a password": nats.UserInfo("operator", "operator"),
		"nobody":                nats.Name("nobody"),
	} {
		nc, err := nats.Connect(s.srv.ClientURL(), option, nats.NoReconnect())
		if err == nil {
			nc.Close()
			t.Errorf("%s was let in", says)
		}
	}
}

// A configuration that says less must be seen: without the file's one line the
// check of TestNATSSettings fails.
func TestNATSWithoutFsyncIsSeen(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "deploy", "nats", "nats.conf"))
	if err != nil {
		t.Fatal(err)
	}
	weak := strings.ReplaceAll(strings.ReplaceAll(string(text), "sync_interval: always", ""), "include ./accounts.conf", "")
	file := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(file, []byte(weak), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NATS_MONITOR", "127.0.0.1:0")
	o, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if o.SyncAlways || len(o.Nkeys) != 0 {
		t.Error("the weakened file is taken for the shipped one")
	}
}
