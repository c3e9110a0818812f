package worker

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

const (
	// LeftAfter is longer than the broker waits for a process that died, and
	// than a process waits for what it has not heard.
	LeftAfter = 20 * time.Second
	// mostPatience is the longest pause between two tries.
	mostPatience = 5 * time.Minute
	// turnTime is after what time no further call is begun with in a turn.
	turnTime = time.Second
)

// Left says that nobody has acted on an event for so long that no delivery of
// it can be counted on any more.
func Left(r events.Record, now time.Time) bool { return r.Seq > 0 && now.Sub(r.Time) >= LeftAfter }

// A Patience spaces out what is found by the clock over and over: a call that
// does not get on is tried again after First, then after twice as long each
// time. So one that cannot be read is not asked for, and warned of, each second.
// It serves one goroutine.
type Patience struct {
	First time.Duration
	Now   func() time.Time
	of    map[log.Ref]*spell
}

type spell struct {
	wait time.Duration
	next time.Time
}

// Each does something about those calls of due whose time has come, and forgets
// all others. What a call is snoozed for is waited for; what is Transient is
// tried again in the next turn; a fault of the program is Permanent. A turn that has become
// long begins with no further call: the others are first in the next.
func (p *Patience) Each(ctx context.Context, due []log.Ref, do func(context.Context, log.Ref) error) error {
	began, of, failed := p.Now(), make(map[log.Ref]*spell, len(due)), error(nil)
	for _, ref := range due {
		s := p.of[ref]
		if s == nil {
			s = &spell{wait: p.First}
		}
		of[ref] = s
		if now := p.Now(); now.Before(s.next) || now.Sub(began) >= turnTime || ctx.Err() != nil {
			continue
		}
		err := steady(ctx, ref, do)
		again, snoozed := errors.AsType[snooze](err)
		switch {
		case snoozed:
			s.next = p.Now().Add(max(again.after, s.wait))
		case err != nil && fault.Of(err) == fault.Transient:
			s.next = time.Time{}
			failed = errors.Join(failed, err)
			continue
		default:
			s.next = p.Now().Add(s.wait)
			failed = errors.Join(failed, err)
		}
		s.wait = min(2*s.wait, mostPatience)
	}
	p.of = of
	return failed
}

// steady keeps a call over which its handler stumbles from ending the process.
// Another panic is not the handler's fault, and not for here.
func steady(ctx context.Context, ref log.Ref, do func(context.Context, log.Ref) error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case runtime.Error:
			err = fault.New(fault.Permanent, "take a turn", "panic", nil)
		default:
			panic(p)
		}
	}()
	return do(ctx, ref)
}
