package compliance

import (
	"testing"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/services/compliance/rules"
)

// A store may hold requests that the reader of today would refuse. They are
// judged by the rules of today: right after the request, and again when an
// agent has been found.
func TestARequestThatAnOlderReaderTookIsJudgedByTheRulesOfToday(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		spoil func(*events.DialRequest)
		code  string
	}{
		"a machine that dials ahead": {func(q *events.DialRequest) { q.Mode = events.ModePredictive }, rules.ConsentRequired},
		"a recording that speaks":    {func(q *events.DialRequest) { q.Mode = events.ModePrerecorded }, rules.ConsentRequired},
		"a mode nobody knows":        {func(q *events.DialRequest) { q.Mode = "power" }, rules.MetadataInvalid},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			q := events.DialRequest{To: newYork, Agent: "ann", Purpose: "telemarketing", Mode: "manual"}
			tc.spoil(&q)
			for _, found := range []bool{false, true} {
				w := newWorldOf(t, "tcn", q)
				r := w.call().Log[0]
				want := "requested failed"
				if found {
					r, want = w.assign(), "requested assigned failed"
				}
				w.hear(r)
				w.want(want)
				w.wantFailed(tc.code, false, false)
				if w.p.prepares != 0 {
					t.Error("the provider was touched")
				}
			}
		})
	}
}
