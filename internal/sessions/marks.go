package sessions

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// Keep keeps a text for whoever knows what it means: how far the log was known.
// It is no part of the projection, and no rebuild touches it.
func (r *Redis) Keep(ctx context.Context, text []byte) error {
	if err := r.client.Set(ctx, marksKey, text, 0).Err(); err != nil {
		return unavailable("keep marks", err)
	}
	return nil
}

// Kept is what Keep was last given, nil for nothing.
func (r *Redis) Kept(ctx context.Context) ([]byte, error) {
	text, err := r.client.Get(ctx, marksKey).Bytes()
	switch {
	case errors.Is(err, redis.Nil):
		return nil, nil
	case wrongType(err):
		return nil, nil // somebody else's; it is written over
	case err != nil:
		return nil, unavailable("read marks", err)
	}
	return text, nil
}
