package audit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/outdial/outdial/pkg/events"
)

// Dialed is one dial as the telephone company's own ledger has it.
type Dialed struct {
	At       time.Time
	Until    time.Time // the conversation or the attempt was over; zero: not on record
	Provider string    // the dialect, e.g. tcn
	Agent    string    // by the provider's id, or outdial's own
	Number   string    // E.164, in clear: it is compared and never shown; "" when not known
	// ProviderCall is the company's id of the call.
	ProviderCall string
	// Correlation is what the request carried of ours; where the provider has
	// room for it, the intent's attempt token.
	Correlation string
	// Rang are the telephones that it rang, where the ledger tells.
	Rang []Rung
}

// Dialed takes a ledger's dials, in any order, several ledgers one after the
// other. An empty ledger is a witness too: that nothing was dialed.
func (j *Judge) Dialed(d ...Dialed) {
	j.asked = true
	j.dials = append(j.dials, d...)
}

// a comparison is the work of matching the ledger with the log.
type comparison struct {
	*Judge
	calls     []*call
	byAttempt map[string]*call
	byID      map[string][]*call
	byNumber  map[string][]*call // by token and by masked form
	got       map[*call][]Dialed
	spans     map[string][]span
	unjudged  int
	found     []Finding
	told      []Finding // dials of a lost past
}

// A span is one dial on an agent's line.
type span struct {
	Dialed
	call *call
}

// compare judges the ledger against the log: every dial has its one intent, no
// intent has two, the log denies none, and no agent has two at a time.
func (j *Judge) compare() *comparison {
	m := &comparison{Judge: j, calls: j.sortedCalls(), byAttempt: map[string]*call{}, byID: map[string][]*call{},
		byNumber: map[string][]*call{}, got: map[*call][]Dialed{}, spans: map[string][]span{}, told: []Finding{}}
	m.index()
	dials := slices.Clone(j.dials)
	slices.SortStableFunc(dials, func(a, b Dialed) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.ProviderCall, b.ProviderCall))
	})
	var rest []Dialed
	for _, d := range dials { // those that say themselves whose they are, first
		if !m.certain(d) {
			rest = append(rest, d)
		}
	}
	for _, d := range rest {
		m.likely(d)
	}
	for _, c := range m.calls {
		m.atMostOnce(c)
		m.admitted(c)
		m.lost(c)
	}
	for _, k := range slices.Sorted(maps.Keys(m.spans)) {
		m.oneAtATime(m.spans[k])
	}
	return m
}

func (m *comparison) index() {
	for _, c := range m.calls {
		for _, i := range c.intents {
			if i.attempt != "" {
				m.byAttempt[i.attempt] = c
			}
		}
		for id := range c.ids {
			m.byID[id] = append(m.byID[id], c)
		}
		if len(c.intents) > 0 {
			for _, n := range c.over() {
				m.byNumber[c.tenant+"/"+n.Token] = append(m.byNumber[c.tenant+"/"+n.Token], c)
				m.byNumber[c.tenant+"/"+n.Masked] = append(m.byNumber[c.tenant+"/"+n.Masked], c)
			}
		}
	}
}

// certain finds the call that a dial names: by the attempt token it carried,
// or by the company's id of the call.
func (m *comparison) certain(d Dialed) bool {
	if c := m.byAttempt[d.Correlation]; d.Correlation != "" && c != nil {
		m.attribute(d, c)
		return true
	}
	if d.ProviderCall == "" {
		return false
	}
	// The same id at another company, for another agent and another number,
	// is a coincidence.
	of := slices.DeleteFunc(slices.Clone(m.byID[d.ProviderCall]), func(c *call) bool {
		return m.sameAgent(c, d) == no && m.sameNumber(c, d) != yes
	})
	if len(of) == 0 {
		return false
	}
	if len(of) > 1 {
		m.find(I2, of[0], d, fmt.Sprintf("a dial in the ledger is claimed by %d calls", len(of)))
	}
	m.attribute(d, of[0])
	return true
}

