package acqueon

import (
	"regexp"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"github.com/outdial/outdial/pkg/events"
)

var e164Shape = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// IsE164 reports whether s has the shape of an E.164 number.
func IsE164(s string) bool { return e164Shape.MatchString(s) }

// Digits are the digits of s and nothing else.
func Digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// National gives a number's country calling code and its national digits, as
// one dials within the country.
func National(e164 string) (country int32, digits string, ok bool) {
	n, err := phonenumbers.Parse(e164, "ZZ")
	if err != nil {
		return 0, "", false
	}
	return n.GetCountryCode(), phonenumbers.GetNationalSignificantNumber(n), true
}

// CallingCode is a region's country calling code, 0 for an unknown region.
func CallingCode(region string) int {
	return phonenumbers.GetCountryCodeForRegion(region)
}

// FromInternational reads a number that carries its country code, with or
// without the plus (Webex CC: sent without, reported with); one that can only
// be national is read in region. "" is what is no number.
func FromInternational(number, region string) string {
	if strings.HasPrefix(strings.TrimSpace(number), "+") {
		return possible(number, "ZZ")
	}
	d := Digits(number)
	for _, try := range []struct{ number, region string }{{"+" + d, "ZZ"}, {d, region}} {
		if n, err := phonenumbers.Parse(try.number, try.region); err == nil && phonenumbers.IsValidNumber(n) {
			return phonenumbers.Format(n, phonenumbers.E164)
		}
	}
	return First(possible("+"+d, "ZZ"), possible(d, region))
}

// FromNational reads a number that carries no country code (Five9), or that
// has a plus after all. "" is what is no number.
func FromNational(number, region string) string {
	if strings.HasPrefix(strings.TrimSpace(number), "+") {
		return possible(number, "ZZ")
	}
	return possible(Digits(number), region)
}

// possible does not insist that the number is assigned: a test number that
// nobody has is still the number that was dialed.
func possible(number, region string) string {
	if len(number) > 32 {
		return ""
	}
	n, err := phonenumbers.Parse(number, region)
	if err != nil || !phonenumbers.IsPossibleNumber(n) {
		return ""
	}
	if s := phonenumbers.Format(n, phonenumbers.E164); IsE164(s) {
		return s
	}
	return ""
}

// FallbackKey names a call that has no id of its own, by an id that is shared
// and the number (WXC-17). It is a digest, so that the number is not repeated
// in the clear on every event.
func FallbackKey(sharedID, e164 string) string {
	return "by-number-" + events.EventID(sharedID, "acqueon.call", e164)
}

// Attrs gathers a call's details that are not personal.
type Attrs struct {
	national string // of the customer, to keep the number out
	m        map[string]string
}

// NewAttrs begins with the customer's number, which no detail may repeat.
func NewAttrs(customer string) *Attrs {
	_, national, _ := National(customer)
	return &Attrs{national: national, m: map[string]string{}}
}

// Add keeps a detail, unless it is empty or repeats the customer's number.
func (a *Attrs) Add(key, value string) {
	if value == "" || (len(a.national) >= 6 && strings.Contains(Digits(value), a.national)) {
		return
	}
	a.m[key] = Clip(value)
}

// Map gives what was kept, nil when nothing was.
func (a *Attrs) Map() map[string]string {
	if len(a.m) == 0 {
		return nil
	}
	return a.m
}
