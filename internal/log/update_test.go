package log_test

import (
	"context"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/test/exams/logtest"
)

// counted counts what a leader is asked.
type counted struct {
	log.Leader
	whole, last, at int
}

func (c *counted) Read(ctx context.Context, f events.Family, tenant, key string, first uint64) ([]events.Record, error) {
	c.whole++
	return c.Leader.Read(ctx, f, tenant, key, first)
}

func (c *counted) Last(ctx context.Context, f events.Family, tenant, key string) (events.Record, error) {
	c.last++
	return c.Leader.Last(ctx, f, tenant, key)
}

func (c *counted) At(ctx context.Context, f events.Family, seq uint64) (events.Record, error) {
	c.at++
	return c.Leader.At(ctx, f, seq)
}

func TestWhatAsksTheLeaderAndWhatDoesNot(t *testing.T) {
	t.Parallel()
	ref := log.Ref{Tenant: "acme", ID: "one"}
	ringing := func(c *lifecycle.Call) (*log.Draft, error) {
		return log.NextOfCall(c, events.Bridge, events.Annotated, noon, &events.CallProgress{})
	}
	for _, tc := range []struct {
		story           string
		others          int // events that others append meanwhile
		do              func(ctx context.Context, l *log.Log) error
		whole, last, at int
	}{
		{"a decision on an open call that is held", 0, func(ctx context.Context, l *log.Log) error {
			_, err := l.Update(ctx, ref, ringing)
			return err
		}, 0, 0, 0},
		{"a lost race reads back to what is held", 3, func(ctx context.Context, l *log.Log) error {
			_, err := l.Update(ctx, ref, ringing)
			return err
		}, 0, 1, 3},
		{"what was learned from it is not read again", 3, func(ctx context.Context, l *log.Log) error {
			if _, err := l.Update(ctx, ref, ringing); err != nil {
				return err
			}
			_, err := l.Update(ctx, ref, ringing)
			return err
		}, 0, 1, 3},
		{"the latest of a call that is known to its end", 0, func(ctx context.Context, l *log.Log) error {
			_, err := l.LatestCall(ctx, ref)
			return err
		}, 0, 1, 0},
		{"a call that is not held is read whole", 0, func(ctx context.Context, l *log.Log) error {
			_, err := l.Call(ctx, log.Ref{Tenant: "acme", ID: "long ago"})
			return err
		}, 1, 0, 0},
	} {
		t.Run(tc.story, func(t *testing.T) {
			t.Parallel()
			store, f := logtest.New(func() time.Time { return noon }), log.NewFollower()
			f.CaughtUp(events.CallFamily)
			leader := &counted{Leader: store}
			l := log.New(leader, f)
			a := must(t, l, requested("one"))
			for range tc.others {
				a = must(t, store, draft("one", events.Bridge, events.Annotated, a.Record.ID, a.Record.Seq, &events.CallProgress{}))
			}
			if err := tc.do(t.Context(), l); err != nil {
				t.Fatal(err)
			}
			if leader.whole != tc.whole || leader.last != tc.last || leader.at != tc.at {
				t.Errorf("read whole %d times, the end %d times and %d events, want %d, %d, %d",
					leader.whole, leader.last, leader.at, tc.whole, tc.last, tc.at)
			}
			c, err := l.LatestCall(t.Context(), ref)
			if err != nil {
				t.Fatal(err)
			}
			want, err := log.Call(t.Context(), store, ref.Tenant, ref.ID, 0)
			if err != nil || c.Seq() != want.Seq() || c.State != want.State || len(c.Log) != len(want.Log) {
				t.Errorf("it is %s at %d, want %s at %d, %v", c.State, c.Seq(), want.State, want.Seq(), err)
			}
		})
	}
}

// What a process holds of another past than the store's is nothing that the
// leader's word is added to.
func TestTheLatestOfAStoreThatWentBackIsTheStores(t *testing.T) {
	t.Parallel()
	before, after, f := logtest.New(func() time.Time { return noon }), logtest.New(func() time.Time { return noon }), log.NewFollower()
	f.CaughtUp(events.CallFamily)
	a := must(t, log.New(before, f), requested("one"))
	must(t, log.New(before, f), draft("one", events.Bridge, events.Annotated, "lost", a.Record.Seq, &events.CallProgress{}))
	must(t, after, requested("one"))
	for grow, story := range []string{"shorter", "as long", "longer"} {
		last, err := after.Last(t.Context(), events.CallFamily, "acme", "one")
		if err != nil {
			t.Fatal(err)
		}
		if grow > 0 {
			last = must(t, after, draft("one", events.Bridge, events.Annotated, "other"+last.ID, last.Seq, &events.CallProgress{})).Record
		}
		c, err := log.New(after, f).LatestCall(t.Context(), log.Ref{Tenant: "acme", ID: "one"})
		if err != nil || c.Last().ID != last.ID {
			t.Errorf("%s: %+v, %v", story, c.Last(), err)
		}
	}
}
