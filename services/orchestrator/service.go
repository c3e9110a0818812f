package orchestrator

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/log/marks"
	"github.com/outdial/outdial/internal/pace"
	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
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
	// History tells what is kept of a tenant's calls, see log.History.
	History func(ctx context.Context, tenant string, take func(events.Record)) error
	// Ended tells which legs ended since a time of the log's clock, see log.Ended.
	Ended func(ctx context.Context, since time.Time, take func(events.Record)) error
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
	c.Limits = c.Limits.withDefaults()
	s := &Service{Config: c, leases: newLeases(c.Limits.Lease), wake: make(chan struct{}, 1)}
	s.index = NewIndex(s.plan, func(ref log.Ref) *lifecycle.Call { return s.Log.Held(ref) }, c.Now, s.hurry)
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

// OnCall looks at a call again after an event that may ask something of the
// orchestrator. The others are heard by the index alone.
func (s *Service) OnCall(ctx context.Context, d worker.Delivery) error {
	r := *d.Record
	switch r.Name {
	case events.Requested, events.Failed, events.CancelRequested,
		events.Withheld, events.Cancelled, events.Started, events.Refused, events.NotPlaced, events.Resolved,
		events.Ended, events.WrapUp, events.WrappedUp, events.Waiting:
		c, err := s.Log.CallOf(ctx, r)
		if err != nil {
			return err
		}
		if last := lastAssigned(c); last != nil && c.State == lifecycle.Waiting {
			// Whoever was lent to the call goes free.
			if err := s.releaseAgent(ctx, log.Ref{Tenant: c.Tenant, ID: last.Agent}, c, "waiting"); err != nil {
				return err
			}
		}
		// After a wait, somebody is looked for once more: an agent may have
		// become ready while it was written.
		return s.advance(ctx, log.RefOf(r))
	case events.Closed:
		if end, ok := r.Body.(*events.CallClosed); ok && end.Agent != "" {
			closed := &lifecycle.Call{Tenant: r.Tenant, ID: r.Key, State: lifecycle.Closed, Closed: end}
			return s.releaseAgent(ctx, log.Ref{Tenant: r.Tenant, ID: end.Agent}, closed, "closed")
		}
	case events.Orphaned:
		return s.quarantineLast(ctx, log.RefOf(r))
	}
	return nil
}

// advance does the next thing about a call, whatever it is.
func (s *Service) advance(ctx context.Context, ref log.Ref) error {
	var seeker *lifecycle.Call // the call, if what it needs next is an agent
	read := false
	_, err := s.Log.Update(ctx, ref, func(c *lifecycle.Call) (*log.Draft, error) {
		read, seeker = true, nil
		a := s.plan(c, s.Now())
		switch {
		case a.Do == Claim:
			seeker = c
			return nil, nil
		case a.Do == Wait && proved(c):
			// Before the call has another turn: who could not be reached would
			// be the longest idle once more.
			if err := s.endUnreached(ctx, c); err != nil {
				return nil, err
			}
		}
		return s.draft(c, a)
	})
	if err != nil && !read {
		return unread{err}
	}
	if err != nil || seeker == nil {
		return err
	}
	return s.seek(ctx, seeker)
}

// unread is why a call could not be read. An agent's log that cannot be is no
// reason to give its calls up: they end by their own deadlines.
type unread struct{ error }

func (e unread) Unwrap() error { return e.error }

// illegible says that it is the call's own log that nobody here can read.
func illegible(err error) bool {
	_, ok := errors.AsType[unread](err)
	return ok && fault.Of(err) == fault.Permanent
}

// attempt advances a call whose time has come. One whose log cannot be read is
// set aside for a person.
func (s *Service) attempt(ctx context.Context, ref log.Ref) {
	err := s.advance(ctx, ref)
	if err == nil || ctx.Err() != nil {
		return
	}
	s.Logger.WarnContext(ctx, "timer", "call", ref.ID, "code", fault.Code(err))
	if illegible(err) {
		s.index.Hold(ref)
	}
}

// waitForAgent drafts the wait of a call that found nobody, or whose customer is
// on our line, unless something
// else is to be done about it by now.
func (s *Service) waitForAgent(c *lifecycle.Call) (*log.Draft, error) {
	switch a := s.plan(c, s.Now()); {
	case a.Do != Claim:
		return s.draft(c, a)
	case s.index.OnLine(c, s.Now(), s.Limits.Talk):
		until := s.Now().Add(lookAtLine)
		return s.waiting(c, events.CallWaiting{Reason: events.WaitCap, Detail: onOurLine, Until: &until})
	case c.State == lifecycle.Waiting && c.Waiting.Reason == events.WaitAgentNotReady && c.Waiting.Until == nil:
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
	if a := bounded(c, Action{Do: Wait, Reason: w.Reason}); a.Do == Close {
		return s.closing(c, a, s.Now())
	}
	return log.NextOfCall(c, events.Orchestrator, events.Waiting, s.Now(), &w)
}

// draft puts a decision about a call into an event; nil when there is nothing
// to say.
func (s *Service) draft(c *lifecycle.Call, a Action) (*log.Draft, error) {
	now := s.Now()
	switch a.Do {
	case Wait:
		if c.State == lifecycle.Waiting && c.Waiting.Reason == a.Reason && sameTime(c.Waiting.Until, a.Until) {
			return nil, nil
		}
		return log.NextOfCall(c, events.Orchestrator, events.Waiting, now,
			&events.CallWaiting{Reason: a.Reason, Until: a.Until})
	case Cancel:
		by := events.ByExpiry
		if a.Reason == WentBack {
			by = events.ByOperator
		}
		return log.NextOfCall(c, events.Orchestrator, events.CancelRequested, now,
			&events.CallCancelRequested{By: by, Reason: a.Reason})
	case Close:
		return s.closing(c, a, now)
	}
	return nil, nil
}

func (s *Service) closing(c *lifecycle.Call, a Action, now time.Time) (*log.Draft, error) {
	if Forsakes(s.Standing(), c) { // whoever closes it, for whatever reason
		a = forsaken(c)
	}
	c.Instants.Closed = now
	seen := now
	if a.Presumed {
		seen = time.Time{} // nobody saw it end
	}
	body := &events.CallClosed{
		Outcome: a.Outcome, Reason: a.Reason, Presumed: a.Presumed, Quarantine: a.Quarantine,
		Instants: c.Instants, Durations: c.Durations(seen),
	}
	if last := lastAssigned(c); last != nil {
		body.Agent = last.Agent
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
