package rules

import (
	"encoding/csv"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/outdial/outdial/services/compliance/zones"

	"github.com/outdial/outdial/pkg/events"
)

// A row is one case of testdata/cases.csv: what was asked and what the law, or
// our policy, answers. The rows were written by hand from the sources they name.
type row struct {
	id, number, purpose, ruleset string
	at                           time.Time
	keys                         []pair // metadata and preconditions, in order
	decision, reason             string
	localTimes                   []string
}

type pair struct{ key, value string }

func readCSV(t *testing.T, path string) []map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) < 2 {
		t.Fatalf("%s holds no rows", path)
	}
	var rows []map[string]string
	for _, line := range lines[1:] {
		r := map[string]string{}
		for i, name := range lines[0] {
			r[name] = line[i]
		}
		rows = append(rows, r)
	}
	return rows
}

func readRows(t *testing.T) []row {
	t.Helper()
	var rows []row
	for _, r := range readCSV(t, "testdata/cases.csv") {
		at, err := time.Parse(time.RFC3339, r["instant_utc"])
		if err != nil {
			t.Fatalf("%s: %v", r["id"], err)
		}
		w := row{id: r["id"], number: r["number"], purpose: r["purpose"], ruleset: r["ruleset"], at: at,
			decision: r["expected_decision"], reason: r["expected_reason"]}
		for _, item := range append(strings.Split(r["metadata"], ";"), strings.Split(r["preconditions"], ";")...) {
			if item = strings.TrimSpace(item); item == "" {
				continue
			}
			// tzdata>=2026b is a key with a comparison in its value.
			key, value, ok := strings.Cut(item, "=")
			if !ok {
				t.Fatalf("%s: %q is no pair", w.id, item)
			}
			if k, found := strings.CutSuffix(key, ">"); found {
				key, value = k, ">="+value
			}
			w.keys = append(w.keys, pair{key, value})
		}
		if r["local_times"] != "" {
			w.localTimes = strings.Split(r["local_times"], "|")
		}
		rows = append(rows, w)
	}
	return rows
}

// A setup is a row turned into arguments of Decide.
type setup struct {
	rs    RuleSet
	f     Facts
	z     Zones
	table *zones.Table
	later string // why the row has to wait for a later rule; "" when it need not
}

// oldData is the tables with zone data said to be of an older release.
type oldData struct {
	*zones.Table
	release string
}

func (o oldData) TZDataVersion() string { return o.release }

