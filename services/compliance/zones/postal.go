package zones

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode"
)

//go:embed data/zips.txt
var zipLines string

// A zipRun is a run of consecutive ZIP codes with the same zones.
type zipRun struct {
	first, last int
	zones       []string
}

// readZIPs parses data/zips.txt, which the generator wrote in order.
func readZIPs(text string) ([]zipRun, error) {
	sets := map[string][]string{}
	var table []zipRun
	for f := range rows(text) {
		if len(f) != 2 {
			return nil, fmt.Errorf("zips.txt: cannot read %q", f)
		}
		key, value := f[0], f[1]
		if letters, isSet := strings.CutPrefix(key, "="); isSet {
			sets[letters] = strings.Split(value, "+")
			continue
		}
		from, to, isRange := strings.Cut(key, "-")
		if !isRange {
			to = from
		}
		first, err1 := strconv.Atoi(from)
		last, err2 := strconv.Atoi(to)
		if err1 != nil || err2 != nil || sets[value] == nil {
			return nil, fmt.Errorf("zips.txt: cannot read %q", f)
		}
		table = append(table, zipRun{first, last, sets[value]})
	}
	return table, nil
}

// postal is what one postal code says.
type postal struct {
	wellFormed bool
	zones      []string // nil when the place is not known
}

// lookUpPostal reads a US ZIP code (five digits, or nine) or a Canadian postal
// code or its first three characters, as people write them: a blank or a dash
// between the parts, marks that cannot be seen anywhere. A code that has lost
// or gained a digit could be anywhere, and is none.
func (t *Table) lookUpPostal(code string, habit bool) postal {
	code = strings.ToUpper(tidy(code))
	if zip, ok := parseZIP(code); ok {
		return postal{wellFormed: true, zones: t.zipZones(zip, habit)}
	}
	if fsa, ok := parseFSA(code); ok {
		return postal{wellFormed: true, zones: t.fsaZones(fsa)}
	}
	return postal{}
}

var zipShape = regexp.MustCompile(`^([0-9]{5})(?: ?-? ?[0-9]{4})?$`)

func parseZIP(code string) (int, bool) {
	parts := zipShape.FindStringSubmatch(code)
	if parts == nil {
		return 0, false
	}
	zip, err := strconv.Atoi(parts[1])
	return zip, err == nil
}

// tidy makes one blank of every kind of space, one hyphen of every kind of
// dash, and drops what cannot be seen.
func tidy(code string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Cf, r):
			return -1
		case unicode.Is(unicode.Zs, r), r == '\t':
			return ' '
		case unicode.Is(unicode.Pd, r), r == '\u2212': // the minus sign is a symbol
			return '-'
		}
		return r
	}, code))
}

// zipZones finds the ZIP code's zones. A code that the table does not have
// gets the zones of all codes that share its first three digits, which is one
// mail district; where there are none (military mail), the place is not known.
func (t *Table) zipZones(zip int, habit bool) []string {
	i := sort.Search(len(t.zips), func(i int) bool { return t.zips[i].last >= zip })
	if i < len(t.zips) && t.zips[i].first <= zip {
		return legalZones(zip, t.zips[i].zones, habit)
	}
	var near []string
	district := zip / 100 * 100
	for i = sort.Search(len(t.zips), func(i int) bool { return t.zips[i].last >= district }); i < len(t.zips) && t.zips[i].first < district+100; i++ {
		near = addNames(near, legalZones(zip, t.zips[i].zones, habit))
	}
	return near
}

// legalZones corrects the one region whose people keep another clock than the
// law's: all of Alabama is Central, but Valley, Lanett and Phenix City live by
// Georgia's clock, and so does the ZIP table. A court held a caller to the
// legal zone; with habit both count, which is never later and never earlier
// than either.
func legalZones(zip int, names []string, habit bool) []string {
	const eastern, central = "America/New_York", "America/Chicago"
	if zip < 35000 || zip > 36999 {
		return names
	}
	if !habit {
		return []string{central}
	}
	if len(names) == 1 && names[0] == central {
		return names
	}
	return []string{central, eastern}
}

// addNames appends the names that are not there yet.
func addNames(to, names []string) []string {
	for _, name := range names {
		if !slices.Contains(to, name) {
			to = append(to, name)
		}
	}
	return to
}
