package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// soon is a call among people who answer at once and say little.
func soon() life {
	return life{ring: 50 * time.Millisecond, talk: 200 * time.Millisecond, wrap: 50 * time.Millisecond}
}

// slow is a call that a poll a second sees most of.
func slow() life {
	return life{ring: 500 * time.Millisecond, talk: 1500 * time.Millisecond, wrap: 500 * time.Millisecond}
}

// A contender takes turns with others.
type contender struct {
	name string
	turn func(context.Context) (sample, error)
	once bool // it has a turn in the first round alone
	got  []sample
}

func (c *contender) rates() (out []float64) {
	for _, s := range c.got {
		out = append(out, s.rate())
	}
	return out
}

func (c *contender) costs() (out []float64) {
	for _, s := range c.got {
		if s.cpu.sum() > 0 && s.calls > 0 {
			out = append(out, s.cost())
		}
	}
	return out
}

// report shows what the contender's turns gave, its CPU also by process.
func (c *contender) report(t *Report, name, label string) {
	t.add(name+".rate", "calls/s, "+label, "", c.rates())
	calls, cpu := 0.0, usage{}
	for _, s := range c.got {
		calls += s.calls
		for name, d := range s.cpu {
			cpu[name] += d
		}
	}
	if costs := c.costs(); len(costs) > 0 {
		t.add(name+".cpu", "CPU a call, "+label, "ms", costs)
		t.parts(cpu.perCall(calls))
	}
}

// besides says what the processors did in the contender's turns, and how often a
// disk was flushed; nothing where that is not known.
func (c *contender) besides() string {
	var took, cpu time.Duration
	var all around
	calls := 0.0
	for _, s := range c.got {
		took, cpu, calls = took+s.took, cpu+s.cpu.sum(), calls+s.calls
		all = around{all.own + s.around.own, all.busy + s.around.busy, all.idle + s.around.idle, all.disk + s.around.disk, all.flushes + s.around.flushes}
	}
	if all.busy == 0 || calls == 0 {
		return ""
	}
	cores := func(d time.Duration) string { return figure(d.Seconds() / took.Seconds()) }
	return fmt.Sprintf("itself %s, the simulated world %s, the kernel and others %s, waiting for a disk %s, idle %s; %.1f flushes of a disk a call",
		cores(cpu), cores(all.own), cores(all.busy-cpu-all.own), cores(all.disk), cores(all.idle), float64(all.flushes)/calls)
}

// race has each have its turn, and all of them again and again.
func race(ctx context.Context, o Options, t *Report, rounds int, all ...*contender) error {
	for i := range rounds {
		o.progress(t, "    round %d of %d", i+1, rounds)
		for _, c := range all {
			if c.once && i > 0 {
				continue
			}
			s, err := c.turn(ctx)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			c.got = append(c.got, s)
		}
	}
	return nil
}

// beside divides turn by turn, so that what slows a round slows both.
func beside(of, by []float64) (out []float64) {
	for i := range min(len(of), len(by)) {
		if by[i] > 0 {
			out = append(out, of[i]/by[i])
		}
	}
	return out
}

// working starts a world, shows it, and judges its store when it was shown.
func working(ctx context.Context, o Options, t *Report, what string, w world, lives life, show func(*load) error) error {
	o.Store = "" // that is for the kept calls alone
	l, err := begin(ctx, o, w, lives)
	if err != nil {
		return err
	}
	defer l.end()
	if err := show(l); err != nil {
		return err
	}
	return l.judge(ctx, t, what)
}

// saturation measures 100 and 300 desktops beside the floor.
func saturation(ctx context.Context, o Options, t *Report) (failed error) {
	for _, n := range o.Desktops {
		if err := besideFloor(ctx, o, t, "", n, world{desktops: n}); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%d desktops: %w", n, err))
		}
	}
	return failed
}

