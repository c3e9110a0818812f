package sessionstest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/pkg/events/fault"
)

// rebuilds restore what was lost and never go back.
func rebuilds(t *testing.T, s Subject) {
	ctx := context.Background()
	wantMissing(t, s, true)
	rebuild(t, s, 0) // an empty log has an empty projection, which is not missing
	wantMissing(t, s, false)

	flush(t, s)
	wantMissing(t, s, true)
	apply(t, s, an("bob", 9, in("support"))) // live, newer than the log was read
	apply(t, s, an("cyd", 2, busy))
	wantMissing(t, s, true)
	rebuild(t, s, 5, an("ann", 1), an("bob", 4), an("cyd", 5))
	wantMissing(t, s, false)
	wantReady(t, s, "sales", "ann", "cyd")
	wantReady(t, s, "support", "bob")

	// A worker that reads the log from before it was made anew is told so.
	if err := s.Rebuild(ctx, sessions.Mark{Incarnation: second}, each(nil)); err != nil {
		t.Fatal(err)
	}
	if err := s.Rebuild(ctx, sessions.Mark{Incarnation: first, Seq: 9}, each(nil)); !errors.Is(err, sessions.ErrOldIncarnation) {
		t.Fatalf("Rebuild from an old log: %v", err)
	}
}

// rebuildsThatFail leave behind what was true, and the next one may begin at
// once.
func rebuildsThatFail(t *testing.T, s Subject) {
	ctx := context.Background()
	broken := errors.New("the log went away")
	err := s.Rebuild(ctx, sessions.Mark{Incarnation: first, Seq: 9}, func(yield func(sessions.Agent, error) bool) {
		_ = yield(an("ann", 1), nil) && yield(sessions.Agent{}, broken)
	})
	if !errors.Is(err, broken) {
		t.Fatalf("Rebuild: %v, want the log's own error", err)
	}
	wantMissing(t, s, true)
	wantReady(t, s, "sales", "ann")
	rebuild(t, s, 9, an("ann", 1))
	wantMissing(t, s, false)

	cancelled, cancel := context.WithCancel(ctx)
	flush(t, s)
	err = s.Rebuild(cancelled, sessions.Mark{Incarnation: first, Seq: 9}, func(yield func(sessions.Agent, error) bool) {
		cancel()
		_ = yield(an("ann", 1), nil)
	})
	if fault.Of(err) != fault.Transient {
		t.Fatalf("Rebuild with a context that ends: %v", err)
	}
	wantMissing(t, s, true)
}

// sweeps remove who is not in the log, and nobody else.
func sweeps(t *testing.T, s Subject) {
	ctx := context.Background()
	apply(t, s, an("gone", 3, claimedBy("c1")))
	apply(t, s, an("gone-too", 5, in("sales", "support")))
	apply(t, s, an("kept", 4))
	apply(t, s, an("came-later", 6))
	apply(t, s, an("of-a-newer-log", 1, of(second)))
	foreign := an("gone", 5, func(a *sessions.Agent) { a.Tenant = "zeta" })
	apply(t, s, foreign)
	hint(t, s, "gone", "c1", time.Hour)
	rebuild(t, s, 5, an("kept", 4))
	if ids, err := s.Ready(ctx, "zeta", "sales", 9); err != nil || len(ids) != 0 {
		t.Errorf("zeta's queue: %v, %v", ids, err)
	}
	wantReady(t, s, "sales", "of-a-newer-log", "kept", "came-later")
	wantReady(t, s, "support")
	if mine, _ := hint(t, s, "gone", "c2", time.Hour); !mine {
		t.Error("the hint of a claim outlived the agent")
	}

	// A log made anew knows nobody of the old one, whatever the sequence.
	if err := s.Rebuild(ctx, sessions.Mark{Incarnation: second, Seq: 1}, each([]sessions.Agent{an("of-a-newer-log", 1, of(second))})); err != nil {
		t.Fatal(err)
	}
	wantReady(t, s, "sales", "of-a-newer-log")
}

// knownAgents are whom the log has; one without a record has to be rebuilt.
func knownAgents(t *testing.T, s Subject) {
	missing := func(known ...sessions.Agent) bool {
		t.Helper()
		got, err := s.Missing(context.Background(), slices.Values(known))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	ann, bob, cyd := an("ann", 1), an("bob", 2, in("support", "sales")), an("cyd", 3, busy)
	rebuild(t, s, 3, ann, bob)
	if missing(ann, bob, cyd) {
		t.Error("missing, though nobody lacks a place")
	}
	apply(t, s, an("ann", 4, busy))
	if missing(ann, bob) {
		t.Error("missing, because the caller's view of ann is old")
	}
	if !missing(an("ann", 4, busy), bob, an("dan", 5)) {
		t.Error("not missing, though nothing is known of dan")
	}
	wantMissing(t, s, true) // whoever asks
	rebuild(t, s, 5, an("ann", 4, busy), bob, cyd, an("dan", 5))
	wantMissing(t, s, false)
	wantReady(t, s, "sales", "bob", "dan")
}

// oneRebuilder holds one rebuild at its first agent while another tries.
func oneRebuilder(t *testing.T, s Subject) {
	ctx := context.Background()
	mark := sessions.Mark{Incarnation: first, Seq: 9}
	begun, goOn, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- s.Rebuild(ctx, mark, func(yield func(sessions.Agent, error) bool) {
			close(begun)
			<-goOn
			_ = yield(an("ann", 1), nil)
		})
	}()
	<-begun
	err := s.Rebuild(ctx, mark, each(nil))
	if !errors.Is(err, sessions.ErrRebuilding) || fault.Of(err) != fault.Transient || fault.After(err, 0) == 0 {
		t.Errorf("the second rebuilder heard %v", err)
	}
	apply(t, s, an("bob", 10)) // live work goes on
	wantMissing(t, s, true)
	close(goOn)
	if err := <-done; err != nil {
		t.Fatalf("the first rebuilder: %v", err)
	}
	wantMissing(t, s, false)
	wantReady(t, s, "sales", "ann", "bob")
	rebuild(t, s, 10, an("ann", 1), an("bob", 10)) // and a third may follow
}

// flushDuringRebuild loses half of what was rebuilt: the epoch must not say
// that all is there.
func flushDuringRebuild(t *testing.T, s Subject) {
	err := s.Rebuild(context.Background(), sessions.Mark{Incarnation: first, Seq: 9}, func(yield func(sessions.Agent, error) bool) {
		if !yield(an("ann", 1), nil) {
			return
		}
		flush(t, s)
		_ = yield(an("bob", 2), nil)
	})
	if !errors.Is(err, sessions.ErrRebuildLost) || fault.Of(err) != fault.Transient {
		t.Fatalf("Rebuild: %v, want ErrRebuildLost", err)
	}
	wantMissing(t, s, true)
	rebuild(t, s, 9, an("ann", 1), an("bob", 2))
	wantReady(t, s, "sales", "ann", "bob")
}
