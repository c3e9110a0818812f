package clock

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/pkg/events"
)

// Apart is how far a machine's clock may be from the server's, by which requests
// are received: half of the shortest time that a request has. Beyond, requests are
// refused as expired that are not, and calls are judged by another hour.
const Apart = 30 * time.Second

// ErrApart says that this machine's clock and the server's are further apart.
var ErrApart = errors.New("the clocks are apart")

// Ahead is how far a clock is ahead of a server's at the least, whose answer came
// between two of its instants; negative: behind; 0: as far as can be told they
// agree.
func Ahead(before, after, server time.Time) time.Duration {
	switch {
	case server.IsZero(): // an old server does not say
		return 0
	case before.After(server):
		return before.Sub(server)
	case after.Before(server):
		return after.Sub(server)
	}
	return 0
}

// Measure asks the server for its time, by now, the machine's clock. Its error is
// that it cannot be asked.
func Measure(ctx context.Context, js jetstream.JetStream, now func() time.Time) (ahead time.Duration, err error) {
	before := now()
	stream, err := js.Stream(ctx, events.StreamAgents)
	if err != nil {
		return 0, err
	}
	return Ahead(before, now(), stream.CachedInfo().TimeStamp), nil
}

// Agree is ErrApart of clocks that are too far apart, with what to do about it.
func Agree(ahead time.Duration) error {
	side := "ahead of"
	if ahead < 0 {
		side = "behind"
	}
	if ahead.Abs() <= Apart {
		return nil
	}
	return fmt.Errorf("%w: this machine's is %s %s the NATS server's; requests are received by the one and expire by the other, and windows are judged by this one: set both (NTP), then start again",
		ErrApart, ahead.Abs().Round(time.Second), side)
}
