package lifecycle

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/outdial/outdial/pkg/events"
)

// lost stands for the orchestrator's session_lost; the bridge's has the plain
// name.
const lost events.Name = "orchestrator's session_lost"

// follow lets an agent live through events, as the services do: each event
// carries the state after it, and the next reader folds that one event.
func follow(t testing.TB, names ...events.Name) *Agent {
	t.Helper()
	a := FoldAgent("acme", "a7", events.Record{})
	for i, n := range names {
		role := events.Bridge
		if n == lost {
			n, role = events.SessionLost, events.Orchestrator
		}
		s, v := a.After(n, "call-1", "because", noon.Add(time.Duration(i)*time.Second))
		if v == Illegal {
			t.Fatalf("%s is illegal for %s/%s", n, a.PresenceState(), a.ClaimState())
		}
		r := recordOf(n, uint64(i+1), s)
		if n == events.SessionLost {
			r.Role = role
		}
		a = FoldAgent("acme", "a7", r)
	}
	return a
}

// recordOf puts a state into the body of its event.
func recordOf(n events.Name, seq uint64, s events.AgentState) events.Record {
	r := events.Record{Family: events.AgentFamily, Tenant: "acme", Key: "a7", Name: n, Seq: seq, Role: events.Bridge}
	switch n {
	case events.Enrolled:
		r.Role, r.Body = events.Orchestrator, &events.AgentEnrolled{State: s}
	case events.Removed:
		r.Role, r.Body = events.Orchestrator, &events.AgentRemoved{State: s}
	case events.Claimed:
		r.Role, r.Body = events.Orchestrator, &events.AgentClaimed{State: s}
	case events.Released:
		r.Role, r.Body = events.Orchestrator, &events.AgentReleased{State: s}
	case events.Quarantined:
		r.Role, r.Body = events.Orchestrator, &events.AgentQuarantined{State: s}
	default:
		r.Body = &events.AgentPresence{State: s}
	}
	return r
}

func TestAgentsDay(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		story     string
		names     []events.Name
		claimable bool
		fence     uint64
		presence  State
		claim     State
		lastCall  string
	}{
		{"nobody", nil, false, 0, None, Free, ""},
		{"hired", []events.Name{events.Enrolled}, false, 1, Offline, Free, ""},
		{"ready", []events.Name{events.Enrolled, events.SessionStarted, events.Ready}, true, 1, State(events.Ready), Free, ""},
		{"taken", []events.Name{events.Enrolled, events.Ready, events.Claimed}, false, 3, State(events.Ready), Claimed, ""},
		{"taken, and on the call", []events.Name{events.Enrolled, events.Ready, events.Claimed, events.OnCall}, false, 3, State(events.OnCall), Claimed, ""},
		{"on somebody else's call", []events.Name{events.Enrolled, events.Ready, events.ForeignCall}, false, 1, State(events.ForeignCall), Free, ""},
		{"free again", []events.Name{events.Enrolled, events.Ready, events.Claimed, events.Released}, true, 4, State(events.Ready), Free, "call-1"},
		{"held back", []events.Name{events.Enrolled, events.Ready, events.Claimed, events.Quarantined}, false, 4, State(events.Ready), Quarantined, "call-1"},
		{"held back, and ready again", []events.Name{events.Enrolled, events.Ready, events.Claimed, events.Quarantined, events.NotReady, events.Ready}, false, 4, State(events.Ready), Quarantined, "call-1"},
		{"signed out while held", []events.Name{events.Enrolled, events.Ready, events.Claimed, events.SessionEnded}, false, 3, Offline, Claimed, ""},
		{"nobody reaches the desktop any more", []events.Name{events.Enrolled, events.Ready, lost}, false, 1, Lost, Free, ""},
		{"nor while a call holds the agent", []events.Name{events.Enrolled, events.Ready, events.Claimed, lost}, false, 3, Lost, Claimed, ""},
		{"and the desktop is back", []events.Name{events.Enrolled, events.Ready, events.Claimed, lost, events.SessionStarted, events.Ready}, false, 3, State(events.Ready), Claimed, ""},
		{"gone", []events.Name{events.Enrolled, events.Ready, events.Removed}, false, 3, Gone, Free, ""},
	} {
		t.Run(tc.story, func(t *testing.T) {
			t.Parallel()
			a := follow(t, tc.names...)
			if a.Claimable() != tc.claimable || a.Fence != tc.fence || a.PresenceState() != tc.presence ||
				a.ClaimState() != tc.claim || a.State.LastCall != tc.lastCall {
				t.Errorf("claimable %t, fence %d, %s/%s, last call %q; want %t, %d, %s/%s, %q",
					a.Claimable(), a.Fence, a.PresenceState(), a.ClaimState(), a.State.LastCall,
					tc.claimable, tc.fence, tc.presence, tc.claim, tc.lastCall)
			}
		})
	}
}

