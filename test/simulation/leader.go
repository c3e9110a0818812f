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
	a, err := l.together(d, age)
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

// alone appends one draft by itself, to the store as it was at an age.
func (l leader) alone(d log.Draft, age int) (log.Appended, error) {
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
	return l.w.append(d, how)
}

// A batch is what a process sends at once: of each log one event.
type batch struct {
	of   []*member
	sent bool
}

type member struct {
	d   log.Draft
	age int
	a   log.Appended
	err error
}

// together appends a draft with whatever else of its process waits within some
// milliseconds, atomically: all of it, or each by itself when one would be
// refused. What is not heard of a batch is not heard of any in it.
func (l leader) together(d log.Draft, age int) (log.Appended, error) {
	if l.w.opts.plot != free {
		return l.alone(d, age) // it has a case of its own to come to
	}
	m, b := &member{d: d, age: age}, l.p.batches[d.Family]
	if b == nil || slices.ContainsFunc(b.of, func(o *member) bool { return o.d.Tenant == d.Tenant && o.d.Key == d.Key }) {
		if b != nil || !l.w.chance(3) {
			return l.alone(d, age)
		}
		b = &batch{of: []*member{m}}
		l.p.batches[d.Family] = b
		l.w.sleep(l.w.between(time.Millisecond, 10*time.Millisecond))
		delete(l.p.batches, d.Family)
		l.commit(b)
		return m.a, m.err
	}
	b.of = append(b.of, m)
	for !b.sent {
		l.w.sleep(time.Millisecond)
	}
	return m.a, m.err
}

// commit sends a batch and decides for all in it.
func (l leader) commit(b *batch) {
	b.sent = true
	if len(b.of) == 1 || slices.ContainsFunc(b.of, func(m *member) bool { return m.age != l.w.age || !l.w.log.Fits(m.d) }) {
		for _, m := range b.of {
			m.a, m.err = l.alone(m.d, m.age)
		}
		return
	}
	stored, heard := !l.w.odds(60), !l.w.odds(30)
	l.w.count("batches")
	for _, m := range b.of {
		how := logtest.None
		switch found := !l.w.odds(4); { // whether the read-back is answered
		case stored && !heard && found:
			how = logtest.LostAnswer
		case stored && !heard:
			how = logtest.StoredUnknown
		case !stored && found:
			how = logtest.Conflict
		case !stored:
			how = logtest.NotStored
		}
		l.w.lookAt(l.p, m.d)
		m.a, m.err = l.w.append(m.d, how)
	}
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
