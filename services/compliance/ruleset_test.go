package compliance

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/services/compliance/rules"
)

// houseSets are rule sets of a deployment with the tenants acme and globex.
func houseSets(t *testing.T) map[string]rules.RuleSet {
	t.Helper()
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"acme-own":   "extends: default-safest\n",
		"acme-noon":  "extends: acme-own\nwindows: {mon-fri: 11:30-12:30, sat: closed}\n",
		"acme-late":  "extends: acme-noon\nwindows: {mon-fri: 12:00-12:30}\n",
		"globex-own": "extends: us-federal\ntenants: [globex]\n",
		"shared":     "extends: acme-own\ntenants: [acme, globex]\n",
		"stray":      "extends: us-federal\n",
	} {
		files[name+".yaml"] = &fstest.MapFile{Data: []byte("name: " + name + "\n" + text)}
	}
	sets, err := rules.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return sets
}

// A request chooses among its tenant's rule sets only what is at least as
// strict as the tenant's own. This holds for the decision too: what is on
// record may have been taken when nobody asked, or under other rule sets.
func TestARequestCannotChooseALooserRuleSet(t *testing.T) {
	t.Parallel()
	sunday := noon.Add(-24 * time.Hour) // open by us-federal, closed by default-safest
	for _, tc := range []struct {
		own, asks string
		at        time.Time
		code      string // "" passes
	}{
		{"default-safest", "", noon, ""},
		{"default-safest", "", sunday, rules.DayProhibited},
		{"default-safest", "default-safest", sunday, rules.DayProhibited},
		{"default-safest", "us-federal", sunday, rules.RulesetNotFound},
		{"default-safest", "us-federal", noon, rules.RulesetNotFound}, // not only where it would matter
		{"default-safest", "US-Federal", noon, rules.RulesetNotFound},
		{"default-safest", "us-federal ", noon, rules.RulesetNotFound},
		{"default-safest", "ca", noon, rules.RulesetNotFound},
		{"default-safest", "stray", noon, rules.RulesetNotFound},
		{"default-safest", "renamed-since", noon, rules.RulesetNotFound},
		{"us-federal", "default-safest", sunday, rules.DayProhibited}, // stricter by choice
		{"us-federal", "default-safest", noon, ""},
		{"us-federal", "stray", noon, rules.RulesetNotFound}, // names nobody, and there are two tenants
		{"us-federal", "globex-own", noon, rules.RulesetNotFound},
		{"acme-own", "us-federal", noon, rules.RulesetNotFound},
		{"acme-own", "default-safest", noon, rules.RulesetNotFound},
		{"acme-own", "acme-noon", noon.Add(time.Hour), rules.TimeAfterWindow},
		{"acme-own", "acme-late", noon, ""},
		{"acme-own", "shared", noon, ""},
		{"acme-noon", "acme-own", noon, rules.RulesetNotFound},
		{"acme-noon", "acme-late", noon, ""},
		{"renamed-since", "us-federal", noon, rules.RulesetNotFound},
		{"renamed-since", "", noon, rules.RulesetNotFound},
		{"globex-own", "", noon, rules.RulesetNotFound}, // the configuration is refused for it, too
	} {
		q := events.DialRequest{To: newYork, Agent: "ann", Purpose: "telemarketing", Mode: "manual", Ruleset: tc.asks}
		w := newWorldOf(t, "tcn", q)
		w.reopen(tc.own, houseSets(t))
		w.pass(tc.at.Sub(noon))
		w.hear(w.assign())
		story := tc.own + ", asked for " + tc.asks
		if tc.code == "" {
			if c := w.call(); c.Passed == nil || c.Passed.Evidence.Ruleset != cmp.Or(tc.asks, tc.own) {
				t.Errorf("%s: %+v", story, c.Failed)
			}
			continue
		}
		if f := w.call().Failed; f == nil || f.Reasons[0].Code != tc.code || w.p.prepares != 0 {
			t.Errorf("%s: %+v, want %s", story, f, tc.code)
		}
	}
}

// Right after the request already, and in the dry run.
func TestALooserRuleSetIsHopelessAtOnce(t *testing.T) {
	t.Parallel()
	q := events.DialRequest{To: newYork, Agent: "ann", Purpose: "telemarketing", Mode: "manual", Ruleset: "us-federal"}
	w := newWorldOf(t, "tcn", q)
	w.reopen("default-safest", houseSets(t))
	w.hear(w.call().Log[0])
	w.want("requested failed")
	w.wantFailed(rules.RulesetNotFound, false, false)
	for asks, code := range map[string]string{"us-federal": rules.RulesetNotFound, "globex-own": rules.RulesetNotFound, "default-safest": rules.OK, "acme-own": rules.RulesetNotFound} {
		answer, err := w.do("compliance", "check", `{"request":{"to":"`+newYork+`","ruleset":"`+asks+`"}}`)
		if err != nil || !strings.Contains(answer, `"primary":"`+code+`"`) {
			t.Errorf("%s: %s, %v", asks, answer, err)
		}
	}
}

// An override and another number do not make a looser rule set choosable.
func TestNothingElseInARequestLoosensItsRules(t *testing.T) {
	t.Parallel()
	q := events.DialRequest{To: newYork, Agent: "ann", Purpose: "informational", Mode: "manual", Ruleset: "us-federal",
		Alternates: []string{"+12125550101"}, Overrides: []events.Override{{Rule: "ruleset", Agent: "ann", Reason: "asked to"}, {Rule: "window", Agent: "ann", Reason: "asked to"}}}
	w := newWorldOf(t, "tcn", q)
	w.reopen("default-safest", houseSets(t))
	w.p.settings.Overrides = map[string]bool{"ruleset": true, "window": true}
	w.hear(w.assign())
	w.want("requested assigned failed")
	w.wantFailed(rules.RulesetNotFound, false, false)
}

// The door knows the shipped rule sets by heart.
func TestTheDoorKnowsTheShippedRuleSets(t *testing.T) {
	t.Parallel()
	sets, err := rules.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	equal := func(a, b tenants.RulesetHead) bool {
		return a.Extends == b.Extends && a.Shipped == b.Shipped && slices.Equal(a.Tenants, b.Tenants)
	}
	if !maps.EqualFunc(lineage(sets), config.ShippedRulesets(), equal) {
		t.Errorf("there are %v, the door knows %v", lineage(sets), config.ShippedRulesets())
	}
}

func TestATenantsRuleSetMustBeThereAndItsOwn(t *testing.T) {
	t.Parallel()
	for says, own := range map[string]map[string]string{
		"":                                       {"acme": "acme-own", "globex": "globex-own"},
		`tenants.acme.ruleset: no rule set`:      {"acme": "gone", "globex": "globex-own"},
		`"globex-own" is of other tenants`:       {"acme": "globex-own", "globex": "shared"},
		`rule set globex-own: tenants: there is`: {"acme": "acme-own"},
	} {
		err := checkTenants(houseSets(t), own)
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%v: %v, want %q", own, err, says)
		}
	}
}