func embeddedZones(t testing.TB) *zones.Table {
	t.Helper()
	table, err := zones.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func embeddedSets(t testing.TB) map[string]RuleSet {
	t.Helper()
	all, err := Embedded()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func everyCountry() []string {
	return []string{"US", "PR", "VI", "GU", "AS", "MP", "CA", "IN", "NP", "GB", "AU", "JM"}
}

func prepareRow(t *testing.T, w row) setup {
	t.Helper()
	s := setup{table: embeddedZones(t)}
	s.z = s.table
	s.f = Facts{Now: w.at, To: w.number, Purpose: w.purpose, OnCompanyList: No, Countries: everyCountry()}
	switch w.ruleset {
	case "us-federal", "ca":
		s.rs = embeddedSets(t)[w.ruleset]
	case "custom":
		s.rs = RuleSet{Name: "custom", Countries: []string{"IN", "NP"}}
	default:
		s.later = "rule set " + w.ruleset
		return s
	}
	for _, p := range w.keys {
		if why := s.apply(t, w, p); why != "" {
			s.later = why
			return s
		}
	}
	return s
}

// apply turns one key into facts, and says which later rule needs it if it cannot.
func (s *setup) apply(t *testing.T, w row, p pair) (later string) {
	t.Helper()
	switch p.key {
	case "zip":
		s.f.Metadata = append(s.f.Metadata, events.KeyValue{Key: "zip code", Value: p.value})
	case "postal":
		s.f.PostalCode = p.value
	case "tz":
		s.f.TimeZone = p.value
	case "phone2":
		s.f.Alternates = append(s.f.Alternates, p.value)
	case "mode":
		if p.value == "atds" {
			return "mode atds"
		}
		s.f.Mode = p.value
	case "consent":
		if p.value != "none" {
			return "consent records"
		}
	case "ebr_purchase": // a business relationship lifts nothing that is judged here
	case "dnc_internal":
		s.listed(t, p.value)
	case "totalDigits":
		s.f.TotalDigits = number64(t, p.value)
	case "phoneDigits", "regionDigits": // their sum is totalDigits
	case "useTimezoneValidationZip":
		s.f.PostalRequired = p.value == "REQUIRED"
	case "complianceMetadata":
		name, _, _ := strings.Cut(p.value, ":")
		s.f.RequiredMetadata = append(s.f.RequiredMetadata, name)
	case "Account Number":
		s.f.Metadata = append(s.f.Metadata, events.KeyValue{Key: p.key, Value: p.value})
	case "agentOverrideTimezone", "agentOverrideDncl", "override_requested", "override_reason":
		s.override(p)
	case "ruleSetName":
		s.rs = embeddedSets(t)[p.value]
	case "window":
		w, err := parseWindow(p.value)
		if err != nil {
			t.Fatal(err)
		}
		s.rs.Week = [7]Window{w, w, w, w, w, w, w}
	case "window_scope":
		s.rs.WindowScope = map[string]string{"solicitation_only": ScopeSolicitation}[p.value]
	case "de_facto_zones":
		s.rs.DeFactoZones = p.value
	case "npa_table":
		s.z = s.table.Without(w.number[2:5])
	case "tzdata":
		s.zoneData(t, p.value)
	default:
		return p.key
	}
	return ""
}

// override grants and asks for overrides in the words of the TCN document. A
// provider's flag stands for the rule set's consent as well, where one can give it.
func (s *setup) override(p pair) {
	switch p.key {
	case "agentOverrideTimezone":
		s.rs.AllowOverrides, s.f.OverridesAllowed = []string{ruleWindow}, []string{ruleWindow}
	case "agentOverrideDncl":
		s.f.OverridesAllowed = []string{ruleCompanyDNC}
	case "override_requested":
		rule := map[string]string{"timezone": ruleWindow, "dncl": ruleCompanyDNC}[p.value]
		s.f.Overrides = append(s.f.Overrides, events.Override{Rule: rule, Agent: "2098765"})
	case "override_reason":
		for i := range s.f.Overrides {
			s.f.Overrides[i].Reason = p.value
		}
	}
}

func (s *setup) listed(t *testing.T, value string) {
	t.Helper()
	s.f.OnCompanyList = Yes
	if end, ok := strings.CutPrefix(value, "expires "); ok {
		until, err := time.Parse(time.RFC3339, end)
		if err != nil {
			t.Fatal(err)
		}
		s.f.ListedUntil = &until
	}
}

func (s *setup) zoneData(t *testing.T, value string) {
	t.Helper()
	if least, ok := strings.CutPrefix(value, ">="); ok {
		if have := s.z.TZDataVersion(); have < least {
			t.Fatalf("zone data are %s, the row needs %s", have, least)
		}
		return
	}
	s.z = oldData{s.table, value}
}

func number64(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestHandWrittenCases runs every row that this cut of the rules can judge.
// Every other row must be listed in cases-later.csv with what it waits for, and
// no row may be listed that need not wait. A row whose law has changed since it
// was written is listed in cases-superseded.csv with what holds now.
func TestHandWrittenCases(t *testing.T) {
	t.Parallel()
	later, seen := map[string]string{}, map[string]bool{}
	for _, r := range readCSV(t, "testdata/cases-later.csv") {
		later[r["id"]] = r["why"]
	}
	superseded := map[string]map[string]string{}
	for _, r := range readCSV(t, "testdata/cases-superseded.csv") {
		superseded[r["id"]] = r
	}
	ran := 0
	for _, w := range readRows(t) {
		seen[w.id] = true
		s := prepareRow(t, w)
		switch why, listed := later[w.id]; {
		case s.later != "" && !listed:
			t.Errorf("%s is neither run nor listed: it waits for %s", w.id, s.later)
		case s.later == "" && listed:
			t.Errorf("%s is listed as waiting for %q, but nothing it needs is missing", w.id, why)
		}
		if s.later != "" {
			continue
		}
		if now, ok := superseded[w.id]; ok {
			w.decision, w.reason = now["expected_decision"], now["expected_reason"]
			w.localTimes = strings.Split(now["local_times"], "|")
		}
		ran++
		t.Run(w.id, func(t *testing.T) { judgeRow(t, w, s) })
	}
	for id := range later {
		if !seen[id] {
			t.Errorf("cases-later.csv lists %s, which is no case", id)
		}
	}
	for id := range superseded {
		if !seen[id] {
			t.Errorf("cases-superseded.csv lists %s, which is no case", id)
		}
	}
	t.Logf("%d rows run, %d wait for later rules", ran, len(later))
}

func judgeRow(t *testing.T, w row, s setup) {
	d := Decide(s.rs, s.f, s.z)
	want := w.decision == "pass"
	if d.Allowed != want || d.Primary() != w.reason {
		t.Errorf("decided allowed=%v %s (all: %+v); want %s %s\nzones: %+v", d.Allowed, d.Primary(), d.Reasons, w.decision, w.reason, d.Evidence.Zones)
	}
	if len(w.localTimes) == 0 {
		return
	}
	// Many zone names keep one clock (Boise and Denver), so the clocks are
	// compared, not the names.
	var wantClocks, gotClocks []string
	for _, lt := range w.localTimes {
		_, clock, _ := strings.Cut(lt, "=")
		wantClocks = append(wantClocks, clock)
	}
	for _, z := range d.Evidence.Zones {
		local := strings.Replace(z.Local, "Z", "+00:00", 1)
		gotClocks = append(gotClocks, fmt.Sprintf("%s %s", local, z.Weekday))
	}
	for _, list := range []*[]string{&wantClocks, &gotClocks} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	if diff := cmp.Diff(wantClocks, gotClocks); diff != "" {
		t.Errorf("local times (-want +got):\n%s", diff)
	}
}
