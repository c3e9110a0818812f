package log

import (
	"slices"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// Held is a call that is in memory, open or closed lately, as far as it was
// heard: be that before everything stored at the start was, or with an event
// missing that cannot be read. So nobody decides by it; it is for those who hear
// the log event by event and ask how a call stands. Nil: it is not held. Nobody
// changes it.
func (f *Follower) Held(ref Ref) *lifecycle.Call {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.calls[ref]
}

// Held is the Held of the view, nil without one that has it.
func (l *Log) Held(ref Ref) *lifecycle.Call {
	if f, ok := l.view.(interface{ Held(Ref) *lifecycle.Call }); ok {
		return f.Held(ref)
	}
	return nil
}

// A Snapshot lists the calls that a follower begins with at a place of CALLS,
// and after that hears what is stored.
type Snapshot struct {
	Open   []Ref  // not closed
	Handed []Ref  // whose customer was handed on and is on a line of ours still, be they closed
	Seq    uint64 // of the last event they were seen by
	ID     string // and its id
}

// Snapshot lists what is held at the place that everybody has heard. Calls that
// cannot be read are among the open ones: a later version of this program may
// know how; and those that are known to have gone on after the place, be they
// closed by now: in a store that ends there they are open.
func (f *Follower) Snapshot() Snapshot {
	h := f.of[events.CallFamily]
	h.turn.Lock()
	defer h.turn.Unlock()
	f.mu.RLock()
	defer f.mu.RUnlock()
	s := Snapshot{Seq: h.told, ID: h.id}
	for ref, c := range f.calls {
		if c.Open() || c.Seq() > h.told {
			s.Open = append(s.Open, ref)
		}
		if _, closed := f.handed[ref]; closed || c.Open() && c.HandedOn() {
			s.Handed = append(s.Handed, ref)
		}
	}
	for ref := range f.unread[events.CallFamily] {
		if f.calls[ref] == nil {
			s.Open = append(s.Open, ref)
		}
	}
	return s
}

// Load begins with calls that were read from the leader instead of hearing the
// stream from its beginning: all that a snapshot lists, as they stand at its
// place or later; the logs of unread cannot be read. What is stored after the
// place is heard then.
func (f *Follower) Load(logs [][]events.Record, unread []Ref, seq uint64, id string) {
	h := f.of[events.CallFamily]
	h.turn.Lock()
	defer h.turn.Unlock()
	f.mu.Lock()
	for _, log := range logs {
		c := lifecycle.Fold(log)
		f.hold(Ref{c.Tenant, c.ID}, c)
	}
	for _, ref := range unread {
		f.unread[events.CallFamily][ref] = seq
	}
	h.folded = seq
	f.mu.Unlock()
	for _, s := range h.subs {
		tell(slices.Concat(logs...), seq, s)
	}
	f.tell(h, seq, id)
}

// Forget lets go of customers who were handed on before a moment: their end may
// never be heard.
func (f *Follower) Forget(before time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for ref := range f.handed {
		if f.calls[ref].TransferredAt.Before(before) {
			f.over(ref)
		}
	}
}
