package rules

import (
	"fmt"
	"time"

	"github.com/outdial/outdial/pkg/events"
)

// A lawChange is a change of law that older zone data do not know.
type lawChange struct {
	zone    string
	release string    // the first IANA release that has it
	since   time.Time // the first instant at which older data are wrong
}

// lawChanges lists those since 2025c, the release inside the Go of today.
// Source: NEWS of the IANA time zone database, 2026b to 2026f.
func lawChanges() []lawChange {
	fall := func(hour int) time.Time { return time.Date(2026, time.November, 1, hour, 0, 0, 0, time.UTC) }
	return []lawChange{
		{"America/Vancouver", "2026b", fall(9)},
		{"America/Edmonton", "2026c", fall(8)},
		{"America/Inuvik", "2026d", fall(8)},
		{"America/Winnipeg", "2026e", fall(7)},
		{"America/Havana", "2026f", fall(5)},
		{"Africa/Casablanca", "2026c", time.Date(2026, time.September, 20, 2, 0, 0, 0, time.UTC)},
		{"Africa/El_Aaiun", "2026c", time.Date(2026, time.September, 20, 2, 0, 0, 0, time.UTC)},
	}
}

// freshZoneData refuses to judge a zone by data older than its law. Releases
// are named by year and letter, so their names compare as texts.
func freshZoneData(j *judgement) answer {
	if !j.usable() {
		return fails("the zone data could not be read")
	}
	have := j.z.TZDataVersion()
	for _, change := range lawChanges() {
		if have >= change.release || j.f.Now.Before(change.since) {
			continue
		}
		for _, c := range j.where.Candidates {
			if c.Zone == change.zone {
				return unknown(DataStale, fmt.Sprintf("%s changed its clock in IANA %s, and the data are %s", change.zone, change.release, have))
			}
		}
	}
	return ok(have)
}

func location(j *judgement) answer {
	switch {
	case !j.usable():
		return fails("the zones could not be looked up")
	case len(j.where.Candidates) == 0:
		return unknown(LocationUnknown, "nothing says where the telephone may ring")
	}
	return ok(fmt.Sprintf("%d candidate zones", len(j.where.Candidates)))
}

// window wants every candidate zone inside its hours at once.
func window(j *judgement) answer {
	switch {
	case !j.usable():
		return fails("the local time could not be found")
	case j.rs.Missing():
		return notApplicable("no rule set")
	case !j.windowed():
		return notApplicable("the rule set's windows are for solicitation only")
	case len(j.where.Candidates) == 0:
		return notApplicable("no zone to judge by") // the location rule objects
	}
	seen := map[moment]bool{}
	for _, c := range j.where.Candidates {
		seen[j.rs.hours().at(j.f.Now, c.Location)] = true
	}
	if len(seen) == 1 && seen[open] {
		a := ok("")
		a.source = j.rs.Source
		return a
	}
	code, detail := TimeAmbiguousZone, "the candidate zones disagree"
	if len(seen) == 1 {
		switch {
		case seen[before]:
			code, detail = TimeBeforeWindow, "earlier than the window"
		case seen[after]:
			code, detail = TimeAfterWindow, "later than the window"
		default:
			code, detail = DayProhibited, "no window on this weekday"
		}
	}
	why := events.Reason{Code: code, Detail: detail, Source: j.rs.Source}
	if at, found := j.rs.hours().opensEverywhere(j.f.Now, j.locations()); found {
		why.NextAllowedAt = &at
	}
	return answer{detail: detail, source: j.rs.Source, reasons: []events.Reason{why}}
}
