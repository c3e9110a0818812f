package dialer

import (
	"context"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
)

func snooze(d time.Duration, why string) error { return worker.Snooze(d, why) }

// lookup asks the provider what became of a start whose answer was lost. It
// never starts again.
func (s *Service) lookup(ctx context.Context, r events.Record) ([]log.Step, error) {
	c, a, err := s.callAndAgent(ctx, r)
	if err != nil || c.State != lifecycle.Unknown || a == nil {
		return nil, err
	}
	o, conn, err := s.book.For(ctx, c, a)
	if err != nil {
		return nil, err
	}
	if !conn.Provider.Can.LooksUp {
		return nil, nil // the first event, a person or the watchdog settles it
	}
	if wait := c.Dialing.NotAfter.Add(s.Settle).Sub(s.Now()); wait > 0 {
		return nil, snooze(wait, "an unknown's lookup")
	}
	if err := aside(ctx, c); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.Answer)
	defer cancel()
	found, err := conn.Provider.Starter.Lookup(ctx, o)
	if err == nil && found.Verdict == providers.NotPlaced {
		// Two negative answers some time apart: the first may have been early.
		found, err = s.lookAgain(ctx, conn.Provider.Starter, o)
	}
	if err != nil || found.Verdict == providers.CannotSay {
		return nil, snooze(s.Settle, "a provider that cannot say")
	}
	return []log.Step{s.found(r, found)}, nil
}

func (s *Service) lookAgain(ctx context.Context, p providers.Starter, o providers.Order) (providers.Found, error) {
	t := time.NewTimer(s.Settle / 2)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return providers.Found{}, ctx.Err()
	case <-t.C:
	}
	return p.Lookup(ctx, o)
}

func (s *Service) found(r events.Record, found providers.Found) log.Step {
	return log.Step{Make: func(ctx context.Context) (*log.Draft, error) {
		c, err := log.CallOf(ctx, s.Log, r)
		if err != nil || c.State != lifecycle.Unknown {
			return nil, err
		}
		if found.Verdict == providers.NotPlaced {
			return s.next(c, events.NotPlaced, &events.CallNotPlaced{Attempt: c.Dialing.Attempt, Evidence: found.Evidence})
		}
		return s.next(c, events.Started, &events.CallStarted{
			Attempt: c.Dialing.Attempt, Presumed: true, Over: found.Verdict == providers.Over, Evidence: found.Evidence,
		})
	}}
}

// undo withdraws what the provider holds of a call that must not go on.
func (s *Service) undo(ctx context.Context, r events.Record) ([]log.Step, error) {
	c, a, err := s.callAndAgent(ctx, r)
	if err != nil || a == nil {
		return nil, err
	}
	if r.Name == events.CancelRequested && c.State == lifecycle.Dialing {
		// The start is on its way: withdrawing now could cross with it.
		return nil, snooze(s.Settle, "a cancelled call's outcome")
	}
	if r.Name == events.CancelRequested && c.Dialing != nil && c.Open() && !givenUp(c.State) && c.State != lifecycle.Cancelled {
		return s.withdrawPlaced(ctx, c, a, r)
	}
	if !Undo(c) || !c.Open() && !Holds(a, c) {
		return nil, nil
	}
	o, conn, err := s.book.For(ctx, c, a)
	if err != nil {
		return nil, err
	}
	if err := aside(ctx, c); err != nil {
		return nil, err
	}
	evidence, err := s.withdraw(ctx, conn.Provider.Starter, o)
	return s.withdrawn(r, evidence, err)
}

// withdraw gives the provider as long as it has for an answer.
func (s *Service) withdraw(ctx context.Context, p providers.Starter, o providers.Order) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Answer)
	defer cancel()
	return p.Withdraw(ctx, o)
}

// withdrawn records how a withdrawal ended; one that may yet succeed is tried
// again.
func (s *Service) withdrawn(r events.Record, evidence string, err error) ([]log.Step, error) {
	if err != nil && fault.Of(err) != fault.Permanent {
		// Less and less often: an agent who is held back may be so for hours.
		return nil, snooze(max(fault.After(err, time.Second), min(time.Since(r.Stored)/10, time.Minute)), "a withdrawal")
	}
	return []log.Step{{Make: func(ctx context.Context) (*log.Draft, error) {
		c, foldErr := log.CallOf(ctx, s.Log, r)
		if foldErr != nil || !c.Open() && !Undo(c) {
			return nil, foldErr
		}
		if err != nil {
			if c.CancelFailed {
				return nil, nil
			}
			return s.next(c, events.CancelFailed, &events.CallCancelFailed{Reason: fault.Code(err)})
		}
		if _, v := lifecycle.Calls().Next(c.State, events.Cancelled); v != lifecycle.Move && c.Open() {
			return nil, nil
		}
		return s.next(c, events.Cancelled, &events.CallCancelled{Evidence: evidence})
	}}}, nil
}

// withdrawPlaced answers a wish to cancel a call that may be ringing already.
func (s *Service) withdrawPlaced(ctx context.Context, c *lifecycle.Call, a *lifecycle.Agent, r events.Record) ([]log.Step, error) {
	o, conn, err := s.book.For(ctx, c, a)
	if err != nil {
		return nil, err
	}
	if !conn.Provider.Can.Withdraw {
		return s.withdrawn(r, "", fault.New(fault.Permanent, "withdraw", "unsupported", nil))
	}
	if err := aside(ctx, c); err != nil {
		return nil, err
	}
	evidence, err := s.withdraw(ctx, conn.Provider.Starter, o)
	return s.withdrawn(r, evidence, err)
}

// orphan raises the alarm about a call that turned up after it was given up,
// and withdraws it where the provider can.
func (s *Service) orphan(ctx context.Context, r events.Record) ([]log.Step, error) {
	c, a, err := s.callAndAgent(ctx, r)
	if err != nil || a == nil || !Orphan(c, r) {
		return nil, err
	}
	undone := false
	if o, conn, err := s.book.For(ctx, c, a); err == nil && conn.Provider.Can.Withdraw {
		if err := aside(ctx, c); err != nil {
			return nil, err
		}
		_, err := s.withdraw(ctx, conn.Provider.Starter, o)
		undone = err == nil
	}
	return []log.Step{{
		Make: func(ctx context.Context) (*log.Draft, error) {
			c, err := log.CallOf(ctx, s.Log, r)
			if err != nil || !Orphan(c, r) {
				return nil, err
			}
			return s.next(c, events.Orphaned, &events.CallOrphaned{Evidence: string(r.Name), Undone: undone})
		},
		Then: func(ctx context.Context, _ log.Appended) ([]log.Step, error) {
			return nil, s.Notes.Ops(ctx, events.Ops{Event: "alarm", Service: "dialer", Tenant: c.Tenant,
				What: "a call turned up that had been given up", Call: c.ID, Agent: a.ID, At: s.Now()})
		},
	}}, nil
}
