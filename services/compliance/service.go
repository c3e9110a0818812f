package compliance

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/outdial/outdial/internal/clock"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/orders"
	"github.com/outdial/outdial/internal/pace"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/services/compliance/rules"
)

// Facts keeps what the company knows about numbers, by token.
type Facts interface {
	// Fact returns the last fact of a kind about a number and its sequence;
	// sequence 0 with no error means that there is none.
	Fact(ctx context.Context, tenant, kind, token string) (events.Fact, uint64, error)
	// PutFact stores a fact if the last one is still at sequence after.
	PutFact(ctx context.Context, tenant, kind, token string, f events.Fact, after uint64) error
}

// Notes takes OPS entries.
type Notes interface {
	Ops(ctx context.Context, o events.Ops) error
}

// Config is all that compliance is given.
type Config struct {
	Log       *log.Log
	Facts     Facts
	LastCall  func(context.Context) (uint64, error) // last sequence of CALLS, or log.ErrNone; nil: not asked
	Notes     Notes
	Directory *tenants.Directory
	Rulesets  map[string]rules.RuleSet
	Zones     rules.Zones
	Prepare   time.Duration // a preparation may touch the provider this long; default 20 s
	Offset    time.Duration // of a rehearsal's clock, for the evidence
	// Now is outdial's clock. It is monotonic as time.Now is: a process that
	// slept must see that it did before it touches a provider.
	Now    func() time.Time
	Sleep  func(ctx context.Context, d time.Duration) error                                 // default clock.Sleep
	Within func(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) // default context.WithTimeout
	Go     func(func())                                                                     // goes on beside a command; default a goroutine
	NewID  func() string                                                                    // of a preparation; default events.RandomID
	// Pace asks for a slot of a connection's rate; default: there is always one.
	Pace   func(ctx context.Context, tenant, connection string, class pace.Class) pace.Answer
	Logger *slog.Logger
	// Paused says that somebody has paused the deliveries, and so what Turn
	// does in their place; default never.
	Paused func(context.Context) (bool, error)
}

// Service is compliance. Several may run at once.
type Service struct {
	Config
	book    orders.Book
	mayName map[string][]string // by tenant, the rule sets that its requests may name

	late, left worker.Patience // of Turn
}

// New makes a service from its parts.
func New(c Config) *Service {
	c.Prepare = cmp.Or(c.Prepare, 20*time.Second)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if c.Pace == nil {
		c.Pace = (*pace.Pacer)(nil).Ask
	}
	if c.Paused == nil {
		c.Paused = func(context.Context) (bool, error) { return false, nil }
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
	if c.Go == nil {
		c.Go = func(f func()) { go f() }
	}
	if c.NewID == nil {
		c.NewID = events.RandomID
	}
	own := map[string]string{}
	for _, t := range c.Directory.Tenants() {
		own[t.Name] = t.Ruleset
	}
	return &Service{Config: c, book: orders.Book{Log: c.Log, Directory: c.Directory}, mayName: lineage(c.Rulesets).Of(own),
		late: worker.Patience{First: time.Second, Now: c.Now}, left: worker.Patience{First: worker.LeftAfter, Now: c.Now}}
}

// Forget lets go of what was read: the store went back in time.
func (s *Service) Forget() { s.book.Forget() }

// Routes lists everything compliance listens to.
func (s *Service) Routes() []worker.Route {
	return []worker.Route{{
		Stream: events.StreamCalls, Durable: "compliance", Waits: true,
		Handle: func(ctx context.Context, d worker.Delivery) error {
			return s.OnCall(ctx, *d.Record)
		},
	}}
}

// OnCall does what an event of a call asks for. That an answer is overdue no
// event tells: see Turn.
func (s *Service) OnCall(ctx context.Context, r events.Record) error {
	switch r.Name {
	case events.Requested:
		return s.rejectEarly(ctx, r)
	case events.Assigned:
		return s.onAssigned(ctx, r)
	}
	return nil
}

// rejectEarly refuses right after the request what no waiting can cure.
func (s *Service) rejectEarly(ctx context.Context, r events.Record) error {
	_, err := s.Log.Update(ctx, log.RefOf(r), func(c *lifecycle.Call) (*log.Draft, error) {
		if (c.State != lifecycle.Requested && c.State != lifecycle.Waiting) || c.Failed != nil {
			return nil, nil
		}
		d := s.judge(ctx, c, s.knownBefore())
		if d.Allowed || d.NextAllowedAt != nil || unread(d) {
			return nil, nil
		}
		return s.failed(c, d, nil, false, false)
	})
	return err
}

func (s *Service) next(c *lifecycle.Call, name events.Name, body any) (*log.Draft, error) {
	return log.NextOfCall(c, events.Compliance, name, s.Now(), body)
}

func (s *Service) passed(c *lifecycle.Call, v verdict, scrub *events.Scrub) (*log.Draft, error) {
	return s.next(c, events.Passed, &events.CallPassed{
		Decision: decisionID(c, v), ValidUntil: v.ValidUntil, CallAt: v.callAt, Evidence: v.Evidence,
		Numbers: v.numbers, Scrub: scrub, Fence: c.Assigned.Fence,
	})
}

func (s *Service) failed(c *lifecycle.Call, v verdict, scrub *events.Scrub, retry, touched bool) (*log.Draft, error) {
	return s.next(c, events.Failed, &events.CallFailed{
		Decision: decisionID(c, v), Reasons: v.Reasons, Evidence: v.Evidence,
		NextAllowedAt: v.NextAllowedAt, Scrub: scrub, Retry: retry, Touched: touched,
	})
}

// unread says that nothing stands against the call but a list that could not
// be read just now: it is refused, and asked about again.
func unread(d verdict) bool {
	return len(d.Reasons) > 0 && !slices.ContainsFunc(d.Reasons, func(r events.Reason) bool {
		return r.Code != rules.DNCListUnavailable
	})
}

// decisionID names a decision: the log it was made on and the engine.
func decisionID(c *lifecycle.Call, d verdict) string {
	return events.EventID(c.Last().ID, d.Evidence.Engine+d.Evidence.RulesetHash, c.ID)
}
