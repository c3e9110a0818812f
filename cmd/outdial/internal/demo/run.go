package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"os"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outdial/outdial/cmd/outdial/internal/app"
	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/config/kinds"
	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/desktopsim"
	"github.com/outdial/outdial/sim/tcnsim"
)

// Options say how the demonstration runs.
type Options struct {
	Out         io.Writer
	Live        bool // redraw the table in place (a terminal)
	Width       int  // of the terminal, in columns; 0: not known
	Keep        bool // stay up afterwards
	PrintConfig bool
	At          time.Time     // zero: an instant inside every sample's window
	Pace        time.Duration // of the simulated calls' steps; default 250 ms
	Version     string
}

// limit is how long the demonstration may take.
const limit = 90 * time.Second

// inWindow is the time of day, UTC, at which it is day in Utah, Wisconsin and
// India alike: 08:05 or later in the first, 20:35 in the last.
const inWindow = 15*time.Hour + 5*time.Minute

// A show is one run.
type show struct {
	Options
	places places
	app    *app.App
	sim    *sim.Simulator
	tcn    *tcnsim.Company
	nc     *nats.Conn
	table  *table
}

// ErrNotAsPromised says that the demonstration ran and showed something other
// than it should.
var ErrNotAsPromised = errors.New("the demonstration did not go as it should")

// ErrStopped says that somebody ended the demonstration before it was over.
var ErrStopped = errors.New("stopped")

// Run runs the demonstration.
func Run(ctx context.Context, o Options) error {
	if o.Pace == 0 {
		o.Pace = 250 * time.Millisecond
	}
	if o.At.IsZero() {
		o.At = time.Now().UTC().Truncate(24 * time.Hour).Add(inWindow)
	}
	dir, err := os.MkdirTemp("", "outdial-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &show{Options: o, places: places{NATS: free("127.0.0.1:4222"), HTTP: free("127.0.0.1:8080"),
		TCN: "http://" + free("127.0.0.1:9101"), Dir: dir}}
	if o.PrintConfig {
		_, err := io.WriteString(o.Out, s.places.yaml())
		return err
	}
	return s.whole(ctx)
}

// whole is the demonstration from its start to its end, whoever brings that about.
func (s *show) whole(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer s.close(ctx)
	err := s.run(ctx)
	if ctx.Err() != nil {
		fmt.Fprintln(s.Out, "\nstopped")
		return ErrStopped
	}
	if s.Keep && s.table != nil {
		s.stay()
		<-ctx.Done()
	}
	return err
}

// run goes through the demonstration, from its start to its summary.
func (s *show) run(ctx context.Context) error {
	if err := s.start(ctx); err != nil {
		return err
	}
	s.banner()
	play, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := s.play(play); err != nil || ctx.Err() != nil {
		return err
	}
	return s.summary(ctx)
}

// atMost is how long whoever stops the demonstration waits for its end: what it
// stored is thrown away, so nothing has to be finished.
const atMost = 1500 * time.Millisecond

// close ends what was started, and waits for it as long as nobody is in a hurry.
func (s *show) close(ctx context.Context) {
	hurry := time.Duration(math.MaxInt64)
	if ctx.Err() != nil {
		hurry = atMost
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if s.nc != nil {
			s.nc.Close()
		}
		if s.app != nil {
			s.app.Close()
		}
	}()
	select {
	case <-done:
	case <-time.After(hurry):
	}
}

// start starts the simulators, the app and the desktops.
func (s *show) start(ctx context.Context) error {
	if err := s.places.prepare(); err != nil {
		return err
	}
	cfg, err := config.Parse("demo", []byte(s.places.yaml()), getenv, config.Options{Kinds: kinds.All()})
	if err != nil {
		return err
	}
	if s.sim, s.tcn, err = simulated(s.Pace); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/sim/", s.sim.Management())
	mux.Handle("/", s.tcn)
	if _, _, err := runtime.ListenAndServe(ctx, s.places.TCN[len("http://"):], mux); err != nil {
		return err
	}
	level := slog.LevelError
	if os.Getenv("OUTDIAL_DEMO_LOG") != "" {
		level = slog.LevelDebug
	}
	s.app, err = app.Start(ctx, app.Options{Config: cfg, Version: s.Version, At: s.At, LogTo: os.Stderr, Level: level})
	if err != nil {
		return err
	}
	s.nc, err = s.app.Client("upstream-demo")
	if err != nil {
		return err
	}
	return s.desktops(ctx)
}

