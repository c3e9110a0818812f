package log_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/log/marks"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// outcome is how one of many appends ended.
type outcome struct {
	log.Appended
	err error
}

// atOnce has drafts wait until all of them do, and tells how each ended.
func atOnce(ctx context.Context, l log.Leader, lanes log.Lanes, ds []log.Draft) []outcome {
	lanes.Hold(len(ds))
	out := make([]outcome, len(ds))
	var wg sync.WaitGroup
	for i, d := range ds {
		wg.Go(func() {
			a, err := l.Append(ctx, d)
			out[i] = outcome{a, err}
		})
	}
	wg.Wait()
	return out
}

func crowd(prefix string, n int) (ds []log.Draft) {
	for i := range n {
		ds = append(ds, requested(fmt.Sprint(prefix, i)))
	}
	return ds
}

// batchOf is the batch in which the event at a sequence came, "" for none.
func batchOf(t *testing.T, js jetstream.JetStream, seq uint64) string {
	t.Helper()
	s, err := js.Stream(t.Context(), events.StreamCalls)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.GetMsg(t.Context(), seq)
	if err != nil {
		t.Fatal(err)
	}
	return m.Header.Get("Nats-Batch-Id")
}

func TestManyThatWaitGoTogetherAndEachWinsItsOwnPlace(t *testing.T) {
	t.Parallel()
	r := rig(t)
	lanes := log.In(8, 16, events.StreamCalls)
	guard := log.NewGuard(r.JS, marks.NewBook(marks.Known{}))
	l := log.NewJetStream(r.JS, log.Options{Lanes: lanes, Guard: guard})
	must(t, l, requested("before"))
	sub, err := r.NC.SubscribeSync("calls.>")
	if err != nil {
		t.Fatal(err)
	}
	batches := map[string]int{}
	for i, o := range atOnce(t.Context(), l, lanes, crowd("c", 100)) {
		if o.err != nil || !o.Won {
			t.Fatalf("%d: %+v, %v", i, o.Appended, o.err)
		}
		at, err := l.At(t.Context(), events.CallFamily, o.Record.Seq)
		if err != nil || at.ID != o.Record.ID || at.Key != fmt.Sprint("c", i) || at.After != 0 {
			t.Fatalf("%d: at %d is %+v, %v", i, o.Record.Seq, at, err)
		}
		batches[batchOf(t, r.JS, o.Record.Seq)]++
	}
	if batches[""] > 20 || len(batches) > 4 {
		t.Errorf("a hundred that waited came in %v", batches)
	}
	for seq := uint64(2); seq <= 101; seq++ {
		at, err := l.At(t.Context(), events.CallFamily, seq)
		if err != nil {
			t.Fatal(err)
		}
		seen, err := sub.NextMsg(5 * time.Second)
		if err != nil || seen.Header.Get("ce-id") != at.ID || seen.Subject != at.Subject() {
			t.Fatalf("a subscriber saw something else at %d than is stored: %v, %v", seq, seen, err)
		}
	}
	if err := guard.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := must(t, l, draft("later", events.Dialer, events.Dialing, "pass", 0, &events.CallDialing{})); !a.Won {
		t.Errorf("an intent after them: %+v", a)
	}
}

