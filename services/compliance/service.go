package compliance

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/orders"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
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
	LastCall  func(context.Context) (uint64, error) // last sequence of CALLS; nil: not asked
	Notes     Notes
	Directory *tenants.Directory
	Rulesets  map[string]rules.RuleSet
	Zones     rules.Zones
	Prepare   time.Duration // a preparation may touch the provider this long; default 20 s
	Offset    time.Duration // of a rehearsal's clock, for the evidence
	Now       func() time.Time
	Logger    *slog.Logger
}

// Service is compliance. Several may run at once.
type Service struct {
	Config
	book    orders.Book
	open    *openCalls
	mayName map[string][]string // by tenant, the rule sets that its requests may name
}

// New makes a service from its parts.
func New(c Config) *Service {
	if c.Prepare == 0 {
		c.Prepare = 20 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	own := map[string]string{}
	for _, t := range c.Directory.Tenants() {
		own[t.Name] = t.Ruleset
	}
	return &Service{Config: c, book: orders.Book{Log: c.Log, Directory: c.Directory}, open: newOpenCalls(),
		mayName: lineage(c.Rulesets).Of(own)}
}

// Routes lists everything compliance listens to.
func (s *Service) Routes() []worker.Route {
	return []worker.Route{{
		Stream: events.StreamCalls, Durable: "compliance", Handle: s.onCall,
		Waits: true,
	}}
}

func (s *Service) onCall(ctx context.Context, d worker.Delivery) ([]log.Step, error) {
	r := *d.Record
	switch r.Name {
	case events.Requested:
		return []log.Step{s.hopeless(r)}, nil
	case events.Assigned:
		return s.decide(ctx, r)
	case events.Preparing:
		return s.lost(ctx, r)
	}
	return nil, nil
}

// hopeless refuses right after the request what no waiting can cure.
func (s *Service) hopeless(r events.Record) log.Step {
	return log.Step{Make: func(ctx context.Context) (*log.Draft, error) {
		c, err := log.CallOf(ctx, s.Log, r)
		if err != nil || (c.State != lifecycle.Requested && c.State != lifecycle.Waiting) || c.Failed != nil {
			return nil, err
		}
		d, err := s.judge(ctx, c, s.knownBefore())
		if err != nil || d.Allowed || d.NextAllowedAt != nil || unread(d) {
			return nil, err
		}
		return s.failed(c, d, nil, false, false)
	}}
}

// decide answers for the assignment.
func (s *Service) decide(ctx context.Context, r events.Record) ([]log.Step, error) {
	c, a, err := s.callAndAgent(ctx, r)
	if err != nil || !mine(c, r) {
		return nil, err
	}
	o, conn, err := s.book.For(ctx, c, a)
	if err != nil && fault.Of(err) == fault.Permanent {
		return []log.Step{s.impossible(r, err, false)}, nil // no repetition makes the order
	}
	if err != nil {
		return nil, err
	}
	if conn.Provider.Configured != nil || conn.Provider.Preparer != nil {
		if err := worker.Aside(ctx, conn.Tenant, conn.Name); err != nil {
			return nil, err
		}
	}
	demands, err := s.demands(ctx, conn, o)
	if err != nil {
		return []log.Step{s.impossible(r, err, false)}, nil
	}
	if conn.Provider.Preparer != nil {
		return []log.Step{s.prepare(r, demands)}, nil
	}
	return []log.Step{s.answer(r, demands)}, nil
}

// mine says whether the call still stands where this assignment put it.
func mine(c *lifecycle.Call, r events.Record) bool {
	return c.State == lifecycle.Assigned && c.Refs.Assigned == r.Seq
}

// answer decides by our rules alone.
func (s *Service) answer(r events.Record, d demands) log.Step {
	return log.Step{Make: func(ctx context.Context) (*log.Draft, error) {
		c, err := log.CallOf(ctx, s.Log, r)
		if err != nil || !mine(c, r) {
			return nil, err
		}
		dec, err := s.judge(ctx, c, d)
		if err != nil {
			return nil, err
		}
		if !dec.Allowed {
			return s.failed(c, dec, nil, unread(dec), false)
		}
		return s.passed(c, dec, nil)
	}}
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
	return log.NextOfCall(c, events.Compliance, name, s.Now(), body)
}

func (s *Service) passed(c *lifecycle.Call, d rules.Decision, scrub *events.Scrub) (*log.Draft, error) {
	return s.next(c, events.Passed, &events.CallPassed{
		Decision: decisionID(c, d), ValidUntil: d.ValidUntil, Evidence: d.Evidence,
		Scrub: scrub, Fence: c.Assigned.Fence,
	})
}

func (s *Service) failed(c *lifecycle.Call, d rules.Decision, scrub *events.Scrub, retry, touched bool) (*log.Draft, error) {
	return s.next(c, events.Failed, &events.CallFailed{
		Decision: decisionID(c, d), Reasons: d.Reasons, Evidence: d.Evidence,
		NextAllowedAt: d.NextAllowedAt, Scrub: scrub, Retry: retry, Touched: touched,
	})
}

// unread says that nothing stands against the call but a list that could not
// be read just now: it is refused, and asked about again.
func unread(d rules.Decision) bool {
	return len(d.Reasons) > 0 && !slices.ContainsFunc(d.Reasons, func(r events.Reason) bool {
		return r.Code != rules.DNCListUnavailable
	})
}

// decisionID names a decision: the log it was made on and the engine.
func decisionID(c *lifecycle.Call, d rules.Decision) string {
	return events.EventID(c.Last().ID, d.Evidence.Engine+d.Evidence.RulesetHash, c.ID)
}
