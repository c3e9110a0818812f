package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// How a message ended, as a metric label.
const (
	resultDone        = "done"
	resultSnooze      = "snooze"
	resultRetry       = "retry"
	resultHold        = "hold"
	resultParked      = "parked"
	resultRefused     = "refused" // an input of somebody else's, who has their answer: nobody has to look
	resultQuarantined = "quarantined"
)

type ending struct{ result, code string }

const maxBackoff = 30 * time.Second

// settle tells JetStream how a message ended. It is the only place that turns
// a failure into an acknowledgement.
func (c *consumer) settle(ctx context.Context, m jetstream.Msg, d Delivery, err error) ending {
	if err == nil {
		c.failures.forget(d.Seq)
		// Once is enough: an acknowledgement proves nothing, and a lost one
		// brings the message again, for which every handler is made.
		if err := m.Ack(); err != nil {
			c.log.Warn("acknowledgement not sent; the message will come again", "seq", d.Seq)
		}
		return ending{resultDone, ""}
	}
	// The end of the service must not leave a finished message unsettled.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleWait)
	defer cancel()
	var s snooze
	switch {
	case errors.As(err, &s):
		c.log.Debug("snoozed", "seq", d.Seq, "for", s.after, "why", s.why)
		// A store in question is said by whoever found it to be so.
		if long := c.failures.putOff(d.Seq, time.Now()); long > 0 && !c.rt.cfg.Held() {
			c.rt.metrics.delayed(c.route, s.why)
			c.log.Warn("a message is put off again and again", "seq", d.Seq, "since", long.Round(time.Second).String(), "why", s.why)
		}
		c.nak(m, max(s.after, time.Millisecond))
		return ending{resultSnooze, ""}
	case errors.Is(err, events.ErrUnknownEvent):
		return c.hold(ctx, m, d)
	}
	code := fault.Code(err)
	// An append nobody could read back is asked about by doing it again:
	// handlers decide from the log, and what is there is not appended twice.
	if fault.Of(err) != fault.Transient && code != log.CodeAppendUnknown {
		return c.park(ctx, m, d, err, resultParked)
	}
	n, worn := c.failures.count(d.Seq, blameless(err))
	if worn {
		return c.park(ctx, m, d, err, resultQuarantined)
	}
	delay := fault.After(err, c.rt.cfg.delay(n))
	c.log.Info("will be tried again", "seq", d.Seq, "code", code, "failures", n, "in", delay)
	c.nak(m, delay)
	return ending{resultRetry, code}
}

// nak gives the message back for a while. Lost, it is the same as silence: the
// broker delivers again after AckWait.
func (c *consumer) nak(m jetstream.Msg, delay time.Duration) {
	if err := m.NakWithDelay(delay); err != nil {
		c.log.Warn("message could not be given back; it comes again after AckWait")
	}
}

// hold keeps a message whose event, or whose call's log, this program does not
// understand: a newer writer is about, and skipping would lose its word.
func (c *consumer) hold(ctx context.Context, m jetstream.Msg, d Delivery) ending {
	n, _ := c.failures.count(d.Seq, true)
	c.log.Error("held: an unknown event", "seq", d.Seq, "subject", shownSubject(d))
	if n == 1 {
		o := events.Ops{
			Event: "alarm", Service: c.rt.cfg.Name, Tenant: c.tenant(d), What: log.CodeUnknownEvent,
			Reason: "a log holds an event this version does not know; deploy the version that does",
			Call:   callOf(d), At: c.rt.cfg.Clock.Now(),
			Details: map[string]string{"stream": c.route.Stream, "sequence": strconv.FormatUint(d.Seq, 10)},
		}
		id := events.EventID(c.route.Stream, events.TypeOps, fmt.Sprintf("hold.%s.%d", c.route.Durable, d.Seq))
		if err := c.rt.cfg.Rejecter.Alarm(ctx, id, o); err != nil {
			c.log.Error("alarm not recorded", "seq", d.Seq, "code", fault.Code(err))
		}
	}
	c.nak(m, c.rt.cfg.HoldDelay)
	return ending{resultHold, log.CodeUnknownEvent}
}

