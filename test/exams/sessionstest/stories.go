package sessionstest

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/pkg/events/fault"
)

// stories are what happens to the queues of acme as events are applied, in the
// order told; each starts with an empty store.
func stories(t *testing.T, s Subject) {
	type step = sessions.Agent
	for _, tc := range []struct {
		story   string
		applied []step
		news    bool // whether the last step is applied
		sales   []string
		support []string
	}{
		{"nobody has ever been seen", nil, false, nil, nil},
		{"ready, so in the queue", []step{an("ann", 1)}, true, []string{"ann"}, nil},
		{"ready in two groups", []step{an("ann", 1, in("sales", "support"))}, true, []string{"ann"}, []string{"ann"}},
		{"a group named twice counts once", []step{an("ann", 1, in("sales", "sales"))}, true, []string{"ann"}, nil},
		{"ready in no group", []step{an("ann", 1, in())}, true, nil, nil},
		{"not ready, so not in it", []step{an("ann", 1, busy)}, true, nil, nil},
		{"free no more", []step{an("ann", 1), an("ann", 2, busy)}, true, nil, nil},
		{"ready, but a call has her", []step{an("ann", 1), an("ann", 2, claimedBy("c1"))}, true, nil, nil},
		{"and gives her back", []step{an("ann", 1), an("ann", 2, claimedBy("c1")), an("ann", 3)}, true, []string{"ann"}, nil},
		{"removed from the roster", []step{an("ann", 1), an("ann", 2, busy, in())}, true, nil, nil},
		{"moved to another group", []step{an("ann", 1), an("ann", 2, in("support"))}, true, nil, []string{"ann"}},
		{"moved while busy, then ready", []step{an("ann", 1), an("ann", 2, in("support"), busy), an("ann", 3, in("support"))}, true, nil, []string{"ann"}},
		{"who waited longest comes first", []step{an("ann", 5), an("bob", 3), an("cyd", 4)}, true, []string{"bob", "cyd", "ann"}, nil},
		{"equal waits are ordered by id", []step{an("cyd", 1, idleSince(dawn)), an("ann", 2, idleSince(dawn)), an("Bob", 3, idleSince(dawn))}, true, []string{"Bob", "ann", "cyd"}, nil},
		{"a microsecond longer is longer", []step{an("ann", 1, idleSince(dawn.Add(time.Microsecond))), an("bob", 2, idleSince(dawn))}, true, []string{"bob", "ann"}, nil},
		{"back from a call, at the end of the queue", []step{an("ann", 1), an("bob", 2), an("ann", 3, busy), an("ann", 4)}, true, []string{"bob", "ann"}, nil},
		{"the same event twice", []step{an("ann", 1), an("ann", 1)}, false, []string{"ann"}, nil},
		{"an older event arrives late", []step{an("ann", 3, busy), an("ann", 2)}, false, nil, nil},
		{"the log was made anew and its sequences are small", []step{an("ann", 900, busy), an("ann", 1, of(second))}, true, []string{"ann"}, nil},
		{"a worker still reads the old log", []step{an("ann", 1, of(second), busy), an("ann", 900)}, false, nil, nil},
		{"sequences beyond what a double holds", []step{an("ann", math.MaxUint64-1, idleSince(dawn)), an("ann", math.MaxUint64, idleSince(dawn), busy)}, true, nil, nil},
		{"and the older of such comes late", []step{an("ann", math.MaxUint64, idleSince(dawn)), an("ann", math.MaxUint64-1, idleSince(dawn), busy)}, false, []string{"ann"}, nil},
		{"the old replica: older state first, then the next event repairs it", []step{an("ann", 3), an("ann", 7, in("support"))}, true, nil, []string{"ann"}},
	} {
		t.Run(tc.story, func(t *testing.T) {
			flush(t, s)
			news := false
			for _, a := range tc.applied {
				news = apply(t, s, a)
			}
			if news != tc.news {
				t.Errorf("the last event applied: %v, want %v", news, tc.news)
			}
			wantReady(t, s, "sales", tc.sales...)
			wantReady(t, s, "support", tc.support...)
		})
	}
	t.Run("everything is kept as it was given", func(t *testing.T) { roundTrip(t, s) })
	t.Run("tenants do not see each other", func(t *testing.T) { tenants(t, s) })
	t.Run("a limit cuts the queue", func(t *testing.T) { limits(t, s) })
}

