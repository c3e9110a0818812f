package orchestrator

import (
	"cmp"
	"fmt"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// verbs are the events by which a decision is written.
var verbs = map[Deed]events.Name{Claim: events.Waiting, Wait: events.Waiting, Cancel: events.CancelRequested, Close: events.Closed}

// variants are the bodies of an event that lead a decision elsewhere.
func variants(n events.Name) []any {
	far := noon.Add(100 * 24 * time.Hour)
	switch n {
	case events.Failed:
		return []any{no("DNC_INTERNAL"),
			&events.CallFailed{Retry: true, Touched: true, Reasons: []events.Reason{{Code: "PREPARATION_LOST", Rule: "provider"}}},
			&events.CallFailed{NextAllowedAt: ptr(noon.Add(time.Minute)), Reasons: []events.Reason{{Code: "TIME_BEFORE_WINDOW"}}}}
	case events.Waiting:
		return []any{&events.CallWaiting{Reason: events.WaitAgentNotReady}, &events.CallWaiting{Reason: events.WaitWindow, Until: &far}}
	case events.Started:
		return []any{&events.CallStarted{}, &events.CallStarted{Over: true}}
	case events.Resolved:
		return []any{&events.CallResolved{}, &events.CallResolved{Placed: true}}
	case events.Withheld:
		return []any{&events.CallWithheld{Reason: "pass_expired"},
			&events.CallWithheld{Reason: "nothing_sent", Attempt: "a", Proof: events.ProofNoResponders}}
	case events.Dialing:
		return []any{&events.CallDialing{Attempt: "a"}}
	case events.Refused:
		return []any{&events.CallRefused{Code: "busy_line"}}
	case events.CancelRequested:
		return []any{&events.CallCancelRequested{By: events.ByOperator}}
	case events.Assigned:
		return []any{&events.CallAssigned{Agent: "ann", Fence: 7}, &events.CallAssigned{Agent: "ann", Fence: 7, NoTalking: true}}
	}
	return []any{plainBody(n)}
}

// kindOf is all that a decision about a call hangs on, but for the time.
func kindOf(c *lifecycle.Call) string {
	return fmt.Sprint(c.State, c.Touched, c.Talked, c.Cancel != nil, c.Dialing != nil, c.EndReason, cause(c),
		c.Started != nil && c.Started.Over, c.Resolved != nil && c.Resolved.Placed, c.Failed != nil && c.Failed.Retry,
		c.Waiting != nil && c.Waiting.Until != nil, c.Withheld != nil && c.Withheld.Proof != "")
}

// everyKind walks the table of a call's life, moves and late news alike, until
// nothing new is found, and returns a call of every kind that can be.
func everyKind() map[string][]happened {
	kinds := map[string][]happened{}
	todo := [][]happened{nil}
	for len(todo) > 0 {
		hs := todo[0]
		todo = todo[1:]
		c := life(hs...)
		if kinds[kindOf(c)] != nil || c.State == lifecycle.Closed {
			continue
		}
		kinds[kindOf(c)] = append([]happened{}, hs...)
		for _, on := range lifecycle.Calls().Events() {
			if _, v := lifecycle.Calls().Next(c.State, on); v == lifecycle.Illegal || on == events.Requested || on == lifecycle.Proved {
				continue
			}
			if on == events.Waiting && c.Touched {
				continue // see alone: no orchestrator says so
			}
			for _, body := range variants(on) {
				todo = append(todo, append(append([]happened{}, hs...), happened{on, 0, body}))
			}
		}
	}
	return kinds
}

// Invariant I3: whatever state a call is in, and though nobody but an
// orchestrator lives, it is closed in finite time, by moves that the table
// allows.
func TestEveryStateHasADeadline(t *testing.T) {
	t.Parallel()
	seen := map[lifecycle.State]bool{lifecycle.None: true, lifecycle.Closed: true}
	for _, hs := range everyKind() {
		c := life(hs...)
		seen[c.State] = true
		alone(t, c)
	}
	for _, s := range lifecycle.Calls().States() {
		if !seen[s] {
			t.Errorf("no story comes to %s", s)
		}
	}
}

// alone lets the orchestrator decide about a call, and nobody else speak, until
// the call is closed.
func alone(t *testing.T, c *lifecycle.Call) {
	t.Helper()
	from, path := c.State, names(c.Log)
	within := noon.Add(24 * time.Hour)
	for now := noon; c.State != lifecycle.Closed; {
		m := Plan(c, now, config.OrDefault(Limits{}))
		name := verbs[m.Do]
		if m.Do == Wait && c.Touched {
			t.Errorf("%s: it waits while the provider may hold a preparation (after %s)", from, path)
		}
		if m.Do == Nothing || m.Do == Claim && c.State == lifecycle.Waiting {
			if !m.Again.After(now) || m.Again.After(within) {
				t.Errorf("%s has no deadline: %s in %s at %v, next look %v (after %s)", from, m.Do, c.State, now.Sub(noon), m.Again, path)
				return
			}
			now = m.Again
			continue
		}
		asks := m.Do == Cancel && c.Unanswered() && c.Cancel == nil // a call that was sent keeps its state, and is asked for once
		if name == "" || c.Take(events.Record{Tenant: "acme", Key: "c1", Name: name, Seq: c.Seq() + 1, Time: now, Body: said(m)}) != lifecycle.Move && !asks {
			t.Errorf("%s: in %s it plans to %s (after %s)", from, c.State, m.Do, path)
			return
		}
	}
	if c.Closed.Reason == "" || c.Closed.Outcome == "" {
		t.Errorf("%s ends without saying how: %+v", from, c.Closed)
	}
	if c.Touched && !c.Closed.Quarantine {
		t.Errorf("%s is closed over a preparation and its agent is let go (after %s)", from, path)
	}
}

// said is the body by which a decision is written.
func said(m Action) any {
	switch m.Do {
	case Close:
		return &events.CallClosed{Outcome: m.Outcome, Reason: m.Reason, Presumed: m.Presumed, Quarantine: m.Quarantine}
	case Cancel:
		return &events.CallCancelRequested{By: events.ByExpiry, Reason: m.Reason}
	}
	return &events.CallWaiting{Reason: cmp.Or(m.Reason, events.WaitAgentNotReady), Until: m.Until}
}
