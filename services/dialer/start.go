package dialer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/orders"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
)

// Why nothing was sent.
const (
	PassExpired    = "pass_expired"
	Expired        = "expired"
	ClaimLost      = "claim_lost"
	AgentNotReady  = "agent_not_ready"
	ConnectionDown = "connection_down"
	RateLimited    = "rate_limited"
	OtherNumber    = "other_number"
	InstantPassed  = "instant_passed"
	TooLate        = "not_after"
	NothingSent    = "nothing_sent"
)

// MayDial says whether the intent may be written: "" for yes, else why not.
// It is invariant I1 in one place: the pass on record is of this assignment,
// over this number and still valid, and the agent is still this call's and
// free to take it (I4); nil where it stands in a queue of the provider's.
func MayDial(c *lifecycle.Call, a *lifecycle.Agent, now time.Time) string {
	p, as := c.Passed, c.Assigned
	switch {
	case c.State != lifecycle.Cleared || p == nil || as == nil:
		return "not_cleared"
	case c.Refs.Passed <= c.Refs.Assigned || p.Fence != as.Fence:
		return ClaimLost // a pass counts only for the assignment before it
	case p.Number.Token == "" || p.Number.Token != c.Request.Number.Token || p.Cleared()[0].Token != p.Number.Token || !events.IsE164(c.Request.Request.To):
		return OtherNumber // also one that was taken in another spelling than the lists have it
	case !now.Before(p.ValidUntil):
		return PassExpired
	case !now.Before(c.Request.ExpiresAt):
		return Expired
	case p.CallAt != nil && !now.Before(*p.CallAt):
		return InstantPassed
	case as.Queued():
		return "" // it is nobody's of ours
	case a == nil || a.State.Claim == nil || a.State.Claim.Call != c.ID || a.Fence != as.Fence:
		return ClaimLost
	case a.State.Presence != events.Ready || a.State.Session != as.Session:
		return AgentNotReady
	}
	return ""
}

