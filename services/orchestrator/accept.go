package orchestrator

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/pace"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// OnRequest reads a tenant's requests. A good one becomes requested; a bad one
// is refused with every fault; the same one again is folded into its call.
func (s *Service) OnRequest(t tenants.Tenant) worker.Handler {
	return func(ctx context.Context, d worker.Delivery) error {
		if !s.room.forNewCalls() {
			return worker.Snooze(roomEvery, "the log has no room for new calls")
		}
		// The lane is the tenant's own: whoever waits here holds up nobody else.
		if err := s.Pace(ctx, t.Name, 1); err != nil {
			return worker.Snooze(time.Second, "the tenant's pace")
		}
		var lookup error // a roster that could not be read decides nothing
		roster := s.roster(ctx, t, d, &lookup)
		in, faults, who := events.ReadRequest(d.Subject, d.Header, d.Data, roster)
		if lookup == nil && groupUnknown(faults) {
			if err := s.rosterHeard(ctx); err != nil {
				return err
			}
			in, faults, who = events.ReadRequest(d.Subject, d.Header, d.Data, roster)
		}
		if lookup != nil {
			return lookup
		}
		if len(faults) > 0 {
			return s.refuse(ctx, t, d, in, faults, who)
		}
		return s.request(ctx, t, d, in, who)
	}
}

// groupUnknown says that the only thing wrong is a hunt group this process has
// not heard of, and that it may hear of it yet: agent.put may have been answered
// by another process a moment ago.
func groupUnknown(faults []events.Fault) bool {
	return len(faults) == 1 && faults[0].Code == events.FaultUnknownHuntGroup
}

// rosterHeard says nothing if everything that is stored of the agents now was
// heard here, so that a hunt group nobody spoke of is in nobody's. However late
// this process is, and while it reads an accepted store again, the request waits.
func (s *Service) rosterHeard(ctx context.Context) error {
	now, stop := context.WithCancel(ctx)
	stop() // a look, no waiting
	err := s.abreast(ctx, now)
	if errors.Is(err, context.Canceled) {
		return worker.Snooze(250*time.Millisecond, "a roster that is behind")
	}
	return err
}

// roster is what the request is checked against. The leader is asked for an
// agent who is not on the roster by what was heard here, because a request may
// follow its agent.put at once. One taken off it a moment ago is let pass, and
// the request waits until it has expired.
func (s *Service) roster(ctx context.Context, t tenants.Tenant, d worker.Delivery, failed *error) events.RequestContext {
	return events.RequestContext{
		Tenant: t.Name, Now: s.Now(), Stored: d.Stored, CallsAge: s.CallsAge,
		CallerIDs: t.CallerIDs, DefaultFrom: t.DefaultFrom(),
		Known: func(agent string) (string, bool) {
			ref := log.Ref{Tenant: t.Name, ID: events.AgentToken(agent)}
			a, err := s.Log.Agent(ctx, ref)
			if err == nil && !a.Enrolled() {
				a, err = s.Log.LatestAgent(ctx, ref)
			}
			if err != nil {
				*failed = err
				return "", true
			}
			return a.State.Connection, a.Enrolled()
		},
		HuntGroups: func(g string) bool { return s.index.HuntGroup(t.Name, g) },
		Connection: func(name string) (string, bool) {
			conn, ok := s.Directory.Connection(t.Name, name)
			return string(conn.Kind), ok
		},
		Ruleset:           t.MayName,
		DefaultConnection: t.Connection,
		Takes:             s.Directory.Takes(t.Name),
		Key:               t.Key, ClockOffset: s.Offset,
	}
}

// refuse rejects a request, unless it is the repetition of one that was
// accepted: that one may have expired since.
func (s *Service) refuse(ctx context.Context, t tenants.Tenant, d worker.Delivery, in events.Intake, faults []events.Fault, who events.Identity) error {
	if in.Call != "" {
		c, err := s.Log.Call(ctx, log.Ref{Tenant: t.Name, ID: in.Call})
		if err != nil && fault.Of(err) != fault.Permanent {
			return err
		}
		if err == nil && c.Request != nil && c.Request.Digest == in.Digest {
			if lost, err := s.lost(ctx, callRef(c)); lost || err != nil {
				return cmp.Or(err, s.reject(t, d, faults, who))
			}
			return s.duplicate(ctx, t, d, c.Request, in, who)
		}
	}
	return s.reject(t, d, faults, who)
}

