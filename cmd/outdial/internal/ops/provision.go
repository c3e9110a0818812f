package ops

import (
	"context"
	"errors"
	"fmt"
	"io"
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
)

// ProvisionOptions say how to provision.
type ProvisionOptions struct {
	DryRun bool
	At     time.Time
	Accept keycheck.Accept
	Out    io.Writer
	ErrOut io.Writer
}

// Provision makes the streams and consumers on the server that the
// configuration names, and fixes the clock of a rehearsal.
func Provision(ctx context.Context, cfg *config.Config, o ProvisionOptions) error {
	nc, setup, err := connect(ctx, cfg, "outdial-provision")
	if err != nil {
		return err
	}
	defer nc.Close()
	if len(cfg.Made) > 0 {
		fmt.Fprintf(o.Out, "tenant keys made: %s; keep a copy: the do-not-call list is readable by them alone\n", strings.Join(cfg.Made, ", "))
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	var changes strings.Builder
	err = app.Provision(ctx, js, setup, o.Accept, o.DryRun, &changes)
	fmt.Fprint(o.Out, changes.String())
	if err != nil {
		return err
	}
	if changes.Len() == 0 {
		fmt.Fprintln(o.Out, "everything is as it should be")
	}
	if o.DryRun || o.At.IsZero() {
		return nil
	}
	c, err := app.FixClock(ctx, js, cfg, o.At)
	if err == nil {
		fmt.Fprintf(o.Out, "REHEARSAL: the clock is set to %s\n", c.Now().UTC().Format(time.RFC3339))
	}
	return err
}

// ErrUnwell says that the doctor found something.
var ErrUnwell = errors.New("not everything is well")

// Doctor looks at everything that must be right and says, line by line, what
// is and what is not, and what to do about it.
func Doctor(ctx context.Context, cfg *config.Config, out io.Writer) error {
	d := &doctor{out: out}
	d.say("configuration", nil, count(len(cfg.Tenants), "tenant")+", "+count(len(cfg.Connections), "connection")+", "+count(len(cfg.Agents), "agent"))
	for _, w := range cfg.Warnings {
		fmt.Fprintln(out, "  !  warning       ", w)
	}
	nc, setup, err := connect(ctx, cfg, "outdial-doctor")
	if err != nil {
		d.say("NATS", err, "")
	} else {
		d.say("NATS", nil, nc.ConnectedUrlRedacted()+", server "+nc.ConnectedServerVersion())
		defer nc.Close()
		js, _ := jetstream.New(nc)
		if cfg.NATS.URL.Reveal() != "" || cfg.NATS.Monitor != "" {
			d.say("durability", broker.CheckDurability(ctx, nc, cfg.NATS.Monitor, nil), "every message is on disk before it is acknowledged")
		} else {
			d.say("durability", broker.CheckVersion(nc.ConnectedServerVersion()), "embedded: `outdial up` checks it at every start; server "+nc.ConnectedServerVersion())
		}
		d.say("streams", app.Compare(ctx, js, setup), "as they should be")
		d.keys(ctx, js, setup)
		c, err := clock.Load(ctx, js)
		if err == nil && c.Offset() != 0 {
			fmt.Fprintln(out, "  !  clock          REHEARSAL: set to", c.Now().UTC().Format(time.RFC3339))
		} else {
			d.say("clock", err, "not shifted")
		}
		d.room(ctx, js, setup.Tenants())
		d.keeping(ctx, js)
		d.store(ctx, js)
		d.pauses(ctx, js)
		d.services(ctx, nc)
	}
	d.redis(ctx, cfg)
	if d.bad > 0 {
		return fmt.Errorf("%w: %s", ErrUnwell, count(d.bad, "finding"))
	}
	return nil
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

func (d *doctor) say(what string, err error, good string) {
	if err != nil {
		d.bad++
		fmt.Fprintf(d.out, "  ✗  %-14s %v\n", what, err)
		return
	}
	fmt.Fprintf(d.out, "  ✓  %-14s %s\n", what, good)
}

// pauses tells who is stopped, so that nobody looks for another reason.
func (d *doctor) pauses(ctx context.Context, js jetstream.JetStream) {
	for _, name := range []string{"orchestrator", "compliance", "dialer"} {
		c, err := js.Consumer(ctx, events.StreamCalls, name)
		if err == nil && c.CachedInfo().Paused {
			fmt.Fprintf(d.out, "  !  %-14s PAUSED for another %s: `nats consumer resume CALLS %s -f` sets it going\n", name, c.CachedInfo().PauseRemaining.Round(time.Second), name)
		}
	}
}

// services asks who answers for each of the four.
func (d *doctor) services(ctx context.Context, nc *nats.Conn) {
	for _, name := range []string{"orchestrator", "compliance", "dialer", "events-bridge"} {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		_, err := nc.RequestWithContext(ctx, "$SRV.PING.outdial-"+name, nil)
		cancel()
		if err != nil {
			err = errors.New("nobody answers; start it, or look at its log")
		}
		d.say(name, err, "answers")
	}
}

func (d *doctor) redis(ctx context.Context, cfg *config.Config) {
	url := cfg.Redis.URL.Reveal()
	if url == "" {
		fmt.Fprintln(d.out, "  ✓  Redis          none configured: `outdial up` runs one of its own, or keeps sessions in memory")
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
		fmt.Fprintln(d.out, "  !  Redis' memory  whether it throws keys away when it is full cannot be seen; see that maxmemory-policy is noeviction")
		return
	}
	d.say("Redis' memory", err, "keeps what it is given: "+policy)
}
