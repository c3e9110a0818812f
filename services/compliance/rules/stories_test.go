package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
)

// TestStories runs testdata/*.case: facts, a line of dashes, and the decision.
// The file's name is the story.
func TestStories(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.case")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases found (%v)", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".case"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			given, want, found := strings.Cut(string(text), "\n---\n")
			if !found {
				t.Fatal("no --- line")
			}
			rs, f := readStory(t, given)
			if got := tell(Decide(rs, f, embeddedZones(t))); got != want {
				t.Errorf("decided:\n%swant:\n%s", got, want)
			}
		})
	}
}

// tell writes a decision the way a case file ends.
func tell(d Decision) string {
	var b strings.Builder
	if d.Allowed {
		fmt.Fprintf(&b, "allowed until %s\n", d.ValidUntil.Format(time.RFC3339))
	} else {
		b.WriteString("refused\n")
	}
	for _, r := range d.Reasons {
		fmt.Fprintf(&b, "  %s by %s\n", r.Code, r.Rule)
	}
	for _, rule := range d.Overrode {
		fmt.Fprintf(&b, "  %s: %s\n", OverrideApplied, rule)
	}
	for _, z := range d.Evidence.Zones {
		fmt.Fprintf(&b, "  %s in %s (%s)\n", z.Local, z.Zone, z.From)
	}
	if d.NextAllowedAt != nil {
		fmt.Fprintf(&b, "next %s\n", d.NextAllowedAt.UTC().Format(time.RFC3339))
	}
	return b.String()
}

// readStory reads "key: value" lines. Unless it says otherwise, the tenant may
// call the countries of its rule set and the company list is clear.
func readStory(t *testing.T, given string) (RuleSet, Facts) {
	t.Helper()
	var rs RuleSet
	f := Facts{OnCompanyList: No}
	for line := range strings.Lines(given) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, ok := strings.Cut(line, ": ")
		if !ok {
			t.Fatalf("cannot read %q", line)
		}
		switch key {
		case "ruleset":
			rs = storySet(t, value)
			f.Countries = rs.Countries
		default:
			storyFact(t, &f, key, value)
		}
	}
	return rs, f
}

func storySet(t *testing.T, name string) RuleSet {
	t.Helper()
	all, err := Load(os.DirFS("testdata/rulesets"))
	if err != nil {
		t.Fatal(err)
	}
	return all[name]
}

func storyFact(t *testing.T, f *Facts, key, value string) {
	t.Helper()
	instant := func() time.Time {
		at, err := time.Parse(time.RFC3339, value)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	switch key {
	case "now":
		f.Now = instant()
	case "to":
		f.To = value
	case "alternate":
		f.Alternates = append(f.Alternates, value)
	case "purpose":
		f.Purpose = value
	case "mode":
		f.Mode = value
	case "postal code":
		f.PostalCode = value
	case "region":
		f.Region = value
	case "time zone":
		f.TimeZone = value
	case "metadata":
		name, v, _ := strings.Cut(value, "=")
		f.Metadata = append(f.Metadata, events.KeyValue{Key: name, Value: v})
	case "required metadata":
		f.RequiredMetadata = append(f.RequiredMetadata, value)
	case "tenant calls":
		f.Countries = strings.Split(value, ", ")
	case "company list":
		f.OnCompanyList = map[string]Answer{"listed": Yes, "clear": No, "not readable": NotKnown}[value]
	case "listed until":
		at := instant()
		f.ListedUntil = &at
	case "list good until":
		at := instant()
		f.ListGoodUntil = &at
	case "agent asks to override":
		rule, why, _ := strings.Cut(value, " because ")
		f.Overrides = append(f.Overrides, events.Override{Rule: rule, Agent: "2098765", Reason: why})
	case "provider lets agents override":
		f.OverridesAllowed = append(f.OverridesAllowed, value)
	default:
		t.Fatalf("unknown fact %q", key)
	}
}
