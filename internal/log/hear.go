package log

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/outdial/outdial/pkg/events"
)

// A hearing is how far the events of a family were heard.
type hearing struct {
	turn sync.Mutex // one event at a time, until everybody has heard it
	subs []*hearer

	// The rest is under the follower's lock.
	folded  uint64        // sequence of the last event in memory
	told    uint64        // and of the last that all hearers have taken
	id      string        // of that event, "" if it cannot be read
	live    bool          // everything that was stored at the start was heard
	ahead   uint64        // the last event that was told of before that, and not taken
	further chan struct{} // closed when told has changed; nil: nobody waits
}

// A hearer is told of every event after a sequence.
type hearer struct {
	after uint64
	take  func(events.Record)
	reset func()
}

func (f *Follower) tell(h *hearing, seq uint64, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h.told, h.id = seq, id
	h.stir()
}

func (h *hearing) stir() {
	if h.further != nil {
		close(h.further)
		h.further = nil
	}
}

// tell has a hearer take what was heard up to a sequence, in its order.
func tell(records []events.Record, seq uint64, s *hearer) {
	records = slices.DeleteFunc(records, func(r events.Record) bool { return r.Seq > seq })
	slices.SortFunc(records, func(a, b events.Record) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, r := range records {
		s.take(r)
	}
	s.after = seq
}

// Hear adds a hearer that has heard nothing: it is told of the open calls and
// of those whose customer was handed on, or of every agent's last event, and
// then of what is stored after them.
func (f *Follower) Hear(family events.Family, take func(events.Record), reset func()) (leave func()) {
	h := f.of[family]
	h.turn.Lock()
	defer h.turn.Unlock()
	var known []events.Record
	if family == events.CallFamily {
		f.mu.RLock()
		for ref, c := range f.calls {
			if _, handed := f.handed[ref]; handed || c.Open() {
				known = append(known, c.Log...)
			}
		}
		f.mu.RUnlock()
	} else {
		for _, a := range f.Agents() {
			known = append(known, a.Last)
		}
	}
	s := &hearer{take: take, reset: reset}
	tell(known, f.Heard(family), s)
	return h.add(s)
}

// add lets a hearer in; it is called in turn.
func (h *hearing) add(s *hearer) (leave func()) {
	h.subs = append(h.subs, s)
	return func() {
		h.turn.Lock()
		defer h.turn.Unlock()
		h.subs = slices.DeleteFunc(slices.Clone(h.subs), func(x *hearer) bool { return x == s })
	}
}

// Heard is the sequence of the last event of a family that was heard by
// everybody who hears with this follower.
func (f *Follower) Heard(family events.Family) uint64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.of[family].told
}

// Reach implements View.
func (f *Follower) Reach(ctx context.Context, family events.Family, seq uint64) error {
	h := f.of[family]
	for {
		f.mu.Lock()
		if h.told >= seq {
			f.mu.Unlock()
			return nil
		}
		if h.further == nil {
			h.further = make(chan struct{})
		}
		further := h.further
		f.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-further:
		}
	}
}

// Event waits for an event and gives it as it is in memory: nil when its log is
// not held that far, as a call's that closed long ago, or an agent's that has
// gone on. Its error is the context's.
func (f *Follower) Event(ctx context.Context, family events.Family, ref Ref, seq uint64) (*events.Record, error) {
	if err := f.Reach(ctx, family, seq); err != nil {
		return nil, err
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	if family == events.AgentFamily {
		if a := f.agents[ref]; a != nil && a.Last.Seq == seq {
			return &a.Last, nil
		}
		return nil, nil
	}
	c := f.calls[ref]
	if c == nil {
		return nil, nil
	}
	i, ok := slices.BinarySearchFunc(c.Log, seq, func(r events.Record, seq uint64) int { return cmp.Compare(r.Seq, seq) })
	if !ok || c.Log[i].Stored.IsZero() { // only its writer's word so far
		return nil, nil
	}
	return &c.Log[i], nil
}
