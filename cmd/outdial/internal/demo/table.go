package demo

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/services/orchestrator"
)

// A row is one scene on the screen.
type row struct {
	scene  scene
	key    string // tenant/call
	call   *lifecycle.Call
	faults []events.Fault
	over   bool
}

// A table shows the scenes as they go on.
type table struct {
	mu    sync.Mutex
	out   io.Writer
	live  bool
	width int // of a line, when redrawing: a wrapped line cannot be redrawn
	drawn int // lines on the screen
	began time.Time
	rows  []*row
	over  bool
}

func newTable(scenes []scene, out io.Writer, live bool, width int) *table {
	t := &table{out: out, live: live, width: cmp.Or(width, 80) - 1, began: time.Now()}
	for _, sc := range scenes {
		t.rows = append(t.rows, &row{scene: sc, key: sc.Tenant + "/" + events.CallID(sc.Tenant, source, sc.ID),
			call: &lifecycle.Call{State: lifecycle.None}})
	}
	return t
}

// hear takes one message of calls.> or rejected.>. It reports, once, that
// every scene is over.
func (t *table) hear(m *nats.Msg) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if strings.HasPrefix(m.Subject, "rejected.") {
		t.rejected(m)
	} else if r, err := events.DecodeRecord(m.Subject, events.Header(m.Header), m.Data); err == nil {
		r.Seq = uint64(len(t.rows)) // the sequence is in another header; order is enough here
		t.take(r)
	}
	if t.live {
		t.draw()
	}
	all := !slices.ContainsFunc(t.rows, func(r *row) bool { return !r.over })
	first := all && !t.over
	t.over = all
	return first
}

func (t *table) rejected(m *nats.Msg) {
	note, _, err := events.DecodeBody[events.Rejected](events.Header(m.Header), m.Data, events.TypeRejected)
	if err != nil {
		return
	}
	for _, r := range t.rows {
		if r.scene.Tenant == note.Tenant && r.scene.ID == note.ID {
			r.faults, r.over = note.Faults, true
			t.line(r, "rejected", faultCodes(note.Faults))
		}
	}
}

func faultCodes(faults []events.Fault) string {
	var codes []string
	for _, f := range faults {
		codes = append(codes, strings.TrimSpace(f.Pointer+" "+f.Code))
	}
	return strings.Join(codes, ", ")
}

func (t *table) take(e events.Record) {
	for _, r := range t.rows {
		if r.key != e.Tenant+"/"+e.Key {
			continue
		}
		r.call.Take(e)
		r.over = r.call.State == lifecycle.Closed
		t.line(r, string(e.Role)+"."+string(e.Name), orchestrator.Summary(e))
	}
}

// line prints one event where the screen cannot be redrawn.
func (t *table) line(r *row, what, says string) {
	if !t.live {
		fmt.Fprintf(t.out, "%6.2fs  %-42s %-26s %s\n", time.Since(t.began).Seconds(), r.scene.Story, what, says)
	}
}

// draw redraws the table in place.
func (t *table) draw() {
	if t.drawn > 0 {
		fmt.Fprintf(t.out, "\x1b[%dA", t.drawn)
	}
	t.drawn = 0
	for _, r := range t.rows {
		fmt.Fprintf(t.out, "\x1b[2K%s\n", cut(r.text(), t.width))
		t.drawn++
	}
}

// cut keeps the beginning of a line and the end of its path, where the news is.
func cut(line string, width int) string {
	runes := []rune(line)
	const head = 94 // up to the path
	if len(runes) <= width || width < head+12 {
		return string(runes[:min(len(runes), width)])
	}
	return string(runes[:head]) + "…" + string(runes[len(runes)-(width-head-1):])
}

// text is a row: what it is about, who takes it, where it stands, how it got
// there.
func (r *row) text() string {
	agent, number := "", ""
	if r.call.Assigned != nil {
		agent = r.call.Assigned.Agent
	}
	if r.call.Request != nil {
		number = r.call.Request.Number.Masked
	}
	return fmt.Sprintf("  %-42s %-14s %-8s %-22s %s", r.scene.Story, number, agent, r.state(), r.path())
}

func (r *row) state() string {
	switch {
	case r.faults != nil:
		return "rejected"
	case r.call.Closed != nil:
		return r.call.Closed.Outcome + mark(r.call.Closed.Presumed)
	}
	return string(r.call.State)
}

func mark(presumed bool) string {
	if presumed {
		return " (presumed)"
	}
	return ""
}

// path is the call's way, in the names of its events.
func (r *row) path() string {
	if r.faults != nil {
		return faultCodes(r.faults)
	}
	var names []string
	for _, e := range r.call.Log {
		n := string(e.Name)
		if len(names) == 0 || names[len(names)-1] != n {
			names = append(names, n)
		}
	}
	if len(names) > 0 && names[len(names)-1] == string(events.Closed) {
		names = names[:len(names)-1]
		if r.call.Closed.Reason != r.call.Closed.Outcome {
			names = append(names, r.call.Closed.Reason)
		}
	}
	return strings.Join(names, " › ")
}

// finish leaves the whole table on the screen.
func (t *table) finish() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.live {
		t.draw()
		return
	}
	fmt.Fprintln(t.out)
	for _, r := range t.rows {
		fmt.Fprintln(t.out, r.text())
	}
}
