package ops

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/outdial/outdial/cmd/outdial/internal/app"
	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/runtime/keycheck"
)

// ProvisionOptions say how to provision.
type ProvisionOptions struct {
	DryRun bool
	At     time.Time
	Accept keycheck.Accept
	Out    io.Writer
}

// Provision makes the streams and consumers on the server that the
// configuration names, and fixes the clock of a rehearsal.
func Provision(ctx context.Context, cfg *config.Config, o ProvisionOptions) error {
	nc, js, setup, err := reach(ctx, cfg, "outdial-provision")
	if err != nil {
		return err
	}
	defer nc.Close()
	if len(cfg.Made) > 0 {
		fmt.Fprintf(o.Out, "tenant keys made: %s; keep a copy: the do-not-call list is readable by them alone\n", strings.Join(cfg.Made, ", "))
	}
	if err := app.MayFix(ctx, js, cfg, o.At); err != nil {
		return err
	}
	var changes strings.Builder
	err = app.Provision(ctx, js, setup, o.Accept, o.DryRun, &changes)
	fmt.Fprint(o.Out, changes.String())
	if err != nil {
		return err
	}
	if changes.Len() == 0 {
		fmt.Fprintln(o.Out, "everything is as it should be")
	}
	if o.DryRun || o.At.IsZero() {
		return nil
	}
	c, err := app.FixClock(ctx, js, o.At)
	if err == nil {
		fmt.Fprintf(o.Out, "REHEARSAL: the clock is set to %s\n", c.Now().UTC().Format(time.RFC3339))
	}
	return err
}
