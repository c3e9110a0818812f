package compliance

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/services/compliance/rules"
	"github.com/outdial/outdial/services/compliance/zones"
)

// Options are what the configuration says about compliance. Rule sets that are
// wrong, or that a tenant names and nobody has written, are told at once.
func Options(s runtime.Setup) (Config, error) {
	sets, err := Rulesets(s.Config.Rulesets.Dir)
	if err != nil {
		return Config{}, err
	}
	own := map[string]string{}
	for name, t := range s.Config.Tenants {
		own[name] = t.Ruleset
	}
	if err := checkTenants(sets, own); err != nil {
		return Config{}, err
	}
	table, err := zones.Embedded()
	if err != nil {
		return Config{}, err
	}
	return Config{Rulesets: sets, Zones: table, Prepare: s.Config.Timing.Compliance.Prepare, Pace: s.Pace.Ask}, nil
}

// checkTenants refuses a tenant whose rule set is not there, or is others', and
// a rule set that lists a tenant who is not there.
func checkTenants(sets map[string]rules.RuleSet, own map[string]string) error {
	var faults []error
	may := lineage(sets).Of(own)
	for _, name := range slices.Sorted(maps.Keys(own)) {
		if _, ok := sets[own[name]]; !ok {
			faults = append(faults, fmt.Errorf("tenants.%s.ruleset: no rule set %q; there are %v", name, own[name], slices.Sorted(maps.Keys(sets))))
		} else if !slices.Contains(may[name], own[name]) {
			faults = append(faults, fmt.Errorf("tenants.%s.ruleset: %q is of other tenants: %v", name, own[name], sets[own[name]].Tenants))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sets)) {
		for _, tenant := range sets[name].Tenants {
			if _, ok := own[tenant]; !ok {
				faults = append(faults, fmt.Errorf("rule set %s: tenants: there is no tenant %q", name, tenant))
			}
		}
	}
	return errors.Join(faults...)
}

// Rulesets reads the embedded rule sets and those of a folder, "" for none.
func Rulesets(dir string) (map[string]rules.RuleSet, error) {
	if dir == "" {
		return rules.Embedded()
	}
	return rules.Load(os.DirFS(dir))
}
