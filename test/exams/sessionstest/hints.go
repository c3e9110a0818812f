package sessionstest

import (
	"context"
	"testing"
	"time"
)

// hints are advice with one holder and an end.
func hints(t *testing.T, s Subject) {
	for _, tc := range []struct {
		story string
		tell  func(t *testing.T)
	}{
		{"the first who asks has it, the second hears who", func(t *testing.T) {
			if mine, _ := hint(t, s, "ann", "c1", time.Hour); !mine {
				t.Error("the first did not get it")
			}
			if mine, holder := hint(t, s, "ann", "c2", time.Hour); mine || holder != "c1" {
				t.Errorf("the second heard %v, %q", mine, holder)
			}
		}},
		{"asked twice because the answer was lost", func(t *testing.T) {
			hint(t, s, "ann", "c1", time.Hour)
			if mine, _ := hint(t, s, "ann", "c1", time.Hour); !mine {
				t.Error("the holder lost it by asking again")
			}
		}},
		{"an agent nobody has heard of can be hinted", func(t *testing.T) {
			if mine, _ := hint(t, s, "nobody", "c1", time.Hour); !mine {
				t.Error("no hint for an unknown agent")
			}
		}},
		{"it ends by itself, and a renewal starts it again", expiry(s)},
	} {
		t.Run(tc.story, func(t *testing.T) {
			flush(t, s)
			tc.tell(t)
		})
	}
}

// hintsAndClaims are hints of agents whose state changes meanwhile.
func hintsAndClaims(t *testing.T, s Subject) {
	for _, tc := range []struct {
		story string
		tell  func(t *testing.T)
	}{
		{"hinted, so passed over", func(t *testing.T) {
			apply(t, s, an("ann", 1))
			apply(t, s, an("bob", 2))
			hint(t, s, "ann", "c1", time.Hour)
			wantReady(t, s, "sales", "bob")
		}},
		{"claimed and released: the hint goes with the claim", func(t *testing.T) {
			apply(t, s, an("ann", 1))
			hint(t, s, "ann", "c1", time.Hour)
			apply(t, s, an("ann", 2, claimedBy("c1")))
			apply(t, s, an("ann", 3, claimedBy("c1"), busy))
			if mine, _ := hint(t, s, "ann", "c2", time.Hour); mine {
				t.Error("the hint went before the claim did")
			}
			apply(t, s, an("ann", 4))
			wantReady(t, s, "sales", "ann")
			if mine, _ := hint(t, s, "ann", "c2", time.Hour); !mine {
				t.Error("the hint outlived the claim")
			}
		}},
		{"the release clears no hint but its own", func(t *testing.T) {
			apply(t, s, an("ann", 1, claimedBy("c1")))
			hint(t, s, "ann", "c2", time.Hour)
			apply(t, s, an("ann", 2))
			wantReady(t, s, "sales")
		}},
		{"another presence is no release", func(t *testing.T) {
			apply(t, s, an("ann", 1))
			hint(t, s, "ann", "c1", time.Hour)
			apply(t, s, an("ann", 2))
			wantReady(t, s, "sales")
		}},
		{"a release that comes late clears nothing", func(t *testing.T) {
			apply(t, s, an("ann", 5, claimedBy("c1")))
			hint(t, s, "ann", "c1", time.Hour)
			apply(t, s, an("ann", 4))
			if mine, holder := hint(t, s, "ann", "c2", time.Hour); mine || holder != "c1" {
				t.Errorf("the second heard %v, %q", mine, holder)
			}
		}},
	} {
		t.Run(tc.story, func(t *testing.T) {
			flush(t, s)
			tc.tell(t)
		})
	}
}

// expiry waits for a short hint to end, by the store's own clock. That a hint
// lasts at all is shown by the hour-long ones.
func expiry(s Subject) func(t *testing.T) {
	return func(t *testing.T) {
		apply(t, s, an("ann", 1))
		hint(t, s, "ann", "c1", time.Microsecond) // a millisecond at least
		eventually(t, "ann is offered again", func() bool {
			ids, err := s.Ready(context.Background(), "acme", "sales", 9)
			return err == nil && len(ids) == 1
		})
		hint(t, s, "ann", "c1", 20*time.Millisecond)
		hint(t, s, "ann", "c1", time.Hour) // renewed
		hint(t, s, "bob", "c1", 30*time.Millisecond)
		eventually(t, "bob's hint ends", func() bool {
			mine, _ := hint(t, s, "bob", "c2", time.Hour)
			return mine
		})
		wantReady(t, s, "sales") // ann's first ttl is over by now, not her second
	}
}

// eventually polls until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !so(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
	}
}
