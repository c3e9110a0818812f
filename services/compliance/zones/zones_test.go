package zones

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nyaruka/phonenumbers"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"pgregory.net/rapid"
)

func table(t testing.TB) *Table {
	t.Helper()
	all, err := Embedded()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func friday() time.Time { return time.Date(2026, 11, 20, 17, 0, 0, 0, time.UTC) }

// The law changed in 2026; the data inside this release of Go do not know it.
func TestTheLawOf2026(t *testing.T) {
	t.Parallel()
	if v := TZDataVersion(); v < "2026f" {
		t.Errorf("zone data are %s", v)
	}
	for _, tc := range []struct {
		zone   string
		at     time.Time
		offset int // hours
	}{
		{"America/Vancouver", time.Date(2026, 11, 20, 21, 30, 0, 0, time.UTC), -7},
		{"America/Edmonton", time.Date(2026, 12, 15, 15, 0, 0, 0, time.UTC), -6},
		{"America/Inuvik", time.Date(2026, 12, 15, 15, 0, 0, 0, time.UTC), -6},
		{"America/Winnipeg", time.Date(2026, 12, 15, 15, 0, 0, 0, time.UTC), -5},
		{"America/New_York", time.Date(2026, 12, 15, 15, 0, 0, 0, time.UTC), -5},
		{"America/New_York", time.Date(2037, 7, 15, 15, 0, 0, 0, time.UTC), -4},
		{"America/New_York", time.Date(2060, 7, 15, 15, 0, 0, 0, time.UTC), -4},
	} {
		loc, err := Location(tc.zone)
		if err != nil {
			t.Fatal(err)
		}
		if _, offset := tc.at.In(loc).Zone(); offset != tc.offset*3600 {
			t.Errorf("%s at %s is %d seconds from UTC, want %d hours", tc.zone, tc.at, offset, tc.offset)
		}
	}
	at := time.Date(2026, 11, 21, 4, 30, 0, 0, time.UTC)
	loc, err := Location("America/Vancouver")
	if err != nil {
		t.Fatal(err)
	}
	if got := at.In(loc).Format("2006-01-02 15:04 -0700"); got != "2026-11-20 21:30 -0700" {
		t.Errorf("in Vancouver it is %s", got)
	}
}

func TestNamesThatAreNoZones(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "Local", "Mars/Olympus", "america/new_york", "../etc/passwd", "America/", "Factory", "America/New_York "} {
		if _, err := Location(name); fault.Code(err) != "ZONE_UNKNOWN" {
			t.Errorf("%q: %v", name, err)
		} else if name != "" && strings.Contains(err.Error(), name) {
			t.Errorf("the error quotes %q", name)
		}
	}
}

// Every name in every table is a zone, and every country with telephones has one.
func TestTablesAreWhole(t *testing.T) {
	t.Parallel()
	all := table(t)
	check := func(from string, names []string) {
		if len(names) == 0 {
			t.Errorf("%s has no zone", from)
		}
		for _, name := range names {
			if _, err := Location(name); err != nil {
				t.Errorf("%s: %s: %v", from, name, err)
			}
		}
	}
	for code, names := range all.npa {
		check(code, names)
	}
	for name, names := range all.regions {
		check(name, names)
	}
	for region := range phonenumbers.GetSupportedRegions() {
		check(region, all.countries[region])
	}
	last := -1
	for _, run := range all.zips {
		check(fmt.Sprint(run.first), run.zones)
		if run.first <= last || run.last < run.first {
			t.Fatalf("ZIP runs are out of order at %d", run.first)
		}
		last = run.last
	}
	for _, first := range "ABCEGHJKLMNPRSTVXY" {
		for d := range 10 {
			for _, third := range "ABCEGHJKLMNPRSTVWXYZ" {
				fsa := fmt.Sprintf("%c%d%c", first, d, third)
				check(fsa, table(t).fsaZones(fsa))
			}
		}
	}
	if len(all.npa) < 400 || len(all.zips) < 5000 || len(all.regions) < 3*60 {
		t.Errorf("%d area codes, %d ZIP runs, %d region names", len(all.npa), len(all.zips), len(all.regions))
	}
}

