package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"slices"
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

const (
	// settleWait bounds what the runtime itself does after a handler.
	settleWait = 10 * time.Second
	// reachWait bounds how long a message waits for the process to have heard
	// what it tells, before it goes to somebody who has.
	reachWait = 10 * time.Second
	// lostAfter is how long after its deadline a handler is believed to end.
	lostAfter = 30 * time.Second
	// longestAckWait is the plan's. A consumer that still has a longer one may
	// be given it at any time, so heartbeats keep to it.
	longestAckWait = 5 * time.Second
	// pullSize is how many messages are asked for at once.
	pullSize = 256
)

// A consumer is one route at work.
type consumer struct {
	rt       *Runtime
	route    Route
	cons     jetstream.Consumer
	ackWait  time.Duration
	lanes    *lanes
	wg       sync.WaitGroup // messages held
	arrived  atomic.Uint64  // messages taken, so that a stall is seen
	paused   bool           // somebody has paused it, as far as consume has seen
	failures *failures
	metrics  *routeMetrics
	log      *slog.Logger
}

// run pulls until pull ends, binding the consumer anew when it stalls; then it
// hands back what has not begun and waits for the handlers.
func (c *consumer) run(pull, handle context.Context) error {
	c.lanes = newLanes(c.route.MaxInFlight, func(ln *lane) { go c.work(pull, handle, ln) })
	defer c.beat()()
	defer c.wg.Wait()
	defer c.handBack()
	for {
		err := c.consume(pull)
		switch {
		case pull.Err() != nil:
			return nil
		case missing(err):
			return fmt.Errorf("consumer %s is gone: run outdial provision", c.route.name())
		}
		why := "broken"
		if errors.Is(err, errStalled) {
			why = "stalled"
		}
		c.rt.metrics.rebound(c.route, why)
		c.log.Warn("consumer bound anew", "why", why)
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
func (c *consumer) consume(pull context.Context) error {
	broken := make(chan error, 1)
	cc, err := c.cons.Consume(func(m jetstream.Msg) { c.take(pull, m) },
		jetstream.PullMaxMessages(pullSize),
		jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
			c.rt.metrics.natsError("consume")
			c.log.Debug("pull ended", "because", refusedWhat(err))
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
	tick := time.NewTicker(c.rt.cfg.StallAfter)
	defer tick.Stop()
	for before := c.arrived.Load(); ; {
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
			now := c.arrived.Load()
			if now != before {
				c.pause(false, 0)
			} else if err := c.stalled(pull); err != nil {
				cc.Stop()
				return err
			}
			before = now
		}
	}
}

// stalled asks the server whether messages wait for us although none arrive, or
// whether it knows of no pull at all. Clients have been seen to wait for ever
// after a leader change, and after a restart until the next heartbeat is missed.
func (c *consumer) stalled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	info, err := c.cons.Info(ctx)
	if missing(err) {
		return err
	}
	if err != nil {
		return nil // no word: the connection looks after itself
	}
	if c.pause(info.Paused, info.PauseRemaining) || info.Paused {
		return nil // it delivers nothing because somebody wants it so, or wanted until now
	}
	if info.NumWaiting == 0 { // our pull got lost, or is just being renewed
		sleep(ctx, 250*time.Millisecond)
		if info, err = c.cons.Info(ctx); err == nil && info.NumWaiting == 0 {
			return errStalled
		}
		return nil
	}
	if info.NumPending == 0 || info.NumAckPending >= info.Config.MaxAckPending {
		return nil // nothing waiting, or the server holds back by itself
	}
	return errStalled
}

// pause notes whether somebody has paused the consumer, and for how long still,
// and says so once: it is true when that is news.
func (c *consumer) pause(is bool, left time.Duration) bool {
	if is == c.paused {
		return false
	}
	c.paused = is
	c.rt.cfg.Paused(c.route.name(), is)
	if is {
		c.log.Warn("somebody has paused this consumer: nothing is delivered until it is resumed", "for", left.Round(time.Second).String())
	} else {
		c.log.Info("the consumer is not paused any more")
	}
	return true
}

// take queues a message for its turn, and never waits: what waits in the
// client's buffer has no heartbeats.
func (c *consumer) take(pull context.Context, m jetstream.Msg) {
	c.arrived.Add(1)
	meta, err := m.Metadata()
	if err != nil {
		c.rt.metrics.natsError("no_metadata") // not of JetStream, so nobody waits for an answer
		return
	}
	if pull.Err() != nil {
		_ = m.Nak() // somebody else may have it at once
		return
	}
	c.wg.Add(1)
	switch c.lanes.add(&held{MsgMetadata: *meta, msg: m, group: groupOf(m.Subject()), key: keyOf(m.Subject(), m.Headers())}) {
	case isQueued:
		return
	case overShare:
		c.nak(m, shareDelay(meta.NumDelivered))
	case tooLate:
		_ = m.Nak()
	case isHeld:
	}
	c.wg.Done()
}

// shareDelay is how long the broker keeps a message whose sender has too many
// waiting here: a second, and longer each time, spread out.
func shareDelay(deliveries uint64) time.Duration {
	d := min(time.Second<<min(max(deliveries, 1)-1, 5), maxBackoff)
	return d/2 + rand.N(d)
}

// handBack gives back what has not begun; somebody else may have it at once.
func (c *consumer) handBack() {
	for _, m := range c.lanes.close() {
		_ = m.Nak()
		c.wg.Done()
	}
}

// beat tells the broker that all that is held is in good hands, be it handled
// or waiting for its turn, until it is stopped. A handler that does not end is
// said once.
func (c *consumer) beat() (stop func()) {
	quit := make(chan struct{})
	go func() {
		tick := time.NewTicker(max(min(c.ackWait, longestAckWait)/3, time.Millisecond))
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				alive, lost := c.lanes.beats(time.Now())
				for _, m := range alive {
					_ = m.InProgress()
				}
				for _, seq := range lost {
					c.rt.metrics.delayed(c.route, "a handler that does not end")
					c.log.Error("a handler does not end; its message is left to other processes", "seq", seq)
				}
			}
		}
	}()
	return func() { close(quit) }
}

