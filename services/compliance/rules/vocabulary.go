package rules

import "slices"

// Reason codes, as in docs/compliance.md. They are stable: providers, reports
// and subscribers match on them.
const (
	NumberEmergency         = "NUMBER_EMERGENCY"
	NumberInvalid           = "NUMBER_INVALID"
	NumberTypeBlocked       = "NUMBER_TYPE_BLOCKED"
	JurisdictionUnsupported = "JURISDICTION_UNSUPPORTED"
	RulesetNotFound         = "RULESET_NOT_FOUND"
	DataStale               = "DATA_STALE"
	RuleError               = "RULE_ERROR"
	MetadataMissing         = "METADATA_MISSING"
	MetadataInvalid         = "METADATA_INVALID"
	ZIPRequired             = "ZIP_REQUIRED"
	ZIPInvalid              = "ZIP_INVALID"
	InvalidSchedule         = "INVALID_SCHEDULE"
	DNCInternal             = "DNC_INTERNAL"
	DNCListUnavailable      = "DNC_LIST_UNAVAILABLE"
	DNCListStale            = "DNC_LIST_STALE"
	ConsentRequired         = "CONSENT_REQUIRED"
	LocationUnknown         = "LOCATION_UNKNOWN"
	DayProhibited           = "DAY_PROHIBITED"
	TimeBeforeWindow        = "TIME_BEFORE_WINDOW"
	TimeAfterWindow         = "TIME_AFTER_WINDOW"
	TimeAmbiguousZone       = "TIME_AMBIGUOUS_ZONE"
	OverrideNotPermitted    = "OVERRIDE_NOT_PERMITTED"
	OverrideApplied         = "OVERRIDE_APPLIED"
	OK                      = "OK"
)

// A Retry says what would have to happen before the same request could pass.
type Retry string

// The classes of retry.
const (
	RetryNever   Retry = "never"         // this number, never
	RetryNo      Retry = "no"            // not without another basis for the call
	RetryFix     Retry = "after fix"     // the request or the configuration must change
	RetryRefresh Retry = "after refresh" // data must be made available or renewed
	RetryWait    Retry = "wait"          // nextAllowedAt says until when
	RetryNone    Retry = ""              // no objection
)

// A Term is one reason code.
type Term struct {
	Code    string
	Meaning string
	Retry   Retry
	// Later marks a code whose rule is not built yet: its place in the order is
	// taken, and no decision carries it.
	Later bool
}

// Vocabulary lists every code in order of precedence: the first reason of a
// decision is the one that comes first here.
func Vocabulary() []Term {
	return []Term{
		{NumberEmergency, "an emergency number or a short code", RetryNever, false},
		{NumberInvalid, "not E.164, wrong number of digits, or never assignable", RetryNever, false},
		{NumberTypeBlocked, "premium, toll-free, shared cost, personal, pager or satellite", RetryNever, false},
		{JurisdictionUnsupported, "the country is not the tenant's, or its rule set does not cover it", RetryNo, false},
		{RulesetNotFound, "no such rule set, or not one that the request may be judged by", RetryFix, false},
		{DataStale, "the time-zone data are older than a change of law that matters here", RetryRefresh, false},
		{RuleError, "a rule could not answer; nothing passes without its answer", RetryFix, false},
		{MetadataMissing, "metadata that the provider's settings require is not given", RetryFix, false},
		{MetadataInvalid, "a given fact cannot be read: zone, region, purpose, mode or alternate", RetryFix, false},
		{ZIPRequired, "the provider's settings require a postal code", RetryFix, false},
		{ZIPInvalid, "the postal code is none", RetryFix, false},
		{InvalidSchedule, "the instant at which the provider is to call has passed, or cannot be kept", RetryFix, false},
		{"LEAD_COMPLETED", "the lead is finished", RetryNo, true},
		{"NEXT_ATTEMPT_NOT_DUE", "the lead's next attempt is not due", RetryWait, true},
		{DNCInternal, "on the company's do-not-call list", RetryNever, false},
		{"CONSENT_REVOKED", "consent was withdrawn", RetryNever, true},
		{DNCListUnavailable, "a do-not-call list could not be read", RetryRefresh, false},
		{DNCListStale, "a do-not-call list is older than it may be", RetryRefresh, false},
		{"DNC_NATIONAL", "on the national registry", RetryNo, true},
		{"DNC_STATE", "on a state's registry", RetryNo, true},
		{ConsentRequired, "this way of calling needs consent on record", RetryNo, false},
		{"NUMBER_REASSIGNED", "the number has passed to somebody else", RetryNo, true},
		{"REASSIGNED_NO_DATA", "nobody knows whether it has", RetryNo, true},
		{"LINE_TYPE_WIRELESS_BLOCKED", "a wireless line, and those are scrubbed", RetryNo, true},
		{"LINE_TYPE_UNKNOWN", "wireless lines are scrubbed, and this one's type is not known", RetryNo, true},
		{"CALLER_ID_MISSING", "the caller id is withheld", RetryFix, true},
		{"EMERGENCY_SUSPENSION", "a state of emergency suspends such calls", RetryWait, true},
		{LocationUnknown, "nothing says where the telephone may ring", RetryFix, false},
		{"HOLIDAY_PROHIBITED", "a holiday there", RetryWait, true},
		{DayProhibited, "no calls on this weekday there", RetryWait, false},
		{TimeBeforeWindow, "too early in every zone where it may ring", RetryWait, false},
		{TimeAfterWindow, "too late in every zone where it may ring", RetryWait, false},
		{TimeAmbiguousZone, "the zones where it may ring disagree", RetryWait, false},
		{"CONSUMER_TIME_PREFERENCE", "the person called this time inconvenient", RetryWait, true},
		{"FREQUENCY_CAP_EXCEEDED", "too many attempts", RetryWait, true},
		{"POST_CONVERSATION_COOLDOWN", "too soon after a conversation", RetryWait, true},
		{"ABANDONED_CALL_COOLDOWN", "too soon after an abandoned call", RetryWait, true},
		{"NATURAL_RULE_DENIED", "a rule in the provider's language denies it", RetryNo, true},
		{"CUSTOM_RULE_DENIED", "a rule of the tenant's denies it", RetryNo, true},
		{OverrideNotPermitted, "an override was asked for that is not permitted", RetryFix, false},
		{OverrideApplied, "passed, because a permitted override lifted an objection", RetryNone, false},
		{OK, "passed", RetryNone, false},
	}
}

// rank is a code's place in the order; an unknown code comes last but counts.
func rank(order []Term, code string) int {
	i := slices.IndexFunc(order, func(t Term) bool { return t.Code == code })
	if i < 0 {
		return len(order)
	}
	return i
}