func names(f Finding) string {
	var all []string
	for _, c := range f.Candidates {
		all = append(all, c.Zone+"/"+c.From)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func TestCandidates(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		story string
		q     Query
		want  string
	}{
		{"one area code, one zone", Query{To: "+12125550100"}, "America/New_York/npa"},
		{"a split area code", Query{To: "+18505550100"}, "America/Chicago/npa America/New_York/npa"},
		{"its overlay", Query{To: "+14485550100"}, "America/Chicago/npa America/New_York/npa"},
		{"a ZIP code inside narrows", Query{To: "+18505550100", Postal: []string{"32501"}}, "America/Chicago/zip"},
		{"so does ZIP+4", Query{To: "+18505550100", Postal: []string{" 32501-1234 "}}, "America/Chicago/zip"},
		{"a ZIP code outside widens", Query{To: "+12125550100", Postal: []string{"90001"}}, "America/Los_Angeles/zip America/New_York/npa"},
		{"another name for the same clock is inside", Query{To: "+18125550100", Postal: []string{"47401"}}, "America/Indiana/Indianapolis/zip"},
		{"the Navajo Nation", Query{To: "+19285550110", Postal: []string{"86515"}}, "America/Denver/zip"},
		{"two ZIP codes that disagree", Query{To: "+12125550100", Postal: []string{"10001", "90001"}}, "America/Los_Angeles/zip America/New_York/npa"},
		{"a zone inside narrows", Query{To: "+18505550100", TimeZone: "America/Chicago"}, "America/Chicago/timeZone"},
		{"a zone outside widens", Query{To: "+12125550100", TimeZone: "America/Los_Angeles"}, "America/Los_Angeles/timeZone America/New_York/npa"},
		{"ZIP and zone disagree inside", Query{To: "+18505550100", Postal: []string{"32501"}, TimeZone: "America/New_York"},
			"America/Chicago/zip America/New_York/timeZone"},
		{"a region narrows", Query{To: "+12085550100", Region: "WA"}, "America/Los_Angeles/region"},
		{"a region by name", Query{To: "+12085550100", Region: " washington "}, "America/Los_Angeles/region"},
		{"a ZIP code inside its region", Query{To: "+13055550100", Postal: []string{"33101"}, Region: "US-FL"}, "America/New_York/zip"},
		{"a second number widens", Query{To: "+12125550151", Alternates: []string{"+13035550151"}}, "America/Denver/alternate America/New_York/npa"},
		{"a second number widens what a ZIP code narrowed", Query{To: "+18505550100", Postal: []string{"32501"}, Alternates: []string{"+12125550100"}},
			"America/Chicago/zip America/New_York/alternate"},
		{"toll-free is nowhere", Query{To: "+18005550100"}, ""},
		{"unless a ZIP code says where", Query{To: "+18005550100", Postal: []string{"10001"}}, "America/New_York/zip"},
		{"a Canadian postal code", Query{To: "+17095550141", Postal: []string{"a1a 1a1"}}, "America/St_Johns/zip"},
		{"India", Query{To: "+917702779401"}, "Asia/Kolkata/country"},
		{"a PIN code of India is no ZIP code", Query{To: "+917702779401", Postal: []string{"10001"}}, "Asia/Kolkata/country"},
		{"Jamaica", Query{To: "+18765550137"}, "America/Jamaica/country"},
		{"American Samoa", Query{To: "+16845550134"}, "Pacific/Pago_Pago/npa"},
		{"a satellite telephone is nowhere", Query{To: "+881612345678"}, ""},
		{"no number is nowhere", Query{To: ""}, ""},
		{"Valley, Alabama, by law", Query{To: "+13345550146", Postal: []string{"36854"}}, "America/Chicago/zip"},
		{"Valley, Alabama, by habit", Query{To: "+13345550146", Postal: []string{"36854"}, Habit: true},
			"America/Chicago/npa America/New_York/zip"},
		{"a ZIP code nobody listed, in a district of one clock", Query{To: "+12125550100", Postal: []string{"10015"}}, "America/New_York/zip"},
	} {
		tc.q.Now = friday()
		found, err := table(t).Candidates(tc.q)
		if err != nil {
			t.Fatal(err)
		}
		if got := names(found); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.story, got, tc.want)
		}
	}
}

func TestFactsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		story string
		q     Query
		bad   func(Finding) bool
	}{
		{"no ZIP code", Query{Postal: []string{"ABCDE"}}, func(f Finding) bool { return f.PostalMalformed }},
		{"too short a ZIP code", Query{Postal: []string{"1001"}}, func(f Finding) bool { return f.PostalMalformed }},
		{"a letter Canada does not use", Query{Postal: []string{"D1A"}}, func(f Finding) bool { return f.PostalMalformed }},
		{"military mail", Query{Postal: []string{"09001"}}, func(f Finding) bool { return f.PostalUnknown }},
		{"no zone", Query{TimeZone: "Mars/Olympus"}, func(f Finding) bool { return f.ZoneUnknown }},
		{"no region", Query{Region: "Atlantis"}, func(f Finding) bool { return f.RegionUnknown }},
		{"no number", Query{Alternates: []string{"12"}}, func(f Finding) bool { return f.AlternateUnknown }},
		{"a number without its plus", Query{Alternates: []string{"12125550100"}}, func(f Finding) bool { return f.AlternateUnknown }},
	} {
		tc.q.To, tc.q.Now = "+12125550100", friday()
		found, err := table(t).Candidates(tc.q)
		if err != nil || !tc.bad(found) {
			t.Errorf("%s went unnoticed (%v)", tc.story, err)
		}
		if len(found.Candidates) == 0 {
			t.Errorf("%s took the number's own zone away", tc.story)
		}
	}
}

// An area code that the tables do not know yet may be anywhere in its country.
func TestANewAreaCode(t *testing.T) {
	t.Parallel()
	found, err := table(t).Without("821").Candidates(Query{To: "+18215550144", Now: friday()})
	if err != nil || len(found.Candidates) != len(wholeUS()) {
		t.Errorf("%s (%v)", names(found), err)
	}
	if _, known := table(t).npa["821"]; !known {
		t.Error("Without changed the table it copied")
	}
}

// Every area code of the splits is one the plan knows, so that a slip of the
// pen in the table is seen.
func TestSplitsAreRealAreaCodes(t *testing.T) {
	t.Parallel()
	for code := range lists(splitLines) {
		if !strings.Contains(npaLines, "\n"+code+" ") && code != "684" {
			t.Errorf("%s is no geographic area code of the United States or Canada", code)
		}
	}
}

// A fact whose clocks are all strange to the candidates only ever adds zones.
func TestAConflictingFactOnlyWidens(t *testing.T) {
	t.Parallel()
	all := table(t)
	pool := []string{"America/New_York", "America/Chicago", "America/Denver", "America/Phoenix", "America/Los_Angeles", "Asia/Kolkata"}
	to := []string{"+12125550100", "+18505550100", "+12085550100", "+19285550110", "+18005550140", "+16045550142", "+917702779401"}
	conflicts := 0
	rapid.Check(t, func(t *rapid.T) {
		q := Query{
			Now: friday(), To: rapid.SampledFrom(to).Draw(t, "to"),
			Postal: rapid.SliceOfN(rapid.SampledFrom([]string{"10001", "32501", "90001", "83702"}), 0, 2).Draw(t, "postal"),
			Region: rapid.SampledFrom([]string{"", "FL", "ID", "CA"}).Draw(t, "region"),
		}
		before, err := all.Candidates(q)
		if err != nil {
			t.Fatal(err)
		}
		q.TimeZone = rapid.SampledFrom(pool).Draw(t, "tz")
		loc, err := Location(q.TimeZone)
		if err != nil {
			t.Fatal(err)
		}
		if hasClock(before.Candidates, Candidate{Zone: q.TimeZone, Location: loc}, q.Now) {
			return
		}
		conflicts++
		after, err := all.Candidates(q)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range before.Candidates {
			if !hasClock(after.Candidates, c, q.Now) {
				t.Fatalf("%s took %s away: %s, then %s", q.TimeZone, c.Zone, names(before), names(after))
			}
		}
	})
	if conflicts < 20 {
		t.Errorf("only %d conflicts were looked at", conflicts)
	}
}

