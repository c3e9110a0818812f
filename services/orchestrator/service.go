package orchestrator

import (
	"cmp"
	"context"
	"log/slog"
	"time"

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
	// Incarnation is when the AGENTS stream was created: the fence of Redis.
	Incarnation string
	// Standing says whether the store went back in time, and what was in it
	// when somebody accepted it; default: it never did.
	Standing func() marks.Standing
	Now      func() time.Time
	Logger   *slog.Logger
}

// Service is the orchestrator. Several may run at once: compare-and-set makes
// them harmless to each other.
type Service struct {
	Config
	index   *Index
	leases  *leases
	room    room
	pace    *pace.Keyed // of tenants' requests
	wake    chan struct{}
	pending []unenrolled // of the configuration; the timers' own
	rebuilt uint64       // the acceptance that Redis was rebuilt after; the timers' own
	swept   uint64       // how far AGENTS was known at the last sweep; likewise
}

// New makes a service from its parts.
func New(c Config) *Service {
	if c.Standing == nil {
		c.Standing = func() marks.Standing { return marks.Standing{} }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.CallsAge == 0 {
		c.CallsAge = 72 * time.Hour
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.Limits = c.Limits.withDefaults()
	c.PerSecond = cmp.Or(c.PerSecond, 50)
	s := &Service{Config: c, index: NewIndex(), leases: newLeases(c.Limits.Lease), pace: pace.PerSecond(c.PerSecond), wake: make(chan struct{}, 1)}
	s.index.plan = s.plan
	return s
}

// Routes lists everything the orchestrator listens to.
func (s *Service) Routes() []worker.Route {
	routes := []worker.Route{
		{Stream: events.StreamCalls, Durable: "orchestrator", Handle: s.onCall, Waits: true},
		{Stream: events.StreamAgents, Durable: "orchestrator", Handle: s.onAgent, Waits: true},
		{Stream: events.StreamAgents, Durable: "projector", Handle: s.project},
	}
	for _, t := range s.Directory.Tenants() {
		routes = append(routes, worker.Route{
			Stream: events.RequestStream(t.Name), Durable: "orchestrator", Handle: s.accept(t), Tenant: t.Name, Waits: true,
		})
	}
	return routes
}

// onCall looks at a call again after an event that may ask something of the
// orchestrator. The others are heard by the index alone.
func (s *Service) onCall(ctx context.Context, d worker.Delivery) ([]log.Step, error) {
	r := *d.Record
	switch r.Name {
	case events.Requested, events.Failed, events.CancelRequested,
		events.Withheld, events.Cancelled, events.Started, events.Refused, events.NotPlaced, events.Resolved,
		events.Ended, events.WrapUp, events.WrappedUp:
		return []log.Step{s.advance(r.Tenant, r.Key, log.FirstSeq(r))}, nil
	case events.Waiting:
		return []log.Step{s.letGo(r, "waiting"), s.advance(r.Tenant, r.Key, log.FirstSeq(r))}, nil
	case events.Closed:
		return []log.Step{s.letGo(r, "closed")}, nil
	case events.Orphaned:
		return []log.Step{s.letGo(r, "orphaned")}, nil
	}
	return nil, nil
}

// advance does the next thing about a call, whatever it is.
func (s *Service) advance(tenant, call string, first uint64) log.Step {
	var picked *lifecycle.Agent
	var at uint64 // where in the call's log it was picked
	var waited, unreached bool
	return log.Step{
		Make: func(ctx context.Context) (*log.Draft, error) {
			picked, waited, unreached = nil, false, false
			c, err := log.Call(ctx, s.Log, tenant, call, first)
			if err != nil {
				return nil, err
			}
			m := s.plan(c, s.Now(), s.Limits)
			if m.Verb == Wait && proved(c) {
				// Before the call has another turn: who could not be reached
				// would be the longest idle once more.
				d, err := s.endUnreached(ctx, c)
				if unreached = d != nil; unreached || err != nil {
					return d, err
				}
			}
			if m.Verb != Claim {
				return s.draft(c, m)
			}
			a, err := s.pick(ctx, c)
			if err != nil {
				return nil, err
			}
			if a == nil {
				waited = true
				return s.waitForAgent(c)
			}
			picked, at = a, c.Seq()
			if a.State.Claim != nil { // ours, from a run that ended before the assignment
				return s.assignment(c, a, a.Fence)
			}
			return s.claim(c, a)
		},
		Then: func(_ context.Context, done log.Appended) ([]log.Step, error) {
			switch {
			case unreached:
				return []log.Step{s.advance(tenant, call, first)}, nil
			case picked != nil && done.Record.Family == events.AgentFamily:
				return []log.Step{s.assign(tenant, call, first, at, picked, done.Record.Seq)}, nil
			case waited:
				// Somebody may have become ready while the wait was written.
				return []log.Step{s.onceMore(tenant, call, first)}, nil
			}
			return nil, nil
		},
	}
}

// onceMore looks at the ready queue again after waiting was written.
func (s *Service) onceMore(tenant, call string, first uint64) log.Step {
	again := s.advance(tenant, call, first)
	then := again.Then
	again.Then = func(ctx context.Context, done log.Appended) ([]log.Step, error) {
		if done.Record.Name == events.Waiting {
			return nil, nil
		}
		return then(ctx, done)
	}
	return again
}

func (s *Service) waitForAgent(c *lifecycle.Call) (*log.Draft, error) {
	if c.State == lifecycle.Waiting && c.Waiting.Reason == events.WaitAgentNotReady && c.Waiting.Until == nil {
		return nil, nil // said already
	}
	return s.waiting(c, events.CallWaiting{Reason: events.WaitAgentNotReady})
}

// asBefore is the wait that the call is in, said again: it only moves the log.
func asBefore(c *lifecycle.Call, detail string) events.CallWaiting {
	w := events.CallWaiting{Reason: events.WaitAgentNotReady, Detail: detail}
	if c.State == lifecycle.Waiting {
		w.Reason, w.Until = c.Waiting.Reason, c.Waiting.Until
	}
	return w
}

// waiting drafts a wait, or the end of a call that has waited too often.
func (s *Service) waiting(c *lifecycle.Call, w events.CallWaiting) (*log.Draft, error) {
	if m := (Move{Verb: Wait, Reason: w.Reason}); bounded(c, m).Verb == Close {
		return s.closing(c, bounded(c, m), s.Now())
	}
	return log.NextOfCall(c, events.Orchestrator, events.Waiting, s.Now(), &w)
}

// draft puts a decision about a call into an event; nil when there is nothing
// to say.
func (s *Service) draft(c *lifecycle.Call, m Move) (*log.Draft, error) {
	now := s.Now()
	switch m.Verb {
	case Wait:
		if c.State == lifecycle.Waiting && c.Waiting.Reason == m.Reason && sameTime(c.Waiting.Until, m.Until) {
			return nil, nil
		}
		return log.NextOfCall(c, events.Orchestrator, events.Waiting, now,
			&events.CallWaiting{Reason: m.Reason, Until: m.Until})
	case Cancel:
		by := events.ByExpiry
		if m.Reason == WentBack {
			by = events.ByOperator
		}
		return log.NextOfCall(c, events.Orchestrator, events.CancelRequested, now,
			&events.CallCancelRequested{By: by, Reason: m.Reason})
	case Close:
		return s.closing(c, m, now)
	}
	return nil, nil
}

func (s *Service) closing(c *lifecycle.Call, m Move, now time.Time) (*log.Draft, error) {
	if Forsakes(s.Standing(), c) { // whoever closes it, for whatever reason
		m = forsaken(c)
	}
	c.Instants.Closed = now
	seen := now
	if m.Presumed {
		seen = time.Time{} // nobody saw it end
	}
	body := &events.CallClosed{
		Outcome: m.Outcome, Reason: m.Reason, Presumed: m.Presumed, Quarantine: m.Quarantine,
		Instants: c.Instants, Durations: c.Durations(seen),
	}
	if a := lastAssigned(c); a != nil {
		body.Agent = a.Agent
	}
	return log.NextOfCall(c, events.Orchestrator, events.Closed, now, body)
}

func sameTime(a, b *time.Time) bool {
	return a == b || (a != nil && b != nil && a.Equal(*b))
}

// lastAssigned is the call's latest assignment, void or not.
func lastAssigned(c *lifecycle.Call) *events.CallAssigned {
	for i := len(c.Log) - 1; i >= 0; i-- {
		if a, ok := c.Log[i].Body.(*events.CallAssigned); ok {
			return a
		}
	}
	return nil
}
