package rules

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/services/compliance/zones"
)

// judgement is one decision in the making: the arguments, and what every rule
// would otherwise have to find out for itself.
type judgement struct {
	rs RuleSet
	f  Facts
	z  Zones

	read     bool // the number could be read; rules that rest on it object if not
	prepared bool // the zones could be asked; likewise
	number   number
	where    zones.Finding
	err      error // the zones could not be asked
}

// judgeable reports whether the instant is one that calendars and zone data
// reach, and RFC 3339 can write down.
func (j *judgement) judgeable() bool {
	year := j.f.Now.UTC().Year()
	return year >= 1970 && year <= 2200
}

// prepare asks for the zones.
func (j *judgement) prepare() {
	j.where, j.err = j.z.Candidates(zones.Query{
		Now: j.f.Now, To: j.f.To, Alternates: j.f.Alternates, Postal: j.postalCodes(),
		Region: j.f.Region, TimeZone: j.f.TimeZone, Habit: j.rs.DeFactoZones != HabitOff,
	})
	if j.err == nil && j.rs.Zone != "" {
		var loc *time.Location
		if loc, j.err = j.z.Location(j.rs.Zone); j.err == nil && len(j.where.Candidates) > 0 {
			j.addDesk(loc)
		}
	}
}

// addDesk adds the rule set's own zone. It never stands in for the person's:
// where no zone is known, it adds none.
func (j *judgement) addDesk(loc *time.Location) {
	for _, c := range j.where.Candidates {
		if c.Zone == j.rs.Zone {
			return
		}
	}
	j.where.Candidates = append(slices.Clone(j.where.Candidates), zones.Candidate{
		Zone: j.rs.Zone, From: "ruleset", Location: loc,
	})
}

// usable reports whether the preparation came through.
func (j *judgement) usable() bool { return j.prepared && j.err == nil }

// postalCodes lists the request's postal codes: the field and the metadata.
func (j *judgement) postalCodes() []string {
	var codes []string
	if strings.TrimSpace(j.f.PostalCode) != "" {
		codes = append(codes, j.f.PostalCode)
	}
	for _, m := range j.f.Metadata {
		if is, _ := events.PostalKey(m.Key); is && strings.TrimSpace(m.Value) != "" {
			codes = append(codes, m.Value)
		}
	}
	return codes
}

func (j *judgement) purpose() string { return cmp.Or(j.f.Purpose, events.PurposeTelemarketing) }

func (j *judgement) mode() string { return cmp.Or(j.f.Mode, events.ModeManual) }

// windowed reports whether the windows hold for this purpose.
func (j *judgement) windowed() bool {
	if j.rs.WindowScope != ScopeSolicitation {
		return true
	}
	return j.purpose() != events.PurposeInformational && j.purpose() != events.PurposeResearch
}

func (j *judgement) locations() []*time.Location {
	var all []*time.Location
	for _, c := range j.where.Candidates {
		all = append(all, c.Location)
	}
	return all
}

// lift takes away the objections that a permitted override covers.
func (j *judgement) lift(reasons []events.Reason) (kept []events.Reason, lifted []string) {
	may := j.permitted()
	for _, r := range reasons {
		if slices.Contains(may, r.Rule) && slices.Contains(overridable(), r.Code) {
			if !slices.Contains(lifted, r.Rule) {
				lifted = append(lifted, r.Rule)
			}
			continue
		}
		kept = append(kept, r)
	}
	return kept, lifted
}

// overridable are the only codes an override can lift: the clock's. A place
// that is not known, a list, a number or a consent is never overridden.
func overridable() []string {
	return []string{DayProhibited, TimeBeforeWindow, TimeAfterWindow, TimeAmbiguousZone}
}

// permitted lists the rules for which an override was asked and both the rule
// set and the provider's settings agree.
func (j *judgement) permitted() []string {
	var rules []string
	for _, o := range j.f.Overrides {
		if j.permits(o) {
			rules = append(rules, o.Rule)
		}
	}
	return rules
}

func (j *judgement) permits(o events.Override) bool {
	return o.Rule == ruleWindow && strings.TrimSpace(o.Agent) != "" && strings.TrimSpace(o.Reason) != "" &&
		slices.Contains(j.rs.AllowOverrides, o.Rule) && slices.Contains(j.f.OverridesAllowed, o.Rule)
}

// conclude fills in the evidence and the two instants.
func (j *judgement) conclude(d *Decision) {
	j.evidence(&d.Evidence)
	if d.Allowed {
		d.ValidUntil = j.validUntil(len(d.Overrode) > 0)
		return
	}
	d.NextAllowedAt = j.nextAllowed(d.Reasons)
}

// validUntil is the earliest end of: the lease, the window in any zone, the
// do-not-call list's life.
func (j *judgement) validUntil(overridden bool) time.Time {
	until := j.f.Now.Add(j.rs.lease())
	earlier := func(t time.Time) {
		if t.Before(until) {
			until = t
		}
	}
	if j.f.ListGoodUntil != nil {
		earlier(*j.f.ListGoodUntil)
	}
	if j.windowed() && !overridden {
		for _, loc := range j.locations() {
			if end, ok := j.rs.hours().closes(j.f.Now, loc); ok {
				earlier(end)
			}
		}
	}
	return until
}

// nextAllowed is the first instant at which no objection is left, if waiting
// cures them all: after the latest that has a fixed end, when the windows are
// open everywhere.
func (j *judgement) nextAllowed(reasons []events.Reason) *time.Time {
	at := j.f.Now
	for _, r := range reasons {
		if r.NextAllowedAt == nil {
			return nil
		}
		if !slices.Contains(overridable(), r.Code) && r.NextAllowedAt.After(at) {
			at = *r.NextAllowedAt
		}
	}
	if j.windowed() && len(j.permitted()) == 0 {
		var ok bool
		if at, ok = j.rs.hours().opensEverywhere(at, j.locations()); !ok {
			return nil
		}
	}
	return &at
}

// evidence records what the decision rested on. Neither number nor metadata
// are in it.
func (j *judgement) evidence(e *events.Evidence) {
	e.ClockOffset = j.f.ClockOffset
	if j.judgeable() {
		e.At = j.f.Now
	}
	e.Purpose, e.Mode = j.purpose(), j.mode()
	e.Country, e.NumberType = j.number.country, j.number.kind
	e.Ruleset = j.rs.Name
	if !j.rs.Missing() {
		e.RulesetHash = j.rs.Hash()
	}
	list := events.ListVersion{Name: ruleCompanyDNC, Version: j.f.ListVersion, AsOf: j.f.ListAsOf, Answer: "not_known"}
	switch j.f.OnCompanyList {
	case Yes:
		list.Answer = "listed"
	case No:
		list.Answer = "clear"
	}
	e.Lists = append(e.Lists, list)
	if !j.prepared {
		return
	}
	e.TZData = j.z.TZDataVersion()
	for _, s := range j.z.Sources() {
		e.Lists = append(e.Lists, events.ListVersion{Name: s.Name, Version: s.Version})
	}
	for _, c := range j.where.Candidates {
		local := j.f.Now.In(c.Location)
		e.Zones = append(e.Zones, events.LocalTime{
			Zone: c.Zone, Local: local.Format(time.RFC3339), Weekday: local.Format("Mon"), From: c.From,
			Open: j.rs.hours().at(j.f.Now, c.Location) == open,
		})
	}
}
