package ops

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/cmd/outdial/internal/app"
	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/internal/clock"
	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/internal/runtime/keycheck"
	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/services/compliance"
)

// ErrUnwell says that the doctor found something.
var ErrUnwell = errors.New("not everything is well")

// DoctorOptions are what a doctor looks at.
type DoctorOptions struct {
	Config *config.Config
	// Roster is what is wrong with the agents' credentials, which only those who
	// enrol them read.
	Roster error
	Unsafe bool // accept a server that does not fsync
	Getenv func(string) string
	Out    io.Writer
}

// Doctor looks at everything that must be right and says, line by line, what
// is and what is not, and what to do about it. What `outdial up` would refuse
// is asked of the functions that refuse it.
func Doctor(ctx context.Context, o DoctorOptions) error {
	d := &doctor{out: o.Out}
	cfg := o.Config
	d.say("configuration", nil, count(len(cfg.Tenants), "tenant")+", "+count(len(cfg.Connections), "connection")+", "+count(len(cfg.Agents), "agent"))
	for _, w := range cfg.Warnings {
		d.warn("warning", w)
	}
	nc, setup, unreached := connect(ctx, cfg, "outdial-doctor")
	var answers []string
	if unreached == nil {
		defer nc.Close()
		answers = alive(ctx, nc)
	}
	running := len(answers) > 0
	d.roster(o.Roster, running || cfg.NATS.URL.Reveal() != "")
	up := app.Options{Config: cfg, Version: runtime.Version(), Unsafe: o.Unsafe, Getenv: o.Getenv}
	for _, c := range app.Before(ctx, up, running || unreached == nil && cfg.NATS.URL.Reveal() == "") {
		d.say(c.What, c.Err, c.Good)
	}
	d.approved(cfg)
	if unreached != nil {
		d.say("NATS", unreached, "")
		d.warn("store", "its streams, keys and clock cannot be seen until NATS is there; `outdial up` and `outdial provision` look before they change anything")
	} else {
		d.say("NATS", nil, nc.ConnectedUrlRedacted()+", server "+nc.ConnectedServerVersion())
		d.server(ctx, nc, setup, o.Unsafe)
		for _, name := range services() {
			var err error
			if !slices.Contains(answers, name) {
				err = errors.New("nobody answers; start it, or look at its log")
			}
			d.say(name, err, "answers")
		}
	}
	d.redis(ctx, cfg)
	if d.bad > 0 {
		return fmt.Errorf("%w: %s, marked ✗ above", ErrUnwell, count(d.bad, "finding"))
	}
	fmt.Fprintln(d.out, "everything is well")
	return nil
}

// server looks at the server and at what is stored there.
func (d *doctor) server(ctx context.Context, nc *nats.Conn, setup runtime.Setup, unsafe bool) {
	cfg := setup.Config
	js, err := jetstream.New(nc)
	if err != nil {
		d.say("streams", err, "")
		return
	}
	switch {
	case unsafe:
		d.warn("durability", "not looked at: --unsafe-fsync")
	case cfg.NATS.URL.Reveal() != "" || cfg.NATS.Monitor != "":
		d.say("durability", broker.CheckDurability(ctx, nc, cfg.NATS.Monitor, nil), "every message is on disk before it is acknowledged")
	default:
		d.say("durability", broker.CheckVersion(nc.ConnectedServerVersion()), "embedded: `outdial up` checks it at every start")
	}
	d.say("streams", app.Compare(ctx, js, setup), "as they should be")
	d.keys(ctx, js, setup)
	d.clock(ctx, js, setup)
	d.clocks(ctx, js)
	d.room(ctx, js, setup.Tenants())
	d.keeping(ctx, js)
	d.store(ctx, js)
	d.pauses(ctx, js)
	if answers := rosters(ctx, nc, setup.Tenants()); len(answers) > 0 { // else nobody is up, and services says so
		d.prepared(answers)
		d.connections(ctx, js, answers)
	}
}

// clock tells whether the store is a rehearsal's, and may be.
func (d *doctor) clock(ctx context.Context, js jetstream.JetStream, setup runtime.Setup) {
	c, err := clock.Load(ctx, js)
	if err == nil {
		err = setup.Real(c.Offset())
	}
	if err == nil && c.Offset() != 0 {
		d.warn("clock", "REHEARSAL: set to "+c.Now().UTC().Format(time.RFC3339))
		return
	}
	d.say("clock", err, "not shifted")
}

