package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// soon is a call among people who answer at once and say little.
func soon() life {
	return life{ring: 50 * time.Millisecond, talk: 200 * time.Millisecond, wrap: 50 * time.Millisecond}
}

// desktops measures a hundred of them.
func desktops(ctx context.Context, o options, t *table) error {
	l, err := begin(ctx, o, world{desktops: 100}, soon())
	if err != nil {
		return err
	}
	defer l.end()
	if _, err := l.inFlight(20, 3*time.Second); err != nil { // warm
		return err
	}
	l.drain(2 * time.Second)
	reads, by, err := l.reads(5, 10*time.Second)
	if err != nil {
		return err
	}
	t.add("broker reads per desktop call", fmt.Sprintf("%.1f%s", reads, by), "≤ 5", reads <= 5)
	waits, err := l.steady(20, o.length)
	if err != nil {
		return err
	}
	p50, p99 := quantile(waits, 0.5), quantile(waits, 0.99)
	t.add("requested→dialing p50 / p99, desktops, 20 calls/s", fmt.Sprintf("%.0f / %.0f ms", p50, p99), "≤ 8 / ≤ 40 ms", p50 <= 8, p99 <= 40)
	t.note("Where a desktop call's time goes, p50 / p99 of each step in ms: %s.", l.where())
	before, world := l.s.cpu(), ownCPU()
	calls, err := l.inFlight(100, o.length)
	if err != nil {
		return err
	}
	used, world := l.s.cpu()-before, ownCPU()-world
	cpu := ms(used) / float64(max(calls, 1))
	t.note("At saturation outdial used %.2f of %d cores and the simulated world beside it %.2f.", used.Seconds()/o.length.Seconds(), runtime.NumCPU(), world.Seconds()/o.length.Seconds())
	t.rate = float64(calls) / o.length.Seconds()
	t.add("calls/s at saturation, 100 desktops", fmt.Sprintf("%.1f%s", t.rate, ratio(t.rate, t.floorRate)), "≥ 0.7 of the floor", t.floorRate > 0 && t.rate >= 0.7*t.floorRate)
	t.add("CPU of outdial and the embedded server per desktop call", fmt.Sprintf("%.1f ms%s", cpu, ratio(cpu, t.floorCPU)), "≤ 2 × the floor", cpu <= 2*t.floorCPU)
	l.drain(3 * time.Second)
	l.say(t, "desktops")
	return nil
}

// ratio is a figure beside its floor.
func ratio(x, floor float64) string {
	if floor == 0 {
		return ""
	}
	return fmt.Sprintf(" (%.2f of the floor)", x/floor)
}

// waiting measures a hundred desktops while many more requests wait.
func waiting(ctx context.Context, o options, t *table) error {
	l, err := begin(ctx, o, world{desktops: 100}, soon())
	if err != nil {
		return err
	}
	defer l.end()
	for i := range 100 {
		l.fleet.Desktop(deskName(i)).SetReady(false, "break")
	}
	if err := l.s.until(ctx, "everybody's break", func() error { return l.ready(0) }); err != nil {
		return err
	}
	began := time.Now()
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for range o.wait / 32 {
				if e := l.send(); e != nil {
					err = e
					return
				}
			}
		})
	}
	wg.Wait()
	if err != nil {
		return err
	}
	accepted := func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if n := len(l.requested); n < o.wait/32*32 {
			return fmt.Errorf("%d are accepted", n)
		}
		return nil
	}
	if err := l.s.until(ctx, "the waiting requests", accepted); err != nil {
		return err
	}
	t.note("%d requests were accepted and waiting after %.0f s.", o.wait, time.Since(began).Seconds())
	for i := range 100 {
		l.fleet.Desktop(deskName(i)).SetReady(true, "")
	}
	l.closedIn(3*time.Second, nil)
	before := l.s.cpu()
	calls := l.closedIn(o.length, nil)
	rate := float64(calls) / o.length.Seconds()
	t.add(fmt.Sprintf("the same with %d requests waiting", o.wait), fmt.Sprintf("%.1f%s, %.1f ms of CPU a call", rate,
		strings.ReplaceAll(ratio(rate, t.rate), "the floor", "saturation"), ms(l.s.cpu()-before)/float64(max(calls, 1))), "≥ 0.9 of 100 desktops without", rate >= 0.9*t.rate && t.rate > 0)
	l.say(t, "waiting")
	return nil
}

// tcnPrepares is how long the simulated TCN takes to prepare a dial. It is no
// multiple of a poll's interval: what is waited for between looks shows.
const tcnPrepares = 130 * time.Millisecond

// tcnCalls measures a provider that is polled and has a scrub of its own.
func tcnCalls(ctx context.Context, o options, t *table) error {
	l, err := begin(ctx, o, world{tcn: 200}, life{ring: 500 * time.Millisecond, talk: 1500 * time.Millisecond, wrap: 500 * time.Millisecond})
	if err != nil {
		return err
	}
	defer l.end()
	if _, err := l.inFlight(20, 5*time.Second); err != nil { // warm
		return err
	}
	l.drain(8 * time.Second)
	reads, by, err := l.reads(5, 10*time.Second)
	if err != nil {
		return err
	}
	t.add("broker reads per TCN call", fmt.Sprintf("%.1f%s", reads, by), "≤ 10", reads <= 10)
	waits, err := l.steady(20, o.length)
	if err != nil {
		return err
	}
	t.add("requested→dialing p50 / p99, TCN with its scrub, 20 calls/s", fmt.Sprintf("%.0f / %.0f ms", quantile(waits, 0.5), quantile(waits, 0.99)), "")
	t.note("Where a TCN call's time goes, p50 / p99 of each step in ms (before passed the simulated provider takes %d): %s.", tcnPrepares.Milliseconds(), l.where())
	idleCPU := l.s.cpu()
	time.Sleep(5 * time.Second) // what the polls alone cost
	idleCPU = l.s.cpu() - idleCPU
	before := l.s.cpu()
	calls, err := l.inFlight(200, o.length)
	if err != nil {
		return err
	}
	used := l.s.cpu() - before - time.Duration(float64(idleCPU)*o.length.Seconds()/5)
	t.add("calls/s with 200 TCN agents", fmt.Sprintf("%.1f, %.1f ms of CPU a call beside the polls", float64(calls)/o.length.Seconds(), ms(used)/float64(max(calls, 1))), "")
	l.drain(8 * time.Second)
	l.say(t, "TCN")
	return nil
}

