package log_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/test/exams/logtest"
)

// story appends what may follow in a call, whoever writes it.
func next(rt *rapid.T, c *lifecycle.Call) *log.Draft {
	bodies := map[events.Name]struct {
		role events.Role
		body any
	}{
		events.Requested:       {events.Orchestrator, &events.CallRequested{}},
		events.Waiting:         {events.Orchestrator, &events.CallWaiting{Reason: events.WaitAgentNotReady}},
		events.Assigned:        {events.Orchestrator, &events.CallAssigned{Agent: "a1"}},
		events.Passed:          {events.Compliance, &events.CallPassed{}},
		events.Dialing:         {events.Dialer, &events.CallDialing{Attempt: "x"}},
		events.Ringing:         {events.Bridge, &events.CallProgress{}},
		events.Talking:         {events.Bridge, &events.CallProgress{}},
		events.Ended:           {events.Bridge, &events.CallProgress{}},
		events.CancelRequested: {events.Orchestrator, &events.CallCancelRequested{}},
		events.Closed:          {events.Orchestrator, &events.CallClosed{}},
	}
	var legal []events.Name
	for _, s := range events.CallSpecs() {
		if _, ok := bodies[s.Name]; ok {
			if _, v := lifecycle.Calls().Next(c.State, s.Name); v != lifecycle.Illegal {
				legal = append(legal, s.Name)
			}
		}
	}
	name := rapid.SampledFrom(legal).Draw(rt, "name")
	b := bodies[name]
	return &log.Draft{Family: events.CallFamily, Tenant: "acme", Key: c.ID, Role: b.role, Name: name,
		Cause: fmt.Sprint(c.Seq()), Place: len(c.Log) + 1, Time: noon, After: c.Seq(), Body: b.body}
}

// Whatever a process learns ahead of its turn, from its own appends or from
// what it asked the leader, twice or late: an open call in memory is the fold
// of the beginning of its log, at least as far as the stream was heard, and
// where the stream was heard to its end, of all of it.
func TestWhatIsHeldIsTheFoldOfTheLog(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		store, f := logtest.New(func() time.Time { return noon }), log.NewFollower()
		f.CaughtUp(events.CallFamily)
		l, ctx := log.New(store, f), context.Background()
		heard := 0
		stream := func() []events.Record {
			all, err := store.From(events.CallFamily, 0)
			if err != nil {
				rt.Fatal(err)
			}
			return all
		}
		calls := []string{"one", "two", "three"}
		check := func() {
			for _, call := range calls {
				c := f.Call(log.Ref{Tenant: "acme", ID: call})
				var whole, due []events.Record
				for i, r := range stream() {
					if r.Key == call {
						whole = append(whole, r)
						if i < heard {
							due = whole
						}
					}
				}
				if c == nil {
					if lifecycle.Fold(due).Open() {
						rt.Fatalf("%s was heard up to %d and is not held", call, len(due))
					}
					continue
				}
				if n := len(c.Log); n < len(due) || n > len(whole) {
					rt.Fatalf("%s: %d events are held, %d were heard of %d", call, n, len(due), len(whole))
				}
				for i, r := range c.Log { // what its own writer knows of an event is not when it was stored
					if r.Stored.IsZero() && i >= len(due) {
						r.Stored = whole[i].Stored
						c.Log[i].Stored = r.Stored
					}
				}
				if want := lifecycle.Fold(whole[:len(c.Log)]); !reflect.DeepEqual(want, c) {
					rt.Fatal(cmp.Diff(want, c, cmp.AllowUnexported(lifecycle.Call{})))
				}
			}
		}
		for range rapid.IntRange(1, 30).Draw(rt, "turns") {
			call := rapid.SampledFrom(calls).Draw(rt, "call")
			ref := log.Ref{Tenant: "acme", ID: call}
			now, err := log.Call(ctx, store, ref.Tenant, ref.ID, 0)
			if err != nil {
				rt.Fatal(err)
			}
			now.ID = call
			switch rapid.SampledFrom([]string{"mine", "theirs", "hear", "hear", "ask", "again"}).Draw(rt, "turn") {
			case "mine":
				_, err = l.Append(ctx, *next(rt, now))
			case "theirs":
				_, err = store.Append(ctx, *next(rt, now))
			case "hear":
				if all := stream(); heard < len(all) {
					f.Take(all[heard])
					heard++
				}
			case "ask":
				_, err = l.LatestCall(ctx, ref)
			case "again":
				if all := stream(); len(all) > 0 {
					f.Learn(rapid.SampledFrom(all).Draw(rt, "old"))
				}
			}
			if err != nil {
				rt.Fatal(err)
			}
			check()
		}
	})
}

