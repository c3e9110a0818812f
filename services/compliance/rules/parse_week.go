package rules

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// dayNames maps the keys under windows to weekdays, the widest first: a key
// that names fewer days beats one that names more.
func dayNames() []struct {
	key  string
	days []time.Weekday
} {
	return []struct {
		key  string
		days []time.Weekday
	}{
		{"every-day", []time.Weekday{0, 1, 2, 3, 4, 5, 6}},
		{"mon-fri", []time.Weekday{1, 2, 3, 4, 5}},
		{"sat-sun", []time.Weekday{6, 0}},
		{"mon", []time.Weekday{1}},
		{"tue", []time.Weekday{2}},
		{"wed", []time.Weekday{3}},
		{"thu", []time.Weekday{4}},
		{"fri", []time.Weekday{5}},
		{"sat", []time.Weekday{6}},
		{"sun", []time.Weekday{0}},
	}
}

// windows applies the week. A day that is not named keeps the window of the
// extended rule set, and without one has none.
func (f file) windows(r *RuleSet) error {
	var faults []error
	known := map[string]bool{}
	for _, n := range dayNames() {
		known[n.key] = true
		text, given := f.Windows[n.key]
		if !given {
			continue
		}
		w, err := parseWindow(text)
		if err != nil {
			faults = append(faults, fmt.Errorf("windows: %s: %w", n.key, err))
		}
		for _, day := range n.days {
			r.Week[day] = w
		}
	}
	for _, key := range slices.Sorted(maps.Keys(f.Windows)) {
		if !known[key] {
			faults = append(faults, fmt.Errorf("windows: %q is none of every-day, mon-fri, sat-sun, mon ... sun", key))
		}
	}
	if f.Extends == "" && len(f.Windows) == 0 {
		faults = append(faults, errors.New("windows: a rule set that extends none needs its own"))
	}
	return errors.Join(faults...)
}

// parseWindow reads "HH:MM-HH:MM", half-open, up to 24:00, or "closed".
func parseWindow(text string) (Window, error) {
	if text == "closed" {
		return Window{}, nil
	}
	from, to, ok := strings.Cut(text, "-")
	start, ok1 := parseClock(from)
	end, ok2 := parseClock(to)
	if !ok || !ok1 || !ok2 || start >= end {
		return Window{}, errors.New(`"HH:MM-HH:MM" with the start before the end, or "closed", is needed`)
	}
	return Window{start, end}, nil
}

// parseClock reads HH:MM into seconds since midnight.
func parseClock(text string) (int, bool) {
	if len(text) != 5 || text[2] != ':' {
		return 0, false
	}
	h, err1 := strconv.ParseUint(text[:2], 10, 8)
	m, err2 := strconv.ParseUint(text[3:], 10, 8)
	if err1 != nil || err2 != nil || m > 59 || h*60+m > 24*60 {
		return 0, false
	}
	return int(h*60+m) * 60, true
}
