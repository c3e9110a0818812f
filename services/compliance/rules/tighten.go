package rules

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Tightens returns nil when everything that r allows base allows too, and
// otherwise an error that names each loosening, joined with errors.Join.
func (r RuleSet) Tightens(base RuleSet) error {
	var faults []error
	loose := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("looser than "+base.Name+": "+format, args...))
	}
	for _, country := range r.Countries {
		if !slices.Contains(base.Countries, country) {
			loose("country %s is not covered there", country)
		}
	}
	for _, tenant := range r.Tenants {
		if len(base.Tenants) > 0 && !slices.Contains(base.Tenants, tenant) {
			loose("tenant %s has no part in it", tenant)
		}
	}
	for day := time.Sunday; day <= time.Saturday; day++ {
		mine, theirs := r.Week[day], base.Week[day]
		if mine.End > mine.Start && (mine.Start < theirs.Start || mine.End > theirs.End) {
			loose("%s %s goes beyond %s", day, mine, theirs)
		}
	}
	if r.EndMargin < base.EndMargin {
		loose("endMargin %s is shorter than %s", r.EndMargin, base.EndMargin)
	}
	if r.lease() > base.lease() {
		loose("lease %s is longer than %s", r.lease(), base.lease())
	}
	if base.Zone != "" && r.Zone != base.Zone {
		loose("zone %s is dropped", base.Zone)
	}
	for _, s := range []struct{ field, mine, theirs, strict string }{
		{"nonGeographic", r.NonGeographic, base.NonGeographic, NonGeographicDeny},
		{"windowScope", r.WindowScope, base.WindowScope, ScopeAll},
		{"deFactoZones", r.DeFactoZones, base.DeFactoZones, HabitOn},
	} {
		mine, theirs := cmp.Or(s.mine, s.strict), cmp.Or(s.theirs, s.strict)
		if mine != s.strict && theirs == s.strict {
			loose("%s: %s, where it says %s", s.field, mine, theirs)
		}
	}
	for _, rule := range r.AllowOverrides {
		if !slices.Contains(base.AllowOverrides, rule) {
			loose("lets agents override %s", rule)
		}
	}
	return errors.Join(faults...)
}

// String writes the window as a rule set file does.
func (w Window) String() string {
	if w.End <= w.Start {
		return "closed"
	}
	return hhmm(w.Start) + "-" + hhmm(w.End)
}

func hhmm(second int) string { return fmt.Sprintf("%02d:%02d", second/3600, second/60%60) }
