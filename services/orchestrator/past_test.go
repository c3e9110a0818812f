package orchestrator

import (
	"testing"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/log/marks"
	"github.com/outdial/outdial/pkg/events"
)

// A copy of AGENTS is later than that of CALLS: it has claims of calls that are
// not on record. Whoever they claim may have been dialed in the lost hours, and is
// held back; a claim of which nothing was lost is void as ever.
func TestAClaimOfALostCallHoldsItsAgentBack(t *testing.T) {
	t.Parallel()
	for through, want := range map[uint64]string{0: "enrolled claimed released", 1 << 20: "enrolled claimed quarantined"} {
		w := newWorld(t)
		w.enrol("ann")
		a := w.agent("ann")
		after, _ := a.After(events.Claimed, "lost", "", w.Now())
		if _, err := w.log.Append(t.Context(), *log.NextOfAgent(a, events.Orchestrator, events.Claimed, w.Now(), &events.AgentClaimed{Call: "lost", State: after})); err != nil {
			t.Fatal(err)
		}
		w.s.Standing = func() marks.Standing { return marks.Standing{Through: map[string]uint64{events.StreamAgents: through}} }
		w.pass(time.Minute)
		w.turn(w.s)
		w.wantAgent("ann", want)
	}
}
