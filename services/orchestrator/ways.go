package orchestrator

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/pace"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// A connection with a rate is given no more calls than it can dial soon. One
// that was assigned beyond would hold an agent until it hears that it has to
// wait, and go through assignment, pass and wait again and again. So it waits in
// its queue instead, and has its turn when one that is on its way is dialed, or
// comes to nothing. Which are on their way the log says; nobody is asked.

const (
	// ahead is how much of a connection's rate may be on its way: enough for the
	// rate to be used while calls are judged, and less than a dial waits for its slot.
	ahead = pace.Horizon / 2
	// underWay is how long a call is counted at the most. One that stands still
	// for longer holds nobody up any more.
	underWay = 2 * pace.Horizon
)

// ways are the calls on their way to a dial. The index guards it.
type ways struct {
	all  []pace.Account       // that have a rate, in order
	most map[pace.Account]int // how many may be; none: as many as like
	on   map[pace.Account]map[*entry]time.Time
}

// newWays makes them by rates in dials a second.
func newWays(rates map[pace.Account]int, d *tenants.Directory) ways {
	w := ways{most: map[pace.Account]int{}, on: map[pace.Account]map[*entry]time.Time{}}
	w.all = slices.SortedFunc(maps.Keys(rates), func(a, b pace.Account) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Connection, b.Connection))
	})
	for _, of := range w.all {
		slots := time.Duration(1)
		if conn, ok := d.Connection(of.Tenant, of.Connection); ok && conn.Provider.Preparer != nil {
			slots = 2 // a preparation takes one as well
		}
		w.most[of], w.on[of] = max(int(time.Duration(rates[of])*ahead/time.Second/slots), 1), map[*entry]time.Time{}
	}
	return w
}

func accountOf(a *lifecycle.Agent) pace.Account {
	return pace.Account{Tenant: a.Tenant, Connection: a.State.Connection}
}

// room reports whether one more may be on its way.
func (w *ways) room(of pace.Account, now time.Time) bool {
	if w.most[of] == 0 {
		return true
	}
	n := 0
	for _, since := range w.on[of] {
		if now.Sub(since) < underWay {
			n++
		}
	}
	return n < w.most[of]
}

// put has a call be on its way, or (by the zero account) not any more.
func (w *ways) put(e *entry, to pace.Account, now time.Time) {
	if e.way != to {
		delete(w.on[e.way], e)
	}
	e.way = to
	if on := w.on[to]; on != nil {
		on[e] = now
	}
}

// onTheWay are the states in which a call is on its way to a dial.
var onTheWay = []lifecycle.State{lifecycle.Assigned, lifecycle.Preparing, lifecycle.Cleared}

// goes follows a call: where it is on its way to, as its log has it. A booked
// one stays so until it is known what came of it.
func (x *Index) goes(e *entry) {
	c, to := e.call, pace.Account{}
	switch on := slices.Contains(onTheWay, c.State) && c.Assigned != nil; {
	case on:
		to.Tenant, to.Connection = c.Tenant, c.Assigned.Connection
	case e.taken || c.Seq() < e.known:
		return
	}
	x.move(e, to)
}

// move has a call be on its way to somewhere else, or nowhere: the next one's turn
// may have come where it was.
func (x *Index) move(e *entry, to pace.Account) {
	if was := e.way; to != was {
		x.ways.put(e, to, x.now())
		x.poke(was)
	}
}

// Room reports whether a connection may be given one more call.
func (x *Index) Room(of pace.Account) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.ways.room(of, x.now())
}

// Book has a call be on its way to a connection; not if there is no room, or if
// somebody waits for it whose turn comes before. That one is looked at then.
func (x *Index) Book(c *lifecycle.Call, of pace.Account) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	now, e := x.now(), x.open[callRef(c)]
	if x.ways.most[of] == 0 || e == nil { // or was not heard of yet
		return x.ways.room(of, now)
	}
	if since, ok := x.ways.on[of][e]; ok && now.Sub(since) < underWay {
		return true
	}
	if !x.ways.room(of, now) {
		return false
	}
	if first := x.turn(of, now); first != nil && first != e && before(first.call, c) {
		x.lookAt(first, now)
		x.wake()
		return false
	}
	x.ways.put(e, of, now)
	return true
}

// turn is the waiting call whose turn it is with a connection: of those for whom
// somebody is ready there.
func (x *Index) turn(of pace.Account, now time.Time) *entry {
	var best *entry
	there := func(at pace.Account) bool { return at == of }
	for key := range x.queues {
		if key.tenant != of.Tenant || key.connection != "" && key.connection != of.Connection {
			continue
		}
		e, ok := x.head(key, now)
		if ok && now.Sub(e.vain) >= late && (best == nil || comesBefore(e, best)) && x.servable(e.call, there) {
			best = e
		}
	}
	return best
}

// servable reports whether a call can be given to somebody at such a connection.
func (x *Index) servable(c *lifecycle.Call, at func(pace.Account) bool) bool {
	if c.Request.Request.Queue != "" {
		return at(pace.Account{Tenant: c.Tenant, Connection: c.Request.Connection})
	}
	return x.roster.anyFor(c, func(a *lifecycle.Agent) bool {
		return at(accountOf(a)) && (c.Request.Request.Recording == nil || x.records(a))
	})
}

// poke has the call looked at whose turn it is with a connection that has room.
func (x *Index) poke(of pace.Account) {
	now := x.now()
	if x.ways.most[of] == 0 || !x.ways.room(of, now) {
		return
	}
	if e := x.turn(of, now); e != nil {
		x.lookAt(e, now)
		x.wake()
	}
}

// Vain notes that a call found nobody, though somebody may seem ready: for a
// moment it is in nobody's way.
func (x *Index) Vain(c *lifecycle.Call) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if e := x.open[callRef(c)]; e != nil {
		e.vain = x.now()
	}
	x.pokeAll()
}

// LookForRoom has those looked at for whom there is room by time alone: what
// stood still counts no longer.
func (x *Index) LookForRoom() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.pokeAll()
}

func (x *Index) pokeAll() {
	for _, of := range x.ways.all {
		x.poke(of)
	}
}

// waitForTurn is waitForAgent, for whatever the call's turn is to be waited for.
// What it waits for may change, and a call that waits already hears none of it.
func (s *Service) waitForTurn(c *lifecycle.Call, reason string) (*log.Draft, error) {
	switch a := s.plan(c, s.Now()); {
	case a.Do != Claim && a.Do != Enqueue:
		return s.draft(c, a)
	case s.index.OnLine(c, s.Now(), s.Limits.Talk):
		return s.waitForLine(c)
	case c.State == lifecycle.Waiting && c.Waiting.Until == nil &&
		(c.Waiting.Reason == events.WaitAgentNotReady || c.Waiting.Reason == events.WaitRateLimited):
		return nil, nil // said already
	}
	return s.waiting(c, events.CallWaiting{Reason: reason})
}
