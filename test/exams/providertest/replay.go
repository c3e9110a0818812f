package providertest

import (
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
)

// Replay reads messages one after the other against the record that they make,
// as the bridge does, from a call that was started for v.To on. It gives what
// they said of the call, with reasons in parentheses, and the call. Each
// message is received an hour after the first: a page that was cut off.
func Replay(t testing.TB, r providers.Reader, v providers.View, bodies ...[]byte) (story string, c *lifecycle.Call) {
	t.Helper()
	received := time.Date(2030, 1, 1, 1, 0, 0, 0, time.UTC)
	c = &lifecycle.Call{State: lifecycle.None}
	take := func(n events.Name, body any) {
		c.Take(events.Record{Family: events.CallFamily, Tenant: "acme", Key: "c", Name: n, Seq: c.Seq() + 1, Time: received, Body: body})
	}
	take(events.Requested, &events.CallRequested{})
	take(events.Assigned, &events.CallAssigned{NoTalking: true})
	take(events.Passed, &events.CallPassed{})
	take(events.Dialing, &events.CallDialing{})
	take(events.Started, &events.CallStarted{})
	var said []string
	lost := 0
	for _, b := range bodies {
		v.CallState, v.Said = events.Name(c.State), c.Said
		v.Talked, v.Machine, v.Transferred = c.Talked, c.Machine, c.Transferred
		seen, err := r.Read(events.ProviderRaw{Via: "desktop", ReceivedAt: received, Body: b}, v)
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		for _, o := range seen {
			if o.Call == "" {
				continue
			}
			if !o.Manual && !o.Sure() {
				lost++
				continue
			}
			word := string(o.Call)
			if o.Reason != "" {
				word += "(" + o.Reason + ")"
			}
			said = append(said, word)
			_, verdict := lifecycle.Calls().Next(c.State, o.Call)
			heard := received.Add(-o.Waited)
			p := &events.CallProgress{Event: o.Event, State: o.State, Reason: o.Reason, Legs: o.Legs, Inferred: o.Inferred,
				ReceivedAt: &heard, Late: verdict == lifecycle.Known && lifecycle.Rank(lifecycle.State(o.Call)) > 0}
			if !o.At.IsZero() {
				p.OccurredAt = &o.At
			}
			take(o.Call, p)
		}
	}
	if lost > 0 && len(said) == 0 {
		t.Errorf("all %d news are nobody's: by an id of the call's own or the attempt, or Manual with the number, they must say whose", lost)
	}
	if len(c.Faults) > 0 {
		t.Errorf("the call's log is not one: %v", c.Faults)
	}
	return strings.Join(said, " "), c
}
