package simulation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/outdial/outdial/internal/audit"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/services/compliance/rules"
	"github.com/outdial/outdial/services/orchestrator"
)

// A Result is what became of a world.
type Result struct {
	Seed     uint64
	Hash     string // of both logs, to the letter
	Calls    int
	Closed   map[string]int // by outcome and reason
	Talked   int
	Counts   map[string]int
	Broken   []string // promises, one a line
	Involved []string // calls of the broken promises
	w        *World
}

// Run plays one seed's world.
func Run(seed uint64, o Options, zones rules.Zones, sets map[string]rules.RuleSet) Result {
	w := newWorld(seed, o, zones, sets)
	w.run()
	r := Result{Seed: seed, Hash: w.hash(), Calls: o.Calls, Closed: map[string]int{}, Counts: w.counts, w: w}
	w.judge(&r)
	for _, p := range w.processes { // let go of what still waits
		p.w.calm = true
		for _, t := range p.tasks {
			w.kill(t.task)
		}
	}
	return r
}

func (w *World) fold(ref log.Ref) *lifecycle.Call {
	c, _ := log.Call(context.Background(), w.log, ref.Tenant, ref.ID, 0)
	return c
}

func (w *World) agentNow(ref log.Ref) *lifecycle.Agent {
	a, err := log.Agent(context.Background(), w.log, ref.Tenant, ref.ID)
	if err != nil {
		panic(err)
	}
	return a
}

// understood is how long what is stored may take to be understood: a process
// that dies with it, and the broker's wait before another gets it.
const understood = 2*ackWait + 2*time.Second

// forgotten is how long a call may stand where compliance or the dialer has to
// act, though its delivery was lost for good and a process after the other dies
// or is stopped.
const forgotten = 75 * time.Second

// judge asks the audit, and what the audit cannot know.
func (w *World) judge(r *Result) {
	keys := map[string]events.Key{}
	for _, h := range w.houses {
		keys[h.name] = keyOf(h.name)
	}
	j := audit.New(audit.Options{Keys: keys, Strict: true})
	for _, d := range w.ledger {
		if !w.lost[d.Correlation] { // see findsLost
			j.Dialed(d.Dialed)
		}
	}
	for _, f := range []events.Family{events.CallFamily, events.AgentFamily} {
		for _, e := range w.since(f, 0) {
			j.Take(e)
		}
	}
	for _, f := range j.Report(w.now).Findings {
		if f.Invariant != audit.Witness || !w.unsure[f.Call] {
			r.broken(f.Call, "%s", f)
		}
	}
	w.findsLost(r, keys)
	w.judgeHalves(r)
	attempts := map[string]*lifecycle.Call{}
	for _, ref := range w.calls {
		c := w.fold(ref)
		if c.State == lifecycle.None {
			if !w.refused[ref.ID] {
				r.broken(ref.ID, "a request is neither taken nor refused")
			}
			continue
		}
		w.judgeCall(r, c, attempts)
	}
	for a, n := range w.sends {
		if n > 1 {
			r.broken("", "an intent was sent %d times", n)
		}
		if !w.won[a] {
			r.broken(callOf(attempts[a]), "an intent was sent by one who had not won it")
		}
	}
	for _, id := range w.early {
		r.broken(id, "an intent was stored on a store that went back, and that nobody had accepted")
	}
	for _, a := range w.late {
		r.broken(callOf(attempts[a]), "an intent was sent after its time")
	}
	for _, after := range w.bursts {
		r.broken("", "one process started two calls of a connection within %s", after)
	}
	for _, id := range w.robbed {
		r.broken(id, "the preparation of a call that has the agent was withdrawn as nobody's")
	}
	for _, a := range w.stranded() {
		r.broken("", "%s is left prepared", a)
	}
	for _, id := range w.blind {
		r.broken(id, "an intent for an agent who had not been free for it for seconds")
	}
	w.judgeListed(r, attempts)
	rang := map[string]int{}
	for _, d := range w.ledger {
		c := attempts[d.Correlation]
		for _, number := range d.rang(w.opts.listed) {
			if rang[number]++; rang[number] > 1 {
				r.broken(callOf(c), "a person was dialed %d times", rang[number])
			}
		}
		if of := w.numbers[d.Number].Tenant; of != d.house {
			r.broken(callOf(c), "a call of %s was dialed by an agent of %s", of, d.house)
		}
		if d.talked {
			r.Talked++
		}
		if c == nil || !d.talked || c.Closed == nil || c.Closed.Outcome != events.OutcomeFailed ||
			c.Closed.Reason == orchestrator.WentBack {
			continue
		}
		if !d.since.IsZero() && closedAt(c).After(d.since.Add(understood)) {
			r.broken(c.ID, "talked, the page said so, and closed as failed (%s)", c.Closed.Reason)
		}
		if n := w.heeded(d, c); n > 0 {
			r.broken(c.ID, "talked, %d polls said so in time, and closed as failed (%s)", n, c.Closed.Reason)
		}
	}
	for what, n := range w.counts {
		if strings.HasPrefix(what, "parked") {
			r.broken("", "%d messages %s", n, what)
		}
	}
}