func (s *Service) reject(t tenants.Tenant, d worker.Delivery, faults []events.Fault, who events.Identity) error {
	call := "" // by which a sender finds a refusal whose id is masked
	if who.Source != "" && who.ID != "" {
		call = events.CallID(t.Name, who.Source, who.ID)
	}
	return &events.RejectError{Note: events.Rejected{
		Stage: "request", Tenant: t.Name, Call: call, Stream: d.Stream, Sequence: d.Seq, Digest: t.Key.Digest(d.Data),
		Faults: faults, Source: who.Source, ID: who.ID, At: s.Now(),
	}}
}

// request appends requested, or finds it there. One that is found is another
// delivery's, or another request's under the same identity: the event's id comes
// from the identity alone. A request that is delivered for the first time is
// taken for new without asking; that it is not, the append says.
func (s *Service) request(ctx context.Context, t tenants.Tenant, d worker.Delivery, in events.Intake, who events.Identity) error {
	ref := log.Ref{Tenant: t.Name, ID: in.Call}
	draft, err := s.requested(t, d, in)
	if err != nil {
		return err
	}
	if d.Tries <= 1 {
		done, err := s.Log.Begin(ctx, *draft)
		if !errors.Is(err, log.ErrConflict) {
			return s.folded(ctx, t, d, done, err, in, who)
		}
	}
	var was *events.CallRequested
	done, err := s.Log.Update(ctx, ref, func(c *lifecycle.Call) (*log.Draft, error) {
		if was = c.Request; was != nil {
			return nil, nil
		}
		return draft, nil
	})
	if err == nil && was != nil {
		switch lost, err := s.lost(ctx, ref); {
		case err != nil:
			return err
		case lost:
			return fault.New(fault.Transient, "fold request", log.CodeUnavailable, nil)
		}
		return s.duplicate(ctx, t, d, was, in, who)
	}
	return s.folded(ctx, t, d, done, err, in, who)
}

// folded looks whether the event that was appended is another request's.
func (s *Service) folded(ctx context.Context, t tenants.Tenant, d worker.Delivery, done log.Appended, err error, in events.Intake, who events.Identity) error {
	was, ok := done.Record.Body.(*events.CallRequested)
	if err != nil || done.Won || !ok {
		return err
	}
	return s.duplicate(ctx, t, d, was, in, who)
}

// duplicate folds a request that is on record, or refuses another body under
// the same identity.
func (s *Service) duplicate(ctx context.Context, t tenants.Tenant, d worker.Delivery, was *events.CallRequested, in events.Intake, who events.Identity) error {
	if was.Digest != in.Digest {
		return s.reject(t, d, []events.Fault{{Pointer: "/ce-id", Code: "id_reuse",
			Message: "this source and id were used before with another body; use a new id for a new request"}}, who)
	}
	if was.RequestSeq != d.Seq && s.Notes != nil {
		return s.Notes.Ops(ctx, events.Ops{Event: "duplicate", Service: "orchestrator", Tenant: t.Name,
			What: "request folded into its call", Call: in.Call, At: s.Now()})
	}
	return nil
}

