package log

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// walk shows every message that is stored in CALLS now and that a consumer of
// this configuration is given, in order, until show says that it is enough. It
// says where the last one stands, 0 for none.
func walk(ctx context.Context, js jetstream.JetStream, c jetstream.OrderedConsumerConfig, show func(jetstream.Msg) bool) (uint64, error) {
	cons, err := js.OrderedConsumer(ctx, events.StreamCalls, c)
	if err != nil {
		return 0, err
	}
	pending := cons.CachedInfo().NumPending
	if pending == 0 {
		return 0, nil
	}
	it, err := cons.Messages(jetstream.PullMaxMessages(span))
	if err != nil {
		return 0, err
	}
	defer it.Stop()
	var last jetstream.Msg
	for ; pending > 0; pending-- {
		wait, cancel := context.WithTimeout(ctx, 10*time.Second)
		last, err = it.Next(jetstream.NextContext(wait))
		cancel()
		if err != nil {
			return 0, err
		}
		if !show(last) {
			break
		}
	}
	meta, err := last.Metadata()
	if err != nil {
		return 0, fmt.Errorf("a message of %s without metadata: %w", events.StreamCalls, err)
	}
	return meta.Sequence.Stream, nil
}

// Forward brings a snapshot to the end of what is stored now, by a walk through
// what came after its place: what that costs is how old it is. From nothing, the
// zero Snapshot, it looks at the headers of the whole stream, and they do not tell
// who was handed on: HandedOn does. Handed may list more than were.
func (s Snapshot) Forward(ctx context.Context, js jetstream.JetStream) (Snapshot, error) {
	open, handed := map[Ref]struct{}{}, map[Ref]struct{}{}
	for _, ref := range s.Open {
		open[ref] = struct{}{}
	}
	for _, ref := range s.Handed {
		handed[ref] = struct{}{}
	}
	var last jetstream.Msg
	c := jetstream.OrderedConsumerConfig{HeadersOnly: s.Seq == 0, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: s.Seq + 1}
	through, err := walk(ctx, js, c, func(m jetstream.Msg) bool {
		last = m
		_, tenant, call, role, name, _ := events.ParseLogSubject(m.Subject())
		ref := Ref{tenant, call}
		_, known := events.Lookup(events.CallFamily, role, name)
		switch {
		case name == events.Closed:
			delete(open, ref)
		case name == events.Requested || !known: // who reads it says what is wrong with it
			open[ref] = struct{}{}
		case mayHandOn(name, m):
			handed[ref] = struct{}{} // its end is not looked for: who reads the log sees it
		}
		return true
	})
	if err != nil {
		return Snapshot{}, transient("look through the log", CodeUnavailable, err)
	}
	s.Open, s.Handed = slices.Collect(maps.Keys(open)), slices.Collect(maps.Keys(handed))
	if last != nil {
		s.Seq, s.ID = through, EventIDOf(events.Header(last.Headers()))
	}
	return s, nil
}

// HandedOn finds the calls whose customer may have been handed on since a moment
// of the server's clock and is on a line of ours still, where no snapshot tells:
// it looks at all that ended since.
func HandedOn(ctx context.Context, js jetstream.JetStream, since time.Time) ([]Ref, error) {
	up := map[Ref]struct{}{}
	_, err := walk(ctx, js, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{events.LogSubject(events.CallFamily, "*", "*", events.Bridge, events.Ended)},
		DeliverPolicy:  jetstream.DeliverByStartTimePolicy, OptStartTime: &since,
	}, func(m jetstream.Msg) bool {
		_, tenant, call, _, name, _ := events.ParseLogSubject(m.Subject())
		if mayHandOn(name, m) {
			up[Ref{tenant, call}] = struct{}{}
		} else {
			delete(up, Ref{tenant, call})
		}
		return true
	})
	if err != nil {
		return nil, transient("look through the log", CodeUnavailable, err)
	}
	return slices.Collect(maps.Keys(up)), nil
}

// mayHandOn says that an event ends the agent's part alone, or something in it
// only sounds so: whoever is told of it reads the log. It is asked of every call
// that ended for hours, so nothing is decoded for it.
func mayHandOn(name events.Name, m jetstream.Msg) bool {
	return name == events.Ended && bytes.Contains(m.Data(), []byte(events.EndTransferred))
}

