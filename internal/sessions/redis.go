package sessions

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outdial/outdial/pkg/events/fault"
)

// The scripts. Each says at its top what its KEYS and ARGV are; record.lua
// stands before those that deal with records.
var (
	//go:embed lua/record.lua
	recordLua string
	//go:embed lua/apply.lua
	applyLua string
	//go:embed lua/ready.lua
	readyLua string
	//go:embed lua/missing.lua
	missingLua string
	//go:embed lua/hint.lua
	hintLua string
	//go:embed lua/sweep.lua
	sweepLua string
	//go:embed lua/lock.lua
	lockLua string
)

// scripts are the transitions, ready to run by their digest.
type scripts struct {
	apply, ready, missing, hint, sweep, lock *redis.Script
}

// What may be found damaged in Redis and is then dropped, by kind.
const (
	DroppedAgent = "agent" // an agent's record
	DroppedReady = "ready" // a ready queue, or an agent's place in one
	DroppedHint  = "hint"
	DroppedEpoch = "epoch"
	DroppedLock  = "lock" // of the rebuild
)

// Redis is the projection that all workers share. Whatever it finds damaged it
// drops and reports, and where that leaves the projection incomplete it
// becomes Missing, so that the next rebuild restores it.
type Redis struct {
	client  redis.UniversalClient
	run     scripts
	dropped func(kind string)
	lockTTL time.Duration // for how long a rebuilder that died keeps others out
}

var _ Store = (*Redis)(nil)

// NewRedis makes the projection in Redis 6.0 to 7, or what is compatible with
// it. It does not connect; the client remains the caller's, who closes it.
// dropped is called when something was found damaged and dropped, or found gone,
// with one of the Dropped kinds, perhaps by several goroutines at once.
func NewRedis(client redis.UniversalClient, dropped func(kind string)) *Redis {
	return &Redis{
		client:  client,
		dropped: dropped,
		lockTTL: 15 * time.Second,
		run: scripts{
			apply: redis.NewScript(recordLua + applyLua), ready: redis.NewScript(recordLua + readyLua),
			missing: redis.NewScript(recordLua + missingLua), hint: redis.NewScript(recordLua + hintLua),
			sweep: redis.NewScript(recordLua + sweepLua), lock: redis.NewScript(recordLua + lockLua),
		},
	}
}

// unavailable says that Redis could not be asked, or did not answer properly.
// All of our scripts may be run again, so nothing about it is uncertain.
func unavailable(op string, err error) error {
	return fault.New(fault.Transient, op, "redis_unavailable", err)
}

// settle reports what was dropped. A projection that lacks something has no
// epoch, and a rebuild that is under way may have passed the gap already, so
// that one is lost with it.
func (r *Redis) settle(ctx context.Context, kinds []string) error {
	gap := false
	slices.Sort(kinds)
	for _, kind := range slices.Compact(kinds) {
		if r.dropped != nil {
			r.dropped(kind)
		}
		gap = gap || kind == DroppedAgent || kind == DroppedReady
	}
	if !gap {
		return nil
	}
	if err := r.client.Del(ctx, epochKey, lockKey).Err(); err != nil {
		return unavailable("mark sessions missing", err)
	}
	return nil
}

// Apply implements Store.
func (r *Redis) Apply(ctx context.Context, a Agent) (bool, error) {
	a, err := a.canonical()
	if err != nil {
		return false, err
	}
	return r.apply(ctx, a, "0")
}

// apply runs the script on a canonical agent; rebuild is "1" in a rebuild.
func (r *Redis) apply(ctx context.Context, a Agent, rebuild string) (bool, error) {
	text, err := write(a)
	if err != nil {
		return false, fault.New(fault.Permanent, "project agent", "bad_agent", err)
	}
	keys := []string{agentKeyOf(a.Tenant, a.Agent), hintKeyOf(a.Tenant, a.Agent), readyKeys(a.Tenant)}
	yes, kinds, err := flagAndKinds(r.run.apply.Run(ctx, r.client, keys, a.Agent, text, rebuild))
	if err != nil {
		return false, unavailable("project agent", err)
	}
	return yes, r.settle(ctx, kinds)
}

