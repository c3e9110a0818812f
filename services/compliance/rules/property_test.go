package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/services/compliance/zones"
	"pgregory.net/rapid"

	"github.com/outdial/outdial/pkg/events"
)

// numbers are of every kind the engine meets: split and plain area codes, the
// half-hour and quarter-hour countries, places without a place, and rubbish.
func numbers() []string {
	return []string{
		"+12125550100", "+12135550101", "+16025550108", "+19285550110", "+18505550111", "+14485550112",
		"+12085550113", "+17015550115", "+19075550130", "+18085550131", "+16715550132", "+16845550134",
		"+17875550135", "+18005550140", "+15005550142", "+19005550143", "+16045550142", "+12505550144",
		"+13065550145", "+18075550146", "+18675550148", "+17095550141", "+18765550137", "+917702779401",
		"+97715550100", "+61491570006", "+447700900104", "+442079460100", "+16081234567", "+1911", "+881612345678", "", "911",
	}
}

// drawSet draws a rule set: any week, any margin, any looseness. Every other one
// is open most of each day: where seven days are drawn freely and a number rings
// in several zones, one call in twenty passes, and a hundred may be drawn of
// which hardly any does.
func drawSet(t *rapid.T) RuleSet {
	rs := RuleSet{
		Name: "drawn", Countries: everyCountry(),
		EndMargin:     time.Duration(rapid.IntRange(0, 600).Draw(t, "margin")) * time.Second,
		Lease:         time.Duration(rapid.IntRange(1, 3600).Draw(t, "lease")) * time.Second,
		NonGeographic: rapid.SampledFrom([]string{"", NonGeographicDeny, NonGeographicWithLocation}).Draw(t, "nonGeographic"),
		Zone:          rapid.SampledFrom([]string{"", "", "", "Asia/Kolkata", "America/New_York"}).Draw(t, "zone"),
	}
	latestStart, firstEnd := 12*60, 0
	if rapid.Bool().Draw(t, "open") {
		latestStart, firstEnd = 2*60, 20*60
	}
	for day := range rs.Week {
		start := rapid.IntRange(0, latestStart).Draw(t, "start")
		end := rapid.IntRange(firstEnd, 24*60).Draw(t, "end")
		if end > start {
			rs.Week[day] = Window{start * 60, end * 60}
		}
	}
	return rs
}

// drawInstant leans towards the days on which clocks change.
func drawInstant(t *rapid.T) time.Time {
	base := rapid.SampledFrom([]string{
		"2026-03-08T00:00:00Z", "2026-11-01T00:00:00Z", "2026-04-04T12:00:00Z", "2026-10-03T12:00:00Z",
		"2026-03-29T00:00:00Z", "2026-11-20T00:00:00Z", "2027-03-14T00:00:00Z", "2011-12-08T00:00:00Z",
	}).Draw(t, "base")
	at, err := time.Parse(time.RFC3339, base)
	if err != nil {
		t.Fatal(err)
	}
	return at.Add(time.Duration(rapid.IntRange(-3*86400, 3*86400).Draw(t, "seconds")) * time.Second)
}

// drawFacts draws a call to which, two times in three, only the clock can
// object; otherwise anything may be wrong with it.
func drawFacts(t *rapid.T) Facts {
	if rapid.IntRange(0, 2).Draw(t, "sound") > 0 {
		return Facts{
			Now: drawInstant(t), To: rapid.SampledFrom(numbers()[:12]).Draw(t, "to"), Countries: everyCountry(),
			OnCompanyList: No,
			PostalCode:    rapid.SampledFrom([]string{"", "10001", "90001", "32501", "86515", "A1A"}).Draw(t, "postal"),
			TimeZone:      rapid.SampledFrom(namedZones()[:8]).Draw(t, "tz"),
		}
	}
	f := Facts{
		Now: drawInstant(t), To: rapid.SampledFrom(numbers()).Draw(t, "to"), Countries: everyCountry(),
		OnCompanyList: rapid.SampledFrom([]Answer{No, No, No, Yes, NotKnown}).Draw(t, "listed"),
		PostalCode:    rapid.SampledFrom(postals()).Draw(t, "postal"),
		Region:        rapid.SampledFrom([]string{"", "", "TX", "US-FL", "Ontario", "Atlantis"}).Draw(t, "region"),
		TimeZone:      rapid.SampledFrom(namedZones()).Draw(t, "tz"),
		Purpose:       rapid.SampledFrom([]string{"", events.PurposeDebt, events.PurposeInformational, events.PurposeResearch}).Draw(t, "purpose"),
		Mode:          rapid.SampledFrom([]string{"", events.ModePreview, events.ModePredictive, events.ModePrerecorded}).Draw(t, "mode"),
	}
	if rapid.Bool().Draw(t, "second") {
		f.Alternates = []string{rapid.SampledFrom(numbers()).Draw(t, "alternate")}
	}
	if rapid.Bool().Draw(t, "ends") {
		until := f.Now.Add(time.Duration(rapid.IntRange(-60, 3*1440).Draw(t, "until")) * time.Minute)
		f.ListedUntil = &until
	}
	return f
}

