package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/config/kinds"
	"github.com/outdial/outdial/internal/door"
	"github.com/outdial/outdial/internal/runtime/keycheck"
	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/internal/sessions/redisbin"
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

// real refuses to meet real telephones with a shifted clock.
func (s Setup) real(offset time.Duration) error {
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
	err = s.real(h.Clock.Offset())
	if err == nil {
		err = keycheck.Check(ctx, h.JS, s.Keys())
	}
	if err != nil {
		h.Close()
		return nil, err
	}
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
		Embedded: s.Embedded, Monitor: s.Config.NATS.Monitor, Unsafe: s.Unsafe, Telemetry: s.Telemetry, Worker: s.Config.Timing.Worker, Limits: s.Config.Limits,
		Following: s.Following,
		State:     filepath.Join(s.Config.NATS.State, string(Roles()[service])),
		Directory: func(now func() time.Time, desktop providers.Desktop) (*tenants.Directory, error) {
			return config.Directory(s.Config, kinds.All(), config.Deps{Now: now, Desktop: desktop,
				Tracer: s.Telemetry.Tracer.Tracer("outdial/providers")})
		},
	})
}

// Sessions opens the projection: Redis where one is configured or found, else
// memory, which is said loudly. stop ends what was started.
func (s Setup) Sessions(ctx context.Context, logger *slog.Logger) (store sessions.Store, what string, stop func(), err error) {
	stop = func() {}
	if url := s.Config.Redis.URL.Reveal(); url != "" {
		store, err = redisStore(url)
		return store, "Redis at " + s.Config.Redis.URL.String(), stop, err
	}
	path, err := redisbin.Find()
	if errors.Is(err, redisbin.ErrNotFound) {
		logger.Warn("no Redis: agents' sessions are kept in memory and rebuilt from the log at every start")
		return sessions.NewMemory(nil), "memory (no redis-server found; see `make redis`)", stop, nil
	}
	if err != nil {
		return nil, "", stop, err
	}
	url, stop, err := redisChild(ctx, path)
	if err != nil {
		return nil, "", stop, err
	}
	store, err = redisStore(url)
	return store, "a redis-server of our own (" + path + ")", stop, err
}

func redisStore(url string) (sessions.Store, error) {
	client, err := sessions.Dial(url)
	if err != nil {
		return nil, err
	}
	return sessions.NewRedis(client), nil
}

// redisChild runs a private redis-server until stop.
func redisChild(ctx context.Context, path string) (url string, stop func(), err error) {
	dir, err := os.MkdirTemp("", "outdial-redis-")
	if err != nil {
		return "", func() {}, err
	}
	socket := filepath.Join(dir, "redis.sock")
	cmd := exec.Command(path, redisbin.Args(dir, socket)...)
	cmd.SysProcAttr = childAttr()
	if err := cmd.Start(); err != nil {
		_ = os.RemoveAll(dir)
		return "", func() {}, fmt.Errorf("start redis-server: %w", err)
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = os.RemoveAll(dir)
	}
	store, err := redisStore(redisbin.URL(socket))
	for deadline := time.Now().Add(5 * time.Second); err == nil; {
		e := errors.New("no socket")
		if _, statErr := os.Stat(socket); statErr == nil {
			_, e = store.Missing(ctx)
		}
		if e == nil {
			return redisbin.URL(socket), stop, nil
		}
		if time.Now().After(deadline) {
			err = fmt.Errorf("redis-server did not answer: %w", e)
			break
		}
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	stop()
	return "", func() {}, err
}

// DesktopToken checks a desktop's token against the configuration; nil when
// none is configured, and then only this machine may come.
func (s Setup) DesktopToken(same func(got, want string) bool) func(connection, agent, token string) bool {
	if len(s.Config.Workspace.Tokens) == 0 {
		return nil
	}
	return func(connection, agent, token string) bool {
		want := s.Config.Workspace.Token(connection, agent)
		return want != "" && same(token, want)
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
