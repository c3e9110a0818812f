package tcn_test

import (
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/tcn"
)

// lastHeard is a call of which TCN said this last.
func lastHeard(status string) providers.View {
	v := dialedAt(events.Consulting)
	v.Said = status
	return v
}

func transferredAt(state events.Name) providers.View {
	v := wrapping(afterTalkAt(state))
	v.Transferred = true
	return v
}

// An agent who is free may have been in after-call work that nobody saw: then
// nobody knows when the call ended.
func TestWhenACallEndedThatNobodySawEnd(t *testing.T) {
	t.Parallel()
	free := time.Date(2026, 3, 2, 17, 0, 0, 0, time.UTC)
	for story, tc := range map[string]struct {
		status   string
		changed  any
		received time.Duration // after it became free
		inferred bool
	}{
		"polled right after":             {"READY", free.UnixMilli(), time.Second, false},
		"polled minutes later":           {"READY", free.UnixMilli(), 4 * time.Minute, true},
		"after-call work is just over":   {"PREPARING_AFTER_WRAPUP", free.UnixMilli(), time.Second, true},
		"TCN does not date its statuses": {"READY", nil, time.Second, false},
	} {
		raw := answer(t, map[string]any{"statusDesc": tc.status, "lastStatusChange": tc.changed})
		raw.ReceivedAt = free.Add(tc.received)
		obs, err := tcn.Reader{}.Read(raw, dialedAt(events.Talking))
		if err != nil || len(obs) < 2 || obs[0].Call != events.Ended || obs[0].Inferred != tc.inferred || obs[1].Inferred {
			t.Errorf("%s: %+v, %v", story, obs, err)
		}
	}
}

// A cold transfer leaves the customer with somebody else.
func TestAColdTransferHandsTheCustomerOn(t *testing.T) {
	t.Parallel()
	tell(t, []readerStory{
		{"a cold transfer is done", "WRAPUP", lastHeard("COLD_AGENT_TRANSFER_STARTED"), "call ended(transferred), call wrap_up, agent wrap_up"},
		{"and the agent has no after-call work", "READY", lastHeard("cold_outbound_transfer_started"), "call ended(transferred), call wrapped_up, agent ready"},
		{"it is told once", "WRAPUP", transferredAt(events.WrapUp), ""},
		{"and the agent is ready", "READY", transferredAt(events.WrapUp), "call wrapped_up, agent ready"},
		{"it did not work", "PEERED", lastHeard("COLD_AGENT_TRANSFER_STARTED"), "call talking"},
		{"a warm one may have been a hang-up", "WRAPUP", lastHeard("WARM_AGENT_TRANSFER_STARTED_SOURCE"), "call wrap_up, agent wrap_up"},
	})
}
