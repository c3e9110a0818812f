package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
)

// A place is where a request stands.
type place struct {
	tenant string
	seq    uint64
}

// lookGone names the requests that were taken in the hours that CALLS has lost:
// the broker gives them to nobody any more, and neither a call nor a refusal is
// on record. They may have been dialed then, so they are told to a person, and
// taken again by nobody (I2). taken is up to where each tenant's were.
func (f *Forsaken) lookGone(ctx context.Context, js jetstream.JetStream, now time.Time, taken map[string]uint64) error {
	calls, err := js.Stream(ctx, events.StreamCalls)
	if err != nil {
		return fmt.Errorf("stream %s: %w", events.StreamCalls, err)
	}
	// What was asked before the oldest event may have a call that CALLS has
	// forgotten by age.
	var since time.Time
	if s := calls.CachedInfo().State; s.Msgs > 0 {
		since = s.FirstTime
	}
	answered := map[place]bool{}
	requested := events.LogSubject(events.CallFamily, "*", "*", events.Orchestrator, events.Requested)
	err = worker.Read(ctx, js, events.StreamCalls, []string{requested}, func(_ context.Context, d worker.Delivery, _ error) error {
		if d.Record == nil {
			return nil
		}
		if c, ok := d.Record.Body.(*events.CallRequested); ok {
			answered[place{d.Record.Tenant, c.RequestSeq}] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = worker.Read(ctx, js, events.StreamRejected, nil, func(_ context.Context, d worker.Delivery, _ error) error {
		n, _, err := events.DecodeBody[events.Rejected](d.Header, d.Data, events.TypeRejected)
		if tenant, ok := strings.CutPrefix(n.Stream, events.RequestStream("")); err == nil && ok {
			answered[place{tenant, n.Sequence}] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	for tenant, upTo := range taken {
		if upTo == 0 {
			continue
		}
		if err := f.goneOf(ctx, js, now, tenant, upTo, func(d worker.Delivery) bool {
			return d.Stored.Before(since) || answered[place{tenant, d.Seq}]
		}); err != nil {
			return fmt.Errorf("stream %s: %w", events.RequestStream(tenant), err)
		}
	}
	slices.SortFunc(f.Gone, func(a, b Untaken) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Seq, b.Seq))
	})
	return nil
}

// goneOf looks through one tenant's requests. The same request sent again is
// answered by the call of the first one.
func (f *Forsaken) goneOf(ctx context.Context, js jetstream.JetStream, now time.Time, tenant string, upTo uint64, known func(worker.Delivery) bool) error {
	return worker.Read(ctx, js, events.RequestStream(tenant), nil, func(ctx context.Context, d worker.Delivery, _ error) error {
		if d.Seq > upTo || known(d) {
			return nil
		}
		u, begun, err := untaken(ctx, js, tenant, now, d.Seq, d.Subject, d.Header, d.Data, d.Stored)
		if err == nil && !begun {
			f.Gone = append(f.Gone, u)
		}
		return err
	})
}

// untaken is a request by the names that its sender knows, and whether its call is
// on record.
func untaken(ctx context.Context, js jetstream.JetStream, tenant string, now time.Time, seq uint64, subject string, h events.Header, data []byte, stored time.Time) (Untaken, bool, error) {
	in, _, who := events.ReadRequest(subject, h, data, events.RequestContext{Tenant: tenant, Now: now, Stored: stored})
	u := Untaken{Tenant: tenant, Seq: seq, Call: in.Call, Source: events.Showable(who.Source), ID: events.Showable(who.ID), Stored: stored}
	if in.Call == "" {
		return u, false, nil
	}
	begun := events.LogSubject(events.CallFamily, tenant, in.Call, events.Orchestrator, events.Requested)
	_, err := log.LastSequence(ctx, js, events.StreamCalls, begun)
	if errors.Is(err, log.ErrNone) {
		return u, false, nil
	}
	return u, err == nil, err
}
