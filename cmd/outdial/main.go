// Command outdial is everything in one program: the demonstration, the four
// services in one process, the simulators, and the operator's tools.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"github.com/outdial/outdial/cmd/outdial/internal/app"
	"github.com/outdial/outdial/cmd/outdial/internal/bench"
	"github.com/outdial/outdial/cmd/outdial/internal/demo"
	"github.com/outdial/outdial/cmd/outdial/internal/ops"
	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/config/kinds"
	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/internal/runtime/keycheck"
)

// cli is every command and flag.
type cli struct {
	Show       kong.VersionFlag `name:"version" help:"Print the version."`
	Demo       demoCmd          `cmd:"" help:"Run the documents' own samples through everything, with simulated providers."`
	Up         upCmd            `cmd:"" help:"Run the four services in one process."`
	Provision  provisionCmd     `cmd:"" help:"Make the streams and consumers."`
	Doctor     doctorCmd        `cmd:"" help:"Look at everything that must be right, and say what is not."`
	Audit      auditCmd         `cmd:"" help:"Walk the log and prove or refute invariants I1 to I4."`
	Call       callCmd          `cmd:"" help:"Ask about calls."`
	Compliance complianceCmd    `cmd:"" help:"Ask what compliance would say."`
	Resolve    resolveCmd       `cmd:"" name:"resolve-regression" help:"Accept a store that went back in time: what is open in it closes, and dialing goes on."`
	Sim        simCmd           `cmd:"" help:"Run the provider simulators alone."`
	Bench      benchCmd         `cmd:"" help:"Measure outdial on this machine, beside bare JetStream."`
	BenchServe benchServerCmd   `cmd:"" name:"bench-server" hidden:""`
	Version    versionCmd       `cmd:"" help:"Print the version."`
}

// env is what commands get from the process.
type env struct {
	ctx    context.Context
	out    io.Writer
	errOut io.Writer
	getenv func(string) string

	environ []string // all of it, NAME=value
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := run(&env{ctx: ctx, out: os.Stdout, errOut: os.Stderr, getenv: os.Getenv, environ: os.Environ()}, os.Args[1:])
	stop()
	os.Exit(code)
}

// run is main without the process. 2 is a wrong command line or configuration, 3
// what a bench could not measure.
func run(e *env, args []string) int {
	var c cli
	code := -1
	parser, err := kong.New(&c, kong.Name("outdial"), kong.Description("Event-driven outbound call orchestration."),
		kong.Vars{"version": "outdial " + runtime.Version()}, kong.Writers(e.out, e.errOut), kong.Exit(func(n int) { code = n }), kong.UsageOnError())
	if err != nil {
		fmt.Fprintln(e.errOut, err)
		return 2
	}
	parsed, err := parser.Parse(args)
	if code >= 0 { // --help
		return code
	}
	if err != nil {
		fmt.Fprintln(e.errOut, "outdial:", err)
		return 2
	}
	err = parsed.Run(e)
	switch {
	case err == nil, errors.Is(err, context.Canceled) && e.ctx.Err() != nil:
		return 0
	case errors.Is(err, demo.ErrStopped):
		return 130 // as a shell says of what Ctrl-C ended
	case isConfig(err):
		fmt.Fprintln(e.errOut, err)
		return 2
	}
	fmt.Fprintln(e.errOut, "outdial:", err)
	switch {
	case errors.Is(err, errNoConfig):
		return 2
	case errors.Is(err, bench.ErrUnmeasured):
		return 3
	}
	return 1
}

func isConfig(err error) bool {
	_, ok := errors.AsType[*config.Faults](err)
	return ok
}

var errNoConfig = errors.New("no configuration: give -c FILE, or set OUTDIAL_CONFIG")

// fileFlag names the configuration.
type fileFlag struct {
	Config string `short:"c" placeholder:"FILE" env:"OUTDIAL_CONFIG" help:"Configuration file."`
}

// load reads the configuration for a command that only looks.
func (f fileFlag) load(e *env, unsafe bool) (*config.Config, error) {
	return f.read(e, config.Options{ReadOnly: true, NoRoster: true, UnsafeFsync: unsafe})
}

func (f fileFlag) read(e *env, o config.Options) (*config.Config, error) {
	if f.Config == "" {
		return nil, errNoConfig
	}
	o.Kinds, o.Environ = kinds.All(), e.environ
	return config.Load(f.Config, e.getenv, o)
}

// keyFlags are a person's word for a key that the store does not prove.
type keyFlags struct {
	AcceptKey []string `placeholder:"TENANT" help:"Take the tenant's key for the one that this store was made with, where its own records do not prove it. Not where they refute it."`
	By        string   `placeholder:"WHO" help:"Who accepts it."`
	Reason    string   `placeholder:"WHY" help:"And why."`
}

func (f keyFlags) accept() keycheck.Accept {
	return keycheck.Accept{Tenants: f.AcceptKey, By: f.By, Reason: f.Reason}
}

type demoCmd struct {
	Keep        bool          `help:"Stay up afterwards."`
	PrintConfig bool          `help:"Show the demonstration's configuration and end."`
	At          time.Time     `placeholder:"RFC3339" help:"Rehearse as if it were then. Default: an instant inside every sample's window."`
	Pace        time.Duration `default:"250ms" help:"One step of a simulated call."`
}