// findsLost wants the audit to find, by the companies' ledgers, every dial whose
// intent a store that went back has lost. In all else those dials are left out.
func (w *World) findsLost(r *Result, keys map[string]events.Key) {
	if len(w.lost) == 0 {
		return
	}
	j := audit.New(audit.Options{Keys: keys, Strict: true})
	for _, d := range w.ledger {
		j.Dialed(d.Dialed)
	}
	for _, f := range []events.Family{events.CallFamily, events.AgentFamily} {
		for _, e := range w.since(f, 0) {
			j.Take(e)
		}
	}
	found := map[time.Time]bool{}
	for _, f := range j.Report(w.now).Findings {
		found[f.At] = true
	}
	for _, d := range w.ledger {
		if w.lost[d.Correlation] && !found[d.At] {
			r.broken("", "the audit does not find a dial whose intent the store has lost")
		}
	}
}

// judgeHalves wants nobody claimed who was busy by a message of which the record
// held only what it says of a call.
func (w *World) judgeHalves(r *Result) {
	said := map[uint64]events.Record{} // the first that a message says of a call
	for _, e := range w.since(events.CallFamily, 0) {
		if p, ok := e.Body.(*events.CallProgress); ok && p.RawSeq > 0 && said[p.RawSeq].Seq == 0 {
			said[p.RawSeq] = e
		}
	}
	came, claimed := map[log.Ref]time.Time{}, map[log.Ref]time.Time{}
	for _, e := range w.since(events.AgentFamily, 0) {
		ref := log.RefOf(e)
		switch b := e.Body.(type) {
		case *events.AgentClaimed:
			claimed[ref] = e.Stored
		case *events.AgentPresence:
			if e.Name == events.SessionStarted {
				came[ref] = e.Stored // what was heard while she had none counts later
			}
			c, ok := said[b.RawSeq]
			if ok && w.age == 0 && e.Name != events.Ready && c.Stored.After(came[ref]) && claimed[ref].After(c.Stored) {
				r.broken(c.Key, "an agent was claimed when half of what a message says was on record: %s, and not yet %s", c.Name, e.Name)
			}
		}
	}
}

func (w *World) judgeCall(r *Result, c *lifecycle.Call, attempts map[string]*lifecycle.Call) {
	for i, e := range c.Log {
		if b, ok := e.Body.(*events.CallDialing); ok {
			attempts[b.Attempt] = c
		}
		// What stood in a copy, or on a store in question, stood for longer.
		past := w.unsure[c.ID] || c.Closed != nil && c.Closed.Reason == orchestrator.WentBack
		if !past && (e.Name == events.Assigned || e.Name == events.Passed) && i+1 < len(c.Log) && c.Log[i+1].Time.Sub(e.Time) > forgotten {
			r.broken(c.ID, "nobody acted on %s for %s", e.Name, c.Log[i+1].Time.Sub(e.Time))
		}
	}
	if c.Closed == nil {
		r.broken(c.ID, "never closed: %s since %s", c.State, w.now.Sub(c.Since()))
		return
	}
	r.Closed[c.Closed.Outcome+" "+c.Closed.Reason]++
	talking := false
	for _, e := range c.Log {
		p, ok := e.Body.(*events.CallProgress)
		talking = talking || ok && !p.Late && e.Name == events.Talking
	}
	if talking && c.Closed.Outcome == events.OutcomeFailed && c.Closed.Reason != orchestrator.WentBack {
		r.broken(c.ID, "talking is on record, and it closed as failed (%s)", c.Closed.Reason)
	}
}

