package sessions

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"iter"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outdial/outdial/pkg/events/fault"
)

// A rebuilder holds the lock: a token in Redis itself. A flush takes it away, it
// is renewed but never taken again, and the epoch is only written by who holds
// it. So an epoch says that nothing was flushed between the rebuild's begin and
// its end. In a cluster that loses one shard the epoch may be on another one;
// comparing the queues finds that.
type rebuilder struct {
	*Redis
	token string
	kept  time.Time // when the lock was last taken or renewed
}

// Rebuild implements Store.
func (r *Redis) Rebuild(ctx context.Context, mark Mark, agents iter.Seq2[Agent, error]) error {
	mark, err := mark.canonical()
	if err != nil {
		return err
	}
	b := &rebuilder{Redis: r, token: rand.Text(), kept: time.Now()}
	// Whatever happens, the next one need not wait for the lease to run out.
	// Only a lock with our token is given back, and after finish there is none.
	defer func() {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = b.lock(cleanup, "leave", "")
	}()
	if err := b.lock(ctx, "take", r.lockTTL.Milliseconds(), mark.Incarnation); err != nil {
		return err
	}
	yielded := map[agentKey]bool{}
	for a, err := range agents {
		if err == nil {
			err = b.keep(ctx)
		}
		if err == nil {
			a, err = mark.admit(a)
		}
		if err == nil {
			yielded[agentKey{a.Tenant, a.Agent}] = true
			_, err = r.apply(ctx, a, "1")
		}
		if err != nil {
			return err
		}
	}
	if err := b.sweepAll(ctx, mark, yielded); err != nil {
		return err
	}
	text, err := json.Marshal(epoch{Mark: mark, ID: b.token})
	if err != nil {
		return fault.New(fault.Permanent, "rebuild sessions", "bad_mark", err)
	}
	return b.lock(ctx, "finish", string(text))
}

// lock does what the verb says with the lock.
func (b *rebuilder) lock(ctx context.Context, verb string, args ...any) error {
	reply, err := b.run.lock.Run(ctx, b.client, []string{lockKey, epochKey}, append([]any{verb, b.token}, args...)...).StringSlice()
	if err != nil || len(reply) == 0 {
		return unavailable("rebuild sessions", err)
	}
	if err := b.settle(ctx, reply[1:]); err != nil {
		return err
	}
	switch reply[0] {
	case "mine":
		return nil
	case "old":
		return ErrOldIncarnation
	case "busy":
		return ErrRebuilding
	}
	return ErrRebuildLost
}

// keep renews the lock when a third of its time is gone. A renewal that cannot
// be asked for is tried again with the next agent: finish has the last word.
func (b *rebuilder) keep(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if time.Since(b.kept) < b.lockTTL/3 {
		return nil
	}
	err := b.lock(ctx, "keep", b.lockTTL.Milliseconds())
	if err == nil {
		b.kept = time.Now()
	}
	if errors.Is(err, ErrRebuildLost) {
		return err
	}
	return nil
}

// sweepAll removes the agents the log does not know. It looks through all keys,
// which no other operation does, because nobody lists the records.
func (b *rebuilder) sweepAll(ctx context.Context, mark Mark, yielded map[agentKey]bool) error {
	each := func(ctx context.Context, node redis.Cmdable) error {
		found := node.Scan(ctx, 0, everyAgent, 1000).Iterator()
		for found.Next(ctx) {
			key, ours := agentOfKey(found.Val())
			if !ours || yielded[key] {
				continue
			}
			if err := errors.Join(b.keep(ctx), b.sweep(ctx, mark, key)); err != nil {
				return err
			}
		}
		if err := found.Err(); err != nil {
			return unavailable("sweep agents", err)
		}
		return nil
	}
	if cluster, many := b.client.(*redis.ClusterClient); many {
		return cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
			return each(ctx, node)
		})
	}
	return each(ctx, b.client)
}

// sweep removes one agent unless it is newer than the mark.
func (b *rebuilder) sweep(ctx context.Context, mark Mark, key agentKey) error {
	keys := []string{agentKeyOf(key.tenant, key.agent), hintKeyOf(key.tenant, key.agent), readyKeys(key.tenant)}
	_, kinds, err := flagAndKinds(b.run.sweep.Run(ctx, b.client, keys, key.agent, mark.Incarnation, seqText(mark.Seq)))
	if err != nil {
		return unavailable("sweep agents", err)
	}
	return b.settle(ctx, kinds)
}
