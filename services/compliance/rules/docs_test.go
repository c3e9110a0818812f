package rules

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "print the tables of docs/compliance.md anew")

const docsPath = "../../../docs/compliance.md"

// rulesTable prints what each rule asks, in order.
func rulesTable() string {
	var b strings.Builder
	b.WriteString("| rule | asks | objects with |\n|---|---|---|\n")
	for _, r := range allRules() {
		about := questions()[r.id]
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.id, about[0], about[1])
	}
	return b.String()
}

// questions says in words what each rule asks, and its codes.
func questions() map[string][2]string {
	return map[string][2]string{
		ruleRuleset:    {"is there a rule set of that name: the tenant's, or one that extends it?", "`RULESET_NOT_FOUND`"},
		ruleRequest:    {"are instant, purpose and mode ones we know?", "`RULE_ERROR`, `METADATA_INVALID`"},
		ruleEmergency:  {"is it an emergency number or short code, in any spelling?", "`NUMBER_EMERGENCY`"},
		ruleNumber:     {"is it E.164, as long as the country's numbers are, and assignable?", "`NUMBER_INVALID`"},
		ruleNumberType: {"is it an ordinary line?", "`NUMBER_TYPE_BLOCKED`"},
		ruleCountry:    {"does the tenant call that country, and the rule set cover it? (+1 is many countries)", "`JURISDICTION_UNSUPPORTED`"},
		ruleMetadata:   {"is all metadata given that the provider's settings require?", "`METADATA_MISSING`"},
		rulePostal:     {"is a required postal code given, and a given one readable?", "`ZIP_REQUIRED`, `ZIP_INVALID`, `LOCATION_UNKNOWN`"},
		ruleEvidence:   {"can time zone, region and alternates be read?", "`METADATA_INVALID`"},
		ruleCompanyDNC: {"is the number off the company's list, and the list fresh?", "`DNC_INTERNAL`, `DNC_LIST_UNAVAILABLE`, `DNC_LIST_STALE`"},
		ruleConsent:    {"does a person dial? (no consent is on record that would let a machine)", "`CONSENT_REQUIRED`"},
		ruleZoneData:   {"do the zone data know the law of every candidate zone?", "`DATA_STALE`"},
		ruleLocation:   {"does anything say where the telephone may ring?", "`LOCATION_UNKNOWN`"},
		ruleWindow:     {"is it inside the hours in every candidate zone?", "`DAY_PROHIBITED`, `TIME_BEFORE_WINDOW`, `TIME_AFTER_WINDOW`, `TIME_AMBIGUOUS_ZONE`"},
		ruleOverrides:  {"is every override that was asked for permitted?", "`OVERRIDE_NOT_PERMITTED`"},
	}
}

// codesTable prints the vocabulary.
func codesTable() string {
	var b strings.Builder
	b.WriteString("| code | meaning | try again |\n|---|---|---|\n")
	for _, term := range Vocabulary() {
		later := ""
		if term.Later {
			later = " *(later)*"
		}
		fmt.Fprintf(&b, "| `%s` | %s%s | %s |\n", term.Code, term.Meaning, later, term.Retry)
	}
	return b.String()
}

// TestDocs compares the tables in docs/compliance.md with the code, or, with
// -update, writes them.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile(docsPath)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for name, table := range map[string]string{"rules": rulesTable(), "codes": codesTable()} {
		begin := "<!-- " + name + ": printed by `go generate ./rules` in services/compliance; do not edit -->\n"
		head, rest, found := strings.Cut(want, begin)
		_, tail, closed := strings.Cut(rest, "<!-- end of "+name+" -->")
		if !found || !closed {
			t.Fatalf("docs/compliance.md has no place for the %s", name)
		}
		want = head + begin + table + "<!-- end of " + name + " -->" + tail
	}
	if *update {
		if err := os.WriteFile(docsPath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(text) {
		t.Error("docs/compliance.md is older than the code; run `go generate ./rules` in services/compliance")
	}
}

// Every code is there once, in words, and every code a rule can give is in it.
func TestVocabulary(t *testing.T) {
	t.Parallel()
	seen := map[string]Term{}
	for _, term := range Vocabulary() {
		if _, twice := seen[term.Code]; twice || term.Code == "" || term.Meaning == "" {
			t.Errorf("%+v is nameless or there twice", term)
		}
		seen[term.Code] = term
	}
	for _, r := range allRules() {
		about, told := questions()[r.id]
		if !told {
			t.Errorf("the documentation does not tell of the rule %s", r.id)
		}
		for code := range strings.SplitSeq(about[1], ", ") {
			if term, ok := seen[strings.Trim(code, "`")]; !ok || term.Later {
				t.Errorf("%s objects with %s, which is not in use", r.id, code)
			}
		}
	}
	for _, w := range readRows(t) {
		if _, known := seen[w.reason]; !known {
			t.Errorf("%s expects %s, which is not in the vocabulary", w.id, w.reason)
		}
	}
}
