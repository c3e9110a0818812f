package runtime

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outdial/outdial/pkg/events"
)

// Beat says again and again that a bridge process lives, until ctx ends.
// Nothing of it is stored, and what cannot be said now is not said later.
func (h *Host) Beat(ctx context.Context, process string, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if h.NC.IsConnected() {
			if err := h.NC.Publish(events.AliveSubject(process), nil); err != nil {
				h.Logger.WarnContext(ctx, "the bridge cannot say that it lives", "error", err.Error())
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// HearBeats tells of every bridge process that says it lives, until stopped.
func (h *Host) HearBeats(take func(process string)) (stop func(), err error) {
	sub, err := h.NC.Subscribe(events.AliveSubject("*"), func(m *nats.Msg) { take(events.AliveProcess(m.Subject)) })
	if err != nil {
		return nil, err
	}
	return func() { _ = sub.Unsubscribe() }, nil
}

// Link tells whether the connection is up, and how often it was made anew.
func (h *Host) Link() (connected bool, made uint64) {
	return h.NC.IsConnected(), h.NC.Stats().Reconnects
}
