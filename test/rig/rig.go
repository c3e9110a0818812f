package rig

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/internal/broker/embedded"
	"github.com/outdial/outdial/internal/clock"
	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/internal/runtime/keycheck"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/desktopsim"
	"github.com/outdial/outdial/sim/tcnsim"
	"github.com/outdial/outdial/test/exams/natstest"
	"github.com/outdial/outdial/test/exams/redistest"
)

// A Rig is a whole outdial under test.
type Rig struct {
	Dir      string
	NC       *nats.Conn
	JS       jetstream.JetStream
	Sim      *sim.Simulator
	TCN      *tcnsim.Company
	Fleets   map[providers.Kind]*desktopsim.Fleet
	RedisURL string
	Clock    *clock.Shifted
	Keys     map[string]events.Key // by tenant

	t          testing.TB
	opts       Options
	cfg        *config.Config
	configFile string
	nats       *embedded.Server
	natsURL    string
	monitorURL string
	simURL     string
	addrs      map[string][]string // HTTP of each copy, by service
	running    map[string][]service
	watch      *watch
	putBack    bool // an older copy took the store's place: the log does not know every dial
	logs       *Lines
	secrets    []string
	mu         sync.Mutex // numbers
	numbers    []string
}

// Start puts up a rig and takes it down at the end of the test, after the
// questions that every test is asked.
func Start(t testing.TB, o Options) *Rig {
	t.Helper()
	o = o.withDefaults()
	r := &Rig{t: t, opts: o, Dir: t.TempDir(), Keys: map[string]events.Key{}, addrs: map[string][]string{},
		Fleets: map[providers.Kind]*desktopsim.Fleet{}, running: map[string][]service{}, logs: &Lines{}}
	r.secrets = append(r.secrets, o.Secrets...)
	r.keys()
	r.RedisURL = redistest.Start(t)
	r.startNATS(natstest.Vacant(t), natstest.Vacant(t))
	t.Cleanup(func() { r.nats.Stop() })
	r.natsURL, r.monitorURL = r.nats.ClientURL(), r.nats.MonitorURL()
	r.simulate()
	for _, s := range Services() {
		for range o.Copies {
			r.addrs[s] = append(r.addrs[s], natstest.Vacant(t))
		}
	}
	r.cfg = r.configure()
	r.connect()
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	r.watch = follow(ctx, t, r.JS, []string{Acme, Globex})
	if o.Processes {
		binaries(t)
	}
	t.Cleanup(func() {
		r.StopAll()
		if o.Processes {
			r.noRaces()
		}
	})
	if !o.Late {
		r.StartAll()
	}
	r.desktops(ctx)
	t.Cleanup(r.questions) // runs first of all cleanups
	return r
}

// startNATS runs a server that writes to disk before it acknowledges.
func (r *Rig) startNATS(listen, monitor string) {
	r.t.Helper()
	srv, err := embedded.Start(embedded.Config{StoreDir: filepath.Join(r.Dir, "nats"), Listen: listen, Monitor: monitor,
		Log: slog.New(slog.NewTextHandler(r.logs, nil))})
	if err != nil {
		r.t.Fatal(err)
	}
	r.nats = srv
}

// RestartNATS stops the server and starts it again, down for a while, on the
// same store and ports.
func (r *Rig) RestartNATS(down time.Duration) {
	r.t.Helper()
	r.WithoutNATS(func() { time.Sleep(down) }) // the outage itself, not a wait for something
}

// WithoutNATS does something while the server is down.
func (r *Rig) WithoutNATS(do func()) {
	r.t.Helper()
	r.nats.Stop()
	do()
	r.startNATS(r.natsURL[len("nats://"):], r.monitorURL[len("http://"):])
}

// connect opens the test's own connection, makes the streams and sets the
// clock.
func (r *Rig) connect() {
	r.t.Helper()
	var err error
	r.NC, err = nats.Connect(r.natsURL, nats.Name("rig"), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(r.NC.Close)
	if r.JS, err = jetstream.New(r.NC); err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	layout, err := broker.Plan([]string{Acme, Globex}, broker.Options{CallsKeep: r.cfg.CallsAge, Store: r.opts.Store, Connections: len(r.cfg.Connections)})
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := broker.Apply(ctx, r.JS, layout); err != nil {
		r.t.Fatal(err)
	}
	keys := runtime.Setup{Config: r.cfg}.Keys()
	if err := keycheck.Write(ctx, r.JS, keys, keycheck.Accept{}); err != nil {
		r.t.Fatal(err)
	}
	at := time.Now().UTC().Truncate(24 * time.Hour).Add(r.opts.At)
	if r.Clock, err = clock.Fix(ctx, r.JS, at); err != nil {
		r.t.Fatal(err)
	}
}

// simulate starts the telephone company.
func (r *Rig) simulate() {
	r.t.Helper()
	var err error
	o := sim.Options{LedgerPath: filepath.Join(r.Dir, "ledger.jsonl"), Pace: r.opts.Pace, Seed: 1}
	if !r.opts.Heedless {
		o.Clock = attentive{r: r}
	}
	r.Sim, err = sim.New(o)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, p := range r.opts.Script {
		if err := r.Sim.Script.Set(p); err != nil {
			r.t.Fatal(err)
		}
	}
	dialect := r.opts.TCN
	dialect.Agents = r.opts.agents()
	for _, a := range dialect.Agents {
		r.secrets = append(r.secrets, a.Token)
	}
	if r.TCN, err = tcnsim.New(r.Sim, dialect); err != nil {
		r.t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/sim/", r.Sim.Management())
	mux.Handle("/", r.TCN)
	srv := httptest.NewServer(mux)
	r.simURL = srv.URL
	r.t.Cleanup(func() {
		_ = r.Sim.Close() // first, it lets go of what is silent on purpose
		srv.CloseClientConnections()
		srv.Close()
	})
}

// desktops opens the agents' pages.
func (r *Rig) desktops(ctx context.Context) {
	r.t.Helper()
	var wg sync.WaitGroup
	ctx, stop := context.WithCancel(ctx)
	r.t.Cleanup(func() { stop(); wg.Wait() })
	for _, d := range r.opts.Desks {
		f := r.Fleets[d.Kind]
		if f == nil {
			f = desktopsim.NewFleet(r.Sim, d.Kind)
			r.Fleets[d.Kind] = f
			wg.Go(func() { _ = f.Run(ctx) })
		}
		if d.Away {
			continue
		}
		if _, err := f.Add(r.page(d)); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *Rig) page(d Desk) desktopsim.Config {
	return desktopsim.Config{URL: "http://" + r.addrs["events-bridge"][d.Bridge], Connection: Connection(d.Kind), Agent: d.Agent, Pace: r.opts.Pace}
}

// OpenPage opens a page for a desk beside those that are open. The agent closes
// it by the function returned.
func (r *Rig) OpenPage(d Desk) (page *desktopsim.Desktop, shut func()) {
	r.t.Helper()
	c := r.page(d)
	c.Kind = d.Kind
	page, err := desktopsim.New(r.Sim, c)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = page.Run(ctx) }()
	shut = func() { stop(); <-done }
	r.t.Cleanup(shut)
	return page, shut
}

// HTTP is the address of the first bridge.
func (r *Rig) HTTP() string { return "http://" + r.addrs["events-bridge"][0] }

// Now is outdial's clock.
func (r *Rig) Now() time.Time { return r.Clock.Now() }

// Desktop is an agent's page.
func (r *Rig) Desktop(d Desk) *desktopsim.Desktop { return r.Fleets[d.Kind].Desktop(d.Agent) }
