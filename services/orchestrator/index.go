package orchestrator

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/pace"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// An Index is what this process remembers beside its view of the logs: when each
// open call is looked at next and who waits for whom. It is rebuilt from the
// logs at every start and proves nothing: whatever is done by it is decided
// again from the log.
//
// It folds nothing: an event says that a call is to be looked at, and the view
// how the call stands, perhaps some events further already. No event and no
// look walks the open calls: whoever waits costs memory.
type Index struct {
	plan func(*lifecycle.Call, time.Time) Action
	held func(log.Ref) *lifecycle.Call
	now  func() time.Time
	wake func() // called when something is to be looked at earlier than was known
	// records says whether an agent's provider can be told whether to record.
	records func(*lifecycle.Agent) bool

	mu      sync.Mutex
	live    bool // what comes is heard as it happens
	open    map[log.Ref]*entry
	states  map[lifecycle.State]int64 // of the open calls
	looks   map[string]*line[*entry]  // by tenant, the earliest first
	queues  map[queueKey]*line[*entry]
	handed  handed
	roster  roster
	ways    ways
	tenants []string // that have looks, in order
}

// An entry is an open call in the index.
type entry struct {
	call *lifecycle.Call // the view's, which nobody changes
	// aside: nobody can read its log, and a person has to look.
	aside bool
	// look is when the call is looked at next, zero for never.
	look   time.Time
	inLook int
	// queue is where the call waits, nil for nowhere.
	queue   *line[*entry]
	inQueue int
	// began is when its state was heard to begin.
	began beginning
	// taken: somebody here is giving it an agent now.
	taken bool
	// known is how far whoever gave it back knew the call's log. Before that
	// is heard here, the call's place in a queue means nothing.
	known uint64
	way   pace.Account // where it is on its way to
	vain  time.Time    // when it found nobody, at last
}

// late is how long after an event the index has a call looked at that the
// event makes due. Whoever handles the event does it long before, unless it
// was lost.
const late = time.Second

// missed is how long after it the first of a queue is looked at while an agent
// stands ready: both may have come at once, and each been handled before the
// other was heard.
const missed = 100 * time.Millisecond

// NewIndex makes an empty index over the calls that the process holds. It tells
// by plan what is due, and by wake that it is due earlier than it said.
func NewIndex(plan func(*lifecycle.Call, time.Time) Action, held func(log.Ref) *lifecycle.Call, now func() time.Time, wake func()) *Index {
	x := &Index{plan: plan, held: held, now: now, wake: wake, handed: handed{}, records: func(*lifecycle.Agent) bool { return true }}
	x.forgetCalls()
	x.forgetAgents()
	return x
}

// Forget lets go of what was heard of a family: it is heard from the beginning
// again.
func (s *Service) Forget(f events.Family) {
	if f == events.AgentFamily {
		s.index.forgetAgents()
		return
	}
	s.index.forgetCalls()
}

// forgetCalls and forgetAgents begin anew: the log is heard from its beginning
// again.
func (x *Index) forgetCalls() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.open, x.states = map[log.Ref]*entry{}, map[lifecycle.State]int64{}
	x.looks, x.queues, x.tenants = map[string]*line[*entry]{}, map[queueKey]*line[*entry]{}, nil
	for _, on := range x.ways.on {
		clear(on)
	}
}

func (x *Index) forgetAgents() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.roster = newRoster()
}

// Take hears of one event of either log, in the order of its stream, after the
// view has.
func (x *Index) Take(r events.Record) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if r.Family == events.AgentFamily {
		x.roster.take(r)
		x.roster.seq = r.Seq
		return
	}
	ref := log.RefOf(r)
	c, e := x.held(ref), x.open[ref]
	x.handed.take(ref, c)
	if e != nil {
		x.states[e.call.State]--
	}
	if c == nil || !c.Open() { // or its beginning has aged out
		if e != nil {
			x.leave(e)
			x.lookAt(e, time.Time{})
			delete(x.open, ref)
			x.move(e, pace.Account{})
		}
		return
	}
	if e == nil {
		e = &entry{inLook: -1, inQueue: -1}
		x.open[ref] = e
	}
	e.call = c
	x.begins(e)
	x.states[c.State]++
	x.settle(e)
	x.goes(e)
}

