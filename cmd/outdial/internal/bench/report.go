package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// A Row is one figure: the median of its samples, and what was wanted. Names
// are stable; labels are for people.
type Row struct {
	Name    string    `json:"name"`
	Stage   string    `json:"stage"` // that measured it
	Label   string    `json:"label"`
	Unit    string    `json:"unit"`
	Value   float64   `json:"value"` // the median
	Min     float64   `json:"min"`
	Max     float64   `json:"max"`
	Samples []float64 `json:"samples"`
	// Parts are each process' share of all turns, where there are several.
	Parts map[string]float64 `json:"parts,omitempty"`
	Goal  string             `json:"goal,omitempty"`
	Met   *bool              `json:"met,omitempty"`
}

// A Machine is where it was measured.
type Machine struct {
	CPU  string `json:"cpu"`
	CPUs int    `json:"cpus"`
	OS   string `json:"os"`
	Arch string `json:"arch"`
	Load string `json:"load,omitempty"` // averages at the start, where the system tells
}

// Audited is what the audits of all stores say.
type Audited struct {
	Stores     int      `json:"stores"`
	Calls      int      `json:"calls"`
	Violations []string `json:"violations"`
}

// A Report is what a run found.
type Report struct {
	Schema   int                  `json:"schema"`
	At       time.Time            `json:"at"`
	Took     float64              `json:"tookSeconds"`
	Quick    bool                 `json:"quick"`
	Machine  Machine              `json:"machine"`
	Versions map[string]string    `json:"versions"`
	Messages map[string][]Message `json:"messages"` // by kind of call
	Rows     []Row                `json:"rows"`
	Notes    []string             `json:"notes"`
	Audit    Audited              `json:"audit"`

	stage string // that is under way
}

// A goal is what a figure has to be.
type goal struct {
	words string
	met   func(float64) bool
}

func least(x float64) goal {
	return goal{fmt.Sprintf("≥ %g", x), func(v float64) bool { return v >= x }}
}

func most(x float64) goal {
	return goal{fmt.Sprintf("≤ %g", x), func(v float64) bool { return v <= x }}
}

// add puts a figure into the report, if it was measured.
func (t *Report) add(name, label, unit string, samples []float64, goals ...goal) {
	if len(samples) == 0 {
		return
	}
	r := Row{Name: name, Stage: t.stage, Label: label, Unit: unit, Value: median(samples), Min: slices.Min(samples), Max: slices.Max(samples), Samples: samples}
	for _, g := range goals {
		met := g.met(r.Value)
		r.Goal, r.Met = g.words, &met
	}
	t.Rows = append(t.Rows, r)
}

// parts says what the last row that was added is made of.
func (t *Report) parts(by map[string]float64) {
	if len(by) > 1 {
		t.Rows[len(t.Rows)-1].Parts = by
	}
}

func (t *Report) note(format string, args ...any) {
	t.Notes = append(t.Notes, fmt.Sprintf(format, args...))
}

func (t *Report) value(name string) float64 {
	for _, r := range t.Rows {
		if r.Name == name {
			return r.Value
		}
	}
	return 0
}

// JSON writes the report for machines.
func (t *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(t)
}

// Text writes the report as Markdown.
func (t *Report) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, outdial %s, %s, nats-server %s, %d CPUs, %s, fsync on, %.0f s", t.At.Format(time.DateOnly),
		t.Versions["outdial"], t.Versions["go"], t.Versions["nats-server"], t.Machine.CPUs, t.Machine.CPU, t.Took)
	if t.Machine.Load != "" {
		fmt.Fprintf(&b, ", load at the start %s", t.Machine.Load)
	}
	b.WriteString("\n")
	one, three := []Row{}, []Row{}
	for _, r := range t.Rows {
		if strings.HasPrefix(r.Name, "replicas.") {
			three = append(three, r)
		} else {
			one = append(one, r)
		}
	}
	if len(one) > 0 {
		b.WriteString("\n" + table(one))
	}
	if len(three) > 0 {
		b.WriteString("\nThree servers on this machine, each stream kept by all of them, beside a floor of its own:\n\n" + table(three))
	}
	for _, kind := range []string{"desktop", "tcn"} {
		if len(t.Messages[kind]) > 0 {
			b.WriteString("\n" + messageTable(kind, t.Messages[kind]))
		}
	}
	for _, n := range t.Notes {
		fmt.Fprintf(&b, "\n%s\n", n)
	}
	fmt.Fprintf(&b, "\nAudit of %d stores, %d calls: %d violations\n", t.Audit.Stores, t.Audit.Calls, len(t.Audit.Violations))
	for _, v := range t.Audit.Violations {
		b.WriteString("- " + v + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// table is rows in Markdown.
func table(rows []Row) string {
	var b strings.Builder
	b.WriteString("| stage | | median | least to most | goal | met |\n|---|---|---|---|---|---|\n")
	for _, r := range rows {
		value, spread, met := strings.TrimSpace(figure(r.Value)+" "+r.Unit), "", ""
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(r.Parts)) {
			parts = append(parts, name+" "+figure(r.Parts[name]))
		}
		if len(parts) > 0 {
			value += ": " + strings.Join(parts, ", ")
		}
		if len(r.Samples) > 1 {
			spread = figure(r.Min) + " to " + figure(r.Max)
		}
		if r.Met != nil {
			met = map[bool]string{true: "yes", false: "**no**"}[*r.Met]
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", r.Stage, r.Label, value, spread, r.Goal, met)
	}
	return b.String()
}

// messageTable says what one call stores.
func messageTable(kind string, all []Message) string {
	var b strings.Builder
	sum := 0
	b.WriteString("| | stream | event | bytes | of them body | written by | wakes |\n|---|---|---|---|---|---|---|\n")
	for i, m := range all {
		sum += m.Bytes
		fmt.Fprintf(&b, "| %d | %s | %s | %d | %d | %s | %s |\n", i+1, m.Stream, m.What, m.Bytes, m.Body, m.Writer, strings.Join(m.Heard, ", "))
	}
	return fmt.Sprintf("A %s call stores %d messages, %d bytes, in this order:\n\n%s", kind, len(all), sum, b.String())
}

// figure prints three digits that count.
func figure(x float64) string {
	switch {
	case x >= 99.95 || x == float64(int(x)):
		return fmt.Sprintf("%.0f", x)
	case x >= 9.995:
		return fmt.Sprintf("%.1f", x)
	case x >= 0.1 || x <= 0:
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.3f", x)
}

func median(samples []float64) float64 {
	s := slices.Sorted(slices.Values(samples))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
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

// thisMachine is where we are.
func thisMachine() Machine {
	m := Machine{CPU: runtime.GOARCH, CPUs: runtime.NumCPU(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
	text, _ = os.ReadFile("/proc/loadavg")
	if f := strings.Fields(string(text)); len(f) > 0 {
		m.Load = f[0]
	}
	return m
}