func TestFollowerStories(t *testing.T) {
	t.Parallel()
	one := log.Ref{Tenant: "acme", ID: "one"}
	type world struct {
		store *logtest.Log
		f     *log.Follower
		heard int
	}
	hear := func(t *testing.T, w *world) {
		all, err := w.store.From(events.CallFamily, 0)
		if err != nil {
			t.Fatal(err)
		}
		for ; w.heard < len(all); w.heard++ {
			w.f.Take(all[w.heard])
		}
	}
	for story, tell := range map[string]func(t *testing.T, w *world){
		"nobody is answered before all is heard": func(t *testing.T, w *world) {
			w.f.Reset(events.CallFamily)
			w.heard = 0
			hear(t, w)
			if w.f.Call(one) != nil {
				t.Error("a view of long ago is handed out")
			}
			w.f.CaughtUp(events.CallFamily)
			if w.f.Call(one) == nil {
				t.Error("nothing is held")
			}
		},
		"what was told before all was heard is not missing then": func(t *testing.T, w *world) {
			w.f.Reset(events.CallFamily)
			w.heard = 0
			hear(t, w)
			l := log.New(w.store, w.f)
			c, err := l.Call(t.Context(), one)
			if err != nil {
				t.Fatal(err)
			}
			must(t, l, draft("one", events.Orchestrator, events.CancelRequested, "x", c.Seq(), &events.CallCancelRequested{}))
			w.f.CaughtUp(events.CallFamily)
			if c, err := l.Call(t.Context(), one); err != nil || len(c.Log) != 2 {
				t.Errorf("of its own append this process knows nothing: %d events, %v", len(c.Log), err)
			}
			if hear(t, w); w.f.Call(one) == nil {
				t.Error("and having heard it, it asks the leader still")
			}
		},
		"an event that cannot be read sends who asks to the leader": func(t *testing.T, w *world) {
			w.f.Unreadable(events.CallFamily, one, 90, false)
			if w.f.Call(one) != nil {
				t.Error("it was skipped in silence")
			}
			open := 0
			w.f.OpenCalls(func(*lifecycle.Call) { open++ })
			if open != 1 {
				t.Error("nobody looks after the call any more")
			}
		},
		"an agent's next event says again how it stands": func(t *testing.T, w *world) {
			ref := log.Ref{Tenant: "acme", ID: "a1"}
			w.f.CaughtUp(events.AgentFamily)
			at := func(seq uint64) events.Record {
				return events.Record{Family: events.AgentFamily, Tenant: "acme", Key: "a1", Role: events.Bridge, Name: events.Ready, Seq: seq, Body: &events.AgentPresence{}}
			}
			w.f.Take(at(1))
			w.f.Unreadable(events.AgentFamily, ref, 2, false)
			if w.f.Agent(ref) != nil {
				t.Error("it was skipped in silence")
			}
			w.f.Take(at(3))
			if a := w.f.Agent(ref); a == nil || a.Last.Seq != 3 {
				t.Errorf("%+v", a)
			}
		},
		"what was never heard leaves a gap that nobody is answered over": func(t *testing.T, w *world) {
			c := w.f.Call(one)
			w.f.Take(events.Record{Family: events.CallFamily, Tenant: "acme", Key: "one", Role: events.Orchestrator,
				Name: events.Waiting, Seq: 99, After: c.Seq() + 3, Body: &events.CallWaiting{}})
			if w.f.Call(one) != nil {
				t.Error("an event between is missing")
			}
		},
		"closed calls are kept for a while, and not for ever": func(t *testing.T, w *world) {
			for i := range 2000 {
				a := must(t, w.store, requested(fmt.Sprint("c", i)))
				must(t, w.store, draft(fmt.Sprint("c", i), events.Orchestrator, events.Closed, "x", a.Record.Seq, &events.CallClosed{}))
			}
			hear(t, w)
			if w.f.Call(log.Ref{Tenant: "acme", ID: "c1999"}) == nil {
				t.Error("the last that closed is not held")
			}
			if w.f.Call(log.Ref{Tenant: "acme", ID: "c0"}) != nil || w.f.Call(one) == nil {
				t.Error("the first that closed is held, or an open one is not")
			}
			// Who read it long ago and tells only now does not bring it back.
			old, err := w.store.Read(t.Context(), events.CallFamily, "acme", "c0", 0)
			if err != nil {
				t.Fatal(err)
			}
			w.f.Learn(old[0])
			if w.f.Call(log.Ref{Tenant: "acme", ID: "c0"}) != nil {
				t.Error("a closed call is open again")
			}
		},
		"who waits for an event goes on when it is heard": func(t *testing.T, w *world) {
			a := must(t, w.store, requested("two"))
			done := make(chan error, 1)
			go func() { done <- w.f.Reach(t.Context(), events.CallFamily, a.Record.Seq) }()
			hear(t, w)
			if err := <-done; err != nil || w.f.Heard(events.CallFamily) != a.Record.Seq {
				t.Error(err)
			}
			if r, err := w.f.Event(t.Context(), events.CallFamily, log.Ref{Tenant: "acme", ID: "two"}, a.Record.Seq); err != nil || r == nil || r.ID != a.Record.ID || r.Stored.IsZero() {
				t.Errorf("the event in memory is %v, %v", r, err)
			}
			if r, err := w.f.Event(t.Context(), events.CallFamily, one, a.Record.Seq); err != nil || r != nil {
				t.Errorf("another call has the event %v, %v", r, err)
			}
			ctx, stop := context.WithCancel(t.Context())
			stop()
			if w.f.Reach(ctx, events.CallFamily, a.Record.Seq+1) == nil {
				t.Error("what was not stored yet is heard")
			}
		},
		"a hearer is told of what is open, and then of what comes": func(t *testing.T, w *world) {
			a := must(t, w.store, requested("over"))
			must(t, w.store, draft("over", events.Orchestrator, events.Closed, "x", a.Record.Seq, &events.CallClosed{}))
			hear(t, w)
			var got []string
			leave := w.f.Hear(events.CallFamily, func(r events.Record) { got = append(got, r.Key) }, func() { got = nil })
			must(t, w.store, requested("two"))
			if hear(t, w); !slices.Equal(got, []string{"one", "two"}) {
				t.Errorf("it heard %v", got)
			}
			w.f.Reset(events.CallFamily)
			w.heard = 0
			if hear(t, w); !slices.Equal(got, []string{"one", "over", "over", "two"}) {
				t.Errorf("after the reset it heard %v", got)
			}
			leave()
			must(t, w.store, requested("three"))
			if hear(t, w); len(got) != 4 {
				t.Error("who has left still hears")
			}
		},
		"late news that cannot be read is not kept for ever": func(t *testing.T, w *world) {
			late, first := log.Ref{Tenant: "acme", ID: "c0"}, log.Ref{Tenant: "acme", ID: "tomorrow's"}
			for i := range 2000 {
				a := must(t, w.store, requested(fmt.Sprint("c", i)))
				must(t, w.store, draft(fmt.Sprint("c", i), events.Orchestrator, events.Closed, "x", a.Record.Seq, &events.CallClosed{}))
				if i == 0 || i == 1999 { // of one that is held, and of one that is not any more
					hear(t, w)
					w.f.Unreadable(events.CallFamily, late, a.Record.Seq+2, false)
				}
			}
			w.f.Unreadable(events.CallFamily, first, 5000, true)
			if s := w.f.Snapshot(); !slices.Contains(s.Open, one) || !slices.Contains(s.Open, first) || len(s.Open) != 2 {
				t.Errorf("open are %v", s.Open)
			}
		},
		"what closed after the place that is kept is open there": func(t *testing.T, w *world) {
			at := w.f.Heard(events.CallFamily)
			must(t, log.New(w.store, w.f), draft("one", events.Orchestrator, events.Closed, "x", at, &events.CallClosed{}))
			if s := w.f.Snapshot(); s.Seq != at || !slices.Equal(s.Open, []log.Ref{one}) {
				t.Errorf("before it was heard, at %d: %v", s.Seq, s.Open)
			}
			hear(t, w)
			if s := w.f.Snapshot(); s.Seq == at || len(s.Open) > 0 {
				t.Errorf("at %d: %v", s.Seq, s.Open)
			}
		},
		"a customer who was handed on is held until they end, or for long enough": func(t *testing.T, w *world) {
			var last []log.Appended
			for i := range 2000 {
				call := fmt.Sprint("c", i)
				var a log.Appended
				if i < 2 {
					a = handOn(t, w.store, call)
				} else {
					a = must(t, w.store, requested(call))
				}
				last = append(last, must(t, w.store, draft(call, events.Orchestrator, events.Closed, "y", a.Record.Seq, &events.CallClosed{})))
			}
			hear(t, w)
			ended, never := log.Ref{Tenant: "acme", ID: "c0"}, log.Ref{Tenant: "acme", ID: "c1"}
			told := map[string]bool{}
			w.f.Hear(events.CallFamily, func(r events.Record) { told[r.Key] = true }, func() {})()
			if s := w.f.Snapshot(); len(s.Handed) != 2 || !slices.Equal(s.Open, []log.Ref{one}) || !told["c0"] || !told["c1"] || len(told) != 3 {
				t.Errorf("%+v, told of %v", s, told)
			}
			must(t, w.store, draft("c0", events.Bridge, events.Ended, "z", last[0].Record.Seq, &events.CallProgress{Reason: events.EndCompleted}))
			hear(t, w)
			if s := w.f.Snapshot(); !slices.Equal(s.Handed, []log.Ref{never}) || w.f.Held(ended).HandedOn() {
				t.Errorf("after one's end: %+v", s)
			}
			w.f.Forget(noon)
			if s := w.f.Snapshot(); len(s.Handed) != 1 {
				t.Error("forgotten too early")
			}
			w.f.Forget(noon.Add(1))
			if s := w.f.Snapshot(); len(s.Handed) > 0 {
				t.Errorf("held for ever: %+v", s)
			}
			for i := range 2000 {
				a := must(t, w.store, requested(fmt.Sprint("d", i)))
				must(t, w.store, draft(fmt.Sprint("d", i), events.Orchestrator, events.Closed, "x", a.Record.Seq, &events.CallClosed{}))
			}
			hear(t, w)
			if w.f.Held(ended) != nil || w.f.Held(never) != nil {
				t.Error("kept when it is over")
			}
		},
		"what is loaded is told up to its place, and the rest when it comes": func(t *testing.T, w *world) {
			one, err := w.store.Read(t.Context(), events.CallFamily, "acme", "one", 0)
			if err != nil {
				t.Fatal(err)
			}
			a := must(t, w.store, requested("two"))
			b := must(t, w.store, draft("two", events.Orchestrator, events.Closed, "x", a.Record.Seq, &events.CallClosed{}))
			two, err := w.store.Read(t.Context(), events.CallFamily, "acme", "two", 0)
			if err != nil {
				t.Fatal(err)
			}
			w.f.Reset(events.CallFamily)
			var got []uint64
			w.f.Hear(events.CallFamily, func(r events.Record) { got = append(got, r.Seq) }, func() {})
			w.f.Load([][]events.Record{two, one}, []log.Ref{{Tenant: "acme", ID: "bad"}}, a.Record.Seq, a.Record.ID)
			s := w.f.Snapshot()
			if s.Seq != a.Record.Seq || s.ID != a.Record.ID || len(got) != 2 {
				t.Errorf("at %d, told %v", s.Seq, got)
			}
			if !slices.Contains(s.Open, log.Ref{Tenant: "acme", ID: "bad"}) {
				t.Errorf("a call that a later version may read is forgotten: %v", s.Open)
			}
			w.f.CaughtUp(events.CallFamily)
			w.f.Take(two[1])
			if !slices.Equal(got, []uint64{one[0].Seq, a.Record.Seq, b.Record.Seq}) {
				t.Errorf("told %v", got)
			}
			if c := w.f.Call(log.Ref{Tenant: "acme", ID: "two"}); c == nil || c.State != lifecycle.Closed || len(c.Log) != 2 {
				t.Errorf("%+v", c)
			}
		},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := &world{store: logtest.New(func() time.Time { return noon }), f: log.NewFollower()}
			w.f.CaughtUp(events.CallFamily)
			must(t, w.store, requested("one"))
			hear(t, w)
			tell(t, w)
		})
	}
}
