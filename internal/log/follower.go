package log

import (
	"context"
	"slices"
	"sync"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// lately is how many closed calls a follower keeps: late news and releases ask
// for them within seconds.
const lately = 1024

// A Follower is a View that is fed with every event of both streams, once and
// in order. It holds the calls that are open, those that closed lately, and
// every agent. What it hands out is never changed: an event makes a new call
// of the old one.
//
// It decides nothing and asks nobody; whoever reads the streams feeds it with
// Take, Unreadable, CaughtUp and Reset, one goroutine a family. Everything else
// is safe for many goroutines.
type Follower struct {
	mu     sync.RWMutex
	calls  map[Ref]*lifecycle.Call
	agents map[Ref]*lifecycle.Agent
	// unread are logs that hold an event which cannot be read, and where. Who
	// asks for one is sent to the leader, and hears there what is wrong.
	unread map[events.Family]map[Ref]uint64
	closed []Ref // in the order in which they closed
	of     map[events.Family]*hearing
}

// A hearing is how far the events of a family were heard.
type hearing struct {
	turn sync.Mutex // one event at a time, until everybody has heard it
	subs []*hearer

	// The rest is under the follower's lock.
	folded  uint64        // sequence of the last event in memory
	told    uint64        // and of the last that all hearers have taken
	live    bool          // everything that was stored at the start was heard
	past    int           // counts the times that all was forgotten
	further chan struct{} // closed when told or past has changed; nil: nobody waits
}

// A hearer is told of every event after a sequence.
type hearer struct {
	after uint64
	take  func(events.Record)
	reset func()
}

var _ View = (*Follower)(nil)

// NewFollower makes a follower that has heard nothing.
func NewFollower() *Follower {
	f := &Follower{of: map[events.Family]*hearing{events.CallFamily: {}, events.AgentFamily: {}}}
	f.unread = map[events.Family]map[Ref]uint64{}
	f.forget(events.CallFamily)
	f.forget(events.AgentFamily)
	return f
}

func (f *Follower) forget(family events.Family) {
	f.unread[family] = map[Ref]uint64{}
	if family == events.AgentFamily {
		f.agents = map[Ref]*lifecycle.Agent{}
		return
	}
	f.calls, f.closed = map[Ref]*lifecycle.Call{}, nil
}

// Take hears the next event of its stream.
func (f *Follower) Take(r events.Record) {
	h := f.of[r.Family]
	h.turn.Lock()
	defer h.turn.Unlock()
	f.mu.Lock()
	if r.Family == events.CallFamily {
		f.call(r)
	} else {
		f.agent(r)
	}
	h.folded = r.Seq
	f.mu.Unlock()
	for _, s := range h.subs {
		if r.Seq > s.after {
			s.take(r)
		}
	}
	f.tell(h, r.Seq)
}

// Unreadable hears that the next event of a stream cannot be read. Its log is
// not answered for any more, until an agent's next event says how it stands.
func (f *Follower) Unreadable(family events.Family, ref Ref, seq uint64) {
	h := f.of[family]
	h.turn.Lock()
	defer h.turn.Unlock()
	f.mu.Lock()
	f.unread[family][ref] = seq
	h.folded = seq
	f.mu.Unlock()
	f.tell(h, seq)
}

func (f *Follower) tell(h *hearing, seq uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h.told = seq
	h.stir()
}

func (h *hearing) stir() {
	if h.further != nil {
		close(h.further)
		h.further = nil
	}
}

// CaughtUp says that everything stored at the start has been heard. Before,
// nobody is answered from memory: it would be of long ago.
func (f *Follower) CaughtUp(family events.Family) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.of[family].live = true
}

// Live reports whether everything stored at the start has been heard.
func (f *Follower) Live(family events.Family) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.of[family].live
}

// Reset forgets a family: its stream is heard from the beginning again.
func (f *Follower) Reset(family events.Family) {
	h := f.of[family]
	h.turn.Lock()
	defer h.turn.Unlock()
	f.mu.Lock()
	f.forget(family)
	h.folded, h.told, h.live = 0, 0, false
	h.past++
	h.stir()
	f.mu.Unlock()
	for _, s := range h.subs {
		s.after = 0
		s.reset()
	}
}

// Past counts how often a family was forgotten.
func (f *Follower) Past(family events.Family) int {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.of[family].past
}

// Join adds a hearer that has heard a family up to a sequence by itself. It
// fails when the follower is further than that, or has begun anew since the
// hearer asked for its Past.
func (f *Follower) Join(family events.Family, past int, after uint64, take func(events.Record), reset func()) (leave func(), ok bool) {
	h := f.of[family]
	h.turn.Lock()
	defer h.turn.Unlock()
	f.mu.RLock()
	defer f.mu.RUnlock()
	if h.past != past || h.told > after {
		return nil, false
	}
	s := &hearer{after, take, reset}
	h.subs = append(h.subs, s)
	return func() {
		h.turn.Lock()
		defer h.turn.Unlock()
		h.subs = slices.DeleteFunc(slices.Clone(h.subs), func(x *hearer) bool { return x == s })
	}, true
}

