package log_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

func TestFacts(t *testing.T) {
	t.Parallel()
	r := rig(t)
	f := log.NewFacts(r.JS)
	ctx := t.Context()

	if _, _, err := f.Get(ctx, "acme", "dnc", "tok"); !errors.Is(err, log.ErrNone) {
		t.Fatalf("nothing is known yet: %v", err)
	}
	listed := events.Fact{Kind: "dnc", Listed: true, Origin: "company", At: noon}
	seq, err := f.Put(ctx, "acme", "dnc", "tok", events.Operator, listed, 0)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := f.Put(ctx, "acme", "dnc", "tok", events.Operator, listed, 0); err != nil || again != seq {
		t.Errorf("the same fact twice: %d then %d, %v", seq, again, err)
	}
	other := listed
	other.Listed = false
	if _, err := f.Put(ctx, "acme", "dnc", "tok", events.Operator, other, 0); !errors.Is(err, log.ErrConflict) || fault.Of(err) != fault.Transient {
		t.Errorf("another fact from a stale view: %v", err)
	}
	if _, err := f.Put(ctx, "acme", "dnc", "tok", events.Operator, other, seq); err != nil {
		t.Error(err)
	}
	got, at, err := f.Get(ctx, "acme", "dnc", "tok")
	if err != nil || got.Listed || at <= seq {
		t.Errorf("got %+v at %d, %v", got, at, err)
	}
	if _, _, err := f.Get(ctx, "globex", "dnc", "tok"); !errors.Is(err, log.ErrNone) {
		t.Errorf("another tenant sees it: %v", err)
	}
}

func TestRacingFactsHaveOneWinner(t *testing.T) {
	t.Parallel()
	r := rig(t)
	f := log.NewFacts(r.JS)
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for _, by := range []string{"a", "b", "c", "d"} {
		wg.Go(func() {
			_, err := f.Put(t.Context(), "acme", "dnc", "tok", events.Operator, events.Fact{Kind: "dnc", By: by, At: noon}, 0)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if !errors.Is(err, log.ErrConflict) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d winners", won)
	}
}

func TestANoteIsStoredOncePerIDAndSubject(t *testing.T) {
	t.Parallel()
	r := rig(t)
	n := log.Note{
		To: events.OpsSubject("acme", "alarm"), Type: events.TypeOps, Source: events.SourceOf("acme", events.Bridge),
		ID: "1", Time: noon, Body: events.Ops{Event: "alarm", At: noon},
	}
	seq, dup, err := log.Plain(t.Context(), r.JS, n)
	if err != nil || dup {
		t.Fatalf("dup %v, %v", dup, err)
	}
	if again, dup, err := log.Plain(t.Context(), r.JS, n); err != nil || !dup || again != seq {
		t.Errorf("the same note: %d, dup %v, %v", again, dup, err)
	}
	n.To = events.OpsSubject("globex", "alarm")
	if _, dup, err := log.Plain(t.Context(), r.JS, n); err != nil || dup {
		t.Errorf("another tenant's note of the same id was swallowed: %v, %v", dup, err)
	}
	n.To = "nowhere.at.all"
	if _, _, err := log.Plain(t.Context(), r.JS, n); fault.Of(err) != fault.Transient || fault.Code(err) != log.CodeUnavailable {
		t.Errorf("nobody listens: %v", err)
	}
}
