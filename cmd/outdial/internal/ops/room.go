package ops

import (
	"context"
	"fmt"
	"strings"
	"time"

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

// What the server holds in memory of every subject of a stream, and how long it
// reads for each when it starts, measured with a million calls of nine events
// (docs/performance.md).
const (
	perSubject     = 2.1 * (1 << 10) / 9 // bytes
	bootPerSubject = 15 * time.Second / 9_000_000
)

// keeping tells what the calls that are kept cost the server.
func (d *doctor) keeping(ctx context.Context, js jetstream.JetStream) {
	s, err := js.Stream(ctx, events.StreamCalls)
	text := ""
	if err == nil {
		text = kept(s.CachedInfo().State, s.CachedInfo().Config.MaxAge)
	}
	d.say("memory", err, text)
}

// kept is what a stream's subjects need now, and after its whole age if they
// become more at the rate at which they came.
func kept(s jetstream.StreamState, age time.Duration) string {
	need := func(subjects float64) string {
		return fmt.Sprintf("%.0f MiB of the server's memory and %.1f s of its start", subjects*perSubject/(1<<20), subjects*bootPerSubject.Seconds())
	}
	text := "the calls that are kept need " + need(float64(s.NumSubjects))
	if span := s.LastTime.Sub(s.FirstTime); span >= time.Hour && span < age {
		text += fmt.Sprintf("; at the rate of the last %.0f h, once %.0f h are kept, %s", span.Hours(), age.Hours(), need(float64(s.NumSubjects)*float64(age)/float64(span)))
	}
	return text
}
