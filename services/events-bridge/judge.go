package bridge

import (
	"maps"
	"slices"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
)

// A message is one raw message with all that is needed to understand it, but
// for what is on record.
type message struct {
	raw   events.ProviderRaw
	seq   uint64 // in PROVIDER
	id    string
	at    time.Time // when it was received; what it means does not depend on when it is understood
	conn  tenants.Connection
	home  string // region in which national numbers are read
	agent string
	thoughts
}

// thoughts are of one who carries a message out.
type thoughts struct {
	reader providers.Reader // of this message alone, once it was asked
	// seen is what the Reader made of it, by what was on record: it is asked
	// once for each.
	seen map[providers.View]reading
	// meant says what else is known of whom it is about; nil: nothing.
	meant func(conn string, o providers.Observation) providers.Observation
}

type reading struct {
	seen []providers.Observation
	err  error
}

func (m *message) polled() bool { return m.raw.Via == viaPoll }

// A record is what the logs say of an agent and of the calls it has or had
// last, the claiming one first.
type record struct {
	agent *lifecycle.Agent
	calls []*lifecycle.Call
}

// with is the record with one of its calls as it stands now.
func (k record) with(c *lifecycle.Call) record {
	k.calls = slices.Clone(k.calls)
	for i := range k.calls {
		if k.calls[i].ID == c.ID {
			k.calls[i] = c
		}
	}
	return k
}

// call is the call of that id, nil if it is not on record.
func (k record) call(id string) *lifecycle.Call {
	for _, c := range k.calls {
		if c.ID == id {
			return c
		}
	}
	return nil
}

// News is one observation and the call of ours that it is about, nil: none.
type news struct {
	providers.Observation
	about *lifecycle.Call
}

// slack is how far the clocks of the services may be apart.
const slack = 5 * time.Second

// read asks the Reader what the message says. It is read against what was on
// record before it, so that it means the same however often it is read, and by
// whom; nothing of it can be about a call that was dialed after it came.
func (m *message) read(k record) ([]news, error) {
	var calls []*lifecycle.Call
	for _, c := range k.calls {
		if others(c, m.agent) {
			continue
		}
		if at := c.Instants.Dialing; m.seq == 0 || at == nil || !at.After(m.at.Add(slack)) {
			calls = append(calls, m.before(c))
		}
	}
	up := first(calls)
	seen, err := m.ask(m.view(k.agent, up))
	if err != nil || len(seen) == 0 {
		return nil, err
	}
	if c := Match(seen[0], calls); c != nil && c != up {
		if seen, err = m.ask(m.view(k.agent, c)); err != nil {
			return nil, err
		}
	}
	out := make([]news, len(seen))
	for i, o := range seen {
		out[i].Observation = o
		if c := Match(o, calls); c != nil {
			out[i].about = k.call(c.ID)
		}
	}
	return out, nil
}

// others says that the call was dialed for another agent. This one lost the race
// for it, and its log still names it as the last.
func others(c *lifecycle.Call, agent string) bool {
	return agent != "" && c.Dialing != nil && c.Dialing.Agent != "" && c.Dialing.Agent != agent
}

func (m *message) ask(v providers.View) ([]providers.Observation, error) {
	r, ok := m.seen[v]
	if !ok {
		if m.seen == nil {
			m.seen, m.reader = map[providers.View]reading{}, openOnce(m.conn.Provider.Reader)
		}
		r.seen, r.err = understand(m.reader, m.raw, v)
		for i := range r.seen {
			if m.meant != nil {
				r.seen[i] = m.meant(m.conn.Name, r.seen[i])
			}
		}
		m.seen[v] = r
	}
	return r.seen, r.err
}

// before is a call without what this very message has said of it already.
func (m *message) before(c *lifecycle.Call) *lifecycle.Call {
	own := func(r events.Record) bool {
		p, ok := r.Body.(*events.CallProgress)
		return ok && m.seq > 0 && p.RawSeq == m.seq
	}
	if !slices.ContainsFunc(c.Log, own) {
		return c
	}
	b := lifecycle.Fold(slices.DeleteFunc(slices.Clone(c.Log), own))
	b.Tenant, b.ID = c.Tenant, c.ID
	return b
}

func (m *message) view(a *lifecycle.Agent, c *lifecycle.Call) providers.View {
	v := ViewOf(a, c, m.home)
	v.Now = m.at
	if PresenceStale(a, c) {
		v.Presence = "" // on record, but proves nothing
	}
	return v
}

// ofCall says whether news is about a call of ours.
func ofCall(n news) bool { return n.about != nil && n.Call != "" }

// A standing is how a poll's answer stands to the record it was asked after.
type standing int

const (
	fresh    standing = iota // the logs end where they did, or with what the answer itself has said
	trailing                 // only earlier messages of the agent have moved them since
	stale                    // they have gone on: the next poll will know better
	behind                   // whoever asked knew more than is known here
)

