package pace

import (
	"context"
	_ "embed"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed take.lua
var takeLua string

// Redis is the Store that all processes share. It is a script of our own and
// not go-redis/redis_rate, which is the same algorithm but knows one kind of
// asker: it can neither keep a slot for who comes first nor say that nobody
// may have one ahead of time.
type Redis struct {
	client redis.UniversalClient
	take   *redis.Script
}

var _ Store = (*Redis)(nil)

// NewRedis makes one in Redis 6.0 or later, or what is compatible with it. It
// does not connect; the client remains the caller's.
func NewRedis(client redis.UniversalClient) *Redis {
	return &Redis{client: client, take: redis.NewScript(takeLua)}
}

// keyOf is an account's key. It carries the tenant as its tag, like every key
// of a tenant.
func keyOf(tenant, connection string) string { return "outdial:{" + tenant + "}:pace:" + connection }

// Take implements Store.
func (r *Redis) Take(ctx context.Context, a Ask) (Answer, error) {
	reply, err := r.take.Run(ctx, r.client, []string{keyOf(a.Tenant, a.Connection)},
		a.Every.Microseconds(), int(a.Class), a.Ahead.Microseconds(), Horizon.Microseconds(), Grace.Microseconds()).Int64Slice()
	if err == nil && len(reply) != 3 {
		err = errors.New("not three numbers")
	}
	if err != nil {
		return Answer{}, err
	}
	return Answer{Granted: reply[0] == 1, Wait: time.Duration(reply[1]) * time.Microsecond, Booked: time.Duration(reply[2]) * time.Microsecond}, nil
}