// park ends a message that no repetition can help, or that must not be
// repeated: first the note in REJECTED, then the end. Without the note the
// message stays where it is.
func (c *consumer) park(ctx context.Context, m jetstream.Msg, d Delivery, err error, result string) ending {
	code := fault.Code(err)
	note := events.Rejected{
		Stage: c.rt.cfg.Name, Tenant: c.tenant(d), Stream: c.route.Stream, Sequence: d.Seq, Call: callOf(d), Connection: c.connection(d),
		Deliveries: uint64(max(d.Tries, 0)), At: c.rt.cfg.Clock.Now(),
		Faults: []events.Fault{{Code: code, Message: result + ", " + fault.Of(err).String()}},
	}
	level := slog.LevelError
	if refused, ok := errors.AsType[*events.RejectError](err); ok {
		result, level = resultRefused, slog.LevelInfo
		// An input refused for what is in it: its faults are the answer.
		note.Stage, note.Faults = refused.Note.Stage, refused.Note.Faults
		note.Source, note.ID = refused.Note.Source, refused.Note.ID
		if refused.Note.Call != "" {
			note.Call = refused.Note.Call
		}
	}
	if rerr := c.rt.cfg.Rejecter.Reject(ctx, note, d.Data); rerr != nil {
		n, _ := c.failures.count(d.Seq, true)
		c.log.Error("could not be parked; it stays in the stream", "seq", d.Seq, "code", code, "because", fault.Code(rerr))
		c.nak(m, c.rt.cfg.delay(n))
		return ending{resultRetry, code}
	}
	logger := c.log
	if note.Connection != "" {
		logger = logger.With("connection", note.Connection)
	}
	logger.Log(ctx, level, result, "seq", d.Seq, "subject", shownSubject(d), "code", code)
	if terr := m.TermWithReason(code); terr != nil {
		c.log.Warn("the end was not sent; the message will come again", "seq", d.Seq)
	}
	c.failures.forget(d.Seq)
	return ending{result, code}
}

func (c *consumer) tenant(d Delivery) string {
	if c.route.Tenant != "" {
		return c.route.Tenant
	}
	return tenantOf(d.Subject)
}

// shownSubject is the subject of a log, whose names are ours; where somebody else
// may publish, a subject's last part is their word, and the sequence says enough.
func shownSubject(d Delivery) string {
	if _, _, _, _, _, ok := events.ParseLogSubject(d.Subject); ok {
		return d.Subject
	}
	head, _, _ := strings.Cut(d.Subject, ".")
	return head + ".…"
}

// callOf is the call a message belongs to, if it is of a call's log.
func callOf(d Delivery) string {
	if f, _, key, _, _, ok := events.ParseLogSubject(d.Subject); ok && f == events.CallFamily {
		return key
	}
	return ""
}

// connection is whose provider sent a message, where it is one of ours.
func (c *consumer) connection(d Delivery) string {
	p := strings.Split(d.Subject, ".")
	if ours := c.rt.cfg.Connection; d.Stream != events.StreamProvider || len(p) != 3 || ours == nil || !ours(p[1], p[2]) {
		return ""
	}
	return p[2]
}

// blameless tells the failures that say nothing about the message: the broker
// is full, or it or Redis is away. They never lead to quarantine, or an outage would empty the queues.
func blameless(err error) bool {
	code := fault.Code(err)
	return code == log.CodeUnavailable || code == log.CodeNoRoom || code == log.CodeAppendUnknown || code == "sessions_down" || errors.Is(err, context.Canceled)
}

// delay is the pause after the n-th failure: doubled each time, with jitter.
func (c Config) delay(n int) time.Duration {
	d := c.Backoff
	for i := 1; i < n && d < maxBackoff; i++ {
		d *= 2
	}
	d = min(d, maxBackoff)
	return d/2 + rand.N(d/2+1)
}

// failures counts, per message, how often it failed here. The broker counts
// deliveries, and those include snoozes. A restart forgets; the message then
// has its tries anew.
type failures struct {
	mu   sync.Mutex
	max  int
	seen map[uint64]*failed
}

type failed struct {
	times  int // all failures, for the pause
	blamed int // those that count towards quarantine
	last   time.Time
	since  time.Time // it was put off first, since it last got on
	said   bool      // that this takes long
}

func newFailures(limit int) *failures { return &failures{max: limit, seen: map[uint64]*failed{}} }

// forgetAfter is when an entry is dropped that another process has settled.
const forgetAfter = time.Hour

// count adds a failure and says whether the message is worn out.
func (f *failures) count(seq uint64, blameless bool) (times int, worn bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.of(seq, time.Now())
	e.times++
	if !blameless {
		e.blamed++
	}
	return e.times, e.blamed >= f.max
}

// of is what is known of a message; it is called under the lock.
func (f *failures) of(seq uint64, now time.Time) *failed {
	e := f.seen[seq]
	if e == nil {
		if len(f.seen) >= 1024 {
			for s, old := range f.seen {
				if now.Sub(old.last) > forgetAfter {
					delete(f.seen, s)
				}
			}
		}
		e = &failed{}
		f.seen[seq] = e
	}
	e.last = now
	return e
}

// delayed is how long a message may be put off until it is said.
const delayed = 30 * time.Second

// putOff notes that a message was snoozed. It says for how long that has gone
// on, once, when it has become long.
func (f *failures) putOff(seq uint64, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.of(seq, now)
	if e.since.IsZero() {
		e.since = now
	}
	if e.said || now.Sub(e.since) <= delayed {
		return 0
	}
	e.said = true
	return now.Sub(e.since)
}

func (f *failures) forget(seq uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.seen, seq)
}
