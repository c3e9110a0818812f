package log

import (
	"context"

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
