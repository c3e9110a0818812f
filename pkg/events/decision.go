package events

import "time"

// A Reason is one objection of compliance. Codes are those of the normalised
// vocabulary in docs/compliance.md, in precedence order; the first reason of a
// decision is the primary one.
type Reason struct {
	Code   string `json:"code"`             // stable, e.g. DNC_INTERNAL
	Rule   string `json:"rule"`             // id of the rule that objects, e.g. company-dnc
	Detail string `json:"detail,omitempty"` // for a person; never a number or a name
	Source string `json:"source,omitempty"` // where the rule comes from: law, document, policy
	// NextAllowedAt is the first moment at which this objection alone would
	// be gone; nil when no waiting cures it.
	NextAllowedAt *time.Time `json:"nextAllowedAt,omitempty"`
}

// LocalTime is the decision's instant in one candidate zone.
type LocalTime struct {
	Zone    string `json:"zone"`    // IANA name
	Local   string `json:"local"`   // RFC 3339 with offset
	Weekday string `json:"weekday"` // Mon … Sun
	From    string `json:"from"`    // what made the zone a candidate: npa, zip, timeZone, region, country, alternate
	Open    bool   `json:"open"`    // inside the window there
}

// RuleResult is what one rule said, content or not.
type RuleResult struct {
	Rule   string `json:"rule"`
	Answer string `json:"answer"` // ok, objects, not_known, not_applicable
	Detail string `json:"detail,omitempty"`
	Source string `json:"source,omitempty"`
}

// NoEntry is the version of a list that said nothing of a number: what it would
// have said has no place in the list.
const NoEntry = "no entry"

// ListVersion names one list or table that a decision consulted.
type ListVersion struct {
	Name    string     `json:"name"`
	Version string     `json:"version"`
	AsOf    *time.Time `json:"asOf,omitempty"`
	Answer  string     `json:"answer,omitempty"` // listed, clear, not_known
}

// Evidence is what a decision rested on, so that it can be replayed later.
type Evidence struct {
	At          time.Time     `json:"at"`                    // the judged instant
	ClockOffset string        `json:"clockOffset,omitempty"` // rehearsal offset, when the clock was shifted
	Purpose     string        `json:"purpose,omitempty"`
	Mode        string        `json:"mode,omitempty"`
	Country     string        `json:"country,omitempty"` // ISO 3166-1 alpha-2
	NumberType  string        `json:"numberType,omitempty"`
	Ruleset     string        `json:"ruleset"`
	RulesetHash string        `json:"rulesetHash"` // sha256 of the rule set's canonical JSON
	Engine      string        `json:"engine"`      // version of the rules
	TZData      string        `json:"tzdata"`      // IANA release of the zone data
	Zones       []LocalTime   `json:"zones,omitempty"`
	Rules       []RuleResult  `json:"rules"`
	Lists       []ListVersion `json:"lists,omitempty"`
	// Alternates are the person's other numbers, where the provider may call them.
	Alternates []NumberVerdict `json:"alternates,omitempty"`
}

// A NumberVerdict is what was found of one of a person's other numbers. Zones,
// rule set and tables are those of the decision that it is part of.
type NumberVerdict struct {
	Number
	Allowed    bool     `json:"allowed"`
	Country    string   `json:"country,omitempty"` // ISO 3166-1 alpha-2
	NumberType string   `json:"numberType,omitempty"`
	Reasons    []Reason `json:"reasons,omitempty"` // why it may not be called, the weightiest first
	// List is what the company's do-not-call list said of it.
	List ListVersion `json:"list"`
}
