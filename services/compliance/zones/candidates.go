package zones

import (
	"slices"
	"strings"
	"time"

	"github.com/outdial/outdial/pkg/events"
)

// A Query is everything that may say where the person is.
type Query struct {
	Now        time.Time // the instant around which clocks are compared
	To         string    // E.164
	Alternates []string  // E.164, other numbers of the same person
	Postal     []string  // postal codes as given; blank ones do not count
	Region     string    // state or province: "US-TX", "TX" or "Texas"
	TimeZone   string    // IANA name of a place
	Habit      bool      // count the clock that a place keeps against the law, too
}

// A Candidate is one zone in which the telephone may ring.
type Candidate struct {
	Zone     string
	From     string // npa, country, zip, timeZone, region, alternate
	Location *time.Location
}

// A Finding is where the person may be, and which facts could not be read.
type Finding struct {
	Candidates []Candidate
	// PostalMalformed: a postal code was given that is none.
	PostalMalformed bool
	// PostalUnknown: a well-formed code of a place that no table has.
	PostalUnknown bool
	// RegionUnknown: a region was given that is no state or province.
	RegionUnknown bool
	// ZoneUnknown: a time zone was given that does not exist, or is no place.
	ZoneUnknown bool
	// AlternateUnknown: an alternate is no number of a country we can name.
	AlternateUnknown bool
}

// Candidates returns every zone in which a call may ring.
//
// The given facts (postal codes, zone, region) are read together: where they
// share a clock, what they share counts; where they do not, all of them do.
// Inside the zones of the number they narrow it, outside they widen it. Other
// numbers of the person only ever widen. So a fact that contradicts the others
// can only add zones, never take one away.
func (t *Table) Candidates(q Query) (Finding, error) {
	var found Finding
	base := t.locate(q.To)
	number, err := resolve(base.zones, base.from)
	if err != nil {
		return Finding{}, err
	}
	facts, err := t.facts(q, base, &found)
	if err != nil {
		return Finding{}, err
	}
	said := agree(facts, q.Now)
	switch {
	case len(said) == 0:
		found.Candidates = number
	case len(number) == 0 || within(said, number, q.Now):
		found.Candidates = said
	default:
		found.Candidates = merge(number, said)
	}
	for _, other := range q.Alternates {
		place := t.locate(other)
		if !place.valid {
			found.AlternateUnknown = true
			continue
		}
		more, err := resolve(place.zones, "alternate")
		if err != nil {
			return Finding{}, err
		}
		found.Candidates = merge(found.Candidates, more)
	}
	return found, nil
}

// facts reads what the request says beside the number. Postal codes and
// regions are known for the United States and Canada only; elsewhere the
// number's country already stands for all its zones.
func (t *Table) facts(q Query, base origin, found *Finding) ([][]Candidate, error) {
	var all [][]Candidate
	add := func(names []string, from string) error {
		set, err := resolve(names, from)
		if err == nil && len(set) > 0 {
			all = append(all, set)
		}
		return err
	}
	if base.nanp {
		for _, code := range q.Postal {
			if strings.TrimSpace(code) == "" {
				continue
			}
			p := t.lookUpPostal(code, q.Habit)
			found.PostalMalformed = found.PostalMalformed || !p.wellFormed
			found.PostalUnknown = found.PostalUnknown || p.wellFormed && len(p.zones) == 0
			if err := add(p.zones, "zip"); err != nil {
				return nil, err
			}
		}
	}
	if q.TimeZone != "" {
		loc, err := Location(q.TimeZone)
		if err != nil || !events.IsPlace(q.TimeZone) {
			found.ZoneUnknown = true
		} else {
			all = append(all, []Candidate{{q.TimeZone, "timeZone", loc}})
		}
	}
	if name := strings.ToLower(strings.TrimSpace(q.Region)); base.nanp && name != "" {
		names, ok := t.regions[name]
		found.RegionUnknown = !ok
		if err := add(names, "region"); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// agree combines the facts: their common clocks, else all of them.
func agree(facts [][]Candidate, at time.Time) []Candidate {
	if len(facts) == 0 {
		return nil
	}
	common := slices.DeleteFunc(slices.Clone(facts[0]), func(c Candidate) bool {
		return slices.ContainsFunc(facts[1:], func(other []Candidate) bool { return !hasClock(other, c, at) })
	})
	if len(common) > 0 {
		return common
	}
	var all []Candidate
	for _, set := range facts {
		all = merge(all, set)
	}
	return all
}

// within reports whether every clock of inner is one of outer's.
func within(inner, outer []Candidate, at time.Time) bool {
	return !slices.ContainsFunc(inner, func(c Candidate) bool { return !hasClock(outer, c, at) })
}

func hasClock(set []Candidate, c Candidate, at time.Time) bool {
	return slices.ContainsFunc(set, func(other Candidate) bool {
		return other.Zone == c.Zone || sameClock(other.Location, c.Location, at)
	})
}

// merge appends the candidates whose zone is not there yet.
func merge(to, more []Candidate) []Candidate {
	out := slices.Clone(to)
	for _, c := range more {
		if !slices.ContainsFunc(out, func(have Candidate) bool { return have.Zone == c.Zone }) {
			out = append(out, c)
		}
	}
	return out
}

// resolve turns names of our own tables into candidates.
func resolve(names []string, from string) ([]Candidate, error) {
	set := make([]Candidate, 0, len(names))
	for _, name := range names {
		loc, err := Location(name)
		if err != nil {
			return nil, err
		}
		set = append(set, Candidate{name, from, loc})
	}
	return set, nil
}
