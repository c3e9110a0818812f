package log

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

const (
	// abreast is how many publishes are under way to a stream at a time. A
	// single server writes one after the other, so more of them only wait.
	abreast = 8
	// A batch costs the server a store of its own, which as many share as
	// make it the cheaper way by far. The most is a quarter of what a server
	// takes.
	fewest, most = 32, 256
)

const errCodeBatchesOff = 10174

// Batches tells whether appends to a stream may go together: it takes atomic
// batches, and is not replicated, where the servers write together what comes
// together without being asked.
func Batches(s jetstream.StreamConfig) bool { return s.AllowAtomicPublish && s.Replicas <= 1 }

// Lanes are the ways to the streams whose appends may go together, by stream.
// Leaders that share them have to be of one process and of one user of the
// server: whoever sends a batch publishes for the others.
type Lanes map[string]*lane

// NewLanes makes lanes to these streams, which must take batches.
func NewLanes(streams ...string) Lanes {
	out := Lanes{}
	for _, s := range streams {
		out[s] = &lane{abreast: abreast, fewest: fewest, logs: map[string]int{}}
	}
	return out
}

// A lane is the way to one stream. Nobody waits while there is room on it; of
// those who wait, many go as one atomic batch: at most one event of a log, and
// none of a log of which another is under way, for such a batch would be
// refused. Whoever sends a batch is one of those in it.
type lane struct {
	abreast, fewest int

	mu       sync.Mutex
	flying   int            // publishes under way
	together bool           // one of them is a batch
	off      bool           // the stream takes none any more
	logs     map[string]int // what is under way, by log
	waiting  []*waiter
}

type waiter struct {
	of      *JetStream
	d       Draft
	msg     *nats.Msg
	highest uint64 // what was known of the stream before it was sent
	alone   bool   // it was in a batch that was refused as a whole
	turn    chan turn
}

// A turn is what somebody waits for: to send these, being the first of them, or
// to hear what became of the batch.
type turn struct {
	send []*waiter
	ack  *jetstream.PubAck
	err  error
}

func (a *lane) enter(w *waiter) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = append(a.waiting, w)
	a.next()
}

// next gives the room that there is to those who wait.
func (a *lane) next() {
	for a.flying < a.abreast && len(a.waiting) > 0 {
		send := a.group()
		if send == nil {
			send, a.waiting = a.waiting[:1:1], a.waiting[1:]
		}
		a.flying++
		for _, w := range send {
			a.logs[w.d.filter()]++
		}
		send[0].turn <- turn{send: send}
	}
}

// group takes those who wait and may go together, nil when they are too few.
func (a *lane) group() []*waiter {
	if a.together || a.off || len(a.waiting) < a.fewest {
		return nil
	}
	var send, stay []*waiter
	in := map[string]bool{}
	for _, w := range a.waiting {
		of := w.d.filter()
		if w.alone || in[of] || a.logs[of] > 0 || len(send) == most {
			stay = append(stay, w)
			continue
		}
		in[of] = true
		send = append(send, w)
	}
	if len(send) < a.fewest {
		return nil
	}
	a.together, a.waiting = true, stay
	return send
}

// leave gives a place back. Those of a batch that was refused wait again, ahead
// of all others, to go one by one.
func (a *lane) leave(sent []*waiter, refused, off bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.flying--
	a.off = a.off || off
	a.together = a.together && len(sent) == 1
	for _, w := range sent {
		of := w.d.filter()
		if a.logs[of]--; a.logs[of] == 0 {
			delete(a.logs, of)
		}
		w.alone = w.alone || refused
	}
	if refused {
		a.waiting = slices.Concat(sent, a.waiting)
	}
	a.next()
}

// await waits for a turn. The error says that there was none, and that nothing
// was sent; whoever is in a batch by then waits to hear of it.
func (a *lane) await(ctx context.Context, w *waiter) (turn, error) {
	select {
	case t := <-w.turn:
		return t, nil
	case <-ctx.Done():
	}
	a.mu.Lock()
	i := slices.Index(a.waiting, w)
	if i >= 0 {
		a.waiting = slices.Delete(a.waiting, i, i+1)
	}
	a.mu.Unlock()
	if i >= 0 {
		return turn{}, transient("append", CodeUnavailable, ctx.Err())
	}
	return <-w.turn, nil
}

// inTurn sends a draft when there is room on its lane, with others or alone.
func (l *JetStream) inTurn(ctx context.Context, d Draft, msg *nats.Msg) (*jetstream.PubAck, error) {
	a := l.opts.Lanes[StreamOf(d.Family)]
	if a == nil {
		return l.single(ctx, d, msg)
	}
	w := &waiter{of: l, d: d, msg: msg, turn: make(chan turn, 1)}
	wait, cancel := context.WithTimeout(ctx, l.opts.AckWait)
	defer cancel()
	a.enter(w)
	for {
		t, err := a.await(wait, w)
		switch {
		case err != nil:
			return nil, err
		case len(t.send) == 1:
			defer a.leave(t.send, false, false)
			return l.single(ctx, d, msg)
		case len(t.send) == 0:
			if t.err != nil {
				return nil, t.err
			}
			return l.stored(ctx, d, t.ack, w.highest)
		}
		l.together(ctx, a, t.send)
	}
}

// together sends a batch and tells everybody in it what became of it. Whoever
// sends it may have been cut short; the others have not.
func (l *JetStream) together(ctx context.Context, a *lane, send []*waiter) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.opts.AckWait)
	defer cancel()
	ack, refused, err := l.commit(ctx, send)
	api, _ := errors.AsType[*jetstream.APIError](err)
	a.leave(send, refused, api != nil && api.ErrorCode == errCodeBatchesOff)
	if refused {
		return // they wait again
	}
	for i, w := range send {
		t := turn{err: err}
		if err == nil {
			t.ack = &jetstream.PubAck{Stream: ack.Stream, Sequence: ack.Sequence - uint64(len(send)-1-i)}
		}
		w.turn <- t
	}
}

// commit sends a batch if everybody in it may send now. Refused says that
// nothing of it is stored, for a reason that may be one message's alone: each
// goes by itself then, and hears its own.
func (l *JetStream) commit(ctx context.Context, send []*waiter) (ack *jetstreamext.BatchAck, refused bool, err error) {
	for _, w := range send {
		if w.highest, err = w.of.fit(ctx, w.d); err != nil {
			return nil, true, err
		}
	}
	ack, err = l.batch(ctx, compared(send))
	_, refused = errors.AsType[*jetstream.APIError](err)
	return ack, refused || errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, nats.ErrNoResponders), err
}

// compared are the messages of a batch, each compare-and-set over its log. They
// are copies, because one that is refused still has to go alone.
func compared(send []*waiter) []*nats.Msg {
	out := make([]*nats.Msg, len(send))
	for i, w := range send {
		out[i] = &nats.Msg{Subject: w.msg.Subject, Header: maps.Clone(w.msg.Header), Data: w.msg.Data}
		out[i].Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(w.d.After, 10))
		out[i].Header.Set(jetstream.ExpectedLastSubjSeqSubjHeader, w.d.filter())
	}
	return out
}
