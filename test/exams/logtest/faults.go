package logtest

import (
	"context"
	"errors"
	"slices"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// A Fault is a way in which one append can go wrong.
type Fault int

// The faults.
const (
	None          Fault = iota
	Conflict            // nothing stored: somebody else was quicker, it says
	LostAnswer          // stored; the answer was lost, the read-back found it: not won
	StoredUnknown       // stored; neither answer nor read-back came: append_unknown
	NotStored           // not stored; neither answer nor read-back came: append_unknown
	Down                // nothing stored: no connection
)

// trap waits for an append of a name, "" for any.
type trap struct {
	name  events.Name
	fault Fault
	do    func()
}

// Fail lets the next append of the named event ("" for any) go wrong, once.
// Several wait for their turn in the order given.
func (l *Log) Fail(name events.Name, f Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.traps = append(l.traps, &trap{name: name, fault: f})
}

// Before runs do once, right before the next append of the named event ("" for
// any) is looked at: a race that is lost every time.
func (l *Log) Before(name events.Name, do func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.traps = append(l.traps, &trap{name: name, do: do})
}

// Cut takes the log away, or gives it back: meanwhile nothing is read or
// stored, and everybody hears that it is unavailable.
func (l *Log) Cut(away bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = away
}

// take removes the first trap that waits for the name.
func (l *Log) take(name events.Name, wants func(*trap) bool) *trap {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.traps, func(t *trap) bool {
		return (t.name == "" || t.name == name) && wants(t)
	})
	if i < 0 {
		return nil
	}
	t := l.traps[i]
	l.traps = slices.Delete(l.traps, i, i+1)
	return t
}

// spring runs what was to happen before this append, and says whether the
// connection is to be missing.
func (l *Log) spring(name events.Name) bool {
	if t := l.take(name, func(t *trap) bool { return t.do != nil }); t != nil {
		t.do()
	}
	return l.take(name, func(t *trap) bool { return t.fault == Down }) != nil
}

func (l *Log) failure(name events.Name) Fault {
	if t := l.take(name, func(t *trap) bool { return t.fault != None }); t != nil {
		return t.fault
	}
	return None
}

func (l *Log) reachable(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return unavailable(op, err)
	}
	if l.cut {
		return unavailable(op, errors.New("not connected"))
	}
	return nil
}

func unavailable(op string, err error) error {
	return fault.New(fault.Transient, op, log.CodeUnavailable, err)
}

func conflict() error {
	return fault.New(fault.Transient, "append", log.CodeConflict, log.ErrConflict)
}

func unknown() error {
	return fault.New(fault.Uncertain, "append", log.CodeAppendUnknown, errors.New("no answer"))
}

// Mend forgets every fault and interruption that has not happened yet.
func (l *Log) Mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.traps, l.cut = nil, false
}
