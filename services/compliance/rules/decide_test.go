package rules

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/services/compliance/zones"

	"github.com/outdial/outdial/pkg/events"
)

// noon is a call that every rule is content with: New York, a Friday, noon.
func noon() Facts {
	return Facts{
		Now: time.Date(2026, 11, 20, 17, 0, 0, 0, time.UTC), To: "+12125550100",
		OnCompanyList: No, Countries: everyCountry(),
	}
}

func TestEachFactGoneWrong(t *testing.T) {
	t.Parallel()
	past := noon().Now
	for _, tc := range []struct {
		story string
		spoil func(*Facts)
		want  string
	}{
		{"nothing is wrong", func(*Facts) {}, OK},
		{"no instant", func(f *Facts) { f.Now = time.Time{} }, RuleError},
		{"an instant beyond the calendar", func(f *Facts) { f.Now = time.Unix(math.MaxInt64, 0) }, RuleError},
		{"a purpose nobody knows", func(f *Facts) { f.Purpose = "fun" }, MetadataInvalid},
		{"a mode nobody knows", func(f *Facts) { f.Mode = "telepathy" }, MetadataInvalid},
		{"a region that is none", func(f *Facts) { f.Region = "Atlantis" }, MetadataInvalid},
		{"an alternate that is none", func(f *Facts) { f.Alternates = []string{"12"} }, MetadataInvalid},
		{"a zone that is none", func(f *Facts) { f.TimeZone = "Local" }, MetadataInvalid},
		{"a tenant that calls nobody", func(f *Facts) { f.Countries = nil }, JurisdictionUnsupported},
		{"a tenant that calls Canada only", func(f *Facts) { f.Countries = []string{"CA"} }, JurisdictionUnsupported},
		{"the list cannot be read", func(f *Facts) { f.OnCompanyList = NotKnown }, DNCListUnavailable},
		{"the list is stale at this very instant", func(f *Facts) { f.ListGoodUntil = &past }, DNCListStale},
		{"the entry ends at this very instant", func(f *Facts) { f.OnCompanyList, f.ListedUntil = Yes, &past }, OK},
		{"required metadata is blank", func(f *Facts) {
			f.RequiredMetadata, f.Metadata = []string{"Account Number"}, []events.KeyValue{{Key: "account number", Value: "  "}}
		}, MetadataMissing},
		{"required metadata by another case", func(f *Facts) {
			f.RequiredMetadata, f.Metadata = []string{"Account Number"}, []events.KeyValue{{Key: "ACCOUNT NUMBER", Value: "7"}}
		}, OK},
		{"a ZIP code is required", func(f *Facts) { f.PostalRequired = true }, ZIPRequired},
		{"a ZIP code that is none", func(f *Facts) { f.PostalCode = "1000" }, ZIPInvalid},
		{"military mail, which may be anywhere", func(f *Facts) { f.PostalCode = "09001" }, LocationUnknown},
		{"too few digits for the country record", func(f *Facts) { f.TotalDigits = 11 }, NumberInvalid},
		{"an override without a reason", func(f *Facts) { f.Overrides = []events.Override{{Rule: ruleWindow, Agent: "a"}} }, OverrideNotPermitted},
		{"a zone that is no place", func(f *Facts) { f.TimeZone = "UTC" }, MetadataInvalid},
		{"a zone that is an offset", func(f *Facts) { f.TimeZone = "Etc/GMT+5" }, MetadataInvalid},
		{"a zone that is an abbreviation", func(f *Facts) { f.TimeZone = "EST5EDT" }, MetadataInvalid},
		{"a key that is nearly a postal code's", func(f *Facts) { f.Metadata = []events.KeyValue{{Key: "Home Zip", Value: "10001"}} }, MetadataInvalid},
		{"a key that is nearly a postal code's, without a value", func(f *Facts) { f.Metadata = []events.KeyValue{{Key: "zip cod", Value: ""}} }, MetadataInvalid},
		{"a robot", func(f *Facts) { f.Mode = events.ModePrerecorded }, ConsentRequired},
		{"a machine that dials ahead", func(f *Facts) { f.Mode = events.ModePredictive }, ConsentRequired},
		{"a machine that dials ahead, for research", func(f *Facts) { f.Mode, f.Purpose = events.ModePredictive, events.PurposeResearch }, ConsentRequired},
		{"a mode in other letters", func(f *Facts) { f.Mode = "Predictive" }, MetadataInvalid},
		{"a mode with a blank", func(f *Facts) { f.Mode = " manual" }, MetadataInvalid},
	} {
		f := noon()
		tc.spoil(&f)
		d := Decide(embeddedSets(t)["us-federal"], f, embeddedZones(t))
		if d.Primary() != tc.want || d.Allowed != (tc.want == OK) {
			t.Errorf("%s: %s (%+v), want %s", tc.story, d.Primary(), d.Reasons, tc.want)
		}
	}
}

// Every objection is there at once, in the vocabulary's order, and every rule
// has answered.
func TestAllReasonsInOrder(t *testing.T) {
	t.Parallel()
	f := noon()
	f.Now = time.Date(2026, 11, 21, 2, 30, 0, 0, time.UTC)
	f.OnCompanyList, f.RequiredMetadata, f.TimeZone = Yes, []string{"Account Number"}, "Mars/Olympus"
	f.Countries = []string{"CA"}
	f.Overrides = []events.Override{{Rule: ruleCompanyDNC, Agent: "a", Reason: "b"}}
	d := Decide(embeddedSets(t)["us-federal"], f, embeddedZones(t))
	var got []string
	for _, r := range d.Reasons {
		got = append(got, r.Code)
		if r.Rule == "" {
			t.Errorf("%s does not say which rule it is", r.Code)
		}
	}
	want := []string{JurisdictionUnsupported, MetadataMissing, MetadataInvalid, DNCInternal, TimeAfterWindow, OverrideNotPermitted}
	if !slices.Equal(got, want) {
		t.Errorf("reasons %v, want %v", got, want)
	}
	if len(d.Evidence.Rules) != len(allRules()) {
		t.Errorf("%d rules answered, there are %d", len(d.Evidence.Rules), len(allRules()))
	}
}

