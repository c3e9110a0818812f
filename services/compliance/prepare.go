package compliance

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/orders"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/services/compliance/rules"
)

func listVersion(seq uint64) string {
	if seq == 0 {
		return events.NoEntry
	}
	return "facts@" + strconv.FormatUint(seq, 10)
}

// prepare decides by our rules first; only if they are content does it write
// preparing, and only if this very append won does it touch the provider. For
// a preparation whose winner is gone others answer, and never touch: see Turn.
func (s *Service) prepare(ctx context.Context, r events.Record, d demands) error {
	var call *lifecycle.Call
	var by time.Time // carries the monotonic clock: a process that slept must not touch
	won, err := s.Log.Update(ctx, log.RefOf(r), func(c *lifecycle.Call) (*log.Draft, error) {
		now := s.Now()
		call, by = c, now.Add(s.Prepare)
		if !stillAssigned(c, r) {
			return nil, nil
		}
		dec := s.judge(ctx, c, d)
		if !dec.Allowed {
			return s.failed(c, dec, nil, unread(dec), false)
		}
		return s.next(c, events.Preparing, &events.CallPreparing{
			Attempt: s.NewID(), Agent: c.Assigned.Agent, Fence: c.Assigned.Fence,
			NotAfter: by, StartTime: now.Truncate(time.Second),
		})
	})
	preparing, ok := won.Record.Body.(*events.CallPreparing)
	if err != nil || !ok || !won.Won {
		return err
	}
	call.Preparing = preparing
	scrub, touched, err := s.callProvider(ctx, call, by)
	if err != nil {
		return s.preparationFailed(ctx, r, err, touched)
	}
	return s.answerPreparation(ctx, r, d, scrub)
}

// callProvider prepares the call at the provider and asks its verdict, until
// the preparation's notAfter by this process's own clock. It does not stop when
// the worker is told to: an answer is owed.
func (s *Service) callProvider(ctx context.Context, c *lifecycle.Call, by time.Time) (events.Scrub, bool, error) {
	ctx = context.WithoutCancel(ctx)
	// No append tells of an agent who has moved on, so the leader is asked.
	a, err := orders.Lent(ctx, c, s.Log.LatestAgent)
	if err != nil {
		return events.Scrub{}, false, err
	}
	if a != nil && (a.State.Claim == nil || a.State.Claim.Call != c.ID || a.Fence != c.Assigned.Fence) {
		return events.Scrub{}, false, fault.New(fault.Transient, "prepare", "claim_lost", nil)
	}
	o, conn, err := s.book.BuildDialRequest(ctx, c, a)
	if err != nil {
		return events.Scrub{}, false, err
	}
	left := by.Sub(s.Now())
	if left <= 0 {
		return events.Scrub{}, false, fault.New(fault.Transient, "prepare", "not_after", nil)
	}
	ctx, cancel := s.Within(ctx, left)
	defer cancel()
	return conn.Provider.Preparer.Prepare(ctx, o)
}

// answerPreparation joins the provider's verdict with ours, asked again: the
// stricter wins, and both are on record.
func (s *Service) answerPreparation(ctx context.Context, r events.Record, d demands, scrub events.Scrub) error {
	return s.answerOwed(ctx, r, func(c *lifecycle.Call) (*log.Draft, error) {
		dec := s.judge(ctx, c, d)
		if !scrub.OK {
			dec.refuse(scrubReasons(scrub)...)
		}
		if !dec.Allowed {
			return s.failed(c, dec, &scrub, unread(dec), true)
		}
		return s.passed(c, dec, &scrub)
	})
}

// preparationFailed says that preparing could not be done. The call is not
// blocked: it waits, unless the provider said that it never will.
func (s *Service) preparationFailed(ctx context.Context, r events.Record, cause error, touched bool) error {
	return s.notPrepared(ctx, r, cause, touched, nil)
}

// notPrepared says so, and when the next try may be where that is known.
func (s *Service) notPrepared(ctx context.Context, r events.Record, cause error, touched bool, next *time.Time) error {
	return s.answerOwed(ctx, r, func(c *lifecycle.Call) (*log.Draft, error) {
		code, retry := Impossible(cause)
		dec := s.judge(ctx, c, demands{loopback: true})
		dec.Reasons = []events.Reason{{Code: code, Rule: "provider", Detail: fault.Code(cause)}}
		dec.NextAllowedAt = next
		return s.failed(c, dec, nil, retry, touched)
	})
}

// answerOwed appends the answer to an assignment, whatever else happened
// meanwhile, unless somebody has given it up or the call is assigned anew.
func (s *Service) answerOwed(ctx context.Context, r events.Record, say func(*lifecycle.Call) (*log.Draft, error)) error {
	_, err := s.Log.Update(ctx, log.RefOf(r), func(c *lifecycle.Call) (*log.Draft, error) {
		switch c.State {
		case lifecycle.Assigned, lifecycle.Preparing, lifecycle.Stopping:
			if c.Refs.Assigned == r.Seq {
				return say(c)
			}
		}
		return nil, nil
	})
	return err
}

// rateLimited says that the provider has been asked often enough, by us or in
// its own words.
const rateLimited = "rate_limited"