// besideFloor has outdial and a floor at its calls' work take turns with so many
// calls in flight.
func besideFloor(ctx context.Context, o Options, t *Report, prefix string, n int, w world) error {
	o.Length = o.besideFloor()
	return working(ctx, o, t, fmt.Sprintf("%s%d desktops", prefix, n), w, soon(), func(l *load) error {
		rec, err := l.record(ctx, t, "desktop")
		if err != nil {
			return err
		}
		f, err := newFloor(ctx, o, rec, w.replicas)
		if err != nil {
			return err
		}
		defer f.remove()
		bare := func(appender bool) func(context.Context) (sample, error) {
			return func(ctx context.Context) (sample, error) { return f.saturate(ctx, n, appender, o.warm(), o.Length) }
		}
		naked := &contender{name: fmt.Sprintf("floor.naked.%d", n), turn: bare(false), once: o.Quick}
		appender := &contender{name: fmt.Sprintf("floor.appender.%d", n), turn: bare(true)}
		own := &contender{name: fmt.Sprintf("desktops.%d", n), turn: func(ctx context.Context) (sample, error) { return l.saturate(ctx, n, o.warm(), o.Length) }}
		if err := race(ctx, o, t, o.Rounds, naked, appender, own); err != nil {
			return err
		}
		naked.report(t, prefix+naked.name, fmt.Sprintf("floor, plain publishes, %d in flight", n))
		appender.report(t, prefix+appender.name, fmt.Sprintf("floor, the product's appender, %d in flight", n))
		own.report(t, prefix+own.name, fmt.Sprintf("outdial, %d desktops", n))
		t.add(prefix+own.name+".rate_ratio", fmt.Sprintf("calls/s, outdial / floor with the same appender, %d", n), "", beside(own.rates(), appender.rates()), least(0.6))
		t.add(prefix+own.name+".cpu_ratio", fmt.Sprintf("CPU a call, outdial / floor with the same appender, %d", n), "", beside(own.costs(), appender.costs()), most(2))
		for _, c := range []*contender{appender, own} {
			if text := c.besides(); text != "" {
				t.note("Processors at work, %s%s: %s.", prefix, c.name, text)
			}
		}
		t.note("Steps of a call at saturation, %s%d desktops, p50 / p99 in ms: %s.", prefix, n, l.where())
		return nil
	})
}

// latency measures calls at a fifth of what outdial can do.
func latency(ctx context.Context, o Options, t *Report) error {
	return working(ctx, o, t, "latency", world{desktops: 100}, soon(), func(l *load) error {
		perSecond := 0.2 * t.value("desktops.100.rate")
		s, err := l.saturate(ctx, 100, o.warm(), o.Length) // warm, and a rate where none was measured
		if err != nil {
			return err
		}
		if perSecond == 0 {
			perSecond = 0.2 * s.rate()
		}
		perSecond = max(perSecond, 1)
		waits, ends, err := l.reads(ctx, t, "desktop", perSecond, max(4*o.Length, 2*time.Second))
		if err != nil {
			return err
		}
		for _, q := range []struct {
			name string
			q    float64
		}{{"p50", 0.5}, {"p99", 0.99}} {
			t.add("latency.dialing."+q.name, fmt.Sprintf("requested→dialing %s at %.0f calls/s, a fifth of saturation", q.name, perSecond), "ms", []float64{quantile(waits, q.q)})
			t.add("latency.end."+q.name, fmt.Sprintf("requested→closed %s, of which people take 300", q.name), "ms", []float64{quantile(ends, q.q)})
		}
		return nil
	})
}

// batching measures events that go together when many wait beside events that
// go one by one: at work, and for calls that come alone.
func batching(ctx context.Context, o Options, t *Report) error {
	return working(ctx, o, t, "batching off", world{desktops: 100, single: true}, soon(), func(off *load) error {
		return working(ctx, o, t, "batching on", world{desktops: 100}, soon(), func(on *load) error {
			if err := pair(ctx, o, t, "batching", "batching on", "batching off", on, off); err != nil {
				return err
			}
			alone := func(l *load, got *[]float64) *contender {
				return &contender{name: "calls alone", turn: func(ctx context.Context) (sample, error) {
					waits, _, err := l.steady(ctx, 20, o.Length)
					*got = append(*got, quantile(waits, 0.5))
					return sample{}, err
				}}
			}
			var with, without []float64
			if err := race(ctx, o, t, o.pairs(), alone(off, &without), alone(on, &with)); err != nil {
				return err
			}
			t.add("batching.few.dialing.p50", "requested→dialing p50 at 20 calls/s, batching off", "ms", without)
			t.add("batching.many.dialing.p50", "requested→dialing p50 at 20 calls/s, batching on", "ms", with)
			t.add("batching.dialing_ratio", "requested→dialing p50, batching on / off", "", beside(with, without), most(1.1))
			return nil
		})
	})
}

// tcnPrepares is how long the simulated TCN takes to prepare a dial. It is no
// multiple of a poll's interval: what is waited for between looks shows.
const tcnPrepares = 130 * time.Millisecond

