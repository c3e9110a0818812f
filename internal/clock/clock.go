// Package clock is the time by which windows, caps and expiries are judged.
//
// For a rehearsal it may be shifted: the offset is fixed once, kept in the
// stream CONTROL, and read by every service and every restart, so that all of
// outdial agrees about the hour. Broker timers and what measures a wait use the
// real clock.
package clock

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// Clock tells the time.
type Clock interface{ Now() time.Time }

// Shifted is a clock at a fixed distance from another one.
type Shifted struct {
	offset time.Duration
	base   func() time.Time
}

var _ Clock = (*Shifted)(nil)

// System is the machine's clock, not shifted.
func System() *Shifted { return New(0, time.Now) }

// New shifts base by offset.
func New(offset time.Duration, base func() time.Time) *Shifted {
	return &Shifted{offset: offset, base: base}
}

// Now is the judged instant.
func (s *Shifted) Now() time.Time { return s.base().Add(s.offset) }

// Offset is what is added to the real time; 0 = not shifted.
func (s *Shifted) Offset() time.Duration { return s.offset }

func subject() string { return events.ControlSubject(events.AnyTenant, "clock", "offset") }

// Load returns the clock that all services share: shifted if an offset was ever
// fixed, else the machine's.
func Load(ctx context.Context, js jetstream.JetStream) (*Shifted, error) {
	c, _, err := log.GetControl(ctx, js, subject())
	if errors.Is(err, log.ErrNone) {
		return System(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("load the clock offset: %w", err)
	}
	return New(time.Duration(c.OffsetMS)*time.Millisecond, time.Now), nil
}

// ErrReal says that a store has run on the machine's clock and was asked for
// calls there, so that it can never become a rehearsal's.
var ErrReal = errors.New("--at is for a store without calls: this one has run on the real clock, and would be a rehearsal's for good; leave --at out, or rehearse with an empty store (another nats.store)")

// May says whether Fix would set the clock of a store, or has done so, also of one
// whose streams are not made yet. A store that holds, or has held, calls or
// requests of the real clock is refused with ErrReal.
func May(ctx context.Context, js jetstream.JetStream) error {
	switch _, _, err := log.GetControl(ctx, js, subject()); {
	case err == nil:
		return nil
	case errors.Is(err, log.ErrNone), errors.Is(err, jetstream.ErrStreamNotFound):
		return unused(ctx, js)
	default:
		return fmt.Errorf("load the clock offset: %w", err)
	}
}

// Fix sets the clock to at, once and for all: whoever comes second, even with
// another instant, gets the clock that was fixed first. It refuses what May does.
func Fix(ctx context.Context, js jetstream.JetStream, at time.Time) (*Shifted, error) {
	if err := May(ctx, js); err != nil {
		return nil, err
	}
	now := time.Now()
	entry := events.Control{Name: "offset", OffsetMS: at.Sub(now).Milliseconds(), At: now}
	_, err := log.PutControl(ctx, js, subject(), events.SourceOf(events.AnyTenant, events.Operator), entry, 0)
	if err != nil && fault.Code(err) != log.CodeConflict {
		return nil, fmt.Errorf("fix the clock offset: %w", err)
	}
	return Load(ctx, js)
}

// unused refuses a store that a call was ever asked for in. Sequences go on when
// messages age out, so that a store whose calls are gone is known as well.
func unused(ctx context.Context, js jetstream.JetStream) error {
	names := js.StreamNames(ctx)
	for name := range names.Name() {
		if name != events.StreamCalls && !strings.HasPrefix(name, events.RequestStream("")) {
			continue
		}
		s, err := js.Stream(ctx, name)
		if err != nil {
			return fmt.Errorf("stream %s: %w", name, err)
		}
		if last := s.CachedInfo().State.LastSeq; last > 0 {
			return fmt.Errorf("%w (%s has had %d messages)", ErrReal, name, last)
		}
	}
	return names.Err()
}