// work handles the next message of a lane whose turn has come.
func (c *consumer) work(pull, handle context.Context, ln *lane) {
	p := &place{pull: pull, asides: c.rt.asides, leave: sync.OnceFunc(c.lanes.turns.give)}
	defer p.end()
	h := c.lanes.next(ln, time.Now().Add(c.route.Deadline+lostAfter))
	if h == nil {
		return
	}
	defer c.wg.Done()
	p.lane = sync.OnceFunc(func() { c.lanes.end(ln) })
	defer p.lane()
	if pull.Err() != nil {
		_ = c.lanes.settle(h).Nak()
		return
	}
	p.stored = h.Timestamp
	c.handle(handle, h, p)
}

// handle is one message from its turn to settlement.
func (c *consumer) handle(ctx context.Context, h *held, p *place) {
	start := time.Now()
	c.metrics.begin(ctx)
	deadline := start.Add(c.route.Deadline)
	d := bare(h.msg, &h.MsgMetadata)
	err := c.read(ctx, deadline, &d)
	ctx, span := c.span(context.WithValue(ctx, placeKey{}, p), d)
	defer span.End()
	if d.Record != nil {
		c.rt.cfg.Seen(d.Stream, d.Seq, d.Record.ID)
	}
	switch {
	case err != nil:
	case c.route.Waits && c.rt.cfg.Held():
		err = Snooze(time.Second, "a store in question")
	default:
		err = c.ask(ctx, deadline, d)
	}
	how := c.settle(ctx, c.lanes.settle(h), d, err)
	span.SetAttributes(attribute.String("outdial.result", how.result))
	if err != nil && how.result != resultSnooze {
		span.SetStatus(codes.Error, how.code)
	}
	c.metrics.settled(ctx, how, time.Since(start))
}

