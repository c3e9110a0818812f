package log

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/log/marks"
	"github.com/outdial/outdial/pkg/events"
)

// ErrWentBack says that the store went back in time. It comes wrapped in a
// fault of code "store_went_back".
var ErrWentBack = errors.New("the store went back in time")

// A Guard holds what a process knows of the store against what the server has.
// It asks the server after every reconnect, before anything is appended, and
// at no other time of itself; the rest is learned from acknowledgements and
// deliveries. A nil Guard finds nothing wrong.
type Guard struct {
	js   jetstream.JetStream
	book *marks.Book

	mu       sync.Mutex    // one look at a time
	verified atomic.Uint64 // the connection that was looked through, counted from 1
}

// NewGuard makes a guard that keeps book up.
func NewGuard(js jetstream.JetStream, book *marks.Book) *Guard { return &Guard{js: js, book: book} }

// connection counts the connections made so far. It is raised before anything
// can be sent on a new one.
func (g *Guard) connection() uint64 { return g.js.Conn().Stats().Reconnects + 1 }

// Ready looks at the server if the connection is another one than before. The
// error is that the look failed; what it shows is in the book.
func (g *Guard) Ready(ctx context.Context) error {
	if g == nil || g.verified.Load() == g.connection() {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.connection()
	if g.verified.Load() == now {
		return nil
	}
	if err := g.look(ctx, false); err != nil {
		return err
	}
	g.verified.Store(now)
	return nil
}

// Look asks the server about the known ends of the streams, and learns the new
// ones.
func (g *Guard) Look(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.look(ctx, true)
}

func (g *Guard) look(ctx context.Context, ends bool) error {
	asked := g.book.Marks()
	views, err := Views(ctx, g.js, asked, ends)
	if err == nil {
		g.book.Looked(asked, views)
	}
	return err
}

const (
	// looks is how often a stream that seems too short is looked at.
	looks    = 3
	lookWait = 200 * time.Millisecond
)

// Views looks at the streams whose past matters: where they end, and what is
// at the places asked about. With ends it also reads the id of the last event.
// A stream that seems too short is looked at again: the leader of a cluster
// that was chosen this moment may not have applied all that is committed.
func Views(ctx context.Context, js jetstream.JetStream, asked map[string]marks.Mark, ends bool) (map[string]marks.View, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for n := 1; ; n++ {
		views, err := look(ctx, js, asked, ends)
		if err != nil || n == looks || !short(asked, views) {
			return views, err
		}
		select {
		case <-ctx.Done():
			return nil, transient("look at the store", CodeUnavailable, ctx.Err())
		case <-time.After(lookWait):
		}
	}
}

func short(asked map[string]marks.Mark, views map[string]marks.View) bool {
	for stream, v := range views {
		if v.Last < asked[stream].Seq {
			return true
		}
	}
	return false
}

func look(ctx context.Context, js jetstream.JetStream, asked map[string]marks.Mark, ends bool) (map[string]marks.View, error) {
	out := map[string]marks.View{}
	for _, stream := range marks.Streams() {
		v := marks.View{}
		var err error
		// The place first: an end that was read earlier could lie before it.
		if seq := asked[stream].Seq; seq > 0 {
			if v.ID, err = idAt(ctx, js, stream, seq); err != nil {
				return nil, transient("look at the store", CodeUnavailable, err)
			}
		}
		s, err := js.Stream(ctx, stream)
		if err != nil {
			return nil, transient("look at the store", CodeUnavailable, err)
		}
		info := s.CachedInfo()
		v.Created, v.Last = info.Created, info.State.LastSeq
		if ends && v.Last == asked[stream].Seq {
			v.LastID = v.ID
		} else if ends && v.Last > 0 {
			if v.LastID, err = idAt(ctx, js, stream, v.Last); err != nil {
				return nil, transient("look at the store", CodeUnavailable, err)
			}
		}
		out[stream] = v
	}
	return out, nil
}

// idAt is the id of the event at a place, "" when it is gone.
func idAt(ctx context.Context, js jetstream.JetStream, stream string, seq uint64) (string, error) {
	m, err := get(ctx, js, stream, getRequest{Seq: seq})
	if errors.Is(err, ErrNone) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	h, err := m.header()
	if err != nil {
		return "", nil // whoever reads the log will say so
	}
	return EventIDOf(h), nil
}

// EventIDOf is the id of an event in binary mode, as all of ours are; "" for
// any other message.
func EventIDOf(h events.Header) string {
	if v := h["ce-id"]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// before is what to ask ahead of an append: that the store was looked at since
// the connection was made, and how far it is known.
func (g *Guard) before(ctx context.Context, stream string) (highest uint64, err error) {
	if g == nil {
		return 0, nil
	}
	if err := g.Ready(ctx); err != nil {
		return 0, transient("append", CodeUnavailable, err)
	}
	return g.book.Highest(stream), nil
}

// after holds an acknowledgement against what was known before. A connection
// made in between is looked through as well: the append may have gone by it.
func (g *Guard) after(ctx context.Context, stream, id string, ack *jetstream.PubAck, highest uint64) error {
	if g == nil {
		return nil
	}
	if ack.Duplicate {
		g.book.Seen(stream, ack.Sequence, id)
	} else {
		g.book.Acked(stream, ack.Sequence, id, highest)
	}
	if g.verified.Load() != g.connection() {
		if err := g.Ready(context.WithoutCancel(ctx)); err != nil {
			return transient("append", CodeAppendUnknown, err)
		}
	}
	return nil
}

// seen notes an event that was read.
func (g *Guard) seen(stream string, seq uint64, id string) {
	if g != nil {
		g.book.Seen(stream, seq, id)
	}
}

// stopped refuses what trusts the store while that is in question.
func (g *Guard) stopped(d Draft) error {
	if g != nil && d.Trusts() && g.book.Held() != nil {
		return transient("append", CodeWentBack, ErrWentBack)
	}
	return nil
}
