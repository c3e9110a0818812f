package tenants

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// lineage is two rule sets of the binary, one of nobody's making, and those of
// a house with three tenants.
func lineage() Lineage {
	return Lineage{
		"law": {Shipped: true}, "safest": {Extends: "law", Shipped: true},
		"acme-own": {Extends: "law"}, "acme-night": {Extends: "acme-own"}, "acme-noon": {Extends: "acme-night"},
		"globex-listed": {Extends: "law", Tenants: []string{"globex"}}, "globex-more": {Extends: "globex-listed"},
		"shared": {Extends: "law", Tenants: []string{"acme", "globex"}},
		"stolen": {Extends: "acme-own"}, "stray": {Extends: "law"}, "island": {},
		"ring-a": {Extends: "ring-b"}, "ring-b": {Extends: "ring-a"}, "self": {Extends: "self"}, "orphan": {Extends: "gone"},
	}
}

func TestARequestMayNameItsTenantsRuleSetOrAStricterOne(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		tenants map[string]string
		want    map[string]string
	}{
		"a tenant by the law may tighten by what is shipped and its own": {
			map[string]string{"acme": "acme-own", "globex": "law", "initech": "safest"},
			map[string]string{"acme": "acme-night acme-noon acme-own stolen", "globex": "globex-listed globex-more law safest shared", "initech": "safest"},
		},
		"whose the stricter one is its tenant's alone": {
			map[string]string{"acme": "acme-own", "globex": "stolen"},
			map[string]string{"acme": "acme-night acme-noon acme-own", "globex": "stolen"},
		},
		"a tenant in the middle of its line looks down only": {
			map[string]string{"acme": "acme-night", "globex": "law"},
			map[string]string{"acme": "acme-night acme-noon", "globex": "globex-listed globex-more law safest shared"},
		},
		"two tenants share their own": {
			map[string]string{"acme": "acme-own", "globex": "acme-own"},
			map[string]string{"acme": "acme-night acme-noon acme-own stolen", "globex": "acme-night acme-noon acme-own stolen"},
		},
		"the only tenant has what names nobody": {
			map[string]string{"acme": "law"},
			map[string]string{"acme": "acme-night acme-noon acme-own law safest shared stolen stray"},
		},
		"what is missing, broken or listed for others is nobody's": {
			map[string]string{"a": "gone", "b": "ring-a", "c": "self", "d": "orphan", "e": "globex-listed", "f": "", "g": "Law"},
			map[string]string{},
		},
		"a rule set that extends none is its tenant's": {
			map[string]string{"acme": "island", "globex": "law"},
			map[string]string{"acme": "island", "globex": "globex-listed globex-more law safest shared"},
		},
	} {
		got := lineage().Of(tc.tenants)
		for tenant := range tc.tenants {
			if s := strings.Join(got[tenant], " "); s != tc.want[tenant] {
				t.Errorf("%s: %s may name\n  %s\nwant\n  %s", story, tenant, s, tc.want[tenant])
			}
		}
	}
}

// Whatever extends whatever: nothing that may be named lacks the tenant's own
// on its line, so nothing is looser; and what lists tenants is no other's.
func TestNothingThatMayBeNamedIsLooser(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := []string{"a", "b", "c", "d", "e", "f"}
		tenant := rapid.SampledFrom([]string{"acme", "globex", "initech"})
		l := Lineage{}
		for i, name := range names[:rapid.IntRange(1, len(names)).Draw(t, "sets")] {
			h := RulesetHead{Extends: rapid.SampledFrom(append(names, "", "")).Draw(t, "extends")}
			h.Shipped = i < 2 && rapid.Bool().Draw(t, "shipped")
			if !h.Shipped && rapid.Bool().Draw(t, "lists") {
				h.Tenants = []string{tenant.Draw(t, "of")}
			}
			l[name] = h
		}
		tenants := map[string]string{}
		for range rapid.IntRange(1, 3).Draw(t, "tenants") {
			tenants[tenant.Draw(t, "tenant")] = rapid.SampledFrom(append(names, "gone", "")).Draw(t, "own")
		}
		for who, may := range l.Of(tenants) {
			for _, name := range may {
				line, at := []string{}, name
				for ; at != "" && len(line) <= len(names); at = l[at].Extends {
					line = append(line, at)
				}
				if at != "" || !slices.Contains(line, tenants[who]) {
					t.Fatalf("%s may name %s, which does not extend %q: %v", who, name, tenants[who], line)
				}
				if of := l[name].Tenants; len(of) > 0 && !slices.Contains(of, who) {
					t.Fatalf("%s may name %s, which is of %v", who, name, of)
				}
			}
		}
	})
}

func TestMayName(t *testing.T) {
	t.Parallel()
	acme := Tenant{Ruleset: "safest", Rulesets: []string{"safest", "night"}}
	for name, want := range map[string]bool{"safest": true, "night": true, "law": false, "": false, "Safest": false, "safest ": false} {
		if acme.MayName(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}
