package pace

import (
	"context"
	"sync"
	"time"
)

// A Class says how urgent a question to a provider is; the lower number comes
// first.
type Class int

// The classes.
const (
	Dial  Class = iota // a call is placed
	Check              // a call is prepared, or asked about
	Poll               // an agent's status is looked at
)

const (
	// Horizon is how far ahead a dial takes its slot. A call whose slot would
	// be later waits with its request, and lets go of its agent.
	Horizon = 5 * time.Second
	// Grace is how long one who was sent away still counts as waiting after
	// the moment that was named to it.
	Grace = 100 * time.Millisecond
)

// Every is the time between two slots of so many a second, a little rather than
// less: stores count microseconds.
func Every(perSecond int) time.Duration {
	return (time.Second/time.Microsecond + time.Duration(perSecond) - 1) / time.Duration(perSecond) * time.Microsecond
}

// An Ask wants one slot of the budget of a connection, which is an account at a
// provider.
type Ask struct {
	Tenant, Connection string
	Every              time.Duration // between two slots
	Class              Class
	// Ahead is how long from now all slots are taken, as far as the asker knows:
	// a store that was emptied learns of it again.
	Ahead time.Duration
}

// An Answer grants a slot, or says when to ask again.
type Answer struct {
	Granted bool
	// Wait is how long until the slot, which is more than nothing for dials
	// alone; of an ask that was not granted, until there may be one.
	Wait time.Duration
	// Booked is how long from now all slots are taken.
	Booked time.Duration
}

// A Store keeps the budgets of all processes that share it. Its error says that
// nobody knows whether a slot was taken: it is then taken for lost, and nothing
// else is.
type Store interface {
	Take(ctx context.Context, a Ask) (Answer, error)
}

// A Budget is what is known of one account: the first slot that nobody has
// taken, and until when somebody of each class waits. The zero value has all
// slots free.
type Budget struct {
	next  time.Time
	waits [Poll + 1]time.Time
}

// Take decides about one ask. Slots are a period apart, so that no stretch of
// time holds more of them than the rate allows: providers count by windows that
// they do not tell. A dial takes the first free slot within the horizon, and
// what it has taken stands in everybody's way. A lower class takes a slot that
// is free now or none, and none while a higher one waits. The script take.lua
// decides the same.
func (b *Budget) Take(a Ask, now time.Time) Answer {
	// What a clock that was set back has left must not hold the account up.
	most := Horizon + a.Every
	slot := now.Add(min(max(b.next.Sub(now), a.Ahead, 0), most))
	free, reach := slot, time.Duration(0)
	if a.Class == Dial {
		reach = Horizon
	}
	for above := Check; above < a.Class; above++ {
		if w := now.Add(min(b.waits[above].Sub(now), 2*Horizon)); w.After(free) {
			free = w
		}
	}
	wait := free.Sub(now)
	if wait > reach {
		b.waits[a.Class] = free.Add(Grace)
		return Answer{Wait: wait, Booked: slot.Sub(now)}
	}
	b.next = slot.Add(a.Every)
	return Answer{Granted: true, Wait: wait, Booked: b.next.Sub(now)}
}

// Memory is a Store of one process.
type Memory struct {
	now     func() time.Time
	mu      sync.Mutex
	budgets map[[2]string]*Budget
}

var _ Store = (*Memory)(nil)

// NewMemory makes one by a clock that should be monotonic.
func NewMemory(now func() time.Time) *Memory {
	return &Memory{now: now, budgets: map[[2]string]*Budget{}}
}

// Take implements Store.
func (m *Memory) Take(_ context.Context, a Ask) (Answer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	account := [2]string{a.Tenant, a.Connection}
	b := m.budgets[account]
	if b == nil {
		b = &Budget{}
		m.budgets[account] = b
	}
	return b.Take(a, m.now()), nil
}
