package sessions

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
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
	//go:embed lua/list.lua
	listLua string
	//go:embed lua/check.lua
	checkLua string
	//go:embed lua/hint.lua
	hintLua string
	//go:embed lua/release.lua
	releaseLua string
	//go:embed lua/sweep.lua
	sweepLua string
	//go:embed lua/rebuild_begin.lua
	beginLua string
	//go:embed lua/rebuild_renew.lua
	renewLua string
	//go:embed lua/rebuild_finish.lua
	finishLua string
)

// scripts are the transitions, ready to run by their digest.
type scripts struct {
	apply, ready, list, check, hint, release, sweep, begin, renew, finish *redis.Script
}

// What may be found damaged in Redis and is then dropped, by kind.
const (
	DroppedAgent = "agent" // an agent's record
	DroppedIndex = "index" // the set of a tenant's agents
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
	lockTTL time.Duration
}

var _ Store = (*Redis)(nil)

// A RedisOption changes what NewRedis makes.
type RedisOption func(*Redis)

// OnDropped has f called for each damaged thing that was dropped, with one of
// the Dropped kinds: good for a counter's label, and reason for an alarm. It
// may be called by several goroutines at once.
func OnDropped(f func(kind string)) RedisOption {
	return func(r *Redis) { r.dropped = f }
}

// RebuildLease sets for how long a rebuilder that died keeps others from
// rebuilding; a live one renews. The default is 15 seconds.
func RebuildLease(d time.Duration) RedisOption {
	return func(r *Redis) { r.lockTTL = d }
}

// NewRedis makes the projection in Redis 6.0 to 7, or what is compatible with
// it. It does not connect; the client remains the caller's, who closes it.
func NewRedis(client redis.UniversalClient, opts ...RedisOption) *Redis {
	r := &Redis{
		client:  client,
		dropped: func(string) {},
		lockTTL: 15 * time.Second,
		run: scripts{
			apply: redis.NewScript(recordLua + applyLua), ready: redis.NewScript(recordLua + readyLua),
			list: redis.NewScript(recordLua + listLua), check: redis.NewScript(recordLua + checkLua),
			hint: redis.NewScript(recordLua + hintLua), release: redis.NewScript(releaseLua),
			sweep: redis.NewScript(recordLua + sweepLua), begin: redis.NewScript(recordLua + beginLua),
			renew: redis.NewScript(renewLua), finish: redis.NewScript(finishLua),
		},
	}
	for _, o := range opts {
		o(r)
	}
	return r
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
	for _, kind := range kinds {
		r.dropped(kind)
		gap = gap || kind == DroppedAgent || kind == DroppedIndex || kind == DroppedReady
	}
	if !gap {
		return nil
	}
	if err := r.client.Del(ctx, epochKey, lockKey).Err(); err != nil {
		return unavailable("mark sessions missing", err)
	}
	return nil
}

// Apply implements Projection.
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
	keys := []string{agentKeyOf(a.Tenant, a.Agent), indexKeyOf(a.Tenant), hintKeyOf(a.Tenant, a.Agent), readyKeys(a.Tenant)}
	yes, kinds, err := flagAndKinds(r.run.apply.Run(ctx, r.client, keys, a.Agent, text, rebuild))
	if err != nil {
		return false, unavailable("project agent", err)
	}
	return yes, r.settle(ctx, kinds)
}

// Ready implements Projection.
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

// Get implements Projection.
func (r *Redis) Get(ctx context.Context, tenant, agent string) (Agent, bool, error) {
	if err := names(tenant, agent); err != nil {
		return Agent{}, false, err
	}
	text, err := r.client.Get(ctx, agentKeyOf(tenant, agent)).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return Agent{}, false, nil
	case wrongType(err):
		return Agent{}, false, r.check(ctx, tenant, agent, "")
	case err != nil:
		return Agent{}, false, unavailable("get agent", err)
	}
	a, err := read(tenant, agent, text)
	if err != nil {
		return Agent{}, false, r.check(ctx, tenant, agent, text)
	}
	return a, true, nil
}

// check has a record that could not be read looked at again, and dropped.
func (r *Redis) check(ctx context.Context, tenant, agent, text string) error {
	keys := []string{agentKeyOf(tenant, agent), indexKeyOf(tenant)}
	kinds, err := r.run.check.Run(ctx, r.client, keys, agent, text).StringSlice()
	if err != nil {
		return unavailable("check agent", err)
	}
	return r.settle(ctx, kinds)
}

// listChunk is how many records are asked for at once.
const listChunk = 500

// List implements Projection.
func (r *Redis) List(ctx context.Context, tenant string) ([]Agent, error) {
	if err := names(tenant, "any"); err != nil {
		return nil, err
	}
	ids, kinds, err := idsAndKinds(r.run.list.Run(ctx, r.client, []string{indexKeyOf(tenant)}))
	if err != nil {
		return nil, unavailable("list agents", err)
	}
	if err := r.settle(ctx, kinds); err != nil {
		return nil, err
	}
	slices.Sort(ids)
	var all []Agent
	for chunk := range slices.Chunk(ids, listChunk) {
		some, err := r.getAll(ctx, tenant, chunk)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// getAll returns the agents whose records are there and sound.
func (r *Redis) getAll(ctx context.Context, tenant string, ids []string) ([]Agent, error) {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = agentKeyOf(tenant, id)
	}
	values, err := r.client.MGet(ctx, keys...).Result()
	if err != nil {
		return nil, unavailable("list agents", err)
	}
	var all []Agent
	for i, value := range values {
		text, _ := value.(string) // nil: gone by now, or not a string at all
		a, err := read(tenant, ids[i], text)
		if err == nil {
			all = append(all, a)
		} else if err := r.check(ctx, tenant, ids[i], text); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Hint implements Hints.
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

// Unhint implements Hints.
func (r *Redis) Unhint(ctx context.Context, tenant, agent, call string) error {
	if err := hintable(tenant, agent, call, 1); err != nil {
		return err
	}
	if err := r.run.release.Run(ctx, r.client, []string{hintKeyOf(tenant, agent)}, call).Err(); err != nil {
		return unavailable("unhint agent", err)
	}
	return nil
}

// Missing implements Rebuilder.
func (r *Redis) Missing(ctx context.Context) (bool, error) {
	e, err := r.Epoch(ctx)
	return e.ID == "", err
}

// Epoch implements Rebuilder.
func (r *Redis) Epoch(ctx context.Context) (Epoch, error) {
	text, err := r.client.Get(ctx, epochKey).Result()
	if errors.Is(err, redis.Nil) {
		return Epoch{}, nil
	}
	if err != nil && !wrongType(err) {
		return Epoch{}, unavailable("read epoch", err)
	}
	var e Epoch
	if err == nil && json.Unmarshal([]byte(text), &e) == nil && e.ID != "" {
		if _, err := e.canonical(); err == nil {
			return e, nil
		}
	}
	if err := r.client.Del(ctx, epochKey).Err(); err != nil {
		return Epoch{}, unavailable("drop epoch", err)
	}
	return Epoch{}, r.settle(ctx, []string{DroppedEpoch})
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
