package dialer

import (
	"context"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/orders"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
)

// lookup asks the provider what became of a start whose answer was lost. It
// never starts again.
func (s *Service) lookup(ctx context.Context, r events.Record) error {
	c, err := s.Log.CallOf(ctx, r)
	if err != nil || c.State != lifecycle.Unknown || c.Assigned == nil {
		return err
	}
	conn, ok := s.Directory.Connection(c.Tenant, c.Assigned.Connection)
	if ok && conn.Provider.Looker == nil {
		return nil // the first event, a person or the watchdog settles it
	}
	if wait := c.Dialing.NotAfter.Add(s.Settle).Sub(s.Now()); wait > 0 {
		return worker.Snooze(wait, "an unknown's lookup")
	}
	a, err := orders.Lent(ctx, c, s.Log.Agent)
	if err != nil {
		return err
	}
	o, conn, err := s.book.BuildDialRequest(ctx, c, a)
	if err != nil {
		return err
	}
	if err := aside(ctx, c); err != nil {
		return err
	}
	ctx, cancel := s.Within(ctx, s.Answer)
	defer cancel()
	found, err := conn.Provider.Looker.Lookup(ctx, o)
	if err == nil && found.Verdict == providers.NotPlaced {
		// Two negative answers some time apart: the first may have been early.
		if err = s.Sleep(ctx, s.Settle/2); err == nil {
			found, err = conn.Provider.Looker.Lookup(ctx, o)
		}
	}
	if err != nil || found.Verdict == providers.CannotSay {
		return s.seldom(r, s.Settle, "a provider that cannot say")
	}
	return s.recordFound(ctx, r, found)
}

func (s *Service) recordFound(ctx context.Context, r events.Record, found providers.Found) error {
	_, err := s.Log.Update(ctx, log.RefOf(r), func(c *lifecycle.Call) (*log.Draft, error) {
		if c.State != lifecycle.Unknown {
			return nil, nil
		}
		if found.Verdict == providers.NotPlaced {
			return s.next(c, events.NotPlaced, &events.CallNotPlaced{Attempt: c.Dialing.Attempt, Evidence: found.Evidence})
		}
		return s.next(c, events.Started, &events.CallStarted{
			Attempt: c.Dialing.Attempt, Presumed: true, Over: found.Verdict == providers.Over, Evidence: found.Evidence,
		})
	})
	return err
}

// seldom asks for a message again, less and less often: a provider may be away,
// or an agent held back, for hours.
func (s *Service) seldom(r events.Record, first time.Duration, why string) error {
	return worker.Snooze(max(first, min(s.Now().Sub(r.Time)/10, time.Minute)), why)
}

// onCancelRequested answers a wish to cancel a call, which may be ringing.
func (s *Service) onCancelRequested(ctx context.Context, r events.Record) error {
	c, err := s.Log.CallOf(ctx, r)
	switch {
	case err != nil || c.Assigned == nil:
		return err
	case c.State != lifecycle.Dialing && !placed(c):
		return s.cancelPreparation(ctx, r)
	}
	if conn, ok := s.Directory.Connection(c.Tenant, c.Assigned.Connection); ok && !conn.Provider.Can.Withdraw {
		return s.recordCancel(ctx, r, "", fault.New(fault.Permanent, "withdraw", events.CancelUnsupported, nil))
	}
	if c.State == lifecycle.Dialing {
		// The start is on its way: withdrawing now could cross with it.
		return worker.Snooze(s.Settle, "a cancelled call's outcome")
	}
	return s.cancelAtProvider(ctx, r, func(c *lifecycle.Call, _ *lifecycle.Agent) bool { return placed(c) })
}

// placed says whether a call that somebody wants cancelled was sent and is not
// given up.
func placed(c *lifecycle.Call) bool {
	return c.Cancel != nil && c.Dialing != nil && c.Open() && c.State != lifecycle.Dialing &&
		!givenUp(c.State) && c.State != lifecycle.Cancelled
}

// cancelPreparation withdraws what the provider holds of a call that must not
// go on.
func (s *Service) cancelPreparation(ctx context.Context, r events.Record) error {
	c, err := s.Log.CallOf(ctx, r)
	if err != nil || !NeedsCancel(c) {
		return err
	}
	return s.cancelAtProvider(ctx, r, func(c *lifecycle.Call, a *lifecycle.Agent) bool {
		return NeedsCancel(c) && (c.Open() || Holds(a, c))
	})
}

// needs says of a call and its agent as the leader knows them whether the call
// is to be withdrawn.
type needs func(*lifecycle.Call, *lifecycle.Agent) bool

// cancelAtProvider withdraws a call if it still needs to be, and records how
// that ended. One that may yet succeed is tried again.
func (s *Service) cancelAtProvider(ctx context.Context, r events.Record, needed needs) error {
	if c, err := s.Log.CallOf(ctx, r); err != nil || c.Assigned == nil {
		return err
	} else if err := aside(ctx, c); err != nil {
		return err
	}
	o, conn, err := s.withdrawable(ctx, r, needed)
	if err != nil || conn.Name == "" {
		return err
	}
	evidence, err := s.withdraw(ctx, conn, o)
	if err != nil && fault.Of(err) != fault.Permanent {
		return s.seldom(r, fault.After(err, time.Second), "a withdrawal")
	}
	return s.recordCancel(ctx, r, evidence, err)
}