// brokenZones fails in one way or another.
type brokenZones struct {
	*zones.Table
	panics bool
}

func (b brokenZones) Candidates(zones.Query) (zones.Finding, error) {
	if b.panics {
		panic("call to +12125550100 went wrong")
	}
	return zones.Finding{}, errors.New("no table")
}

func TestABreakingRuleRefuses(t *testing.T) {
	t.Parallel()
	rs := embeddedSets(t)["us-federal"]
	bad := engine{extra: []rule{{"broken", func(*judgement) answer { panic("+12125550100") }}}}
	for story, d := range map[string]Decision{
		"a rule panics":       bad.decide(rs, noon(), embeddedZones(t)),
		"the tables fail":     Decide(rs, noon(), brokenZones{embeddedZones(t), false}),
		"the tables panic":    Decide(rs, noon(), brokenZones{embeddedZones(t), true}),
		"there are no tables": Decide(rs, noon(), nil),
	} {
		if d.Allowed || d.Primary() != RuleError || d.NextAllowedAt != nil || !d.ValidUntil.IsZero() {
			t.Errorf("%s: allowed %v, %s", story, d.Allowed, d.Primary())
		}
		for _, r := range d.Reasons {
			if strings.Contains(r.Detail, "555") {
				t.Errorf("%s: the reason quotes the number", story)
			}
		}
	}
}

// Old zone data are refused only where and when the law has changed since.
func TestOldZoneData(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		story, to, release string
		at                 time.Time
		want               string
	}{
		{"Vancouver after the change", "+16045550142", "2025c", time.Date(2026, 12, 15, 20, 0, 0, 0, time.UTC), DataStale},
		{"Vancouver before it", "+16045550142", "2025c", time.Date(2026, 7, 15, 20, 0, 0, 0, time.UTC), OK},
		{"Winnipeg by data that know Alberta only", "+12045550142", "2026d", time.Date(2026, 12, 15, 20, 0, 0, 0, time.UTC), DataStale},
		{"Toronto never changed", "+14165550140", "2025c", time.Date(2026, 12, 15, 20, 0, 0, 0, time.UTC), OK},
	} {
		f := noon()
		f.To, f.Now = tc.to, tc.at
		d := Decide(embeddedSets(t)["ca"], f, oldData{embeddedZones(t), tc.release})
		if d.Primary() != tc.want {
			t.Errorf("%s: %s, want %s", tc.story, d.Primary(), tc.want)
		}
	}
}

// The evidence alone says what was judged, by what, and how.
func TestEvidence(t *testing.T) {
	t.Parallel()
	rs, f := embeddedSets(t)["us-federal"], noon()
	f.ClockOffset, f.ListVersion = "-48h", "17"
	e := Decide(rs, f, embeddedZones(t)).Evidence
	if e.Ruleset != "us-federal" || e.RulesetHash != rs.Hash() || e.Engine != Engine || e.TZData != zones.TZDataVersion() ||
		e.Country != "US" || e.NumberType != kindFixedOrMobile || e.ClockOffset != "-48h" || !e.At.Equal(f.Now) {
		t.Errorf("evidence %+v", e)
	}
	if len(e.Lists) != 3 || e.Lists[0].Version != "17" || e.Lists[0].Answer != "clear" {
		t.Errorf("lists %+v", e.Lists)
	}
	if len(e.Zones) != 1 || !e.Zones[0].Open || e.Zones[0].Weekday != "Fri" {
		t.Errorf("zones %+v", e.Zones)
	}
}

// FuzzDecide: whatever the texts, there is a decision, and it never passes what
// the checker would catch.
func FuzzDecide(f *testing.F) {
	f.Add("+12125550100", "10001", "TX", "America/New_York", "Zip Code", "90001", "telemarketing", "manual", int64(1795194000), 10)
	f.Add("+917702779401", "", "", "Asia/Kolkata", "", "", "", "", int64(0), 0)
	f.Add("+1911", "\x00", "é", "../../etc/passwd", "zip code", "A1A 1A1", "x", "y", int64(math.MaxInt64), -1)
	table := embeddedZones(f)
	rs := embeddedSets(f)["us-federal"]
	rs.Lease = DefaultLease
	f.Fuzz(func(t *testing.T, to, postal, region, zone, key, value, purpose, mode string, unix int64, digits int) {
		facts := Facts{
			Now: time.Unix(unix, 0).UTC(), To: to, Alternates: []string{value}, PostalCode: postal, Region: region, TimeZone: zone,
			Metadata: []events.KeyValue{{Key: key, Value: value}}, RequiredMetadata: []string{key}, Purpose: purpose, Mode: mode,
			TotalDigits: digits, OnCompanyList: No, Countries: []string{"US", to}, Overrides: nil,
		}
		d := Decide(rs, facts, table)
		if d.Allowed == (len(d.Reasons) > 0) || d.Primary() == "" {
			t.Fatalf("no clear decision: %+v", d)
		}
		if wrong := breach(rs, d, facts); wrong != "" {
			t.Fatal(wrong)
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	rs, f, table := embeddedSets(b)["us-federal"], noon(), embeddedZones(b)
	f.To = "+18505550111"
	for b.Loop() {
		Decide(rs, f, table)
	}
}
