package sessions

import "time"

// RebuildLease is for tests that cannot wait until a dead rebuilder's lock ends.
func RebuildLease(d time.Duration) RedisOption {
	return func(r *Redis) { r.lockTTL = d }
}
