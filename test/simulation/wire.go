package simulation

import (
	"context"
	"time"

	"github.com/outdial/outdial/pkg/events/fault"
)

// The way to a company, whatever its manner: what may become of a question, and of
// a request to dial.

func down(op string) error { return fault.New(fault.Transient, op, "provider_down", nil) }

// wire is a request to a company, or its answer; either may be slow. late says
// that nobody waits for it any more.
func (w *World) wire(ctx context.Context) (late bool) {
	w.sleep(w.way())
	w.mayDie()
	return ctx.Err() != nil
}

// way is how long it takes.
func (w *World) way() time.Duration {
	if w.odds(60) {
		return w.between(100*time.Millisecond, 4*time.Second)
	}
	return w.between(time.Millisecond, 15*time.Millisecond)
}

// start brings a request to dial to its company, which takes it or says why not.
// What it says may be lost, as the request may. Without the guard whoever hears no
// answer asks again.
func (w *World) start(ctx context.Context, conn, attempt string, take func() error) error {
	err := w.startOnce(ctx, conn, attempt, take)
	if w.opts.broken == silence && err != nil && fault.Of(err) == fault.Uncertain {
		return w.startOnce(ctx, conn, attempt, take)
	}
	return err
}

func (w *World) startOnce(ctx context.Context, conn, attempt string, take func() error) error {
	w.sent(conn, attempt)
	way := w.way()
	unsure := fault.New(fault.Uncertain, "dial", "no_reply", nil)
	switch {
	case w.odds(40):
		w.wire(ctx)
		return fault.New(fault.Permanent, "dial", "refused", nil)
	case w.odds(40): // it never arrived
		w.wire(ctx)
		return unsure
	case w.odds(40): // it is held up on its way, and taken late
		w.after(way+w.between(time.Millisecond, 4*time.Second), func() { _ = take() })
		w.wire(ctx)
		return unsure
	}
	// What has left arrives, whether its sender is stopped or dies meanwhile.
	var no error
	w.after(way, func() { no = take() })
	w.sleep(way + time.Millisecond)
	w.mayDie()
	if no != nil {
		return no
	}
	if w.wire(ctx) || w.odds(30) {
		return unsure
	}
	return nil
}
