package simulation

import (
	"container/heap"
	"context"
	"iter"
	"math/rand/v2"
	"time"
)

// A Sched lets things happen in virtual time, one after the other. What is due
// at the same instant comes in an order of the seed's.
type Sched struct {
	rng     *rand.Rand
	now     time.Time
	queue   queue
	count   uint64
	running *task
}

func newSched(seed uint64, begin time.Time) *Sched {
	return &Sched{rng: rand.New(rand.NewPCG(seed, 0x0d1a1)), now: begin}
}

// An event is something that will happen.
type event struct {
	at    time.Time
	tie   uint64
	count uint64
	do    func()
}

type queue []event

func (q queue) Len() int      { return len(q) }
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q queue) Less(i, j int) bool {
	a, b := q[i], q[j]
	if c := a.at.Compare(b.at); c != 0 {
		return c < 0
	}
	if a.tie != b.tie {
		return a.tie < b.tie
	}
	return a.count < b.count
}
func (q *queue) Push(x any) { *q = append(*q, x.(event)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = event{}
	*q = (*q)[:last]
	return e
}

// Now is the virtual time.
func (s *Sched) Now() time.Time { return s.now }

// after has something happen later.
func (s *Sched) after(d time.Duration, do func()) { s.at(s.now.Add(max(d, 0)), do) }

func (s *Sched) at(t time.Time, do func()) {
	s.count++
	heap.Push(&s.queue, event{at: t, tie: s.rng.Uint64(), count: s.count, do: do})
}

// step lets the next thing happen; false: nothing will.
func (s *Sched) step() bool {
	if len(s.queue) == 0 {
		return false
	}
	e := heap.Pop(&s.queue).(event)
	if e.at.After(s.now) {
		s.now = e.at
	}
	e.do()
	return true
}

// chance is true once in so many times, by the seed.
func (s *Sched) chance(oneIn int) bool { return oneIn > 0 && s.rng.IntN(oneIn) == 0 }

// between is a duration of the seed's.
func (s *Sched) between(lo, hi time.Duration) time.Duration {
	if hi <= lo {
		return lo
	}
	return lo + time.Duration(s.rng.Int64N(int64(hi-lo)))
}

// A task is a coroutine of a process. It runs until it gives way.
type task struct {
	of     *process
	resume func() (time.Duration, bool)
	stop   func()
	yield  func(time.Duration) bool
	over   bool
	naps   int // counts its waits: what is due to an earlier one wakes nobody
}

// killed unwinds a coroutine whose process is gone.
type killed struct{}

// spawn begins a coroutine. It has the thread to itself until it sleeps.
func (s *Sched) spawn(of *process, do func()) *task {
	t := &task{of: of}
	t.resume, t.stop = iter.Pull(func(yield func(time.Duration) bool) {
		t.yield = yield
		defer func() {
			if r := recover(); r != nil && r != (killed{}) {
				panic(r)
			}
		}()
		do()
	})
	s.wake(t, 0)
	return t
}

func (s *Sched) run(t *task) {
	if t.over {
		return
	}
	if p := t.of; p != nil && s.now.Before(p.frozen) {
		s.wake(t, p.frozen.Sub(s.now)) // it knows nothing of the time that passes
		return
	}
	s.running = t
	d, more := t.resume()
	s.running = nil
	if !more {
		t.over = true
		return
	}
	t.naps++
	s.wake(t, d)
}

// wake lets a coroutine that waits go on, earlier than it asked for.
func (s *Sched) wake(t *task, d time.Duration) {
	nap := t.naps
	s.after(d, func() {
		if t.naps == nap {
			s.run(t)
		}
	})
}

// kill drops a coroutine where it stands: nothing of it is done any more.
func (s *Sched) kill(t *task) {
	if !t.over && t != s.running {
		t.over = true
		t.stop()
	}
}

// sleep gives way. Outside of a coroutine nothing waits.
func (s *Sched) sleep(d time.Duration) {
	if t := s.running; t != nil && !t.yield(d) {
		panic(killed{})
	}
}

// pause is sleep as services ask for it.
func (s *Sched) pause(ctx context.Context, d time.Duration) error {
	s.sleep(d)
	return ctx.Err()
}

// within ends a context when so much virtual time has passed.
func (s *Sched) within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	s.after(d, cancel)
	return ctx, cancel
}
