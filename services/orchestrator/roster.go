package orchestrator

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/outdial/outdial/internal/api"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// A roster is what the index knows of the agents. The index guards it.
type roster struct {
	agents map[log.Ref]*lifecycle.Agent
	groups map[log.Ref]*group          // by the group's name
	claims map[log.Ref]map[string]bool // by call: the agents it holds
	seats  map[seat][]*lifecycle.Agent // who is enrolled there, or was and is held
	seq    uint64                      // of the last event taken in order
}

// A seat is one agent of a provider's, who is one person at one telephone: by the
// name that she is enrolled with, or by the session that the provider shows her in,
// for one credential may be given for two names.
type seat struct{ tenant, connection, agent, session string }

func seatOf(a *lifecycle.Agent) seat {
	return seat{tenant: a.Tenant, connection: a.State.Connection, agent: a.State.ProviderAgent}
}

func seatsOf(a *lifecycle.Agent) []seat {
	gone := a.State.Presence == events.Lost || a.State.Presence == events.Offline
	if a.State.Session == "" || gone && a.ClaimState() == lifecycle.Free {
		return []seat{seatOf(a)} // the session is of before
	}
	return []seat{seatOf(a), {tenant: a.Tenant, connection: a.State.Connection, session: a.State.Session}}
}

// A group is a hunt group, as far as its agents were heard of.
type group struct {
	members int
	ready   []*lifecycle.Agent // longest idle first
}

func newRoster() roster {
	return roster{agents: map[log.Ref]*lifecycle.Agent{}, groups: map[log.Ref]*group{}, claims: map[log.Ref]map[string]bool{},
		seats: map[seat][]*lifecycle.Agent{}}
}

// before is another agent who took a seat before an enrolment; "" for nobody.
func (r *roster) before(at seat, but string, since uint64) string {
	return r.there(at, but, func(b *lifecycle.Agent) bool { return b.Seat() < since })
}

// keeps is another agent because of whom one may not be claimed, "" for nobody: who
// took the seat before, or may be on a call there. See ADR 36.
func (r *roster) keeps(a *lifecycle.Agent) string {
	for _, at := range seatsOf(a) {
		other := r.there(at, a.ID, func(b *lifecycle.Agent) bool { return b.Seat() < a.Seat() || b.ClaimState() != lifecycle.Free })
		if other != "" {
			return other
		}
	}
	return ""
}

func (r *roster) there(at seat, but string, is func(*lifecycle.Agent) bool) string {
	for _, b := range r.seats[at] {
		if b.ID != but && is(b) {
			return b.ID
		}
	}
	return ""
}

// Before is another agent who took a seat before an enrolment, as far as this
// process has heard; "" for nobody.
func (x *Index) Before(at seat, but string, since uint64) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.roster.before(at, but, since)
}

// Keeps is another agent because of whom one may not be claimed, "" for nobody,
// and the place in the agents' log up to which all of them were heard.
func (x *Index) Keeps(a *lifecycle.Agent) (other string, heard uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.roster.keeps(a), x.roster.seq
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

// count notes an agent at its seat, in its groups and at the call that holds it, or
// (-1) strikes it out.
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
	if a.Enrolled() || a.ClaimState() != lifecycle.Free {
		for _, at := range seatsOf(a) {
			r.seats[at] = slices.DeleteFunc(r.seats[at], func(b *lifecycle.Agent) bool { return b.ID == a.ID })
			if n > 0 {
				r.seats[at] = append(r.seats[at], a)
			} else if len(r.seats[at]) == 0 {
				delete(r.seats, at)
			}
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
		return (q.Connection == "" || q.Connection == a.State.Connection) && may(a) && r.keeps(a) == ""
	}
	if q.Agent != "" {
		a := r.agents[log.Ref{Tenant: c.Tenant, ID: events.AgentToken(q.Agent)}]
		return a != nil && a.Claimable() && fits(a)
	}
	g := r.groups[log.Ref{Tenant: c.Tenant, ID: q.HuntGroup}]
	return g != nil && slices.ContainsFunc(g.ready, fits)
}

// abreast waits until everything that is stored of the agents now was heard here,
// or wait ends.
func (s *Service) abreast(ctx, wait context.Context) error {
	last, err := s.LastAgent(ctx)
	switch {
	case errors.Is(err, log.ErrNone):
		return nil
	case err != nil:
		return fault.New(fault.Transient, "look where the roster ends", log.CodeUnavailable, err)
	}
	return s.Log.Reach(wait, events.AgentFamily, last)
}

// leaveTaken takes an agent off the roster again who has just come to a seat that
// another took at the same moment and a little earlier. Both are known here as soon
// as this one's own enrolment is heard. If nobody gets as far as this, the later one
// stays on the roster, and is not called.
func (s *Service) leaveTaken(ctx context.Context, a *lifecycle.Agent) error {
	if a.State.SeatSeq > 0 {
		return nil // it sat there before
	}
	if err := s.Log.Reach(ctx, events.AgentFamily, a.Last.Seq); err != nil {
		return err
	}
	other := s.index.Before(seatOf(a), a.ID, a.Seat())
	if other == "" {
		return nil
	}
	_, err := s.Log.UpdateAgent(ctx, agentRef(a), func(now *lifecycle.Agent) (*log.Draft, error) {
		if !now.Enrolled() || now.State.EnrolledSeq != a.Last.Seq || now.ClaimState() != lifecycle.Free {
			return nil, nil
		}
		return s.removed(now, "", events.ReasonSeatTaken), nil
	})
	if err == nil {
		err = api.Conflict("agent " + other + " became the same agent of the provider's at the same moment, and came first: " +
			"this one is off the roster; enrol it as another, or remove that one first")
	}
	return err
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
