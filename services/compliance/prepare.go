package compliance

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers/tcn"
	"github.com/outdial/outdial/services/compliance/rules"
)

func listVersion(seq uint64) string {
	if seq == 0 {
		return "no entry"
	}
	return "facts@" + strconv.FormatUint(seq, 10)
}

// prepare decides by our rules first; only if they are content does it write
// preparing, and only if this very append won does it touch the provider.
func (s *Service) prepare(r events.Record, d demands) log.Step {
	var by time.Time // carries the monotonic clock: a process that slept must not touch
	return log.Step{
		Make: func(ctx context.Context) (*log.Draft, error) {
			by = time.Now().Add(s.Prepare)
			c, err := log.CallOf(ctx, s.Log, r)
			if err != nil || !mine(c, r) {
				return nil, err
			}
			dec, err := s.judge(ctx, c, d)
			if err != nil {
				return nil, err
			}
			if !dec.Allowed {
				return s.failed(c, dec, nil, unread(dec), false)
			}
			now := s.Now()
			return s.next(c, events.Preparing, &events.CallPreparing{
				Attempt: events.RandomID(), Agent: c.Assigned.Agent, Fence: c.Assigned.Fence,
				NotAfter: now.Add(s.Prepare), StartTime: now.Truncate(time.Second),
			})
		},
		Then: func(ctx context.Context, done log.Appended) ([]log.Step, error) {
			if done.Record.Name != events.Preparing || !done.Won {
				return nil, nil // not ours to touch: lost answers for it
			}
			scrub, touched, err := s.touch(ctx, done.Record, by)
			if err != nil {
				return []log.Step{s.impossible(r, err, touched)}, nil
			}
			return []log.Step{s.verdict(r, d, scrub)}, nil
		},
	}
}

// touch prepares the call at the provider and asks its verdict, until the
// preparation's notAfter by this process's own clock. It does not stop when the
// worker is told to: an answer is owed.
func (s *Service) touch(ctx context.Context, preparing events.Record, by time.Time) (events.Scrub, bool, error) {
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), by)
	defer cancel()
	c, a, err := s.callAndAgent(ctx, preparing)
	if err != nil {
		return events.Scrub{}, false, err
	}
	if a.State.Claim == nil || a.State.Claim.Call != c.ID || a.Fence != c.Assigned.Fence {
		return events.Scrub{}, false, fault.New(fault.Transient, "prepare", "claim_lost", nil)
	}
	o, conn, err := s.book.For(ctx, c, a)
	if err != nil {
		return events.Scrub{}, false, err
	}
	if ctx.Err() != nil {
		return events.Scrub{}, false, fault.New(fault.Transient, "prepare", "not_after", ctx.Err())
	}
	return conn.Provider.Preparer.Prepare(ctx, o)
}

// verdict joins the provider's verdict with ours, asked again: the stricter
// wins, and both are on record.
func (s *Service) verdict(r events.Record, d demands, scrub events.Scrub) log.Step {
	return s.owed(r, func(ctx context.Context, c *lifecycle.Call) (*log.Draft, error) {
		dec, err := s.judge(ctx, c, d)
		if err != nil {
			return nil, err
		}
		if !scrub.OK {
			dec.Allowed, dec.NextAllowedAt = false, nil
			dec.Reasons = byPrecedence(append(dec.Reasons, scrubReasons(scrub)...))
		}
		if !dec.Allowed {
			return s.failed(c, dec, &scrub, unread(dec), true)
		}
		return s.passed(c, dec, &scrub)
	})
}

// owed appends the answer to a preparation, whatever else happened meanwhile.
func (s *Service) owed(r events.Record, say func(context.Context, *lifecycle.Call) (*log.Draft, error)) log.Step {
	return log.Step{Make: func(ctx context.Context) (*log.Draft, error) {
		c, err := log.CallOf(ctx, s.Log, r)
		if err != nil {
			return nil, err
		}
		switch c.State {
		case lifecycle.Assigned, lifecycle.Preparing, lifecycle.Stopping:
			if c.Refs.Assigned == r.Seq {
				return say(ctx, c)
			}
		}
		return nil, nil
	}}
}

