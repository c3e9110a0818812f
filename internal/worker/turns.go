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
	lines map[string][]*turn // who waits, by key, first come first
	order []string           // the keys that somebody waits for, whose turn it is first
}

// A turn is somebody's wish for a place.
type turn struct {
	key   string
	begin func() // what is done once the place is there; it does not block
}

func newTurns(places int) *turns {
	return &turns{free: places, lines: map[string][]*turn{}}
}

// join queues for a place. begin is called when it is there, at once if one is
// free; whoever has it gives it back by give.
func (t *turns) join(key string, begin func()) *turn {
	mine := &turn{key, begin}
	t.mu.Lock()
	if t.free == 0 {
		if len(t.lines[key]) == 0 {
			t.order = append(t.order, key)
		}
		t.lines[key] = append(t.lines[key], mine)
		t.mu.Unlock()
		return mine
	}
	t.free--
	t.mu.Unlock()
	begin()
	return mine
}

// quit stops waiting; false says that it is too late, the place has been given.
func (t *turns) quit(mine *turn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	line := t.lines[mine.key]
	at := slices.Index(line, mine)
	if at < 0 {
		return false
	}
	t.lines[mine.key] = slices.Delete(line, at, at+1)
	if len(line) == 1 {
		delete(t.lines, mine.key)
		t.order = slices.DeleteFunc(t.order, func(k string) bool { return k == mine.key })
	}
	return true
}

// give passes a place on to the key whose turn it is.
func (t *turns) give() {
	if next := t.next(); next != nil {
		next.begin()
	}
}

func (t *turns) next() *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.order) == 0 {
		t.free++
		return nil
	}
	key := t.order[0]
	t.order = t.order[1:]
	line := t.lines[key]
	if len(line) > 1 {
		t.lines[key] = line[1:]
		t.order = append(t.order, key)
		return line[0]
	}
	delete(t.lines, key)
	return line[0]
}

// wait blocks until the place that was joined for is here and says whether it is
// held; when ctx ends first, it is not.
func (t *turns) wait(ctx context.Context, mine *turn, here <-chan struct{}) bool {
	select {
	case <-here:
		return true
	case <-ctx.Done():
	}
	if !t.quit(mine) { // it came just now
		t.give()
	}
	return false
}

// waiting says how many wait for a key.
func (t *turns) waiting(key string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.lines[key])
}