func (c *demoCmd) Run(e *env) error {
	live, width := terminal(e.out)
	return demo.Run(e.ctx, demo.Options{Out: e.out, Live: live, Width: width, Keep: c.Keep, PrintConfig: c.PrintConfig,
		At: c.At, Pace: c.Pace, Version: runtime.Version()})
}

// terminal says whether lines can be redrawn, and how wide they may be.
func terminal(w io.Writer) (live bool, width int) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return false, 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	return err == nil && width >= 80, width
}

type upCmd struct {
	fileFlag
	At          time.Time  `placeholder:"RFC3339" help:"Rehearse as if it were then; every provider must be on loopback."`
	UnsafeFsync bool       `help:"Accept a NATS server that may lose acknowledged messages on power loss."`
	LogLevel    slog.Level `default:"info" help:"debug, info, warn or error."`
	Restored    bool       `help:"The store was put back from a copy: nothing is dialed until resolve-regression accepts it. For one start."`
	keyFlags
}

func (c *upCmd) Run(e *env) error {
	cfg, err := c.read(e, config.Options{UnsafeFsync: c.UnsafeFsync})
	if err != nil {
		return err
	}
	a, err := app.Start(e.ctx, app.Options{Config: cfg, Version: runtime.Version(), Unsafe: c.UnsafeFsync, At: c.At, Accept: c.accept(),
		LogTo: e.errOut, Level: c.LogLevel, Getenv: e.getenv, Witness: app.Witness(cfg, e.getenv), Restored: c.Restored})
	if err != nil {
		return err
	}
	defer a.Close()
	fmt.Fprintf(e.out, "outdial %s is up: NATS %s, HTTP http://%s, sessions in %s\n", runtime.Version(), a.NATS, a.Addr, a.Sessions)
	if off := a.Clock.Offset(); off != 0 {
		fmt.Fprintf(e.out, "REHEARSAL: the clock is set to %s\n", a.Clock.Now().UTC().Format(time.RFC3339))
		if late := a.Clock.Now().Sub(c.At); !c.At.IsZero() && (late > time.Minute || late < 0) {
			fmt.Fprintln(e.out, "  (it was set when this store was made; --at does not set it again)")
		}
	}
	if c.UnsafeFsync {
		fmt.Fprintln(e.out, "UNSAFE: acknowledged requests may be lost on power loss (--unsafe-fsync)")
	}
	err = a.Wait()
	if a.Close(); err == nil {
		fmt.Fprintln(e.out, "outdial has stopped; what was under way is on record, and goes on at the next start")
	}
	return err
}

type provisionCmd struct {
	fileFlag
	DryRun      bool      `help:"Show what would change, and change nothing."`
	At          time.Time `placeholder:"RFC3339" help:"Fix the clock of a rehearsal; every provider must be on loopback."`
	UnsafeFsync bool      `help:"Accept a NATS server that may lose acknowledged messages on power loss."`
	keyFlags
}

func (c *provisionCmd) Run(e *env) error {
	cfg, err := c.read(e, config.Options{ReadOnly: c.DryRun, Provision: true, NoRoster: true, UnsafeFsync: c.UnsafeFsync})
	if err != nil {
		return err
	}
	return ops.Provision(e.ctx, cfg, ops.ProvisionOptions{DryRun: c.DryRun, At: c.At, Accept: c.accept(), Out: e.out})
}

type doctorCmd struct {
	fileFlag
	UnsafeFsync bool `help:"Accept a NATS server that may lose acknowledged messages on power loss."`
}

func (c *doctorCmd) Run(e *env) error {
	cfg, err := c.read(e, config.Options{ReadOnly: true, BeforeStart: true, NoRoster: true, UnsafeFsync: c.UnsafeFsync})
	if err != nil {
		return err
	}
	_, roster := c.read(e, config.Options{ReadOnly: true, BeforeStart: true, UnsafeFsync: c.UnsafeFsync})
	return ops.Doctor(e.ctx, ops.DoctorOptions{Config: cfg, Roster: roster, Unsafe: c.UnsafeFsync, Getenv: e.getenv, Out: e.out})
}

type resolveCmd struct {
	fileFlag
	By     string `required:"" placeholder:"NAME" help:"Who accepts it."`
	Reason string `required:"" placeholder:"WHY" help:"Why; kept in OPS."`
	DryRun bool   `xor:"restored" help:"Show what would close, and change nothing."`
	// Restored is for a store that nobody knows better.
	Restored bool `xor:"restored" help:"It was put back from a copy, though no service noticed: before the services are started."`
}

func (c *resolveCmd) Run(e *env) error {
	if err := ops.Named(c.By, c.Reason); err != nil {
		return err
	}
	cfg, err := c.load(e, true)
	if err != nil {
		return err
	}
	return ops.ResolveRegression(e.ctx, cfg, ops.ResolveOptions{By: c.By, Reason: c.Reason, DryRun: c.DryRun, Restored: c.Restored, Out: e.out})
}

type auditCmd struct {
	fileFlag
	Ledger []string `placeholder:"FILE" help:"The simulator's ledger, as second witness."`
	Strict bool     `help:"Calls that are still open are findings too."`
}

func (c *auditCmd) Run(e *env) error {
	cfg, err := c.load(e, true)
	if err != nil {
		return err
	}
	return ops.AuditCommand(e.ctx, cfg, c.Ledger, c.Strict, e.out)
}

type versionCmd struct{}

func (versionCmd) Run(e *env) error {
	_, err := fmt.Fprintln(e.out, "outdial", runtime.Version())
	return err
}
