package dialer

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/outdial/outdial/internal/clock"
	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/log/marks"
	"github.com/outdial/outdial/internal/orders"
	"github.com/outdial/outdial/internal/pace"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// Notes takes what is not part of a log: OPS entries.
type Notes interface {
	Ops(ctx context.Context, o events.Ops) error
}

// Limits are how long the dialer waits; config.DialerTiming says for what, and
// what the defaults are.
type Limits struct{ Send, Answer, Event, Settle time.Duration }

// Config is all the dialer is given.
type Config struct {
	Log       *log.Log
	Notes     Notes
	Directory *tenants.Directory
	Limits
	// Held says that the store went back in time and nobody has accepted it;
	// default never.
	Held func() bool
	// Standing says what was in such a store when it was accepted; default nothing.
	Standing func() marks.Standing
	// Now is outdial's clock. It is monotonic as time.Now is: a process that
	// slept between its intent and the send must see it.
	Now    func() time.Time
	Sleep  func(ctx context.Context, d time.Duration) error                                 // default clock.Sleep
	Within func(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) // default context.WithTimeout
	NewID  func() string                                                                    // of an attempt; default events.RandomID
	// Pace asks for a slot of a connection's rate; default: there is always one.
	Pace func(ctx context.Context, tenant, connection string, class pace.Class) pace.Answer
	// Distance is how long a send waits for those before it, see pace.Pacer; default: not at all.
	Distance func(tenant, connection string, most time.Duration) (wait time.Duration, ok bool)
	Logger   *slog.Logger
	// Paused says that somebody has paused the deliveries, and so what Turn
	// does in their place; default never.
	Paused func(context.Context) (bool, error)
}

// Service is the dialer. Several may run at once.
type Service struct {
	Config
	book orders.Book

	late, left, held worker.Patience // of Turn
}

// New makes a service from its parts.
func New(c Config) *Service {
	c.Limits = Limits(config.OrDefault(config.DialerTiming(c.Limits)))
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if c.Held == nil {
		c.Held = func() bool { return false }
	}
	if c.Paused == nil {
		c.Paused = func(context.Context) (bool, error) { return false, nil }
	}
	if c.Pace == nil {
		c.Pace = (*pace.Pacer)(nil).Ask
	}
	if c.Distance == nil {
		c.Distance = (*pace.Pacer)(nil).Distance
	}
	if c.Standing == nil {
		c.Standing = func() marks.Standing { return marks.Standing{} }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Sleep == nil {
		c.Sleep = clock.Sleep
	}
	if c.Within == nil {
		c.Within = context.WithTimeout
	}
	if c.NewID == nil {
		c.NewID = events.RandomID
	}
	return &Service{Config: c, book: orders.Book{Log: c.Log, Directory: c.Directory},
		late: worker.Patience{First: time.Second, Now: c.Now}, left: worker.Patience{First: worker.LeftAfter, Now: c.Now},
		held: worker.Patience{First: stillThere, Now: c.Now}}
}

// Forget lets go of what was read: the store went back in time.
func (s *Service) Forget() { s.book.Forget() }

// Routes lists everything the dialer listens to.
func (s *Service) Routes() []worker.Route {
	return []worker.Route{{
		Stream: events.StreamCalls, Durable: "dialer", Waits: true,
		Handle: func(ctx context.Context, d worker.Delivery) error {
			return s.OnCall(ctx, *d.Record)
		},
	}}
}

// OnCall does what an event of a call asks for. That an outcome is overdue no
// event tells: see Turn.
func (s *Service) OnCall(ctx context.Context, r events.Record) error {
	switch r.Name {
	case events.Passed:
		return s.onPassed(ctx, r)
	case events.Unknown:
		return s.lookup(ctx, r)
	case events.CancelRequested:
		return s.onCancelRequested(ctx, r)
	case events.Failed, events.Withheld, events.Refused, events.NotPlaced:
		return s.cancelPreparation(ctx, r)
	case events.Closed:
		if b, ok := r.Body.(*events.CallClosed); ok && b.Quarantine {
			return s.cancelPreparation(ctx, r)
		}
	case events.Offered, events.Ringing, events.Answered, events.Talking, events.Held:
		return s.orphan(ctx, r)
	}
	return nil
}

func (s *Service) next(c *lifecycle.Call, name events.Name, body any) (*log.Draft, error) {
	return log.NextOfCall(c, events.Dialer, name, s.Now(), body)
}
