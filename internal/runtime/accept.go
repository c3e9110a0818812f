package runtime

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/audit"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
)

// ErrNothingToAccept says that no store went back in time, or that somebody has
// accepted it already.
var ErrNothingToAccept = errors.New("nothing to accept: it is not on record that the store went back in time")

// A Forsaken is what an acceptance closes.
type Forsaken struct {
	Regression events.Regression
	Calls      []audit.Open   // open when it was accepted
	Requests   map[string]int // not taken yet, by tenant
	Untaken    []Untaken      // the same by name, of each tenant the first mostNamed
	// Gone are requests that it does not close, because what was taken of them is lost.
	Gone []Untaken
}

// An Untaken is a request that no call has begun with yet. Source and ID are
// shown as in REJECTED: what could be a number is masked.
type Untaken struct {
	Tenant, Call, Source, ID string
	Seq                      uint64 // in the tenant's REQUESTS
	Stored                   time.Time
}

// mostNamed is how many requests of a tenant are named.
const mostNamed = 200

// Forsake lists what the acceptance of a store that went back would close, and
// the acceptance itself.
func Forsake(ctx context.Context, js jetstream.JetStream, now time.Time) (Forsaken, events.Acceptance, error) {
	record, _, err := RecordOf(ctx, js)
	if err != nil {
		return Forsaken{}, events.Acceptance{}, err
	}
	open := record.Open()
	if open == nil {
		return Forsaken{}, events.Acceptance{}, ErrNothingToAccept
	}
	f := Forsaken{Regression: *open, Requests: map[string]int{}}
	a := events.Acceptance{Regression: open.ID, Epoch: open.Epoch, AcceptedAt: now, Through: map[string]uint64{}}
	taken := map[string]uint64{}
	if err := f.through(ctx, js, now, a.Through, taken); err != nil {
		return f, a, err
	}
	if err := f.lookGone(ctx, js, now, taken); err != nil {
		return f, a, err
	}
	lost, err := Lost(ctx, js)
	if err != nil {
		return f, a, err
	}
	j := audit.New(audit.Options{Lost: lost})
	if err := audit.Read(ctx, js, j); err != nil {
		return f, a, err
	}
	f.Calls, a.Lost = j.Report(now).Open, j.Lost()
	return f, a, nil
}

// Lost is the times of which the record says that it has lost them, for an
// audit. The last one has no beginning yet where the store is still in question,
// or was accepted by a version that did not look for it.
func Lost(ctx context.Context, js jetstream.JetStream) ([]events.LostPast, error) {
	record, seq, err := RecordOf(ctx, js)
	if err != nil || record.Regression == nil {
		return nil, err
	}
	var lost []events.LostPast
	if a := record.Acceptance; a != nil {
		lost = a.Lost
	}
	if record.Open() == nil && len(lost) > 0 {
		return lost, nil
	}
	s, err := js.Stream(ctx, events.StreamControl)
	if err != nil {
		return nil, err
	}
	m, err := s.GetMsg(ctx, seq)
	if err != nil {
		return nil, err
	}
	return append(lost, events.LostPast{Until: m.Time}), nil
}

// through notes where every stream ends that calls come from.
func (f *Forsaken) through(ctx context.Context, js jetstream.JetStream, now time.Time, ends, taken map[string]uint64) error {
	names := js.StreamNames(ctx)
	for name := range names.Name() {
		tenant, requests := strings.CutPrefix(name, events.RequestStream(""))
		if !requests && name != events.StreamCalls && name != events.StreamAgents && name != events.StreamFacts {
			continue
		}
		s, err := js.Stream(ctx, name)
		if err != nil {
			return fmt.Errorf("stream %s: %w", name, err)
		}
		ends[name] = s.CachedInfo().State.LastSeq
		if !requests {
			continue
		}
		c, err := s.Consumer(ctx, string(events.Orchestrator))
		if err != nil {
			return fmt.Errorf("stream %s: %w", name, err)
		}
		taken[tenant] = c.CachedInfo().AckFloor.Stream
		if info := c.CachedInfo(); info.NumPending > 0 || info.NumAckPending > 0 {
			f.Requests[tenant] = int(info.NumPending) + info.NumAckPending
			if err := f.name(ctx, js, s, tenant, now, info.AckFloor.Stream); err != nil {
				return fmt.Errorf("stream %s: %w", name, err)
			}
		}
	}
	return names.Err()
}

// name looks who asked, beyond what is known to be taken. A request whose call
// is on record was taken, though nobody has said so to the broker.
func (f *Forsaken) name(ctx context.Context, js jetstream.JetStream, s jetstream.Stream, tenant string, now time.Time, taken uint64) error {
	most := min(f.Requests[tenant], mostNamed)
	for seq, named := taken+1, 0; seq <= s.CachedInfo().State.LastSeq && named < most; seq++ {
		m, err := s.GetMsg(ctx, seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue // aged out
		}
		if err != nil {
			return err
		}
		u, begun, err := untaken(ctx, js, tenant, now, seq, m.Subject, events.Header(m.Header), m.Data, m.Time)
		if err != nil {
			return err
		}
		if !begun {
			f.Untaken = append(f.Untaken, u)
			named++
		}
	}
	return nil
}

// Declare puts on record that a store was put back from a copy, where nothing
// shows it and a person knows: from then on it stands as one that was found to
// have gone back, until it is accepted.
func Declare(ctx context.Context, js jetstream.JetStream, now time.Time) error {
	record, seq, err := RecordOf(ctx, js)
	if err != nil || record.Open() != nil {
		return err
	}
	r := events.Regression{ID: events.RandomID(), Epoch: record.Epoch() + 1, Stream: events.StreamCalls,
		What: "it was put back from a copy, by an operator's word", Service: "outdial", SeenAt: now}
	_, err = log.PutControl(ctx, js, events.RegressionSubject(), events.SourceOf(events.AnyTenant, events.Operator),
		events.Control{Name: "regression", Regression: &r, By: "outdial", At: now}, seq)
	return err
}

// Accept accepts a store that went back in time as it is, in somebody's name.
// From then on calls are dialed again; those that were open in it, and the
// requests it held, are closed `failed` (store_went_back) and never dialed.
func Accept(ctx context.Context, js jetstream.JetStream, by, reason string, now time.Time) (Forsaken, error) {
	f, a, err := Forsake(ctx, js, now)
	if err != nil {
		return f, err
	}
	_, seq, err := log.GetControl(ctx, js, events.AcceptanceSubject())
	if err != nil && !errors.Is(err, log.ErrNone) {
		return f, err
	}
	source := events.SourceOf(events.AnyTenant, events.Operator)
	if _, err := log.PutControl(ctx, js, events.AcceptanceSubject(), source,
		events.Control{Name: "accepted", Acceptance: &a, By: by, Reason: reason, At: now}, seq); err != nil {
		return f, err
	}
	requests := 0
	for _, n := range f.Requests {
		requests += n
	}
	_, _, err = log.Plain(ctx, js, log.Note{
		To: events.OpsSubject(events.AnyTenant, "command"), Type: events.TypeOps, Source: source, Time: now,
		Body: events.Ops{Event: "command", Service: "outdial", Tenant: events.AnyTenant, What: "resolve-regression", By: by, Reason: reason, At: now,
			Details: map[string]string{"regression": a.Regression, "calls": strconv.Itoa(len(f.Calls)), "requests": strconv.Itoa(requests), "gone": strconv.Itoa(len(f.Gone))}}.Shown(),
	})
	return f, err
}
