package compliance

import (
	"context"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/pace"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
)

// at has the provider asked at a pace of five a second, on the world's clock.
func (w *world) at(dials int) {
	p := pace.NewPacer(pace.NewMemory(w.Now), map[pace.Account]int{{Tenant: "acme", Connection: "tcn"}: 5, {Tenant: "acme", Connection: "desk"}: 5}, 4, w.Now)
	w.s.Pace, w.s.Sleep = p.Ask, func(_ context.Context, d time.Duration) error { w.pass(d); return nil }
	for range dials {
		p.Ask(w.t.Context(), "acme", "tcn", pace.Dial)
		p.Ask(w.t.Context(), "acme", "desk", pace.Dial)
	}
}

// The provider is asked when it is a check's turn, and the time to touch it
// begins then.
func TestAProviderIsAskedWhenItsTurnHasCome(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "tcn", newYork)
	w.at(3)
	w.p.prepare = func(context.Context, providers.Order) (events.Scrub, bool, error) {
		if !w.Now().Equal(noon.Add(600 * time.Millisecond)) {
			t.Errorf("prepared at %s", w.Now())
		}
		return events.Scrub{OK: true}, true, nil
	}
	w.hear(w.assign())
	w.want("requested assigned preparing passed")
	if p := w.call().Preparing; !p.NotAfter.Equal(noon.Add(600*time.Millisecond + w.s.Prepare)) {
		t.Errorf("%+v", p)
	}
}

// Where that would be too long, the call waits without an agent, until then; the
// provider was not touched.
func TestACallWhoseCheckHasNoTurnWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "tcn", newYork)
	w.at(26)
	w.hear(w.assign())
	w.want("requested assigned failed")
	f := w.call().Failed
	if len(f.Reasons) != 1 || f.Reasons[0].Code != "RATE_LIMITED" || !f.Retry || f.Touched || w.p.prepares != 0 ||
		f.NextAllowedAt == nil || !f.NextAllowedAt.Equal(noon.Add(5200*time.Millisecond)) {
		t.Errorf("%+v, %d prepares", f, w.p.prepares)
	}
}

// Who asks the provider nothing needs no turn.
func TestOurOwnRulesNeedNoTurn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "desk", newYork)
	w.at(26)
	w.hear(w.assign())
	w.want("requested assigned passed")
}
