package worker

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// A Filled stream is how full a stream is of what it may hold.
type Filled struct {
	Stream  string
	Part    float64 // of its bytes or its messages, whichever is more; 0 where it has no limit
	Forgets bool    // full, it forgets its oldest; else it refuses
}

// Fill asks how full streams are. One that cannot be asked is left out, and the
// error says so.
func Fill(ctx context.Context, js jetstream.JetStream, names ...string) ([]Filled, error) {
	var out []Filled
	var errs []error
	for _, name := range names {
		s, err := js.Stream(ctx, name)
		if err != nil {
			errs = append(errs, fmt.Errorf("stream %s: %w", name, err))
			continue
		}
		out = append(out, filled(s.CachedInfo()))
	}
	return out, errors.Join(errs...)
}

func filled(i *jetstream.StreamInfo) Filled {
	c := i.Config
	f := Filled{Stream: c.Name, Forgets: c.Discard == jetstream.DiscardOld}
	if c.MaxBytes > 0 {
		f.Part = float64(i.State.Bytes) / float64(c.MaxBytes)
	}
	if c.MaxMsgs > 0 {
		f.Part = max(f.Part, float64(i.State.Msgs)/float64(c.MaxMsgs))
	}
	return f
}
