package bus

import (
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"github.com/outdial/outdial/pkg/events"
)

// Digits are the digits of s and nothing else.
func Digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// CallingCode is a region's country calling code, 0 for an unknown region.
func CallingCode(region string) int {
	return phonenumbers.GetCountryCodeForRegion(region)
}

// FromInternational reads a number that carries its country code, with or
// without the plus (Webex CC: sent without, reported with); one that can only
// be national is read in region. "" is what is not a number in that form.
func FromInternational(number, region string) string {
	digits, plus, err := events.NumberDigits(number)
	if err != nil {
		return ""
	}
	abroad := canonical("+" + digits)
	if plus || valid(abroad) {
		return abroad
	}
	if home := national(digits, region); abroad == "" || valid(home) {
		return home
	}
	return abroad
}

func valid(e164 string) bool {
	n, err := phonenumbers.Parse(e164, "ZZ")
	return err == nil && phonenumbers.IsValidNumber(n)
}

// FromNational reads a number that carries no country code (Five9), or that
// has a plus after all. "" is what is not a number in that form.
func FromNational(number, region string) string {
	digits, plus, err := events.NumberDigits(number)
	switch {
	case err != nil:
		return ""
	case plus:
		return canonical("+" + digits)
	}
	return national(digits, region)
}

func canonical(s string) string {
	if !events.IsE164(s) {
		return ""
	}
	return s
}

// national reads digits as dialed at home: the number, the number behind one
// trunk prefix, or the number behind the country code. A reader who forgives
// more would take one number for another: 114355550142 is nobody's.
func national(digits, region string) string {
	n, err := phonenumbers.Parse(digits, region)
	if err != nil {
		return ""
	}
	number := phonenumbers.GetNationalSignificantNumber(n)
	before, ends := strings.CutSuffix(digits, number)
	trunk, country := phonenumbers.GetNddPrefixForRegion(region, true), strconv.Itoa(CallingCode(region))
	if !ends || before != "" && before != trunk && before != country {
		return ""
	}
	// It is possible that a test number is nobody's: it is still what was dialed.
	return canonical(phonenumbers.Format(n, phonenumbers.E164))
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
	_, national, _ := events.National(customer)
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
