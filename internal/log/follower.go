package log

import (
	"slices"
	"sync"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// lately is how many closed calls a follower keeps: late news and releases ask
// for them within seconds.
const lately = 1024

// A Follower is a View that is fed with every event of both streams, once and
// in order. It holds the calls that are open, those whose customer was handed
// on and is on a line of ours still, those that closed lately, and every agent. What it hands out is never changed: an event makes a new call
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
	// handed are the closed calls whose customer was handed on and is on a line
	// of ours still.
	handed map[Ref]struct{}
	of     map[events.Family]*hearing
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
	f.calls, f.closed, f.handed = map[Ref]*lifecycle.Call{}, nil, map[Ref]struct{}{}
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
	f.tell(h, r.Seq, r.ID)
}

// Unreadable hears that the next event of a stream cannot be read; first says
// that its log begins with it. The log is not answered for any more, until an
// agent's next event says how it stands. Of a call that is not held, because it
// closed long ago, nothing is noted: nobody is answered anyway.
func (f *Follower) Unreadable(family events.Family, ref Ref, seq uint64, first bool) {
	h := f.of[family]
	h.turn.Lock()
	defer h.turn.Unlock()
	f.mu.Lock()
	if family == events.AgentFamily || first || f.calls[ref] != nil {
		f.unread[family][ref] = seq
	}
	h.folded = seq
	f.mu.Unlock()
	f.tell(h, seq, "")
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
	h.folded, h.told, h.live, h.ahead = 0, 0, false, 0
	h.stir()
	f.mu.Unlock()
	for _, s := range h.subs {
		s.after = 0
		s.reset()
	}
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
	_, handed := f.handed[ref]
	f.calls[ref] = c
	switch {
	case c.Open():
	case c.HandedOn():
		f.handed[ref] = struct{}{}
	case handed || was == nil || was.Open():
		f.over(ref)
	}
}

// over puts a call among those that closed lately.
func (f *Follower) over(ref Ref) {
	delete(f.handed, ref)
	if f.closed = append(f.closed, ref); len(f.closed) <= lately {
		return
	}
	first := f.closed[0]
	f.closed = f.closed[1:]
	if _, handed := f.handed[first]; !handed { // not by news that came after it had closed
		delete(f.calls, first)
		delete(f.unread[events.CallFamily], first)
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
	if h := f.of[r.Family]; !h.live {
		h.ahead = max(h.ahead, r.Seq)
		return // the stream will bring it, or what is loaded holds it
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
	h := f.of[family]
	return h.live && h.folded >= h.ahead && !unread
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
