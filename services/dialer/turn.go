package dialer

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// stillThere is how long after a withdrawal of a leftover it is tried again, while
// the agent is still shown prepared.
const stillThere = 5 * time.Second

// leftTime is what picking one up may take, the provider's answers included.
const leftTime = time.Minute

// Turn writes unknown over outcomes that are overdue, be it that their sender
// is gone, be it that a desktop took a call and fell silent; and it picks up
// what no delivery has led anywhere: a delivery that was parked, or lost in
// whatever way nobody has thought of, must not leave its call standing until a
// watchdog ends it. Who finds an intent never sends it.
//
// Every dialer takes its turns, over all open calls that it has heard of. That
// several find the same one, and that its delivery is on its way after all or in
// another's hands, does no harm: the intent is an append on the call,
// compare-and-set, and only who won it sends; looking up makes nothing ring, and
// before anything is withdrawn the leader is asked whether it still stands. What an
// agent is left prepared for, by no call, is withdrawn by the same turns.
func (s *Service) Turn(ctx context.Context) error {
	var late, left []log.Ref
	now := s.Now()
	s.Log.OpenCalls(func(c *lifecycle.Call) {
		switch ref := (log.Ref{Tenant: c.Tenant, ID: c.ID}); {
		case s.overdue(c) != "":
			late = append(late, ref)
		case worker.Left(s.owed(c), now):
			left = append(left, ref)
		}
	})
	var held []log.Ref
	s.Log.Agents(func(a *lifecycle.Agent) {
		if Leftover(a) {
			held = append(held, log.Ref{Tenant: a.Tenant, ID: a.ID})
		}
	})
	err := s.late.Each(ctx, late, s.giveUp)
	err = errors.Join(err, s.left.Each(ctx, left, s.pickUp))
	return errors.Join(err, s.held.Each(ctx, held, s.withdrawLeftover))
}

// prepares says whether any connection leaves agents prepared.
func (s *Service) prepares() bool {
	return slices.ContainsFunc(s.Directory.Connections(), func(c tenants.Connection) bool { return c.Provider.Preparer != nil })
}

// giveUp writes unknown over an outcome that is overdue.
func (s *Service) giveUp(ctx context.Context, ref log.Ref) error {
	_, err := s.Log.Update(ctx, ref, func(c *lifecycle.Call) (*log.Draft, error) {
		code := s.overdue(c)
		if code == "" {
			return nil, nil
		}
		return s.next(c, events.Unknown, &events.CallUnknown{Attempt: c.Dialing.Attempt, Code: code})
	})
	return err
}

func (s *Service) overdue(c *lifecycle.Call) string {
	desktop := false
	if c.Assigned != nil {
		conn, ok := s.Directory.Connection(c.Tenant, c.Assigned.Connection)
		desktop = ok && conn.Provider.Can.AtDesktop()
	}
	return s.Overdue(c, desktop, s.Now())
}

// pickUp goes on with a call as if the event that it owes something to had been
// delivered, and so not while the deliveries are paused: that is how people stop
// all dialing. What has begun is ended, be the service told to end.
func (s *Service) pickUp(ctx context.Context, ref log.Ref) error {
	ctx, cancel := s.Within(context.WithoutCancel(ctx), leftTime)
	defer cancel()
	c, err := s.Log.Call(ctx, ref)
	if err != nil || !worker.Left(s.owed(c), s.Now()) {
		return err
	}
	if paused, err := s.Paused(ctx); paused || err != nil {
		return err
	}
	r := s.owed(c)
	s.Logger.WarnContext(ctx, "a call that nobody acted on is picked up", "tenant", ref.Tenant, "call", ref.ID, "event", string(r.Name), "seq", r.Seq)
	return s.OnCall(ctx, r)
}

// owed is the event of the call that the dialer has yet to act on, if there is
// one.
func (s *Service) owed(c *lifecycle.Call) events.Record {
	switch {
	case c.State == lifecycle.Cleared:
		return last(c, events.Passed)
	case NeedsCancel(c):
		return last(c, events.Failed, events.Withheld, events.Refused, events.NotPlaced, events.CancelRequested)
	case placed(c) && !c.CancelFailed:
		return last(c, events.CancelRequested)
	case c.State == lifecycle.Unknown && s.looksUp(c):
		return last(c, events.Unknown)
	}
	return events.Record{}
}

// last is the last event of the call with one of these names.
func last(c *lifecycle.Call, names ...events.Name) events.Record {
	for i := len(c.Log) - 1; i >= 0; i-- {
		if slices.Contains(names, c.Log[i].Name) {
			return c.Log[i]
		}
	}
	return events.Record{}
}

// looksUp says whether the call's provider can be asked what became of it.
func (s *Service) looksUp(c *lifecycle.Call) bool {
	if c.Assigned == nil {
		return false
	}
	conn, ok := s.Directory.Connection(c.Tenant, c.Assigned.Connection)
	return ok && conn.Provider.Looker != nil
}
