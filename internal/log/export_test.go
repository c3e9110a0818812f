package log

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// NewLiteral is a log that makes the mistake the package exists to prevent: it
// compares only the subject it writes to, not the whole call.
func NewLiteral(js jetstream.JetStream) *JetStream {
	l := NewJetStream(js, Options{})
	l.publish = func(ctx context.Context, m *nats.Msg, after uint64, _ string) (*jetstream.PubAck, error) {
		last, err := LastSequence(ctx, js, "CALLS", m.Subject[len("append."):])
		if err != nil {
			last = 0
		}
		return js.PublishMsg(ctx, m, jetstream.WithExpectLastSequencePerSubject(last))
	}
	return l
}

// Refusal is refusal, for tests.
func Refusal(err error) error { return refusal(err) }

// In is lanes on which fewer go abreast and fewer already together.
func In(abreast, fewest int, streams ...string) Lanes {
	out := NewLanes(streams...)
	for _, a := range out {
		a.abreast, a.fewest = abreast, fewest
	}
	return out
}

// Hold lets nobody go on the lane to CALLS until so many wait.
func (ls Lanes) Hold(n int) {
	a := ls["CALLS"]
	a.mu.Lock()
	a.flying += a.abreast
	a.mu.Unlock()
	go func() {
		for {
			a.mu.Lock()
			there := len(a.waiting)
			if there >= n {
				a.flying -= a.abreast
				a.next()
			}
			a.mu.Unlock()
			if there >= n {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
}
