package audit

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/outdial/outdial/pkg/events"
)

// Options tune a Judge. The zero value is right for a running system.
type Options struct {
	// Keys are the tenants' keys, by tenant. With them a ledger's clear
	// numbers are compared as tokens; without a tenant's key, masked forms
	// are, which is weaker.
	Keys map[string]events.Key
	// Strict judges a system at rest: every call must be closed and every
	// agent given back, at once.
	Strict bool
	// Overdue is how long after its expiry a call that was never dialed may
	// be open; default 1 h.
	Overdue time.Duration
	// Settle is how long an agent may still be claimed after its call let it
	// go; default 60 s.
	Settle time.Duration
	// Longest is more than any dialed call, and with it any claim, can last;
	// default 6 h.
	Longest time.Duration
	// Skew is how far the clocks of the log's and the ledger's machines may
	// be apart; default 0, right for one machine.
	Skew time.Duration
	// AgentKeeps is how many events of a kind AGENTS keeps of an agent;
	// default 64.
	AgentKeeps int
	// Lost are the times of which the record says itself that it has lost
	// them. One without From begins with the last event of CALLS before its
	// end; see Lost.
	Lost []events.LostPast
}

func (o Options) withDefaults() Options {
	o.Overdue = cmp.Or(o.Overdue, time.Hour)
	o.Settle = cmp.Or(o.Settle, time.Minute)
	o.Longest = cmp.Or(o.Longest, 6*time.Hour)
	o.AgentKeeps = cmp.Or(o.AgentKeeps, 64)
	return o
}

// A Judge takes the evidence and reports. It keeps what the rules ask for, some
// hundred bytes a call, and no event. It is not safe for several goroutines.
type Judge struct {
	opts   Options
	calls  map[key]*call
	agents map[key]*agent
	dials  []Dialed
	asked  bool // a ledger was handed in, be it empty

	first stamp // the oldest event of CALLS on record
	lost  []events.LostPast
	open  []int // of lost, those whose beginning is looked for
	last  map[events.Family]uint64
	end   stamp // of CALLS
}

// apart says where a finding may come from two copies of different moments: the
// event of AGENTS is later than anything in CALLS.
func (j *Judge) apart(at stamp) string {
	if j.end.seq > 0 && !j.end.before(at, 0) {
		return ""
	}
	return "; CALLS ends before that: are the two from different moments, as of a live backup?"
}

// key names a call or an agent.
type key struct{ tenant, id string }

func (k key) compare(o key) int {
	return cmp.Or(cmp.Compare(k.tenant, o.tenant), cmp.Compare(k.id, o.id))
}

// A stamp is where and when an event stands.
type stamp struct {
	seq    uint64
	said   time.Time // by outdial's clock, which a rehearsal shifts
	stored time.Time // by the server's clock
}

func stampOf(r events.Record) stamp { return stamp{r.Seq, r.Time, r.Stored} }

// real is the moment by a clock that no rehearsal shifts.
func (s stamp) real() time.Time {
	if s.stored.IsZero() {
		return s.said
	}
	return s.stored
}

// before compares moments of different streams, whose sequences say nothing
// of each other.
func (s stamp) before(o stamp, skew time.Duration) bool {
	if s.stored.IsZero() || o.stored.IsZero() {
		return s.said.Add(skew).Before(o.said)
	}
	return s.stored.Add(skew).Before(o.stored)
}

// New makes a judge.
func New(o Options) *Judge {
	j := &Judge{
		opts: o.withDefaults(), calls: map[key]*call{}, agents: map[key]*agent{},
		last: map[events.Family]uint64{}, lost: slices.Clone(o.Lost),
	}
	for i, l := range j.lost {
		if l.From.IsZero() {
			j.open = append(j.open, i)
		}
	}
	return j
}

// Take hears one event of CALLS or AGENTS. Each stream's events must come in
// its order; one at or before the last is a repetition and is ignored. To
// compare a living system, CALLS must be read before AGENTS and every ledger
// before both.
func (j *Judge) Take(r events.Record) {
	if !j.next(r.Family, stampOf(r)) {
		return
	}
	k := key{r.Tenant, r.Key}
	if r.Family == events.AgentFamily {
		j.agent(k).take(r)
		return
	}
	c := j.call(k)
	if c.last.seq == 0 {
		c.begin(r, j.first.seq)
	}
	c.take(r)
}

