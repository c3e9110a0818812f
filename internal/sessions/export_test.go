package sessions

import "time"

// RebuildLease is for tests that cannot wait until a dead rebuilder's lock ends.
func (r *Redis) RebuildLease(d time.Duration) { r.lockTTL = d }
