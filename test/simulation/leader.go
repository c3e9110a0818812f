package simulation

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/test/exams/logtest"
)

// A leader is the log as one process reaches it: every question takes its
// time, and may go wrong in each way that a broker's answer can.
type leader struct {
	w *World
	p *process
}

var (
	_ log.Leader = leader{}
	_ log.Pauser = leader{}
)

// hop is the way to the broker, or back: usually short.
func (w *World) hop() {
	d := w.between(50*time.Microsecond, 2*time.Millisecond)
	if w.odds(200) {
		d = w.between(5*time.Millisecond, 800*time.Millisecond)
	}
	w.sleep(d)
}

func unavailable(op string) error {
	return fault.New(fault.Transient, op, log.CodeUnavailable, errors.New("no connection"))
}

func unheardOf() error {
	return fault.New(fault.Uncertain, "append", log.CodeAppendUnknown, errors.New("no answer"))
}

// Append implements log.Leader.
func (l leader) Append(_ context.Context, d log.Draft) (log.Appended, error) {
	if b, ok := d.Body.(*events.CallDialing); ok {
		l.w.drafted[b.Attempt] = l.w.now
	}
	l.p.mayDie()
	highest, err := l.p.before(d)
	if err != nil {
		return log.Appended{}, err
	}
	age := l.w.age
	l.w.hop()
	if l.p.cut() {
		return log.Appended{}, unavailable("append")
	}
	how := logtest.None
	switch {
	case l.w.age != age:
		return log.Appended{}, unheardOf() // it was under way to a server that is no more
	case l.w.opts.plot == unheard && d.Name == events.Dialing:
		l.w.count("reached")
		how = logtest.LostAnswer
	case l.w.odds(150):
		how = logtest.Conflict // also the code of an append that is still in flight
	case l.w.odds(250), d.Name == events.Dialing && l.w.odds(40):
		how = logtest.LostAnswer
	case l.w.odds(300):
		how = logtest.StoredUnknown
	case l.w.odds(300):
		how = logtest.NotStored
	}
	if how == logtest.NotStored && l.w.chance(2) {
		// It is on its way, and stored long after everybody gave it up, if the
		// log still stands where it was meant for.
		l.w.after(l.w.between(time.Millisecond, 8*time.Second), func() {
			if l.w.age == age {
				_, _ = l.w.append(d, logtest.None)
			}
		})
	}
	l.w.lookAt(l.p, d)
	a, err := l.w.append(d, how)
	if err == nil {
		l.w.stored(l.p, a)
		l.p.acked(a, highest)
	}
	l.p.mayDie()
	l.w.hop()
	switch {
	case err != nil:
	case l.w.age != age:
		return log.Appended{}, unheardOf()
	case l.p.stopped(d) != nil: // stored, and by that shown: not won
		return log.Appended{}, l.p.stopped(d)
	}
	if b, ok := a.Record.Body.(*events.CallDialing); ok && err == nil && a.Won {
		l.w.holdUp()
		l.w.won[b.Attempt] = true
	}
	a.Won = a.Won || l.w.opts.broken == winning
	return a, err
}

// fresh is how old a look at the agent may be right before the intent, when
// nothing has stopped the process: two slow ways to the broker.
const fresh = 1700 * time.Millisecond

// lookAt remembers an intent for an agent who has not been free for it for
// longer than anybody may need between the look and the intent.
func (w *World) lookAt(p *process, d log.Draft) {
	b, ok := d.Body.(*events.CallDialing)
	if !ok || w.now.Sub(p.frozen) < time.Minute {
		return
	}
	rs, _ := w.log.Read(context.Background(), events.AgentFamily, d.Tenant, b.Agent, 0)
	bad := false
	for _, r := range rs {
		if w.now.Sub(r.Stored) < fresh {
			break
		}
		s, _ := events.StateOf(r.Body)
		bad = s.Presence != events.Ready || s.Claim == nil || s.Claim.Call != d.Key
	}
	if bad && !slices.ContainsFunc(rs, func(r events.Record) bool { return w.now.Sub(r.Stored) < fresh }) {
		w.blind = append(w.blind, d.Key)
	}
}

// append stores for everybody: whoever follows hears of it.
func (w *World) append(d log.Draft, how logtest.Fault) (log.Appended, error) {
	if w.opts.broken == compareAndSet {
		d.After = 0
		if last, err := w.log.Last(context.Background(), d.Family, d.Tenant, d.Key); err == nil {
			d.After = last.Seq
		}
	}
	a, err := w.log.AppendWith(context.Background(), d, how)
	w.published(d.Family)
	return a, err
}

// Read implements log.Leader.
func (l leader) Read(ctx context.Context, f events.Family, tenant, key string, first uint64) ([]events.Record, error) {
	if err := l.ask(); err != nil {
		return nil, err
	}
	rs, err := l.w.log.Read(ctx, f, tenant, key, first)
	l.w.hop()
	return rs, err
}

// Last implements log.Leader.
func (l leader) Last(ctx context.Context, f events.Family, tenant, key string) (events.Record, error) {
	if err := l.ask(); err != nil {
		return events.Record{}, err
	}
	r, err := l.w.log.Last(ctx, f, tenant, key)
	l.w.hop()
	l.p.seen(r, err)
	return r, err
}

// At implements log.Leader.
func (l leader) At(ctx context.Context, f events.Family, seq uint64) (events.Record, error) {
	if err := l.ask(); err != nil {
		return events.Record{}, err
	}
	r, err := l.w.log.At(ctx, f, seq)
	l.w.hop()
	l.p.seen(r, err)
	return r, err
}

func (l leader) ask() error {
	l.w.reads++
	l.p.mayDie()
	l.w.hop()
	if l.p.cut() || l.w.odds(500) {
		return unavailable("read log")
	}
	return nil
}

// Pause implements log.Pauser: a lost race waits in virtual time.
func (l leader) Pause(context.Context, int) error {
	l.w.sleep(l.w.between(0, 10*time.Millisecond))
	return nil
}
