package rules

import (
	"slices"
	"strings"

	"github.com/outdial/outdial/pkg/events"
)

// Ids of the rules, as evidence and overrides name them.
const (
	ruleRuleset    = "ruleset"
	ruleRequest    = "request"
	ruleEmergency  = "emergency-number"
	ruleNumber     = "number"
	ruleNumberType = "number-type"
	ruleCountry    = "country"
	ruleMetadata   = "required-metadata"
	rulePostal     = "postal-code"
	ruleEvidence   = "location-evidence"
	ruleCompanyDNC = "company-dnc"
	ruleConsent    = "consent"
	ruleZoneData   = "zone-data"
	ruleLocation   = "location"
	ruleWindow     = "window"
	ruleOverrides  = "overrides"
)

// allRules is the one list of rules, in the order a reviewer would ask.
func allRules() []rule {
	return []rule{
		{ruleRuleset, haveRuleset},
		{ruleRequest, readableRequest},
		{ruleEmergency, noEmergency},
		{ruleNumber, dialable},
		{ruleNumberType, callableType},
		{ruleCountry, country},
		{ruleMetadata, requiredMetadata},
		{rulePostal, postalCode},
		{ruleEvidence, readableEvidence},
		{ruleCompanyDNC, companyDNC},
		{ruleConsent, consent},
		{ruleZoneData, freshZoneData},
		{ruleLocation, location},
		{ruleWindow, window},
		{ruleOverrides, overrides},
	}
}

func haveRuleset(j *judgement) answer {
	if j.rs.Missing() {
		return unknown(RulesetNotFound, "no rule set that may judge this call: the tenant's own or one that extends it, and approved unless the provider is on this machine")
	}
	a := ok("")
	a.source = j.rs.Source
	return a
}

// readableRequest refuses what the other rules could not judge.
func readableRequest(j *judgement) answer {
	if !j.judgeable() {
		return fails("no instant that can be judged")
	}
	if !slices.Contains([]string{events.PurposeTelemarketing, events.PurposeDebt, events.PurposeInformational, events.PurposeResearch}, j.purpose()) {
		return objects(MetadataInvalid, "the purpose is not one of the vocabulary")
	}
	if !slices.Contains([]string{events.ModeManual, events.ModePreview, events.ModePredictive, events.ModePrerecorded}, j.mode()) {
		return objects(MetadataInvalid, "the mode is not one of the vocabulary")
	}
	return ok("")
}

func noEmergency(j *judgement) answer {
	if !j.read {
		return fails("the number could not be read")
	}
	if j.number.emergency {
		return objects(NumberEmergency, "emergency numbers and short codes are never called")
	}
	return ok("")
}

func dialable(j *judgement) answer {
	switch {
	case !j.read:
		return fails("the number could not be read")
	case !j.number.shaped:
		return objects(NumberInvalid, "not E.164")
	case j.f.TotalDigits > 0 && j.number.national != j.f.TotalDigits:
		return objects(NumberInvalid, "not as many digits as the country's numbers have")
	case !j.number.valid:
		return objects(NumberInvalid, "no such number in its numbering plan")
	}
	return ok("")
}

// callableType lets ordinary lines pass. Numbers that belong to no place pass
// only where the rule set says so; then the location rule wants evidence.
func callableType(j *judgement) answer {
	if !j.read {
		return fails("the number could not be read")
	}
	switch j.number.kind {
	case kindFixed, kindMobile, kindFixedOrMobile, kindVoIP:
		return ok(j.number.kind)
	case kindTollFree, kindPersonal, kindUAN:
		if j.rs.NonGeographic == NonGeographicWithLocation {
			return ok(j.number.kind + ", if a location is given")
		}
	case kindUnknown:
		if !j.number.valid {
			return notApplicable("not a valid number")
		}
	}
	return objects(NumberTypeBlocked, j.number.kind+" numbers are not called")
}

func country(j *judgement) answer {
	switch c := j.number.country; {
	case !j.read:
		return fails("the number could not be read")
	case c == "":
		return unknown(JurisdictionUnsupported, "the number belongs to no country")
	case !slices.Contains(j.f.Countries, c):
		return objects(JurisdictionUnsupported, "the tenant does not call "+c)
	case j.rs.Missing():
		return notApplicable("no rule set")
	case !slices.Contains(j.rs.Countries, c):
		return objects(JurisdictionUnsupported, "the rule set does not cover "+c)
	default:
		return ok(c)
	}
}

