package rules

import "testing"

func TestNumbers(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		story, to string
		valid     bool
		country   string
		kind      string
	}{
		{"a number kept for fiction", "+16085550123", true, "US", kindFixedOrMobile},
		{"another", "+12125550100", true, "US", kindFixedOrMobile},
		{"the TCN document's own sample", "+14355551234", true, "US", kindFixedOrMobile},
		{"fiction in American Samoa", "+16845550134", true, "AS", kindFixedOrMobile},
		{"fiction in Saipan", "+16705550133", true, "MP", kindFixedOrMobile},
		{"fiction on British mobiles", "+447700900104", true, "GB", kindMobile},
		{"a mobile in India", "+917702779401", true, "IN", kindFixedOrMobile},
		{"a landline in Nepal", "+97715550100", true, "NP", kindFixed},
		{"Jamaica", "+18765550137", true, "JM", kindMobile},
		{"an exchange that begins with 1", "+16081234567", false, "US", kindUnknown},
		{"an exchange that begins with 0", "+16080234567", false, "US", kindUnknown},
		{"an exchange that is a service code", "+12129110100", false, "US", kindFixedOrMobile},
		{"toll-free", "+18005550140", true, "US", kindTollFree},
		{"personal", "+15005550142", true, "US", kindPersonal},
		{"premium by area code", "+19005550143", true, "US", kindPremium},
		{"premium by exchange", "+12129765550", true, "US", kindPremium},
		{"a carrier's service", "+17005550100", true, "US", kindGlobal},
		{"Iridium", "+881612345678", true, "", kindSatellite},
		{"Inmarsat", "+870712345678", true, "", kindSatellite},
		{"British premium", "+449012345678", true, "GB", kindPremium},
		{"French shared cost", "+33810123456", true, "FR", kindSharedCost},
		{"British toll-free", "+448081570000", true, "GB", kindTollFree},
	} {
		n := readNumber(tc.to)
		if n.valid != tc.valid || n.country != tc.country || n.kind != tc.kind || !n.shaped || n.emergency {
			t.Errorf("%s: %+v; want valid %v, country %q, kind %s", tc.story, n, tc.valid, tc.country, tc.kind)
		}
	}
}

func TestWhatIsNotANumber(t *testing.T) {
	t.Parallel()
	for _, to := range []string{
		"", "+", "12125550100", "+0123456789", "+1 212 555 0100", "+1-212-555-0100", "+1212FLOWERS",
		"+12125550100;ext=5", "+1212555010", "+4401612345678", "+114355550142", "+91919812345678", "+1212555010012345678", "tel:+12125550100", "+１２１２５５５０１００", "+12125550100\n",
	} {
		if n := readNumber(to); n.shaped || n.valid {
			t.Errorf("%q was taken for a number: %+v", to, n)
		}
	}
}

func TestEmergencyNumbersInEveryDisguise(t *testing.T) {
	t.Parallel()
	for _, to := range []string{
		"911", "+911", "+1911", "112", "+112", "999", "+44999", "+44112", "000", "+61000", "+91112", "+49110",
		"+1988", "+1933", "+1411", "+1211", " 911 ", "+977100",
	} {
		if !readNumber(to).emergency {
			t.Errorf("%q was not recognised", to)
		}
	}
	for _, to := range numbers() {
		if n := readNumber(to); n.emergency && n.valid {
			t.Errorf("%q is an ordinary number", to)
		}
	}
}

// Every blocked kind is refused under the strictest rules, whatever else holds.
func TestBlockedKinds(t *testing.T) {
	t.Parallel()
	rs := embeddedSets(t)["us-federal"]
	strict := embeddedSets(t)["default-safest"]
	for _, tc := range []struct {
		to     string
		rs     RuleSet
		reason string
	}{
		{"+19005550143", rs, NumberTypeBlocked},
		{"+17005550100", rs, NumberTypeBlocked},
		{"+12129765550", rs, NumberTypeBlocked},
		{"+881612345678", rs, NumberTypeBlocked},
		{"+18005550140", strict, NumberTypeBlocked},
		{"+15005550142", strict, NumberTypeBlocked},
		{"+18005550140", rs, LocationUnknown},
		{"+15005550142", rs, LocationUnknown},
	} {
		f := noon()
		f.To = tc.to
		if d := Decide(tc.rs, f, embeddedZones(t)); d.Allowed || d.Primary() != tc.reason {
			t.Errorf("%s under %s: %s, want %s", tc.to, tc.rs.Name, d.Primary(), tc.reason)
		}
	}
}