// attribute gives a dial to the call it names, and says what is wrong with it.
func (m *comparison) attribute(d Dialed, c *call) {
	switch {
	case c.headless: // its beginning is not on record, perhaps its intent
	case len(c.intents) == 0 && m.past(d):
		m.tell(c, d, "its intent is not on record any more")
	case len(c.intents) == 0:
		m.without(c, d, "dialed without intent: the call has no dialing on record")
	case c.proved && d.Correlation == c.dialed().attempt, m.early(c, d) && c.proofs > 0:
		m.without(c, d, "the ledger shows a dial that is proved on record not to have been placed")
	case m.early(c, d):
		m.without(c, d, "dialed before its intent was on record")
	}
	if m.sameNumber(c, d) == no && !c.headless {
		m.find(I1, c, d, fmt.Sprintf("dialed %s, cleared was %s", events.Mask(d.Number), c.number.Masked))
	}
	m.give(d, c)
}

// without: a dial that no intent covers breaks I1 and I2 at once.
func (m *comparison) without(c *call, d Dialed, what string) {
	m.find(I1, c, d, what)
	m.find(I2, c, d, what)
}

func (m *comparison) early(c *call, d Dialed) bool {
	return d.At.Add(m.opts.Skew).Before(c.dialed().real())
}

// likely finds the call of a dial that names none: same agent, same number, an
// intent before it. Of several the one without a dial yet, then the one whose
// log does not deny it, then the latest: an agent has one call at a time.
func (m *comparison) likely(d Dialed) {
	var best *call
	for _, c := range m.candidates(d) {
		if m.early(c, d) || m.sameAgent(c, d) == no || m.sameNumber(c, d) == no || foreign(d) || m.past(d) && m.done(c, d) {
			continue
		}
		if best == nil || m.better(c, best, d) {
			best = c
		}
	}
	switch {
	case best != nil:
		m.give(d, best)
	case m.Judge.first.seq > 1 && d.At.Before(m.Judge.first.real()):
		m.unjudged++
	case m.past(d):
		c := m.forsaken(d)
		m.tell(c, d, "its intent is not on record any more")
		m.give(d, c)
	default:
		m.without(nil, d, fmt.Sprintf("dialed without intent: no call of %s has a dialing for the %s dial to %s",
			m.nameOf(d), d.Provider, masked(d)))
		m.give(d, nil)
	}
}

func (m *comparison) better(c, than *call, d Dialed) bool {
	rank := func(c *call) int {
		r := 0
		if len(m.got[c]) > 0 {
			r += 4
		}
		if d.ProviderCall != "" && len(c.ids) > 0 { // it has another id
			r += 2
		}
		if c.gaveUp != "" {
			r++
		}
		return r
	}
	if rank(c) != rank(than) {
		return rank(c) < rank(than)
	}
	return c.dialed().real().After(than.intents[0].real())
}

func (m *comparison) candidates(d Dialed) []*call {
	if d.Number == "" {
		return slices.DeleteFunc(slices.Clone(m.calls), func(c *call) bool { return len(c.intents) == 0 })
	}
	var out []*call
	tenants := map[string]bool{}
	for _, c := range m.calls {
		tenants[c.tenant] = true
	}
	for _, t := range slices.Sorted(maps.Keys(tenants)) {
		form := events.Mask(d.Number)
		if k := m.opts.Keys[t]; len(k) > 0 {
			form = tokenOf(k, d.Number)
		}
		out = append(out, m.byNumber[t+"/"+form]...)
	}
	return out
}

// give attaches a dial to its call, if one is known.
func (m *comparison) give(d Dialed, c *call) {
	if c != nil {
		m.got[c] = append(m.got[c], d)
		m.rang(c, d)
	}
	m.line(d, c)
}

// line notes the dial on the agent's line. One from a queue of the company's is on
// nobody's.
func (m *comparison) line(d Dialed, c *call) {
	if d.Agent == "" && c != nil && len(c.intents) > 0 && c.dialed().agent == "" {
		return
	}
	k := "provider " + d.Provider + "/" + d.Agent
	switch {
	case c != nil && len(c.intents) > 0 && m.sameAgent(c, d) != no:
		k = "agent " + c.tenant + "/" + c.dialed().agent
	default:
		if a := m.agentOf(d); a != nil {
			k = "agent " + a.tenant + "/" + a.id
		}
	}
	m.spans[k] = append(m.spans[k], span{d, c})
}

