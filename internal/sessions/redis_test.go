package sessions_test

import (
	"context"
	"errors"
	"iter"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/test/exams/redistest"
)

// The keys as operators see them.
const (
	annKey   = "outdial:{acme}:agent:ann"
	salesKey = "outdial:{acme}:ready:sales"
	hintKey  = "outdial:{acme}:hint:ann"
	epochKey = "outdial:{.sessions}:epoch"
	lockKey  = "outdial:{.sessions}:rebuild"
)

var incarnation = sessions.Incarnation(time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC))

// ready is an agent of acme's sales, idle since seq minutes after eight.
func ready(agent string, seq uint64) sessions.Agent {
	return sessions.Agent{
		Tenant: "acme", Agent: agent, HuntGroups: []string{"sales"}, Free: true,
		Since: time.Date(2026, 3, 2, 8, int(seq), 0, 0, time.UTC), Incarnation: incarnation, Seq: seq,
	}
}

// staff is the log's head in these tests.
func staff() []sessions.Agent {
	return []sessions.Agent{ready("ann", 1), ready("bob", 2), ready("cyd", 3)}
}

func yieldAll(agents []sessions.Agent) iter.Seq2[sessions.Agent, error] {
	return func(yield func(sessions.Agent, error) bool) {
		for _, a := range agents {
			if !yield(a, nil) {
				return
			}
		}
	}
}

// A rig is a store with staff, rebuilt, and the kinds that were dropped.
type rig struct {
	store  *sessions.Redis
	client redis.UniversalClient
	mu     sync.Mutex
	kinds  []string
}

func newRig(t *testing.T, url string) *rig {
	t.Helper()
	r := &rig{client: dial(t, url)}
	r.store = sessions.NewRedis(r.client, func(kind string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.kinds = append(r.kinds, kind)
	})
	r.store.RebuildLease(time.Second)
	if err := r.rebuild(); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) rebuild() error {
	return r.store.Rebuild(context.Background(), sessions.Mark{Incarnation: incarnation, Seq: 3}, yieldAll(staff()))
}

// missing asks with the whole staff known.
func (r *rig) missing(ctx context.Context) (bool, error) {
	return r.store.Missing(ctx, slices.Values(staff()))
}

func (r *rig) dropped() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Compact(slices.Sorted(slices.Values(r.kinds)))
}

// use asks everything a worker asks, and applies a late event.
func (r *rig) use(ctx context.Context) error {
	_, err1 := r.store.Ready(ctx, "acme", "sales", 9)
	_, _, err2 := r.store.Hint(ctx, "acme", "ann", "c1", time.Minute)
	_ = r.client.Del(ctx, hintKey).Err()
	_, err3 := r.store.Apply(ctx, ready("ann", 1))
	_, err4 := r.missing(ctx)
	return errors.Join(err1, err2, err3, err4)
}

// A rebuilder that died keeps others out for its lease, not for ever; one that
// is slow keeps its lease.
func TestRebuildLease(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := newRig(t, redistest.Start(t))
	if err := r.client.Set(ctx, lockKey, "somebody who died", 300*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	if err := r.rebuild(); !errors.Is(err, sessions.ErrRebuilding) {
		t.Fatalf("while the lease runs: %v", err)
	}
	waitUntil(t, "the lease runs out", func() bool { return r.rebuild() == nil })

	err := r.store.Rebuild(ctx, sessions.Mark{Incarnation: incarnation, Seq: 3}, func(yield func(sessions.Agent, error) bool) {
		if err := r.client.PExpire(ctx, lockKey, 500*time.Millisecond).Err(); err != nil {
			t.Error(err)
		}
		waitUntil(t, "the lease is renewed", func() bool {
			_ = yield(ready("ann", 1), nil)
			left, err := r.client.PTTL(ctx, lockKey).Result()
			return err == nil && left > 600*time.Millisecond
		})
		for _, a := range staff() {
			if !yield(a, nil) {
				return
			}
		}
	})
	if err != nil {
		t.Fatalf("the slow rebuilder: %v", err)
	}
	if n, err := r.client.Exists(ctx, lockKey).Result(); n != 0 || err != nil {
		t.Errorf("the lock is still there after the rebuild (%v)", err)
	}
}

// A rebuilder whose lock was taken away learns so before it is through.
func TestALostLockEndsTheRebuild(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := newRig(t, redistest.Start(t))
	err := r.store.Rebuild(ctx, sessions.Mark{Incarnation: incarnation, Seq: 3}, func(yield func(sessions.Agent, error) bool) {
		if err := r.client.Set(ctx, lockKey, "another", time.Minute).Err(); err != nil {
			t.Error(err)
		}
		for deadline := time.Now().Add(20 * time.Second); yield(ready("ann", 1), nil); {
			if time.Now().After(deadline) {
				t.Error("nobody told the rebuilder")
				return
			}
		}
	})
	if !errors.Is(err, sessions.ErrRebuildLost) {
		t.Errorf("Rebuild: %v, want ErrRebuildLost", err)
	}
	if holder, err := r.client.Get(ctx, lockKey).Result(); holder != "another" || err != nil {
		t.Errorf("the other's lock is %q now, %v", holder, err)
	}
}

// Even when nobody had the time to tell it, it writes no epoch.
func TestARebuildWithoutItsLockWritesNoEpoch(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	client := dial(t, redistest.Start(t))
	store := sessions.NewRedis(client, nil)
	store.RebuildLease(time.Hour)
	err := store.Rebuild(ctx, sessions.Mark{Incarnation: incarnation, Seq: 3}, func(yield func(sessions.Agent, error) bool) {
		if err := client.Set(ctx, lockKey, "another", time.Minute).Err(); err != nil {
			t.Error(err)
		}
		_ = yield(ready("ann", 1), nil)
	})
	if !errors.Is(err, sessions.ErrRebuildLost) {
		t.Errorf("Rebuild: %v, want ErrRebuildLost", err)
	}
	if missing, err := store.Missing(ctx, slices.Values(staff())); !missing || err != nil {
		t.Errorf("Missing() = %v, %v", missing, err)
	}
	if holder, err := client.Get(ctx, lockKey).Result(); holder != "another" || err != nil {
		t.Errorf("the other's lock is %q now, %v", holder, err)
	}
}

// twice runs every command two times and answers with the second reply, as a
// client does that lost the first. (Fault R4.)
type twice struct{}

func (twice) DialHook(next redis.DialHook) redis.DialHook { return next }

func (twice) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (twice) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if err := next(ctx, cmd); err != nil {
			return err
		}
		return next(ctx, cmd)
	}
}

