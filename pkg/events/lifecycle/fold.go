package lifecycle

import (
	"fmt"
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
	Unknown   *events.CallUnknown
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
	// Talked: it has been talking, or answered where the provider reports no
	// talking.
	Talked   bool
	Answered bool
	// EndReason is the reason of the first ended.
	EndReason string
	Instants  events.Instants
	since     time.Time // of the state
	intent    int       // where in Log the intent that stands is, counted from 1
	holds     time.Duration
	heldSince time.Time

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

// AfterIntent is the log after the intent that stands, nil without one.
func (c *Call) AfterIntent() []events.Record {
	if c.Dialing == nil {
		return nil
	}
	return c.Log[c.intent:]
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

// Durations are computed from the instants; null without evidence.
func (c *Call) Durations() events.Durations {
	i := c.Instants
	between := func(from, to *time.Time) *int64 {
		if from == nil || to == nil || to.Before(*from) {
			return nil
		}
		ms := to.Sub(*from).Milliseconds()
		return &ms
	}
	first := func(ts ...*time.Time) *time.Time {
		for _, t := range ts {
			if t != nil {
				return t
			}
		}
		return nil
	}
	d := events.Durations{
		Queue: between(&i.Requested, i.Dialing),
		Ring:  between(first(i.Ringing, i.Dialing), first(i.Answered, i.Talking)),
		Wrap:  between(i.WrapUp, first(i.WrappedUp, &i.Closed)),
	}
	talkFrom := i.Talking
	if talkFrom == nil && c.Talked {
		talkFrom = i.Answered
	}
	d.Talk = between(talkFrom, first(i.Ended, i.WrapUp))
	if c.holds > 0 {
		ms := c.holds.Milliseconds()
		d.Hold = &ms
	}
	if i.Requested.IsZero() {
		d.Queue = nil
	}
	if i.Closed.IsZero() && i.WrappedUp == nil {
		d.Wrap = nil
	}
	return d
}

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
	case *events.CallUnknown:
		c.Unknown = b
	}
}

func (c *Call) progress(r events.Record, b *events.CallProgress, v Verdict) {
	at := r.Time
	if v != Move {
		return
	}
	c.Touched = false
	if !c.heldSince.IsZero() {
		c.holds += at.Sub(c.heldSince)
		c.heldSince = time.Time{}
	}
	set := func(t **time.Time) {
		if *t == nil {
			*t = &at
		}
	}
	switch r.Name {
	case events.Ringing:
		set(&c.Instants.Ringing)
	case events.Answered:
		c.Answered = true
		c.Talked = c.Talked || (c.Assigned != nil && c.Assigned.NoTalking)
		set(&c.Instants.Answered)
	case events.Talking:
		c.Talked = true
		set(&c.Instants.Talking)
	case events.Held:
		c.heldSince = at
	case events.Ended:
		c.EndReason = b.Reason
		set(&c.Instants.Ended)
	case events.WrapUp:
		set(&c.Instants.WrapUp)
	case events.WrappedUp:
		set(&c.Instants.WrappedUp)
	}
}
