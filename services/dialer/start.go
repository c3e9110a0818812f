package dialer

import (
	"context"
	"errors"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
)

// An attempt is one intent on its way to the provider. sendBy carries the
// monotonic clock: a process that slept must not send.
type attempt struct {
	call    *lifecycle.Call
	agent   *lifecycle.Agent
	sendBy  time.Time
	dialing bool
}

// dial writes the intent, unless the last look at the provider found it unfit,
// and sends the call only if this very append won.
func (s *Service) dial(r events.Record, unfit *events.CallWithheld) log.Step {
	var at *attempt
	return log.Step{
		Make: func(ctx context.Context) (*log.Draft, error) {
			at = nil
			c, a, err := s.callAndAgent(ctx, r)
			if err != nil || a == nil || c.State != lifecycle.Cleared || c.Refs.Passed != r.Seq {
				return nil, err // withdrawn, dialed or assigned anew since
			}
			now := s.Now()
			at = &attempt{call: c, agent: a, sendBy: time.Now().Add(s.Send)}
			if why := MayDial(c, a, now); why != "" {
				return s.next(c, events.Withheld, &events.CallWithheld{Reason: why})
			}
			if unfit != nil {
				return s.next(c, events.Withheld, unfit)
			}
			at.dialing = true
			return s.next(c, events.Dialing, &events.CallDialing{
				Attempt: events.RandomID(), PassID: c.PassedID, PassHash: PassHash(c.Passed),
				Agent: a.ID, Fence: c.Assigned.Fence, NotAfter: now.Add(s.Send),
			})
		},
		Then: func(ctx context.Context, done log.Appended) ([]log.Step, error) {
			if at == nil || !at.dialing || !done.Won {
				return nil, nil // not ours to send: whoever hears the intent looks it up
			}
			at.call.Take(done.Record)
			name, body := s.send(ctx, at)
			return []log.Step{s.settle(done.Record, name, body)}, nil
		},
	}
}

// send places the call, once, and puts the provider's answer into an event.
// It does not stop when the worker is told to: the answer is worth waiting for.
func (s *Service) send(ctx context.Context, at *attempt) (events.Name, any) {
	id := at.call.Dialing.Attempt
	o, conn, err := s.book.For(ctx, at.call, at.agent)
	if err != nil {
		return events.Withheld, &events.CallWithheld{Reason: NothingSent, Detail: fault.Code(err), Attempt: id}
	}
	if conn.Provider.Starter == nil {
		return events.Withheld, &events.CallWithheld{Reason: NothingSent, Detail: "unsupported", Attempt: id}
	}
	if s.Held() {
		return events.Withheld, &events.CallWithheld{Reason: NothingSent, Detail: log.CodeWentBack}
	}
	if !time.Now().Before(at.sendBy) {
		return events.Withheld, &events.CallWithheld{Reason: TooLate, Attempt: id}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Answer)
	defer cancel()
	receipt, err := conn.Provider.Starter.Start(ctx, o)
	return Answer(id, receipt, err)
}

// Answer puts what a provider said to a start into an event. What is not a
// clear yes, a clear no or certainty that nothing left is unknown (I2). Proof,
// after which the call may be dialed again, is the broker's word alone.
func Answer(attempt string, r providers.Receipt, err error) (events.Name, any) {
	if err == nil {
		if r.Pending {
			return events.PendingAgent, &events.CallPendingAgent{Attempt: attempt, Until: r.Until}
		}
		return events.Started, &events.CallStarted{Attempt: attempt, Provider: r.IDs}
	}
	f, known := errors.AsType[*fault.Error](err)
	switch {
	case known && f.Class == fault.Permanent:
		return events.Refused, &events.CallRefused{Attempt: attempt, Code: f.Code}
	case known && f.Class == fault.Transient:
		w := &events.CallWithheld{Reason: NothingSent, Detail: f.Code, Attempt: attempt}
		if errors.Is(err, providers.ErrNoResponders) {
			w.Proof = events.ProofNoResponders
		}
		return events.Withheld, w
	}
	return events.Unknown, &events.CallUnknown{Attempt: attempt, Code: fault.Code(err)}
}

// settle records the answer in the log as it stands by then.
func (s *Service) settle(intent events.Record, answer events.Name, body any) log.Step {
	return log.Step{Make: func(ctx context.Context) (*log.Draft, error) {
		c, err := log.CallOf(ctx, s.Log, intent)
		if err != nil {
			return nil, err
		}
		name := Settled(c.State, answer)
		if d, ok := intent.Body.(*events.CallDialing); !ok || c.Dialing == nil || c.Dialing.Attempt != d.Attempt {
			return nil, nil // another intent stands by now
		}
		switch {
		case name == "":
			return nil, nil
		case name == events.NotPlaced && answer != events.NotPlaced:
			body = &events.CallNotPlaced{Attempt: c.Dialing.Attempt, Evidence: "the provider's answer came late: " + string(answer)}
		}
		return s.next(c, name, body)
	}}
}

// abandoned hears an intent. Whoever finds one without an outcome, after its
// sender has had time enough, never dials: it writes unknown.
func (s *Service) abandoned(ctx context.Context, r events.Record) ([]log.Step, error) {
	c, err := log.CallOf(ctx, s.Log, r)
	if err != nil || c.State != lifecycle.Dialing {
		return nil, err
	}
	if wait := c.Dialing.NotAfter.Add(s.Answer + s.Settle).Sub(s.Now()); wait > 0 {
		return nil, snooze(soon(wait, r), "an intent's outcome")
	}
	return []log.Step{s.unknown(r, lifecycle.Dialing, c.Dialing.Attempt, "no_outcome")}, nil
}

func (s *Service) unknown(r events.Record, in lifecycle.State, attempt, code string) log.Step {
	return log.Step{Make: func(ctx context.Context) (*log.Draft, error) {
		c, err := log.CallOf(ctx, s.Log, r)
		if err != nil || c.State != in || c.Dialing == nil || c.Dialing.Attempt != attempt {
			return nil, err
		}
		return s.next(c, events.Unknown, &events.CallUnknown{Attempt: attempt, Code: code})
	}}
}

// soon looks again early at first, and then less and less often: a message that
// waits takes one of the broker's places, and most calls move on at once.
func soon(wait time.Duration, r events.Record) time.Duration {
	age := time.Since(r.Stored)
	return min(wait, max(age, 500*time.Millisecond))
}

// silence waits for the first event of a call that a desktop took: none by the
// deadline, and nobody knows what became of it.
func (s *Service) silence(ctx context.Context, r events.Record) ([]log.Step, error) {
	c, err := log.CallOf(ctx, s.Log, r)
	if err != nil || c.State != lifecycle.Started || c.Assigned == nil {
		return nil, err
	}
	conn, ok := s.Directory.Connection(c.Tenant, c.Assigned.Connection)
	if !ok || !conn.Provider.Can.Desktop {
		return nil, nil
	}
	if wait := r.Time.Add(s.Event).Sub(s.Now()); wait > 0 {
		return nil, snooze(soon(wait, r), "a desktop's first event")
	}
	return []log.Step{s.unknown(r, lifecycle.Started, c.Dialing.Attempt, "no_event")}, nil
}
