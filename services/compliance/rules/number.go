package rules

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"github.com/outdial/outdial/pkg/events"
)

// A number is what the numbering plans say about one telephone number.
type number struct {
	shaped    bool   // E.164 in canonical form
	valid     bool   // a number that can be assigned
	emergency bool   // an emergency number or short code
	country   string // ISO 3166-1 alpha-2; "" when not known
	kind      string // as in the evidence
	national  int    // digits after the country code
}

// Kinds of number, as the evidence names them.
const (
	kindFixed         = "fixed"
	kindMobile        = "mobile"
	kindFixedOrMobile = "fixed_or_mobile"
	kindVoIP          = "voip"
	kindTollFree      = "toll_free"
	kindPersonal      = "personal"
	kindUAN           = "uan"
	kindPremium       = "premium"
	kindSharedCost    = "shared_cost"
	kindPager         = "pager"
	kindVoicemail     = "voicemail"
	kindSatellite     = "satellite"
	kindGlobal        = "global_service"
	kindUnknown       = "unknown"
)

// readNumber judges a number. It never fails: what it cannot read is unshaped.
func readNumber(to string) number {
	n := number{kind: kindUnknown, emergency: isEmergency(to)}
	if !events.IsE164(to) {
		return n
	}
	n.shaped = true
	parsed, err := phonenumbers.Parse(to, "ZZ")
	if err != nil {
		return n
	}
	n.national = len(phonenumbers.GetNationalSignificantNumber(parsed))
	n.country = phonenumbers.GetRegionCodeForNumber(parsed)
	if n.country == "" {
		// A number that its plan does not know still belongs to a country.
		n.country = phonenumbers.GetRegionCodeForCountryCode(int(parsed.GetCountryCode()))
	}
	if n.country == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY {
		n.country = ""
	}
	n.valid = phonenumbers.IsValidNumber(parsed)
	n.kind = kindOf(phonenumbers.GetNumberType(parsed))
	correct(&n, to)
	return n
}

// correct applies what the library does not know.
func correct(n *number, to string) {
	for prefix, kind := range worldCodes() {
		if strings.HasPrefix(to, prefix) {
			// Whether the library knows the number matters less than that
			// none of its kind is called: the type is the reason to give.
			n.valid, n.kind = true, kind
		}
	}
	// The numbers that Ofcom keeps for drama count as unassigned in the
	// library. Rehearsals may use them, and nobody can be called by them.
	if strings.HasPrefix(to, "+447700900") && len(to) == 13 {
		n.valid, n.kind = true, kindMobile
	}
	if !strings.HasPrefix(to, "+1") || len(to) != 12 {
		return
	}
	area, exchange := to[2:5], to[5:8]
	switch {
	case area == "900", exchange == "976":
		n.kind = kindPremium
	case area == "700":
		// Carriers' own services: a real code, which the library leaves out.
		n.valid, n.kind = true, kindGlobal
	case area == "500":
		n.kind = kindPersonal
	}
	// The library gives American Samoa only the exchanges in use; 555-01xx is
	// kept for fiction there as everywhere in the plan.
	if strings.HasPrefix(to, "+168455501") {
		n.valid, n.country, n.kind = true, "AS", kindFixedOrMobile
	}
	// An exchange begins with 2 to 9 and is never a service code such as 911.
	if exchange[0] < '2' || exchange[1:] == "11" {
		n.valid = false
	}
}

// worldCodes are country codes that belong to no country.
func worldCodes() map[string]string {
	return map[string]string{
		"+870": kindSatellite, "+881": kindSatellite, "+882": kindSatellite, "+883": kindSatellite,
		"+800": kindGlobal, "+808": kindGlobal, "+878": kindGlobal, "+888": kindGlobal, "+979": kindPremium,
	}
}

func kindOf(t phonenumbers.PhoneNumberType) string {
	return cmp.Or(map[phonenumbers.PhoneNumberType]string{
		phonenumbers.FIXED_LINE: kindFixed, phonenumbers.MOBILE: kindMobile, phonenumbers.FIXED_LINE_OR_MOBILE: kindFixedOrMobile,
		phonenumbers.VOIP: kindVoIP, phonenumbers.TOLL_FREE: kindTollFree, phonenumbers.PERSONAL_NUMBER: kindPersonal,
		phonenumbers.UAN: kindUAN, phonenumbers.PREMIUM_RATE: kindPremium, phonenumbers.SHARED_COST: kindSharedCost,
		phonenumbers.PAGER: kindPager, phonenumbers.VOICEMAIL: kindVoicemail,
	}[t], kindUnknown)
}

// isEmergency recognises an emergency number or short code in every way it may
// be written: bare, with a plus, or behind a country code.
func isEmergency(to string) bool {
	plain := strings.TrimPrefix(strings.TrimSpace(to), "+")
	if len(plain) > 9 || !allDigits(plain) {
		return false
	}
	switch plain {
	case "000", "110", "111", "112", "113", "114", "115", "117", "118", "119", "911", "933", "988", "999":
		return true
	}
	for cut := 1; cut <= 3 && cut < len(plain); cut++ {
		if shortCode(plain[:cut], plain[cut:]) {
			return true
		}
	}
	return false
}

// shortCode reports whether rest, in the country of that code, is a number one
// may dial without an area code: emergency services first of all.
func shortCode(code, rest string) bool {
	if len(rest) > 6 {
		return false
	}
	cc, _ := strconv.Atoi(code) // digits alone
	for _, region := range phonenumbers.GetRegionCodesForCountryCode(cc) {
		if region == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY {
			continue
		}
		if phonenumbers.IsEmergencyNumber(rest, region) {
			return true
		}
		national, err := phonenumbers.Parse(rest, region)
		if err == nil && phonenumbers.IsValidShortNumberForRegion(national, region) {
			return true
		}
	}
	return false
}

func allDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