func (s *Service) requested(t tenants.Tenant, d worker.Delivery, in events.Intake) (*log.Draft, error) {
	q := in.Request
	c := &lifecycle.Call{Tenant: t.Name, ID: in.Call, State: lifecycle.None}
	draft, err := log.NextOfCall(c, events.Orchestrator, events.Requested, s.Now(), &events.CallRequested{
		Common: events.Common{Number: t.Key.Number(q.To), Campaign: q.Campaign, Reference: q.Reference,
			Contact: q.Contact, Parent: q.Parent},
		Request: q, Connection: in.Connection, From: in.From,
		ReceivedAt: in.ReceivedAt, NotBefore: in.NotBefore, ExpiresAt: in.ExpiresAt,
		RequestSource: in.Source, RequestID: in.ID, Digest: in.Digest, RequestSeq: d.Seq,
	})
	if draft != nil {
		// The request's own id where it may stand in an attribute.
		draft.Cause, draft.TraceParent = in.ID, in.TraceParent
		if !events.AttributeSafe(in.ID) {
			draft.Cause = events.EventID(in.Source, events.TypeDialRequested, in.ID)
		}
	}
	return draft, err
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
		if last := lastAssigned(c); last != nil && last.Agent != "" && c.State == lifecycle.Waiting {
			// Whoever was lent to the call goes free.
			if err := s.releaseAgent(ctx, log.Ref{Tenant: c.Tenant, ID: last.Agent}, c, "waiting"); err != nil {
				return err
			}
		}
		if c.State == lifecycle.Closed {
			return s.heardOver(ctx, c)
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
// on our line, unless something else is to be done about it by now.
func (s *Service) waitForAgent(c *lifecycle.Call) (*log.Draft, error) {
	return s.waitForTurn(c, events.WaitAgentNotReady)
}

// waitForLine drafts the wait of a call whose customer is on our line.
func (s *Service) waitForLine(c *lifecycle.Call) (*log.Draft, error) {
	until := s.Now().Add(lookAtLine)
	return s.waiting(c, events.CallWaiting{Reason: events.WaitCap, Detail: onOurLine, Until: &until})
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
		switch {
		case a.Reason == WentBack:
			by = events.ByOperator
		case takenBack(c):
			by = events.ByOptOut
		}
		return log.NextOfCall(c, events.Orchestrator, events.CancelRequested, now,
			&events.CallCancelRequested{By: by, Reason: a.Reason})
	case Enqueue:
		return s.enqueued(c)
	case Close:
		return s.closing(c, a, now)
	}
	return nil, nil
}

// enqueued drafts the assignment of a call to a queue of its provider's: nobody
// of ours is claimed, and nothing else is lent to it.
func (s *Service) enqueued(c *lifecycle.Call) (*log.Draft, error) {
	now, conn := s.Now(), c.Request.Connection
	switch {
	case s.index.OnLine(c, now, s.Limits.Talk):
		return s.waitForLine(c)
	case !s.Directory.Queues(c.Tenant, conn): // it did when the request was taken
		return s.closing(c, Action{Outcome: events.OutcomeFailed, Reason: events.FaultQueueUnsupported}, now)
	case !s.index.Book(c, pace.Account{Tenant: c.Tenant, Connection: conn}):
		return s.waitForTurn(c, events.WaitRateLimited)
	}
	return log.NextOfCall(c, events.Orchestrator, events.Assigned, now, &events.CallAssigned{
		Queue: c.Request.Request.Queue, Connection: conn, NoTalking: s.noTalking(c.Tenant, conn)})
}

// noTalking reports whether an answer counts as a conversation on a connection,
// which tells no more.
func (s *Service) noTalking(tenant, connection string) bool {
	conn, ok := s.Directory.Connection(tenant, connection)
	return ok && !conn.Provider.Can.Talking
}

func (s *Service) closing(c *lifecycle.Call, a Action, now time.Time) (*log.Draft, error) {
	if s.Standing().Forsakes(c) { // whoever closes it, for whatever reason
		a = forsaken(c)
	}
	c.Instants.Closed = now
	seen := now
	if a.Presumed {
		seen = time.Time{} // nobody saw it end
	}
	body := &events.CallClosed{
		Outcome: a.Outcome, Reason: a.Reason, Presumed: a.Presumed,
		Instants: c.Instants, Durations: c.Durations(seen),
	}
	if last := lastAssigned(c); last != nil {
		body.Agent = last.Agent
	}
	body.Quarantine = a.Quarantine && (body.Agent != "" || c.Touched) // of a queue nobody is held back
	return log.NextOfCall(c, events.Orchestrator, events.Closed, now, body)
}

func sameTime(a, b *time.Time) bool {
	return a == b || (a != nil && b != nil && a.Equal(*b))
}
