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
	Stages   []string      // none: all but replicas and kept, and if quick burst
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
			o.Stages = append(o.Stages, "burst")
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
	name string
	run  func(context.Context, Options, *Report) error
}

func stages() []stage {
	return []stage{{"saturation", saturation}, {"latency", latency}, {"batching", batching}, {"tcn", tcnCalls}, {"waiting", waiting}, {"agents", agents}, {"processes", processes},
		{"burst", bursts}, {"idle", idle}, {"pace", reserve}, {"replicas", replicas}, {"kept", kept}}
}

// stageNames are all of them.
func stageNames() (names []string) {
	for _, s := range stages() {
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
	var failed error
	for _, s := range stages() {
		if !slices.Contains(o.Stages, s.name) || ctx.Err() != nil {
			continue
		}
		fmt.Fprintf(o.Progress, "%6.0f s  %s\n", time.Since(t.At).Seconds(), s.name)
		if err := s.run(ctx, o, t); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%w: %s: %w", ErrUnmeasured, s.name, err))
			t.note("%s could not be measured to its end: %v", s.name, err)
		}
	}
	t.Took = time.Since(t.At).Seconds()
	if len(t.Audit.Violations) > 0 {
		return t, ErrWrong // whatever else happened
	}
	return t, errors.Join(ctx.Err(), failed)
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
