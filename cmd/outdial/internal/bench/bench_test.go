package bench

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A stage that fails, and one that hangs, are named, and keep none of the
// others from their turn.
func TestARunOutlivesAStageThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said strings.Builder
		var ran []string
		one := func(name string, run func(context.Context) error) stage {
			return stage{name, time.Second, func(ctx context.Context, _ Options, _ *Report) error {
				ran = append(ran, name)
				return run(ctx)
			}}
		}
		r := &Report{At: time.Now()}
		err := Options{Progress: &said}.measure(t.Context(), r, []stage{
			one("breaks", func(context.Context) error { return errors.New("no disk") }),
			one("hangs", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }),
			one("works", func(context.Context) error { return nil }),
		})
		if strings.Join(ran, " ") != "breaks hangs works" {
			t.Errorf("%q ran", ran)
		}
		if !errors.Is(err, ErrUnmeasured) || !strings.Contains(err.Error(), "breaks: no disk") || !strings.Contains(err.Error(), "hangs: given up after") {
			t.Errorf("it says %v", err)
		}
		if len(r.Notes) != 2 {
			t.Errorf("the report says %q", r.Notes)
		}
		if !strings.Contains(said.String(), "hangs, 2 of 3; about 2s to the end") {
			t.Errorf("whoever waits hears %s", said.String())
		}
	})
}

// Whoever ends a run ends it: no further stage begins.
func TestARunThatIsEndedBeginsNothing(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	r := &Report{At: time.Now()}
	began := 0
	one := stage{"one", 0, func(ctx context.Context, _ Options, _ *Report) error { began++; end(); return ctx.Err() }}
	if err := (Options{Progress: &strings.Builder{}}).measure(ctx, r, []stage{one, one}); began != 1 || err == nil {
		t.Errorf("%d stages began, and it says %v", began, err)
	}
}

// A floor that leaves messages out leaves out so many, and not all of them from
// one end.
func TestMessagesThatAreLeftOutAreStrewn(t *testing.T) {
	for n := 1; n <= 30; n++ {
		for keep := 1; keep <= n; keep++ {
			kept, longest, gap := 0, 0, 0
			for i := range n {
				if gap++; spread(i, n, keep) {
					kept, gap = kept+1, 0
				}
				longest = max(longest, gap)
			}
			if kept != keep || longest > n/keep {
				t.Fatalf("of %d, %d are kept for %d, with %d in a row left out", n, kept, keep, longest)
			}
		}
	}
}

// Calls that close in waves are counted as evenly as they come by their steps.
func TestCallsThatCloseInWavesAreCountedByTheirSteps(t *testing.T) {
	l := &load{stepped: 800, whole: 720, over: 90}
	before := l.done()
	l.stepped += 40 // nobody has closed
	if got := l.done() - before; got != 5 {
		t.Errorf("five calls' steps are %v calls", got)
	}
	if got := (&load{stepped: 3}).done(); got != 0 {
		t.Errorf("%v calls are done before the first has closed", got)
	}
}