// Impossible names the reason of a preparation that failed, and whether the
// call may try again.
func Impossible(err error) (code string, retry bool) {
	switch fault.Code(err) {
	case "agent_not_ready", "session_mismatch", "session_lost", "claim_lost", "unauthorized":
		return "AGENT_NOT_READY", true
	case rateLimited:
		return "RATE_LIMITED", true
	case "metadata_missing":
		return rules.MetadataMissing, false
	case "manual_dial_disabled":
		return "MANUAL_DIAL_DISABLED", false
	}
	if fault.Of(err) == fault.Permanent {
		return "PROVIDER_REFUSED", false
	}
	return "PROVIDER_DOWN", true
}

// grace is how long the winner of a preparation may take, after its notAfter,
// to record what the provider said.
const grace = 2 * time.Second

// overdue says whether the winner of the call's preparation owes an answer that
// will not come any more.
func overdue(c *lifecycle.Call, now time.Time) bool {
	owed := c.State == lifecycle.Preparing || c.State == lifecycle.Stopping
	return owed && c.Preparing != nil && !now.Before(c.Preparing.NotAfter.Add(grace))
}

// leftTime is what picking one up may take, the provider's answer included.
const leftTime = time.Minute

// Turn answers for preparations whose winner never did, which touches nobody,
// and picks up assignments that no delivery has brought so far as an answer:
// one that was parked, or lost in whatever way nobody has thought of, must not
// leave its call standing until it expires.
//
// Every compliance takes its turns over all open calls that it has heard of.
// That several find the same one, and that its delivery is on its way after all
// or in another's hands, does no harm: each answer is an append on the call,
// compare-and-set, and only who won the preparing touches the provider.
func (s *Service) Turn(ctx context.Context) error {
	var late, left []log.Ref
	now := s.Now()
	s.Log.OpenCalls(func(c *lifecycle.Call) {
		switch ref := (log.Ref{Tenant: c.Tenant, ID: c.ID}); {
		case overdue(c, now):
			late = append(late, ref)
		case worker.Left(unanswered(c), now):
			left = append(left, ref)
		}
	})
	err := s.late.Each(ctx, late, func(ctx context.Context, ref log.Ref) error {
		_, err := s.Log.Update(ctx, ref, s.recoverPreparation)
		return err
	})
	return errors.Join(err, s.left.Each(ctx, left, s.pickUp))
}

// pickUp goes on with a call as if its assignment had been delivered, and so not
// while deliveries are paused. Its answer is owed once it has begun, be the service told to end.
func (s *Service) pickUp(ctx context.Context, ref log.Ref) error {
	ctx, cancel := s.Within(context.WithoutCancel(ctx), leftTime)
	defer cancel()
	c, err := s.Log.Call(ctx, ref)
	if err != nil || !worker.Left(unanswered(c), s.Now()) {
		return err
	}
	if paused, err := s.Paused(ctx); paused || err != nil {
		return err
	}
	s.Logger.WarnContext(ctx, "an assignment that nobody answered is picked up", "tenant", ref.Tenant, "call", ref.ID, "seq", c.Refs.Assigned)
	return s.OnCall(ctx, unanswered(c))
}

// unanswered is the assignment that the call stands in, if it does.
func unanswered(c *lifecycle.Call) events.Record {
	i := slices.IndexFunc(c.Log, func(r events.Record) bool { return stillAssigned(c, r) })
	if i < 0 {
		return events.Record{}
	}
	return c.Log[i]
}

func (s *Service) recoverPreparation(c *lifecycle.Call) (*log.Draft, error) {
	if !overdue(c, s.Now()) {
		return nil, nil
	}
	return s.next(c, events.Failed, &events.CallFailed{
		Decision: events.EventID(c.Preparing.Attempt, "lost", c.ID), Retry: true, Touched: true,
		Reasons: []events.Reason{{Code: "PREPARATION_LOST", Rule: "provider",
			Detail: "whoever prepared the call did not answer in time"}},
		Evidence: events.Evidence{At: s.Now(), Engine: rules.Engine},
	})
}

// scrubReasons are why a provider's scrub said no. What it says, it says as the
// provider: no rule of ours is named by it.
func scrubReasons(s events.Scrub) []events.Reason {
	if len(s.Reasons) == 0 {
		return []events.Reason{{Code: providerScrubDenied, Rule: providerScrub, Detail: "it gave no reason"}}
	}
	out := slices.Clone(s.Reasons)
	for i := range out {
		out[i].Rule = providerScrub
	}
	return out
}

const (
	providerScrub = "provider-scrub"
	// providerScrubDenied is the provider's no where it does not say why.
	providerScrubDenied = "PROVIDER_SCRUB_DENIED"
)

// byPrecedence puts the weightiest reason first, as in the vocabulary; what is
// not in it comes last.
func byPrecedence(reasons []events.Reason) []events.Reason {
	place := map[string]int{}
	for i, t := range rules.Vocabulary() {
		place[t.Code] = i + 1
	}
	rank := func(r events.Reason) int {
		if n := place[r.Code]; n > 0 {
			return n
		}
		return len(place) + 1
	}
	slices.SortStableFunc(reasons, func(a, b events.Reason) int { return rank(a) - rank(b) })
	return reasons
}
