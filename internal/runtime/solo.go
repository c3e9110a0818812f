package runtime

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/config/kinds"
	"github.com/outdial/outdial/internal/telemetry"
)

// A Solo is one service running alone.
type Solo struct {
	Service string
	Listen  string // default HTTP address; "" is the configuration's http.listen
	Version string
	Paced   bool // it asks providers something, at a pace
	// Run runs the service until ctx ends. HTTP paths of its own go on mux.
	Run func(ctx context.Context, s Setup, h *Host, mux *http.ServeMux) error
}

// Main is the main function of a service's own binary. It returns the exit
// code: 0 after a clean end, 1 for trouble, 2 for a wrong configuration. The
// environment is a whole one, as os.Environ has it.
func (s Solo) Main(args, environ []string, stderr io.Writer) int {
	getenv := config.Getenv(environ)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	fs := flag.NewFlagSet("outdial-"+s.Service, flag.ContinueOnError)
	fs.SetOutput(stderr)
	file := fs.String("c", getenv("OUTDIAL_CONFIG"), "configuration `file`")
	listen := fs.String("listen", getenv("OUTDIAL_HTTP_LISTEN"), "`host:port` for /healthz, /readyz, /metrics (default "+cmp.Or(s.Listen, "http.listen of the configuration")+")")
	unsafe := fs.Bool("unsafe-fsync", false, "accept a NATS server that may lose acknowledged messages on power loss")
	if err := fs.Parse(args); err != nil {
		return 2
	}
	if *file == "" {
		fmt.Fprintf(stderr, "outdial-%s: no configuration: give -c FILE, or set OUTDIAL_CONFIG\n", s.Service)
		return 2
	}
	cfg, err := config.Load(*file, getenv, config.Options{Kinds: kinds.All(), Environ: environ, UnsafeFsync: *unsafe, NoRoster: s.Service != "orchestrator"})
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 2
	}
	if cfg.NATS.URL.Reveal() == "" {
		fmt.Fprintf(stderr, "outdial-%s: nats.url is not set; a service alone needs a server to share (`outdial up` runs everything in one process)\n", s.Service)
		return 2
	}
	switch {
	case *listen != "":
	case s.Listen == "":
		*listen = cfg.HTTP.Listen // the door of the configuration is this service's
	default:
		*listen = s.Listen
	}
	if err := s.run(ctx, cfg, *listen, *unsafe, getenv, stderr); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(stderr, "outdial-%s: %v\n", s.Service, err)
		return 1
	}
	return 0
}

func (s Solo) run(ctx context.Context, cfg *config.Config, listen string, unsafe bool, getenv func(string) string, stderr io.Writer) error {
	tele, err := telemetry.Start(ctx, telemetry.Config{Service: "outdial-" + s.Service, Version: s.Version, Getenv: getenv, LogTo: stderr})
	if err != nil {
		return err
	}
	defer func() { _ = tele.Shutdown(context.WithoutCancel(ctx)) }()
	Say(cfg, tele.Logger)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var host atomic.Pointer[Host]
	mux := http.NewServeMux()
	Health(mux, tele.Metrics, s.Version, func() []*Host {
		if h := host.Load(); h != nil {
			return []*Host{h}
		}
		return nil
	})
	addr, wait, err := ListenAndServe(ctx, listen, mux)
	if err != nil {
		return fmt.Errorf("http.listen: %w", err)
	}
	err = s.work(ctx, Setup{Config: cfg, Version: s.Version, Unsafe: unsafe, Telemetry: tele}, addr, mux, &host)
	stop()
	return errors.Join(err, wait())
}

// work opens the host, which waits for NATS, and runs the service on it.
func (s Solo) work(ctx context.Context, setup Setup, addr string, mux *http.ServeMux, host *atomic.Pointer[Host]) error {
	logger := setup.Telemetry.Logger
	if s.Paced {
		pacer, let, err := setup.Pacer(logger)
		if err != nil {
			return err
		}
		defer let()
		setup.Pace = pacer
	}
	waiting := time.AfterFunc(time.Second, func() {
		logger.Warn("waiting for NATS", "url", setup.Config.NATS.URL.String(), "http", addr)
	})
	h, err := setup.Host(ctx, s.Service)
	waiting.Stop()
	if err != nil {
		return err
	}
	defer h.Close()
	host.Store(h)
	logger.Info("at work", "http", addr, "nats", setup.Config.NATS.URL.String(), "clockOffset", h.Clock.Offset().String())
	return s.Run(ctx, setup, h, mux)
}
