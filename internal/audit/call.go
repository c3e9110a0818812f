package audit

import (
	"fmt"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// A call is what the rules ask for of a call's log.
type call struct {
	key
	state lifecycle.State
	began time.Time // first event, by outdial's clock
	since time.Time // in this state
	last  stamp
	place int // callsequence of the last event, 0 when it does not say

	headless bool // the log does not begin with its request: nothing can be judged
	aged     bool // because CALLS has forgotten it
	blind    bool // an event could not be read: the states after it are a guess

	number  events.Number
	expires time.Time
	queue   string // that the request names

	assigned    *assignment // the one that counts now
	assignments []*assignment
	pass        *pass
	stale       bool        // there was a pass, for an assignment that is over
	voided      events.Name // what has forbidden the dial since the pass
	intents     []intent
	proofs      int  // intents that are proved to have placed nothing
	proved      bool // the last intent is one of them
	cancelled   bool // somebody has asked to cancel the call

	// gaveUp is the event by which the log says that nothing was placed.
	gaveUp   events.Name
	gaveUpAt uint64
	orphaned bool
	ids      map[string]bool // the provider's ids of the call

	closed   *stamp
	outcome  string
	reason   string
	presumed bool

	answered bool // something is on record of what became of the intent
	told     bool // and it came from the company

	findings []Finding
}

// An assignment is an agent lent to a call, or a queue of its provider's that
// the call stands in.
type assignment struct {
	stamp
	agent string
	queue string
	fence uint64
	letGo *stamp // the event after which the call cannot dial with the agent
}

// A pass is compliance's yes.
type pass struct {
	seq        uint64
	id, hash   string
	token      string
	numbers    []events.Number // that may ring; none listed: the call's own alone
	callAt     *time.Time      // when the provider is to call, by outdial's clock
	shift      time.Duration   // of that clock, in a rehearsal: a ledger's is not shifted
	fence      uint64
	validUntil time.Time
	assigned   uint64 // the assignment it names in its refs
}

// An intent is a dialing event.
type intent struct {
	stamp
	agent   string
	fence   uint64
	attempt string
	pass    *pass // by which it was written, nil without
}

func newCall(k key) *call {
	return &call{key: k, state: lifecycle.None, ids: map[string]bool{}}
}

func (c *call) finding(invariant string, seq uint64, what string) Finding {
	return Finding{Invariant: invariant, Tenant: c.tenant, Call: c.id, Stream: events.StreamCalls, Seq: seq, What: what}
}

func (c *call) find(invariant string, seq uint64, what string) {
	c.findings = append(c.findings, c.finding(invariant, seq, what))
}

// begin looks at the first event on record. A log that does not begin with its
// request has lost its beginning: to age, where CALLS no longer reaches back
// to the request, else to something worse.
func (c *call) begin(r events.Record, oldest uint64) {
	c.began = r.Time
	if r.Name == events.Requested {
		return
	}
	c.headless = true
	common, _ := events.CommonOf(r.Body)
	c.number = common.Number
	if first := common.Refs.Requested; first > 0 && first < oldest {
		c.aged = true
		return
	}
	c.find(Corrupt, r.Seq, fmt.Sprintf("the log begins with %s, not with its request", r.Name))
}

// take hears the call's next event: the rules look at it first, then it is
// noted, then the table moves.
func (c *call) take(r events.Record) {
	on := c.meaning(r)
	if !c.headless {
		c.placed(r)
		before := len(c.findings)
		c.intent(r)
		c.endsOnce(r)
		c.move(r, on, len(c.findings) > before)
	}
	c.note(r)
	if on == lifecycle.Proved {
		c.proofs++
		c.proved = true
	}
	c.last, c.place = stampOf(r), r.Place
}

// placed: callsequence has no hole (the record is whole).
func (c *call) placed(r events.Record) {
	known := r.Place > 0 && (c.place > 0 || c.last.seq == 0)
	if known && r.Place != c.place+1 {
		c.find(Corrupt, r.Seq, fmt.Sprintf("place %d follows place %d: events are missing or out of order", r.Place, c.place))
	}
}

// endsOnce: exactly one closed (I3).
func (c *call) endsOnce(r events.Record) {
	if r.Name == events.Closed && c.closed != nil {
		c.find(I3, r.Seq, fmt.Sprintf("closed a second time; the first is #%d", c.closed.seq))
	}
}

// move follows the table of states; an event it forbids is a finding, unless
// another rule has said so in its own words.
func (c *call) move(r events.Record, on events.Name, explained bool) {
	to, v := lifecycle.Calls().Next(c.state, on)
	switch {
	case v == lifecycle.Move:
		c.state, c.since = to, r.Time
	case v == lifecycle.Known || c.blind:
	default:
		if !explained {
			c.find(I3, r.Seq, fmt.Sprintf("illegal event: %s while %s", r.Name, c.state))
		}
		// It was written all the same; what follows is judged by that.
		if r.Name == events.Dialing && c.closed == nil && len(c.intents) == 0 {
			c.state, c.since = lifecycle.Dialing, r.Time
		}
	}
}

// meaning is an event's name in the table. What proves that an intent placed
// nothing is asked here a second time on purpose: the judge does not borrow it
// from the judged.
func (c *call) meaning(r events.Record) events.Name {
	if w, ok := r.Body.(*events.CallWithheld); ok && c.proves(w) {
		return lifecycle.Proved
	}
	return r.Name
}

// proves: the intent that stands placed nothing. It needs the broker's word,
// the intent's own attempt, a call that is still dialing and not to be
// cancelled; and the third proof leads nowhere.
func (c *call) proves(w *events.CallWithheld) bool {
	n := len(c.intents)
	return n > 0 && c.state == lifecycle.Dialing && !c.cancelled && c.proofs < 2 &&
		w.Proof == "no_responders" && w.Attempt != "" && w.Attempt == c.intents[n-1].attempt
}

// dialed is the intent by which the call was placed, if it was: the last.
func (c *call) dialed() intent { return c.intents[len(c.intents)-1] }

// undialed: no intent stands.
func (c *call) undialed() bool { return len(c.intents) == 0 || c.proved }

// note keeps what later rules ask for.
func (c *call) note(r events.Record) {
	switch b := r.Body.(type) {
	case *events.CallRequested:
		if c.last.seq == 0 {
			c.number, c.expires, c.queue = b.Number, b.ExpiresAt, b.Request.Queue
		}
	case *events.CallWaiting:
		c.letGo(r)
		c.forget()
		c.assigned = nil
	case *events.CallAssigned:
		c.letGo(r)
		c.forget()
		c.assigned = &assignment{stamp: stampOf(r), agent: b.Agent, queue: b.Queue, fence: b.Fence}
		c.assignments = append(c.assignments, c.assigned)
	case *events.CallPassed:
		c.pass = &pass{seq: r.Seq, id: r.ID, hash: passHash(b), token: b.Number.Token, numbers: b.Numbers, callAt: b.CallAt, fence: b.Fence,
			validUntil: b.ValidUntil, assigned: b.Refs.Assigned}
		c.pass.shift, _ = time.ParseDuration(b.Evidence.ClockOffset) // "" without one
		c.voided = ""
		c.scrubbed(b.Scrub)
	case *events.CallFailed:
		c.voided = r.Name
		c.scrubbed(b.Scrub)
	case *events.CallCancelRequested:
		c.voided, c.cancelled = r.Name, true
		if c.undialed() {
			c.letGo(r) // dialing is illegal from here on: an operator may free the agent
		}
	case *events.CallDialing:
		if c.proved {
			c.proved, c.gaveUp, c.gaveUpAt = false, "", 0
		}
		c.intents = append(c.intents, intent{stamp: stampOf(r), agent: b.Agent, fence: b.Fence, attempt: b.Attempt, pass: c.pass})
	case *events.CallClosed:
		c.letGo(r)
		if at := stampOf(r); c.closed == nil {
			c.closed, c.outcome, c.reason, c.presumed = &at, b.Outcome, b.Reason, b.Presumed
		}
	default:
		c.noteProvider(r)
	}
}

// noteProvider keeps what was heard after the intent.
func (c *call) noteProvider(r events.Record) {
	c.answers(r)
	switch b := r.Body.(type) {
	case *events.CallWithheld:
		c.voided = r.Name
		c.denied(r)
	case *events.CallRefused, *events.CallNotPlaced:
		c.denied(r)
	case *events.CallResolved:
		if !b.Placed {
			c.denied(r)
		}
	case *events.CallOrphaned:
		c.orphaned = true
	case *events.CallStarted:
		c.identified(b.Provider)
	case *events.CallProgress:
		c.identified(b.Provider)
	}
}

// denied: the log says that the intent came to nothing.
func (c *call) denied(r events.Record) {
	if len(c.intents) > 0 && c.gaveUp == "" {
		c.gaveUp, c.gaveUpAt = r.Name, r.Seq
	}
}

func (c *call) letGo(r events.Record) {
	if c.assigned != nil && c.assigned.letGo == nil {
		at := stampOf(r)
		c.assigned.letGo = &at
	}
}

// forget: a pass counts only for the assignment before it.
func (c *call) forget() {
	c.stale = c.stale || c.pass != nil
	c.pass, c.voided = nil, ""
}

func (c *call) scrubbed(s *events.Scrub) {
	if s != nil {
		c.identified(s.State)
	}
}

// identified keeps the ids that name the call, and not those that name its
// session or task group, which several calls share.
func (c *call) identified(ids map[string]string) {
	for _, k := range []string{"callSid", "call", "callId", "interactionId", "interactionCallId"} {
		if ids[k] != "" {
			c.ids[ids[k]] = true
		}
	}
}

// lent finds the assignment of an agent under a fence.
func (c *call) lent(agent string, fence uint64) *assignment {
	for _, as := range c.assignments {
		if as.agent == agent && as.fence == fence {
			return as
		}
	}
	return nil
}

// overdue: a call that should be closed by now (I3). One that was dialed may
// well outlive its request's expiry, but no conversation lasts for ever.
func (c *call) overdue(now time.Time, o Options) string {
	switch {
	case o.Strict:
		return fmt.Sprintf("not closed: still %s", c.state)
	case !c.undialed():
		if now.After(c.dialed().said.Add(o.Longest)) {
			return fmt.Sprintf("not closed %s after its intent: still %s", o.Longest, c.state)
		}
	case now.After(c.expires.Add(o.Overdue)):
		return fmt.Sprintf("not closed %s after its expiry: still %s", o.Overdue, c.state)
	}
	return ""
}
