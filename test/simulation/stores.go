package simulation

import (
	"context"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// facts is FACTS, compare-and-set as the real one.
type facts struct {
	w *World
	p *process
}

type fact struct {
	events.Fact
	seq uint64
}

// Fact implements compliance.Facts.
func (f facts) Fact(_ context.Context, tenant, kind, token string) (events.Fact, uint64, error) {
	f.w.mayDie()
	f.w.hop()
	if f.w.odds(300) {
		return events.Fact{}, 0, unavailable("read subject")
	}
	have := f.w.facts[tenant+"."+kind+"."+token]
	f.w.hop()
	f.p.book.Seen(events.StreamFacts, have.seq, "")
	return have.Fact, have.seq, nil
}

// PutFact implements compliance.Facts.
func (f facts) PutFact(_ context.Context, tenant, kind, token string, to events.Fact, after uint64) error {
	f.w.mayDie()
	f.w.hop()
	f.p.look(false)
	highest := f.p.book.Highest(events.StreamFacts)
	k := tenant + "." + kind + "." + token
	if f.w.facts[k].seq != after {
		return fault.New(fault.Transient, "publish", log.CodeConflict, log.ErrConflict)
	}
	f.w.factSeq++
	f.w.facts[k] = fact{to, f.w.factSeq}
	f.p.book.Acked(events.StreamFacts, f.w.factSeq, "", highest)
	f.w.mayDie()
	f.w.hop()
	return nil
}

// store is PROVIDER as one bridge reaches it.
type store struct {
	w *World
	p *process
}

// Ops implements bridge.Store.
func (s store) Ops(ctx context.Context, o events.Ops) error { return s.w.Ops(ctx, o) }

// Raw implements bridge.Store.
func (s store) Raw(_ context.Context, tenant string, raw events.ProviderRaw, id string) (uint64, error) {
	s.p.mayDie()
	s.w.hop()
	if s.p.cut() || s.w.odds(300) {
		return 0, unavailable("publish")
	}
	seq, err := s.w.raw(tenant, raw, id)
	s.p.mayDie()
	s.w.hop()
	if err == nil && s.w.odds(300) { // stored, and nobody knows
		return 0, unavailable("publish")
	}
	return seq, err
}

// raw stores a message in PROVIDER.
func (w *World) raw(tenant string, raw events.ProviderRaw, id string) (uint64, error) {
	if id == "" {
		id = events.RandomID()
	}
	h, data, err := events.EncodePlain(events.TypeProviderRaw, events.SourceOf(tenant, events.Bridge), raw.Agent, id, w.now, raw)
	if err != nil {
		return 0, err
	}
	w.noteShown(raw)
	return w.publish(worker.Delivery{Stream: events.StreamProvider, Subject: events.ProviderSubject(tenant, raw.Connection),
		Header: h, Data: data}), nil
}

// publish stores a message in a stream that is no log.
func (w *World) publish(m worker.Delivery) uint64 {
	w.plain[m.Stream]++
	m.Seq, m.Stored = w.plain[m.Stream], w.now
	if m.Stream == events.StreamProvider {
		w.raws = append(w.raws, m)
		for _, p := range w.processes {
			if p.up && p.brid != nil {
				p.follow(rawFamily, m.Seq)
			}
		}
	}
	for _, d := range w.durables {
		if d.stream == m.Stream {
			d.offer(m)
		}
	}
	return m.Seq
}

// ackFloor is up to where everything of PROVIDER is acknowledged.
func (w *World) ackFloor() uint64 {
	floor := uint64(len(w.raws))
	for _, d := range w.durables {
		if d.stream == events.StreamProvider {
			for seq := range d.open {
				floor = min(floor, seq-1)
			}
		}
	}
	return floor
}

// published tells everybody of what was stored in a log since.
func (w *World) published(f events.Family) {
	stream := log.StreamOf(f)
	for _, r := range w.since(f, w.told[f]) {
		w.told[f] = r.Seq
		for _, d := range w.durables {
			if d.stream == stream {
				d.offer(worker.Delivery{Stream: stream, Subject: r.Subject(), Seq: r.Seq, Stored: r.Stored, Record: &r})
			}
		}
		for _, p := range w.processes {
			if p.up {
				p.follow(f, r.Seq)
			}
		}
	}
}

// Ops implements the services' Notes.
func (w *World) Ops(_ context.Context, o events.Ops) error {
	w.mayDie()
	w.sleep(w.between(50*time.Microsecond, time.Millisecond))
	w.count("ops " + o.Event + " " + o.What)
	return nil
}