func TestNobodyIsClaimedTwice(t *testing.T) {
	t.Parallel()
	for _, before := range [][]events.Name{
		{events.Enrolled, events.Ready, events.Claimed},
		{events.Enrolled, events.Ready, events.Claimed, events.Quarantined},
	} {
		a := follow(t, before...)
		s, v := a.After(events.Claimed, "call-2", "", noon)
		if v != Illegal {
			t.Errorf("claimed after %v is %s", before, v)
		}
		if diff := cmp.Diff(a.State, s); diff != "" {
			t.Errorf("an illegal event changed the state:\n%s", diff)
		}
	}
}

// The same for another reason is news: who acts on the reason must hear of it.
func TestAnotherReasonIsNews(t *testing.T) {
	t.Parallel()
	a := follow(t, events.Enrolled, events.NotReady, events.Quarantined)
	for _, on := range []events.Name{events.NotReady, events.Quarantined} {
		if s, v := a.After(on, "call-2", "because", noon.Add(time.Hour)); v != Known || !s.Since.Equal(a.State.Since) || s.Quarantine.Call != "call-1" {
			t.Errorf("%s for the same reason is %s", on, v)
		}
	}
	if s, v := a.After(events.Quarantined, "call-2", "another", noon.Add(time.Hour)); v != Move || s.Quarantine.Reason != "another" || s.LastCall != "call-1" {
		t.Errorf("held for another reason is %s: %+v", v, s)
	}
	later := noon.Add(time.Hour)
	s, v := a.After(events.NotReady, "", events.ReasonPrepared, later)
	if v != Move || s.Reason != events.ReasonPrepared || !s.Since.Equal(later) {
		t.Errorf("held prepared is %s: %+v", v, s)
	}
	a.State = s
	if s, v := a.After(events.NotReady, "", "break", later.Add(time.Second)); v != Move || s.Reason != "break" {
		t.Errorf("prepared no more is %s: %+v", v, s)
	}
	a.State.Reason = "break"
	if _, v := a.After(events.NotReady, "", "lunch", later.Add(time.Second)); v != Known { // her page says why again and again
		t.Errorf("on a break, then at lunch is %s", v)
	}
}

// Presence and claim are independent: what the provider says changes no claim,
// and what we decide changes no presence.
func TestPresenceAndClaimAreIndependent(t *testing.T) {
	t.Parallel()
	ours := map[events.Name]bool{events.Claimed: true, events.Released: true, events.Quarantined: true}
	specs := events.AgentSpecs()
	rapid.Check(t, func(t *rapid.T) {
		a := FoldAgent("acme", "a7", events.Record{})
		for i := range rapid.IntRange(1, 40).Draw(t, "events") {
			spec := rapid.SampledFrom(specs).Draw(t, "event")
			n := spec.Name
			s, v := a.After(n, "call", "reason", noon.Add(time.Duration(i)*time.Second))
			if v == Illegal {
				continue
			}
			if ours[n] && (s.Presence != a.State.Presence || s.Reason != a.State.Reason || !s.Since.Equal(a.State.Since)) {
				t.Fatalf("%s changed the presence from %s to %s", n, a.State.Presence, s.Presence)
			}
			if !ours[n] && (s.Claim != a.State.Claim || s.Quarantine != a.State.Quarantine) {
				t.Fatalf("%s changed the claim", n)
			}
			if s.Claim != nil && s.Quarantine != nil {
				t.Fatalf("claimed and quarantined after %s", n)
			}
			was := a.Fence
			r := recordOf(n, uint64(i+1), s)
			r.Role = spec.Role
			a = FoldAgent("acme", "a7", r)
			if (spec.Role == events.Bridge || n == events.SessionLost) && a.Fence != was {
				t.Fatalf("%s moved the fence from %d to %d", n, was, a.Fence)
			} else if spec.Role == events.Orchestrator && n != events.SessionLost && a.Fence != a.Last.Seq {
				t.Fatalf("the fence after %s is %d, want %d", n, a.Fence, a.Last.Seq)
			}
		}
	})
}