func postals() []string {
	return []string{"", "", "10001", "90001", "32501", "86515", "47708", "A1A", "V1C 1A1", "S9V", "09001", "ABCDE", "99999"}
}

func namedZones() []string {
	return []string{"", "", "America/New_York", "America/Chicago", "America/Los_Angeles", "Asia/Kolkata",
		"Australia/Lord_Howe", "Pacific/Apia", "Mars/Olympus"}
}

// breach is the checker: it looks at a pass from outside, with nothing but the
// wall clock, and says what is wrong with it.
func breach(rs RuleSet, d Decision, f Facts) string {
	switch {
	case !d.Allowed:
		return ""
	case len(d.Evidence.Zones) == 0:
		return "a pass without a place"
	case f.OnCompanyList == NotKnown:
		return "a pass without the company list"
	case !d.ValidUntil.After(f.Now) || d.ValidUntil.After(f.Now.Add(rs.Lease)):
		return "a pass that ends before it begins or outlives its lease"
	}
	last := d.ValidUntil.Add(-time.Second)
	for _, z := range d.Evidence.Zones {
		loc, err := zones.Location(z.Zone)
		if err != nil {
			return err.Error()
		}
		for _, at := range []time.Time{f.Now, f.Now.Add(d.ValidUntil.Sub(f.Now) / 2), last} {
			local := at.In(loc)
			w := rs.Week[local.Weekday()]
			now := local.Hour()*3600 + local.Minute()*60 + local.Second()
			if now < w.Start || now >= w.End-int(rs.EndMargin/time.Second) {
				return fmt.Sprintf("%s in %s is outside %s", local.Format("Mon 15:04:05"), z.Zone, w)
			}
		}
	}
	return ""
}

// However a request comes, no pass is outside the window anywhere the
// telephone may ring, from the instant it is given until it ends.
func TestNoPassOutsideAnyZonesWindow(t *testing.T) {
	t.Parallel()
	table := embeddedZones(t)
	passes := 0
	rapid.Check(t, func(t *rapid.T) {
		rs, f := drawSet(t), drawFacts(t)
		d := Decide(rs, f, table)
		if wrong := breach(rs, d, f); wrong != "" {
			t.Fatal(wrong)
		}
		if d.Allowed {
			passes++
		}
		if d.Allowed != (len(d.Reasons) == 0) {
			t.Fatal("allowed and objected at once")
		}
	})
	if passes < 3 {
		t.Errorf("only %d passes were looked at", passes)
	}
}

// The negative control of the property above: an engine without its window
// rule must be caught by the same checker, or the checker is worth nothing.
func TestTheCheckerNoticesAMissingWindowRule(t *testing.T) {
	t.Parallel()
	table := embeddedZones(t)
	lame := engine{without: map[string]bool{ruleWindow: true}}
	caught := 0
	for hour := range 24 {
		rs := embeddedSets(t)["us-federal"]
		rs.Lease = DefaultLease
		f := Facts{
			Now: time.Date(2026, 11, 20, hour, 30, 0, 0, time.UTC), To: "+12125550100",
			OnCompanyList: No, Countries: []string{"US"},
		}
		if breach(rs, lame.decide(rs, f, table), f) != "" {
			caught++
		}
		if wrong := breach(rs, Decide(rs, f, table), f); wrong != "" {
			t.Errorf("the whole engine is caught, too: %s", wrong)
		}
	}
	if caught != 11 {
		t.Errorf("caught %d of the 11 hours outside 8 to 21", caught)
	}
}

// NextAllowedAt is the first instant at which waiting has cured everything:
// there it passes, and at no minute before it does.
func TestNextAllowedAtIsTheFirstInstant(t *testing.T) {
	t.Parallel()
	table := embeddedZones(t)
	waits := 0
	rapid.Check(t, func(t *rapid.T) {
		rs, f := drawSet(t), drawFacts(t)
		d := Decide(rs, f, table)
		if d.NextAllowedAt == nil {
			return
		}
		waits++
		next := *d.NextAllowedAt
		if next.Before(f.Now) {
			t.Fatalf("next %s is before now", next)
		}
		then := f
		then.Now = next
		if again := Decide(rs, then, table); !again.Allowed {
			t.Fatalf("at %s it still objects: %s", next, again.Primary())
		}
		j := &judgement{rs: rs, f: f, z: table}
		j.prepare()
		for at := f.Now; at.Before(next); at = at.Add(time.Minute) {
			if f.OnCompanyList == Yes && at.Before(*f.ListedUntil) {
				continue
			}
			everywhere := true
			for _, loc := range j.locations() {
				everywhere = everywhere && rs.hours().at(at, loc) == open
			}
			if everywhere {
				t.Fatalf("%s is open already, next is %s", at, next)
			}
		}
	})
	if waits < 10 {
		t.Errorf("only %d waits were looked at", waits)
	}
}

