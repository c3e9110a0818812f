package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/outdial/outdial/pkg/events"
)

// A Fault is one thing that is wrong with a configuration. It never holds a
// value that may be a secret or a number, only where it stands.
type Fault struct {
	Place string // path of the setting, e.g. connections.tcn-main.baseURL, or the variable's name
	Line  int    // in the file; 0 when it does not come from there
	Says  string
}

// Error is the fault in one line.
func (f Fault) Error() string {
	place := f.Place
	switch {
	case place == "" && f.Line > 0:
		return fmt.Sprintf("line %d: %s", f.Line, f.Says)
	case place == "":
		return f.Says
	case f.Line > 0:
		place += fmt.Sprintf(" (line %d)", f.Line)
	}
	return place + ": " + f.Says
}

// Faults are all that is wrong with a configuration, in the file's order.
type Faults struct {
	File string
	List []Fault
}

// Error lists every fault on a line of its own.
func (f *Faults) Error() string {
	var b strings.Builder
	what := "1 fault"
	if len(f.List) != 1 {
		what = fmt.Sprintf("%d faults", len(f.List))
	}
	fmt.Fprintf(&b, "%s has %s, nothing was started:", cmp.Or(f.File, "the configuration"), what)
	for _, one := range f.List {
		b.WriteString("\n  " + one.Error())
	}
	return b.String()
}

// marks remember where settings stand, so that a fault found later can say so.
type marks struct {
	file  string
	lines map[string]int    // by path
	envs  map[string]string // variable that overrode a path
}

// notes collect the faults and warnings of one load.
type notes struct {
	marks
	faults   []Fault
	warnings []string

	at       map[string]bool // places with a fault
	within   map[string]bool // those, and all that hold one
	misspelt map[string]bool // places that hold a name that is no setting
}

func newNotes(m marks) *notes {
	return &notes{marks: m, at: map[string]bool{}, within: map[string]bool{}, misspelt: map[string]bool{}}
}

func (n *notes) add(f Fault) {
	n.faults = append(n.faults, f)
	n.at[f.Place] = true
	for p := f.Place; p != ""; p = parent(p) {
		n.within[p] = true
	}
}

// say notes a fault at a path. A setting that does not stand in the file gets
// the line of what should hold it.
func (n *notes) say(path, format string, args ...any) {
	f := Fault{Place: path, Says: fmt.Sprintf(format, args...)}
	if env, ok := n.envs[path]; ok {
		f.Place = env
	} else {
		f.Line = n.lineOf(path)
	}
	n.add(f)
}

// judge notes a fault in a setting, unless the setting could not even be read.
func (n *notes) judge(path, format string, args ...any) {
	if env := n.envs[path]; !n.at[path] && (env == "" || !n.at[env]) {
		n.say(path, format, args...)
	}
}

// missing notes that a required setting is absent, unless something was said
// about it, or about a misspelt one beside it, already.
func (n *notes) missing(path, format string, args ...any) {
	if !n.within[path] && !n.misspelt[parent(path)] {
		n.say(path, "is missing; "+format, args...)
	}
}

func (n *notes) warn(path, format string, args ...any) {
	n.warnings = append(n.warnings, path+": "+fmt.Sprintf(format, args...))
}

func (m marks) lineOf(path string) int {
	for path != "" {
		if line, ok := m.lines[path]; ok {
			return line
		}
		path = parent(path)
	}
	return 0
}

// parent cuts the last step of a path; a quoted step may hold anything.
func parent(path string) string {
	if strings.HasSuffix(path, `"]`) {
		return path[:max(strings.LastIndex(path, `["`), 0)]
	}
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}

// err returns what was collected, nil when it is nothing.
func (n *notes) err() error {
	if len(n.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(n.faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Place, b.Place))
	})
	return &Faults{File: n.file, List: n.faults}
}

var plainStep = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// child is the path of a key below a path.
func child(path, key string) string {
	switch {
	case !plainStep.MatchString(key):
		return path + "[" + strconv.Quote(cut(key)) + "]"
	case path == "":
		return key
	}
	return path + "." + key
}

func item(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// cut shortens what somebody else wrote before it is repeated.
func cut(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

// meant is " did you mean x?" for a word that is nearly one of those known.
func meant(word string, known []string) string {
	if len(word) > 64 {
		return ""
	}
	if like := events.Nearest(word, known); like != "" {
		return "; did you mean " + like + "?"
	}
	return ""
}
