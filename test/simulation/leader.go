package simulation

import (
	"context"
	"errors"
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

func lost() error {
	return fault.New(fault.Uncertain, "append", log.CodeAppendUnknown, errors.New("no answer"))
}

// Append implements log.Leader.
func (l leader) Append(_ context.Context, d log.Draft) (log.Appended, error) {
	l.p.mayDie()
	l.w.hop()
	if l.p.cut() {
		return log.Appended{}, unavailable("append")
	}
	how := logtest.None
	switch {
	case l.w.odds(150):
		how = logtest.Conflict // also the code of an append that is still in flight
	case l.w.odds(250):
		how = logtest.LostAnswer
	case l.w.odds(300):
		how = logtest.StoredUnknown
	case l.w.odds(300):
		how = logtest.NotStored
	}
	if how == logtest.NotStored && l.w.chance(2) {
		// It is on its way, and stored long after everybody gave it up, if the
		// log still stands where it was meant for.
		l.w.after(l.w.between(time.Millisecond, 8*time.Second), func() { _, _ = l.w.append(d, logtest.None) })
	}
	a, err := l.w.append(d, how)
	l.p.mayDie()
	l.w.hop()
	if b, ok := a.Record.Body.(*events.CallDialing); ok && err == nil && a.Won {
		l.w.won[b.Attempt] = true
	}
	return a, err
}

// append stores for everybody: whoever follows hears of it.
func (w *World) append(d log.Draft, how logtest.Fault) (log.Appended, error) {
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
	return r, err
}

// At implements log.Leader.
func (l leader) At(ctx context.Context, f events.Family, seq uint64) (events.Record, error) {
	if err := l.ask(); err != nil {
		return events.Record{}, err
	}
	r, err := l.w.log.At(ctx, f, seq)
	l.w.hop()
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
