package rules

import (
	"cmp"
	"slices"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/services/compliance/zones"
)

// Engine is the version of the rules in this package. It changes whenever the
// same facts and the same rule set could come out differently.
const Engine = "rules-2"

// Zones is where the engine asks what clock a telephone keeps; zones.Table is
// the one in use.
type Zones interface {
	// Candidates returns every zone in which the call may ring.
	Candidates(zones.Query) (zones.Finding, error)
	// Location returns an IANA zone by name.
	Location(name string) (*time.Location, error)
	// TZDataVersion is the IANA release of the zone data.
	TZDataVersion() string
	// Sources lists the tables consulted.
	Sources() []zones.Source
}

// A Decision is what the rules say about one call at one instant.
type Decision struct {
	Allowed bool
	// Reasons holds every objection, the weightiest first; none if allowed.
	Reasons  []events.Reason
	Evidence events.Evidence
	// ValidUntil is when a pass ends, exclusive; zero unless allowed.
	ValidUntil time.Time
	// NextAllowedAt is the first instant at which waiting alone would have
	// cured every objection; nil if some objection is not cured by waiting.
	NextAllowedAt *time.Time
	// Overrode names the rules whose objections a permitted override lifted.
	Overrode []string
}

// Primary is the first reason's code, OVERRIDE_APPLIED or OK.
func (d Decision) Primary() string {
	switch {
	case len(d.Reasons) > 0:
		return d.Reasons[0].Code
	case !d.Allowed:
		return RuleError // no reason and no pass cannot be; it reads as a refusal
	case len(d.Overrode) > 0:
		return OverrideApplied
	}
	return OK
}

// Decide asks every rule and collects every objection. It never panics, and
// the same arguments always give the same decision.
func Decide(rs RuleSet, f Facts, z Zones) Decision {
	return engine{}.decide(rs, f, z)
}

// engine holds what only this package's tests vary.
type engine struct {
	without map[string]bool // rules left out, to see whether the tests notice
	extra   []rule          // rules added, to see what a broken one does
}

// A rule asks one question. Its answer must not depend on other rules'.
type rule struct {
	id  string
	ask func(*judgement) answer
}

// answer is what a rule says: content unless there are reasons.
type answer struct {
	result  string // ok, not_known, not_applicable; objects follows from reasons
	detail  string
	source  string
	reasons []events.Reason
}

// Results of a rule, as the evidence shows them.
const (
	resultOK            = "ok"
	resultObjects       = "objects"
	resultNotKnown      = "not_known"
	resultNotApplicable = "not_applicable"
)

func (e engine) decide(rs RuleSet, f Facts, z Zones) Decision {
	j := &judgement{rs: rs, f: f, z: z}
	d := Decision{Evidence: events.Evidence{Engine: Engine}}
	j.read = guarded(func() { j.number = readNumber(f.To) })
	j.prepared = j.judgeable() && guarded(j.prepare)
	var reasons []events.Reason
	for _, r := range append(allRules(), e.extra...) {
		if e.without[r.id] {
			continue
		}
		var a answer
		if !guarded(func() { a = r.ask(j) }) {
			a = fails("the rule broke")
		}
		for _, why := range a.reasons {
			why.Rule = r.id
			reasons = append(reasons, why)
		}
		if len(a.reasons) > 0 && a.result != resultNotKnown {
			a.result = resultObjects
		}
		d.Evidence.Rules = append(d.Evidence.Rules, events.RuleResult{
			Rule: r.id, Answer: cmp.Or(a.result, resultNotKnown), Detail: a.detail, Source: a.source,
		})
	}
	d.Reasons, d.Overrode = j.lift(reasons)
	order := Vocabulary()
	slices.SortStableFunc(d.Reasons, func(a, b events.Reason) int { return rank(order, a.Code) - rank(order, b.Code) })
	d.Allowed = len(d.Reasons) == 0
	if !guarded(func() { j.conclude(&d) }) || d.Allowed && !d.ValidUntil.After(f.Now) {
		return refuse(d)
	}
	return d
}

// guarded runs a step and reports whether it came through. What a panic says is
// dropped, because it might quote a number.
func guarded(step func()) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	step()
	return true
}

// refuse turns a decision that could not be concluded into a refusal.
func refuse(d Decision) Decision {
	why := fails("the decision could not be concluded").reasons[0]
	why.Rule = "engine"
	d.Reasons = append(d.Reasons, why)
	d.Allowed, d.ValidUntil, d.NextAllowedAt = false, time.Time{}, nil
	return d
}

func ok(detail string) answer { return answer{result: resultOK, detail: detail} }

func notApplicable(detail string) answer { return answer{result: resultNotApplicable, detail: detail} }

// objects is a single objection that no waiting cures.
func objects(code, detail string) answer {
	return answer{result: resultObjects, detail: detail, reasons: []events.Reason{{Code: code, Detail: detail}}}
}

// unknown is an objection because a fact is missing.
func unknown(code, detail string) answer {
	a := objects(code, detail)
	a.result = resultNotKnown
	return a
}

func fails(detail string) answer { return unknown(RuleError, detail) }
