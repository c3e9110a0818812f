package sessions

import (
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/outdial/outdial/pkg/events/fault"
)

// How long Redis may take. A worker that waits longer is better off without
// the hints: the log alone is slower, and always right.
const (
	dialTimeout = time.Second
	waitTimeout = 500 * time.Millisecond // to read, to write, for a connection of the pool
)

// Dial makes a client for a redis://, rediss:// or unix:// URL, with timeouts
// as the hot path needs them and without retries of its own: whoever calls
// knows whether asking again is worth while. It does not connect, because
// Redis is not needed to start. The caller closes the client.
//
// Its error is Permanent and never holds the URL, which may have a password.
func Dial(url string) (redis.UniversalClient, error) {
	opts, err := redis.ParseURL(url)
	if err != nil {
		return nil, fault.New(fault.Permanent, "dial redis", "bad_redis_url",
			errors.New("not a redis://, rediss:// or unix:// URL with known parameters"))
	}
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
