package rules

import "errors"

// Parse reads one rule set. It may extend an embedded one. Every fault is
// reported at once, joined with errors.Join; a fault leaves no rule set.
func Parse(text []byte) (RuleSet, error) {
	all, err := Embedded()
	if err != nil {
		return RuleSet{}, err
	}
	f, err := decode(text)
	r, err2 := f.build(all)
	if err := errors.Join(err, err2); err != nil {
		return RuleSet{}, err
	}
	if err := standsAlone(r, all); err != nil {
		return RuleSet{}, err
	}
	return r, nil
}