// PassHash is the sha256 of a pass's body, as the intent names it.
func PassHash(p *events.CallPassed) string {
	raw, err := json.Marshal(p)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// onPassed dials, unless somebody withdrew the call while compliance was busy:
// then what it prepared is undone.
func (s *Service) onPassed(ctx context.Context, r events.Record) error {
	c, err := s.Log.CallOf(ctx, r)
	switch {
	case err != nil:
		return err
	case NeedsCancel(c):
		return s.cancelPreparation(ctx, r)
	case !s.stillCleared(c, r):
		return nil
	}
	if err := aside(ctx, c); err != nil {
		return err
	}
	unfit, err := s.slot(ctx, c)
	if err == nil && unfit == nil {
		unfit, err = s.confirm(ctx, c)
	}
	if err != nil {
		return err
	}
	return s.dial(ctx, r, unfit)
}

// stillCleared says whether the call still stands where this pass put it: not
// withdrawn, dialed or assigned anew since.
// Nor is one of a lost past: the orchestrator closes it, and may hear of the
// acceptance after us.
func (s *Service) stillCleared(c *lifecycle.Call, passed events.Record) bool {
	return c.State == lifecycle.Cleared && c.Refs.Passed == passed.Seq && c.Assigned != nil &&
		!s.Standing().Forsakes(c)
}

// aside lets others go on while the call's provider is asked for something.
func aside(ctx context.Context, c *lifecycle.Call) error {
	return worker.Aside(ctx, c.Tenant, c.Assigned.Connection)
}

// An attempt is one intent on its way to the provider. sendBy carries the
// monotonic clock: a process that slept must not send.
type attempt struct {
	call   *lifecycle.Call
	agent  *lifecycle.Agent
	sendBy time.Time
}

// sendBy is until when an intent may be sent: no longer than the pass, the request
// and the instant at which the provider is to call allow.
func sendBy(c *lifecycle.Call, now time.Time, most time.Duration) time.Time {
	limits := []*time.Time{&c.Request.ExpiresAt}
	if c.Passed != nil {
		limits = append(limits, &c.Passed.ValidUntil, c.Passed.CallAt)
	}
	for _, end := range limits {
		if end != nil && !end.IsZero() {
			most = min(most, end.Sub(now))
		}
	}
	return now.Add(most)
}

// dial writes the intent, unless the last look at the provider found it unfit,
// and sends the call only if this very append won. Whoever finds an intent
// without an outcome, be it this process, never sends: see Turn.
func (s *Service) dial(ctx context.Context, passed events.Record, unfit *events.CallWithheld) error {
	var at attempt
	won, err := s.Log.Update(ctx, log.RefOf(passed), func(c *lifecycle.Call) (*log.Draft, error) {
		if !s.stillCleared(c, passed) {
			return nil, nil
		}
		// Compare-and-set notices a call that has moved on, never an agent:
		// the leader is asked, and nothing else stands between it and the intent.
		a, err := orders.Lent(ctx, c, s.Log.LatestAgent)
		if err != nil {
			return nil, err
		}
		now := s.Now()
		at = attempt{c, a, sendBy(c, now, s.Send)}
		if why := MayDial(c, a, now); why != "" {
			return s.next(c, events.Withheld, &events.CallWithheld{Reason: why})
		}
		if unfit != nil {
			return s.next(c, events.Withheld, unfit)
		}
		return s.next(c, events.Dialing, &events.CallDialing{
			Attempt: s.NewID(), PassID: c.PassedID, PassHash: PassHash(c.Passed),
			Agent: c.Assigned.Agent, Fence: c.Assigned.Fence, NotAfter: at.sendBy,
		})
	})
	intent, ok := won.Record.Body.(*events.CallDialing)
	if err != nil || !ok || !won.Won {
		return err
	}
	at.call.Dialing = intent
	worker.Beside(ctx) // whoever cancels the call does not wait for a provider that hangs
	name, body := s.send(ctx, at)
	return s.settle(ctx, log.RefOf(passed), intent.Attempt, name, body)
}

// send places the call, once, and puts the provider's answer into an event.
// It does not stop when the worker is told to: the answer is worth waiting for.
func (s *Service) send(ctx context.Context, at attempt) (events.Name, any) {
	id := at.call.Dialing.Attempt
	o, conn, err := s.book.BuildDialRequest(ctx, at.call, at.agent)
	if err != nil {
		return events.Withheld, &events.CallWithheld{Reason: NothingSent, Detail: fault.Code(err), Attempt: id}
	}
	if conn.Provider.Starter == nil {
		return events.Withheld, &events.CallWithheld{Reason: NothingSent, Detail: "unsupported", Attempt: id}
	}
	kept := s.keepDistance(context.WithoutCancel(ctx), at)
	if s.Held() {
		return events.Withheld, &events.CallWithheld{Reason: NothingSent, Detail: log.CodeWentBack}
	}
	if !kept || !s.Now().Before(at.sendBy) {
		return events.Withheld, &events.CallWithheld{Reason: TooLate, Attempt: id}
	}
	ctx, cancel := s.Within(context.WithoutCancel(ctx), s.Answer)
	defer cancel()
	receipt, err := conn.Provider.Starter.Start(ctx, o)
	if err == nil && receipt.Pending && !conn.Provider.Can.Pending {
		err = fault.New(fault.Uncertain, "dial", "pending_unsaid", nil)
	}
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
func (s *Service) settle(ctx context.Context, ref log.Ref, attempt string, answer events.Name, body any) error {
	_, err := s.Log.Update(ctx, ref, func(c *lifecycle.Call) (*log.Draft, error) {
		if c.Dialing == nil || c.Dialing.Attempt != attempt {
			return nil, nil // another intent stands by now
		}
		switch name := Settled(c.State, answer); name {
		case "":
			return nil, nil
		case events.NotPlaced:
			return s.next(c, name, &events.CallNotPlaced{Attempt: attempt, Evidence: "the provider's answer came late: " + string(answer)})
		default:
			return s.next(c, name, body)
		}
	})
	return err
}
