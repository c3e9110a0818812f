package audit

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// Read hands everything that CALLS and AGENTS hold to the judge, each stream
// in its order, CALLS first, because a claim is on record before the assignment
// that stands on it. Ledgers must be read before. It leaves nothing behind on
// the server and waits for a server that is away; the error is that the streams
// cannot be read, or the context's end.
func Read(ctx context.Context, js jetstream.JetStream, j *Judge) error {
	for _, stream := range []string{events.StreamCalls, events.StreamAgents} {
		if err := read(ctx, js, stream, j); err != nil {
			return fmt.Errorf("audit %s: %w", stream, err)
		}
	}
	return nil
}

func read(ctx context.Context, js jetstream.JetStream, stream string, j *Judge) error {
	return worker.Read(ctx, js, stream, nil, func(_ context.Context, d worker.Delivery, problem error) error {
		switch {
		case d.Record != nil:
			j.Take(*d.Record)
		case problem != nil:
			j.Unreadable(d.Subject, d.Seq, fault.Code(problem))
		}
		return nil
	})
}