// Unreadable hears of a stored event that cannot be decoded: subject and
// sequence say where it stands, code is the fault's. The log it belongs to is
// held by the services, and is a finding here.
func (j *Judge) Unreadable(subject string, seq uint64, code string) {
	f, tenant, id, _, _, ok := events.ParseLogSubject(subject)
	if !ok || !j.next(f, stamp{seq: seq}) {
		return
	}
	what := "an event that cannot be read (" + code + ")"
	k := key{tenant, id}
	if f == events.AgentFamily {
		a := j.agent(k)
		a.place = 0
		a.findings = append(a.findings, Finding{Invariant: I4, Tenant: tenant, Agent: id,
			Stream: events.StreamAgents, Seq: seq, What: what})
		return
	}
	c := j.call(k)
	c.headless = c.headless || c.last.seq == 0 // it may have been the request
	c.blind, c.place, c.last.seq = true, 0, seq
	c.find(I3, seq, what)
}

func (j *Judge) next(f events.Family, at stamp) bool {
	if at.seq <= j.last[f] {
		return false
	}
	if f == events.CallFamily && j.first.seq == 0 {
		j.first = at
	}
	j.last[f] = at.seq
	if f == events.CallFamily {
		j.begins(at)
		if !at.real().IsZero() {
			j.end = at
		}
	}
	return true
}

func (j *Judge) call(k key) *call {
	c := j.calls[k]
	if c == nil {
		c = newCall(k)
		j.calls[k] = c
	}
	return c
}

func (j *Judge) agent(k key) *agent {
	a := j.agents[k]
	if a == nil {
		a = &agent{key: k, providers: map[string]bool{}}
		j.agents[k] = a
	}
	return a
}

// Report judges what was taken so far, as of now by outdial's clock. It may be
// asked again after more was taken.
func (j *Judge) Report(now time.Time) Report {
	r := Report{At: now, Agents: len(j.agents), Strict: j.opts.Strict,
		Closed: map[string]int{}, Open: []Open{}, Findings: []Finding{}, // scripts like [] better than null
		Witnessed: j.asked, Dialed: len(j.dials)}
	for _, c := range j.sortedCalls() {
		j.tally(&r, c, now)
		r.Findings = append(r.Findings, c.findings...)
		r.Findings = append(r.Findings, j.assignedByClaim(c)...)
	}
	seats := map[seat][]turn{}
	for _, k := range slices.SortedFunc(maps.Keys(j.agents), key.compare) {
		a := j.agents[k]
		r.Findings = append(r.Findings, a.findings...)
		holds, found := a.fold(j.opts.AgentKeeps)
		r.Findings = append(r.Findings, found...)
		for _, h := range holds {
			r.Findings = append(r.Findings, j.judgeHold(a, h, now)...)
		}
		turns(seats, a, holds)
		if n := len(holds); n > 0 && holds[n-1].back != nil && holds[n-1].ended == nil {
			r.Quarantined++
		}
	}
	r.Findings = append(r.Findings, oneAtASeat(seats)...)
	m := j.compare()
	r.Unjudged, r.Lost = m.unjudged, m.told
	r.Findings = append(r.Findings, m.found...)
	r.sort()
	return r
}

func (j *Judge) sortedCalls() []*call {
	out := make([]*call, 0, len(j.calls))
	for _, k := range slices.SortedFunc(maps.Keys(j.calls), key.compare) {
		out = append(out, j.calls[k])
	}
	return out
}

// tally counts a call, and says whether it should be closed by now (I3).
func (j *Judge) tally(r *Report, c *call, now time.Time) {
	if c.aged {
		r.Aged++
		return
	}
	r.Calls++
	r.Intents += len(c.intents)
	switch {
	case c.closed != nil:
		r.Closed[c.outcome]++
	case !c.headless:
		r.Open = append(r.Open, Open{Tenant: c.tenant, Call: c.id, State: string(c.state),
			Since: c.since, Age: now.Sub(c.began)})
		if why := c.overdue(now, j.opts); why != "" {
			r.Findings = append(r.Findings, c.finding(I3, c.last.seq, why))
		}
	}
}