// next is what is to be done about a call.
func (x *Index) next(e *entry, now time.Time) Action {
	if e.aside {
		return Action{Do: Nothing}
	}
	return x.plan(x.byOwnClock(e, e.call, now), now)
}

// settle gives a call its place: in the queue of those whom it waits for, and
// among the looks.
func (x *Index) settle(e *entry) {
	now := x.now()
	m := x.next(e, now)
	x.queue(e, m)
	switch {
	case x.due(e, m):
		x.lookAt(e, e.call.Last().Time.Add(late))
	case x.hopes(e):
		x.lookAt(e, now.Add(missed))
	default:
		x.lookAt(e, m.Again)
	}
	if first, ok := x.looks[e.call.Tenant].first(); ok && first == e {
		x.wake()
	}
}

// due reports whether there is something to be done about a call now.
func (x *Index) due(e *entry, m Action) bool {
	switch m.Do {
	case Cancel, Close, Wait:
		return true
	case Enqueue:
		return e.call.State != lifecycle.Waiting || e.call.Waiting.Until != nil
	case Claim:
		return e.call.State == lifecycle.Waiting && e.call.Waiting.Until != nil
	}
	return false
}

// hopes reports whether a call is the first in its queue while somebody whom it
// waits for is ready.
func (x *Index) hopes(e *entry) bool {
	if e.queue == nil || e.inQueue != 0 {
		return false
	}
	now := x.now()
	return x.servable(e.call, func(at pace.Account) bool { return x.ways.room(at, now) })
}

func (x *Index) lookAt(e *entry, at time.Time) {
	l := x.looks[e.call.Tenant]
	if l == nil {
		l = &line[*entry]{
			before: func(a, b *entry) bool { return a.look.Before(b.look) },
			place:  func(e *entry) *int { return &e.inLook },
		}
		x.looks[e.call.Tenant] = l
		x.tenants = slices.Sorted(maps.Keys(x.looks))
	}
	if e.look = at; at.IsZero() {
		l.leave(e)
		return
	}
	l.put(e)
}

// Due lists calls that somebody should look at, at most so many, tenant by
// tenant in turn: one with thousands of them at the same minute holds up nobody
// else's. It says too when to look again; what it lists comes again a second
// later, unless something is heard of it.
func (x *Index) Due(now time.Time, most int) (due []log.Ref, next time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for more := true; more && len(due) < most; {
		more = false
		for _, t := range x.tenants {
			if len(due) == most {
				break
			}
			if ref, ok := x.nextDue(x.looks[t], now); ok {
				due, more = append(due, ref), true
			}
		}
	}
	for _, l := range x.looks {
		if e, ok := l.first(); ok && (next.IsZero() || e.look.Before(next)) {
			next = e.look
		}
	}
	return due, next
}

// nextDue is the next call of a tenant with something to be done about it.
func (x *Index) nextDue(l *line[*entry], now time.Time) (log.Ref, bool) {
	for {
		e, ok := l.first()
		if !ok || e.look.After(now) {
			return log.Ref{}, false
		}
		m := x.next(e, now)
		x.queue(e, m)
		if x.due(e, m) || x.hopes(e) {
			x.lookAt(e, now.Add(late))
			return e.ref(), true
		}
		if !m.Again.IsZero() && !m.Again.After(now) {
			m.Again = now.Add(late)
		}
		x.lookAt(e, m.Again)
	}
}

func (e *entry) ref() log.Ref { return log.Ref{Tenant: e.call.Tenant, ID: e.call.ID} }

// Holds reports whether an open call is assigned to the agent.
func (x *Index) Holds(tenant, call, agent string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.open[log.Ref{Tenant: tenant, ID: call}]
	return e != nil && e.call.Assigned != nil && e.call.Assigned.Agent == agent
}

// OpenByState counts the open calls.
func (x *Index) OpenByState() map[string]int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	out := map[string]int64{}
	for state, n := range x.states {
		if n > 0 {
			out[string(state)] = n
		}
	}
	return out
}

// Hold sets a call aside whose log cannot be read: a person has to look, and
// nothing is gained by asking every second.
func (x *Index) Hold(ref log.Ref) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if e := x.open[ref]; e != nil {
		e.aside = true
		x.settle(e)
	}
}