// withdrawable is the order to withdraw, with no connection if there is
// nothing to withdraw. The provider is touched on the strength of
// this, and no append stands between: the leader is asked for both, the agent
// last, since what is withdrawn by session may be another call's by now.
func (s *Service) withdrawable(ctx context.Context, r events.Record, needed needs) (providers.Order, tenants.Connection, error) {
	c, err := s.Log.LatestCall(ctx, log.RefOf(r))
	if err != nil || c.Assigned == nil {
		return providers.Order{}, tenants.Connection{}, err
	}
	a, err := orders.Lent(ctx, c, s.Log.LatestAgent)
	if err != nil || Elsewhere(a, c) || !needed(c, a) {
		return providers.Order{}, tenants.Connection{}, err
	}
	return s.book.BuildDialRequest(ctx, c, a)
}

// withdraw gives the provider as long as it has for an answer.
func (s *Service) withdraw(ctx context.Context, conn tenants.Connection, o providers.Order) (string, error) {
	if conn.Provider.Withdrawer == nil {
		return "", fault.New(fault.Permanent, "withdraw", events.CancelUnsupported, nil)
	}
	ctx, cancel := s.Within(ctx, s.Answer)
	defer cancel()
	o.NotAfter = s.Now().Add(s.Answer)
	return conn.Provider.Withdrawer.Withdraw(ctx, o)
}

// withdrawLeftover withdraws what an agent is held back for, not while people
// have stopped the dialer. How it ended is said by the provider, the next time
// that she is polled: nothing is recorded here, and nobody has her before.
func (s *Service) withdrawLeftover(ctx context.Context, ref log.Ref) error {
	if paused, err := s.Paused(ctx); paused || err != nil {
		return err
	}
	// Whatever has not left by then would reach one whom a call may have. So the
	// time begins before the leader says that nobody has her.
	by := s.Now().Add(orders.WithdrawFor)
	a, err := s.Log.LatestAgent(ctx, ref)
	if err != nil || !Leftover(a) {
		return err
	}
	conn, ok := s.Directory.Connection(a.Tenant, a.State.Connection)
	if !ok || conn.Provider.Withdrawer == nil {
		return nil
	}
	who, err := s.book.Agent(ctx, a)
	if err != nil {
		return err
	}
	ctx, cancel := s.Within(ctx, by.Sub(s.Now()))
	defer cancel()
	evidence, err := conn.Provider.Withdrawer.Withdraw(ctx, providers.Order{Agent: who, NotAfter: by})
	if err != nil {
		return worker.Snooze(stillThere, fault.Code(err))
	}
	s.Logger.InfoContext(ctx, "what an agent was left prepared for is withdrawn", "tenant", ref.Tenant, "agent", ref.ID, "status", evidence)
	return nil
}

// recordCancel puts on record how a withdrawal ended.
func (s *Service) recordCancel(ctx context.Context, r events.Record, evidence string, cause error) error {
	_, err := s.Log.Update(ctx, log.RefOf(r), func(c *lifecycle.Call) (*log.Draft, error) {
		switch {
		case !c.Open() && !NeedsCancel(c), cause != nil && c.CancelFailed:
			return nil, nil
		case cause != nil:
			return s.next(c, events.CancelFailed, &events.CallCancelFailed{Reason: fault.Code(cause)})
		}
		if _, v := lifecycle.Calls().Next(c.State, events.Cancelled); v != lifecycle.Move && c.Open() {
			return nil, nil
		}
		return s.next(c, events.Cancelled, &events.CallCancelled{Evidence: evidence})
	})
	return err
}

// orphan raises the alarm about a call that turned up after it was given up,
// and withdraws it where the provider can.
func (s *Service) orphan(ctx context.Context, r events.Record) error {
	c, err := s.Log.CallOf(ctx, r)
	if err != nil || c.Assigned == nil || !Orphan(c, r) {
		return err
	}
	if err := aside(ctx, c); err != nil {
		return err
	}
	o, conn, err := s.withdrawable(ctx, r, func(c *lifecycle.Call, _ *lifecycle.Agent) bool { return Orphan(c, r) })
	if fault.Of(err) == fault.Transient {
		return err // the log cannot be read just now
	}
	undone := false
	if err == nil && conn.Provider.Can.Withdraw {
		_, err := s.withdraw(ctx, conn, o)
		undone = err == nil
	}
	said, err := s.Log.Update(ctx, log.RefOf(r), func(c *lifecycle.Call) (*log.Draft, error) {
		if !Orphan(c, r) {
			return nil, nil
		}
		return s.next(c, events.Orphaned, &events.CallOrphaned{Evidence: string(r.Name), Undone: undone})
	})
	if err != nil || said.Record.Seq == 0 {
		return err
	}
	return s.Notes.Ops(ctx, events.Ops{Event: "alarm", Service: "dialer", Tenant: c.Tenant,
		What: "a call turned up that had been given up", Call: c.ID, Agent: c.Assigned.Agent, At: s.Now()})
}
