// Command bench measures outdial beside its floor, bare JetStream, in one run
// on one machine, and prints both as the table of docs/performance.md.
//
//	floor    the same streams, durables and followers, 25 persisted messages a
//	         call, and no code of the product
//	outdial  `outdial up` as a process of its own, with a simulated telephone
//	         company and desktops in this one
//
// What a stage needs is made in a folder that is removed at the end. The
// simulated world shares the machine, so a figure of throughput is a little too
// low; CPU is the measured process' own.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// options say how much to measure.
type options struct {
	bin    string // folder with the binaries
	stages string
	length time.Duration // of a stage under load
	wait   int           // requests that wait
	kept   int           // closed calls that are kept
	store  string        // where they are kept; "" is a folder that is removed
	walk   bool          // a start without a snapshot too
	burst  int           // calls of the stage without pauses between messages
}

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "bin", "folder with outdial and outdial-events-bridge")
	flag.StringVar(&o.stages, "stages", "floor,desktops,waiting,tcn,burst,idle,kept", "which stages")
	flag.DurationVar(&o.length, "length", 20*time.Second, "of a stage under load")
	flag.IntVar(&o.wait, "waiting", 10_000, "requests that wait while others are served")
	flag.IntVar(&o.kept, "kept", 50_000, "closed calls in the store before a start")
	flag.StringVar(&o.store, "store", "", "with -stages kept: a folder for the store, found again by the next run")
	flag.BoolVar(&o.walk, "walk", true, "with -stages kept: start without a snapshot too, which looks through the whole log")
	flag.IntVar(&o.burst, "burst", 1000, "calls whose messages come without a pause")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	bin, err := filepath.Abs(o.bin)
	if err != nil {
		return err
	}
	o.bin = bin
	began := time.Now()
	t := &table{}
	for _, s := range []struct {
		name string
		run  func(context.Context, options, *table) error
	}{
		{"floor", floors}, {"desktops", desktops}, {"waiting", waiting}, {"tcn", tcnCalls}, {"burst", bursts}, {"idle", idle}, {"kept", kept},
	} {
		if !strings.Contains(","+o.stages+",", ","+s.name+",") {
			continue
		}
		fmt.Fprintf(os.Stderr, "%6.0fs %s\n", time.Since(began).Seconds(), s.name)
		if err := s.run(ctx, o, t); err != nil {
			t.note("%s: %v", s.name, err)
			fmt.Fprintf(os.Stderr, "bench: %s: %v\n", s.name, err)
		}
		if ctx.Err() != nil {
			break // what was measured until then is worth printing
		}
	}
	fmt.Printf("%s, %s, %d CPUs, %s, fsync on, %.0f s\n\n%s", time.Now().UTC().Format(time.DateOnly), runtime.Version(), runtime.NumCPU(), cpuModel(), time.Since(began).Seconds(), t)
	return nil
}

// cpuModel is what Linux calls the processor.
func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
