package pace

import (
	"context"
	"sync"
	"time"
)

// again is how long a store that did not answer is left alone. Whoever asks
// meanwhile does not wait for it.
const again = time.Second

// An Account names a connection.
type Account struct{ Tenant, Connection string }

// A Pacer asks for one process. While the store is away it keeps a share of
// each budget by itself, so that nobody stands still; it begins with that
// where everybody's slots end that it has heard of.
type Pacer struct {
	store     Store // nil: every process keeps its share
	rates     map[Account]int
	processes int
	now       func() time.Time

	mu       sync.Mutex
	accounts map[Account]*account
	until    time.Time // the store is left alone
	alone    bool
	tell     func(ctx context.Context, alone bool)
}

// An account is what this process knows of a budget.
type account struct {
	booked time.Time           // until when all slots are taken
	quiet  [Poll + 1]time.Time // until when there is none for a class, as it was told
	own    Budget              // this process' share, while the store is away
	clear  time.Time           // when this process may send again
}

// NewPacer makes one of the connections' rates, each in slots a second; a
// connection without a rate has no pace. processes are how many may ask, each of
// which has its share of a budget while store does not answer; a nil store never
// does. now is monotonic, as time.Now is.
func NewPacer(store Store, rates map[Account]int, processes int, now func() time.Time) *Pacer {
	return &Pacer{store: store, rates: rates, processes: max(processes, 1), now: now, accounts: map[Account]*account{}}
}

// Tell has f called when the store stops answering, and when it does again. Of
// several who want to be told, the first is.
func (p *Pacer) Tell(f func(ctx context.Context, alone bool)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tell == nil {
		p.tell = f
	}
}

// Rates are the connections that have one, in slots a second.
func (p *Pacer) Rates() map[Account]int { return p.rates }

// Ask asks for one slot of a connection. It never fails, and a nil Pacer grants
// everything at once.
func (p *Pacer) Ask(ctx context.Context, tenant, connection string, class Class) Answer {
	of := Account{tenant, connection}
	if p == nil || p.rates[of] <= 0 {
		return Answer{Granted: true}
	}
	now := p.now()
	ask := Ask{Tenant: tenant, Connection: connection, Every: Every(p.rates[of]), Class: class}
	p.mu.Lock()
	a := p.of(of)
	ask.Ahead = a.booked.Sub(now)
	quiet, away := a.silence(class, now), p.store == nil || now.Before(p.until)
	p.mu.Unlock()
	if quiet > 0 {
		return Answer{Wait: quiet, Booked: ask.Ahead}
	}
	if !away {
		answer, err := p.store.Take(ctx, ask)
		if err != nil && ctx.Err() != nil {
			return Answer{Wait: ask.Every, Booked: ask.Ahead} // nobody waits for it any more
		}
		p.heard(ctx, err == nil)
		if err == nil {
			return p.learn(a, class, now, answer)
		}
	}
	p.mu.Lock()
	ask.Every *= time.Duration(p.processes)
	answer := a.own.Take(ask, now)
	p.mu.Unlock()
	return p.learn(a, class, now, answer)
}

// Backlog is how late the sends of one process may be behind their slots before
// others hear of it: less is the difference between one look and another.
const Backlog = 250 * time.Millisecond

// Distance is how long one who has had its slot waits until it sends, so that
// those who were held up together do not send together: the sends of one process
// are a slot apart. It takes no slot. What is sent late takes the place of slots
// to come, which the store learns from the next who asks. It is false where the
// wait would be most or longer: nothing may be sent then. A nil Pacer never has
// anybody wait.
func (p *Pacer) Distance(tenant, connection string, most time.Duration) (wait time.Duration, ok bool) {
	of := Account{tenant, connection}
	if p == nil || p.rates[of] <= 0 {
		return 0, true
	}
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.of(of)
	if wait = max(a.clear.Sub(now), 0); wait > 0 && wait >= most {
		return 0, false
	}
	a.clear = now.Add(wait + Every(p.rates[of]))
	if wait > Backlog && a.clear.After(a.booked) {
		a.booked = a.clear
	}
	return wait, true
}

// of is what is known of an account. The caller holds the lock.
func (p *Pacer) of(name Account) *account {
	a := p.accounts[name]
	if a == nil {
		a = &account{}
		p.accounts[name] = a
	}
	return a
}

// silence is for how long there is no slot for a class, as this process was
// told before: nobody is asked for what is known.
func (a *account) silence(class Class, now time.Time) (left time.Duration) {
	for c := Check; c <= class; c++ {
		left = max(left, a.quiet[c].Sub(now))
	}
	return left
}

// learn keeps what an answer tells. It counts from before the question: the
// answer may have been long on its way.
func (p *Pacer) learn(a *account, class Class, asked time.Time, answer Answer) Answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	if b := asked.Add(answer.Booked); b.After(a.booked) {
		a.booked = b
	}
	if !answer.Granted {
		a.quiet[class] = asked.Add(answer.Wait)
	}
	return answer
}

// heard keeps whether the store answered, and says so where that is news.
func (p *Pacer) heard(ctx context.Context, answered bool) {
	p.mu.Lock()
	news, tell := p.alone == answered, p.tell
	p.alone = !answered
	if !answered {
		p.until = p.now().Add(again)
	}
	p.mu.Unlock()
	if news && tell != nil {
		tell(ctx, !answered)
	}
}
