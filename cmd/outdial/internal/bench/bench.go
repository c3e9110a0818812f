package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/outdial/outdial/cmd/outdial/internal/ops"
	"github.com/outdial/outdial/internal/clock"
	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/config/kinds"
	"github.com/outdial/outdial/pkg/providers"
)

// AsProgram is an environment variable that tests set, to be the program that
// is measured; children keep it.
const AsProgram = "OUTDIAL_BENCH_AS_PROGRAM"

// Options say what to measure.
type Options struct {
	Quick    bool
	Stages   []string      // none: all but replicas and kept, and if quick burst and fewer
	Desktops []int         // how many each time beside the floor; none: 100 and 300
	Rounds   int           // turns of each; 0: 5, or 2 if quick
	Length   time.Duration // of a turn; 0: 6 s, or 1 s if quick
	Replicas int           // 3: beside that, three servers
	Waiting  int           // requests that wait; 0: 10,000, or 1,000 if quick
	Kept     int           // closed calls kept; 0: not measured
	Store    string        // where these are kept; "": a folder that is removed
	Program  string        // outdial itself
	Version  string
	Progress io.Writer
}

func (o Options) withDefaults() Options {
	pick := func(quick, full time.Duration) time.Duration {
		if o.Quick {
			return quick
		}
		return full
	}
	if o.Rounds <= 0 {
		o.Rounds = int(pick(2, 5))
	}
	if o.Length <= 0 {
		o.Length = pick(time.Second, 6*time.Second)
	}
	if o.Waiting <= 0 {
		o.Waiting = int(pick(1000, 10_000))
	}
	if len(o.Desktops) == 0 {
		o.Desktops = []int{100, 300}
	}
	if len(o.Stages) == 0 {
		o.Stages = []string{"saturation", "latency", "batching", "tcn", "waiting", "agents", "processes", "idle", "pace"}
		if !o.Quick {
			o.Stages = append(o.Stages, "burst", "fewer")
		}
	}
	if o.Kept > 0 {
		o.Stages = append(slices.Clone(o.Stages), "kept")
	}
	if o.Replicas > 1 {
		o.Stages = append(slices.Clone(o.Stages), "replicas")
	}
	return o
}

// longestWarm is how long a turn waits for every line to have had a call.
const longestWarm = 10 * time.Second

// warm is how long a turn runs at least before it counts. All calls begin at
// once; they are strewn over their steps only after each line has had one.
func (o Options) warm() time.Duration { return min(o.Length/2, 2*time.Second) }

// besideFloor is how long a turn beside the floor is. What comes before and after
// it takes longer than a quick one, and the goals are about these.
func (o Options) besideFloor() time.Duration {
	if o.Quick {
		return 2 * o.Length
	}
	return o.Length
}

// pairs is how many turns outdial takes beside itself.
func (o Options) pairs() int {
	if o.Quick {
		return min(o.Rounds, 2)
	}
	return o.Rounds
}

// patience is how long anything may take to start.
func (o Options) patience() time.Duration {
	if o.Kept > 0 {
		return 15 * time.Minute
	}
	return 2 * time.Minute
}

// service is the binary of a service, beside the program.
func (o Options) service(role string) string {
	return filepath.Join(filepath.Dir(o.Program), "outdial-"+role)
}

// alone says whether every service's own binary is there.
func (o Options) alone() error {
	for _, role := range roles() {
		if _, err := os.Stat(o.service(role)); err != nil {
			return fmt.Errorf("no %s: `make build` makes it", o.service(role))
		}
	}
	return nil
}

var (
	// ErrWrong says that a call was lost, doubled or wrong.
	ErrWrong = errors.New("a call was lost, doubled or wrong")
	// ErrUnmeasured says that something could not be measured to its end.
	ErrUnmeasured = errors.New("not measured")
)

// A stage measures one thing.
type stage struct {
	name  string
	about time.Duration // that it takes, where nobody else uses the machine
	run   func(context.Context, Options, *Report) error
}

// stages are all there are, in their order.
func (o Options) stages() []stage {
	pair := o.turns(2, 2*o.pairs())
	return []stage{
		{"saturation", time.Duration(len(o.Desktops)) * (o.turns(2, 3*o.Rounds) + time.Duration(3*o.Rounds)*(o.besideFloor()-o.Length)), saturation},
		{"latency", o.turns(1, 1) + max(6*o.Length, 3*time.Second), latency},
		{"batching", pair + time.Duration(2*o.pairs())*o.Length, batching},
		{"tcn", o.turns(1, 0) + max(3*o.Length, 5*time.Second), tcnCalls},
		{"waiting", pair + time.Duration(o.Waiting)*5*time.Millisecond, waiting},
		{"agents", pair + 5*time.Second, agents},
		{"processes", pair + 10*time.Second, processes},
		{"burst", o.turns(2, 0) + 3*o.Length, bursts},
		{"idle", o.turns(2, 0) + 6*o.Length, idle},
		{"pace", time.Second, reserve},
		{"replicas", o.turns(3, 3*o.Rounds), replicas},
		{"fewer", o.turns(2, len(fewer())*o.Rounds), fewerMessages},
		{"kept", time.Minute + time.Duration(o.Kept)*time.Millisecond, kept},
	}
}

