package tenants

import (
	"maps"
	"slices"
)

// A RulesetHead is what a rule set says beside its rules.
type RulesetHead struct {
	Extends string   // the rule set it tightens, "" for none
	Tenants []string // whose it is, where it says so
	Shipped bool     // it is in the binary: the ground of everybody's
}

// A Lineage has every rule set's head by name.
type Lineage map[string]RulesetHead

// Of says which rule sets the requests of each tenant may name: the tenant's
// own (the argument has it by tenant), and those that extend it and are the
// tenant's. What a request names can therefore only be stricter than what it
// would be judged by without. A rule set that is missing, or extends one that
// is, or itself, is nobody's.
func (l Lineage) Of(tenants map[string]string) map[string][]string {
	all := make(map[string][]string, len(tenants))
	for tenant, own := range tenants {
		for _, name := range slices.Sorted(maps.Keys(l)) {
			line := l.line(name)
			if slices.Contains(line, own) && l.belongs(line, tenants, tenant) {
				all[tenant] = append(all[tenant], name)
			}
		}
	}
	return all
}

// line lists a rule set and all that it extends, the nearest first.
func (l Lineage) line(name string) []string {
	var line []string
	for ; name != ""; name = l[name].Extends {
		if _, ok := l[name]; !ok || slices.Contains(line, name) {
			return nil
		}
		line = append(line, name)
	}
	return line
}

// belongs asks whose a rule set is: of the tenants it lists; if it lists none,
// of those whose own it is; if it is nobody's own, of those whose the one is
// that it extends. One that has nothing but shipped ground belongs to the only
// tenant, where there is only one; shipped ones are everybody's.
func (l Lineage) belongs(line []string, tenants map[string]string, tenant string) bool {
	for i, name := range line {
		head := l[name]
		if head.Shipped {
			return i == 0 || len(tenants) == 1
		}
		if len(head.Tenants) > 0 {
			return slices.Contains(head.Tenants, tenant)
		}
		if tenants[tenant] == name {
			return true
		}
		if slices.Contains(slices.Collect(maps.Values(tenants)), name) {
			return false
		}
	}
	return len(tenants) == 1
}

// MayName says whether a request of the tenant may name the rule set.
func (t Tenant) MayName(ruleset string) bool {
	return ruleset == t.Ruleset || slices.Contains(t.Rulesets, ruleset)
}