// standing compares the logs with the marks of a poll: an answer that is older
// than the record proves nothing.
func (m *message) standing(k record) standing {
	if !m.polled() {
		return fresh // as long as no later one of the agent was carried out
	}
	agent := m.agentStanding(k.agent)
	c := first(k.calls)
	switch {
	case agent > trailing, c == nil && (agent == fresh || m.raw.Call == ""):
		return agent
	case c == nil, c.ID != m.raw.Call:
		return stale // this one began since; or it has ended, and the agent's log has gone on
	}
	return max(agent, m.callStanding(c))
}

// agentStanding trusts the agent's last event and its state: with the fence
// where it was, and within one session, nobody but the bridge has moved the log.
func (m *message) agentStanding(a *lifecycle.Agent) standing {
	p, ok := a.Last.Body.(*events.AgentPresence)
	switch {
	case a.Last.Seq == m.raw.AgentSeq, a.Last.Cause == m.id && a.Last.After == m.raw.AgentSeq:
		return fresh
	case a.Last.Cause == m.id:
		return trailing // as it was when the answer itself moved the log
	case a.Last.Seq < m.raw.AgentSeq:
		return behind
	case ok && p.RawSeq > 0 && p.RawSeq < m.seq && a.Fence <= m.raw.AgentSeq && a.State.Session == m.raw.Session && !m.at.Before(a.State.Since):
		return trailing
	}
	return stale
}

// callStanding: two bridges that ask for one agent store their answers in the
// order of their publishing, so what was received earlier must not overtake.
func (m *message) callStanding(c *lifecycle.Call) standing {
	if c.Seq() < m.raw.CallSeq {
		return behind
	}
	s := fresh
	for _, r := range slices.Backward(c.Log) {
		p, ok := r.Body.(*events.CallProgress)
		switch {
		case r.Seq <= m.raw.CallSeq:
			return s
		case r.Cause == m.id:
		case ok && p.Agent == m.agent && p.RawSeq > 0 && p.RawSeq < m.seq && p.ReceivedAt != nil && !m.at.Before(*p.ReceivedAt):
			s = trailing
		default:
			return stale
		}
	}
	return s
}

// busy are the words that are taken from a trailing answer: that a call is over,
// or its agent free, is said by one that knew all that was on record.
func busy(n events.Name) bool {
	return n == events.OnCall || n == events.ForeignCall || lifecycle.Rank(lifecycle.State(n)) > 0 &&
		lifecycle.Rank(lifecycle.State(n)) <= lifecycle.Rank(lifecycle.Talking)
}

// unmatched says whether the message has news of a call that is none on record.
func (m *message) unmatched(k record) bool {
	all, _ := m.read(k)
	return slices.ContainsFunc(all, func(n news) bool { return n.about == nil && (n.Call != "" || n.CallKey != "") })
}

// owed says whether a record leaves open what the message still has to say: it
// is not known to have been carried out, and no poll that came too late.
func (m *message) owed(k record) bool {
	if m.polled() {
		return m.standing(k) != stale
	}
	return m.reached(k) < m.seq
}

// reached is the last of the agent's messages that is on record. Whoever carried
// that out had carried out those before it.
func (m *message) reached(k record) uint64 {
	last := k.agent.State.RawSeq
	for _, c := range k.calls {
		last = max(last, heard(c, m.agent))
	}
	return last
}

// progress drafts the next event that the message owes a call, nil: nothing.
func (m *message) progress(k record, c *lifecycle.Call, now time.Time) (*log.Draft, error) {
	stands := m.standing(k)
	if stands > trailing || heard(c, m.agent) > m.seq {
		return nil, nil
	}
	all, err := m.read(k)
	if err != nil {
		return nil, err
	}
	for _, n := range all {
		if n.about != c || n.Call == "" || !n.Manual && !n.Sure() || stands == trailing && !busy(n.Call) {
			continue
		}
		_, v := lifecycle.Calls().Next(c.State, n.Call)
		if v == lifecycle.Illegal || Repeat(c, n.Observation, m.seq) || (v == lifecycle.Known && m.polled()) {
			continue
		}
		body := m.body(n.Observation)
		body.Late = v == lifecycle.Known && lifecycle.Rank(lifecycle.State(n.Call)) > 0
		d, err := log.NextOfCall(c, events.Bridge, n.Call, now, body)
		if d != nil {
			// The call's own trace goes on: a poll is nobody's request.
			d.Cause, d.TraceParent = m.id, c.Log[0].TraceParent
		}
		return d, err
	}
	return nil, nil
}

// heard is the last raw message by way of an agent that a call's log holds. What
// came by the same way before it has been carried out.
func heard(c *lifecycle.Call, agent string) uint64 {
	last := uint64(0)
	for _, r := range c.Log {
		if p, ok := r.Body.(*events.CallProgress); ok && p.Agent == agent {
			last = max(last, p.RawSeq)
		}
	}
	return last
}