// turns is about how long so many worlds take that have so many turns.
func (o Options) turns(worlds, turns int) time.Duration {
	return time.Duration(worlds)*3*time.Second + time.Duration(turns)*(o.warm()+o.Length+time.Second)
}

// longest is when a stage is given up, so that one that hangs is not the last.
func (s stage) longest(o Options) time.Duration { return 4*s.about + o.patience() }

// stageNames are all of them.
func stageNames() (names []string) {
	for _, s := range (Options{}).stages() {
		names = append(names, s.name)
	}
	return names
}

// Known is an error where one of these is no stage.
func Known(names []string) error {
	for _, name := range names {
		if !slices.Contains(stageNames(), name) {
			return fmt.Errorf("no stage %q; there are %s", name, strings.Join(stageNames(), ", "))
		}
	}
	return nil
}

// Run measures. Its error is ErrWrong, the end of ctx, or ErrUnmeasured; the
// report holds what was found until then.
func Run(ctx context.Context, o Options) (*Report, error) {
	o = o.withDefaults()
	if err := Known(o.Stages); err != nil {
		return nil, err
	}
	t := &Report{Schema: 1, At: time.Now().UTC(), Quick: o.Quick, Machine: thisMachine(), Messages: map[string][]Message{}, Rows: []Row{}, Notes: []string{},
		Versions: map[string]string{"outdial": o.Version, "go": runtime.Version(), "nats-server": server.VERSION}, Audit: Audited{Violations: []string{}}}
	if b, ok := debug.ReadBuildInfo(); ok {
		for _, m := range b.Deps {
			if m.Path == "github.com/nats-io/nats.go" {
				t.Versions["nats.go"] = m.Version
			}
		}
	}
	todo := slices.DeleteFunc(o.stages(), func(s stage) bool { return !slices.Contains(o.Stages, s.name) })
	failed := o.measure(ctx, t, todo)
	t.Took = time.Since(t.At).Seconds()
	if len(t.Audit.Violations) > 0 {
		return t, ErrWrong // whatever else happened
	}
	return t, errors.Join(ctx.Err(), failed)
}

// measure runs the stages, one after the other. What one could not measure is an
// error, and keeps none of the others from their turn.
func (o Options) measure(ctx context.Context, t *Report, todo []stage) (failed error) {
	for i, s := range todo {
		if ctx.Err() != nil {
			break
		}
		left := time.Duration(0)
		for _, next := range todo[i:] {
			left += next.about
		}
		o.progress(t, "%s, %d of %d; about %s to the end", s.name, i+1, len(todo), left.Round(time.Second))
		limited, done := context.WithTimeoutCause(ctx, s.longest(o), fmt.Errorf("given up after %s", s.longest(o)))
		t.stage = s.name
		err := s.run(limited, o, t)
		if err != nil && ctx.Err() == nil && limited.Err() != nil {
			err = fmt.Errorf("%w: %w", context.Cause(limited), err)
		}
		done()
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%w: %s: %w", ErrUnmeasured, s.name, err))
			t.note("%s could not be measured to its end: %v", s.name, err)
			o.progress(t, "%s could not be measured", s.name)
		}
	}
	return failed
}

// progress tells whoever waits how far the run has come.
func (o Options) progress(t *Report, format string, args ...any) {
	fmt.Fprintf(o.Progress, "%6.0f s  %s\n", time.Since(t.At).Seconds(), fmt.Sprintf(format, args...))
}

// judge audits the store of a load when its calls have ended, or wait: against
// the log's own record, the simulators' ledger, and what upstream was told.
func (l *load) judge(ctx context.Context, t *Report, what string) error {
	cfg, err := config.Load(l.s.config, func(name string) string {
		if rest, ok := strings.CutPrefix(name, "BENCH_TCN_"); ok {
			return "token-" + rest
		}
		return ""
	}, config.Options{Kinds: kinds.All(), ReadOnly: true, NoRoster: true})
	if err != nil {
		return err
	}
	d, err := config.Directory(cfg, nil, providers.Deps{Now: time.Now})
	if err != nil {
		return err
	}
	c, err := clock.Load(ctx, l.s.js)
	if err != nil {
		return err
	}
	l.mu.Lock()
	acked, lost := l.acked, l.lost
	l.mu.Unlock()
	calls := 0
	var found []string
	// A request is acknowledged a moment before it is a call.
	err = until(ctx, 20*time.Second, "the audit", func() error {
		r, err := ops.Audit(ctx, l.s.js, d, l.sim.Ledger().Entries(), c, false)
		if err != nil {
			return err
		}
		calls, found = r.Calls, nil
		for _, f := range r.Findings {
			found = append(found, what+": "+f.String())
		}
		if r.Calls != acked {
			return fmt.Errorf("%d requests were acknowledged, %d calls are on record", acked, r.Calls)
		}
		return nil
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		found = append(found, what+": "+err.Error())
	}
	if lost > 0 {
		found = append(found, fmt.Sprintf("%s: %d talked calls closed otherwise than completed", what, lost))
	}
	t.Audit.Stores++
	t.Audit.Calls += calls
	t.Audit.Violations = append(t.Audit.Violations, found...)
	return nil
}
