package lifecycle

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/outdial/outdial/pkg/events"
)

// Presence and claim states of an agent. A presence has the name of the event
// that leads to it, but for these.
const (
	Offline State = "offline"
	Lost    State = "lost"
	Gone    State = "removed"

	Free        State = "free"
	Claimed     State = "claimed"
	Quarantined State = "quarantined"
)

var presences = []struct {
	state State
	on    events.Name
}{
	{Offline, events.SessionEnded},
	{State(events.NotReady), events.SessionStarted},
	{State(events.NotReady), events.NotReady},
	{State(events.Ready), events.Ready},
	{State(events.OnCall), events.OnCall},
	{State(events.ForeignCall), events.ForeignCall},
	{State(events.WrapUp), events.WrapUp},
	{Lost, events.SessionLost},
}

func agentNames() []events.Name { return specNames(events.AgentSpecs()) }

// Presence is the checked table of where an agent is.
var Presence = sync.OnceValue(func() *Machine {
	states := []State{None, Offline, State(events.NotReady), State(events.Ready), State(events.OnCall),
		State(events.ForeignCall), State(events.WrapUp), Lost, Gone}
	there := states[1:8]
	rules := []Rule{{None, events.Enrolled, Offline}, {Gone, events.Enrolled, Offline}}
	var late []Late
	for _, from := range there {
		rules = append(rules, Rule{from, events.Removed, Gone})
		for _, p := range presences {
			if p.state != from {
				rules = append(rules, Rule{from, p.on, p.state})
			} else {
				late = append(late, Late{p.on, []State{from}})
			}
		}
	}
	late = append(late, Late{events.Enrolled, there}, Late{events.Removed, []State{Gone}})
	for _, on := range []events.Name{events.Released, events.Quarantined} {
		late = append(late, Late{on, append(slices.Clone(there), Gone)})
	}
	late = append(late, Late{events.Claimed, there}) // who is off the roster is not claimed
	for _, p := range presences {
		late = append(late, Late{p.on, []State{Gone}})
	}
	return must(New("presence", None, states, agentNames(), rules, late))
})

// Claim is the checked table of who holds an agent.
var Claim = sync.OnceValue(func() *Machine {
	states := []State{Free, Claimed, Quarantined}
	rules := []Rule{
		{Free, events.Claimed, Claimed},
		{Claimed, events.Released, Free},
		{Claimed, events.Quarantined, Quarantined},
		{Free, events.Quarantined, Quarantined},
		{Quarantined, events.Released, Free},
	}
	late := []Late{
		{events.Released, []State{Free}},
		{events.Quarantined, []State{Quarantined}},
		{events.Enrolled, states}, {events.Removed, states},
	}
	for _, p := range presences {
		late = append(late, Late{p.on, states})
	}
	return must(New("claim", Free, states, agentNames(), rules, late))
})

// An Agent is what an agent's log says. Its last event alone tells, because
// every event carries the state after it.
type Agent struct {
	Tenant string
	ID     string
	State  events.AgentState
	Last   events.Record // the zero Record for an empty log
	Fence  uint64        // sequence of the last orchestrator event but session_lost
}

// FoldAgent reads an agent from the last event of its log.
func FoldAgent(tenant, id string, last events.Record) *Agent {
	a := &Agent{Tenant: tenant, ID: id, Last: last}
	a.State, _ = events.StateOf(last.Body)
	a.Fence = a.State.Fence
	if last.Role == events.Orchestrator && last.Name != events.SessionLost {
		a.Fence = last.Seq
	}
	if last.Name == events.Enrolled {
		a.State.EnrolledSeq = last.Seq
	}
	return a
}

// Enrolled reports whether the agent is on the roster.
func (a *Agent) Enrolled() bool {
	return a.Last.Seq > 0 && a.State.Presence != events.Gone
}

// Seat is the sequence of the enrolment by which the agent took its seat. Of two
// who are enrolled as the same one of a provider's, it is the seat of whose is the
// earlier: every process that knows the later one knows that.
func (a *Agent) Seat() uint64 { return cmp.Or(a.State.SeatSeq, a.State.EnrolledSeq) }

// Claimable reports whether the agent may be taken for a call now.
func (a *Agent) Claimable() bool {
	return a.Enrolled() && a.State.Presence == events.Ready && a.ClaimState() == Free
}

// ClaimState is the agent's place in the Claim table.
func (a *Agent) ClaimState() State {
	switch {
	case a.State.Quarantine != nil:
		return Quarantined
	case a.State.Claim != nil:
		return Claimed
	}
	return Free
}

// Prepared reports whether the provider shows the agent in a preparation that no
// call of ours explained when it was asked.
func (a *Agent) Prepared() bool {
	return a.State.Presence == events.NotReady && a.State.Reason == events.ReasonPrepared
}

// PresenceState is the agent's place in the Presence table.
func (a *Agent) PresenceState() State {
	if a.Last.Seq == 0 {
		return None
	}
	return State(a.State.Presence)
}

// After is the state after an event at a time, and what the event means: a
// move if either table moves, illegal if either forbids it.
func (a *Agent) After(on events.Name, call, reason string, at time.Time) (events.AgentState, Verdict) {
	presence, pv := Presence().Next(a.PresenceState(), on)
	claim, cv := Claim().Next(a.ClaimState(), on)
	if pv == Illegal || cv == Illegal {
		return a.State, Illegal
	}
	s := a.State
	s.Fence = a.Fence
	// That a provider holds something prepared, or holds it no more, is news of one
	// who is not ready anyway; why else she is not is her own business, and would
	// pass for a proof of what became of her call.
	if pv == Known && on == events.NotReady && s.Presence == on && (s.Reason == events.ReasonPrepared) != (reason == events.ReasonPrepared) {
		pv = Move
	}
	if cv == Known && on == events.Quarantined && s.Quarantine != nil && s.Quarantine.Reason != reason {
		cv = Move
	}
	if pv == Move {
		s.Presence, s.Since, s.Reason = events.Name(presence), at, reason
	}
	if cv == Move {
		for _, was := range []*events.AgentClaim{s.Claim, s.Quarantine} {
			if was != nil && was.Call != "" {
				s.LastCall = was.Call
			}
		}
		s.Claim, s.Quarantine = nil, nil
		switch claim {
		case Claimed:
			s.Claim = &events.AgentClaim{Call: call, Since: at}
		case Quarantined:
			s.Quarantine = &events.AgentClaim{Call: call, Since: at, Reason: reason}
		}
	}
	if slices.Contains([]events.Name{events.Claimed, events.Released, events.Quarantined, events.Enrolled, events.Removed}, on) {
		s.Fence = 0 // the event's own sequence, not known before it is stored
	}
	if pv == Move || cv == Move {
		return s, Move
	}
	return s, Known
}
