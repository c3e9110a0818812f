package audit_test

import (
	"testing"
	"time"

	"github.com/outdial/outdial/internal/audit"
	"github.com/outdial/outdial/pkg/events"
)

// What a telephone company's ledger says that it rang is held against the numbers
// that the pass lists, and against the time that it is for.
func TestWhatRangIsHeldAgainstThePass(t *testing.T) {
	t.Parallel()
	const second, third = "+12025550124", "+12025550125"
	for story, tc := range map[string]struct {
		lists []string      // nil: a pass of former versions
		in    time.Duration // until the instant at which it was to call, 0 none
		rang  map[string]time.Duration
		says  string
	}{
		"one after the other":                   {[]string{customer, second}, 0, map[string]time.Duration{customer: 0, second: time.Second}, ""},
		"one that the pass does not list":       {[]string{customer, second}, 0, map[string]time.Duration{customer: 0, third: time.Second}, "which the pass is not over"},
		"a former pass, and the call's own":     {nil, 0, map[string]time.Duration{customer: 0}, ""},
		"a former pass is over no other number": {nil, 0, map[string]time.Duration{second: 0}, "which the pass is not over"},
		"at the instant":                        {[]string{customer}, 10 * time.Second, map[string]time.Duration{customer: 11 * time.Second}, ""},
		"before the instant":                    {[]string{customer}, 20 * time.Second, map[string]time.Duration{customer: 0}, "outside the time"},
		"after the pass's end":                  {[]string{customer}, time.Second, map[string]time.Duration{customer: time.Hour}, "outside the time"},
		"after the end of one for now":          {[]string{customer, second}, 0, map[string]time.Duration{customer: 0, second: time.Hour}, "outside the time"},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			p := w.queued("c1").adds(events.Assigned, events.Passed)
			pass := w.at(events.Passed, 1).Body.(*events.CallPassed)
			for _, n := range tc.lists {
				pass.Numbers = append(pass.Numbers, acmeKey.Number(n))
			}
			if tc.in > 0 {
				at := w.now.Add(tc.in)
				pass.CallAt = &at
			}
			p.add(events.Dialing)
			p.rings(4 * time.Second)
			d := &w.dials[len(w.dials)-1]
			d.Agent = ""
			for n, after := range tc.rang {
				d.Rang = append(d.Rang, audit.Rung{At: d.At.Add(after), Number: n})
			}
			p.adds(events.Started, events.Ringing, events.Ended, events.Closed)
			r := w.judge(audit.Options{})
			if tc.says == "" {
				expect(t, r, "")
			} else {
				expect(t, r, "I1", tc.says)
			}
		})
	}
}
