package bridge

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// roster is what this process remembers of the agents' log: who is where, whom
// a provider means, and whom to poll when.
type roster struct {
	mu     sync.Mutex
	agents map[log.Ref]*lifecycle.Agent
	by     map[string]log.Ref          // a provider's name of an agent → who is enrolled under it
	over   map[log.Ref]*lifecycle.Call // the last call of an agent, where it is known to be closed
	polls  map[log.Ref]*polling
	fresh  chan struct{} // somebody is to be polled who was not before
}

// polling is when an agent is asked next.
type polling struct {
	due      time.Time
	asking   bool
	failures int // in a row
}

func newRoster() *roster {
	r := &roster{fresh: make(chan struct{}, 1)}
	r.reset()
	return r
}

// reset forgets everybody: the log is heard from its beginning again.
func (r *roster) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.agents, r.by = map[log.Ref]*lifecycle.Agent{}, map[string]log.Ref{}
	r.over, r.polls = map[log.Ref]*lifecycle.Call{}, map[log.Ref]*polling{}
}

// take hears an event; polled says whether the agent's provider is asked.
func (r *roster) take(e events.Record, polled func(*lifecycle.Agent) bool) {
	ref := log.RefOf(e)
	a := lifecycle.FoldAgent(e.Tenant, e.Key, e)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.agents[ref] = a
	if a.Enrolled() {
		r.by[nameOf(a)] = ref
	}
	switch p := polled(a); {
	case !p:
		delete(r.polls, ref)
	case r.polls[ref] == nil:
		r.polls[ref] = &polling{}
		select {
		case r.fresh <- struct{}{}:
		default:
		}
	}
}

// get is what was last heard of an agent, nil if nothing was.
func (r *roster) get(ref log.Ref) *lifecycle.Agent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.agents[ref]
}

// lastRaw is the latest message of PROVIDER that any agent's log tells of.
func (r *roster) lastRaw() (seq uint64) {
	for _, a := range r.list() {
		seq = max(seq, a.State.RawSeq)
	}
	return seq
}

func (r *roster) list() []*lifecycle.Agent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.SortedFunc(maps.Values(r.agents), func(a, b *lifecycle.Agent) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.ID, b.ID))
	})
}

// providerKey is the provider's name of an agent.
func providerKey(tenant, connection, agent string) string {
	return tenant + "/" + connection + "@" + agent
}

func nameOf(a *lifecycle.Agent) string {
	return providerKey(a.Tenant, a.State.Connection, a.State.ProviderAgent)
}

// named is whom a provider means, "" if nobody is enrolled by that name. Who had
// it before may have left the roster after who has it now came.
func (r *roster) named(name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	is := func(a *lifecycle.Agent) bool { return a != nil && a.Enrolled() && nameOf(a) == name }
	if ref := r.by[name]; is(r.agents[ref]) {
		return ref.ID
	}
	delete(r.by, name)
	for ref, a := range r.agents {
		if is(a) && (r.by[name].ID == "" || ref.ID < r.by[name].ID) {
			r.by[name] = ref
		}
	}
	return r.by[name].ID
}

// names are the names under which news of an agent is heard, our own first.
func (r *roster) names(ref log.Ref) []string {
	names := []string{ref.Tenant + "/" + ref.ID}
	if a := r.get(ref); a != nil && a.State.ProviderAgent != "" {
		names = append(names, nameOf(a))
	}
	return names
}

// closed remembers the last call of an agent, which is closed and stays so: it
// need not be read again whenever the agent is looked at. Under which id the
// provider knows it keeps its late news from the next call.
func (r *roster) closed(ref log.Ref, c *lifecycle.Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over[ref] = c
}

// isOver is a call that is known to be an agent's last one and closed, else nil.
func (r *roster) isOver(ref log.Ref, call string) *lifecycle.Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.over[ref]; c != nil && c.ID == call {
		return c
	}
	return nil
}

// due lists who is to be asked now, and says when somebody is next. Who is
// listed is not listed again before later was said of it.
func (r *roster) due(now time.Time) (refs []log.Ref, next time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for ref, p := range r.polls {
		switch {
		case p.asking:
		case !p.due.After(now):
			p.asking = true
			refs = append(refs, ref)
		case next.IsZero() || p.due.Before(next):
			next = p.due
		}
	}
	return refs, next
}

// later says when an agent is asked again.
func (r *roster) later(ref log.Ref, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.polls[ref]; p != nil {
		p.due, p.asking = at, false
	}
}

// failed counts the failures in a row after one more, or after none any more,
// and says how many there were before.
func (r *roster) failed(ref log.Ref, again bool) (before, now int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.polls[ref]
	if p == nil {
		return 0, 0
	}
	before = p.failures
	if p.failures = 0; again {
		p.failures = before + 1
	}
	return before, p.failures
}

// failing are those who were asked for in vain so often in a row.
func (r *roster) failing(times int) (refs []log.Ref) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for ref, p := range r.polls {
		if p.failures >= times {
			refs = append(refs, ref)
		}
	}
	return refs
}

// uncount takes a failure back: what it asked for could not be done, and the
// next one asks for it again.
func (r *roster) uncount(ref log.Ref) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.polls[ref]; p != nil && p.failures > 0 {
		p.failures--
	}
}
