package simulation

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/outdial/outdial/internal/audit"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/test/sixth"
)

// A lister is a telephone company in test/sixth's manner: calls stand in its
// queues, or are put to people of whom it never tells where they are. It rings when
// it likes, or when it was told to, one of a person's numbers after the other, and
// keeps what became of it in a feed; see shelf.
type lister struct {
	shelf
	can     providers.Capabilities
	entries []*entry
	people  map[string]*person // by the company's id; none: its calls stand in queues
	keeps   time.Time          // it gives nothing back until then
}

// An entry is a call that the company took.
type entry struct {
	*dial
	order providers.Order
	who   *person // nobody: it stands in a queue
	next  int     // of its numbers
	told  int     // words, and whether one had the attempt
	named bool
	gone  bool // given back, or over
}

// A person is put through to by the company, if it reaches them.
type person struct {
	away   bool // they are out, or on somebody else's call
	dialed int  // calls of ours they are on
}

var (
	_ providers.Starter    = (*lister)(nil)
	_ providers.Looker     = (*lister)(nil)
	_ providers.Withdrawer = (*lister)(nil)
)

// newLister is a company with queues, or with people of a presence.
func newLister(w *World, conn string, presence providers.Presence, people ...string) *lister {
	c := &lister{shelf: shelf{w: w, conn: conn}, can: sixth.Product().Can, people: map[string]*person{}}
	for _, p := range people {
		c.people[p] = &person{}
	}
	if len(people) > 0 {
		c.can.Queues, c.can.Schedules, c.can.Claims, c.can.Presence = false, false, true, presence
	}
	return c
}

func (c *lister) provider() providers.Provider {
	return providers.Provider{Kind: sixth.Kind, Can: c.can, Starter: c, Looker: c, Withdrawer: c, Feeder: c, Hook: sixth.Reader{}, Reader: sixth.Reader{}}
}

// Start implements providers.Starter.
func (c *lister) Start(ctx context.Context, o providers.Order) (providers.Receipt, error) {
	var e *entry
	err := c.w.start(ctx, c.conn, o.Attempt, func() (err error) {
		e, err = c.take(o)
		return err
	})
	if err != nil {
		return providers.Receipt{}, err
	}
	return providers.Receipt{IDs: map[string]string{providers.CallID: e.ProviderCall}}, nil
}

// take puts a call into its queue, or through to its person.
func (c *lister) take(o providers.Order) (*entry, error) {
	who := c.people[o.Agent.Provider]
	if who != nil && who.away {
		c.w.count("not available")
		return nil, fault.New(fault.Permanent, "dial", events.ReasonNotAvailable, nil)
	}
	e := &entry{order: o, who: who, dial: c.w.dialed(string(sixth.Kind), c.conn, o.Agent.Provider, o)}
	e.Number = o.Numbers[0]
	c.entries = append(c.entries, e)
	wait := time.Duration(0)
	switch {
	case who != nil:
		who.dialed++
	case !o.CallAt.IsZero():
		wait = o.CallAt.Sub(c.w.now)
	case c.w.chance(3): // whoever works the queue is not there for long
		wait = c.w.between(10*time.Second, 2*listedLease)
	default:
		wait = c.w.between(0, 6*time.Second)
	}
	c.w.after(wait, func() { c.ring(e) })
	return e, nil
}

// ring has the next of a call's numbers ring, if it still may.
func (c *lister) ring(e *entry) {
	w := c.w
	if e.gone {
		return
	}
	if end := e.order.PassEnds; !end.IsZero() && w.now.After(end) {
		if w.count("a pass ended before the ring"); len(e.Rang) > 0 {
			c.over(e, "NOBODY")
		}
		return // it is still in there, and whoever wants it out has to say so
	}
	number := e.order.Numbers[e.next]
	e.next++
	e.Rang = append(e.Rang, audit.Rung{At: w.now, Number: number})
	w.rings(e.dial, number)
	c.say(e, "RINGING")
	ring := w.between(500*time.Millisecond, 6*time.Second)
	if w.chance(3) { // nobody picks up
		w.after(ring, func() {
			if e.next < len(e.order.Numbers) {
				c.say(e, "NEXT_NUMBER")
				c.ring(e)
				return
			}
			c.over(e, "NOBODY")
		})
		return
	}
	w.after(ring, func() { c.say(e, "PICKED_UP") })
	w.after(ring+w.between(0, time.Second), func() { e.talked = true; c.say(e, "BRIDGED") })
	w.after(ring+w.between(4*time.Second, 25*time.Second), func() { c.over(e, "HUNG_UP") })
}

func (c *lister) over(e *entry, word string) {
	e.gone, e.Until = true, c.w.now
	if e.who != nil {
		e.who.dialed--
	}
	c.say(e, word)
}

func (c *lister) of(attempt string) (of []*entry) {
	for _, e := range c.entries {
		if e.order.Attempt == attempt {
			of = append(of, e)
		}
	}
	return of
}

// Lookup implements providers.Looker.
func (c *lister) Lookup(ctx context.Context, o providers.Order) (providers.Found, error) {
	if c.w.wire(ctx) || c.w.odds(30) {
		return providers.Found{}, down("look up")
	}
	if len(c.of(o.Attempt)) == 0 {
		return providers.Found{Verdict: providers.NotPlaced, Evidence: "no such attempt"}, nil
	}
	return providers.Found{Verdict: providers.Placed, Evidence: "taken"}, nil
}

// Withdraw implements providers.Withdrawer.
func (c *lister) Withdraw(ctx context.Context, o providers.Order) (string, error) {
	if c.w.wire(ctx) || c.w.odds(30) || c.w.now.Before(c.keeps) {
		return "", down("withdraw")
	}
	evidence := "never there"
	for _, e := range c.of(o.Attempt) {
		if len(e.Rang) > 0 {
			return "", fault.New(fault.Permanent, "withdraw", "answered", nil)
		}
		if evidence = "withdrawn"; !e.gone {
			c.w.count("taken back")
			e.gone, e.Until = true, c.w.now
			if e.who != nil {
				e.who.dialed--
			}
		}
	}
	if c.w.wire(ctx) || c.w.odds(30) {
		return "", down("withdraw")
	}
	return evidence, nil
}

// whims are what people do by themselves: they go out, or take somebody else's call.
func (c *lister) whims() {
	w := c.w
	for _, name := range slices.Sorted(maps.Keys(c.people)) {
		p := c.people[name]
		if w.calm || p.away || p.dialed > 0 || !w.chance(40) {
			continue
		}
		p.away = true
		w.after(w.between(time.Second, 15*time.Second), func() { p.away = false })
	}
}
