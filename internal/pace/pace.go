// Package pace bounds how often something may happen. A Keyed does so key by
// key for one process: a tenant's requests, a connection's messages, an agent's
// sessions. A Pacer does for a provider's account and all processes that ask it
// something: each asks for a slot before.
package pace

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// tellEvery is how often one key's excess is worth a word.
const tellEvery = time.Minute

// A Keyed is a bucket for each key. Keys are never forgotten, so they must be
// of a bounded set, such as the roster's.
type Keyed struct {
	every rate.Limit
	burst int

	mu      sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	*rate.Limiter
	told time.Time
}

// PerSecond allows n in a second and twice as many at once.
func PerSecond(n int) *Keyed { return newKeyed(rate.Limit(n), 2*n) }

// PerHour allows n in an hour, and a fifth of them at once.
func PerHour(n int) *Keyed { return newKeyed(rate.Limit(float64(n)/3600), max(n/5, 1)) }

func newKeyed(every rate.Limit, burst int) *Keyed {
	return &Keyed{every: every, burst: burst, buckets: map[string]*bucket{}}
}

func (k *Keyed) of(key string) *bucket {
	k.mu.Lock()
	defer k.mu.Unlock()
	b := k.buckets[key]
	if b == nil {
		b = &bucket{Limiter: rate.NewLimiter(k.every, k.burst)}
		k.buckets[key] = b
	}
	return b
}

// Allow takes n tokens of a key if they are there.
func (k *Keyed) Allow(key string, n int) bool {
	return k.of(key).AllowN(time.Now(), min(n, k.burst))
}

// Wait waits until a key has n tokens and takes them. It fails at once when
// that would be after ctx ends.
func (k *Keyed) Wait(ctx context.Context, key string, n int) error {
	return k.of(key).WaitN(ctx, min(n, k.burst))
}

// After is how long until a key has a token again.
func (k *Keyed) After(key string) time.Duration {
	missing := 1 - k.of(key).Tokens()
	if missing <= 0 {
		return 0
	}
	return time.Duration(missing / float64(k.every) * float64(time.Second))
}

// Tell says whether a key's excess is to be told now: once a minute.
func (k *Keyed) Tell(key string) bool {
	b := k.of(key)
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	if !b.told.IsZero() && now.Sub(b.told) < tellEvery {
		return false
	}
	b.told = now
	return true
}
