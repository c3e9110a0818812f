package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/cmd/outdial/internal/bench"
)

// TestMain lets this binary be the program that is measured, too.
func TestMain(m *testing.M) {
	if os.Getenv(bench.AsProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// What scripts read of a report: names, units and the shape, and that a short
// run ends well and leaves nothing behind. No figure is judged.
func TestAShortBenchReportsWhatScriptsRead(t *testing.T) {
	t.Setenv(bench.AsProgram, "1")
	t.Setenv("TMPDIR", t.TempDir())
	svg := filepath.Join(t.TempDir(), "bench.svg")
	var out, progress bytes.Buffer
	code := run(&env{ctx: t.Context(), out: &out, errOut: &progress, getenv: os.Getenv},
		[]string{"bench", "--json", "--svg", svg, "--stages", "saturation,pace", "--desktops", "3", "--rounds", "1", "--length", "500ms"})
	if code != 0 {
		t.Fatalf("exit code %d\n%s\n%s", code, progress.String(), out.String())
	}
	var r struct {
		Schema   int
		Machine  struct{ CPUs int }
		Versions map[string]string
		Messages map[string][]struct {
			Stream, Writer string
			Bytes          int
		}
		Rows []struct {
			Name, Label string
			Value       *float64
			Samples     []float64
		}
		Audit struct {
			Calls      int
			Violations []string
		}
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for _, row := range r.Rows {
		rows[row.Name] = row.Label != "" && row.Value != nil && len(row.Samples) > 0
	}
	for _, name := range []string{"floor.naked.3.rate", "floor.appender.3.rate", "desktops.3.rate", "desktops.3.rate_ratio", "pace.reserve.p50"} {
		if !rows[name] {
			t.Errorf("no row %s", name)
		}
	}
	if r.Schema != 1 || r.Machine.CPUs == 0 || r.Versions["outdial"] == "" || r.Versions["nats-server"] == "" {
		t.Errorf("the report does not say of what it is: %+v", r)
	}
	for _, m := range r.Messages["desktop"] {
		if m.Stream == "" || m.Writer == "" || m.Bytes == 0 {
			t.Errorf("a message of a call lacks something: %+v", m)
		}
	}
	if n := len(r.Messages["desktop"]); n < 10 {
		t.Errorf("%d messages of a call", n)
	}
	if r.Audit.Calls == 0 || len(r.Audit.Violations) > 0 {
		t.Errorf("audit: %+v", r.Audit)
	}
	if text, err := os.ReadFile(svg); err != nil || !strings.Contains(string(text), "outdial, 3 desktops") {
		t.Errorf("the drawing lacks outdial: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// Who interrupts a bench while its processes are at work finds nothing of them.
func TestAnInterruptedBenchLeavesNothing(t *testing.T) {
	t.Setenv(bench.AsProgram, "1")
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	ctx, interrupt := context.WithCancel(t.Context())
	go func() {
		for t.Context().Err() == nil {
			if at, _ := filepath.Glob(filepath.Join(dir, "*", "nats")); len(at) > 0 {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		interrupt()
	}()
	var out, said bytes.Buffer
	code := run(&env{ctx: ctx, out: &out, errOut: &said, getenv: os.Getenv}, []string{"bench", "--stages", "latency"})
	if code != 0 || !strings.Contains(out.String(), "Audit of") {
		t.Errorf("exit code %d\n%s\n%s", code, said.String(), out.String())
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestABenchOfAnUnknownStageListsThem(t *testing.T) {
	var out, said bytes.Buffer
	code := run(&env{ctx: t.Context(), out: &out, errOut: &said, getenv: os.Getenv}, []string{"bench", "--stages", "speed"})
	if code != 2 || !strings.Contains(said.String(), "saturation") {
		t.Errorf("exit code %d: %s", code, said.String())
	}
}
