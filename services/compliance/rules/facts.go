package rules

import (
	"time"

	"github.com/outdial/outdial/pkg/events"
)

// An Answer is what is known about a yes-or-no question. The zero value is
// "not known", so that a fact nobody filled in refuses the call.
type Answer int

// The three answers.
const (
	NotKnown Answer = iota
	No
	Yes
)

// Facts is all that is known about a call at the instant of deciding. A zero
// field means "not known" or "not given", and never helps a call to pass.
type Facts struct {
	Now time.Time // the judged instant; zero is an error of the caller

	To         string   // E.164
	Alternates []string // E.164, other numbers of the same person
	Purpose    string   // "" is telemarketing
	Mode       string   // "" is manual

	PostalCode string
	Region     string // state or province
	TimeZone   string // IANA name
	Metadata   []events.KeyValue

	// OnCompanyList says whether the company's do-not-call list has the number.
	OnCompanyList Answer
	ListVersion   string
	ListAsOf      *time.Time
	ListedUntil   *time.Time // when the entry ends, exclusive; nil is for ever
	ListGoodUntil *time.Time // until when the list may be relied on, exclusive; nil is no limit

	Countries        []string // ISO 3166-1 alpha-2, those the tenant may call; none allows none
	RequiredMetadata []string // names that the provider's settings require, aliases applied
	PostalRequired   bool     // the provider's settings require a postal code
	TotalDigits      int      // length of a national number in the provider's country record; 0 is not known

	Overrides        []events.Override
	OverridesAllowed []string // rule ids that the provider's settings let agents override

	ClockOffset string // rehearsal offset, for the evidence
}