// roundTrip has names and times that JSON and Lua treat specially.
func roundTrip(t *testing.T, s Subject) {
	flush(t, s)
	odd := sessions.Agent{
		Tenant: "acme", Agent: "a-Z_9", HuntGroups: []string{"sales {west}", "ünit\x00é", "ready:sales", "\U0001F4DE"},
		Free: true, Since: dawn.Add(123456789).In(time.FixedZone("elsewhere", 5*3600)),
		Incarnation: "2026-03-01T13:00:00+05:00", // first, written otherwise
		Seq:         math.MaxUint64,
	}
	apply(t, s, odd)
	for _, g := range odd.HuntGroups {
		wantReady(t, s, g, odd.Agent)
	}
	odd.Incarnation = first
	if apply(t, s, odd) {
		t.Error("the same instant in another zone is another incarnation")
	}
	apply(t, s, sessions.Agent{Tenant: "acme", Agent: "b", Incarnation: first, Seq: 1}) // since the year 1
}

func tenants(t *testing.T, s Subject) {
	flush(t, s)
	mine := an("ann", 1)
	theirs := an("ann", 2, func(a *sessions.Agent) { a.Tenant = "zeta" }, busy)
	apply(t, s, mine)
	apply(t, s, theirs)
	wantReady(t, s, "sales", "ann")
	if mine, holder, err := s.Hint(context.Background(), "zeta", "ann", "c1", time.Hour); !mine || err != nil {
		t.Fatalf("Hint = %v, %q, %v", mine, holder, err)
	}
	wantReady(t, s, "sales", "ann") // zeta's hint is on zeta's ann
}

// limits has more agents than any implementation looks at in one go.
func limits(t *testing.T, s Subject) {
	flush(t, s)
	var all []string
	for seq := uint64(1); seq <= 200; seq++ {
		id := "agent-" + strings.Repeat("x", int(seq%7)) + string(rune('a'+seq%26)) + time.Duration(seq).String()[:1] + strings.Repeat("z", int(seq/26))
		apply(t, s, an(id, seq))
		if seq%2 == 0 {
			hint(t, s, id, "c1", time.Hour)
		} else {
			all = append(all, id)
		}
	}
	wantReady(t, s, "sales", all...)
	for _, limit := range []int{-1, 0, 1, 63, 64, 65, 100, 101} {
		got, err := s.Ready(context.Background(), "acme", "sales", limit)
		want := all[:min(max(limit, 0), len(all))]
		if err != nil || strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("Ready with limit %d = %v, %v; want %v", limit, got, err, want)
		}
	}
}

// refusals are permanent faults that leave nothing behind.
func refusals(t *testing.T, s Subject) {
	ctx := context.Background()
	long := strings.Repeat("x", 65)
	for story, bad := range map[string]func(*sessions.Agent){
		"a tenant with a brace":      func(a *sessions.Agent) { a.Tenant = "ac}me" },
		"no agent":                   func(a *sessions.Agent) { a.Agent = "" },
		"an agent too long":          func(a *sessions.Agent) { a.Agent = long },
		"an empty hunt group":        func(a *sessions.Agent) { a.HuntGroups = []string{"sales", ""} },
		"a hunt group that is bytes": func(a *sessions.Agent) { a.HuntGroups = []string{"\xff"} },
		"a claim that is bytes":      func(a *sessions.Agent) { a.Claim = "\xff" },
		"no incarnation":             func(a *sessions.Agent) { a.Incarnation = "" },
		"an incarnation in words":    func(a *sessions.Agent) { a.Incarnation = "yesterday" },
		"sequence 0":                 func(a *sessions.Agent) { a.Seq = 0 },
		"a year JSON cannot write":   func(a *sessions.Agent) { a.Since = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		applied, err := s.Apply(ctx, an("ann", 1, bad))
		wantPermanent(t, story, err)
		if applied {
			t.Errorf("%s: applied", story)
		}
	}
	_, err := s.Ready(ctx, "acme", "", 1)
	wantPermanent(t, "the queue of no group", err)
	_, _, err = s.Hint(ctx, "acme", "ann", "", time.Minute)
	wantPermanent(t, "a hint for no call", err)
	_, _, err = s.Hint(ctx, "acme", "ann", "c1", 0)
	wantPermanent(t, "a hint for no time", err)
	_, _, err = s.Hint(ctx, "acme", "ann", "c1", 25*time.Hour)
	wantPermanent(t, "a hint for more than a day", err)
	wantPermanent(t, "a mark without an incarnation", s.Rebuild(ctx, sessions.Mark{Seq: 1}, each(nil)))
	wantPermanent(t, "an agent of another log in a rebuild",
		s.Rebuild(ctx, sessions.Mark{Incarnation: first, Seq: 9}, each([]sessions.Agent{an("ann", 1, of(second))})))
	wantReady(t, s, "sales")
	wantMissing(t, s, true)
}

func wantPermanent(t *testing.T, story string, err error) {
	t.Helper()
	if err == nil || fault.Of(err) != fault.Permanent || fault.Code(err) == "unclassified" {
		t.Errorf("%s: %v; want a permanent fault", story, err)
	}
}
