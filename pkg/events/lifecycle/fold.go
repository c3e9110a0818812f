package lifecycle

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/outdial/outdial/pkg/events"
)

// A Call is what a call's log says, read in order.
type Call struct {
	Tenant string
	ID     string
	State  State
	Log    []events.Record

	Request   *events.CallRequested
	Waiting   *events.CallWaiting // the latest
	Assigned  *events.CallAssigned
	Preparing *events.CallPreparing
	Failed    *events.CallFailed
	Passed    *events.CallPassed
	Withheld  *events.CallWithheld
	Dialing   *events.CallDialing
	Started   *events.CallStarted
	Refused   *events.CallRefused
	Pending   *events.CallPendingAgent
	Cancel    *events.CallCancelRequested
	Resolved  *events.CallResolved
	Closed    *events.CallClosed

	Refs     events.Refs
	PassedID string

	// Proofs counts the intents that are proved to have placed nothing. They do
	// not stand any more: Dialing is nil after each.
	Proofs int
	// Touched: the provider may hold a preparation that nobody has undone.
	Touched bool
	// CancelFailed: withdrawing was tried and could not be.
	CancelFailed bool
	// Talked: a person has been talking, or answered where the provider reports
	// no talking.
	Talked bool
	// Machine: a machine answered. It is no conversation, whatever the legs say.
	Machine bool
	// Transferred: the agent handed the customer on and is out of it; by our
	// clock at TransferredAt.
	Transferred   bool
	TransferredAt time.Time
	// Said is the provider's own name of the news that moved the call last.
	Said string
	// EndReason is the reason of the first ended.
	EndReason string
	Instants  events.Instants
	since     time.Time // of the state
	intent    int       // where in Log the intent that stands is, counted from 1
	joined    bool      // both legs have been up
	gone      bool      // the provider said that the customer's leg ended
	times     times

	// Faults are the illegal events found; a call with faults is held.
	Faults []string
}

// Seq is the sequence of the call's last event, 0 for an empty log.
func (c *Call) Seq() uint64 {
	if len(c.Log) == 0 {
		return 0
	}
	return c.Log[len(c.Log)-1].Seq
}

// Last is the call's last event; the zero Record for an empty log.
func (c *Call) Last() events.Record {
	if len(c.Log) == 0 {
		return events.Record{}
	}
	return c.Log[len(c.Log)-1]
}

// Open reports whether the call was accepted and is not closed.
func (c *Call) Open() bool { return c.State != None && c.State != Closed }

// Since is when the call came into its present state, by the event's own time.
func (c *Call) Since() time.Time { return c.since }

// Queued reports whether the call stands in a queue of its provider's and is no
// agent's of ours.
func (c *Call) Queued() bool { return c.Assigned != nil && c.Assigned.Queued() }

// Dated is the call as if it had come into its present state at another time:
// the same moment, by the clock of who asks.
func (c *Call) Dated(since time.Time) *Call {
	at := *c
	at.since = since
	return &at
}

// AfterIntent is the log after the intent that stands, nil without one.
func (c *Call) AfterIntent() []events.Record {
	if c.Dialing == nil {
		return nil
	}
	return c.Log[c.intent:]
}

// ProviderIDs are the provider's ids of the call since the intent that stands, by
// their names, the last that was said of each.
func (c *Call) ProviderIDs() map[string]string {
	ids := map[string]string{}
	for _, r := range c.AfterIntent() {
		switch b := r.Body.(type) {
		case *events.CallStarted:
			maps.Copy(ids, b.Provider)
		case *events.CallProgress:
			maps.Copy(ids, b.Provider)
		}
	}
	return ids
}

// Unanswered reports whether the call was sent, or is being sent, and nobody has
// answered it as far as anybody said.
func (c *Call) Unanswered() bool {
	switch c.State {
	case Dialing, Started, PendingAgent, Unknown, Offered, Ringing:
		return c.Dialing != nil
	}
	return false
}

// TakenBack reports whether compliance took its pass back after the intent.
func (c *Call) TakenBack() bool {
	return slices.ContainsFunc(c.AfterIntent(), func(r events.Record) bool { return r.Name == events.Failed })
}

// Common is what every event of this call carries.
func (c *Call) Common() events.Common {
	if c.Request == nil {
		return events.Common{}
	}
	common := c.Request.Common
	common.Refs = c.Refs
	return common
}

// CustomerUp reports whether the customer is on a line of ours, as far as
// anybody said: connected, or transferred and not heard to have ended since,
// even when the call itself is closed.
func (c *Call) CustomerUp() bool {
	if r := Rank(c.State); r == Rank(Answered) || r == Rank(Talking) {
		return true
	}
	return c.HandedOn()
}

// HandedOn reports whether the customer was handed on to somebody else and is
// on a line of ours still, as far as anybody said.
func (c *Call) HandedOn() bool { return c.Transferred && !c.gone }

// Fold reads a log in the order of its sequences.
func Fold(log []events.Record) *Call {
	c := &Call{State: None}
	for _, r := range log {
		c.Take(r)
	}
	return c
}

