package ops

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/clock"
	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/pkg/events"
)

// ResolveOptions say who accepts a store that went back in time, and why.
type ResolveOptions struct {
	By, Reason string
	DryRun     bool // only list what would be closed
	Restored   bool // accept one that only a person knows of, too
	Out        io.Writer
}

// ResolveRegression accepts a store that went back in time, and lists what is
// closed by that.
func ResolveRegression(ctx context.Context, cfg *config.Config, o ResolveOptions) error {
	nc, js, _, err := reach(ctx, cfg, "outdial-tool")
	if err != nil {
		return err
	}
	defer nc.Close()
	c, err := clock.Load(ctx, js)
	if err != nil {
		return err
	}
	if o.Restored {
		if err := runtime.Declare(ctx, js, c.Now()); err != nil {
			return err
		}
	}
	var f runtime.Forsaken
	if o.DryRun {
		f, _, err = runtime.Forsake(ctx, js, c.Now())
	} else {
		f, err = runtime.Accept(ctx, js, o.By, o.Reason, c.Now())
	}
	if err != nil {
		return err
	}
	r := f.Regression
	fmt.Fprintf(o.Out, "the store went back in time: %s: %s (seen by %s, %s)\n", r.Stream, r.What, r.Service, r.SeenAt.UTC().Format(time.RFC3339))
	verb := "closes"
	if o.DryRun {
		verb = "would close"
	}
	fmt.Fprintf(o.Out, "accepting it %s, as failed (store_went_back), never dialed:\n", verb)
	for _, open := range f.Calls {
		fmt.Fprintf(o.Out, "  %-20s call %s, %s for %s\n", open.Tenant, open.Call, open.State, c.Now().Sub(open.Since).Round(time.Second))
	}
	for _, tenant := range slices.Sorted(maps.Keys(f.Requests)) {
		fmt.Fprintf(o.Out, "  %-20s %s that had not been taken yet\n", tenant, count(f.Requests[tenant], "request"))
		for _, q := range f.Untaken {
			if q.Tenant == tenant {
				fmt.Fprintf(o.Out, "  %-20s   call %s, request %q of %s, stored %s\n", tenant, cmp.Or(q.Call, "none"), q.ID, cmp.Or(q.Source, "nobody"), q.Stored.UTC().Format(time.RFC3339))
			}
		}
	}
	gone(o.Out, f.Gone)
	if len(f.Calls)+len(f.Requests) == 0 {
		fmt.Fprintln(o.Out, "  nothing: no call is open, no request waits")
	}
	if !o.DryRun {
		fmt.Fprintln(o.Out, "accepted; calls are dialed again. Upstream may ask again, under new ids, for what it knows was not dialed")
	}
	return nil
}

// mostGone is how many requests are listed whose calls are lost.
const mostGone = 1000

// gone lists what no acceptance can close, because its calls are lost.
func gone(out io.Writer, all []runtime.Untaken) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(out, "taken in the lost hours, and in no call any more: %s. They may have been dialed, so they are dialed by nobody, and their\nsenders hear of no end: tell them (see OutdialStoreWentBack in docs/operators.md)\n", count(len(all), "request"))
	for i, q := range all {
		if i == mostGone {
			fmt.Fprintf(out, "  and %d more\n", len(all)-i)
			return
		}
		fmt.Fprintf(out, "  %-20s %s #%d, call %s, request %q of %s, stored %s\n", q.Tenant, events.RequestStream(q.Tenant), q.Seq, cmp.Or(q.Call, "none"), q.ID, cmp.Or(q.Source, "nobody"), q.Stored.UTC().Format(time.RFC3339))
	}
}

// store says whether the store is the one that was known, and who accepted it
// if it is not.
func (d *doctor) store(ctx context.Context, js jetstream.JetStream) {
	record, _, err := runtime.RecordOf(ctx, js)
	if err != nil {
		d.say("store", err, "")
		return
	}
	if r := record.Open(); r != nil {
		d.say("store", fmt.Errorf("WENT BACK IN TIME: %s: %s (seen by %s, %s). Nothing is dialed. See docs/operators.md, then `outdial resolve-regression --by NAME --reason WHY`",
			r.Stream, r.What, r.Service, r.SeenAt.UTC().Format(time.RFC3339)), "")
		return
	}
	if a := record.Acceptance; a != nil {
		d.say("store", nil, "never went back since it was accepted on "+a.AcceptedAt.UTC().Format(time.RFC3339))
		return
	}
	d.say("store", nil, "never went back in time")
}

// ErrNobody says that a command wants a name and a reason.
var ErrNobody = errors.New("--by and --reason must say who accepts the store, and why; both are kept")

// Named checks that somebody stands for a command.
func Named(by, reason string) error {
	const most = 200
	if strings.TrimSpace(by) == "" || strings.TrimSpace(reason) == "" || len(by) > most || len(reason) > most {
		return ErrNobody
	}
	return nil
}
