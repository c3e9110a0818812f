package dialer

import (
	"context"
	"log/slog"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/orders"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// Notes takes what is not part of a log: OPS entries.
type Notes interface {
	Ops(ctx context.Context, o events.Ops) error
}

// Config is all the dialer is given.
type Config struct {
	Log       *log.Log
	Notes     Notes
	Directory *tenants.Directory
	Send      time.Duration // an intent may be sent this long; default 5 s
	Answer    time.Duration // a provider may take this long to answer; default 15 s
	Event     time.Duration // a desktop's first event must come within; default 20 s
	Settle    time.Duration // before an unknown is looked up; default 2 s
	// Held says that the store went back in time and nobody has accepted it;
	// default never.
	Held   func() bool
	Now    func() time.Time
	Logger *slog.Logger
}

// Service is the dialer. Several may run at once.
type Service struct {
	Config
	book orders.Book
}

// New makes a service from its parts.
func New(c Config) *Service {
	set := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
	}
	set(&c.Send, 5*time.Second)
	set(&c.Answer, 15*time.Second)
	set(&c.Event, 20*time.Second)
	set(&c.Settle, 2*time.Second)
	if c.Held == nil {
		c.Held = func() bool { return false }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return &Service{Config: c, book: orders.Book{Log: c.Log, Directory: c.Directory}}
}

// Routes lists everything the dialer listens to.
func (s *Service) Routes() []worker.Route {
	return []worker.Route{{
		Stream: events.StreamCalls, Durable: "dialer", Handle: s.onCall,
		Waits: true,
	}}
}

func (s *Service) onCall(ctx context.Context, d worker.Delivery) ([]log.Step, error) {
	r := *d.Record
	switch r.Name {
	case events.Passed:
		return s.onPassed(ctx, r)
	case events.Dialing:
		return s.abandoned(ctx, r)
	case events.Unknown:
		return s.lookup(ctx, r)
	case events.Started:
		return s.silence(ctx, r)
	case events.Failed, events.Withheld, events.Refused, events.NotPlaced, events.CancelRequested:
		return s.undo(ctx, r)
	case events.Closed:
		if b, ok := r.Body.(*events.CallClosed); ok && b.Quarantine {
			return s.undo(ctx, r)
		}
	}
	if r.Role == events.Bridge {
		return s.orphan(ctx, r)
	}
	return nil, nil
}

// onPassed dials, unless somebody withdrew the call while compliance was busy:
// then what it prepared is undone.
func (s *Service) onPassed(ctx context.Context, r events.Record) ([]log.Step, error) {
	c, err := log.CallOf(ctx, s.Log, r)
	if err != nil {
		return nil, err
	}
	if Undo(c) {
		return s.undo(ctx, r)
	}
	if err := aside(ctx, c); err != nil {
		return nil, err
	}
	unfit, err := s.confirm(ctx, c)
	if err != nil {
		return nil, err
	}
	return []log.Step{s.dial(r, unfit)}, nil
}

// aside lets others go on while the call's provider is asked for something.
func aside(ctx context.Context, c *lifecycle.Call) error {
	if c.Assigned == nil {
		return nil
	}
	return worker.Aside(ctx, c.Tenant, c.Assigned.Connection)
}

func (s *Service) callAndAgent(ctx context.Context, r events.Record) (*lifecycle.Call, *lifecycle.Agent, error) {
	c, err := log.CallOf(ctx, s.Log, r)
	if err != nil || c.Assigned == nil {
		return c, nil, err
	}
	a, err := log.Agent(ctx, s.Log, c.Tenant, c.Assigned.Agent)
	return c, a, err
}

func (s *Service) next(c *lifecycle.Call, name events.Name, body any) (*log.Draft, error) {
	return log.NextOfCall(c, events.Dialer, name, s.Now(), body)
}