// atMostOnce: no call has two dials (I2).
func (m *comparison) atMostOnce(c *call) {
	got := m.got[c]
	if len(got) < 2 {
		return
	}
	what := fmt.Sprintf("the ledger shows %d dials for one call", len(got))
	if id := got[0].ProviderCall; id != "" && !slices.ContainsFunc(got, func(d Dialed) bool { return d.ProviderCall != id }) {
		what += ", all under one id of the company's"
	}
	m.find(I2, c, got[1], what)
}

// oneAtATime: on one agent's line no two dials overlap (I4).
func (m *comparison) oneAtATime(line []span) {
	slices.SortStableFunc(line, func(a, b span) int { return a.At.Compare(b.At) })
	for i := 1; i < len(line); i++ {
		up, d := line[i-1], line[i]
		if same := up.call == d.call && d.call != nil || up.ProviderCall != "" && up.ProviderCall == d.ProviderCall; same {
			if up.Until.IsZero() || up.Until.After(d.Until) {
				line[i].Until = up.Until
			}
			continue // said already, as a second dial
		}
		if up.Until.IsZero() {
			m.find(I4, d.call, d.Dialed, "dialed while the ledger shows no end of the agent's dial before it, of "+short(up))
			continue
		}
		if d.At.Before(up.Until) {
			m.find(I4, d.call, d.Dialed, fmt.Sprintf("dialed %s before the end of the agent's dial before it, of %s", up.Until.Sub(d.At), short(up)))
		}
		if up.Until.After(d.Until) && !d.Until.IsZero() {
			line[i].Until = up.Until // a third one may overlap the first
		}
	}
}

func short(s span) string {
	if s.call == nil {
		return s.At.UTC().Format(time.RFC3339)
	}
	return "call " + s.call.id
}

// find adds a finding whose evidence is a dial.
func (m *comparison) find(invariant string, c *call, d Dialed, what string) {
	f := m.about(c, d)
	f.Invariant, f.What = invariant, what
	m.found = append(m.found, f)
}

// about is a finding with the places that a dial leads to.
func (m *comparison) about(c *call, d Dialed) Finding {
	f := Finding{At: d.At}
	if a := m.agentOf(d); a != nil {
		f.Tenant, f.Agent = a.tenant, a.id
	}
	if c != nil {
		f.Tenant, f.Call = c.tenant, c.id
		if len(c.intents) > 0 {
			f.Stream, f.Seq = events.StreamCalls, c.dialed().seq
		}
	}
	return f
}

// An answer may be that nobody knows.
type answer int

const (
	unknown answer = iota
	no
	yes
)

func answered(b bool) answer {
	if b {
		return yes
	}
	return no
}

// sameAgent compares the agent of the intent, or of the last assignment where
// there is none.
func (m *comparison) sameAgent(c *call, d Dialed) answer {
	id := ""
	switch n := len(c.assignments); {
	case len(c.intents) > 0:
		id = c.dialed().agent
	case n > 0:
		id = c.assignments[n-1].agent
	}
	a := m.agents[key{c.tenant, id}]
	switch {
	case d.Agent == "" || id == "":
		return unknown
	case id == events.AgentToken(d.Agent):
		return yes
	case a == nil || len(a.providers) == 0:
		return unknown
	}
	return answered(a.providers[d.Agent])
}

// agentOf is the one agent that a ledger's agent can be; nil when several can.
func (m *comparison) agentOf(d Dialed) *agent {
	var of *agent
	if d.Agent == "" {
		return nil
	}
	for _, a := range m.agents {
		if a.id == events.AgentToken(d.Agent) || a.providers[d.Agent] {
			if of != nil {
				return nil
			}
			of = a
		}
	}
	return of
}

// nameOf names an agent for a person: outdial's id where it is known, since a
// provider's may be anything.
func (m *comparison) nameOf(d Dialed) string {
	if a := m.agentOf(d); a != nil {
		return "agent " + a.id
	}
	return "an agent not on the roster"
}

func masked(d Dialed) string {
	if d.Number == "" {
		return "a number not in the ledger"
	}
	return events.Mask(d.Number)
}
