package ops

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/services/compliance"
	"github.com/outdial/outdial/services/orchestrator"
)

// clockForm is UTC, and says so.
const clockForm = "2006-01-02 15:04:05.000Z"

// CallGet prints the state and the timeline of a call.
func (c *Client) CallGet(ctx context.Context, body any) error {
	return show(c, ctx, "call", "get", body, func(v orchestrator.CallView) {
		fmt.Fprintf(c.Out, "call      %s\nnumber    %s\nstate     %s\n", v.Call, v.Number.Masked, v.State)
		if v.Outcome != "" {
			presumed := ""
			if v.Presumed {
				presumed = " (presumed: a watchdog decided)"
			}
			fmt.Fprintf(c.Out, "outcome   %s: %s%s\n", v.Outcome, v.Reason, presumed)
		}
		for _, line := range [][2]string{{"request", v.Source + " " + v.RequestID}, {"agent", v.Agent}, {"group", v.HuntGroup}, {"campaign", v.Campaign}, {"reference", v.Reference}} {
			if line[1] != "" {
				fmt.Fprintf(c.Out, "%-9s %s\n", line[0], line[1])
			}
		}
		if d := v.Durations; d != nil && *d != (events.Durations{}) {
			fmt.Fprintf(c.Out, "durations queue %s, ring %s, talk %s, hold %s, wrap %s\n",
				ms(d.Queue), ms(d.Ring), ms(d.Talk), ms(d.Hold), ms(d.Wrap))
		}
		fmt.Fprintln(c.Out)
		for _, e := range v.Timeline {
			fmt.Fprintf(c.Out, "%8d  %s  %-12s %-18s %s\n", e.Seq, e.At.UTC().Format(clockForm), e.Role, e.Event, e.Says)
		}
	})
}

func ms(v *int64) string {
	if v == nil {
		return "–"
	}
	return (time.Duration(*v) * time.Millisecond).String()
}

// CallExplain prints every decision of compliance about a call.
func (c *Client) CallExplain(ctx context.Context, body any) error {
	return show(c, ctx, "call", "explain", body, func(v orchestrator.Explanation) {
		fmt.Fprintf(c.Out, "call %s, number %s, now %s\n", v.Call, v.Number.Masked, v.State)
		if len(v.Decisions) == 0 {
			fmt.Fprintln(c.Out, "compliance has not decided about it")
		}
		for _, d := range v.Decisions {
			verdict := "FAILED"
			if d.Passed {
				verdict = "PASSED, valid until " + d.ValidUntil.UTC().Format(time.RFC3339)
			}
			fmt.Fprintf(c.Out, "\n%s  %s\n", d.At.UTC().Format(clockForm), verdict)
			c.evidence(d.Reasons, d.NextAllowedAt, d.Evidence)
			if d.Scrub != nil {
				c.scrub(d.Scrub)
			}
		}
	})
}

// scrub prints the provider's own verdicts.
func (c *Client) scrub(s *events.Scrub) {
	verdict := "no"
	if s.OK {
		verdict = "yes"
	}
	fmt.Fprintf(c.Out, "  the provider's own scrub says %s\n", verdict)
	for _, name := range slices.Sorted(maps.Keys(s.State)) {
		if verdict, ok := strings.CutPrefix(name, events.VerdictPrefix); ok {
			fmt.Fprintf(c.Out, "    %-24s %s\n", verdict, s.State[name])
		}
	}
}

func (c *Client) evidence(reasons []events.Reason, next *time.Time, e events.Evidence) {
	for _, r := range reasons {
		fmt.Fprintf(c.Out, "  ✗ %-28s %s  %s\n", r.Code, r.Detail, r.Source)
	}
	if next != nil {
		fmt.Fprintf(c.Out, "  next allowed at %s\n", next.UTC().Format(time.RFC3339))
	}
	fmt.Fprintf(c.Out, "  judged at %s by %s, rule set %s (%.12s), zone data %s", e.At.UTC().Format(time.RFC3339), e.Engine, e.Ruleset, e.RulesetHash, e.TZData)
	if e.ClockOffset != "" {
		fmt.Fprintf(c.Out, ", REHEARSAL clock offset %s", e.ClockOffset)
	}
	fmt.Fprintln(c.Out)
	for _, z := range e.Zones {
		open := "closed"
		if z.Open {
			open = "open"
		}
		fmt.Fprintf(c.Out, "    %-24s %s %s  %s (from %s)\n", z.Zone, z.Local, z.Weekday, open, z.From)
	}
	for _, r := range e.Rules {
		fmt.Fprintf(c.Out, "    %-24s %-14s %s\n", r.Rule, r.Answer, r.Detail)
	}
	for _, l := range e.Lists {
		fmt.Fprintf(c.Out, "    list %-19s %-14s %s\n", l.Name, l.Answer, versionOf(l, e.At))
	}
}

// versionOf says which state of a list was consulted.
func versionOf(l events.ListVersion, judged time.Time) string {
	if l.AsOf != nil {
		judged = *l.AsOf
	}
	switch l.Version {
	case "":
		return "its version is not known: it could not be read"
	case events.NoEntry:
		return "no entry for the number, as of " + judged.UTC().Format(time.RFC3339)
	}
	return "version " + l.Version
}

// CallFind prints the calls that match, a line each.
func (c *Client) CallFind(ctx context.Context, body any) error {
	type found struct {
		Calls []orchestrator.Line `json:"calls"`
		Count int                 `json:"count"`
		Next  uint64              `json:"next"`
		Left  int                 `json:"left"`
	}
	return show(c, ctx, "call", "find", body, func(v found) {
		for _, l := range v.Calls {
			state := l.State
			if l.Outcome != "" {
				state = l.Outcome + ": " + l.Reason
			}
			fmt.Fprintf(c.Out, "%s  %s  %-14s %-10s %s\n", l.Call, l.Requested.UTC().Format(clockForm), l.Number.Masked, l.Agent, state)
		}
		fmt.Fprintln(c.Out, count(v.Count, "call"))
		if v.Left > 0 {
			fmt.Fprintf(c.Out, "%d open ones that are older, and the closed ones, are left off: ask for an agent, a campaign or --until\n", v.Left)
		}
		if v.Next > 0 {
			fmt.Fprintf(c.Out, "there may be older ones: the same with --before %d\n", v.Next)
		}
	})
}

// ErrWouldFail says that compliance would not let a request be dialed.
var ErrWouldFail = errors.New("this request would not be dialed")

// ComplianceCheck prints the decision that a request would get; ErrWouldFail if
// it is no.
func (c *Client) ComplianceCheck(ctx context.Context, body any) error {
	v, err := judged(c, ctx, "compliance", "check", body, func(v compliance.CheckAnswer) {
		verdict := "would FAIL: " + v.Primary
		if v.Allowed {
			verdict = "would PASS (" + v.Primary + "), valid until " + v.ValidUntil.UTC().Format(time.RFC3339)
		}
		fmt.Fprintln(c.Out, verdict)
		c.evidence(v.Reasons, v.NextAllowedAt, v.Evidence)
		if v.Note != "" {
			fmt.Fprintln(c.Out, "  note:", v.Note)
		}
	})
	if err == nil && !v.Allowed {
		return ErrWouldFail
	}
	return err
}
