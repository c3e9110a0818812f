// Package sessionstest is the one exam that every projection of the agents'
// sessions sits: stories, a comparison with a simple model over random
// histories, and races with a flush in their midst.
package sessionstest

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/sessions"
)

// A Subject is a store that can be told to lose everything, which no store
// offers to its users.
type Subject interface {
	sessions.Store
	// Flush loses everything at once, as FLUSHALL does.
	Flush(ctx context.Context) error
}

// Run has the store sit the exam. fresh returns an empty one that nobody else
// uses; it is called for each part.
func Run(t *testing.T, fresh func(testing.TB) Subject) {
	parts := []struct {
		name string
		sit  func(*testing.T, Subject)
	}{
		{"stories", stories},
		{"what cannot be kept is refused", refusals},
		{"hints", hints},
		{"hints and claims", hintsAndClaims},
		{"rebuild", rebuilds},
		{"rebuilds that do not end well", rebuildsThatFail},
		{"sweep", sweeps},
		{"known agents", knownAgents},
		{"one rebuilder at a time", oneRebuilder},
		{"a flush during a rebuild", flushDuringRebuild},
		{"random histories agree with the model", histories},
		{"two hundred ask for one agent", hintRace},
		{"two hundred events in disorder", applyRace},
		{"a flush in the middle of work", flushDuringWork},
	}
	for _, p := range parts {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.sit(t, fresh(t))
		})
	}
}

// The two lives of the log in these tests, and when they begin.
var (
	first  = sessions.Incarnation(time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC))
	second = sessions.Incarnation(time.Date(2026, 3, 1, 8, 0, 0, 5000, time.UTC))
	dawn   = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
)

// fataler is what testing.T and rapid.T have in common here.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// an returns an agent of acme who is ready in sales since a minute after dawn
// for each event, and changed by each of the changes.
func an(agent string, seq uint64, changes ...func(*sessions.Agent)) sessions.Agent {
	a := sessions.Agent{
		Tenant: "acme", Agent: agent, HuntGroups: []string{"sales"}, Free: true,
		Since: dawn.Add(time.Duration(seq) * time.Minute), Incarnation: first, Seq: seq,
	}
	for _, c := range changes {
		c(&a)
	}
	return a
}

func being(free bool) func(*sessions.Agent) {
	return func(a *sessions.Agent) { a.Free = free }
}

func busy(a *sessions.Agent) { a.Free = false }

func claimedBy(call string) func(*sessions.Agent) {
	return func(a *sessions.Agent) { a.Claim = call }
}

func in(groups ...string) func(*sessions.Agent) {
	return func(a *sessions.Agent) { a.HuntGroups = groups }
}

func idleSince(at time.Time) func(*sessions.Agent) {
	return func(a *sessions.Agent) { a.Since = at }
}

func of(incarnation string) func(*sessions.Agent) {
	return func(a *sessions.Agent) { a.Incarnation = incarnation }
}

// apply applies and says what came of it.
func apply(t fataler, s sessions.Store, a sessions.Agent) bool {
	t.Helper()
	applied, err := s.Apply(context.Background(), a)
	if err != nil {
		t.Fatalf("Apply(%s at %d): %v", a.Agent, a.Seq, err)
	}
	return applied
}

// wantReady checks the whole queue of acme's hunt group.
func wantReady(t fataler, s sessions.Store, group string, want ...string) {
	t.Helper()
	got, err := s.Ready(context.Background(), "acme", group, 1000)
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("Ready(%s) = %v, %v; want %v", group, got, err, want)
	}
}

// wantMissing checks Missing.
func wantMissing(t fataler, s sessions.Store, want bool) {
	t.Helper()
	got, err := s.Missing(context.Background(), slices.Values[[]sessions.Agent](nil))
	if err != nil || got != want {
		t.Fatalf("Missing() = %v, %v; want %v", got, err, want)
	}
}

// flush loses everything.
func flush(t fataler, s Subject) {
	t.Helper()
	if err := s.Flush(context.Background()); err != nil {
		t.Fatalf("Flush: %v", err)
	}
}

// hint asks for acme's agent.
func hint(t fataler, s sessions.Store, agent, call string, ttl time.Duration) (bool, string) {
	t.Helper()
	mine, holder, err := s.Hint(context.Background(), "acme", agent, call, ttl)
	if err != nil || holder == "" || mine != (holder == call) {
		t.Fatalf("Hint(%s, %s) = %v, %q, %v", agent, call, mine, holder, err)
	}
	return mine, holder
}

// rebuild rebuilds and expects that to succeed.
func rebuild(t fataler, s sessions.Store, seq uint64, agents ...sessions.Agent) {
	t.Helper()
	if err := s.Rebuild(context.Background(), sessions.Mark{Incarnation: first, Seq: seq}, each(agents)); err != nil {
		t.Fatalf("Rebuild at %d: %v", seq, err)
	}
}

// each yields the agents without an error.
func each(agents []sessions.Agent) iter.Seq2[sessions.Agent, error] {
	return func(yield func(sessions.Agent, error) bool) {
		for _, a := range agents {
			if !yield(a, nil) {
				return
			}
		}
	}
}

// rebuildUntilDone does as a worker does: it tries again as long as the answer
// says that trying again will help.
func rebuildUntilDone(t fataler, s sessions.Store, snapshot func() (sessions.Mark, []sessions.Agent)) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		mark, agents := snapshot()
		err := s.Rebuild(context.Background(), mark, each(agents))
		if err == nil {
			return
		}
		again := errors.Is(err, sessions.ErrRebuildLost) || errors.Is(err, sessions.ErrRebuilding)
		if !again || time.Now().After(deadline) {
			t.Fatalf("Rebuild: %v", err)
		}
	}
}

// values are a map's values in the order of its keys.
func values(m map[string]sessions.Agent) []sessions.Agent {
	var out []sessions.Agent
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[k])
	}
	return out
}
