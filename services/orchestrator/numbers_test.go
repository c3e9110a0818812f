package orchestrator

import (
	"slices"
	"testing"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// A call whose pass was taken back after the dial is asked back, once, while nobody
// has answered; it was compliance that blocked it.
func TestACallThatIsTakenBackIsAskedBack(t *testing.T) {
	t.Parallel()
	sent := []happened{{events.Assigned, 0, nil}, {events.Passed, 0, nil}, {events.Dialing, 0, nil}}
	failed := happened{events.Failed, 0, &events.CallFailed{Reasons: []events.Reason{{Code: "DNC_INTERNAL"}}}}
	for story, tc := range map[string]struct {
		then []happened
		want Deed
	}{
		"it is being sent":     {[]happened{failed}, Cancel},
		"the provider has it":  {[]happened{{events.Started, 0, nil}, failed}, Cancel},
		"nobody knows":         {[]happened{{events.Unknown, 0, nil}, failed}, Cancel},
		"it rings":             {[]happened{{events.Started, 0, nil}, {events.Ringing, 0, nil}, failed}, Cancel},
		"it was answered then": {[]happened{{events.Started, 0, nil}, failed, {events.Answered, 0, nil}}, Nothing},
		"nobody took it back":  {[]happened{{events.Started, 0, nil}}, Nothing},
	} {
		hs := append(slices.Clone(sent), tc.then...)
		m := Plan(life(hs...), noon, config.OrDefault(Limits{}))
		if m.Do != tc.want || m.Do == Cancel && m.Reason != "DNC_INTERNAL" {
			t.Errorf("%s: %+v", story, m)
		}
		if m.Do != Cancel {
			continue
		}
		hs = append(hs, happened{events.CancelRequested, 0, &events.CallCancelRequested{By: events.ByOptOut, Reason: m.Reason}})
		if again := Plan(life(hs...), noon, config.OrDefault(Limits{})); again.Do == Cancel {
			t.Errorf("%s: it is asked back again", story)
		}
		if story == "the provider has it" {
			end := Plan(life(append(hs, happened{events.Cancelled, 0, nil})...), noon, config.OrDefault(Limits{}))
			if end.Do != Close || end.Outcome != events.OutcomeBlocked || end.Reason != "DNC_INTERNAL" {
				t.Errorf("it ends %+v", end)
			}
		}
	}
}

// Whoever is spoken with at one of her numbers is not called at another.
func TestOnePersonHasSeveralNumbers(t *testing.T) {
	t.Parallel()
	of := func(numbers ...string) *lifecycle.Call {
		return &lifecycle.Call{Request: &events.CallRequested{Request: events.DialRequest{To: numbers[0], Alternates: numbers[1:]}}}
	}
	for story, tc := range map[string]struct {
		a, b *lifecycle.Call
		same bool
	}{
		"the same number":         {of("+12025550101"), of("+12025550101"), true},
		"one's other number":      {of("+12025550101", "+12025550102"), of("+12025550102"), true},
		"another number of both":  {of("+12025550101", "+12025550103"), of("+12025550102", "+12025550103"), true},
		"nothing in common":       {of("+12025550101", "+12025550103"), of("+12025550102"), false},
		"other's alternate is it": {of("+12025550102"), of("+12025550101", "+12025550102"), true},
	} {
		if got := samePerson(tc.a, tc.b); got != tc.same {
			t.Errorf("%s: %v", story, got)
		}
	}
}