func (m *message) body(o providers.Observation) *events.CallProgress {
	b := &events.CallProgress{
		Agent: m.agent, Reason: o.Reason, Event: o.Event, State: o.State, Legs: o.Legs,
		Evidence: m.raw.Via, Attributes: o.Attrs, RawSeq: m.seq, Inferred: o.Inferred,
	}
	if b.Provider = maps.Clone(o.IDs); o.CallKey != "" {
		b.Provider = merged(b.Provider, map[string]string{callKey: o.CallKey})
	}
	if len(b.Provider) == 0 {
		b.Provider = nil
	}
	if at := o.At; !at.IsZero() {
		b.OccurredAt = &at
	}
	if at := m.at.Add(-o.Waited); !m.at.IsZero() {
		b.ReceivedAt = &at
	}
	return b
}

// presence drafts what the message says of the agent, nil: nothing that is news.
// Ahead of what it says of a call she is not said to be ready, and what is said
// proves nothing of the call: how that ended comes after it.
func (m *message) presence(k record, ahead bool, now time.Time) (*log.Draft, error) {
	a, stands := k.agent, m.standing(k)
	switch {
	case stands > trailing, m.conn.Provider.Can.Presence.Unsaid():
		return nil, nil // nobody would say that she has come back from there
	case m.raw.Session != "" && a.State.Session != m.raw.Session:
		return nil, nil // of a session that is over
	case m.seq <= a.State.RawSeq:
		return nil, nil // said, or overtaken by a later word of the same session
	}
	all, err := m.read(k)
	if err != nil {
		return nil, err
	}
	var o providers.Observation // where the agent is after all of it
	var c *lifecycle.Call
	for _, n := range all {
		if n.about != nil && saidBefore(n.about, n.Observation, m.seq) {
			continue // its first copy has said where she was then
		}
		over := n.about == nil && lifecycle.Rank(lifecycle.State(n.Call)) >= lifecycle.Rank(lifecycle.Ended)
		if p := presenceFrom(n.Observation, n.about); p.Presence != "" || over { // nobody is on a call that is over
			o, c = p, n.about
		}
	}
	if o.Presence == "" || ahead && o.Presence == events.Ready || stands == trailing && !busy(o.Presence) {
		return nil, nil
	}
	after, v := a.After(o.Presence, "", o.Reason, m.at)
	if v == lifecycle.Illegal || (v == lifecycle.Known && (stands == trailing || !PresenceStale(a, c))) {
		return nil, nil
	}
	if m.raw.Via == viaDesktop {
		after.Provider = merged(after.Provider, o.IDs) // e.g. the Workspace's version
	}
	after.RawSeq = m.seq
	body := &events.AgentPresence{Reason: o.Reason, Event: o.Event, Evidence: m.raw.Via, RawSeq: m.seq, State: after}
	if !ahead {
		body.Call, body.CallSeq = m.knew(k, c)
	}
	d := log.NextOfAgent(a, events.Bridge, o.Presence, now, body)
	d.Cause = m.id
	if c != nil {
		d.TraceParent = c.Log[0].TraceParent
	}
	return d, nil
}

// knew is how far the call was when the provider spoke: as far as the poll's
// asker knew it, or with what had happened when the message came. What the
// message itself has said of the call counts.
func (m *message) knew(k record, c *lifecycle.Call) (call string, seq uint64) {
	if m.polled() {
		if up := k.call(m.raw.Call); up != nil && up.Last().Cause == m.id && m.callStanding(up) == fresh {
			return m.raw.Call, up.Seq()
		}
		return m.raw.Call, m.raw.CallSeq
	}
	if c == nil {
		return m.raw.Call, m.raw.CallSeq
	}
	for _, r := range slices.Backward(c.Log) {
		if !r.Time.After(m.at) || r.Cause == m.id {
			return c.ID, r.Seq
		}
	}
	return c.ID, 0
}

func merged(a, b map[string]string) map[string]string {
	if len(b) == 0 {
		return a
	}
	out := map[string]string{}
	maps.Copy(out, a)
	maps.Copy(out, b)
	return out
}

// callIDs are the calls that an agent has or had last, the claiming one first.
func callIDs(a *lifecycle.Agent) []string {
	var ids []string
	for _, held := range []*events.AgentClaim{a.State.Claim, a.State.Quarantine, {Call: a.State.LastCall}} {
		if held != nil && held.Call != "" && !slices.Contains(ids, held.Call) {
			ids = append(ids, held.Call)
		}
	}
	return ids
}

func first(calls []*lifecycle.Call) *lifecycle.Call {
	if len(calls) == 0 || !calls[0].Open() {
		return nil
	}
	return calls[0]
}
