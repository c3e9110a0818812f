package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A row is one line of the table: what was measured, and what was wanted.
type row struct{ what, got, goal, met string }

// A table is what the run says, with what the ratios need.
type table struct {
	rows  []row
	notes []string

	floorRate, floorCPU float64 // at 100 in flight: calls a second, ms of CPU a call
	rate                float64 // of 100 desktops
}

// add puts a line into the table. met is whether the goal is met; nil for a
// line without one.
func (t *table) add(what, got, goal string, met ...bool) {
	r := row{what: what, got: got, goal: goal}
	if len(met) > 0 {
		r.met = "no"
		if !slices.Contains(met, false) {
			r.met = "yes"
		}
	}
	t.rows = append(t.rows, r)
}

func (t *table) note(format string, args ...any) {
	t.notes = append(t.notes, fmt.Sprintf(format, args...))
}

// String is the table as Markdown.
func (t *table) String() string {
	var b strings.Builder
	b.WriteString("| | measured | goal | met |\n|---|---|---|---|\n")
	for _, r := range t.rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.what, r.got, r.goal, r.met)
	}
	for _, n := range t.notes {
		fmt.Fprintf(&b, "\n%s\n", n)
	}
	return b.String()
}

// quantile is the q-th of the times, in milliseconds; 0 for none.
func quantile(times []time.Duration, q float64) float64 {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return ms(times[min(int(q*float64(len(times))), len(times)-1)])
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
