package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/door"
	"github.com/outdial/outdial/internal/pace"
	"github.com/outdial/outdial/internal/runtime/keycheck"
	"github.com/outdial/outdial/internal/telemetry"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
)

// A Setup makes hosts from a configuration.
type Setup struct {
	Config    *config.Config
	Version   string
	Unsafe    bool // accept a server that does not fsync
	Telemetry *telemetry.Telemetry
	Embedded  broker.Local // nil: the server is elsewhere
	Following *Following   // of all services of this process; nil: each its own
	Pace      *pace.Pacer  // likewise; nil: no connection has a rate
}

// Roles are the services and the role each writes as.
func Roles() map[string]events.Role {
	return map[string]events.Role{
		"orchestrator": events.Orchestrator, "compliance": events.Compliance,
		"dialer": events.Dialer, "events-bridge": events.Bridge,
	}
}

// Connect is how this configuration reaches NATS.
func (s Setup) Connect(name string) worker.ConnectOptions {
	n := s.Config.NATS
	o := worker.ConnectOptions{URL: n.URL.Reveal(), Name: name, CredsFile: n.Creds, NKeyFile: n.NKey,
		CAFile: n.TLS.CA, CertFile: n.TLS.Cert, KeyFile: n.TLS.Key,
		Logger: s.Telemetry.Logger, Meter: s.Telemetry.Meter}
	if n.User != "" {
		o.Options = append(o.Options, nats.UserInfo(n.User, n.Password.Reveal()))
	}
	if s.Embedded != nil {
		o.URL = s.Embedded.ClientURL()
		o.Options = append(o.Options, s.Embedded.InProcess())
	}
	return o
}

// ErrRehearsal says that the store's clock was shifted for a rehearsal, and a
// provider or a door of the configuration is not on this machine.
var ErrRehearsal = errors.New("this store is a rehearsal's")

// Real refuses to meet real telephones with a shifted clock.
func (s Setup) Real(offset time.Duration) error {
	if offset == 0 || s.Config.Loopback() {
		return nil
	}
	return fmt.Errorf("%w: its clock is off by %s (--at), and not everything in the configuration is on loopback; calling hours would be judged wrongly. Use a store of its own for real calls",
		ErrRehearsal, offset.Round(time.Second))
}

// Host opens a service's host.
func (s Setup) Host(ctx context.Context, service string) (*Host, error) {
	h, err := s.open(ctx, service)
	if err != nil {
		return nil, err
	}
	err = s.Real(h.Clock.Offset())
	if err == nil {
		err = keycheck.Check(ctx, h.JS, s.Keys())
	}
	if err != nil {
		h.Close()
		return nil, err
	}
	h.tellPace(s.Pace)
	return h, nil
}

// Keys are the tenants' keys, to be compared with what the store knows.
func (s Setup) Keys() []keycheck.Tenant {
	var keys []keycheck.Tenant
	for _, name := range slices.Sorted(maps.Keys(s.Config.Tenants)) {
		keys = append(keys, keycheck.Tenant{Name: name, Key: s.Config.Key(name), From: s.Config.Tenants[name].Key.String()})
	}
	return keys
}

func (s Setup) open(ctx context.Context, service string) (*Host, error) {
	return Open(ctx, Options{
		Service: service, Role: Roles()[service], Version: s.Version, Connect: s.Connect("outdial-" + service),
		Embedded: s.Embedded, Monitor: s.Config.NATS.Monitor, Unsafe: s.Unsafe, Telemetry: s.Telemetry, Worker: s.Config.Timing.Worker, Limits: s.Config.Limits, Talk: s.Config.Timing.Orchestrator.Talk,
		Following: s.Following, Batch: s.Config.NATS.Batch,
		State: s.State(service),
		Directory: func(now func() time.Time, nc *nats.Conn) (*tenants.Directory, error) {
			return config.Directory(s.Config, nc, providers.Deps{Now: now,
				Tracer: s.Telemetry.Tracer.Tracer("outdial/providers")})
		},
	})
}

// State is the folder in which a service keeps what it knows of the store.
func (s Setup) State(service string) string {
	return filepath.Join(s.Config.NATS.State, string(Roles()[service]))
}

// DesktopToken checks a desktop's token against the configuration; nil when
// none is configured, and then only this machine may come.
func (s Setup) DesktopToken() func(connection, agent, token string) bool {
	if len(s.Config.Workspace.Tokens) == 0 {
		return nil
	}
	return func(connection, agent, token string) bool {
		want := s.Config.Workspace.Token(connection, agent)
		return want != "" && door.Same(token, want)
	}
}

// IngressToken gives a tenant's token of the HTTP door.
func (s Setup) IngressToken(tenant string) (string, bool) {
	t, ok := s.Config.Ingress.Tokens[tenant]
	return t.Reveal(), ok
}

// Hook gives the credential of a connection's webhooks.
func (s Setup) Hook(connection string) (door.Credential, bool) {
	h := s.Config.Connections[connection].Hook
	return h.Credential(), h != config.Hook{}
}

// Tenants lists the tenants' names.
func (s Setup) Tenants() []string {
	var names []string
	for name := range s.Config.Tenants {
		names = append(names, name)
	}
	return names
}

// Say puts a configuration's warnings and new keys into the log.
func Say(cfg *config.Config, logger *slog.Logger) {
	for _, w := range cfg.Warnings {
		logger.Warn("configuration", "says", w)
	}
	if len(cfg.Made) > 0 {
		logger.Info("tenant keys made; keep them: the do-not-call list is readable by them alone", "files", strings.Join(cfg.Made, ", "))
	}
}
