package lifecycle

import (
	"slices"
	"time"

	"github.com/outdial/outdial/pkg/events"
)

// prompt is how long after its moment news may come and still show, by when it
// came, when that was. A page that was cut off says everything at once later.
const prompt = 5 * time.Second

// A Moment is when something happened, by the provider's clock and by ours.
// The zero Moment: nobody can say.
type Moment struct {
	Provider time.Time // zero: not dated
	Receipt  time.Time // zero: it came late, so when it came says nothing
}

// momentOf is when the provider's news happened.
func momentOf(r events.Record, b *events.CallProgress) Moment {
	var m Moment
	if b.Inferred {
		return m
	}
	if b.OccurredAt != nil {
		m.Provider = *b.OccurredAt
	}
	heard := r.Time
	if b.ReceivedAt != nil {
		heard = *b.ReceivedAt
	}
	if !b.Late && (m.Provider.IsZero() || heard.Sub(m.Provider) <= prompt) {
		m.Receipt = heard
	}
	return m
}

// Between is the time from one moment to another in milliseconds, by one clock:
// the provider's where it dated both, else ours where neither came late. Nil
// where there is no such clock, or where it ran backwards.
func Between(from, to Moment) *int64 {
	a, b := from.Provider, to.Provider
	if a.IsZero() || b.IsZero() {
		a, b = from.Receipt, to.Receipt
	}
	if a.IsZero() || b.IsZero() || b.Before(a) {
		return nil
	}
	ms := b.Sub(a).Milliseconds()
	return &ms
}

// times are the moments of a call that its durations are computed from.
type times struct {
	ringing, answered, talking, ended, wrapUp, wrappedUp Moment

	heldAt  Moment
	onHold  bool  // the customer is, as far as was said
	holds   int   // that are over
	held    int64 // ms of those
	unknown bool  // how long one of them was
}

// date keeps when a state was first reached. Late news may date what nobody
// dated before, by the provider's clock alone.
func (c *Call) date(n events.Name, m Moment) {
	var at *Moment
	var shown **time.Time
	switch t, i := &c.times, &c.Instants; n {
	case events.Ringing:
		at, shown = &t.ringing, &i.Ringing
	case events.Answered:
		at, shown = &t.answered, &i.Answered
	case events.Talking:
		at, shown = &t.talking, &i.Talking
	case events.Ended:
		at, shown = &t.ended, &i.Ended
	case events.WrapUp:
		at, shown = &t.wrapUp, &i.WrapUp
	case events.WrappedUp:
		at, shown = &t.wrappedUp, &i.WrappedUp
	}
	if at == nil || *shown != nil || m == (Moment{}) {
		return
	}
	*at = m
	best := m.Receipt
	if !m.Provider.IsZero() {
		best = m.Provider
		c.Instants.ByProvider = append(slices.Clip(c.Instants.ByProvider), n) // calls are copied
	}
	*shown = &best
}

// hold follows the customer's leg, which a consultation leaves as it is: who
// is on hold stays so until the agent is back or all are joined, or it ends.
func (t *times) hold(n events.Name, at Moment) {
	switch {
	case n == events.Held && !t.onHold:
		t.onHold, t.heldAt = true, at
	case n != events.Held && n != events.Consulting && t.onHold:
		t.onHold = false
		t.holds++
		if ms := Between(t.heldAt, at); ms != nil {
			t.held += *ms
		} else {
			t.unknown = true
		}
	}
}

// Durations are what the moments show, null without evidence. closed is when
// somebody saw the call end, zero if nobody did.
func (c *Call) Durations(closed time.Time) events.Durations {
	t := &c.times
	dialing := Moment{}
	if c.Instants.Dialing != nil {
		dialing.Receipt = *c.Instants.Dialing
	}
	d := events.Durations{
		Queue: Between(Moment{Receipt: c.Instants.Requested}, dialing),
		Ring:  Between(t.ringing, either(t.answered, t.talking)),
		Wrap:  Between(t.wrapUp, either(t.wrappedUp, Moment{Receipt: closed})),
	}
	if c.Talked {
		d.Talk = Between(either(t.talking, t.answered), either(t.ended, t.wrapUp))
	}
	if t.holds > 0 && !t.onHold && !t.unknown {
		ms := t.held
		d.Hold = &ms
	}
	return d
}

func either(a, b Moment) Moment {
	if a == (Moment{}) {
		return b
	}
	return a
}