// Whatever is wrong with one of a batch, the others hear nothing of it.
func TestWhatIsWrongWithOneOfABatchIsItsAlone(t *testing.T) {
	t.Parallel()
	r := rig(t)
	lanes := log.In(8, 4, events.StreamCalls)
	l := log.NewJetStream(r.JS, log.Options{Lanes: lanes})
	last := must(t, l, requested("known")).Record
	after := uint64(0)
	for i := range 64 {
		after = must(t, l, draft("full", events.Bridge, events.Held, fmt.Sprint(i), after, &events.CallProgress{})).Record.Seq
	}
	waiting := draft("known", events.Orchestrator, events.Waiting, last.ID, last.Seq, &events.CallWaiting{Reason: "first"})
	first := must(t, l, waiting).Record
	waiting.After, waiting.Body = first.Seq, &events.CallWaiting{Reason: "second"}

	for story, tc := range map[string]struct {
		d    []log.Draft
		want func([]outcome) bool
	}{
		"who is behind the log conflicts": {
			[]log.Draft{draft("known", events.Bridge, events.Ringing, "x", last.Seq, &events.CallProgress{})},
			func(o []outcome) bool { return errors.Is(o[0].err, log.ErrConflict) },
		},
		"the same decision again is found, not won": {
			[]log.Draft{draft("full", events.Bridge, events.Held, "63", after, &events.CallProgress{})},
			func(o []outcome) bool {
				return fault.Code(o[0].err) == log.CodeLogFull || o[0].err == nil && !o[0].Won
			},
		},
		"a log that is full refuses": {
			[]log.Draft{draft("full", events.Bridge, events.Held, "one-more", after, &events.CallProgress{})},
			func(o []outcome) bool { return fault.Code(o[0].err) == log.CodeLogFull },
		},
		"the same cause may say the same again": {
			[]log.Draft{waiting},
			func(o []outcome) bool { return o[0].err == nil && o[0].Won && o[0].Record.ID != first.ID },
		},
		"of four of one call one wins": {
			racers("raced", 0),
			func(o []outcome) bool {
				won := 0
				for _, o := range o {
					if o.err == nil && o.Won {
						won++
					} else if !errors.Is(o.err, log.ErrConflict) {
						return false
					}
				}
				return won == 1
			},
		},
		"what is too large for the stream is refused": {
			[]log.Draft{draft("large", events.Bridge, events.Ringing, strings.Repeat("x", 24<<10), 0, &events.CallProgress{Reason: strings.Repeat("x", 60<<10)})},
			func(o []outcome) bool { return fault.Code(o[0].err) == log.CodeTooLarge },
		},
	} {
		others := crowd(strings.ReplaceAll(story, " ", "-")[:20], 20)
		got := atOnce(t.Context(), l, lanes, slices.Insert(others, 10, tc.d...))
		if one := got[10 : 10+len(tc.d)]; !tc.want(one) {
			t.Errorf("%s: %+v", story, one)
		}
		for _, o := range slices.Delete(got, 10, 10+len(tc.d)) {
			if o.err != nil || !o.Won {
				t.Errorf("%s: of the others one heard %+v, %v", story, o.Appended, o.err)
			}
		}
	}
}

// Nobody knows who stored what a lost commit may have stored.
func TestALostCommitIsWonByNobody(t *testing.T) {
	t.Parallel()
	r, p, _ := lossy(t)
	nc, err := nats.Connect(p.url())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	lanes := log.In(1, 16, events.StreamCalls)
	l := log.NewJetStream(js, log.Options{AckWait: 400 * time.Millisecond, ReadWait: 5 * time.Second, Lanes: lanes})
	ds := crowd("c", 20)
	for i := range ds[:10] {
		ds[i] = draft(ds[i].Key, events.Dialer, events.Dialing, "pass", 0, &events.CallDialing{})
	}
	p.mute.Store(true)
	go func() {
		<-p.dropped
		p.mute.Store(false)
	}()
	for i, o := range atOnce(t.Context(), l, lanes, ds) {
		if o.err != nil {
			t.Errorf("%d is in the log, yet: %v", i, o.err)
		}
		if o.Won {
			t.Errorf("%d, found on read-back, was won", i)
		}
		stored, err := log.NewJetStream(r.JS, log.Options{}).Read(t.Context(), events.CallFamily, "acme", fmt.Sprint("c", i), 0)
		if err != nil || len(stored) != 1 {
			t.Errorf("%d is there %d times, %v", i, len(stored), err)
		}
	}
}