// tcnCalls measures a provider that is polled and has a scrub of its own.
func tcnCalls(ctx context.Context, o Options, t *Report) error {
	return working(ctx, o, t, "tcn", world{tcn: 50}, slow(), func(l *load) error {
		if _, err := l.record(ctx, t, "tcn"); err != nil {
			return err
		}
		waits, _, err := l.reads(ctx, t, "tcn", 5, max(2*o.Length, 3*time.Second))
		if err != nil {
			return err
		}
		t.add("tcn.dialing.p50", fmt.Sprintf("requested→dialing p50 of TCN, which takes %d to prepare", tcnPrepares.Milliseconds()), "ms", []float64{quantile(waits, 0.5)})
		t.add("tcn.dialing.p99", "requested→dialing p99 of TCN", "ms", []float64{quantile(waits, 0.99)})
		return nil
	})
}

// waiting measures a hundred desktops while many requests wait, beside a hundred
// without.
func waiting(ctx context.Context, o Options, t *Report) error {
	return working(ctx, o, t, "none waiting", world{desktops: 100}, soon(), func(free *load) error {
		return working(ctx, o, t, "waiting", world{desktops: 100}, soon(), func(full *load) error {
			if err := full.rest(ctx, 100); err != nil {
				return err
			}
			// What is served in the turns waits beside what is to wait to the end.
			if err := full.flood(ctx, o.Waiting+int(float64(o.Rounds)*2*o.Length.Seconds()*150)); err != nil {
				return err
			}
			none := &contender{name: "none waiting", turn: func(ctx context.Context) (sample, error) { return free.saturate(ctx, 100, o.warm(), o.Length) }}
			many := &contender{name: "waiting", turn: func(ctx context.Context) (sample, error) {
				full.wake(100)
				s := full.turn(ctx, 100, o.warm(), o.Length, nil)
				return s, full.rest(ctx, 100)
			}}
			if err := race(ctx, o, t, o.pairs(), none, many); err != nil {
				return err
			}
			t.add("waiting.rate", fmt.Sprintf("calls/s, 100 desktops, %d requests waiting", o.Waiting), "", many.rates())
			t.add("waiting.rate_ratio", fmt.Sprintf("calls/s, %d waiting / none", o.Waiting), "", beside(many.rates(), none.rates()), least(0.9))
			return nil
		})
	})
}

// agents measures a hundred calls in flight among 2,000 agents, beside 100.
func agents(ctx context.Context, o Options, t *Report) error {
	return working(ctx, o, t, "100 agents", world{desktops: 100}, soon(), func(few *load) error {
		return working(ctx, o, t, "2,000 agents", world{desktops: 2000}, soon(), func(many *load) error {
			return pair(ctx, o, t, "agents", "2,000 agents", "100 agents", many, few, least(0.9))
		})
	})
}

// processes measures three processes of each service beside one of each.
func processes(ctx context.Context, o Options, t *Report) error {
	if err := o.alone(); err != nil {
		t.note("Processes of each service were left out: %v.", err)
		return nil
	}
	return working(ctx, o, t, "1 process of each", world{desktops: 100, copies: 1}, soon(), func(one *load) error {
		return working(ctx, o, t, "3 processes of each", world{desktops: 100, copies: 3}, soon(), func(three *load) error {
			return pair(ctx, o, t, "processes", "3 processes of each service", "1 process of each service", three, one, least(1))
		})
	})
}

// pair has two worlds take turns with a hundred calls in flight.
func pair(ctx context.Context, o Options, t *Report, name, what, than string, a, b *load, want ...goal) error {
	turn := func(l *load) func(context.Context) (sample, error) {
		return func(ctx context.Context) (sample, error) { return l.saturate(ctx, 100, o.warm(), o.Length) }
	}
	first, second := &contender{name: what, turn: turn(a)}, &contender{name: than, turn: turn(b)}
	if err := race(ctx, o, t, o.pairs(), second, first); err != nil {
		return err
	}
	second.report(t, name+".few", than)
	first.report(t, name+".many", what)
	t.add(name+".rate_ratio", "calls/s, "+what+" / "+than, "", beside(first.rates(), second.rates()), want...)
	return nil
}

// replicas measures three local servers beside a floor on three of its own.
func replicas(ctx context.Context, o Options, t *Report) error {
	if o.Replicas != 3 {
		return errors.New("replicas are 3")
	}
	if err := o.alone(); err != nil {
		t.note("Three servers were left out: %v.", err)
		return nil
	}
	return besideFloor(ctx, o, t, "replicas.", 100, world{desktops: 100, copies: 1, replicas: 3})
}
