package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// errStalled says that the consumer must be bound anew.
var errStalled = errors.New("stalled")

// settleWait bounds what the runtime itself does after a handler.
const settleWait = 10 * time.Second

// What a lane holds of a stream at once. Messages that wait for their turn are
// held here, because the broker knows no turns; those beyond a key's share go
// back to it for a while, so that one who floods does not hide the others.
const (
	windowSize = 1024
	shareSize  = windowSize / 2
	pullSize   = 256
)

// A lane is one route at work.
type lane struct {
	rt       *Runtime
	route    Route
	cons     jetstream.Consumer
	turns    *turns        // places for handlers, in turn by key
	window   chan struct{} // messages that wait for a place or have one
	wg       sync.WaitGroup
	arrived  atomic.Uint64 // messages taken, so that a stall is seen
	failures *failures
	log      *slog.Logger
}

// run pulls until pull ends, binding the consumer anew when it stalls, and
// waits for the handlers.
func (l *lane) run(pull, handle context.Context) error {
	defer l.wg.Wait()
	for {
		err := l.consume(pull, handle)
		switch {
		case pull.Err() != nil:
			return nil
		case missing(err):
			return fmt.Errorf("consumer %s is gone: run outdial provision", l.route.name())
		}
		why := "broken"
		if errors.Is(err, errStalled) {
			why = "stalled"
		}
		l.rt.metrics.rebound(l.route, why)
		l.log.Warn("consumer bound anew", "why", why)
		if errors.Is(err, errStalled) {
			continue
		}
		select { // broken: do not spin
		case <-pull.Done():
		case <-time.After(time.Second):
		}
	}
}

// consume pulls until pull ends (nil), the consumer stalls or it breaks.
func (l *lane) consume(pull, handle context.Context) error {
	broken := make(chan error, 1)
	cc, err := l.cons.Consume(func(m jetstream.Msg) { l.take(pull, handle, m) },
		jetstream.PullMaxMessages(pullSize),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
			l.rt.metrics.natsError("consume")
			l.log.Debug("pull ended", "because", refusedWhat(err))
			if missing(err) {
				select {
				case broken <- err:
				default:
				}
			}
		}))
	if err != nil {
		return fmt.Errorf("consume: %w", err)
	}
	tick := time.NewTicker(l.rt.cfg.StallAfter)
	defer tick.Stop()
	for before := l.arrived.Load(); ; {
		select {
		case <-pull.Done():
			cc.Drain() // take hands back what is buffered
			select {
			case <-cc.Closed():
			case <-time.After(settleWait):
				cc.Stop()
			}
			return nil
		case err := <-broken:
			cc.Stop()
			return err
		case <-tick.C:
			now := l.arrived.Load()
			if now == before {
				if err := l.stalled(pull); err != nil {
					cc.Stop()
					return err
				}
			}
			before = now
		}
	}
}

