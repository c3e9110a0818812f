package simulation

import (
	"time"
	"unsafe"
)

// Now is the process's clock. Its wall may have been set, forward or back, or
// be off for good; its monotonic part runs as the world's time does, whether the
// process is stopped or not.
func (p *process) Now() time.Time { return reading(p.w.now.Add(p.off+p.skew), p.w.now.Sub(begin)) }

// offFor is how far the clock of an orchestrator that is a process of its own is
// off in every third world, less than the watchdogs' times; of two such
// orchestrators the one is ahead and the other behind. It draws nothing, so that
// the other worlds are as they would be.
func (w *World) offFor(p *process) time.Duration {
	if w.seed%3 != 2 || len(p.roles) != 1 || p.roles[0] != "orchestrator" {
		return 0
	}
	w.count("orchestrators' clocks apart")
	off := []time.Duration{3 * time.Second, 8 * time.Second, 15 * time.Second}[w.seed/3%3]
	if (w.seed/9+uint64(len(w.processes)))%2 == 0 {
		return -off
	}
	return off
}

// setClock has somebody set the wall of the process's clock, and put it right
// later. Two bridges whose clocks are apart take each other's answers for late
// ones, so for a while no answer to a poll is held against anybody.
func (p *process) setClock(by, until time.Duration) {
	p.w.count("clocks set")
	p.skew = by
	if right := p.w.now.Add(until + mostSkew); p.brid != nil && right.After(p.w.apart) {
		p.w.apart = right
	}
	p.w.after(until, func() { p.skew = 0 })
}

// reading is what time.Now gives when the wall shows one thing and the monotonic
// clock another. The library makes none such, so its fields are written; a test
// holds the two together.
func reading(wall time.Time, mono time.Duration) time.Time {
	const (
		hasMonotonic = 1 << 63
		from1885     = 2682288000 // seconds from 1885 to 1970
	)
	t := wall
	raw := (*struct {
		wall uint64
		ext  int64
		loc  *time.Location
	})(unsafe.Pointer(&t))
	raw.wall = hasMonotonic | uint64(wall.Unix()+from1885)<<30 | uint64(wall.Nanosecond())
	raw.ext = int64(mono)
	return t
}
