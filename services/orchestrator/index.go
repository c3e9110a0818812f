package orchestrator

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// An Index is what this process remembers of the logs: open calls with their
// next deadlines, who waits for whom, and a line about every call for
// call.find. It is rebuilt from the logs at every start and proves nothing:
// whatever is done by it is decided again from the log.
type Index struct {
	mu     sync.Mutex
	open   map[callKey]*lifecycle.Call
	lines  map[callKey]Line
	agents map[callKey]*lifecycle.Agent
	seq    uint64 // of the last agent event taken
	plan   func(*lifecycle.Call, time.Time, Limits) Move
}

type callKey struct{ tenant, id string }

// A Line is what call.find answers about one call.
type Line struct {
	Call      string        `json:"call"`
	State     string        `json:"state"`
	Outcome   string        `json:"outcome,omitempty"`
	Reason    string        `json:"reason,omitempty"`
	Number    events.Number `json:"number"`
	Agent     string        `json:"agent,omitempty"`
	HuntGroup string        `json:"huntGroup,omitempty"`
	Campaign  string        `json:"campaign,omitempty"`
	Reference string        `json:"reference,omitempty"`
	Contact   string        `json:"contact,omitempty"`
	Requested time.Time     `json:"requested"`
	Closed    *time.Time    `json:"closed,omitempty"`
	First     uint64        `json:"-"` // sequence of requested
}

// NewIndex makes an empty index.
func NewIndex() *Index {
	return &Index{open: map[callKey]*lifecycle.Call{}, lines: map[callKey]Line{}, agents: map[callKey]*lifecycle.Agent{}, plan: Plan}
}

// forgetCalls and forgetAgents begin anew: the log is heard from its beginning
// again.
func (x *Index) forgetCalls() {
	x.mu.Lock()
	defer x.mu.Unlock()
	clear(x.open)
	clear(x.lines)
}

func (x *Index) forgetAgents() {
	x.mu.Lock()
	defer x.mu.Unlock()
	clear(x.agents)
	x.seq = 0
}

// Take adds one event of either log, in the order of its stream.
func (x *Index) Take(r events.Record) {
	x.mu.Lock()
	defer x.mu.Unlock()
	key := callKey{r.Tenant, r.Key}
	if r.Family == events.AgentFamily {
		x.agent(r)
		x.seq = r.Seq
		return
	}
	c := x.open[key]
	if c == nil {
		if r.Name != events.Requested {
			return // of a call that is closed, or whose beginning has aged out
		}
		c = &lifecycle.Call{State: lifecycle.None}
		x.open[key] = c
	}
	c.Take(r)
	x.lines[key] = line(c)
	if c.State == lifecycle.Closed {
		delete(x.open, key)
	}
}

// Learn adds an agent's event that this process has just appended, ahead of
// its turn, so that a request which follows its agent.put finds the agent.
func (x *Index) Learn(r events.Record) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.agent(r)
}

func (x *Index) agent(r events.Record) {
	key := callKey{r.Tenant, r.Key}
	if was := x.agents[key]; was == nil || was.Last.Seq < r.Seq {
		x.agents[key] = lifecycle.FoldAgent(r.Tenant, r.Key, r)
	}
}

func line(c *lifecycle.Call) Line {
	l := Line{Call: c.ID, State: string(c.State)}
	if c.Request != nil {
		l.Number, l.Campaign, l.Reference, l.Contact = c.Request.Number, c.Request.Campaign, c.Request.Reference, c.Request.Contact
		l.HuntGroup = c.Request.Request.HuntGroup
		if q := c.Request.Request.Agent; q != "" {
			l.Agent = events.AgentToken(q)
		}
		l.Requested, l.First = c.Instants.Requested, c.Refs.Requested
	}
	if c.Assigned != nil {
		l.Agent = c.Assigned.Agent
	}
	if c.Closed != nil {
		l.Outcome, l.Reason, l.Closed = c.Closed.Outcome, c.Closed.Reason, &c.Instants.Closed
	}
	return l
}

// A Due names a call that somebody should look at.
type Due struct {
	Tenant string
	ID     string
	First  uint64
}

// Due lists the open calls whose plan is something other than to wait, and
// when to look again at the earliest of the rest.
func (x *Index) Due(now time.Time, l Limits) ([]Due, time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	var due []Due
	var next time.Time
	for _, c := range x.open {
		m := x.plan(c, now, l)
		act := m.Verb == Cancel || m.Verb == Close || m.Verb == Wait ||
			(m.Verb == Claim && c.State == lifecycle.Waiting && c.Waiting.Until != nil)
		if act {
			due = append(due, Due{c.Tenant, c.ID, c.Refs.Requested})
		}
		if !m.Again.IsZero() && m.Again.After(now) && (next.IsZero() || m.Again.Before(next)) {
			next = m.Again
		}
	}
	return due, next
}