// call folds an event of a call that the stream has brought.
func (f *Follower) call(r events.Record) {
	ref := RefOf(r)
	c := f.calls[ref]
	if c != nil && r.Seq > c.Seq() && r.After != c.Seq() {
		f.unread[events.CallFamily][ref] = r.Seq // what came between was never heard
	}
	_, unread := f.unread[events.CallFamily][ref]
	switch {
	case unread && r.Name == events.Closed:
		delete(f.unread[events.CallFamily], ref)
		delete(f.calls, ref)
	case c == nil && !first(r):
		// Of a call that closed long ago, or whose beginning has aged out.
	case c == nil:
		f.hold(ref, lifecycle.Fold([]events.Record{r}))
	case r.Seq <= c.Seq():
		f.confirm(ref, c, r)
	default:
		f.hold(ref, follow(c, r))
	}
}

// first says that a call's log begins with the event.
func first(r events.Record) bool { return r.Name == events.Requested && r.After == 0 }

// follow is a call after one more event.
func follow(c *lifecycle.Call, r events.Record) *lifecycle.Call {
	next := *c
	next.Log, next.Faults = slices.Clip(c.Log), slices.Clip(c.Faults)
	next.Take(r)
	return &next
}

// confirm puts an event as it is stored in the place of what its writer knew
// of it.
func (f *Follower) confirm(ref Ref, c *lifecycle.Call, r events.Record) {
	i := slices.IndexFunc(c.Log, func(known events.Record) bool { return known.Seq == r.Seq })
	if i >= 0 && c.Log[i].Stored.IsZero() {
		log := slices.Clone(c.Log)
		log[i] = r
		f.calls[ref] = lifecycle.Fold(log)
	}
}

// hold keeps a call, and lets go of the one that closed first when too many
// closed ones are kept.
func (f *Follower) hold(ref Ref, c *lifecycle.Call) {
	was := f.calls[ref]
	f.calls[ref] = c
	if c.Open() || was != nil && !was.Open() {
		return
	}
	if f.closed = append(f.closed, ref); len(f.closed) > lately {
		delete(f.calls, f.closed[0])
		f.closed = f.closed[1:]
	}
}

func (f *Follower) agent(r events.Record) {
	ref := RefOf(r)
	if a := f.agents[ref]; a != nil && a.Last.Seq > r.Seq {
		return
	}
	f.agents[ref] = lifecycle.FoldAgent(r.Tenant, r.Key, r)
	if f.unread[events.AgentFamily][ref] < r.Seq {
		delete(f.unread[events.AgentFamily], ref)
	}
}

// Learn implements View. A call that is not held is learned from its first
// event on, and only if the stream has not brought that yet: what the stream
// has brought and is not held any more has closed.
func (f *Follower) Learn(r events.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Family == events.AgentFamily {
		if a := f.agents[RefOf(r)]; a == nil || a.Last.Seq < r.Seq {
			f.agent(r)
		}
		return
	}
	ref := RefOf(r)
	c := f.calls[ref]
	switch {
	case c == nil && first(r) && r.Seq > f.of[r.Family].folded:
		f.hold(ref, lifecycle.Fold([]events.Record{r}))
	case c != nil && r.Seq > c.Seq() && r.After == c.Seq():
		f.hold(ref, follow(c, r))
	}
}

// Call implements View.
func (f *Follower) Call(ref Ref) *lifecycle.Call {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if !f.answers(events.CallFamily, ref) {
		return nil
	}
	return f.calls[ref]
}

// Agent implements View.
func (f *Follower) Agent(ref Ref) *lifecycle.Agent {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if !f.answers(events.AgentFamily, ref) {
		return nil
	}
	return f.agents[ref]
}

func (f *Follower) answers(family events.Family, ref Ref) bool {
	_, unread := f.unread[family][ref]
	return f.of[family].live && !unread
}

// OpenCalls shows every open call that is held.
func (f *Follower) OpenCalls(show func(*lifecycle.Call)) {
	f.mu.RLock()
	open := make([]*lifecycle.Call, 0, len(f.calls))
	for _, c := range f.calls {
		if c.Open() {
			open = append(open, c)
		}
	}
	f.mu.RUnlock()
	for _, c := range open {
		show(c)
	}
}

// Agents lists every agent that was heard of, in no order.
func (f *Follower) Agents() []*lifecycle.Agent {
	f.mu.RLock()
	defer f.mu.RUnlock()
	all := make([]*lifecycle.Agent, 0, len(f.agents))
	for _, a := range f.agents {
		all = append(all, a)
	}
	return all
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