// Ready implements Store.
func (r *Redis) Ready(ctx context.Context, tenant, huntGroup string, limit int) ([]string, error) {
	if err := queueNames(tenant, huntGroup); err != nil {
		return nil, err
	}
	if limit <= 0 {
		return nil, nil
	}
	keys := []string{readyKeyOf(tenant, huntGroup), agentKeys(tenant), hintKeys(tenant)}
	ids, kinds, err := idsAndKinds(r.run.ready.Run(ctx, r.client, keys, huntGroup, limit))
	if err != nil {
		return nil, unavailable("look into ready queue", err)
	}
	return ids, r.settle(ctx, kinds)
}

// Hint implements Store.
func (r *Redis) Hint(ctx context.Context, tenant, agent, call string, ttl time.Duration) (bool, string, error) {
	if err := hintable(tenant, agent, call, ttl); err != nil {
		return false, "", err
	}
	reply, err := r.run.hint.Run(ctx, r.client, []string{hintKeyOf(tenant, agent)}, call, wholeMillis(ttl).Milliseconds()).StringSlice()
	if err == nil && len(reply) == 0 {
		err = errors.New("empty reply")
	}
	if err != nil {
		return false, "", unavailable("hint agent", err)
	}
	return reply[0] == call, reply[0], r.settle(ctx, reply[1:])
}

// Missing implements Store.
func (r *Redis) Missing(ctx context.Context, known iter.Seq[Agent]) (bool, error) {
	whole, err := r.rebuilt(ctx)
	if err != nil || !whole {
		return !whole, err
	}
	queues := map[[2]string][]any{}
	for a := range known {
		for _, g := range a.HuntGroups {
			if q := [2]string{a.Tenant, g}; a.Free {
				queues[q] = append(queues[q], a.Agent)
			}
		}
	}
	for q, agents := range queues {
		for some := range slices.Chunk(agents, 1000) {
			keys := []string{readyKeyOf(q[0], q[1]), agentKeys(q[0])}
			kinds, err := r.run.missing.Run(ctx, r.client, keys, append([]any{q[1]}, some...)...).StringSlice()
			if err != nil {
				return false, unavailable("compare ready queue", err)
			}
			if len(kinds) > 0 {
				return true, r.settle(ctx, kinds)
			}
		}
	}
	return false, nil
}

// rebuilt reports whether a whole rebuild is on record and nothing was found
// damaged since.
func (r *Redis) rebuilt(ctx context.Context) (bool, error) {
	text, err := r.client.Get(ctx, epochKey).Result()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	if err != nil && !wrongType(err) {
		return false, unavailable("read epoch", err)
	}
	var e epoch
	if err == nil && json.Unmarshal([]byte(text), &e) == nil && e.ID != "" {
		if _, err := e.canonical(); err == nil {
			return true, nil
		}
	}
	if err := r.client.Del(ctx, epochKey).Err(); err != nil {
		return false, unavailable("drop epoch", err)
	}
	return false, r.settle(ctx, []string{DroppedEpoch})
}

// wrongType reports whether a key holds another type than was asked for.
func wrongType(err error) bool {
	return err != nil && strings.HasPrefix(err.Error(), "WRONGTYPE")
}

// flagAndKinds reads a reply of 1 or 0 and the kinds of what was dropped.
func flagAndKinds(cmd *redis.Cmd) (bool, []string, error) {
	reply, err := cmd.Slice()
	if err != nil {
		return false, nil, err
	}
	if len(reply) == 0 {
		return false, nil, errors.New("empty reply")
	}
	return reply[0] == int64(1), texts(reply[1:]), nil
}

// idsAndKinds reads a reply of a list and the kinds of what was dropped.
func idsAndKinds(cmd *redis.Cmd) (ids, kinds []string, err error) {
	reply, err := cmd.Slice()
	if err != nil {
		return nil, nil, err
	}
	if len(reply) != 2 {
		return nil, nil, errors.New("not a pair of lists")
	}
	first, _ := reply[0].([]any)
	second, _ := reply[1].([]any)
	return texts(first), texts(second), nil
}

func texts(values []any) []string {
	var out []string
	for _, v := range values {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
