package simulation

import (
	"context"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events/fault"
)

// A tape is what CONTROL holds of a feed.
type tape struct {
	cursor string
	seq    uint64
}

// cursors are the feeds' tapes, compare-and-set as the real ones, as one bridge
// reaches them.
type cursors struct {
	w *World
	p *process
}

// Cursor implements bridge.Cursors.
func (c cursors) Cursor(_ context.Context, _, connection string) (string, uint64, error) {
	if err := leader(c).ask(); err != nil {
		return "", 0, err
	}
	t := c.w.tapes[connection]
	c.w.hop()
	return t.cursor, t.seq, nil
}

// Move implements bridge.Cursors.
func (c cursors) Move(_ context.Context, _, connection, cursor string, at uint64) error {
	w := c.w
	c.p.mayDie()
	w.hop()
	was := w.tapes[connection]
	switch {
	case c.p.cut() || w.odds(200):
		return unavailable("publish")
	case was.seq != at:
		w.count("cursors moved by others")
		return fault.New(fault.Transient, "publish", log.CodeConflict, log.ErrConflict)
	}
	if cursorBefore(cursor, was.cursor) && w.age == 0 {
		w.turned = append(w.turned, connection)
	}
	w.tapeSeq++
	w.tapes[connection] = tape{cursor, w.tapeSeq}
	c.p.mayDie()
	w.hop()
	if w.odds(100) { // it is moved, and nobody knows
		return unavailable("publish")
	}
	return nil
}
