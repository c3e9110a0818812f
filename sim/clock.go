package sim

import (
	"slices"
	"sync"
	"time"
)

// A Clock is the time the simulated world lives by, so that it can run on
// virtual time. Faults' delays on the wire are real time whatever it says.
type Clock interface {
	Now() time.Time
	// AfterFunc calls f once, in its own goroutine, after d; stop prevents it.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

// RealClock is the machine's.
type RealClock struct{}

// Now implements Clock.
func (RealClock) Now() time.Time { return time.Now() }

// AfterFunc implements Clock.
func (RealClock) AfterFunc(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }

// A ManualClock stands still until it is moved, for tests in which every state
// lasts as long as the test wants.
type ManualClock struct {
	mu     sync.Mutex
	now    time.Time
	timers []*manualTimer
}

type manualTimer struct {
	at time.Time
	do func()
}

// NewManualClock starts at an instant.
func NewManualClock(at time.Time) *ManualClock { return &ManualClock{now: at} }

// Now implements Clock.
func (c *ManualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// AfterFunc implements Clock. f is called by Step or Advance.
func (c *ManualClock) AfterFunc(d time.Duration, f func()) func() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &manualTimer{c.now.Add(d), f}
	c.timers = append(c.timers, t)
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		n := len(c.timers)
		c.timers = slices.DeleteFunc(c.timers, func(o *manualTimer) bool { return o == t })
		return len(c.timers) < n
	}
}

// Step moves to the next timer and runs it; false when there is none.
func (c *ManualClock) Step() bool { return c.run(time.Time{}) }

// Advance moves on by d and runs every timer on the way, in order.
func (c *ManualClock) Advance(d time.Duration) {
	until := c.Now().Add(d)
	for c.run(until) {
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = until
}

// run runs the first timer that is due by until; a zero until is any time.
func (c *ManualClock) run(until time.Time) bool {
	c.mu.Lock()
	first := -1
	for i, t := range c.timers {
		if (until.IsZero() || !t.at.After(until)) && (first < 0 || t.at.Before(c.timers[first].at)) {
			first = i
		}
	}
	if first < 0 {
		c.mu.Unlock()
		return false
	}
	t := c.timers[first]
	c.timers = slices.Delete(c.timers, first, first+1)
	if t.at.After(c.now) {
		c.now = t.at
	}
	c.mu.Unlock()
	t.do()
	return true
}
