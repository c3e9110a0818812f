// Package lane keeps a stream's messages in order by key.
//
// A stream has an order, but what delivers from it has none: several processes
// share a consumer, handle many messages at once, and hand over what a killed
// one had begun. So a delivery only wakes. Whoever gets message N of a key first
// carries out, in the stream's order, what came of that key before N, and only
// then N:
//
//	stream ──follower──▶ Hear ─▶ lane of the key ─┐
//	   └────consumer───▶ Reach(N) ─▶ Through(N) ◀─┘ ─▶ carried out up to N
//
// Two processes may do so at once. What is carried out must therefore be
// harmless to do again, and compare-and-set on what it writes: then one of them
// wins, and the other finds it done and goes on. Keys do not wait for each
// other.
package lane

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
)

// A Place is where a message stands in the stream.
type Place[T any] struct {
	Seq  uint64
	Item T
}

// Lanes hold what was heard and is not known to be carried out, by key. They are
// safe for use by many goroutines.
type Lanes[T any] struct {
	limit int

	mu      sync.Mutex
	by      map[string][]Place[T] // each in the stream's order
	held    int
	order   []mark // as heard, for Settle; some are let go already
	follows bool
	ended   bool
	heard   uint64
	further chan struct{} // closed when more was heard; nil: nobody waits
}

type mark struct {
	seq uint64
	key string
}

// New makes lanes that hold at most limit messages: beyond, the oldest is let
// go, and is carried out when it is delivered, be that late.
func New[T any](limit int) *Lanes[T] {
	return &Lanes[T]{limit: limit, by: map[string][]Place[T]{}}
}

// Begin says that a follower will bring everything after a sequence. Before
// that nobody waits for one.
func (l *Lanes[T]) Begin(after uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.by)
	l.order, l.held, l.follows, l.heard = nil, 0, true, after
	l.stir()
}

// Hear takes the next message of the stream into the lane of its key; one
// without a key is nobody's and only heard.
func (l *Lanes[T]) Hear(seq uint64, key string, item T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if seq <= l.heard {
		return
	}
	l.heard = seq
	if key != "" {
		l.by[key] = append(l.by[key], Place[T]{seq, item})
		l.order = append(l.order, mark{seq, key})
		l.held++
	}
	for l.held > l.limit {
		l.first()
	}
	l.stir()
}

func (l *Lanes[T]) stir() {
	if l.further != nil {
		close(l.further)
		l.further = nil
	}
}

// Heard is the last sequence that was heard.
func (l *Lanes[T]) Heard() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.heard
}

// Held is how many messages are in the lanes.
func (l *Lanes[T]) Held() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held
}

// ErrEnded says that nothing more is going to be heard.
var ErrEnded = errors.New("the follower has ended")

// End says that nothing more is going to be heard; who waits for more is told.
func (l *Lanes[T]) End() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.stir()
}

// Reach waits until a sequence was heard. Its error is the context's, or
// ErrEnded.
func (l *Lanes[T]) Reach(ctx context.Context, seq uint64) error {
	for {
		l.mu.Lock()
		if !l.follows || l.heard >= seq {
			l.mu.Unlock()
			return nil
		}
		if l.ended {
			l.mu.Unlock()
			return ErrEnded
		}
		if l.further == nil {
			l.further = make(chan struct{})
		}
		further := l.further
		l.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-further:
		}
	}
}

// At is what is held of a sequence, and its key.
func (l *Lanes[T]) At(seq uint64) (key string, item T, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, ok := slices.BinarySearchFunc(l.order, seq, func(m mark, seq uint64) int { return cmp.Compare(m.seq, seq) })
	if !ok {
		return "", item, false
	}
	key = l.order[i].key
	j, ok := slices.BinarySearchFunc(l.by[key], seq, func(p Place[T], seq uint64) int { return cmp.Compare(p.Seq, seq) })
	if ok {
		item = l.by[key][j].Item
	}
	return key, item, ok
}

// Through carries out, in order, what the keys' lanes hold before a message and
// then the message itself, and lets them go. It ends at the first error, which
// earlier says of a message before. Several keys are names of one: a message
// may come under either.
func (l *Lanes[T]) Through(seq uint64, item T, do func(seq uint64, item T, earlier bool) error, keys ...string) error {
	for _, p := range l.before(seq, keys) {
		if err := do(p.Seq, p.Item, true); err != nil {
			return err
		}
		l.Done(p.Seq, keys...)
	}
	if err := do(seq, item, false); err != nil {
		return err
	}
	l.Done(seq, keys...)
	return nil
}

func (l *Lanes[T]) before(seq uint64, keys []string) []Place[T] {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Place[T]
	for _, k := range keys {
		for _, p := range l.by[k] {
			if p.Seq < seq {
				out = append(out, p)
			}
		}
	}
	slices.SortFunc(out, func(a, b Place[T]) int { return cmp.Compare(a.Seq, b.Seq) })
	return out
}

// Done lets go of what lanes hold up to a sequence: it is known to be carried
// out.
func (l *Lanes[T]) Done(seq uint64, keys ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range keys {
		l.done(seq, k)
	}
}

func (l *Lanes[T]) done(seq uint64, key string) {
	n := 0
	for n < len(l.by[key]) && l.by[key][n].Seq <= seq {
		n++
	}
	l.held -= n
	switch {
	case n == len(l.by[key]):
		delete(l.by, key)
	case n > 0:
		l.by[key] = slices.Clone(l.by[key][n:])
	}
	if len(l.order) > 2*l.held+1024 {
		l.order = slices.DeleteFunc(l.order, func(m mark) bool {
			lane := l.by[m.key]
			return len(lane) == 0 || m.seq < lane[0].Seq
		})
	}
}

// Settle lets go of everything up to a sequence: the stream's consumer has seen
// all of it acknowledged.
func (l *Lanes[T]) Settle(floor uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.order) > 0 && l.order[0].seq <= floor {
		l.first()
	}
}

// first lets go of the oldest.
func (l *Lanes[T]) first() {
	m := l.order[0]
	l.order = l.order[1:]
	l.done(m.seq, m.key)
}