// Where nothing but the clock objects and the windows do meet somewhere in the
// coming week, there is always a next instant.
func TestSomeNextInstantIsFoundIfThereIsOne(t *testing.T) {
	t.Parallel()
	table := embeddedZones(t)
	rapid.Check(t, func(t *rapid.T) {
		rs, f := drawSet(t), drawFacts(t)
		d := Decide(rs, f, table)
		clockOnly := !d.Allowed
		for _, r := range d.Reasons {
			clockOnly = clockOnly && slices.Contains(overridable(), r.Code)
		}
		if !clockOnly || d.NextAllowedAt != nil {
			return
		}
		for minute := range 7 * 24 * 60 {
			then := f
			then.Now = f.Now.Add(time.Duration(minute) * time.Minute)
			everywhere := true
			for _, z := range d.Evidence.Zones {
				loc, err := table.Location(z.Zone)
				if err != nil {
					t.Fatal(err)
				}
				everywhere = everywhere && rs.hours().at(then.Now, loc) == open
			}
			if everywhere {
				t.Fatalf("%s is open everywhere, and no next instant was found", then.Now)
			}
		}
	})
}

// A fact that contradicts where the person seems to be never turns a refusal
// into a pass.
func TestAConflictingFactNeverHelps(t *testing.T) {
	t.Parallel()
	table := embeddedZones(t)
	rapid.Check(t, func(t *rapid.T) {
		rs, f := drawSet(t), drawFacts(t)
		plain := Decide(rs, f, table)
		more := f
		switch rapid.IntRange(0, 2).Draw(t, "kind") {
		case 0:
			more.Alternates = append(slices.Clone(f.Alternates), rapid.SampledFrom(numbers()).Draw(t, "other"))
		case 1:
			more.Metadata = []events.KeyValue{{Key: "ZIP CODE", Value: rapid.SampledFrom(postals()).Draw(t, "zip")}}
		default:
			if f.TimeZone != "" {
				return
			}
			more.TimeZone = rapid.SampledFrom(namedZones()).Draw(t, "zone")
		}
		richer := Decide(rs, more, table)
		if plain.Allowed || !richer.Allowed {
			return
		}
		// It passed because of the fact. That is right only where the fact
		// agrees: every clock left is one the plain facts allowed already, or
		// there was no place at all before.
		if len(plain.Evidence.Zones) == 0 {
			return
		}
		for _, now := range clocks(richer) {
			if !slices.Contains(clocks(plain), now) {
				t.Fatalf("a conflicting fact helped: %v became %v", clocks(plain), clocks(richer))
			}
		}
	})
}

func clocks(d Decision) []string {
	var all []string
	for _, z := range d.Evidence.Zones {
		all = append(all, z.Local)
	}
	return all
}

// A fact that is not known never lets a call pass that the known fact would
// not: empty facts, an unreadable list, no tenant countries, no rule set.
func TestUnknownFactsNeverPass(t *testing.T) {
	t.Parallel()
	table := embeddedZones(t)
	rapid.Check(t, func(t *rapid.T) {
		rs, f := drawSet(t), drawFacts(t)
		switch rapid.IntRange(0, 4).Draw(t, "forget") {
		case 0:
			f.OnCompanyList = NotKnown
		case 1:
			f.Countries = nil
		case 2:
			rs = RuleSet{}
		case 3:
			f.Now = time.Time{}
		default:
			f.To = ""
		}
		if d := Decide(rs, f, table); d.Allowed {
			t.Fatalf("passed: %+v", d.Evidence)
		}
	})
}

// The same arguments give the same decision, and no reason or detail quotes
// the number or the metadata.
func TestDecisionsRepeatAndKeepSecrets(t *testing.T) {
	t.Parallel()
	table := embeddedZones(t)
	rapid.Check(t, func(t *rapid.T) {
		rs, f := drawSet(t), drawFacts(t)
		f.Metadata = []events.KeyValue{{Key: "Account", Value: "secret-7731"}}
		a, b := Decide(rs, f, table), Decide(rs, f, table)
		if fmt.Sprintf("%+v", a.Evidence) != fmt.Sprintf("%+v", b.Evidence) || a.Primary() != b.Primary() {
			t.Fatal("two answers to one question")
		}
		text := fmt.Sprintf("%+v %+v", a.Reasons, a.Evidence)
		if len(f.To) > 4 && strings.Contains(text, f.To) || strings.Contains(text, "secret-7731") {
			t.Fatal("the decision quotes what is personal")
		}
	})
}
