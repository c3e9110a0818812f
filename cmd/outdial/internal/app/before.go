package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"github.com/outdial/outdial/internal/broker/embedded"
	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/log/marks"
	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/internal/sessions/redisbin"
	"github.com/outdial/outdial/internal/telemetry"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/services/compliance"
)

// A Check is one thing that must be right before anything is started.
type Check struct {
	What string
	Err  error
	Good string
}

// Before looks at everything for which outdial refuses to start and that can be
// seen without its server. Start and the doctor both ask it. running says that
// outdial is up: then the addresses and the store are its own.
func Before(ctx context.Context, o Options, running bool) []Check {
	s := runtime.Setup{Config: o.Config}
	_, rules := compliance.Options(s)
	_, directory := config.Directory(o.Config, nil, providers.Deps{Now: time.Now})
	checks := []Check{
		{"rule sets", rules, "each tenant's is there"},
		{"providers", directory, count(len(o.Config.Connections), "connection") + " can be built"},
		{"known past", remembered(s), "what the services know of the store can be read"},
		{"Redis' program", program(o.Config), "found, not needed, or sessions are kept in memory"},
		{"telemetry", exports(ctx, o), "as the environment says"},
	}
	if !running {
		checks = append(checks, Check{"addresses", free(o), "nobody else is there"})
	}
	return checks
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// remembered reads what the services know of the store, as far as it is here.
func remembered(s runtime.Setup) error {
	var faults []error
	for service := range runtime.Roles() {
		if _, err := marks.Load(s.State(service)); err != nil {
			faults = append(faults, fmt.Errorf("%w; see OutdialStoreWentBack in docs/operators.md", err))
		}
	}
	slices.SortFunc(faults, func(a, b error) int { return slices.Compare([]byte(a.Error()), []byte(b.Error())) })
	return errors.Join(faults...)
}

// program looks for the redis-server that `outdial up` runs where none is
// configured.
func program(c *config.Config) error {
	if url := c.Redis.URL.Reveal(); url != "" {
		client, err := sessions.Dial(url)
		if err == nil {
			_ = client.Close() // nothing was connected yet
		}
		return err
	}
	_, err := redisbin.Find()
	if errors.Is(err, redisbin.ErrNotFound) {
		return nil
	}
	return err
}

// exports sets telemetry up as the environment wants it, and down again.
func exports(ctx context.Context, o Options) error {
	t, err := telemetry.Start(ctx, telemetry.Config{Service: "outdial", Version: o.Version, LogTo: io.Discard, Getenv: o.Getenv})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_ = t.Shutdown(ctx) // nothing was traced
	return nil
}

// free wants the addresses and the store for this process.
func free(o Options) error {
	var server error
	if o.Config.NATS.URL.Reveal() == "" {
		server = embedded.Check(serverConfig(o))
	}
	ln, err := net.Listen("tcp", o.Config.HTTP.Listen)
	if err != nil {
		err = fmt.Errorf("http.listen: %w; does another outdial run here?", err)
	} else {
		_ = ln.Close()
	}
	return errors.Join(server, err)
}

// serverConfig is the embedded server that a configuration wants.
func serverConfig(o Options) embedded.Config {
	n := o.Config.NATS
	return embedded.Config{StoreDir: n.Store, Listen: n.Listen, Monitor: n.Monitor, UnsafeFsync: o.Unsafe}
}
