package orchestrator

import "container/heap"

// A line keeps its members so that the first is at hand, and lets go of any:
// each knows its place. Joining and leaving cost the logarithm of its length.
type line[T any] struct {
	in     []T
	before func(a, b T) bool
	place  func(T) *int // where a member notes its place, -1 for none
}

func (l *line[T]) Len() int           { return len(l.in) }
func (l *line[T]) Less(i, j int) bool { return l.before(l.in[i], l.in[j]) }
func (l *line[T]) Swap(i, j int) {
	l.in[i], l.in[j] = l.in[j], l.in[i]
	*l.place(l.in[i]), *l.place(l.in[j]) = i, j
}

// Push and Pop are for package heap alone.
func (l *line[T]) Push(x any) {
	m, _ := x.(T)
	*l.place(m) = len(l.in)
	l.in = append(l.in, m)
}

func (l *line[T]) Pop() any {
	m := l.in[len(l.in)-1]
	clear(l.in[len(l.in)-1:])
	l.in = l.in[:len(l.in)-1]
	*l.place(m) = -1
	return m
}

// put has a member join, or find its place anew.
func (l *line[T]) put(m T) {
	if at := *l.place(m); at >= 0 {
		heap.Fix(l, at)
		return
	}
	heap.Push(l, m)
}

func (l *line[T]) leave(m T) {
	if at := *l.place(m); at >= 0 {
		heap.Remove(l, at)
	}
}

func (l *line[T]) first() (m T, ok bool) {
	if len(l.in) == 0 {
		return m, false
	}
	return l.in[0], true
}