// impossible says that preparing could not be done. The call is not blocked:
// it waits, unless the provider said that it never will.
func (s *Service) impossible(r events.Record, cause error, touched bool) log.Step {
	return s.owed(r, func(ctx context.Context, c *lifecycle.Call) (*log.Draft, error) {
		code, retry := Impossible(cause)
		dec, err := s.judge(ctx, c, demands{loopback: true})
		if err != nil {
			return nil, err
		}
		dec.Reasons = []events.Reason{{Code: code, Rule: "provider", Detail: fault.Code(cause)}}
		dec.NextAllowedAt = nil
		return s.failed(c, dec, nil, retry, touched)
	})
}

// Impossible names the reason of a preparation that failed, and whether the
// call may try again.
func Impossible(err error) (code string, retry bool) {
	switch fault.Code(err) {
	case "agent_not_ready", "session_mismatch", "session_lost", "claim_lost", "unauthorized":
		return "AGENT_NOT_READY", true
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

// lost answers for a preparation whose winner never did, once its time is over.
func (s *Service) lost(ctx context.Context, r events.Record) ([]log.Step, error) {
	c, err := log.CallOf(ctx, s.Log, r)
	if err != nil || !answerOwed(c, r) {
		return nil, err
	}
	if wait := c.Preparing.NotAfter.Add(2 * time.Second).Sub(s.Now()); wait > 0 {
		// Early at first: a message that waits takes one of the broker's places.
		return nil, worker.Snooze(min(wait, max(time.Since(r.Stored), 500*time.Millisecond)), "a preparation's answer")
	}
	return []log.Step{{Make: func(ctx context.Context) (*log.Draft, error) {
		c, err := log.CallOf(ctx, s.Log, r)
		if err != nil || !answerOwed(c, r) {
			return nil, err
		}
		return s.next(c, events.Failed, &events.CallFailed{
			Decision: events.EventID(r.ID, "lost", c.ID), Retry: true, Touched: true,
			Reasons: []events.Reason{{Code: "PREPARATION_LOST", Rule: "provider",
				Detail: "whoever prepared the call did not answer in time"}},
			Evidence: events.Evidence{At: s.Now(), Engine: rules.Engine},
		})
	}}}, nil
}

func answerOwed(c *lifecycle.Call, preparing events.Record) bool {
	owed := c.State == lifecycle.Preparing || c.State == lifecycle.Stopping
	return owed && c.Preparing != nil && c.Preparing.Attempt == preparing.Body.(*events.CallPreparing).Attempt
}

// scrubReasons maps what a provider's verdicts said to reason codes. Only a no
// that was said names a list, a clock or a rule; a verdict that is missing, or
// says what nobody understands, is told by its own name, and so is the whole
// no where no partial one explains it.
func scrubReasons(s events.Scrub) []events.Reason {
	said := map[string]string{
		tcn.VerdictDNC: "DNC_NATIONAL", tcn.VerdictCell: "LINE_TYPE_WIRELESS_BLOCKED", tcn.VerdictHours: rules.TimeAmbiguousZone,
		tcn.VerdictRules: "CUSTOM_RULE_DENIED", tcn.VerdictNatural: "NATURAL_RULE_DENIED",
	}
	var out []events.Reason
	add := func(code, detail string) {
		out = append(out, events.Reason{Code: code, Rule: "provider-scrub", Detail: detail, Source: "TCN manual dial, step 7"})
	}
	for _, name := range slices.Sorted(maps.Keys(s.Verdicts)) {
		switch v := s.Verdicts[name]; v {
		case tcn.VerdictOK, tcn.VerdictNotRun:
		case tcn.VerdictRefused:
			if name != tcn.VerdictValidation {
				add(cmp.Or(said[name], providerScrubDenied), name+": "+v)
			}
		case tcn.VerdictMissing, "":
			add(providerScrubDenied, name+": "+tcn.VerdictMissing)
		default:
			add(providerScrubDenied, name+": not understood")
		}
	}
	if len(out) == 0 {
		add(providerScrubDenied, tcn.VerdictValidation+": "+cmp.Or(s.Verdicts[tcn.VerdictValidation], tcn.VerdictMissing))
	}
	return out
}

// providerScrubDenied is the provider's no where it does not say why.
const providerScrubDenied = "PROVIDER_SCRUB_DENIED"

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
