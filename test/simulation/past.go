package simulation

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/log/marks"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/test/exams/logtest"
)

// A copy is the whole store as somebody put it aside: logs, side streams, what
// is on record of its past, and what the durables had delivered.
type copied struct {
	log     *logtest.Log
	told    map[events.Family]uint64
	plain   map[string]uint64
	raws    []worker.Delivery
	facts   map[string]fact
	factSeq uint64
	tapes   map[string]tape
	record  marks.Record
	open    map[*durable][]worker.Delivery
	at      time.Time
}

// putAside makes a copy.
func (w *World) putAside() *copied {
	c := &copied{log: w.log.Copy(), told: maps.Clone(w.told), plain: maps.Clone(w.plain), raws: slices.Clone(w.raws),
		facts: maps.Clone(w.facts), tapes: maps.Clone(w.tapes), factSeq: w.factSeq, record: w.record, open: map[*durable][]worker.Delivery{}, at: w.now}
	for _, d := range w.durables {
		for _, seq := range slices.Sorted(maps.Keys(d.open)) {
			c.open[d] = append(c.open[d], d.open[seq].msg)
		}
	}
	return c
}

// putBack has the server start with a copy, under services that run. What was
// on its way to the server before is gone.
func (w *World) putBack(c *copied) {
	w.count("stores put back")
	w.forget(c)
	w.log, w.told, w.plain, w.raws = c.log, c.told, c.plain, c.raws
	w.facts, w.factSeq, w.record, w.tapes = c.facts, c.factSeq, c.record, c.tapes
	w.age++
	for _, p := range w.processes {
		p.linked++
		p.away = w.now.Add(w.between(50*time.Millisecond, 3*time.Second))
	}
	for _, d := range w.durables {
		for _, seq := range slices.Sorted(maps.Keys(d.open)) {
			d.open[seq].gone = true
		}
		d.open = map[uint64]*pending{}
		for _, m := range c.open[d] {
			d.offer(m)
		}
	}
	for _, d := range w.ledger { // what the record knew of it is not known any more
		d.since, d.polls = time.Time{}, nil
	}
	w.sentAgain(c)
}

// forget notes what the copy does not know: intents, and what became of those
// that it knows.
func (w *World) forget(c *copied) {
	for f, end := range c.told {
		w.asked = w.asked || w.log.End(f) > end
	}
	for _, r := range w.since(events.CallFamily, c.told[events.CallFamily]) {
		if b, ok := r.Body.(*events.CallDialing); ok {
			w.lost[b.Attempt] = true
		}
	}
	for _, ref := range w.calls {
		if known, err := log.Call(context.Background(), c.log, ref.Tenant, ref.ID, 0); err == nil && known.Open() {
			w.unsure[ref.ID] = true
		}
	}
}

// sentAgain is what upstream systems do whose requests are in the copy no more:
// some send them again, while nothing is accepted yet, and the others never do.
func (w *World) sentAgain(c *copied) {
	kept := w.calls[:0]
	for _, ref := range w.calls {
		m := w.requests[ref]
		if !m.at.Before(c.at) {
			if !w.chance(2) {
				delete(w.requests, ref)
				continue
			}
			w.after(w.between(0, 10*time.Second), func() { w.publish(m.Delivery) })
		}
		kept = append(kept, ref)
	}
	w.calls = kept
}

// A request is what an upstream system sent, and when.
type request struct {
	worker.Delivery
	at time.Time
}

// loseStore has a copy made at one time and put back at another. It is longer
// than anybody lags or stands still: who knew less than the copy would believe it.
func (w *World) loseStore() {
	at := w.between(20*time.Second, 30*time.Second)
	w.after(at, func() {
		c := w.putAside()
		w.after(w.between(40*time.Second, 60*time.Second), func() { w.putBack(c) })
	})
}

// standing is how the store stands, as this process knows.
func (p *process) standing() marks.Standing {
	s := p.stands
	s.Held = s.Held || p.held()
	return s
}

func (p *process) held() bool { return p.book.Held() != nil }

// views are what the server shows of the streams whose past matters.
func (w *World) views(asked map[string]marks.Mark, ends bool) map[string]marks.View {
	out := map[string]marks.View{events.StreamFacts: {Created: begin, Last: w.factSeq}}
	for _, f := range []events.Family{events.CallFamily, events.AgentFamily} {
		v := marks.View{Created: begin, Last: w.log.End(f)}
		v.ID = w.idAt(f, asked[log.StreamOf(f)].Seq)
		if ends {
			v.LastID = w.idAt(f, v.Last)
		}
		out[log.StreamOf(f)] = v
	}
	return out
}

func (w *World) idAt(f events.Family, seq uint64) string {
	r, err := w.log.At(context.Background(), f, seq)
	if err != nil {
		return ""
	}
	return r.ID
}