func requiredMetadata(j *judgement) answer {
	if len(j.f.RequiredMetadata) == 0 {
		return notApplicable("none is required")
	}
	var missing []string
	for _, name := range j.f.RequiredMetadata {
		given := slices.ContainsFunc(j.f.Metadata, func(m events.KeyValue) bool {
			return strings.EqualFold(strings.TrimSpace(m.Key), strings.TrimSpace(name)) && strings.TrimSpace(m.Value) != ""
		})
		if !given {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return unknown(MetadataMissing, "required and not given: "+strings.Join(missing, ", "))
	}
	return ok("")
}

func postalCode(j *judgement) answer {
	given := len(j.postalCodes()) > 0
	switch {
	case !j.usable():
		return fails("the postal code could not be looked up")
	case !given && j.f.PostalRequired:
		return unknown(ZIPRequired, "the provider's settings require a postal code")
	case !given:
		return notApplicable("none is given")
	case j.where.PostalMalformed:
		return objects(ZIPInvalid, "neither a ZIP code nor a Canadian postal code")
	case j.where.PostalUnknown:
		return unknown(LocationUnknown, "the postal code's place is not in the tables")
	}
	return ok("")
}

// readableEvidence refuses a location fact that cannot be read, since it may
// have said that the person is somewhere else.
func readableEvidence(j *judgement) answer {
	if !j.usable() {
		return fails("the location evidence could not be read")
	}
	var a answer
	for _, fact := range []struct {
		bad    bool
		detail string
	}{
		{j.where.ZoneUnknown, "the time zone does not exist, or is no place"},
		{j.where.RegionUnknown, "the region is no state or province"},
		{j.where.AlternateUnknown, "an alternate number cannot be placed"},
		{slices.ContainsFunc(j.f.Metadata, nearly), "a key of the metadata is nearly that of a postal code: did you mean Zip Code?"},
	} {
		if fact.bad {
			a.reasons = append(a.reasons, events.Reason{Code: MetadataInvalid, Detail: fact.detail})
			a.detail = fact.detail
		}
	}
	if len(a.reasons) == 0 {
		return ok("")
	}
	return a
}

func nearly(m events.KeyValue) bool {
	_, near := events.PostalKey(m.Key)
	return near
}

// companyDNC honours the company's own list at once and for every purpose. No
// business relationship and no override lifts it.
func companyDNC(j *judgement) answer {
	const source = "47 CFR 64.1200(d); company policy"
	good := j.f.ListGoodUntil == nil || j.f.Now.Before(*j.f.ListGoodUntil)
	switch j.f.OnCompanyList {
	case Yes:
		if until := j.f.ListedUntil; until != nil && !j.f.Now.Before(*until) {
			break
		}
		a := objects(DNCInternal, "on the company's do-not-call list")
		a.reasons[0].NextAllowedAt, a.reasons[0].Source, a.source = j.f.ListedUntil, source, source
		return a
	case No:
	default:
		return unknown(DNCListUnavailable, "the company's do-not-call list could not be read")
	}
	if !good {
		return unknown(DNCListStale, "the company's do-not-call list is older than it may be")
	}
	a := ok("not listed")
	a.source = source
	return a
}

// consent stands in for the rules on consent records, line types and abandoned
// calls: until there are such facts, nothing can show that a machine may dial
// or speak. A person who dials needs none of them.
func consent(j *judgement) answer {
	if m := j.mode(); m == events.ModeManual || m == events.ModePreview {
		return notApplicable("a person dials")
	}
	a := unknown(ConsentRequired, "a call that a machine dials or speaks needs consent on record, and no record is at hand")
	a.source = "47 CFR 64.1200(a)"
	a.reasons[0].Source = a.source
	return a
}

func overrides(j *judgement) answer {
	if len(j.f.Overrides) == 0 {
		return notApplicable("none was asked for")
	}
	for _, o := range j.f.Overrides {
		if !j.permits(o) {
			return objects(OverrideNotPermitted, "only "+ruleWindow+" can be overridden, by a named agent with a reason, where rule set and provider settings both allow it")
		}
	}
	return ok(OverrideApplied + " where " + ruleWindow + " objects")
}
