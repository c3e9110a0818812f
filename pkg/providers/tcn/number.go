package tcn

import (
	"slices"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"github.com/outdial/outdial/pkg/events/fault"
)

func bySid(list []country, sid text) (country, bool) {
	i := slices.IndexFunc(list, func(c country) bool { return sid != "" && c.CountrySid == sid })
	if i < 0 {
		return country{}, false
	}
	return list[i], true
}

// byRegion finds the country of an ISO region: several regions share one.
func byRegion(list []country, region string) (country, bool) {
	i := slices.IndexFunc(list, func(c country) bool {
		return slices.ContainsFunc(c.RegionCodes, func(r string) bool { return strings.EqualFold(r, region) })
	})
	if i < 0 {
		return country{}, false
	}
	return list[i], true
}

// splitNumber takes a number apart as TCN wants it: national digits, and the country
// whose code was in front. The home country goes first, then the country of
// the number's region, then any whose code fits.
func splitNumber(e164 string, home text, list []country) (national string, in country, err error) {
	bad := func(code string) error { return fault.New(fault.Permanent, "tcn number", code, nil) }
	digits, ok := strings.CutPrefix(e164, "+")
	if !ok || !isInteger(digits) {
		return "", country{}, bad("invalid_number")
	}
	var candidates []country
	if c, ok := bySid(list, home); ok {
		candidates = append(candidates, c)
	}
	if n, err := phonenumbers.Parse(e164, ""); err == nil {
		if c, ok := byRegion(list, phonenumbers.GetRegionCodeForNumber(n)); ok {
			candidates = append(candidates, c)
		}
	}
	prefixed := false
	for _, c := range append(candidates, list...) {
		rest, ok := strings.CutPrefix(digits, string(c.CountryCode))
		if !ok || c.CountryCode == "" || rest == "" {
			continue
		}
		if prefixed = true; c.TotalDigits > 0 && int(c.TotalDigits) != len(rest) {
			continue
		}
		return rest, c, nil
	}
	if prefixed {
		return "", country{}, bad("invalid_number")
	}
	return "", country{}, bad("country_unknown")
}

// nationalOf takes a known country code off a number.
func nationalOf(e164, countryCode string) (string, bool) {
	rest, ok := strings.CutPrefix(e164, "+"+countryCode)
	return rest, ok && countryCode != "" && rest != "" && isInteger(rest)
}