func TestSameClock(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"America/Boise", "America/Denver", true},
		{"America/Indiana/Indianapolis", "America/New_York", true},
		{"America/Phoenix", "America/Denver", false},
		{"America/New_York", "America/Jamaica", false},
		{"Asia/Kolkata", "Asia/Kathmandu", false},
		{"Etc/GMT+5", "America/Jamaica", true},
	} {
		a, errA := Location(tc.a)
		b, errB := Location(tc.b)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		if got := sameClock(a, b, friday()); got != tc.want {
			t.Errorf("%s and %s: %v", tc.a, tc.b, got)
		}
	}
	indiana, err := Location("America/Indiana/Indianapolis")
	if err != nil {
		t.Fatal(err)
	}
	newYork, err := Location("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	if sameClock(indiana, newYork, time.Date(2003, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Error("Indiana had no summer time in 2003")
	}
}

// FuzzCandidates: no text makes it panic or fail.
func FuzzCandidates(f *testing.F) {
	f.Add("+12125550100", "10001", "TX", "America/New_York", "+13035550151")
	f.Add("+", "A1A 1A1", "ſ", "..", "+1")
	f.Add("+1２12", "99999-9999", "us-", "\x00", "+999999999999999")
	all := table(f)
	f.Fuzz(func(t *testing.T, to, postal, region, zone, other string) {
		if _, err := all.Candidates(Query{Now: friday(), To: to, Postal: []string{postal}, Region: region, TimeZone: zone, Alternates: []string{other}}); err != nil {
			t.Fatal(err)
		}
	})
}

// The notice travels with the data it is about.
func TestNotice(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("NOTICE")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"data/npa.txt", "data/zips.txt", "data/tzdata.zip", "data/countries.txt"} {
		if !strings.Contains(string(text), file) {
			t.Errorf("NOTICE does not say where %s comes from", file)
		}
	}
}

// Every zone of the data is a place, or one of these clocks that are kept
// nowhere. A release that brings a new one of them is noticed here.
func TestOnlyPlacesAreEvidence(t *testing.T) {
	t.Parallel()
	all, err := loadZones()
	if err != nil {
		t.Fatal(err)
	}
	nowhere := []string{
		"CET", "CST6CDT", "EET", "EST", "EST5EDT", "Factory", "GMT", "GMT+0", "GMT-0", "GMT0", "Greenwich", "HST", "MET", "MST", "MST7MDT",
		"PST8PDT", "UCT", "UTC", "Universal", "WET", "Zulu",
	}
	for name := range all {
		if want := !strings.HasPrefix(name, "Etc/") && !slices.Contains(nowhere, name); events.IsPlace(name) != want {
			t.Errorf("%s is a place: %v", name, !want)
		}
		found, err := table(t).Candidates(Query{Now: friday(), To: "+12125550150", TimeZone: name})
		if err != nil || found.ZoneUnknown == events.IsPlace(name) || found.ZoneUnknown && len(found.Candidates) != 1 {
			t.Errorf("%s: %+v, %v", name, found, err)
		}
	}
}
