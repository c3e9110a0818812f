package bridge

import (
	"testing"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/pace"
)

// A look at an agent that gets no slot is left out. It is no failure, and it is
// due again when there may be one.
func TestALookWithoutASlotIsLeftOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := log.Ref{Tenant: "acme", ID: "ann"}
	w.s.Follow(w.agent("ann").Last)
	p := pace.NewPacer(pace.NewMemory(w.Now), map[pace.Account]int{{Tenant: "acme", Connection: "tcn"}: 5}, 4, w.Now)
	w.s.Pace = p.Ask
	for range 3 {
		p.Ask(t.Context(), "acme", "tcn", pace.Dial)
	}
	for range 5 {
		if again := w.s.PollOnce(t.Context(), ann); again != 600*time.Millisecond {
			t.Errorf("again in %s", again)
		}
	}
	w.wantAgent("ann", "")
	w.pass(600 * time.Millisecond)
	w.s.PollOnce(t.Context(), ann)
	w.wantAgent("ann", "session_started")
	if len(w.ops) != 0 {
		t.Errorf("%+v", w.ops)
	}
}
