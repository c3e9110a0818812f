package orchestrator

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/log/marks"
	"github.com/outdial/outdial/internal/pace"
	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// Notes takes what is not part of a log: OPS entries.
type Notes interface {
	Ops(ctx context.Context, o events.Ops) error
}

// Config is all the orchestrator is given. It asks for nothing else.
type Config struct {
	Log       *log.Log
	Notes     Notes
	Sessions  sessions.Store
	Directory *tenants.Directory
	Limits    Limits
	CallsAge  time.Duration // how long CALLS keeps a call; default 72 h
	PerSecond int           // requests of one tenant accepted in a second; default 50
	Offset    time.Duration // of a rehearsal's clock
	// Roster are the agents that the configuration enrols, by tenant.
	Roster map[string][]Enrolment
	// Rates are the connections that have one, in slots a second.
	Rates map[pace.Account]int
	// Incarnation is when the AGENTS stream was created: the fence of Redis.
	Incarnation string
	// History tells what is kept of a tenant's calls, see log.History.
	History func(ctx context.Context, tenant string, before uint64, more func([]events.Record) bool) (rest uint64, err error)
	// LastAgent is the last sequence of AGENTS by its leader, or log.ErrNone.
	LastAgent func(context.Context) (uint64, error)
	// Standing says whether the store went back in time, and what was in it
	// when somebody accepted it; default: it never did.
	Standing func() marks.Standing
	// Now tells the time; where it carries a monotonic reading, leases go by that.
	Now func() time.Time
	// NewID makes the ids of commands, no two the same; default random.
	NewID func() string
	// Pace waits until a tenant may have n more requests accepted; default by
	// PerSecond, on the machine's clock.
	Pace   func(ctx context.Context, tenant string, n int) error
	Logger *slog.Logger
}

// Service is the orchestrator. Several may run at once: compare-and-set makes
// them harmless to each other. Its functions may be called by one goroutine or
// by many; none of them waits for anything but what Config holds.
type Service struct {
	Config
	index   *Index
	leases  *leases
	room    room
	wake    chan struct{}
	pending []unenrolled // of the configuration; the timers' own
	rebuilt uint64       // the acceptance that Redis was rebuilt after; the timers' own
	swept   uint64       // how far AGENTS was known at the last sweep; likewise
	proofs  map[log.Ref]proof
}

// New makes a service from its parts.
func New(c Config) *Service {
	if c.Standing == nil {
		c.Standing = func() marks.Standing { return marks.Standing{} }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NewID == nil {
		c.NewID = events.RandomID
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Pace == nil {
		c.Pace = pace.PerSecond(cmp.Or(c.PerSecond, 50)).Wait
	}
	c.CallsAge = cmp.Or(c.CallsAge, 72*time.Hour)
	c.Limits = config.OrDefault(c.Limits)
	s := &Service{Config: c, leases: newLeases(c.Limits.Lease), wake: make(chan struct{}, 1)}
	s.index = NewIndex(s.planned, func(ref log.Ref) *lifecycle.Call { return s.Log.Held(ref) }, c.Now, s.hurry)
	s.index.ways = newWays(c.Rates, c.Directory)
	s.index.records = s.records
	return s
}

// Routes lists everything the orchestrator listens to.
func (s *Service) Routes() []worker.Route {
	routes := []worker.Route{
		{Stream: events.StreamCalls, Durable: "orchestrator", Handle: s.OnCall, Waits: true},
		{Stream: events.StreamAgents, Durable: "orchestrator", Handle: s.OnAgent, Waits: true},
		{Stream: events.StreamAgents, Durable: "projector", Handle: s.Project},
	}
	for _, t := range s.Directory.Tenants() {
		routes = append(routes, worker.Route{
			Stream: events.RequestStream(t.Name), Durable: "orchestrator", Handle: s.OnRequest(t), Tenant: t.Name, Waits: true,
		})
	}
	return routes
}
