package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events/fault"
)

// A TailHandler hears the messages of a stream in order, one at a time.
// problem is set when the message could not be read (Record is nil then, on a
// log): an index decides for itself what that means. A Transient error makes
// the tail offer the same message again; any other ends it.
type TailHandler func(ctx context.Context, d Delivery, problem error) error

// A Tailer reads a stream in order for as long as its context lives, e.g. for
// an index in memory. It leaves nothing behind on the server and acknowledges
// nothing.
type Tailer struct {
	js      jetstream.JetStream
	stream  string
	filters []string
	handle  TailHandler
	latest  bool   // begin with the last message of every subject
	target  uint64 // last sequence at the start, of what the filters match
	stall   time.Duration

	seq    atomic.Uint64 // last sequence handled
	hears  atomic.Bool   // the server has a consumer for it
	caught chan struct{}
	once   sync.Once
	done   chan struct{}
	err    error
}

// TailStall is how long a tail hears nothing before it asks the server whether
// there is something to hear.
const TailStall = 5 * time.Second

// Tail reads a stream from the sequence from (0 or 1 = its beginning). filters
// are subjects; none means all. It restarts by itself after whatever befalls
// the connection or the server, without a gap and without a repetition. The
// error is that the stream cannot be read now.
func Tail(ctx context.Context, js jetstream.JetStream, stream string, filters []string, from uint64, h TailHandler) (*Tailer, error) {
	return tail(ctx, js, stream, filters, from, TailStall, h)
}

// Read hands what a stream holds now to a handler, as Tail does, and returns when
// all of it was handled. It waits for a server that is away; the error is that
// the stream cannot be read, the handler's, or the context's end.
func Read(ctx context.Context, js jetstream.JetStream, stream string, filters []string, h TailHandler) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	t, err := Tail(ctx, js, stream, filters, 0, h)
	if err != nil {
		return err
	}
	select {
	case <-t.CaughtUp():
	case <-t.Done():
	}
	// The tail must have ended before what it told is anybody else's.
	stop()
	if err := t.Err(); err != nil {
		return err
	}
	select {
	case <-t.CaughtUp():
		return nil
	default:
		return context.Cause(ctx)
	}
}

// TailLatest is Tail over a whole stream, beginning with the last message of
// every subject, in the order of their sequences.
func TailLatest(ctx context.Context, js jetstream.JetStream, stream string, h TailHandler) (*Tailer, error) {
	t := newTailer(js, stream, nil, TailStall, h)
	t.latest = true
	return t, t.start(ctx)
}

func tail(ctx context.Context, js jetstream.JetStream, stream string, filters []string, from uint64, stall time.Duration, h TailHandler) (*Tailer, error) {
	t := newTailer(js, stream, filters, stall, h)
	if from > 0 {
		t.seq.Store(from - 1)
	}
	return t, t.start(ctx)
}

func newTailer(js jetstream.JetStream, stream string, filters []string, stall time.Duration, h TailHandler) *Tailer {
	return &Tailer{
		js: js, stream: stream, filters: filters, handle: h, stall: stall,
		caught: make(chan struct{}), done: make(chan struct{}),
	}
}

func (t *Tailer) start(ctx context.Context) error {
	var err error
	if t.target, err = t.last(ctx); err != nil {
		return fmt.Errorf("tail %s: %w", t.stream, err)
	}
	t.progress()
	go func() {
		defer close(t.done)
		t.err = t.run(ctx)
	}()
	return nil
}

// CaughtUp is closed once everything that was stored when the tail began has
// been handled.
func (t *Tailer) CaughtUp() <-chan struct{} { return t.caught }

// Hears reports whether the server delivers to this tail now. It notices within
// the stall that it does not.
func (t *Tailer) Hears() bool { return t.hears.Load() }

// Seq is the last sequence handled.
func (t *Tailer) Seq() uint64 { return t.seq.Load() }

// Done is closed when the tail has ended, by its context or by a handler.
func (t *Tailer) Done() <-chan struct{} { return t.done }

// Err says why the tail ended, nil for its context; call it after Done.
func (t *Tailer) Err() error {
	<-t.done
	return t.err
}

// last is the last sequence that the filters match, 0 for none.
func (t *Tailer) last(ctx context.Context) (uint64, error) {
	filters := t.filters
	if len(filters) == 0 {
		filters = []string{">"}
	}
	var last uint64
	for _, f := range filters {
		seq, err := log.LastSequence(ctx, t.js, t.stream, f)
		if err != nil && !errors.Is(err, log.ErrNone) {
			return 0, err
		}
		last = max(last, seq)
	}
	return last, nil
}

func (t *Tailer) progress() {
	if t.seq.Load() >= t.target {
		t.once.Do(func() { close(t.caught) })
	}
}

func (t *Tailer) run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := t.read(ctx)
		if ended, ok := errors.AsType[*tailEnded](err); ok {
			return ended.err
		}
		sleep(ctx, 100*time.Millisecond)
	}
	return nil
}

// tailEnded carries a handler's verdict past the errors that only mean "again".
type tailEnded struct{ err error }

func (e *tailEnded) Error() string { return e.err.Error() }

// read follows one ordered consumer until it breaks.
func (t *Tailer) read(ctx context.Context) error {
	ask, cancel := context.WithTimeout(ctx, 10*time.Second)
	cfg := jetstream.OrderedConsumerConfig{
		FilterSubjects: t.filters, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: t.seq.Load() + 1,
	}
	if t.latest && t.seq.Load() == 0 {
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverLastPerSubjectPolicy, 0
	}
	cons, err := t.js.OrderedConsumer(ask, t.stream, cfg)
	cancel()
	if err != nil {
		return err
	}
	it, err := cons.Messages()
	if err != nil {
		return err
	}
	defer it.Stop()
	t.hears.Store(true)
	defer t.hears.Store(false)
	for {
		m, err := t.next(ctx, it)
		if err != nil || m == nil {
			return err
		}
		if err := t.offer(ctx, m); err != nil {
			return err
		}
	}
}

// next waits for a message. When none comes for a while although the server
// has one, the consumer is given up.
func (t *Tailer) next(ctx context.Context, it jetstream.MessagesContext) (jetstream.Msg, error) {
	for {
		wait, cancel := context.WithTimeout(ctx, t.stall)
		m, err := it.Next(jetstream.NextContext(wait))
		cancel()
		if err == nil {
			return m, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			return nil, err
		}
		last, err := t.last(ctx)
		switch {
		case err != nil: // no word: it is asked again
		case last > t.seq.Load():
			return nil, errStalled
		default: // be it that what was last at the start has aged out
			t.once.Do(func() { close(t.caught) })
		}
	}
}

// offer hands one message over, again and again while the handler cannot take
// it now.
func (t *Tailer) offer(ctx context.Context, m jetstream.Msg) error {
	d, problem := delivery(m)
	if d.Seq <= t.seq.Load() {
		return nil
	}
	for {
		err := t.handle(ctx, d, problem)
		if err == nil {
			t.seq.Store(d.Seq)
			t.progress()
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if fault.Of(err) != fault.Transient {
			return &tailEnded{err}
		}
		sleep(ctx, fault.After(err, 250*time.Millisecond))
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
