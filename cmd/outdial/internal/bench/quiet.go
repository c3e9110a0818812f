package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/outdial/outdial/internal/pace"
	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/internal/sessions/redisbin"
)

// bursts has pages send all of a call's messages at once, over two bridges
// where there can be two.
func bursts(ctx context.Context, o Options, t *Report) error {
	w := world{desktops: 100}
	if o.alone() == nil {
		w.copies = 2
	}
	return working(ctx, o, t, "0 ms between messages", w, life{ring: 1, talk: 1, wrap: 1}, func(l *load) error {
		if _, err := l.saturate(ctx, 50, 0, 3*o.Length); err != nil {
			return err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		t.add("burst.failed", fmt.Sprintf("talked calls closed as failed, 0 ms between messages, of %d", l.acked), "", []float64{float64(l.lost)}, most(0))
		return nil
	})
}

// idle measures agents who do nothing.
func idle(ctx context.Context, o Options, t *Report) error {
	for _, one := range []struct {
		name, what string
		w          world
		most       float64
	}{{"desktops", "1,000 desktops", world{desktops: 1000}, 5}, {"tcn", "1,000 TCN agents polled each second", world{tcn: 1000}, 60}} {
		err := working(ctx, o, t, "idle", one.w, soon(), func(l *load) error {
			pause(ctx, o.Length) // until what came with them is done
			before, began := l.s.cpu(), time.Now()
			pause(ctx, 2*o.Length)
			got := l.s.cpu().less(before).sum().Seconds() / time.Since(began).Seconds() * 100
			t.add("idle."+one.name, "idle CPU, "+one.what, "% of a core", []float64{got}, most(one.most))
			return ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// reserve measures a slot of a shared rate, in a Redis on this machine.
func reserve(ctx context.Context, _ Options, t *Report) error {
	path, err := redisbin.Find()
	if errors.Is(err, redisbin.ErrNotFound) {
		t.note("The pace was left out: %v.", err)
		return nil
	}
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "outdial-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "redis.sock")
	cmd := exec.Command(path, redisbin.Args(dir, socket)...)
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	client, err := sessions.Dial(redisbin.URL(socket))
	if err != nil {
		return err
	}
	defer client.Close()
	if err := until(ctx, 20*time.Second, "Redis", func() error { return client.Ping(ctx).Err() }); err != nil {
		return err
	}
	store := pace.NewRedis(client)
	var times []time.Duration
	for range 2000 {
		began := time.Now()
		if _, err := store.Take(ctx, pace.Ask{Tenant: tenant, Connection: "bench", Every: time.Microsecond, Ahead: time.Second}); err != nil {
			return err
		}
		times = append(times, time.Since(began))
	}
	t.add("pace.reserve.p50", "a slot of a shared rate, p50", "ms", []float64{quantile(times, 0.5)}, most(0.3))
	t.add("pace.reserve.p99", "a slot of a shared rate, p99", "ms", []float64{quantile(times, 0.99)})
	return nil
}
