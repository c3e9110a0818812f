package worker

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

func TestWhatDoesNotGetOnIsTriedLessAndLess(t *testing.T) {
	t.Parallel()
	one, other := log.Ref{Tenant: "acme", ID: "one"}, log.Ref{Tenant: "acme", ID: "other"}
	unread := fault.New(fault.Permanent, "read log", log.CodeUnknownEvent, nil)
	for story, tc := range map[string]struct {
		do   func(now time.Time) error
		want []int // seconds at which it is tried
		told int   // of how many tries the turn says that they failed
	}{
		"nothing came of it":                    {func(time.Time) error { return nil }, []int{0, 2, 6, 14, 30}, 0},
		"it cannot be read":                     {func(time.Time) error { return unread }, []int{0, 2, 6, 14, 30}, 5},
		"its handler stumbles over it":          {func(time.Time) error { var call *log.Ref; return errors.New(call.ID) }, []int{0, 2, 6, 14, 30}, 5},
		"it wants to be heard again soon":       {func(time.Time) error { return Snooze(time.Millisecond, "soon") }, []int{0, 2, 6, 14, 30}, 0},
		"it wants to be heard again much later": {func(time.Time) error { return Snooze(25*time.Second, "later") }, []int{0, 25}, 0},
		"the log is away for some seconds": {func(now time.Time) error {
			if now.Before(noon.Add(3 * time.Second)) {
				return fault.New(fault.Transient, "read log", log.CodeUnavailable, nil)
			}
			return nil
		}, []int{0, 1, 2, 3, 5, 9, 17, 33}, 3},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			now := noon
			p := &Patience{First: 2 * time.Second, Now: func() time.Time { return now }}
			var at []int
			told := 0
			for ; now.Before(noon.Add(40 * time.Second)); now = now.Add(time.Second) {
				err := p.Each(t.Context(), []log.Ref{one}, func(context.Context, log.Ref) error {
					at = append(at, int(now.Sub(noon).Seconds()))
					return tc.do(now)
				})
				if err != nil {
					told++
				}
			}
			if !slices.Equal(at, tc.want) || told != tc.told {
				t.Errorf("tried at %v, want %v; said %d times, want %d", at, tc.want, told, tc.told)
			}
		})
	}
	t.Run("one that hangs comes after the others in the next turn", func(t *testing.T) {
		t.Parallel()
		now := noon
		p := &Patience{First: 15 * time.Second, Now: func() time.Time { return now }}
		var tried []string
		for range 2 {
			_ = p.Each(t.Context(), []log.Ref{one, other}, func(_ context.Context, ref log.Ref) error {
				tried = append(tried, ref.ID)
				now = now.Add(10 * time.Second)
				return nil
			})
		}
		if got := strings.Join(tried, " "); got != "one other" {
			t.Errorf("tried %s", got)
		}
	})
	t.Run("one that got on begins anew", func(t *testing.T) {
		t.Parallel()
		p := &Patience{First: time.Hour, Now: func() time.Time { return noon }}
		n := 0
		for _, due := range [][]log.Ref{{one}, {one}, nil, {one}} {
			_ = p.Each(t.Context(), due, func(context.Context, log.Ref) error { n++; return nil })
		}
		if n != 2 {
			t.Errorf("tried %d times, want 2", n)
		}
	})
	t.Run("a service that is to end begins with none", func(t *testing.T) {
		t.Parallel()
		ctx, stop := context.WithCancel(t.Context())
		stop()
		p := &Patience{Now: time.Now}
		if err := p.Each(ctx, []log.Ref{one}, func(context.Context, log.Ref) error { return errors.New("begun") }); err != nil {
			t.Error(err)
		}
	})
}

func TestAnEventIsLeftAloneOnlyWhenNoDeliveryCanBeCountedOn(t *testing.T) {
	t.Parallel()
	r := events.Record{Seq: 1, Time: noon}
	for age, want := range map[time.Duration]bool{0: false, longestAckWait + reachWait: false, LeftAfter - 1: false, LeftAfter: true, time.Hour: true} {
		if Left(r, noon.Add(age)) != want {
			t.Errorf("after %s: %v", age, !want)
		}
	}
	if Left(events.Record{}, noon) {
		t.Error("no event is left alone")
	}
}