func TestEveryScriptMayRunTwice(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := newRig(t, redistest.Start(t))
	r.client.AddHook(twice{})
	claimed, released := ready("ann", 4), ready("ann", 5)
	claimed.Claim = "c1"
	if mine, holder, err := r.store.Hint(ctx, "acme", "ann", "c1", time.Hour); !mine || err != nil {
		t.Fatalf("Hint = %v, %q, %v", mine, holder, err)
	}
	for _, a := range []sessions.Agent{claimed, claimed} {
		if _, err := r.store.Apply(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	wantQueue(t, r, "sales", "bob", "cyd")
	if _, err := r.store.Apply(ctx, released); err != nil {
		t.Fatal(err)
	}
	wantQueue(t, r, "sales", "bob", "cyd", "ann")
	if mine, holder, err := r.store.Hint(ctx, "acme", "ann", "c2", time.Hour); !mine || err != nil {
		t.Fatalf("Hint = %v, %q, %v", mine, holder, err)
	}
	if err := r.client.Del(ctx, hintKey).Err(); err != nil {
		t.Fatal(err)
	}
	if err := r.store.Rebuild(ctx, sessions.Mark{Incarnation: incarnation, Seq: 5}, yieldAll([]sessions.Agent{released, ready("bob", 2)})); err != nil {
		t.Fatalf("Rebuild: %v", err)
	}
	wantQueue(t, r, "sales", "bob", "ann")
	if missing, err := r.store.Missing(ctx, slices.Values(staff()[:2])); missing || err != nil {
		t.Errorf("Missing() = %v, %v after a rebuild", missing, err)
	}
	if len(r.dropped()) != 0 {
		t.Errorf("reported as dropped: %v", r.dropped())
	}
}

// Every key is of one tenant and tagged so, and nothing else is in Redis.
func TestKeysAreTagged(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := newRig(t, redistest.Start(t))
	if _, _, err := r.store.Hint(ctx, "acme", "ann", "c1", time.Hour); err != nil {
		t.Fatal(err)
	}
	keys, err := r.client.Keys(ctx, "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	want := []string{
		epochKey, annKey, "outdial:{acme}:agent:bob", "outdial:{acme}:agent:cyd", hintKey, salesKey,
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Errorf("keys in Redis (-want +got):\n%s", diff)
	}
	tag := regexp.MustCompile(`^outdial:\{[^{}]+\}:`)
	for _, k := range keys {
		if !tag.MatchString(k) {
			t.Errorf("%s has no tag", k)
		}
	}
}

func TestDialRefusesWithoutTellingTheURL(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "http://u:hunter2@h", "redis://u:hunter2@h:port", "redis://u:hunter2@h/x", "redis://u:hunter2@h?nope=1", "unix://", "re dis://u:hunter2@h"} {
		client, err := sessions.Dial(url)
		if err == nil || client != nil || fault.Of(err) != fault.Permanent {
			t.Errorf("Dial: %v, want a permanent fault", err)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}

func wantStaff(t *testing.T, r *rig) {
	t.Helper()
	wantQueue(t, r, "sales", "ann", "bob", "cyd")
	if missing, err := r.missing(context.Background()); missing || err != nil {
		t.Errorf("Missing() = %v, %v", missing, err)
	}
}

func wantQueue(t *testing.T, r *rig, group string, want ...string) {
	t.Helper()
	got, err := r.store.Ready(context.Background(), "acme", group, 99)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("Ready(%s) = %v, %v; want %v", group, got, err, want)
	}
}

func wantTransient(t *testing.T, err error) {
	t.Helper()
	if err == nil || fault.Of(err) != fault.Transient {
		t.Errorf("%v; want a transient fault", err)
	}
}

func waitUntil(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !so(); <-tick.C {
		if time.Now().After(deadline) {
			t.Errorf("in vain: %s", what)
			return
		}
	}
}
