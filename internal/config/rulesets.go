package config

import (
	"os"
	"path/filepath"

	"github.com/outdial/outdial/internal/tenants"
	yaml "go.yaml.in/yaml/v3"
)

// ShippedRulesets are the heads of the rule sets inside compliance. They stand
// here because a request that names a rule set is refused at the door, where
// compliance is not; a test of compliance holds the two together.
func ShippedRulesets() tenants.Lineage {
	return tenants.Lineage{
		"us-federal":     {Shipped: true},
		"default-safest": {Extends: "us-federal", Shipped: true},
		"ca":             {Shipped: true},
	}
}

// lineage reads the heads of the deployment's rule sets on top of the shipped
// ones. Their rules are compliance's to read, and so is what is wrong with
// them: a file that says no name, or another's, is passed over here, and what
// it holds may be named by nobody.
func lineage(dir string) (tenants.Lineage, error) {
	all := ShippedRulesets()
	if dir == "" {
		return all, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	twice := map[string]bool{}
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); e.IsDir() || ext != ".yaml" && ext != ".yml" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		var head struct {
			Name    string   `yaml:"name"`
			Extends string   `yaml:"extends"`
			Tenants []string `yaml:"tenants"`
		}
		if yaml.Unmarshal(text, &head) != nil || head.Name == "" || all[head.Name].Shipped {
			continue
		}
		if _, taken := all[head.Name]; taken {
			twice[head.Name] = true
		}
		all[head.Name] = tenants.RulesetHead{Extends: head.Extends, Tenants: head.Tenants}
	}
	for name := range twice {
		delete(all, name)
	}
	return all, nil
}
