// Package ops has the operator's commands: what they ask of a running system
// and how they print it.
package ops

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/audit"
	"github.com/outdial/outdial/internal/clock"
	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/internal/runtime/keycheck"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/sim"
)

// Audit judges what the log says, and what the simulators' ledger says where
// there is one (nil: there is none).
func Audit(ctx context.Context, js jetstream.JetStream, d *tenants.Directory, ledger []sim.Entry, c *clock.Shifted, strict bool) (audit.Report, error) {
	lost, err := runtime.Lost(ctx, js)
	if err != nil {
		return audit.Report{}, err
	}
	j := audit.New(audit.Options{Keys: d.Keys(), Strict: strict, Lost: lost})
	if ledger != nil {
		j.Dialed(sim.Dials(ledger)...)
	}
	if err := audit.Read(ctx, js, j); err != nil {
		return audit.Report{}, err
	}
	return j.Report(c.Now()), nil
}

// ErrBroken says that an audit found a promise broken.
var ErrBroken = errors.New("the audit found a promise broken")

// AuditCommand audits the system that a configuration names.
func AuditCommand(ctx context.Context, cfg *config.Config, ledgers []string, strict bool, out io.Writer) error {
	nc, js, setup, err := reach(ctx, cfg, "outdial-audit")
	if err != nil {
		return err
	}
	defer nc.Close()
	// By another key every number would look like another one.
	if _, err := keycheck.Examine(ctx, js, setup.Keys(), keycheck.Accept{}); err != nil {
		return err
	}
	c, err := clock.Load(ctx, js)
	if err != nil {
		return err
	}
	d, err := config.Directory(cfg, nil, providers.Deps{Now: time.Now})
	if err != nil {
		return err
	}
	entries, err := readLedgers(ledgers)
	if err != nil {
		return err
	}
	report, err := Audit(ctx, js, d, entries, c, strict)
	if err != nil {
		return err
	}
	if err := report.Write(out); err != nil {
		return err
	}
	if !report.Kept() {
		return ErrBroken
	}
	return nil
}

func readLedgers(files []string) ([]sim.Entry, error) {
	var all []sim.Entry
	for _, name := range files {
		if _, err := os.Stat(name); err != nil {
			return nil, fmt.Errorf("ledger: %w", err)
		}
		entries, err := sim.ReadLedger(name)
		if err != nil {
			return nil, fmt.Errorf("ledger %s: %w", name, err)
		}
		all = append(all, entries...)
	}
	return all, nil
}
