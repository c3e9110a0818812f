package orchestrator

import (
	"cmp"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// A queueKey says whom a call waits for: one agent or any of a hunt group, on
// one connection or ("") on any, perhaps only where a recording can be asked for.
// So whoever is first in a queue may be served by whomever the queue is for. Those
// for the queues of a provider wait for its rate alone.
type queueKey struct {
	tenant, agent, group, connection string
	recording, provider              bool
}

func queueOf(c *lifecycle.Call) queueKey {
	q := c.Request.Request
	if q.Queue != "" {
		return queueKey{tenant: c.Tenant, connection: c.Request.Connection, provider: true}
	}
	k := queueKey{tenant: c.Tenant, group: q.HuntGroup, connection: q.Connection, recording: q.Recording != nil}
	if q.Agent != "" {
		k.agent, k.group = events.AgentToken(q.Agent), ""
	}
	return k
}

// queuesFor lists the queues whose calls an agent may take.
func (x *Index) queuesFor(a *lifecycle.Agent) []queueKey {
	keys := make([]queueKey, 0, 4+4*len(a.State.HuntGroups))
	records := x.records(a)
	both := func(k queueKey) {
		for _, k.connection = range []string{"", a.State.Connection} {
			for _, k.recording = range []bool{false, true} {
				if records || !k.recording {
					keys = append(keys, k)
				}
			}
		}
	}
	both(queueKey{tenant: a.Tenant, agent: a.ID})
	for _, g := range a.State.HuntGroups {
		both(queueKey{tenant: a.Tenant, group: g})
	}
	return keys
}

// queue has a call wait in its queue, if that is all there is to do about it
// and nobody is giving it an agent already.
func (x *Index) queue(e *entry, m Action) {
	if m.Do != Claim && m.Do != Enqueue || e.call.State != lifecycle.Waiting || e.taken || e.call.Seq() < e.known {
		x.leave(e)
		return
	}
	if e.queue == nil {
		key := queueOf(e.call)
		if e.queue = x.queues[key]; e.queue == nil {
			e.queue = &line[*entry]{before: comesBefore, place: func(e *entry) *int { return &e.inQueue }}
			x.queues[key] = e.queue
		}
	}
	e.queue.put(e)
}

func (x *Index) leave(e *entry) {
	if e.queue == nil {
		return
	}
	if e.queue.leave(e); e.queue.Len() == 0 {
		delete(x.queues, queueOf(e.call))
	}
	e.queue = nil
}

func comesBefore(a, b *entry) bool { return before(a.call, b.call) }

// before orders the calls that wait for one agent: requests that name the
// agent, then priority, then the earliest notBefore.
func before(a, b *lifecycle.Call) bool {
	p, q := a.Request, b.Request
	named := func(r *events.CallRequested) int {
		if r.Request.Agent != "" {
			return 0
		}
		return 1
	}
	return cmp.Or(
		cmp.Compare(named(p), named(q)),
		cmp.Compare(q.Request.Priority, p.Request.Priority),
		p.NotBefore.Compare(q.NotBefore),
		cmp.Compare(a.Refs.Requested, b.Refs.Requested),
	) < 0
}

// first is the waiting call whose turn it is with an agent.
func (x *Index) first(a *lifecycle.Agent, now time.Time) *entry {
	var best *entry
	for _, key := range x.queuesFor(a) {
		e, ok := x.head(key, now)
		if ok && (best == nil || comesBefore(e, best)) {
			best = e
		}
	}
	return best
}

// head is the first of a queue who is not too old; the looks end the others.
func (x *Index) head(key queueKey, now time.Time) (*entry, bool) {
	for {
		q := x.queues[key]
		if q == nil {
			return nil, false
		}
		e, _ := q.first()
		if now.Before(e.call.Request.ExpiresAt) {
			return e, true
		}
		x.leave(e)
	}
}

// Offer takes the call whose turn it is with an agent out of its queue, so that
// nobody else here is offered to it. Whoever took it gives it back.
func (x *Index) Offer(a *lifecycle.Agent, now time.Time) (log.Ref, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.first(a, now)
	if e == nil {
		return log.Ref{}, false
	}
	e.taken = true
	x.leave(e)
	return e.ref(), true
}

// Reserve takes a call that seeks an agent itself; not if somebody has taken it.
func (x *Index) Reserve(ref log.Ref) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.open[ref]
	if e == nil {
		return true // not heard of yet, so nobody here offers anybody to it
	}
	if e.taken {
		return false
	}
	e.taken = true
	x.leave(e)
	return true
}

// GiveBack ends an offer or a reservation. The call waits in its place again
// once everything up to known is heard here, if it waits then.
func (x *Index) GiveBack(ref log.Ref, known uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if e := x.open[ref]; e != nil {
		e.taken, e.known = false, max(e.known, known)
		x.settle(e)
		x.goes(e)
	}
}

// Precedes reports whether somebody waits whose turn with an agent comes
// before a call's.
func (x *Index) Precedes(a *lifecycle.Agent, c *lifecycle.Call, now time.Time) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.first(a, now)
	return e != nil && e.call.ID != c.ID && before(e.call, c)
}
