package compliance

import (
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/outdial/outdial/pkg/process"
	"github.com/outdial/outdial/services/compliance/rules"
	"github.com/outdial/outdial/services/compliance/zones"
)

// Options are what the configuration says about compliance. Rule sets that are
// wrong, or that a tenant names and nobody has written, are told at once.
func Options(s process.Setup) (Config, error) {
	sets, err := Rulesets(s.Config.Rulesets.Dir)
	if err != nil {
		return Config{}, err
	}
	for name, t := range s.Config.Tenants {
		if _, ok := sets[t.Ruleset]; !ok {
			return Config{}, fmt.Errorf("tenants.%s.ruleset: no rule set %q; there are %v", name, t.Ruleset, slices.Sorted(maps.Keys(sets)))
		}
	}
	table, err := zones.Embedded()
	if err != nil {
		return Config{}, err
	}
	return Config{Rulesets: sets, Zones: table, Prepare: s.Config.Timing.Compliance.Prepare}, nil
}

// Rulesets reads the embedded rule sets and those of a folder, "" for none.
func Rulesets(dir string) (map[string]rules.RuleSet, error) {
	if dir == "" {
		return rules.Embedded()
	}
	return rules.Load(os.DirFS(dir))
}
