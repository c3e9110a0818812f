package simulation

import (
	"context"
	"errors"

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

// pace is what a process' services ask for a slot; nil without a rate.
func (p *process) pace() func(context.Context, string, string, pace.Class) pace.Answer {
	if p.w.opts.rate == 0 {
		return nil
	}
	rates := map[pace.Account]int{}
	for _, c := range p.w.dir.Connections() {
		rates[pace.Account{Tenant: c.Tenant, Connection: c.Name}] = p.w.opts.rate
	}
	return pace.NewPacer(budgets{p.w, p.w.paces}, rates, 4, p.Now).Ask
}
