package bridge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
)

// This file is a part of the shell: it brings the messages of PROVIDER into
// their lanes, in the stream's order, and lets the messages of one agent take
// turns.

const (
	// settleEvery is how often the consumer is asked what is acknowledged, as
	// long as anything waits for it.
	settleEvery = 5 * time.Second
	// turnWait is how long a message waits here for its agent's turn, and then
	// in the broker: a place is not held for ever by who waits.
	turnWait = 500 * time.Millisecond
	// looks is how often PROVIDER is looked at when it seems too short: a leader
	// that was chosen this moment may not have applied all that is committed.
	looks = 3
)

// raws follows PROVIDER for a service.
type raws struct {
	h    *runtime.Host
	s    *Service
	cons jetstream.Consumer
	stop context.CancelFunc
	done <-chan struct{}
}

// followRaw begins to follow where the durable consumer has everything
// acknowledged: what came since may be for this process to carry out.
func followRaw(ctx context.Context, h *runtime.Host, s *Service) (*raws, error) {
	r := &raws{h: h, s: s}
	err := r.begin(ctx)
	for err != nil && !missing(err) && ctx.Err() == nil {
		rest(ctx, turnWait)
		err = r.begin(ctx)
	}
	if missing(err) {
		err = fmt.Errorf("consumer bridge on %s does not exist: run outdial provision", events.StreamProvider)
	}
	if err == nil {
		err = r.fits(ctx)
	}
	return r, err
}

// fits is an error where PROVIDER is not the stream whose messages the agents'
// logs tell of: it ends before them, so it was removed and made anew, or put back
// alone. What is said now would count as read, for as long as it takes to get
// there.
func (r *raws) fits(ctx context.Context) error {
	known := r.s.agents.lastRaw()
	if known == 0 {
		return nil
	}
	stream, err := r.h.JS.Stream(ctx, events.StreamProvider)
	for n := 1; n < looks && err == nil && stream.CachedInfo().State.LastSeq < known; n++ {
		rest(ctx, turnWait)
		_, err = stream.Info(ctx)
	}
	if err != nil {
		r.h.Logger.WarnContext(ctx, "where PROVIDER ends cannot be asked; that it is the one which the logs tell of is believed", "error", err.Error())
		return nil
	}
	if last := stream.CachedInfo().State.LastSeq; last < known {
		return fmt.Errorf("the stream %[1]s ends at %[2]d, and the agents' logs have read it up to %[3]d: it was removed or put back without them, and what is said now would be ignored; put back the whole store, or let it count on with `nats stream purge %[1]s --seq %[4]d`, which removes what is in it",
			events.StreamProvider, last, known, known+1)
	}
	return nil
}

func missing(err error) bool {
	return errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound)
}

func (r *raws) begin(ctx context.Context) error {
	var err error
	if r.cons, err = r.h.JS.Consumer(ctx, events.StreamProvider, "bridge"); err != nil {
		return err
	}
	floor := r.cons.CachedInfo().AckFloor.Stream
	r.s.HearAfter(floor)
	ctx, r.stop = context.WithCancel(ctx)
	t, err := worker.Tail(ctx, r.h.JS, events.StreamProvider, nil, floor+1, func(_ context.Context, d worker.Delivery, _ error) error {
		r.s.Hear(d)
		return nil
	})
	if err != nil {
		r.stop()
		return err
	}
	r.done = t.Done()
	return nil
}

// keep lets go of what is acknowledged, and begins anew when the store has
// become another one, until ctx ends.
func (r *raws) keep(ctx context.Context, anew <-chan struct{}) {
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-anew:
			r.stop()
			<-r.done
			for r.begin(ctx) != nil && ctx.Err() == nil {
				rest(ctx, turnWait)
			}
		case <-tick.C:
			r.settle(ctx)
		}
	}
}

func (r *raws) settle(ctx context.Context) {
	if r.s.lanes.Held() == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, settleEvery)
	defer cancel()
	if info, err := r.cons.Info(ctx); err == nil {
		r.s.lanes.Settle(info.AckFloor.Stream)
	}
}

// turns let one at a time have a key.
type turns struct {
	mu sync.Mutex
	by map[string]*turn
}

type turn struct {
	free chan struct{} // holds one token while nobody has the key
	want int
}

func newTurns() *turns { return &turns{by: map[string]*turn{}} }

// take waits for a key. Its error asks to hear the message again.
func (t *turns) take(ctx context.Context, key string) (leave func(), err error) {
	t.mu.Lock()
	k := t.by[key]
	if k == nil {
		k = &turn{free: make(chan struct{}, 1)}
		k.free <- struct{}{}
		t.by[key] = k
	}
	k.want++
	t.mu.Unlock()
	drop := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if k.want--; k.want == 0 {
			delete(t.by, key)
		}
	}
	if !rest(ctx, turnWait, k.free, nil) {
		drop()
		return nil, worker.Snooze(turnWait/2, "its agent's turn")
	}
	return func() { k.free <- struct{}{}; drop() }, nil
}
