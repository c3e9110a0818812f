package worker

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// asideWait is how long a message waits in memory for a place of its
// connection, before the broker keeps it for a while.
const asideWait = 5 * time.Second

// asides are the places of connections: so many messages of each may be with
// their provider at once, whichever consumer they came by.
type asides struct {
	mu  sync.Mutex
	per int
	of  map[string]*turns // by tenant and connection; the configuration bounds them
}

func newAsides(per int) *asides { return &asides{per: per, of: map[string]*turns{}} }

func (a *asides) get(tenant, connection string) *turns {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := tenant + "." + connection
	if a.of[key] == nil {
		a.of[key] = newTurns(a.per)
	}
	return a.of[key]
}

// A place is where a message stands while it is handled: at its consumer,
// or aside. One handler has it, so it needs no lock.
type place struct {
	pull   context.Context // ends when the service is to end
	stored time.Time
	asides *asides
	leave  func() // gives the consumer's place back, once
	lane   func() // lets the next of its key have its turn, once
	slots  *turns // the connection's places, when one of them is held
}

type placeKey struct{}

// errWaited runs a handler again from its beginning.
var errWaited = errors.New("waited for a place aside")

// Aside is called by a handler before it waits for a provider, and before it
// has done anything that cannot be done twice: the message gives its
// consumer's place to others, though not to those of the same call, and takes
// one of the few places of that connection until it is settled. So a provider that hangs holds up its own
// connection and nobody else. An error is for the runtime, to be returned as it
// is: either the places stay taken, and the message comes again later; or it
// had to wait for its place, and the handler is run again, because what it had
// read may be old. Outside of a runtime there are no places, and Aside does
// nothing.
func Aside(ctx context.Context, tenant, connection string) error {
	p, ok := ctx.Value(placeKey{}).(*place)
	if !ok || p.slots != nil {
		return nil
	}
	slots := p.asides.get(tenant, connection)
	if slots.waiting("") >= p.asides.per {
		return p.later()
	}
	here := make(chan struct{})
	mine := slots.join("", func() { close(here) })
	p.leave()
	select {
	case <-here:
		p.slots = slots
		return nil
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, asideWait)
	defer cancel()
	defer context.AfterFunc(p.pull, cancel)()
	if !slots.wait(ctx, mine, here) {
		return p.later()
	}
	p.slots = slots
	return errWaited
}

// Beside is called by a handler whose part in the order of its key is over, and
// who waits on: what comes next is handled beside it. From then on it decides
// nothing but by compare-and-set. Its message stays its own until it is settled.
func Beside(ctx context.Context) {
	if p, ok := ctx.Value(placeKey{}).(*place); ok {
		p.lane()
	}
}

// later asks for the message again: early at first, then less and less often.
func (p *place) later() error {
	age := min(max(time.Since(p.stored), 200*time.Millisecond), 5*time.Second)
	return Snooze(age/2+rand.N(age), "its connection has no place free")
}

// end gives back what is held.
func (p *place) end() {
	p.leave()
	if p.slots != nil {
		p.slots.give()
	}
}
