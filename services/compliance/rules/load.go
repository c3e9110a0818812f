package rules

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
)

//go:embed rulesets/*.yaml
var shipped embed.FS

// loadShipped reads the rule sets inside the binary once.
var loadShipped = sync.OnceValues(func() (map[string]RuleSet, error) {
	sub, err := fs.Sub(shipped, "rulesets")
	if err != nil {
		return nil, err
	}
	all, err := loadOver(sub, map[string]RuleSet{}, false)
	for name, r := range all {
		r.Shipped = true
		all[name] = r
	}
	return all, err
})

// Embedded returns the rule sets inside the binary by name: us-federal,
// default-safest and ca. Nobody has approved them: a deployment extends one and
// puts a name under it.
func Embedded() (map[string]RuleSet, error) {
	all, err := loadShipped()
	return maps.Clone(all), err
}

// Load reads every .yaml and .yml file at the top of dir, on top of the
// embedded rule sets, whose names cannot be taken. A file may extend an embedded
// rule set or another file's. The result holds the embedded ones too. Every
// fault of every file is reported at once, and leaves no rule sets.
func Load(dir fs.FS) (map[string]RuleSet, error) {
	all, err := Embedded()
	if err != nil {
		return nil, err
	}
	return loadOver(dir, all, true)
}

// loadOver reads files in as many rounds as their extensions need: each round
// builds those whose ground is laid.
func loadOver(dir fs.FS, all map[string]RuleSet, guarded bool) (map[string]RuleSet, error) {
	waiting, faults := readFiles(dir, all)
	guard := maps.Clone(all)
	for len(waiting) > 0 {
		names := map[string]bool{}
		for _, f := range waiting {
			names[f.Name] = true
		}
		progress := false
		for _, at := range slices.Sorted(maps.Keys(waiting)) {
			f := waiting[at]
			if names[f.Extends] {
				continue // its ground is a file still to be read
			}
			delete(waiting, at)
			progress = true
			r, err := f.build(all)
			if err == nil && guarded {
				err = standsAlone(r, guard)
			}
			if err != nil {
				faults = append(faults, fmt.Errorf("%s: %w", at, err))
				continue
			}
			all[r.Name] = r
		}
		if !progress {
			for _, at := range slices.Sorted(maps.Keys(waiting)) {
				faults = append(faults, fmt.Errorf("%s: extends itself, by way of %q", at, waiting[at].Extends))
			}
			break
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return all, nil
}

// readFiles decodes every file and refuses names that are taken.
func readFiles(dir fs.FS, taken map[string]RuleSet) (map[string]file, []error) {
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil, []error{err}
	}
	files, by := map[string]file{}, map[string]string{}
	var faults []error
	for _, e := range entries {
		if ext := path.Ext(e.Name()); e.IsDir() || ext != ".yaml" && ext != ".yml" {
			continue
		}
		text, err := fs.ReadFile(dir, e.Name())
		if err != nil {
			faults = append(faults, err)
			continue
		}
		f, err := decode(text)
		if err != nil {
			_, more := f.build(taken)
			faults = append(faults, fmt.Errorf("%s: %w", e.Name(), errors.Join(err, more)))
			continue
		}
		if slices.ContainsFunc(slices.Collect(maps.Keys(taken)), func(name string) bool { return strings.EqualFold(name, f.Name) }) {
			faults = append(faults, fmt.Errorf("%s: the name %q belongs to an embedded rule set", e.Name(), f.Name))
			continue
		}
		if other, ok := by[f.Name]; ok {
			faults = append(faults, fmt.Errorf("%s: the name %q is taken by %s", e.Name(), f.Name, other))
			continue
		}
		by[f.Name], files[e.Name()] = e.Name(), f
	}
	return files, faults
}

// standsAlone refuses a rule set of its own making for a country that an
// embedded one covers: there it has to extend that one, and so be tighter.
func standsAlone(r RuleSet, guard map[string]RuleSet) error {
	if r.Extends != "" {
		return nil
	}
	if _, ok := guard[r.Name]; ok {
		return fmt.Errorf("the name %q belongs to an embedded rule set", r.Name)
	}
	var faults []error
	for _, country := range r.Countries {
		for _, name := range slices.Sorted(maps.Keys(guard)) {
			if g := guard[name]; g.Extends == "" && slices.Contains(g.Countries, country) {
				faults = append(faults, fmt.Errorf("countries: %s is covered by %s; extend that", country, name))
			}
		}
	}
	return errors.Join(faults...)
}