func TestAStreamThatTakesNoBatchesGetsOneAfterTheOther(t *testing.T) {
	t.Parallel()
	r := rig(t)
	s, err := r.JS.Stream(t.Context(), events.StreamCalls)
	if err != nil {
		t.Fatal(err)
	}
	c := s.CachedInfo().Config
	if !log.Batches(c) {
		t.Fatal("the plan's CALLS takes no batches")
	}
	c.AllowAtomicPublish = false
	if s, err = r.JS.UpdateStream(t.Context(), c); err != nil || log.Batches(s.CachedInfo().Config) {
		t.Fatalf("it still takes them: %v", err)
	}
	lanes := log.In(8, 16, events.StreamCalls)
	l := log.NewJetStream(r.JS, log.Options{Lanes: lanes})
	for _, round := range []string{"a", "b"} {
		for i, o := range atOnce(t.Context(), l, lanes, crowd(round, 40)) {
			if o.err != nil || !o.Won || batchOf(t, r.JS, o.Record.Seq) != "" {
				t.Errorf("%s%d: %+v, %v", round, i, o.Appended, o.err)
			}
		}
	}
}

// A process that dies amid a batch leaves nothing of it, and nobody waits.
func TestHalfABatchIsNothing(t *testing.T) {
	t.Parallel()
	r := rig(t)
	lanes := log.In(8, 16, events.StreamCalls)
	l := log.NewJetStream(r.JS, log.Options{Lanes: lanes})
	for i := range 10 {
		m := nats.NewMsg(fmt.Sprintf("append.calls.acme.c%d.orchestrator.requested", i))
		m.Header.Set("Nats-Batch-Id", "half")
		m.Header.Set("Nats-Batch-Sequence", fmt.Sprint(i+1))
		m.Header.Set("Nats-Msg-Id", fmt.Sprint("half", i))
		if err := r.NC.PublishMsg(m); err != nil {
			t.Fatal(err)
		}
	}
	for i, o := range atOnce(t.Context(), l, lanes, crowd("c", 40)) {
		if o.err != nil || !o.Won || o.Record.Seq > 40 {
			t.Errorf("%d: %+v, %v", i, o.Appended, o.err)
		}
	}
}

func TestWhoeverGivesUpWaitingHasStoredNothing(t *testing.T) {
	t.Parallel()
	r := rig(t)
	lanes := log.In(8, 16, events.StreamCalls)
	l := log.NewJetStream(r.JS, log.Options{Lanes: lanes})
	lanes.Hold(40)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := l.Append(ctx, requested("impatient"))
	if fault.Of(err) != fault.Transient || fault.Code(err) != log.CodeUnavailable {
		t.Errorf("err = %v", err)
	}
	var wg sync.WaitGroup
	for _, d := range crowd("c", 40) {
		wg.Go(func() {
			if a, err := l.Append(t.Context(), d); err != nil || !a.Won {
				t.Errorf("%s: %+v, %v", d.Key, a, err)
			}
		})
	}
	wg.Wait()
	if _, err := l.Last(t.Context(), events.CallFamily, "acme", "impatient"); !errors.Is(err, log.ErrNone) {
		t.Errorf("it was stored all the same: %v", err)
	}
}

// While the store is in question intents wait and the rest goes on, in a batch
// as alone.
func TestAnIntentInABatchWaitsWhileTheStoreIsInQuestion(t *testing.T) {
	t.Parallel()
	r := rig(t)
	lanes := log.In(8, 16, events.StreamCalls)
	book := marks.NewBook(marks.Known{})
	l := log.NewJetStream(r.JS, log.Options{Lanes: lanes, Guard: log.NewGuard(r.JS, book)})
	ds := crowd("c", 40)
	ds[20] = draft("c20", events.Dialer, events.Dialing, "pass", 0, &events.CallDialing{})
	book.Regress(events.StreamCalls, "a test")
	for i, o := range atOnce(t.Context(), l, lanes, ds) {
		switch {
		case i == 20 && fault.Code(o.err) != log.CodeWentBack:
			t.Errorf("the intent: %+v, %v", o.Appended, o.err)
		case i != 20 && (o.err != nil || !o.Won):
			t.Errorf("%d: %+v, %v", i, o.Appended, o.err)
		}
	}
	if _, err := l.Last(t.Context(), events.CallFamily, "acme", "c20"); !errors.Is(err, log.ErrNone) {
		t.Errorf("the intent was stored: %v", err)
	}
}