// stalled asks the server whether messages wait for us although none arrive, or
// whether it knows of no pull at all. Clients have been seen to wait for ever
// after a leader change, and after a restart until the next heartbeat is missed.
func (l *lane) stalled(ctx context.Context) error {
	if len(l.window) == cap(l.window) {
		return nil // busy, not stalled
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	info, err := l.cons.Info(ctx)
	if missing(err) {
		return err
	}
	if err != nil {
		return nil // no word: the connection looks after itself
	}
	if info.NumWaiting == 0 { // our pull got lost, or is just being renewed
		sleep(ctx, 250*time.Millisecond)
		if info, err = l.cons.Info(ctx); err == nil && info.NumWaiting == 0 {
			return errStalled
		}
		return nil
	}
	if info.NumPending == 0 || info.NumAckPending >= info.Config.MaxAckPending {
		return nil // nothing waiting, or the server holds back by itself
	}
	return errStalled
}

// take queues a message for its turn, in the order of delivery, and handles it
// beside others when it has come.
func (l *lane) take(pull, handle context.Context, m jetstream.Msg) {
	l.arrived.Add(1)
	key := keyOf(m.Subject())
	if pull.Err() == nil && l.turns.waiting(key) >= shareSize {
		l.nak(m, overShare(m))
		return
	}
	select {
	case <-pull.Done():
		_ = m.Nak() // somebody else may have it at once
		return
	case l.window <- struct{}{}:
	}
	mine := l.turns.join(key)
	l.wg.Go(func() {
		stop := l.heartbeat(m)
		held := l.turns.wait(pull, key, mine)
		leave := sync.OnceFunc(func() {
			if held {
				l.turns.give()
			}
			<-l.window
		})
		p := &place{pull: pull, asides: l.rt.asides, leave: leave}
		defer p.end()
		if !held || pull.Err() != nil {
			stop()
			_ = m.Nak()
			return
		}
		l.handle(handle, m, p, stop)
	})
}

// keyOf says whose message it is: the tenant's, and of a provider's messages
// the connection's.
func keyOf(subject string) string {
	if strings.HasPrefix(subject, "provider.") {
		return subject
	}
	return tenantOf(subject)
}

// overShare is how long the broker keeps a message whose sender has too many
// waiting here: a second, and longer each time, spread out.
func overShare(m jetstream.Msg) time.Duration {
	d := time.Second
	if meta, err := m.Metadata(); err == nil {
		d <<= min(max(meta.NumDelivered, 1)-1, 5)
	}
	d = min(d, maxBackoff)
	return d/2 + rand.N(d)
}

// handle is one message from its turn to settlement.
func (l *lane) handle(ctx context.Context, m jetstream.Msg, p *place, stop func()) {
	start := time.Now()
	l.rt.metrics.inFlight.Add(ctx, 1)
	defer l.rt.metrics.inFlight.Add(ctx, -1)
	d, err := delivery(m)
	p.stored = d.Stored
	ctx, span := l.span(context.WithValue(ctx, placeKey{}, p), d)
	defer span.End()
	if d.Record != nil {
		l.rt.cfg.Seen(d.Stream, d.Seq, d.Record.ID)
	}
	switch {
	case err != nil:
	case l.route.Waits && l.rt.cfg.Held():
		err = Snooze(time.Second, "a store in question")
	default:
		err = l.work(ctx, d)
	}
	stop()
	how := l.settle(ctx, m, d, err)
	span.SetAttributes(attribute.String("outdial.result", how.result))
	if err != nil && how.result != resultSnooze {
		span.SetStatus(codes.Error, how.code)
	}
	l.rt.metrics.settled(ctx, l.route, how.result, how.code, time.Since(start))
}

// work runs the handler and its steps. A panic is a Permanent fault; its value
// may hold anything and stays out of the log.
func (l *lane) work(ctx context.Context, d Delivery) (err error) {
	ctx, cancel := context.WithTimeout(ctx, l.route.Deadline)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			l.log.Error("handler panicked", "seq", d.Seq, "value", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			err = fault.New(fault.Permanent, "handle", "panic", nil)
		}
	}()
	steps, err := l.route.Handle(ctx, d)
	if errors.Is(err, errWaited) {
		steps, err = l.route.Handle(ctx, d)
	}
	if err != nil {
		return err
	}
	return log.Run(ctx, l.rt.cfg.Log, steps...)
}

// heartbeat tells the broker that the message is in good hands, until stopped.
func (l *lane) heartbeat(m jetstream.Msg) (stop func()) {
	quit := make(chan struct{})
	go func() {
		tick := time.NewTicker(max(l.route.AckWait/3, time.Millisecond))
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				_ = m.InProgress()
			}
		}
	}()
	return func() { close(quit) }
}

// delivery reads a message; in the logs it must be a known event.
func delivery(m jetstream.Msg) (Delivery, error) {
	d := Delivery{Subject: m.Subject(), Header: events.Header(m.Headers()), Data: m.Data()}
	meta, err := m.Metadata()
	if err != nil {
		return d, fault.New(fault.Permanent, "read message", "no_metadata", nil)
	}
	d.Stream, d.Seq, d.Stored = meta.Stream, meta.Sequence.Stream, meta.Timestamp
	d.Tries = int(min(meta.NumDelivered, 1<<31-1))
	if d.Stream != events.StreamCalls && d.Stream != events.StreamAgents {
		return d, nil
	}
	rec, err := events.DecodeRecord(d.Subject, d.Header, d.Data)
	if err != nil {
		return d, err
	}
	rec.Seq, rec.Stored, rec.After = d.Seq, d.Stored, log.AfterOf(d.Header)
	d.Record = &rec
	return d, nil
}

// span starts the consumer span, a child of the one that sent the message.
func (l *lane) span(ctx context.Context, d Delivery) (context.Context, trace.Span) {
	name := l.route.Durable
	attrs := []attribute.KeyValue{
		attribute.String("messaging.system", "nats"),
		attribute.String("messaging.destination.name", l.route.Stream),
		attribute.String("messaging.consumer.group.name", l.route.Durable),
		attribute.Int64("outdial.sequence", int64(min(d.Seq, 1<<62))),
	}
	if d.Record != nil {
		name = string(d.Record.Name)
		attrs = append(attrs, attribute.String("outdial."+string(d.Record.Family), d.Record.Key))
	}
	ctx = propagation.TraceContext{}.Extract(ctx, Carrier(d.Header))
	return l.rt.tracer.Start(ctx, "process "+l.route.Stream+"."+name,
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(attrs...))
}
