package sessions_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/test/exams/redistest"
)

// Whatever is put in the place of one of our keys: nobody hears an error, the
// damage is dropped and reported, and the projection is missing until a rebuild
// has brought back what was lost. (Fault R5.)
func TestDamage(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	client := dial(t, redistest.Start(t))
	list := func(key string) func() error { return func() error { return client.LPush(ctx, key, "x").Err() } }
	text := func(key, value string) func() error {
		return func() error { return client.Set(ctx, key, value, 0).Err() }
	}
	rewrite := func(old, with string) func() error {
		return func() error { return rewriteAnn(ctx, client, old, with) }
	}
	for _, tc := range []struct {
		story   string
		key     string // deleted first, empty for none
		damage  func() error
		kinds   []string
		missing bool // until the rebuild
	}{
		{"a record of another type", annKey, list(annKey), []string{"agent", "ready"}, true},
		{"a record that is no JSON", "", text(annKey, "{"), []string{"agent", "ready"}, true},
		{"a record of other JSON", "", text(annKey, `{"inc":1}`), []string{"agent", "ready"}, true},
		{"a record with groups that are no texts", "", rewrite(`"groups":["sales"]`, `"groups":[{}]`), []string{"agent", "ready"}, true},
		{"a record that says its agent waits nowhere", "", rewrite(`"queued":true`, `"queued":false`), []string{"ready"}, true},
		{"a record that is gone", annKey, nil, []string{"ready"}, true},
		{"a queue that is gone", salesKey, nil, []string{"ready"}, true},
		{"a place in a queue that is gone", "", func() error { return client.ZRem(ctx, salesKey, "bob").Err() }, []string{"ready"}, true},
		{"a queue of another type", salesKey, text(salesKey, "x"), []string{"ready"}, true},
		{"a queue with somebody unknown", "", func() error {
			return client.ZAdd(ctx, salesKey, redis.Z{Score: 1, Member: "nobody"}).Err()
		}, []string{"ready"}, true},
		{"a hint of another type", "", list(hintKey), []string{"hint"}, false},
		{"a hint that never ends", "", text(hintKey, "c9"), []string{"hint"}, false},
		{"an epoch of another type", epochKey, list(epochKey), []string{"epoch"}, true},
		{"an epoch that is no JSON", "", text(epochKey, "now"), []string{"epoch"}, true},
		{"an epoch without an incarnation", "", text(epochKey, `{"id":"x"}`), []string{"epoch"}, true},
		{"a lock of another type", "", list(lockKey), []string{"lock"}, false},
		{"a lock that never ends", "", text(lockKey, "x"), []string{"lock"}, false},
	} {
		t.Run(tc.story, func(t *testing.T) {
			r := &rig{client: client}
			r.store = sessions.NewRedis(client, func(kind string) { r.kinds = append(r.kinds, kind) })
			harm(t, r, tc.key, tc.damage)
			if err := r.use(ctx); err != nil {
				t.Fatalf("work is disturbed: %v", err)
			}
			if missing, err := r.missing(ctx); err != nil || missing != tc.missing {
				t.Errorf("Missing() = %v, %v; want %v", missing, err, tc.missing)
			}
			if err := r.rebuild(); err != nil {
				t.Fatalf("Rebuild: %v", err)
			}
			if diff := cmp.Diff(tc.kinds, r.dropped()); diff != "" {
				t.Errorf("reported as dropped (-want +got):\n%s", diff)
			}
			wantStaff(t, r)
		})
	}
}

// rewriteAnn replaces something in ann's record.
func rewriteAnn(ctx context.Context, client redis.UniversalClient, old, with string) error {
	was, err := client.Get(ctx, annKey).Result()
	if err != nil {
		return err
	}
	now := strings.Replace(was, old, with, 1)
	if now == was {
		return fmt.Errorf("the record does not hold %s", old)
	}
	return client.Set(ctx, annKey, now, 0).Err()
}

