package bridge

import (
	"crypto/sha256"
	"maps"
	"slices"
	"sync"
	"time"
)

// silence is how long a bridge says nothing until the others do its work. The
// orchestrator ends its desktops' sessions by the same measure.
const silence = 10 * time.Second

// peers are the bridge processes that say they live, this one among them. They
// share out what one of them is enough for, with nothing stored and nobody
// asked: of every key each knows whose it is, by the highest hash of process and
// key (rendezvous hashing; go-rendezvous does the same in as many lines). For a
// moment two may take a key for theirs, or, once one has died, nobody: whatever
// is shared out must live with both.
type peers struct {
	self string
	mu   sync.Mutex
	last map[string]time.Time // when each was heard, but for this one
}

func newPeers(self string) *peers { return &peers{self: self, last: map[string]time.Time{}} }

// heard says that a process lives.
func (p *peers) heard(process string, now time.Time) {
	if process == p.self {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last[process] = now
}

// living are all who were heard within the silence, in order.
func (p *peers) living(now time.Time) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.last, func(_ string, at time.Time) bool { return now.Sub(at) > silence })
	return append(slices.Sorted(maps.Keys(p.last)), p.self)
}

// own sorts out which keys are this process's among the living.
func (p *peers) own(now time.Time) func(key string) bool {
	all := p.living(now)
	return func(key string) bool {
		mine := rank(p.self, key)
		return !slices.ContainsFunc(all, func(q string) bool { return q != p.self && rank(q, key) > mine })
	}
}

func rank(process, key string) string {
	sum := sha256.Sum256([]byte(process + "\x00" + key))
	return string(sum[:])
}

// PeerLives hears that a bridge process says it lives.
func (s *Service) PeerLives(process string) { s.peers.heard(process, s.Now()) }
