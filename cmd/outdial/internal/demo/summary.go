package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/outdial/outdial/cmd/outdial/internal/ops"
	"github.com/outdial/outdial/internal/audit"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/sim"
)

// summary compares what happened with what was promised, with the log and with
// the simulator's ledger.
func (s *show) summary(ctx context.Context) error {
	wrong := s.table.judge(s.sim.Ledger().Entries())
	fmt.Fprintln(s.Out)
	report, err := s.audit(ctx)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if err := report.Write(s.Out); err != nil {
		return err
	}
	for _, w := range wrong {
		fmt.Fprintln(s.Out, "  ✗", w)
	}
	if len(wrong) > 0 || !report.Kept() {
		return ErrNotAsPromised
	}
	fmt.Fprintf(s.Out, "\nAll %d scenes went as they should; the log and the simulator's ledger agree.\n", len(s.table.rows))
	return nil
}

// audit judges strictly: every call closed, every agent given back. The last
// agent is given back a moment after the last call closes, so a finding is
// looked at again; what really happened does not go away.
func (s *show) audit(ctx context.Context) (report audit.Report, err error) {
	h := s.app.Host("orchestrator")
	for range 20 {
		report, err = ops.Audit(ctx, h.JS, h.Directory, s.sim.Ledger().Entries(), h.Clock, true)
		if err != nil || report.Kept() {
			return report, err
		}
		select {
		case <-ctx.Done():
			return report, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return report, nil
}

// judge lists what did not go as promised.
func (t *table) judge(ledger []sim.Entry) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var wrong []string
	for _, r := range t.rows {
		say := func(format string, args ...any) {
			wrong = append(wrong, r.scene.Story+": "+fmt.Sprintf(format, args...))
		}
		if r.scene.Outcome == "" {
			if len(r.faults) < 3 {
				say("%d faults were told, want 3 or more", len(r.faults))
			}
			continue
		}
		if r.call.Closed == nil {
			say("still %s", r.call.State)
			continue
		}
		if got := r.call.Closed; got.Outcome != r.scene.Outcome || (r.scene.Reason != "" && got.Reason != r.scene.Reason) {
			say("closed %s: %s, want %s %s", got.Outcome, got.Reason, r.scene.Outcome, r.scene.Reason)
		}
		for _, n := range r.scene.Via {
			if !has(r.call, n) {
				say("no %s on its log", n)
			}
		}
		for _, n := range r.scene.Never {
			if has(r.call, n) {
				say("%s on its log", n)
			}
		}
		if got := dials(ledger, r.scene.Request.To); got != r.scene.Dials {
			say("the simulator dialed it %d times, want %d", got, r.scene.Dials)
		}
	}
	return wrong
}

func has(c *lifecycle.Call, n events.Name) bool {
	return slices.ContainsFunc(c.Log, func(e events.Record) bool { return e.Name == n })
}

func dials(ledger []sim.Entry, number string) int {
	n := 0
	for _, e := range ledger {
		if e.Kind == sim.Start && strings.TrimPrefix(e.Number, "+") == strings.TrimPrefix(number, "+") {
			n++
		}
	}
	return n
}