// Take adds one event to the call.
func (c *Call) Take(r events.Record) Verdict {
	if c.ID == "" {
		c.Tenant, c.ID = r.Tenant, r.Key
	}
	on := c.meaning(r)
	to, v := Calls().Next(c.State, on)
	if p, ok := r.Body.(*events.CallProgress); ok && p.Late && v == Move {
		to, v = c.State, Known // whoever stored it saw that it came too late
	}
	if v == Illegal {
		c.Faults = append(c.Faults, fmt.Sprintf("%s in %s at %d", r.Name, c.State, r.Seq))
	}
	if r.Key != c.ID || r.Tenant != c.Tenant {
		c.Faults = append(c.Faults, fmt.Sprintf("event of another log at %d", r.Seq))
	}
	c.Log = append(c.Log, r)
	c.State = to
	if v == Move {
		c.since = r.Time
	}
	if v != Illegal {
		c.note(r, v)
	}
	if on == Proved {
		c.Dialing, c.Instants.Dialing, c.intent = nil, nil, 0
		c.Proofs++
	}
	return v
}

// meaning is an event's name in the table. Only here a body has a say: whether
// a withheld after the intent is a proof. Whatever is wrong with the proof
// makes it a plain withheld, after which nothing is dialed any more (I2).
func (c *Call) meaning(r events.Record) events.Name {
	b, ok := r.Body.(*events.CallWithheld)
	if ok && c.State == Dialing && c.Dialing != nil && c.Cancel == nil && c.Proofs+1 < MaxProofs &&
		b.Proof == events.ProofNoResponders && b.Attempt != "" && b.Attempt == c.Dialing.Attempt {
		return Proved
	}
	return r.Name
}

// note keeps what later decisions ask for.
func (c *Call) note(r events.Record, v Verdict) {
	at := r.Time
	switch b := r.Body.(type) {
	case *events.CallRequested:
		if c.Request == nil {
			c.Request, c.Refs.Requested, c.Instants.Requested = b, r.Seq, at
		}
	case *events.CallWaiting:
		c.Waiting = b
		c.Assigned, c.Passed, c.Preparing = nil, nil, nil
	case *events.CallAssigned:
		c.Assigned, c.Refs.Assigned = b, r.Seq
		c.Passed, c.PassedID, c.Preparing, c.Refs.Passed = nil, "", nil, 0
		c.Instants.Assigned = &at
	case *events.CallPreparing:
		c.Preparing, c.Touched = b, true
	case *events.CallFailed:
		c.Failed = b
		if !b.Touched && c.Preparing != nil && v == Move {
			c.Touched = false
		}
	case *events.CallPassed:
		c.Passed, c.PassedID, c.Refs.Passed = b, r.ID, r.Seq
		c.Instants.Passed = &at
	case *events.CallDialing:
		c.Dialing, c.Instants.Dialing, c.intent = b, &at, len(c.Log)
		c.Withheld = nil // of an intent before this one
	case *events.CallWithheld:
		c.Withheld = b
	case *events.CallCancelRequested:
		c.Cancel = b
	case *events.CallCancelFailed:
		c.CancelFailed = true
	case *events.CallCancelled:
		c.Touched = false
	case *events.CallClosed:
		c.Closed, c.Instants.Closed = b, at
	case *events.CallResolved:
		c.Resolved = b
	case *events.CallProgress:
		c.progress(r, b, v)
	default:
		c.noteAnswer(r)
	}
}

// noteAnswer keeps what the provider said to the start.
func (c *Call) noteAnswer(r events.Record) {
	switch b := r.Body.(type) {
	case *events.CallStarted:
		at := r.Time
		c.Started, c.Touched, c.Instants.Started = b, false, &at
	case *events.CallRefused:
		c.Refused = b
	case *events.CallPendingAgent:
		c.Pending = b
	}
}

func (c *Call) progress(r events.Record, b *events.CallProgress, v Verdict) {
	at := momentOf(r, b)
	c.date(r.Name, at)
	c.whoAnswered(r.Name, b.Reason)
	c.customersEnd(r, b.Reason)
	if v != Move {
		return
	}
	c.Touched, c.Said = false, b.Event
	c.times.hold(r.Name, at)
	switch r.Name {
	case events.Answered:
		c.joined = c.joined || (c.Assigned != nil && c.Assigned.NoTalking)
	case events.Talking, events.Held, events.Consulting, events.Conferencing:
		c.joined = true // nobody is held or conferenced who was not connected
	case events.Ended:
		if !c.Machine || (b.Reason != "" && b.Reason != events.EndCompleted) {
			c.EndReason = b.Reason
		}
	}
	c.Talked = c.joined && !c.Machine
}

// whoAnswered hears whether it was a machine. That word comes after the answer
// itself, or after the agent was connected, so it counts although the state
// stays; once the call is over it comes too late.
func (c *Call) whoAnswered(n events.Name, reason string) {
	if n != events.Answered || Rank(c.State) == 0 || Rank(c.State) >= Rank(Ended) {
		return
	}
	switch reason {
	case events.EndMachine:
		c.Machine, c.EndReason = true, events.EndMachine
	case events.ByHuman:
		c.Machine, c.EndReason = false, ""
	}
	c.Talked = c.joined && !c.Machine
}

// customersEnd keeps the customer's leg apart from the call's state: a transfer
// ends the agent's part alone, and what ends the rest of it may be heard long
// after the call is closed.
func (c *Call) customersEnd(r events.Record, reason string) {
	switch {
	case r.Name != events.Ended:
	case reason != events.EndTransferred:
		c.gone = true
	case !c.gone && !c.Transferred:
		c.Transferred, c.TransferredAt = true, r.Time
		c.joined = true
	}
}
