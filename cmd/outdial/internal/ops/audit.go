// Package ops has the operator's commands: what they ask of a running system
// and how they print it.
package ops

import (
	"context"
	"io"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/pkg/directory"
	"github.com/outdial/outdial/pkg/providers/sim"
)

type Report struct{ Findings []string }

func (Report) Write(io.Writer) error { return nil }
func Audit(ctx context.Context, js jetstream.JetStream, d *directory.Directory, l []sim.Entry, now time.Time, strict bool) (Report, error) {
	return Report{}, nil
}
