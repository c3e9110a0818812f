package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/outdial/outdial/cmd/outdial/internal/bench"
	"github.com/outdial/outdial/internal/runtime"
)

type benchCmd struct {
	Quick    bool          `help:"Fewer and shorter turns: less than three minutes."`
	JSON     bool          `help:"Print the report for machines."`
	SVG      string        `placeholder:"FILE" help:"Draw it, too."`
	Stages   []string      `help:"What to measure: saturation, latency, batching, tcn, waiting, agents, processes, burst, idle, pace, replicas, fewer, kept. Default: all but replicas and kept, which --replicas and --kept add; --quick leaves burst and fewer out."`
	Replicas int           `default:"1" enum:"1,3" help:"3: measure three servers on this machine, too."`
	Kept     int           `placeholder:"N" help:"Measure a store with so many closed calls, too."`
	Store    string        `placeholder:"DIR" help:"Keep that store there, and find it again."`
	Waiting  int           `placeholder:"N" help:"Requests that wait while others are served. Default: 10000, quick 1000."`
	Desktops []int         `placeholder:"N" help:"Agents' desktops, and calls in flight of the floor beside them. Default: 100,300."`
	Rounds   int           `placeholder:"N" help:"Turns of each. Default: 5, quick 2."`
	Length   time.Duration `placeholder:"TIME" help:"Of a turn. Default: 6s, quick 1s."`
}

// Validate says what is wrong with the command line.
func (c *benchCmd) Validate() error {
	if c.Store != "" && c.Kept == 0 {
		return errors.New("--store keeps the calls of --kept")
	}
	if slices.ContainsFunc(c.Desktops, func(n int) bool { return n < 1 }) || min(c.Rounds, c.Kept, c.Waiting) < 0 || c.Length < 0 {
		return errors.New("--desktops, --rounds, --length, --waiting and --kept are counts and times: none is below one")
	}
	return bench.Known(c.Stages)
}

func (c *benchCmd) Run(e *env) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	t, err := bench.Run(e.ctx, bench.Options{Quick: c.Quick, Stages: c.Stages, Desktops: c.Desktops, Rounds: c.Rounds, Length: c.Length, Replicas: c.Replicas, Waiting: c.Waiting,
		Kept: c.Kept, Store: c.Store, Program: program, Version: runtime.Version(), Progress: e.errOut})
	if t == nil {
		return err
	}
	write := t.Text
	if c.JSON {
		write = t.JSON
	}
	return errors.Join(err, write(e.out), c.draw(t.SVG))
}

func (c *benchCmd) draw(svg func(io.Writer) error) error {
	if c.SVG == "" {
		return nil
	}
	f, err := os.Create(c.SVG)
	if err != nil {
		return fmt.Errorf("--svg: %w", err)
	}
	return errors.Join(svg(f), f.Close())
}

// benchServerCmd is a child of bench.
type benchServerCmd struct{ bench.Server }

func (c *benchServerCmd) Run(e *env) error { return bench.Serve(e.ctx, c.Server) }