// meet is what a process does at its start: it holds what it kept against the
// store.
func (p *process) meet() {
	views := p.w.views(p.kept.Marks, true)
	known := &p.kept
	if known.Marks == nil {
		known = nil
	}
	switch finding, stream, why := marks.Meet(known, p.w.record, views); finding {
	case marks.Sound:
		p.kept.Regression = nil
		p.book = marks.NewBook(p.kept)
		p.book.Looked(p.kept.Marks, views)
	case marks.WentBack:
		p.book = marks.NewBook(p.kept)
		p.book.Regress(stream, why)
	default:
		p.book = marks.NewBook(marks.Known{})
		p.book.Adopt(p.w.record.Epoch(), views)
	}
	if open := p.w.record.Open(); open != nil {
		p.book.Told(*open)
	}
	p.looked = p.linked
	p.stands = p.w.record.Standing()
	p.stands.Held = p.held()
}

// look asks the server about the known ends, where the connection is new.
func (p *process) look(always bool) {
	if always || p.looked != p.linked {
		asked := p.book.Marks()
		p.book.Looked(asked, p.w.views(asked, always))
		p.looked = p.linked
	}
}

// minds is the second's turn of who keeps a process's past, as runtime's does.
func (p *process) minds() {
	for n := 1; ; n++ {
		p.w.sleep(time.Second)
		if !p.reaches() {
			continue
		}
		p.look(n%10 == 0)
		p.obey()
		p.tell()
		if now := p.w.record.Standing(); now.Epoch != p.stands.Epoch || p.held() != p.stands.Held {
			p.stands = now
			p.stands.Held = p.held()
			p.begin()
		}
		p.kept, _ = p.book.Known()
	}
}

// obey hears what the others found, and what somebody decided.
func (p *process) obey() {
	switch k, _ := p.book.Known(); {
	case p.w.record.Epoch() > k.Epoch:
		p.book.Adopt(p.w.record.Epoch(), p.w.views(nil, true))
	case p.w.record.Epoch() < k.Epoch:
		p.book.Regress(events.StreamControl, "its record of accepted stores is gone")
	}
	if open := p.w.record.Open(); open != nil {
		p.book.Told(*open)
	}
}

// tell puts what was found on record, for all, and somebody looks into it.
func (p *process) tell() {
	k, _ := p.book.Known()
	if open := p.w.record.Open(); k.Regression == nil || open != nil && open.Epoch > k.Epoch {
		return
	}
	mine := *k.Regression
	mine.Epoch = max(k.Epoch, p.w.record.Epoch()) + 1
	p.w.record.Regression = &mine
	p.book.Told(mine)
	p.w.count("reached")
	p.w.count("ops store went back: " + fmt.Sprint(mine.Stream))
	p.w.after(p.w.between(15*time.Second, 40*time.Second), func() { p.w.accept(mine) })
}

// accept is `outdial resolve-regression`.
func (w *World) accept(r events.Regression) {
	a := &events.Acceptance{Regression: r.ID, Epoch: r.Epoch, AcceptedAt: w.now, Through: maps.Clone(w.plain)}
	for _, f := range []events.Family{events.CallFamily, events.AgentFamily} {
		a.Through[log.StreamOf(f)] = w.log.End(f)
	}
	a.Through[events.StreamFacts] = w.factSeq
	w.record.Acceptance, w.asked = a, false
}

// begin hears both logs, and PROVIDER, from their beginnings.
func (p *process) begin() {
	for _, f := range []events.Family{events.AgentFamily, events.CallFamily} {
		if p.view.Heard(f) > 0 {
			p.view.Reset(f)
		}
		if p.orch != nil {
			p.orch.Forget(f)
		}
	}
	if p.comp != nil {
		p.comp.Forget()
	}
	if p.dial != nil {
		p.dial.Forget()
	}
	if p.brid != nil {
		p.brid.Forget()
	}
	for _, f := range []events.Family{events.AgentFamily, events.CallFamily} {
		p.hear(f, ^uint64(0))
		p.view.CaughtUp(f)
	}
	if p.orch != nil {
		p.orch.CaughtUp()
	}
	if p.brid != nil {
		p.raws = p.w.ackFloor()
		p.brid.HearAfter(p.raws)
		p.hearRaw(^uint64(0))
	}
}

// before is what is asked ahead of an append.
func (p *process) before(d log.Draft) (highest uint64, err error) {
	p.look(false)
	return p.book.Highest(log.StreamOf(d.Family)), p.stopped(d)
}

// stopped refuses what trusts the store while that is in question.
func (p *process) stopped(d log.Draft) error {
	if p.held() && d.Trusts() {
		return fault.New(fault.Transient, "append", log.CodeWentBack, log.ErrWentBack)
	}
	return nil
}

// acked holds an acknowledgement against what was known before. What was found
// by reading back is compared with its place alone.
func (p *process) acked(a log.Appended, highest uint64) {
	stream := log.StreamOf(a.Record.Family)
	if !a.Won {
		p.book.Seen(stream, a.Record.Seq, a.Record.ID)
		return
	}
	p.book.Acked(stream, a.Record.Seq, a.Record.ID, highest)
	if p.w.asked && a.Record.Name == events.Dialing && a.Record.Family == events.CallFamily {
		p.w.early = append(p.w.early, a.Record.Key)
	}
}

// seen notes the place of an event that was read.
func (p *process) seen(r events.Record, err error) {
	if err == nil {
		p.book.Seen(log.StreamOf(r.Family), r.Seq, r.ID)
	}
}