// heeded counts the polls that the record had to take: they showed the call,
// there was time, and since they were asked for nobody but the bridge, by
// earlier answers, moved the logs until the call was closed.
func (w *World) heeded(d *dial, c *lifecycle.Call) int {
	n := 0
	for _, p := range d.polls {
		since := w.since(events.AgentFamily, p.AgentSeq)
		ok := p.Call == c.ID && closedAt(c).After(p.at.Add(understood))
		for _, e := range slices.Concat(c.Log, since) {
			past := e.Seq <= p.CallSeq
			if e.Family == events.AgentFamily {
				past = e.Key != p.Agent || e.Tenant != c.Tenant || e.Time.After(c.Instants.Closed)
			}
			ok = ok && (past || e.Name == events.Closed || fromRaw(e))
		}
		if ok {
			n++
		}
	}
	return n
}

// closedAt is when the log had a call's end, whatever clock its writer has.
func closedAt(c *lifecycle.Call) (at time.Time) {
	for _, e := range c.Log {
		if e.Name == events.Closed && at.IsZero() {
			at = e.Stored
		}
	}
	return at
}

// fromRaw says whether an event is what the bridge made of a raw message.
func fromRaw(e events.Record) bool {
	switch b := e.Body.(type) {
	case *events.CallProgress:
		return b.RawSeq > 0
	case *events.AgentPresence:
		return b.RawSeq > 0
	}
	return false
}

func callOf(c *lifecycle.Call) string {
	if c == nil {
		return ""
	}
	return c.ID
}

func (r *Result) broken(call, form string, args ...any) {
	r.Broken = append(r.Broken, fmt.Sprintf(form, args...))
	if call != "" {
		r.Involved = append(r.Involved, call)
	}
}

func (w *World) hash() string {
	h := sha256.New()
	for _, f := range []events.Family{events.CallFamily, events.AgentFamily} {
		for _, r := range w.since(f, 0) {
			_, body, err := events.EncodeRecord(r)
			fmt.Fprintf(h, "%d %s %s %s %v\n", r.Seq, r.Subject(), r.ID, body, err)
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// Story is the log of a call, by its id, and of the agent that it had, as lines.
func (r Result) Story(call string) string {
	var b strings.Builder
	c := &lifecycle.Call{}
	for _, ref := range r.w.calls {
		if ref.ID == call {
			c = r.w.fold(ref)
		}
	}
	agents := map[string]bool{}
	for _, e := range c.Log {
		if a, ok := e.Body.(*events.CallAssigned); ok {
			agents[a.Agent] = true
		}
	}
	line := func(e events.Record) {
		_, body, _ := events.EncodeRecord(e)
		fmt.Fprintf(&b, "  %8.3f %-6s #%-4d %s.%s %.300s\n", e.Stored.Sub(begin).Seconds(), e.Family, e.Seq, e.Role, e.Name, body)
	}
	var from, to time.Time
	for _, e := range c.Log {
		if from.IsZero() {
			from = e.Stored
		}
		to = e.Stored
		line(e)
	}
	for _, e := range r.w.since(events.AgentFamily, 0) {
		if agents[e.Key] && e.Tenant == c.Tenant && !e.Stored.Before(from.Add(-5*time.Second)) && !e.Stored.After(to.Add(10*time.Second)) {
			line(e)
		}
	}
	return b.String()
}
