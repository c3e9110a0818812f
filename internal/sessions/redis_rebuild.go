package sessions

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"iter"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outdial/outdial/pkg/events/fault"
)

// Rebuild implements Rebuilder.
//
// The lock is a token in Redis itself: a flush takes it away, it is renewed but
// never taken again, and the epoch is only written by who holds it. So an epoch
// says that nothing was flushed between the rebuild's begin and its end. In a
// cluster that loses one shard the epoch may be on another one; the full
// compare finds that.
func (r *Redis) Rebuild(ctx context.Context, mark Mark, agents iter.Seq2[Agent, error]) error {
	mark, err := mark.canonical()
	if err != nil {
		return err
	}
	token := rand.Text()
	// Whatever happens, the next one need not wait for the lease to run out.
	// Only a lock with our token is given back, and after finish there is none.
	defer func() {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = r.run.release.Run(cleanup, r.client, []string{lockKey}, token).Err()
	}()
	if err := r.begin(ctx, mark, token); err != nil {
		return err
	}
	held, release := r.hold(ctx, token)
	yielded, err := r.applyAll(held, mark, agents)
	if err == nil {
		err = r.sweepAll(held, mark, yielded)
	}
	if lost := release(); lost != nil {
		return lost
	}
	if err != nil {
		return err
	}
	return r.finish(ctx, mark, token)
}

// begin takes the lock.
func (r *Redis) begin(ctx context.Context, mark Mark, token string) error {
	reply, err := r.run.begin.Run(ctx, r.client, []string{lockKey, epochKey},
		token, r.lockTTL.Milliseconds(), mark.Incarnation).StringSlice()
	if err != nil || len(reply) == 0 {
		return unavailable("rebuild sessions", err)
	}
	if err := r.settle(ctx, reply[1:]); err != nil {
		return err
	}
	switch reply[0] {
	case "taken":
		return nil
	case "old":
		return ErrOldIncarnation
	}
	return ErrRebuilding
}

// hold renews the lock in the background until release is called. The context
// it returns ends when the lock is lost, and release then says so.
func (r *Redis) hold(ctx context.Context, token string) (held context.Context, release func() error) {
	held, cancel := context.WithCancel(ctx)
	var lost error
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(r.lockTTL / 3)
		defer tick.Stop()
		for {
			select {
			case <-held.Done():
				return
			case <-tick.C:
			}
			// A renewal that fails is tried again at the next tick: there is
			// room for two failures, and finish has the last word.
			mine, err := r.run.renew.Run(held, r.client, []string{lockKey}, token, r.lockTTL.Milliseconds()).Int()
			if err == nil && mine == 0 {
				lost = ErrRebuildLost
				cancel()
				return
			}
		}
	})
	return held, func() error {
		cancel()
		wg.Wait()
		return lost
	}
}

// applyAll applies what agents yields and returns whom it yielded.
func (r *Redis) applyAll(ctx context.Context, mark Mark, agents iter.Seq2[Agent, error]) (map[agentKey]bool, error) {
	yielded := map[agentKey]bool{}
	for a, err := range agents {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			a, err = mark.admit(a)
		}
		if err == nil {
			yielded[agentKey{a.Tenant, a.Agent}] = true
			_, err = r.apply(ctx, a, "1")
		}
		if err != nil {
			return nil, err
		}
	}
	return yielded, nil
}

// sweepAll removes the agents the log does not know. It looks through all keys,
// which no other operation does, because an agent nobody lists is among those
// it has to find.
func (r *Redis) sweepAll(ctx context.Context, mark Mark, yielded map[agentKey]bool) error {
	each := func(ctx context.Context, node redis.Cmdable) error {
		found := node.Scan(ctx, 0, everyAgent, 1000).Iterator()
		for found.Next(ctx) {
			key, ours := agentOfKey(found.Val())
			if !ours || yielded[key] {
				continue
			}
			if err := r.sweep(ctx, mark, key); err != nil {
				return err
			}
		}
		if err := found.Err(); err != nil {
			return unavailable("sweep agents", err)
		}
		return nil
	}
	if cluster, many := r.client.(*redis.ClusterClient); many {
		return cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
			return each(ctx, node)
		})
	}
	return each(ctx, r.client)
}

// sweep removes one agent unless it is newer than the mark.
func (r *Redis) sweep(ctx context.Context, mark Mark, key agentKey) error {
	keys := []string{
		agentKeyOf(key.tenant, key.agent), indexKeyOf(key.tenant), hintKeyOf(key.tenant, key.agent), readyKeys(key.tenant),
	}
	_, kinds, err := flagAndKinds(r.run.sweep.Run(ctx, r.client, keys, key.agent, mark.Incarnation, seqText(mark.Seq)))
	if err != nil {
		return unavailable("sweep agents", err)
	}
	return r.settle(ctx, kinds)
}

// finish writes the epoch, if the lock has never been lost.
func (r *Redis) finish(ctx context.Context, mark Mark, token string) error {
	text, err := json.Marshal(Epoch{Mark: mark, ID: token})
	if err != nil {
		return fault.New(fault.Permanent, "rebuild sessions", "bad_mark", err)
	}
	mine, err := r.run.finish.Run(ctx, r.client, []string{lockKey, epochKey}, token, string(text)).Int()
	if err != nil {
		return unavailable("rebuild sessions", err)
	}
	if mine == 0 {
		return ErrRebuildLost
	}
	return nil
}
