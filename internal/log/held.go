package log

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// Held is a call that is in memory, open or closed lately, as far as it was
// heard: be that before everything stored at the start was, or with an event
// missing that cannot be read. So nobody decides by it; it is for those who hear
// the log event by event and ask how a call stands. Nil: it is not held. Nobody
// changes it.
func (f *Follower) Held(ref Ref) *lifecycle.Call {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.calls[ref]
}

// Held is the Held of the view, nil without one that has it.
func (l *Log) Held(ref Ref) *lifecycle.Call {
	if f, ok := l.view.(interface{ Held(Ref) *lifecycle.Call }); ok {
		return f.Held(ref)
	}
	return nil
}

// Ended tells in order, from a time on, which legs ended of whatever call. What
// cannot be read is left out.
func Ended(ctx context.Context, js jetstream.JetStream, from time.Time, take func(events.Record)) error {
	return read(ctx, js, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{events.LogSubject(events.CallFamily, "*", "*", events.Bridge, events.Ended)},
		DeliverPolicy:  jetstream.DeliverByStartTimePolicy, OptStartTime: &from,
	}, take)
}

// read is walk for those who want what can be read.
func read(ctx context.Context, js jetstream.JetStream, c jetstream.OrderedConsumerConfig, take func(events.Record)) error {
	_, err := walk(ctx, js, c, func(m jetstream.Msg) bool {
		r, err := events.DecodeRecord(m.Subject(), events.Header(m.Headers()), m.Data())
		if meta, e := m.Metadata(); err == nil && e == nil {
			r.Seq = meta.Sequence.Stream
			take(r)
		}
		return true
	})
	if err != nil {
		return transient("look through the log", CodeUnavailable, err)
	}
	return nil
}
