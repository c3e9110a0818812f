package orchestrator

import (
	"cmp"
	"maps"
	"slices"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// A roster is what the index knows of the agents. The index guards it.
type roster struct {
	agents map[log.Ref]*lifecycle.Agent
	groups map[log.Ref]*group          // by the group's name
	claims map[log.Ref]map[string]bool // by call: the agents it holds
	seq    uint64                      // of the last event taken in order
}

// A group is a hunt group, as far as its agents were heard of.
type group struct {
	members int
	ready   []*lifecycle.Agent // longest idle first
}

func newRoster() roster {
	return roster{agents: map[log.Ref]*lifecycle.Agent{}, groups: map[log.Ref]*group{}, claims: map[log.Ref]map[string]bool{}}
}

// Seated is another agent, enrolled as the same one of a provider's, or removed
// while it was held back; "" for nobody, as far as this process has heard.
func (x *Index) Seated(tenant, connection, provider, but string) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	for ref, a := range x.roster.agents {
		there := a.Enrolled() || a.State.Quarantine != nil
		if ref.Tenant == tenant && ref.ID != but && there && a.State.Connection == connection && a.State.ProviderAgent == provider {
			return ref.ID
		}
	}
	return ""
}

func idleLonger(a, b *lifecycle.Agent) int {
	return cmp.Or(a.State.Since.Compare(b.State.Since), cmp.Compare(a.ID, b.ID))
}

func (r *roster) take(rec events.Record) {
	ref := log.RefOf(rec)
	was := r.agents[ref]
	if was != nil && was.Last.Seq >= rec.Seq {
		return
	}
	if was != nil {
		r.count(was, -1)
	}
	a := lifecycle.FoldAgent(rec.Tenant, rec.Key, rec)
	r.agents[ref] = a
	r.count(a, 1)
}

// count notes an agent in its groups and at the call that holds it, or (-1)
// strikes it out.
func (r *roster) count(a *lifecycle.Agent, n int) {
	if claim := a.State.Claim; claim != nil {
		call := log.Ref{Tenant: a.Tenant, ID: claim.Call}
		switch of := r.claims[call]; {
		case n > 0 && of == nil:
			r.claims[call] = map[string]bool{a.ID: true}
		case n > 0:
			of[a.ID] = true
		case len(of) == 1:
			delete(r.claims, call)
		default:
			delete(of, a.ID)
		}
	}
	if !a.Enrolled() {
		return
	}
	for _, name := range a.State.HuntGroups {
		key := log.Ref{Tenant: a.Tenant, ID: name}
		g := r.groups[key]
		if g == nil {
			g = &group{}
			r.groups[key] = g
		}
		if g.members += n; g.members == 0 {
			delete(r.groups, key)
			continue
		}
		if !a.Claimable() {
			continue
		}
		if at, found := slices.BinarySearchFunc(g.ready, a, idleLonger); n > 0 && !found {
			g.ready = slices.Insert(g.ready, at, a)
		} else if n < 0 && found {
			g.ready = slices.Delete(g.ready, at, at+1)
		}
	}
}

// anyFor reports whether somebody whom a call waits for is ready, and may be taken.
func (r *roster) anyFor(c *lifecycle.Call, may func(*lifecycle.Agent) bool) bool {
	q := c.Request.Request
	fits := func(a *lifecycle.Agent) bool {
		return (q.Connection == "" || q.Connection == a.State.Connection) && may(a)
	}
	if q.Agent != "" {
		a := r.agents[log.Ref{Tenant: c.Tenant, ID: events.AgentToken(q.Agent)}]
		return a != nil && a.Claimable() && fits(a)
	}
	g := r.groups[log.Ref{Tenant: c.Tenant, ID: q.HuntGroup}]
	return g != nil && slices.ContainsFunc(g.ready, fits)
}

// Learn adds an agent's event that this process has just appended, ahead of
// its turn, so that a request which follows its agent.put finds the agent.
func (x *Index) Learn(r events.Record) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.roster.take(r)
}

// ReadyAgents lists a hunt group's claimable agents, longest idle first.
func (x *Index) ReadyAgents(tenant, huntGroup string) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	var ids []string
	if g := x.roster.groups[log.Ref{Tenant: tenant, ID: huntGroup}]; g != nil {
		for _, a := range g.ready {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

// ClaimedFor lists the agents that a call holds.
func (x *Index) ClaimedFor(tenant, call string) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Sorted(maps.Keys(x.roster.claims[log.Ref{Tenant: tenant, ID: call}]))
}

// HuntGroup reports whether any agent of a tenant is in the hunt group.
func (x *Index) HuntGroup(tenant, name string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.roster.groups[log.Ref{Tenant: tenant, ID: name}] != nil
}

// Agents lists what is known of every agent, of one tenant or of all ("").
func (x *Index) Agents(tenant string) []*lifecycle.Agent {
	_, all := x.AgentsAt()
	return slices.DeleteFunc(all, func(a *lifecycle.Agent) bool { return tenant != "" && a.Tenant != tenant })
}

// AgentsAt lists every agent, and the place in the agents' log that the list
// stands for.
func (x *Index) AgentsAt() (uint64, []*lifecycle.Agent) {
	x.mu.Lock()
	defer x.mu.Unlock()
	out := slices.SortedFunc(maps.Values(x.roster.agents), func(a, b *lifecycle.Agent) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.ID, b.ID))
	})
	return x.roster.seq, out
}