// ask runs the handler. A panic is a Permanent fault; its value may hold
// anything and stays out of the log.
func (c *consumer) ask(ctx context.Context, deadline time.Time, d Delivery) (err error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("handler panicked", "seq", d.Seq, "value", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			err = fault.New(fault.Permanent, "handle", "panic", nil)
		}
	}()
	if err = c.route.Handle(ctx, d); errors.Is(err, errWaited) {
		err = c.route.Handle(ctx, d)
	}
	return err
}

// read gives a log's event to its delivery once this process has heard it, so
// that no handler looks at a past in which it had not happened yet: as it is
// in memory, where it is, for nobody reads a message twice.
func (c *consumer) read(ctx context.Context, deadline time.Time, d *Delivery) (err error) {
	family, tenant, key, _, _, ok := events.ParseLogSubject(d.Subject)
	if !ok || c.rt.cfg.Heard == nil {
		return d.decode()
	}
	if soon := time.Now().Add(reachWait); soon.Before(deadline) {
		deadline = soon
	}
	wait, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	rec, err := c.rt.cfg.Heard(wait, family, log.Ref{Tenant: tenant, ID: key}, d.Seq)
	if err != nil {
		return Snooze(time.Second, "not heard here yet")
	}
	if rec == nil || !slices.Equal(d.Header["ce-id"], []string{rec.ID}) { // another store's, by chance in its place
		return d.decode()
	}
	d.Record = rec
	return nil
}

// delivery reads a message; in the logs it must be a known event.
func delivery(m jetstream.Msg) (Delivery, error) {
	meta, err := m.Metadata()
	if err != nil {
		return Delivery{Subject: m.Subject()}, fault.New(fault.Permanent, "read message", "no_metadata", nil)
	}
	d := bare(m, meta)
	return d, d.decode()
}

// bare is a message with nothing read.
func bare(m jetstream.Msg, meta *jetstream.MsgMetadata) Delivery {
	return Delivery{
		Stream: meta.Stream, Subject: m.Subject(), Header: events.Header(m.Headers()), Data: m.Data(),
		Seq: meta.Sequence.Stream, Stored: meta.Timestamp, Tries: int(min(meta.NumDelivered, 1<<31-1)),
	}
}

// decode reads the event of a log. Its errors are Permanent.
func (d *Delivery) decode() error {
	if d.Stream != events.StreamCalls && d.Stream != events.StreamAgents {
		return nil
	}
	rec, err := events.DecodeRecord(d.Subject, d.Header, d.Data)
	if err != nil {
		return err
	}
	rec.Seq, rec.Stored, rec.After = d.Seq, d.Stored, log.AfterOf(d.Header)
	d.Record = &rec
	return nil
}

// span starts the consumer span, a child of the one that sent the message. Where
// nothing is traced, the sender's context is all that is carried on.
func (c *consumer) span(ctx context.Context, d Delivery) (context.Context, trace.Span) {
	ctx = propagation.TraceContext{}.Extract(ctx, Carrier(d.Header))
	if !c.rt.traced {
		return ctx, trace.SpanFromContext(ctx)
	}
	name := c.route.Durable
	attrs := []attribute.KeyValue{
		attribute.String("messaging.system", "nats"),
		attribute.String("messaging.destination.name", c.route.Stream),
		attribute.String("messaging.consumer.group.name", c.route.Durable),
		attribute.Int64("outdial.sequence", int64(min(d.Seq, 1<<62))),
	}
	if d.Record != nil {
		name = string(d.Record.Name)
		attrs = append(attrs, attribute.String("outdial."+string(d.Record.Family), d.Record.Key))
	}
	return c.rt.tracer.Start(ctx, "process "+c.route.Stream+"."+name,
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(attrs...))
}
