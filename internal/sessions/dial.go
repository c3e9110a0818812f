package sessions

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/outdial/outdial/pkg/events/fault"
)

// How long Redis may take. A worker that waits longer is better off without
// the hints: the log alone is slower, and always right.
const (
	dialTimeout = time.Second
	waitTimeout = 500 * time.Millisecond // to read, to write, for a connection of the pool
)

// ErrEvicts says that Redis throws sessions away when its memory is full.
var ErrEvicts = errors.New("sessions may be thrown away when the memory is full")

// Eviction says what Redis does when its memory is full: empty where it does
// not tell, ErrEvicts where sessions may be lost without anybody noticing at
// once. Policies of the volatile kind touch nothing but hints and locks.
func Eviction(ctx context.Context, client redis.UniversalClient) (policy string, err error) {
	info, err := client.InfoMap(ctx, "memory").Result()
	if err != nil {
		return "", nil // forbidden, as managed ones may
	}
	policy = info["Memory"]["maxmemory_policy"]
	if policy == "" || policy == "noeviction" || strings.HasPrefix(policy, "volatile-") || info["Memory"]["maxmemory"] == "0" {
		return policy, nil
	}
	return policy, fmt.Errorf("%w: maxmemory-policy is %s; set it to noeviction", ErrEvicts, policy)
}

// Dial makes a client for a redis://, rediss:// or unix:// URL, with timeouts
// as the hot path needs them and without retries of its own: whoever calls
// knows whether asking again is worth while. It does not connect, because
// Redis is not needed to start. The caller closes the client. The library's own
// log lines are turned off: whoever asks hears of every failure.
//
// Its error is Permanent and never holds the URL, which may have a password.
func Dial(url string) (redis.UniversalClient, error) {
	opts, err := redis.ParseURL(url)
	if err != nil {
		return nil, fault.New(fault.Permanent, "dial redis", "bad_redis_url",
			errors.New("not a redis://, rediss:// or unix:// URL with known parameters"))
	}
	logging.Disable()
	opts.DialTimeout = dialTimeout
	opts.DialerRetries = 1
	opts.ReadTimeout = waitTimeout
	opts.WriteTimeout = waitTimeout
	opts.PoolTimeout = waitTimeout
	opts.ContextTimeoutEnabled = true
	opts.MaxRetries = -1
	// Neither is known to Redis 7.0, so both would only cost a round trip.
	opts.DisableIdentity = true
	opts.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(opts), nil
}
