// Package worker runs handlers on JetStream.
//
// A handler takes one message, decides, and appends by log.Update. The runtime
// does everything else: it acknowledges, retries, parks, traces and counts, so
// that what a failure means for a message is decided in one place.
//
//	message ─▶ heard by the view? ─▶ handler ─▶ settle
//	                                              ├─ done       → acknowledged
//	                                              ├─ snooze     → again later, not counted
//	                                              ├─ transient  → again later, quarantined at the 8th failure
//	                                              ├─ unknown event → held and an alarm, never skipped
//	                                              └─ anything else → parked: noted in REJECTED, then ended
//
// Tenants take turns, and who waits for a provider steps aside (Aside), so that
// neither a flood nor a provider that hangs holds up anybody else. Of one call,
// agent or request one message is handled at a time, in the order of the stream
// as far as it is here.
//
// Acknowledgements prove nothing: a message may come twice, late or, where
// several processes share a consumer, out of order, and every handler must live
// with it. Workers bind to consumers that
// exist; they never make any.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/outdial/outdial/internal/clock"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
)

// A Delivery is one message as it came.
type Delivery struct {
	Stream  string
	Subject string
	Header  events.Header
	Data    []byte
	Seq     uint64    // in the stream
	Stored  time.Time // by the server's clock
	Tries   int       // deliveries so far, this one included; snoozes count here
	// Record is the decoded event of a log (CALLS, AGENTS); nil elsewhere.
	Record *events.Record
}

// A Handler takes one message and returns what is to be appended. Its error
// decides what becomes of the message, see package fault and Snooze.
type Handler func(ctx context.Context, d Delivery) error

// A Route ties one durable consumer to one handler.
type Route struct {
	Stream  string
	Durable string
	Handle  Handler
	// MaxInFlight is how many messages are handled at once, in turn by tenant
	// and one at a time of the same call, agent or request; default 16. Those
	// that stepped Aside do not count.
	MaxInFlight int
	// Deadline ends a handler that hangs; default 2 minutes.
	Deadline time.Duration
	// Tenant names whose messages these are, for streams of one tenant.
	Tenant string
	// Waits has nothing handled while the store is in question.
	Waits bool
}

func (r Route) withDefaults() Route {
	if r.MaxInFlight <= 0 {
		r.MaxInFlight = 16
	}
	if r.Deadline <= 0 {
		r.Deadline = 2 * time.Minute
	}
	return r
}

func (r Route) name() string { return r.Durable + " on " + r.Stream }

// snooze is the wish to hear a message again later.
type snooze struct {
	after time.Duration
	why   string
}

func (s snooze) Error() string { return fmt.Sprintf("again in %s: %s", s.after, s.why) }

// Snooze, returned by a handler, asks to hear the message again after d. It is
// no failure and is not counted. why is for logs: a short code, never data.
func Snooze(d time.Duration, why string) error { return snooze{d, why} }

// Config of a Runtime.
type Config struct {
	NC       *nats.Conn // made by Connect; required
	Name     string     // the service's, a token: stage in REJECTED, name in OPS; required
	Rejecter Rejecter   // where parked messages are noted; required
	Meter    metric.MeterProvider
	Tracer   trace.TracerProvider
	Logger   *slog.Logger
	Clock    clock.Clock // stamps the notes; default the machine's

	// Seen hears of every event of a log that arrives; default nobody.
	Seen func(stream string, seq uint64, id string)
	// Heard waits until this process has heard everything of a family up to a
	// sequence, its error is the context's, and gives the event there if it is
	// in memory; default no waiting and none. Handlers that decide from a view
	// are given no event that it does not know.
	Heard func(ctx context.Context, f events.Family, ref log.Ref, seq uint64) (*events.Record, error)
	// Connection says whether the configuration has a connection. What a gateway
	// publishes under is its own word, and is shown if it is one's name; default never.
	Connection func(tenant, name string) bool
	// Held says that the store is in question; default never.
	Held func() bool
	// Paused hears that somebody has paused a consumer, or resumed it, some
	// time after they have; default: nobody hears it.
	Paused func(consumer string, is bool)

	// StallAfter is how long a consumer may have messages waiting and deliver
	// none before it is bound anew; default 15s.
	StallAfter time.Duration
	// HoldDelay is the pause before a message with an unknown event is looked
	// at again; default 1 minute.
	HoldDelay time.Duration
	// Grace is how long handlers may go on after the end was asked for;
	// default 25s.
	Grace time.Duration
	// MaxFailures is the failure at which a message is quarantined; default 8.
	MaxFailures int
	// Backoff is the first pause after a failure, doubled each time up to
	// 30s; default 250ms.
	Backoff time.Duration
	// PerConnection is how many messages of one connection may be with their
	// provider at once; default 16. As many more wait for a place here.
	PerConnection int
}

func (c Config) validate() error {
	var errs []error
	if c.NC == nil {
		errs = append(errs, errors.New("NC is not set"))
	}
	if !events.IsToken(c.Name) {
		errs = append(errs, fmt.Errorf("field Name is %q, which is not a token", c.Name))
	}
	if c.Rejecter == nil {
		errs = append(errs, errors.New("Rejecter is not set"))
	}
	return errors.Join(errs...)
}
