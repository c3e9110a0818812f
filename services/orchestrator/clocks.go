package orchestrator

import (
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// The clocks of those who write a call's log are apart, by milliseconds or by
// minutes, and an event has its writer's time. So nobody here subtracts it from
// the own clock: how long a state has lasted is counted from when it was heard
// to begin, and a wait ends after its length. Whoever is ahead of the writer
// ends nothing early, whoever is behind ends nothing late, and two orchestrators
// agree. What was on record when this process began is judged by its wall.

// A beginning is a state of a call, and when it was heard to begin.
type beginning struct {
	state lifecycle.State
	since time.Time // by its writer
	heard time.Time // by this process's clock; zero: it was on record before
}

// CaughtUp says that everything stored at the start was heard: what comes now is
// heard as it happens.
func (s *Service) CaughtUp() {
	s.index.mu.Lock()
	defer s.index.mu.Unlock()
	s.index.live = true
}

// begins notes that a call has come into the state that it is in.
func (x *Index) begins(e *entry) {
	if e.began.of(e.call) {
		return
	}
	e.began = beginning{state: e.call.State, since: e.call.Since()}
	if x.live {
		e.began.heard = x.now()
	}
}

func (b beginning) of(c *lifecycle.Call) bool { return b.state == c.State && b.since.Equal(c.Since()) }

// ByOwnClock is a call with the time of its state, and the end of its wait, by
// this process's clock.
func (x *Index) ByOwnClock(c *lifecycle.Call, now time.Time) *lifecycle.Call {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.byOwnClock(x.open[log.Ref{Tenant: c.Tenant, ID: c.ID}], c, now)
}

func (x *Index) byOwnClock(e *entry, c *lifecycle.Call, now time.Time) *lifecycle.Call {
	heard := now // it was read before it was heard, so it begins now
	if e != nil && e.began.of(c) {
		heard = e.began.heard
	}
	if !x.live || heard.IsZero() {
		return c
	}
	own := c.Dated(heard)
	if c.State == lifecycle.Waiting && c.Waiting != nil && c.Waiting.Until != nil {
		w, ends := *c.Waiting, heard.Add(c.Waiting.Until.Sub(c.Since()))
		w.Until, own.Waiting = &ends, &w
	}
	return own
}