func (s *show) desktops(ctx context.Context) error {
	for _, kind := range []providers.Kind{providers.WebexCC, providers.Five9} {
		fleet := desktopsim.NewFleet(s.sim, kind)
		for _, d := range desks() {
			if d.kind != kind {
				continue
			}
			if _, err := fleet.Add(desktopsim.Config{URL: "http://" + s.app.Addr, Connection: d.connection, Agent: d.agent, Pace: s.Pace}); err != nil {
				return err
			}
		}
		go func() { _ = fleet.Run(ctx) }()
	}
	return nil
}

func (s *show) banner() {
	fmt.Fprintf(s.Out, "outdial %s: real input through everything, simulated telephones\n\n", s.Version)
	fmt.Fprintf(s.Out, "  NATS       %s (in this process, writes to disk before it acknowledges)\n", s.app.NATS)
	fmt.Fprintf(s.Out, "  sessions   %s\n", s.app.Sessions)
	fmt.Fprintf(s.Out, "  HTTP       http://%s\n", s.app.Addr)
	fmt.Fprintf(s.Out, "  providers  TCN simulated at %s; Webex CC and Five9 as simulated desktops\n", s.places.TCN)
	fmt.Fprintf(s.Out, "  clock      set to %s, when it is day in Utah, Wisconsin and India (a rehearsal)\n\n", s.At.Format("2006-01-02 15:04 MST"))
}

// play publishes the scenes and follows them to their ends.
func (s *show) play(ctx context.Context) error {
	all := scenes()
	s.table = newTable(all, s.Out, s.Live, s.Width)
	ended, err := s.follow()
	if err != nil {
		return err
	}
	if err := s.list(ctx, numListed); err != nil {
		return err
	}
	for i, sc := range all {
		if err := s.publish(sc); err != nil {
			return err
		}
		if sc.Twice {
			if err := s.publish(all[i]); err != nil {
				return err
			}
		}
	}
	resume := time.AfterFunc(8*s.Pace, func() { _ = s.tcn.Set("2098767", map[string]any{"status": "READY"}) })
	defer resume.Stop()
	select {
	case <-ended:
	case <-ctx.Done():
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return ctx.Err()
		}
		fmt.Fprintf(s.Out, "\nnot every call ended within %s\n", limit)
	}
	s.table.finish()
	return nil
}

// follow shows every stored event as it comes. ended is closed when every
// scene is over.
func (s *show) follow() (ended <-chan struct{}, err error) {
	done := make(chan struct{})
	hear := func(m *nats.Msg) {
		if s.table.hear(m) {
			close(done)
		}
	}
	in := make(chan *nats.Msg, 4096)
	for _, subject := range []string{"calls.>", "rejected.>"} {
		if _, err := s.nc.ChanSubscribe(subject, in); err != nil {
			return nil, err
		}
	}
	go func() {
		for m := range in {
			hear(m)
		}
	}()
	return done, s.nc.Flush()
}

// list puts a number on the company's do-not-call list, as an operator would.
func (s *show) list(ctx context.Context, number string) error {
	m, err := s.nc.RequestWithContext(ctx, events.ServiceSubject("acme", "dnc", "add"),
		[]byte(`{"contacts":[{"phone_number":"`+number+`"}],"by":"demo"}`))
	if err != nil {
		return fmt.Errorf("dnc.add: %w", err)
	}
	if code := m.Header.Get("Nats-Service-Error-Code"); code != "" {
		return fmt.Errorf("dnc.add: %s %s", code, m.Header.Get("Nats-Service-Error"))
	}
	return nil
}

// source is who publishes the demonstration's requests.
const source = "https://crm.example.com/demo"

func (s *show) publish(sc scene) error {
	m := nats.NewMsg(events.RequestSubject(sc.Tenant))
	m.Header.Set("ce-specversion", "1.0")
	m.Header.Set("ce-id", sc.ID)
	m.Header.Set("ce-source", source)
	m.Header.Set("ce-type", events.TypeDialRequested)
	m.Header.Set("ce-datacontenttype", "application/json")
	m.Data = sc.body()
	ack, err := s.nc.RequestMsg(m, 5*time.Second)
	if err != nil {
		return fmt.Errorf("publish %s: %w", sc.ID, err)
	}
	_ = ack
	return nil
}

func (s *show) stay() {
	fmt.Fprintf(s.Out, "\nStaying up. Try:\n  nats -s %s sub 'calls.>'\n  nats -s %s req outdial.acme.call.find '{\"agent\":\"2098765\"}'\nCtrl-C ends it.\n", s.app.NATS, s.app.NATS)
}