// clocks compares this machine's clock with the server's, and tells who has said
// within a day that its own is apart, and nothing since.
func (d *doctor) clocks(ctx context.Context, js jetstream.JetStream) {
	ahead, err := clock.Measure(ctx, js, time.Now)
	d.say("clocks", errors.Join(err, clock.Agree(ahead)), "this machine's and the server's agree")
	apart := map[string]events.Ops{}
	err = readOps(ctx, js, []string{events.OpsSubject("*", events.OpsClockApart), events.OpsSubject("*", events.OpsClockAgrees)}, func(e events.Ops) {
		who := e.Service + " on " + e.What
		if delete(apart, who); e.Event == events.OpsClockApart {
			apart[who] = e
		}
	})
	if err != nil {
		d.say("clocks", err, "")
	}
	for _, who := range slices.Sorted(maps.Keys(apart)) {
		if e := apart[who]; time.Since(e.At) < 24*time.Hour {
			d.warn("clocks", fmt.Sprintf("%s said at %s: %s", who, e.At.UTC().Format(time.RFC3339), e.Reason))
		}
	}
}

// roster tells of agents' credentials that are not here. Where somebody else
// enrols the agents, or has done so, they may be missing here.
func (d *doctor) roster(err error, elsewhere bool) {
	if err != nil && elsewhere {
		d.warn("agents", "an orchestrator that is started here would refuse: "+err.Error())
		return
	}
	d.say("agents", err, "their credentials are there")
}

// approved tells of real telephones that nobody may call: compliance answers
// `failed` to each request.
func (d *doctor) approved(cfg *config.Config) {
	sets, err := compliance.Rulesets(cfg.Rulesets.Dir)
	if err != nil {
		return // said already
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Connections)) {
		c := cfg.Connections[name]
		set, ok := sets[cfg.Tenants[c.Tenant].Ruleset]
		if ok && !set.Approved() && !cfg.ConnectionLoopback(name) {
			d.say("approval", fmt.Errorf("nobody has approved rule set %s, and connection %s is not on this machine: each of its calls is answered `failed`; see \"Approving a rule set\" in docs/operators.md", cfg.Tenants[c.Tenant].Ruleset, name), "")
		}
	}
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// keys tells whether the store was made with the tenants' keys.
func (d *doctor) keys(ctx context.Context, js jetstream.JetStream, s runtime.Setup) {
	fresh, err := keycheck.Examine(ctx, js, s.Keys(), keycheck.Accept{})
	if err == nil && len(fresh) > 0 {
		err = fmt.Errorf("%w of %s; `outdial provision` puts it there", keycheck.ErrUnrecorded, count(len(fresh), "tenant"))
	}
	d.say("tenants' keys", err, "those that this store was made with")
}

type doctor struct {
	out io.Writer
	bad int
}

// say prints one line, and what is wrong on lines of its own where it is much.
func (d *doctor) say(what string, err error, good string) {
	if err != nil {
		d.bad++
		fmt.Fprintf(d.out, "  ✗  %-14s %s\n", what, indented(err.Error()))
		return
	}
	fmt.Fprintf(d.out, "  ✓  %-14s %s\n", what, good)
}

// warn prints what is no fault, and to be known.
func (d *doctor) warn(what, says string) {
	fmt.Fprintf(d.out, "  !  %-14s %s\n", what, indented(says))
}

func indented(s string) string {
	return strings.ReplaceAll(s, "\n", "\n"+strings.Repeat(" ", 20))
}

// pauses tells who is stopped, so that nobody looks for another reason.
func (d *doctor) pauses(ctx context.Context, js jetstream.JetStream) {
	for _, name := range []string{"orchestrator", "compliance", "dialer"} {
		c, err := js.Consumer(ctx, events.StreamCalls, name)
		if err == nil && c.CachedInfo().Paused {
			d.warn(name, fmt.Sprintf("PAUSED for another %s: `nats consumer resume CALLS %s -f` sets it going", c.CachedInfo().PauseRemaining.Round(time.Second), name))
		}
	}
}

func services() []string {
	return []string{"orchestrator", "compliance", "dialer", "events-bridge"}
}

// alive asks who answers of the four.
func alive(ctx context.Context, nc *nats.Conn) (names []string) {
	for _, name := range services() {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		if _, err := nc.RequestWithContext(ctx, "$SRV.PING.outdial-"+name, nil); err == nil {
			names = append(names, name)
		}
		cancel()
	}
	return names
}

func (d *doctor) redis(ctx context.Context, cfg *config.Config) {
	url := cfg.Redis.URL.Reveal()
	if url == "" {
		d.say("Redis", nil, "none configured: `outdial up` runs one of its own, or keeps sessions in memory")
		return
	}
	client, err := sessions.Dial(url)
	if err == nil {
		defer client.Close()
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		err = client.Ping(ctx).Err()
	}
	d.say("Redis", err, "answers")
	if err != nil {
		return
	}
	policy, err := sessions.Eviction(ctx, client)
	if err == nil && policy == "" {
		d.warn("Redis' memory", "whether it throws keys away when it is full cannot be seen; see that maxmemory-policy is noeviction")
		return
	}
	d.say("Redis' memory", err, "keeps what it is given: "+policy)
}
