package ops

import (
	"context"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
)

// nearlyFull is the part of a stream's room at which somebody has to look.
const nearlyFull = 0.8

// room tells which streams are nearly full.
func (d *doctor) room(ctx context.Context, js jetstream.JetStream, tenants []string) {
	names := []string{events.StreamCalls, events.StreamAgents, events.StreamProvider, events.StreamFacts,
		events.StreamControl, events.StreamOps, events.StreamRejected}
	for _, t := range tenants {
		names = append(names, events.RequestStream(t))
	}
	fill, err := worker.Fill(ctx, js, names...)
	var full []string
	for _, f := range fill {
		if f.Part >= nearlyFull {
			full = append(full, fmt.Sprintf("%s %.0f %%", f.Stream, 100*f.Part))
		}
	}
	if err == nil && len(full) > 0 {
		err = fmt.Errorf("nearly full: %s; see OutdialStreamFilling in docs/operators.md", strings.Join(full, ", "))
	}
	d.say("room", err, "every stream has room")
}