// NextFor is the waiting call whose turn it is with an agent: requests that
// name the agent, then priority, then the earliest notBefore.
func (x *Index) NextFor(a *lifecycle.Agent, now time.Time) (Due, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	var best *lifecycle.Call
	for _, c := range x.open {
		if mayTake(c, a, now) && (best == nil || before(c, best)) {
			best = c
		}
	}
	if best == nil {
		return Due{}, false
	}
	return Due{best.Tenant, best.ID, best.Refs.Requested}, true
}

// mayTake reports whether a call waits for this agent, or one like it.
func mayTake(c *lifecycle.Call, a *lifecycle.Agent, now time.Time) bool {
	if c.Tenant != a.Tenant || c.Request == nil || c.State != lifecycle.Waiting || len(c.Faults) > 0 {
		return false
	}
	q := c.Request.Request
	if q.Connection != "" && q.Connection != a.State.Connection {
		return false
	}
	if c.Waiting == nil || c.Waiting.Until != nil && c.Waiting.Until.After(now) {
		return false
	}
	if c.Request.NotBefore.After(now) || !now.Before(c.Request.ExpiresAt) {
		return false
	}
	if q.Agent != "" {
		return events.AgentToken(q.Agent) == a.ID
	}
	return slices.Contains(a.State.HuntGroups, q.HuntGroup)
}

// before orders the calls that wait for one agent.
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

// ReadyAgents lists a hunt group's claimable agents, longest idle first.
func (x *Index) ReadyAgents(tenant, huntGroup string) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	var ready []*lifecycle.Agent
	for _, a := range x.agents {
		if a.Tenant == tenant && a.Claimable() && (huntGroup == "" || slices.Contains(a.State.HuntGroups, huntGroup)) {
			ready = append(ready, a)
		}
	}
	slices.SortFunc(ready, func(a, b *lifecycle.Agent) int {
		return cmp.Or(a.State.Since.Compare(b.State.Since), cmp.Compare(a.ID, b.ID))
	})
	ids := make([]string, 0, len(ready))
	for _, a := range ready {
		ids = append(ids, a.ID)
	}
	return ids
}

// ClaimedFor lists the agents that a call holds.
func (x *Index) ClaimedFor(tenant, call string) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	var ids []string
	for _, a := range x.agents {
		if a.Tenant == tenant && a.State.Claim != nil && a.State.Claim.Call == call {
			ids = append(ids, a.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// Agents lists what is known of every agent, of one tenant or of all ("").
func (x *Index) Agents(tenant string) []*lifecycle.Agent {
	x.mu.Lock()
	defer x.mu.Unlock()
	var out []*lifecycle.Agent
	for _, a := range x.agents {
		if tenant == "" || a.Tenant == tenant {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b *lifecycle.Agent) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// Find lists the calls of a tenant that match, newest first.
func (x *Index) Find(tenant string, match func(Line) bool) []Line {
	x.mu.Lock()
	defer x.mu.Unlock()
	var out []Line
	for k, l := range x.lines {
		if k.tenant == tenant && match(l) {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b Line) int { return cmp.Or(b.Requested.Compare(a.Requested), cmp.Compare(a.Call, b.Call)) })
	return out
}

// HuntGroup reports whether any agent of a tenant is in the hunt group.
func (x *Index) HuntGroup(tenant, group string) bool {
	return slices.ContainsFunc(x.Agents(tenant), func(a *lifecycle.Agent) bool {
		return a.Enrolled() && slices.Contains(a.State.HuntGroups, group)
	})
}

// Forget drops the lines of calls that closed before a moment, as CALLS does.
func (x *Index) Forget(before time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for k, l := range x.lines {
		if l.Closed != nil && l.Closed.Before(before) {
			delete(x.lines, k)
		}
	}
}

// Holds reports whether an open call is assigned to the agent.
func (x *Index) Holds(tenant, call, agent string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	c := x.open[callKey{tenant, call}]
	return c != nil && c.Assigned != nil && c.Assigned.Agent == agent
}

// AgentsAt lists every agent, and the place in the agents' log that the list
// stands for.
func (x *Index) AgentsAt() (uint64, []*lifecycle.Agent) {
	x.mu.Lock()
	seq := x.seq
	x.mu.Unlock()
	return seq, x.Agents("")
}

// OpenByState counts the open calls.
func (x *Index) OpenByState() map[string]int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	out := map[string]int64{}
	for _, c := range x.open {
		out[string(c.State)]++
	}
	return out
}

// Hold sets a call aside whose log cannot be read: a person has to look, and
// nothing is gained by asking every second.
func (x *Index) Hold(tenant, call, why string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if c := x.open[callKey{tenant, call}]; c != nil {
		c.Faults = append(c.Faults, why)
	}
}
