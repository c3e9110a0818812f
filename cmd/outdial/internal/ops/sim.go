package ops

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/desktopsim"
	"github.com/outdial/outdial/sim/dialects"
)

// SimOptions say what to simulate.
type SimOptions struct {
	Listen   string        `default:"127.0.0.1:9101" help:"Address of the simulated TCN, and of the management at /sim/."`
	Ledger   string        `placeholder:"FILE" help:"Where the simulator writes down what it dialed; default: memory."`
	Agents   int           `default:"4" help:"TCN agents: 2098765 and up, tokens token-<sid>."`
	Desktops []string      `placeholder:"KIND:CONNECTION/AGENT" help:"Simulated desktops, e.g. webexcc:webex-desk/agent4."`
	Bridge   string        `default:"http://127.0.0.1:8080" help:"Where the desktops connect to."`
	Token    string        `env:"OUTDIAL_SIM_TOKEN" help:"The desktops' bearer token."`
	Pace     time.Duration `default:"1s" help:"One step of a call."`
	Seed     uint64        `help:"Ids are made from it; 0: other ids at each run, so that one ledger may serve several."`
	Out      io.Writer     `kong:"-"`
	ErrOut   io.Writer     `kong:"-"`
}

// Sim runs the simulators until ctx ends.
func Sim(ctx context.Context, o SimOptions) error {
	s, err := sim.New(sim.Options{LedgerPath: o.Ledger, Seed: cmp.Or(o.Seed, rand.Uint64()), Pace: o.Pace})
	if err != nil {
		return err
	}
	defer s.Close()
	companies, err := dialects.Serve(s, o.Agents)
	if err != nil {
		return err
	}
	if err := desktops(ctx, s, o); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.Handle("/", companies)
	addr, wait, err := runtime.ListenAndServe(ctx, o.Listen, mux)
	if err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "simulated TCN at http://%s with %d agents, %d desktops; management at http://%s/sim/ledger, /sim/faults, /sim/agents, /sim/answers\n",
		addr, o.Agents, len(o.Desktops), addr)
	return wait()
}

func desktops(ctx context.Context, s *sim.Simulator, o SimOptions) error {
	fleets := map[providers.Kind]*desktopsim.Fleet{}
	for _, d := range o.Desktops {
		kind, seat, ok := strings.Cut(d, ":")
		connection, agent, ok2 := strings.Cut(seat, "/")
		if !ok || !ok2 {
			return fmt.Errorf("--desktops %q: want KIND:CONNECTION/AGENT, e.g. webexcc:webex-desk/agent4", d)
		}
		k := providers.Kind(kind)
		if fleets[k] == nil {
			fleets[k] = desktopsim.NewFleet(s, k)
		}
		if _, err := fleets[k].Add(desktopsim.Config{URL: o.Bridge, Connection: connection, Agent: agent, Token: o.Token, Pace: o.Pace}); err != nil {
			return fmt.Errorf("--desktops %q: %w", d, err)
		}
	}
	for _, f := range fleets {
		go func() {
			if err := f.Run(ctx); err != nil && ctx.Err() == nil {
				fmt.Fprintln(o.ErrOut, "desktops:", err)
			}
		}()
	}
	return nil
}
