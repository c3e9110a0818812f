package pace

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// RedisAt is Redis with a test's clock in the place of its own.
type RedisAt struct {
	Client redis.UniversalClient
	Now    func() time.Time
}

// Take implements Store.
func (r RedisAt) Take(ctx context.Context, a Ask) (Answer, error) {
	us := r.Now().UnixMicro()
	text := strings.Replace(takeLua, "redis.call('TIME')", fmt.Sprintf("{%d, %d}", us/1e6, us%1e6), 1)
	return (&Redis{client: r.Client, take: redis.NewScript(text)}).Take(ctx, a)
}
