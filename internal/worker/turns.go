package worker

import (
	"context"
	"slices"
	"sync"
)

// turns are a number of places, given to those who want one in turn, key by
// key: who wants many waits behind their own, and not in front of others.
type turns struct {
	mu    sync.Mutex
	free  int
	lines map[string][]chan struct{} // who waits, by key, first come first
	order []string                   // the keys that somebody waits for, whose turn it is first
}

func newTurns(places int) *turns {
	return &turns{free: places, lines: map[string][]chan struct{}{}}
}

// join queues for a place. The channel is closed when it is there; whoever
// joins waits for it by wait, and gives the place back by give.
func (t *turns) join(key string) chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	mine := make(chan struct{})
	if t.free > 0 {
		t.free--
		close(mine)
		return mine
	}
	if len(t.lines[key]) == 0 {
		t.order = append(t.order, key)
	}
	t.lines[key] = append(t.lines[key], mine)
	return mine
}

// wait waits for a place that was queued for and says whether it is held; when
// ctx ends first, it is not.
func (t *turns) wait(ctx context.Context, key string, mine chan struct{}) bool {
	select {
	case <-mine:
		return true
	case <-ctx.Done():
	}
	t.mu.Lock()
	line := t.lines[key]
	at := slices.Index(line, mine)
	if at >= 0 {
		t.lines[key] = slices.Delete(line, at, at+1)
		if len(line) == 1 {
			delete(t.lines, key)
			t.order = slices.DeleteFunc(t.order, func(k string) bool { return k == key })
		}
	}
	t.mu.Unlock()
	if at < 0 { // it came just now
		t.give()
	}
	return false
}

// give passes a place on to the key whose turn it is.
func (t *turns) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.order) == 0 {
		t.free++
		return
	}
	key := t.order[0]
	t.order = t.order[1:]
	line := t.lines[key]
	close(line[0])
	if len(line) > 1 {
		t.lines[key] = line[1:]
		t.order = append(t.order, key)
		return
	}
	delete(t.lines, key)
}

// waiting says how many wait for a key.
func (t *turns) waiting(key string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.lines[key])
}
