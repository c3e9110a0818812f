package simulation

import (
	"time"
	"unsafe"
)

// Now is the process's clock. Its wall may have been set, forward or back; its
// monotonic part runs as the world's time does, whether the process is stopped
// or not.
func (p *process) Now() time.Time { return reading(p.w.now.Add(p.skew), p.w.now.Sub(begin)) }

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