// harm fills an empty Redis with the staff, deletes a key and does damage.
func harm(t *testing.T, r *rig, key string, damage func() error) {
	t.Helper()
	ctx := context.Background()
	if err := r.client.FlushAll(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	if err := r.rebuild(); err != nil {
		t.Fatal(err)
	}
	if key != "" {
		if err := r.client.Del(ctx, key).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if damage != nil {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
	}
}

// Damage that an event meets before any question does.
func TestAnEventRepairsTheRecordItMeets(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := newRig(t, redistest.Start(t))
	for _, damage := range []func() error{
		func() error { return r.client.Set(ctx, annKey, "{", 0).Err() },
		func() error { return r.client.Set(ctx, salesKey, "x", 0).Err() },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
	}
	if applied, err := r.store.Apply(ctx, ready("ann", 1)); !applied || err != nil {
		t.Fatalf("Apply = %v, %v", applied, err)
	}
	if diff := cmp.Diff([]string{"agent", "ready"}, r.dropped()); diff != "" {
		t.Errorf("reported as dropped (-want +got):\n%s", diff)
	}
	if missing, err := r.missing(ctx); err != nil || !missing {
		t.Fatalf("Missing() = %v, %v, though bob's and cyd's places are lost", missing, err)
	}
	if err := r.rebuild(); err != nil {
		t.Fatal(err)
	}
	wantStaff(t, r)
}

// A queue damaged behind a rebuild's back costs that rebuild, because agents
// it has already dealt with are out of the queue again.
func TestDamageDuringARebuild(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := newRig(t, redistest.Start(t))
	err := r.store.Rebuild(ctx, sessions.Mark{Incarnation: incarnation, Seq: 3}, func(yield func(sessions.Agent, error) bool) {
		for i, a := range staff() {
			if i == 2 {
				if err := r.client.Set(ctx, salesKey, "x", 0).Err(); err != nil {
					t.Error(err)
				}
			}
			if !yield(a, nil) {
				return
			}
		}
	})
	if !errors.Is(err, sessions.ErrRebuildLost) {
		t.Fatalf("Rebuild: %v, want ErrRebuildLost", err)
	}
	if err := r.rebuild(); err != nil {
		t.Fatal(err)
	}
	wantStaff(t, r)
}

// A full compare of what is not missing repairs what nobody reported: places
// that vanished, and an old copy after a failover. (Fault R3.)
func TestFullCompareRepairs(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	r := newRig(t, redistest.Start(t))
	old, err := r.client.Get(ctx, annKey).Result()
	if err != nil {
		t.Fatal(err)
	}
	moved := ready("ann", 3)
	moved.HuntGroups = []string{"support"}
	if applied, err := r.store.Apply(ctx, moved); !applied || err != nil {
		t.Fatal(applied, err)
	}
	// Nor does the rebuild know of it all: bob has changed since the log was read.
	bob := ready("bob", 2)
	bob.Seq = 9
	if applied, err := r.store.Apply(ctx, bob); !applied || err != nil {
		t.Fatal(applied, err)
	}
	for _, cmd := range []redis.Cmder{ // the replica has not heard of it
		r.client.Set(ctx, annKey, old, 0), r.client.Del(ctx, "outdial:{acme}:ready:support"),
		r.client.ZRem(ctx, salesKey, "bob"),
	} {
		if cmd.Err() != nil {
			t.Fatal(cmd.Err())
		}
	}
	head := []sessions.Agent{moved, ready("bob", 2), ready("cyd", 3)}
	if err := r.store.Rebuild(ctx, sessions.Mark{Incarnation: incarnation, Seq: 3}, yieldAll(head)); err != nil {
		t.Fatal(err)
	}
	wantQueue(t, r, "sales", "bob", "cyd")
	wantQueue(t, r, "support", "ann")
	if len(r.dropped()) != 0 {
		t.Errorf("reported as dropped: %v", r.dropped())
	}
}