// bursts has pages send all of a call's messages at once, over two bridges.
func bursts(ctx context.Context, o options, t *table) error {
	l, err := begin(ctx, o, world{desktops: 100, bridges: 2}, life{ring: 1, talk: 1, wrap: 1})
	if err != nil {
		return err
	}
	defer l.end()
	done := 0
	for done < o.burst && ctx.Err() == nil {
		n, err := l.inFlight(50, 5*time.Second)
		if err != nil {
			return err
		}
		if done += n; n == 0 {
			break
		}
	}
	l.drain(5 * time.Second)
	l.mu.Lock()
	talked, lost := 0, l.lost
	for outcome, n := range l.outcomes {
		if strings.HasPrefix(outcome, "completed") {
			talked += n
		}
	}
	l.mu.Unlock()
	t.add(fmt.Sprintf("talked calls closed as failed, 0 ms between messages, two bridges, %d calls", talked+lost), fmt.Sprint(lost), "0", lost == 0 && talked >= o.burst)
	l.say(t, "burst")
	return nil
}

// idle measures agents who do nothing.
func idle(ctx context.Context, o options, t *table) error {
	for _, w := range []struct {
		what string
		w    world
		goal float64
	}{{"400 desktops", world{desktops: 400}, 2}, {"1,000 TCN agents polled each second", world{tcn: 1000}, 60}} {
		l, err := begin(ctx, o, w.w, soon())
		if err != nil {
			return err
		}
		time.Sleep(5 * time.Second) // until what came with them is done
		counter, err := l.count()
		if err != nil {
			l.end()
			return err
		}
		before := l.s.cpu()
		time.Sleep(10 * time.Second) // the measured time itself
		got := (l.s.cpu() - before).Seconds() * 10
		t.add("idle CPU, "+w.what, fmt.Sprintf("%.1f %% of a core", got), fmt.Sprintf("≤ %.0f %%", w.goal), got <= w.goal)
		n, _ := counter.read()
		t.note("Idle with %s: %.1f requests a second to JetStream's API, pulls aside.", w.what, float64(n)/10)
		l.end()
	}
	return nil
}

// say notes how the calls of a stage ended, and what was written at levels
// that a person should see.
func (l *load) say(t *table, stage string) {
	l.mu.Lock()
	t.note("%s: %v, %d still open.", stage, l.outcomes, len(l.requested))
	l.mu.Unlock()
	text, _ := os.ReadFile(l.s.log.Name())
	for _, level := range []string{`"level":"WARN"`, `"level":"ERROR"`} {
		if n := strings.Count(string(text), level); n > 0 {
			t.note("%s: %d lines of %s, the last: %s", stage, n, level, lastLine(string(text), level))
		}
	}
}

func lastLine(text, with string) (last string) {
	for line := range strings.Lines(text) {
		if strings.Contains(line, with) {
			last = strings.TrimSpace(line)
		}
	}
	return last
}

// A counter hears what the services ask JetStream's API, by who asks for what.
type counter struct {
	sub *nats.Subscription
	mu  sync.Mutex
	by  map[string]int
	sum int
}

// count begins to. Pulls are left out: they wait for messages and read nothing.
func (l *load) count() (*counter, error) {
	c := &counter{by: map[string]int{}}
	var err error
	c.sub, err = l.s.nc.Subscribe("$JS.API.>", func(m *nats.Msg) {
		if strings.HasPrefix(m.Subject, "$JS.API.CONSUMER.MSG.NEXT.") {
			return
		}
		who, _, _ := strings.Cut(strings.TrimPrefix(m.Reply, "_INBOX_outdial-"), ".")
		part := strings.Split(strings.TrimPrefix(m.Subject, "$JS.API."), ".")
		c.mu.Lock()
		defer c.mu.Unlock()
		c.sum++
		c.by[who+" "+strings.Join(part[:min(4, len(part))], ".")]++
	})
	return c, err
}

// read ends the count.
func (c *counter) read() (int, map[string]int) {
	_ = c.sub.Unsubscribe()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sum, c.by
}

// reads counts what a call costs at a low rate, less what is asked anyway.
func (l *load) reads(perSecond int, d time.Duration) (perCall float64, by string, err error) {
	c, err := l.count()
	if err != nil {
		return 0, "", err
	}
	time.Sleep(d / 2) // the base line
	base, before := c.read()
	if c, err = l.count(); err != nil {
		return 0, "", err
	}
	began := time.Now()
	waits, err := l.steady(perSecond, d)
	if err != nil {
		return 0, "", err
	}
	n, kinds := c.read()
	longer := float64(time.Since(began)) / float64(d/2)
	calls := float64(max(len(waits), 1))
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		if share := (float64(kinds[kind]) - float64(before[kind])*longer) / calls; share >= 0.05 {
			by += fmt.Sprintf(", %s %.1f", kind, share)
		}
	}
	if by != "" {
		by = " (" + by[2:] + ")"
	}
	return (float64(n) - float64(base)*longer) / calls, by, nil
}