// span is how many messages of CALLS History looks at at once.
const span = 2_000

// History tells who asked for each call of a tenant, whom it was assigned to and
// how it closed, as far as that is stored before a place of CALLS, 0: its end. It
// looks back span by span, the latest first and each in its order, until more
// says that it is enough or ctx ends, and says before which place it has not
// looked; 0: it has looked at everything. A subject's filter would have the
// broker count all that matches for every span. What cannot be read is left out.
func History(ctx context.Context, js jetstream.JetStream, tenant string, before uint64, more func([]events.Record) bool) (rest uint64, err error) {
	stream, err := js.Stream(ctx, events.StreamCalls)
	if err != nil {
		return 0, transient("look through the log", CodeUnavailable, err)
	}
	kept := stream.CachedInfo().State
	if before == 0 || before > kept.LastSeq {
		before = kept.LastSeq + 1
	}
	for before > kept.FirstSeq {
		from := kept.FirstSeq
		if before-from > span {
			from = before - span
		}
		records, err := told(ctx, js, tenant, from, before)
		if ctx.Err() != nil {
			return before, nil
		}
		if err != nil {
			return 0, transient("look through the log", CodeUnavailable, err)
		}
		if before = from; !more(records) {
			break
		}
	}
	if before <= kept.FirstSeq {
		return 0, nil
	}
	return before, nil
}

// told are the events of a tenant's calls by which History tells of them, from
// one place up to another.
func told(ctx context.Context, js jetstream.JetStream, tenant string, from, before uint64) (records []events.Record, err error) {
	c := jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from}
	_, err = walk(ctx, js, c, func(m jetstream.Msg) bool {
		meta, err := m.Metadata()
		if err != nil || meta.Sequence.Stream >= before {
			return false
		}
		_, whose, _, role, name, _ := events.ParseLogSubject(m.Subject())
		if whose != tenant || role != events.Orchestrator || name != events.Requested && name != events.Assigned && name != events.Closed {
			return true
		}
		if r, err := events.DecodeRecord(m.Subject(), events.Header(m.Headers()), m.Data()); err == nil {
			r.Seq = meta.Sequence.Stream
			records = append(records, r)
		}
		return true
	})
	return records, err
}

// Past tells of the last events that are stored of all calls, so many at the most,
// in their order: of those that are wanted by name. What cannot be read is left
// out. It is a walk without a subject's filter, as History is.
func Past(ctx context.Context, js jetstream.JetStream, most uint64, want func(events.Name) bool, take func(events.Record)) error {
	last, err := LastSequence(ctx, js, events.StreamCalls, ">")
	if errors.Is(err, ErrNone) {
		return nil
	}
	if err == nil {
		c := jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: last - min(last-1, most)}
		_, err = walk(ctx, js, c, func(m jetstream.Msg) bool {
			_, _, _, _, name, _ := events.ParseLogSubject(m.Subject())
			if !want(name) {
				return true
			}
			if r, err := events.DecodeRecord(m.Subject(), events.Header(m.Headers()), m.Data()); err == nil {
				take(r)
			}
			return true
		})
	}
	if err != nil {
		return transient("look through the log", CodeUnavailable, err)
	}
	return nil
}

// ReadAll reads calls from the leader, some at a time. unread are those whose
// log holds an event that cannot be read; those whose beginning has aged out
// are left out.
func ReadAll(ctx context.Context, l Leader, calls []Ref) (logs [][]events.Record, unread []Ref, err error) {
	const readers = 16
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	var wg sync.WaitGroup
	todo := make(chan Ref)
	for range readers {
		wg.Go(func() {
			for ref := range todo {
				records, err := l.Read(ctx, events.CallFamily, ref.Tenant, ref.ID, 0)
				mu.Lock()
				switch {
				case err == nil && len(records) > 0:
					logs = append(logs, records)
				case err == nil || fault.Code(err) == CodeCut:
				case fault.Of(err) == fault.Permanent:
					unread = append(unread, ref)
				default:
					cancel(err)
				}
				mu.Unlock()
			}
		})
	}
	for _, ref := range calls {
		if ctx.Err() != nil {
			break
		}
		todo <- ref
	}
	close(todo)
	wg.Wait()
	return logs, unread, context.Cause(ctx)
}
