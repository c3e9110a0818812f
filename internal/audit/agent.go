package audit

import (
	"cmp"
	"fmt"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// An agent is what the rules ask for of an agent's log.
type agent struct {
	key
	log       []agentEvent
	place     int
	providers map[string]bool // the ids it has had at its providers
	findings  []Finding
}

// An agentEvent is one event with what it says about claims.
type agentEvent struct {
	stamp
	name  events.Name
	call  string // that claimed, is released or is quarantined
	seat  seat
	state events.AgentState
}

// A hold is one call's hold on an agent, from claim to release.
type hold struct {
	call    string
	seat    seat
	fence   uint64 // 0 when the claim itself is not on record any more
	claimed stamp
	back    *stamp // quarantined: nobody may have the agent
	ended   *stamp // released
	lost    bool   // another claim came on top: its end is not known
}

func (a *agent) finding(seq uint64, call, what string) Finding {
	return Finding{Invariant: I4, Tenant: a.tenant, Call: call, Agent: a.id, Stream: events.StreamAgents, Seq: seq, What: what}
}

// take hears the agent's next event. AGENTS forgets old events of each kind,
// so its places may have holes, but never go back.
func (a *agent) take(r events.Record) {
	if r.Place > 0 && r.Place <= a.place {
		f := a.finding(r.Seq, "", fmt.Sprintf("place %d follows place %d: events are out of order", r.Place, a.place))
		f.Invariant = Corrupt
		a.findings = append(a.findings, f)
	}
	a.place = r.Place
	e := agentEvent{stamp: stampOf(r), name: r.Name}
	e.state, _ = events.StateOf(r.Body)
	switch b := r.Body.(type) {
	case *events.AgentClaimed:
		e.call = b.Call
	case *events.AgentReleased:
		e.call = b.Call
	case *events.AgentQuarantined:
		e.call = b.Call
	}
	if e.state.ProviderAgent != "" {
		a.providers[e.state.ProviderAgent] = true
	}
	e.seat = seat{a.tenant, e.state.Connection, e.state.ProviderAgent}
	// Only claims and seats are asked for later.
	e.state = events.AgentState{Claim: e.state.Claim, Quarantine: e.state.Quarantine, Fence: e.state.Fence}
	a.log = append(a.log, e)
}

// horizon is the sequence from which the agent's log is complete in what the
// fold needs: a kind of event of which the stream holds as many as it keeps may
// have lost older ones.
func (a *agent) horizon(keeps int) uint64 {
	first, count := map[events.Name]uint64{}, map[events.Name]int{}
	for _, e := range a.log {
		if count[e.name]++; count[e.name] == 1 {
			first[e.name] = e.seq
		}
	}
	var from uint64
	for _, n := range []events.Name{events.Claimed, events.Released, events.Quarantined} {
		if count[n] >= keeps {
			from = max(from, first[n])
		}
	}
	return from
}

// fold walks the log by the table of claims, and returns every hold in order.
func (a *agent) fold(keeps int) ([]hold, []Finding) {
	var (
		holds []hold
		found []Finding
		state = lifecycle.Free
		from  = a.horizon(keeps)
		begun = from == 0
	)
	for _, e := range a.log {
		if e.seq < from {
			continue
		}
		if !begun { // what was before is not on record; the event tells it
			begun = true
			state, holds = e.resume()
			continue
		}
		var open *hold
		if n := len(holds); n > 0 && state != lifecycle.Free {
			open = &holds[n-1]
		}
		if what := e.contradicts(open); what != "" {
			found = append(found, a.finding(e.seq, e.call, what))
		}
		to, v := lifecycle.Claim().Next(state, e.name)
		if v == lifecycle.Illegal && e.name == events.Claimed {
			to, v = lifecycle.Claimed, lifecycle.Move // it was written all the same
		}
		if v == lifecycle.Move {
			holds = e.hold(holds, open)
		}
		state = to
	}
	return holds, found
}

// resume is the agent's hold as an event's own state tells it.
func (e agentEvent) resume() (lifecycle.State, []hold) {
	at := e.stamp
	switch {
	case e.state.Quarantine != nil:
		return lifecycle.Quarantined, []hold{{call: e.state.Quarantine.Call, seat: e.seat, claimed: e.stamp, back: &at}}
	case e.state.Claim != nil:
		h := hold{call: e.state.Claim.Call, seat: e.seat, claimed: e.stamp}
		if e.name == events.Claimed {
			h.fence = e.seq
		}
		return lifecycle.Claimed, []hold{h}
	}
	return lifecycle.Free, nil
}

// hold adds what a claim, a release or a quarantine does.
func (e agentEvent) hold(holds []hold, open *hold) []hold {
	at := e.stamp
	switch e.name {
	case events.Claimed:
		if open != nil {
			open.lost = true
		}
		return append(holds, hold{call: e.call, seat: e.seat, fence: e.seq, claimed: e.stamp})
	case events.Released:
		if open != nil {
			open.ended = &at
		}
	case events.Quarantined:
		if open == nil {
			return append(holds, hold{call: e.call, seat: e.seat, claimed: e.stamp, back: &at})
		}
		open.back = &at
	}
	return holds
}

// contradicts: claims do not overlap, nobody gives back another's agent, and no
// event forgets who holds the agent.
func (e agentEvent) contradicts(open *hold) string {
	holder := ""
	if open != nil {
		holder = open.call
	}
	switch e.name {
	case events.Claimed:
		if open != nil {
			return fmt.Sprintf("claimed while call %s holds the agent since #%d", holder, open.claimed.seq)
		}
		holder = e.call
	case events.Released:
		if open != nil && e.call != "" && e.call != holder {
			return fmt.Sprintf("released in the name of another call than %s, which holds the agent", cmp.Or(holder, "the one"))
		}
		holder = ""
	case events.Quarantined:
		if open != nil && open.back == nil && e.call != "" && e.call != holder {
			return fmt.Sprintf("quarantined in the name of another call than %s, which holds the agent", holder)
		}
		if open == nil {
			holder = e.call
		}
	}
	said := ""
	switch s := e.state; {
	case s.Claim != nil:
		said = s.Claim.Call
	case s.Quarantine != nil:
		said = s.Quarantine.Call
	}
	if said != holder {
		return fmt.Sprintf("%s says that the agent is held by %s, the log says %s", e.name, cmp.Or(said, "nobody"), cmp.Or(holder, "nobody"))
	}
	return ""
}

// assignedByClaim: every assignment stands on a claim of that agent for that
// call, by its sequence, or is to the provider's queue that the request asks for
// (I4).
func (j *Judge) assignedByClaim(c *call) []Finding {
	var found []Finding
	for _, as := range c.assignments {
		switch {
		case c.headless:
			continue
		case as.agent == "" && as.fence == 0 && as.queue != "":
			if as.queue != c.queue {
				found = append(found, c.finding(I4, as.seq, "assigned to a queue that the request does not name"))
			}
			continue
		case j.claimOf(c, as):
			continue
		}
		what := fmt.Sprintf("assigned with fence %d, which is no claim of this agent for this call", as.fence)
		if as.fence > j.last[events.AgentFamily] {
			what += "; AGENTS ends before that: are the two from different moments, as of a live backup?"
		}
		f := c.finding(I4, as.seq, what)
		f.Agent = as.agent
		found = append(found, f)
	}
	return found
}

// claimOf reports whether the assignment's claim is on record, or too old to be.
func (j *Judge) claimOf(c *call, as *assignment) bool {
	a := j.agents[key{c.tenant, as.agent}]
	if a == nil {
		return false
	}
	kept, oldest := 0, uint64(0)
	for _, e := range a.log {
		if e.name != events.Claimed {
			continue
		}
		if e.seq == as.fence && e.call == c.id {
			return true
		}
		if kept++; kept == 1 {
			oldest = e.seq
		}
	}
	return kept >= j.opts.AgentKeeps && as.fence < oldest
}

// judgeHold asks the rules about one hold and the call it is for (I4). One
// finding tells enough: the first that applies.
func (j *Judge) judgeHold(a *agent, h hold, now time.Time) []Finding {
	c := j.calls[key{a.tenant, h.call}]
	for _, rule := range []func(*agent, hold, *call, time.Time) (uint64, string){
		j.releasedBeforeDial, j.releasedTooEarly, j.heldForNothing, j.heldTooLong,
	} {
		if seq, what := rule(a, h, c, now); what != "" {
			return []Finding{a.finding(seq, h.call, what)}
		}
	}
	return nil
}

// releasedBeforeDial: the claim was the agent's latest when the intent was
// written. Two streams are compared by the server's clock.
func (j *Judge) releasedBeforeDial(a *agent, h hold, c *call, _ time.Time) (uint64, string) {
	end := h.ended
	if h.back != nil {
		end = h.back
	}
	if c == nil || end == nil || h.fence == 0 {
		return 0, ""
	}
	for _, i := range c.intents {
		if i.agent == a.id && i.fence == h.fence && end.before(i.stamp, j.opts.Skew) {
			return end.seq, fmt.Sprintf("the claim was over before the call was dialed by it (dialing is #%d of %s)", i.seq, events.StreamCalls)
		}
	}
	return 0, ""
}

// releasedTooEarly: an agent comes back only after its call let it go.
func (j *Judge) releasedTooEarly(a *agent, h hold, c *call, now time.Time) (uint64, string) {
	if c == nil || c.headless || h.ended == nil || h.fence == 0 {
		return 0, ""
	}
	as := c.lent(a.id, h.fence)
	switch {
	case as == nil || h.ended.before(as.stamp, 0):
		return 0, "" // a claim that was not used, or an assignment void from the start
	case as.letGo != nil && h.ended.before(*as.letGo, j.opts.Skew):
		return h.ended.seq, fmt.Sprintf("released before its call let the agent go (#%d of %s)", as.letGo.seq, events.StreamCalls)
	case as.letGo == nil && (j.opts.Strict || now.Sub(h.ended.said) > j.opts.Settle):
		return h.ended.seq, fmt.Sprintf("released, but its call still has the agent: %s%s", c.state, j.apart(*h.ended))
	}
	return 0, ""
}

// heldForNothing: no agent stays claimed by a call that needs it no more.
func (j *Judge) heldForNothing(a *agent, h hold, c *call, now time.Time) (uint64, string) {
	if h.ended != nil || h.back != nil || h.lost {
		return 0, ""
	}
	since, why := h.claimed.said, "is not on record"
	apart := ""
	switch {
	case c == nil:
		apart = j.apart(h.claimed)
	case c.closed != nil:
		since, why = later(since, c.closed.said), "is closed"
	case c.assigned != nil && c.assigned.agent == a.id && (h.fence == 0 || c.assigned.fence == h.fence):
		return 0, "" // it is the call's, and the call is open
	case c.headless:
		return 0, ""
	default:
		since, why = later(since, c.since), "is "+string(c.state)+" and not assigned by this claim"
	}
	if held := now.Sub(since); j.opts.Strict || held > j.opts.Settle {
		return h.claimed.seq, fmt.Sprintf("still claimed by a call that %s, for %s%s", why, held.Round(time.Second), apart)
	}
	return 0, ""
}

// heldTooLong: no claim lasts longer than any call does.
func (j *Judge) heldTooLong(_ *agent, h hold, _ *call, now time.Time) (uint64, string) {
	if h.lost {
		return 0, ""
	}
	until := now
	for _, end := range []*stamp{h.back, h.ended} {
		if end != nil {
			until = end.said
			break
		}
	}
	if held := until.Sub(h.claimed.said); held > j.opts.Longest {
		return h.claimed.seq, fmt.Sprintf("claimed for %s, longer than any call can last", held.Round(time.Second))
	}
	return 0, ""
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
