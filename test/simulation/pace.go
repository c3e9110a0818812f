package simulation

import (
	"context"
	"errors"
	"time"

	"github.com/outdial/outdial/internal/pace"
)

// budgets are the accounts' paces, which every process shares and sometimes
// cannot reach.
type budgets struct {
	w *World
	*pace.Memory
}

var errAway = errors.New("away")

func (b budgets) Take(ctx context.Context, a pace.Ask) (pace.Answer, error) {
	if b.w.odds(50) {
		return pace.Answer{}, errAway
	}
	answer, err := b.Memory.Take(ctx, a)
	if answer.Granted {
		b.w.slots[a.Class]++
	} else {
		b.w.sentAway[a.Class]++
	}
	return answer, err
}

// pacer is what a process' services ask for a slot; nil without a rate.
func (p *process) pacer() *pace.Pacer {
	if p.w.opts.rate == 0 {
		return nil
	}
	return pace.NewPacer(budgets{p.w, p.w.paces}, p.w.rates(), 4, p.Now)
}

func (w *World) rates() map[pace.Account]int {
	rates := map[pace.Account]int{}
	if w.opts.rate == 0 {
		return nil
	}
	for _, c := range w.dir.Connections() {
		rates[pace.Account{Tenant: c.Tenant, Connection: c.Name}] = w.opts.rate
	}
	return rates
}

// A sender is a life of a process, at one account.
type sender struct {
	*process
	life int
	conn string
}

// paced hears that a process sends: the sends of one are a slot apart, but for
// what one may sleep too long.
func (w *World) paced(conn string) {
	if w.opts.rate == 0 || w.running == nil {
		return
	}
	w.allSent[conn] = append(w.allSent[conn], w.now)
	p := w.running.of
	by := sender{p, p.life, conn}
	if last, ok := w.sentAt[by]; ok && w.now.Sub(last) < pace.Every(w.opts.rate)-pace.Backlog {
		w.bursts = append(w.bursts, w.now.Sub(last))
	}
	w.sentAt[by] = w.now
}

// overRate says by how much all processes together were ahead of an account's rate:
// so many starts take so many slots, whichever are looked at, but for what one may
// sleep too long.
func (w *World) overRate(conn string) (ahead time.Duration) {
	at := w.allSent[conn]
	for i := range at {
		for j := range i {
			ahead = max(ahead, time.Duration(i-j)*pace.Every(w.opts.rate)-at[i].Sub(at[j])-pace.Backlog)
		}
	}
	return ahead
}

// heldUp is how long the log keeps its answers to intents back, all together.
const heldUp = 3500 * time.Millisecond

// holdUp has an intent's answer come with those of all others of its time.
func (w *World) holdUp() {
	if w.opts.plot == burst && !w.calm {
		w.count("reached")
		w.sleep(heldUp - w.now.Sub(begin)%heldUp)
	}
}
