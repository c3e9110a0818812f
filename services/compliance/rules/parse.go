package rules

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nyaruka/phonenumbers"
	"github.com/outdial/outdial/services/compliance/zones"
	yaml "go.yaml.in/yaml/v3"
)

// maxFile bounds a rule set file; ours have about one kilobyte.
const maxFile = 64 << 10

// file is a rule set as written. A nil field was not given.
type file struct {
	Name           string            `yaml:"name"`
	Description    string            `yaml:"description"`
	Source         *string           `yaml:"source"`
	Extends        string            `yaml:"extends"`
	Tenants        []string          `yaml:"tenants"`
	ApprovedBy     string            `yaml:"approvedBy"`
	ApprovedOn     string            `yaml:"approvedOn"`
	Countries      []string          `yaml:"countries"`
	Windows        map[string]string `yaml:"windows"`
	Zone           *string           `yaml:"zone"`
	EndMargin      *string           `yaml:"endMargin"`
	Lease          *string           `yaml:"lease"`
	NonGeographic  *string           `yaml:"nonGeographic"`
	WindowScope    *string           `yaml:"windowScope"`
	DeFactoZones   *string           `yaml:"deFactoZones"`
	AllowOverrides []string          `yaml:"allowOverrides"`
}

// token is what a name looks like wherever it may end up in a subject.
var token = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// decode reads the YAML strictly: one document, no unknown and no repeated
// field. What could be read is returned beside the faults, so that its own
// faults can be named in the same breath.
func decode(text []byte) (file, error) {
	var f file
	if len(text) > maxFile {
		return f, fmt.Errorf("file has more than %d bytes", maxFile)
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&f); err != nil {
		if errors.Is(err, io.EOF) {
			return f, errors.New("file is empty")
		}
		var many *yaml.TypeError
		if errors.As(err, &many) {
			var faults []error
			for _, line := range many.Errors {
				faults = append(faults, errors.New(line))
			}
			return f, errors.Join(faults...)
		}
		return f, err
	}
	if err := dec.Decode(new(any)); !errors.Is(err, io.EOF) {
		return f, errors.New("file holds more than one document")
	}
	return f, nil
}

// build turns the file into a rule set on the ground of the one it extends.
func (f file) build(known map[string]RuleSet) (RuleSet, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }

	var base RuleSet
	if f.Extends != "" {
		var ok bool
		if base, ok = known[f.Extends]; !ok {
			fault("extends: no rule set %q", f.Extends)
		}
	}
	r := base
	r.Name, r.Description, r.Extends, r.Shipped = f.Name, f.Description, f.Extends, false
	r.ApprovedBy, r.ApprovedOn = f.ApprovedBy, f.ApprovedOn
	r.Countries, r.AllowOverrides = slices.Clone(base.Countries), slices.Clone(base.AllowOverrides)
	if r.Tenants = slices.Clone(base.Tenants); f.Tenants != nil {
		r.Tenants = sorted(f.Tenants)
	}
	if f.Tenants != nil && len(f.Tenants) == 0 || slices.ContainsFunc(f.Tenants, func(t string) bool { return !token.MatchString(t) }) {
		fault("tenants: names of tenants are needed, or no such field")
	}
	if !token.MatchString(f.Name) {
		fault("name: 1 to 64 letters, digits, hyphens or underscores are needed")
	}
	if (f.ApprovedBy == "") != (f.ApprovedOn == "") {
		fault("approvedBy and approvedOn come together")
	}
	if f.ApprovedOn != "" {
		if _, err := time.Parse(time.DateOnly, f.ApprovedOn); err != nil {
			fault("approvedOn: a day as YYYY-MM-DD is needed")
		}
	}
	if f.Countries != nil {
		r.Countries = sorted(f.Countries)
	}
	countries := phonenumbers.GetSupportedRegions()
	for _, c := range r.Countries {
		if !countries[c] {
			fault("countries: %q is no ISO 3166-1 code of a country with telephones", c)
		}
	}
	if len(r.Countries) == 0 {
		fault("countries: at least one is needed")
	}
	faults = append(faults, f.settings(&r), f.windows(&r))
	if f.Extends != "" && base.Name != "" {
		faults = append(faults, r.Tightens(base))
	}
	return r, errors.Join(faults...)
}

// settings applies the single-valued fields.
func (f file) settings(r *RuleSet) error {
	var faults []error
	text := func(field string, from *string, to *string, allowed ...string) {
		if from == nil {
			return
		}
		if len(allowed) > 0 && !slices.Contains(allowed, *from) {
			faults = append(faults, fmt.Errorf("%s: one of %s is needed", field, strings.Join(allowed, ", ")))
		}
		*to = *from
	}
	span := func(field string, from *string, to *time.Duration, low, high time.Duration) {
		if from == nil {
			return
		}
		d, err := time.ParseDuration(*from)
		if err != nil || d < low || d > high || d%time.Second != 0 {
			faults = append(faults, fmt.Errorf("%s: whole seconds from %s to %s are needed", field, low, high))
			return
		}
		*to = d
	}
	text("source", f.Source, &r.Source)
	text("nonGeographic", f.NonGeographic, &r.NonGeographic, NonGeographicDeny, NonGeographicWithLocation)
	text("windowScope", f.WindowScope, &r.WindowScope, ScopeAll, ScopeSolicitation)
	text("deFactoZones", f.DeFactoZones, &r.DeFactoZones, HabitOn, HabitOff)
	text("zone", f.Zone, &r.Zone)
	span("endMargin", f.EndMargin, &r.EndMargin, 0, time.Hour)
	span("lease", f.Lease, &r.Lease, time.Second, time.Hour)
	if r.Zone != "" {
		if _, err := zones.Location(r.Zone); err != nil {
			faults = append(faults, errors.New("zone: no such IANA zone"))
		}
	}
	if f.AllowOverrides != nil {
		r.AllowOverrides = sorted(f.AllowOverrides)
	}
	for _, rule := range r.AllowOverrides {
		if rule != ruleWindow {
			faults = append(faults, fmt.Errorf("allowOverrides: only %q can be overridden, never %q", ruleWindow, rule))
		}
	}
	return errors.Join(faults...)
}
