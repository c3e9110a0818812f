package tcn

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestASidIsKeptDigitByDigit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { // TCN-04, TCN-05, X-04
		digits := rapid.StringMatching(`[1-9][0-9]{0,40}`).Draw(t, "sid")
		for _, form := range []string{digits, `"` + digits + `"`} {
			var got text
			if err := json.Unmarshal([]byte(form), &got); err != nil || string(got) != digits {
				t.Fatalf("%s became %q, %v", form, got, err)
			}
		}
	})
	for form, want := range map[string]string{`"0018"`: "0018", `""`: "", `null`: "", `"0"`: "0"} {
		var got text
		if err := json.Unmarshal([]byte(form), &got); err != nil || string(got) != want {
			t.Errorf("%s became %q, %v", form, got, err)
		}
	}
	for _, form := range []string{`1.5`, `1e6`, `{}`, `[]`, `true`} {
		var got text
		if err := json.Unmarshal([]byte(form), &got); err == nil {
			t.Errorf("%s became %q", form, got)
		}
	}
}

func TestAFlagIsYesOnlyWhenItIsClear(t *testing.T) {
	t.Parallel()
	for form, want := range map[string]bool{ // TCN-16, 17, 18
		`true`: true, `"true"`: true, `"TRUE"`: true, `1`: true, `"1"`: true, `" True "`: true,
		`false`: false, `"false"`: false, `""`: false, `0`: false, `null`: false, `"maybe"`: false, `{}`: false, `[1]`: false,
	} {
		var got flag
		if err := json.Unmarshal([]byte(form), &got); err != nil || got.on != want {
			t.Errorf("%s became %v, %v", form, got.on, err)
		}
	}
}

func TestAnIntegerMayBeAText(t *testing.T) {
	t.Parallel()
	for form, want := range map[string]integer{`"486"`: 486, `486`: 486, `"-1"`: -1, `""`: 0, `null`: 0} { // TCN-19, 56
		var got integer
		if err := json.Unmarshal([]byte(form), &got); err != nil || got != want {
			t.Errorf("%s became %d, %v", form, got, err)
		}
	}
	var got integer
	if err := json.Unmarshal([]byte(`"`+strings.Repeat("9", 30)+`"`), &got); err == nil {
		t.Error("30 digits do not fit")
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	list := []country{
		{CountrySid: "1", CountryCode: "1", TotalDigits: 10, RegionCodes: []string{"US", "CA"}},
		{CountrySid: "44", CountryCode: "44", TotalDigits: 10, RegionCodes: []string{"GB"}},
		{CountrySid: "7", CountryCode: "7", TotalDigits: 10, RegionCodes: []string{"RU"}},
		{CountrySid: "77", CountryCode: "7", TotalDigits: 10, RegionCodes: []string{"KZ"}},
		{CountrySid: "49", CountryCode: "49", RegionCodes: []string{"DE"}},
	}
	for _, tc := range []struct{ story, number, home, national, sid string }{
		{"TCN-30: a number of the home country", "+14355551234", "1", "4355551234", "1"},
		{"TCN-32: Canada shares it", "+14165550123", "1", "4165550123", "1"},
		{"TCN-29: another country's", "+442071838750", "1", "2071838750", "44"},
		{"two countries share a code: by region", "+77012345678", "1", "7012345678", "77"},
		{"the home country goes first", "+79161234567", "7", "9161234567", "7"},
		{"no length is known", "+4930123456", "1", "30123456", "49"},
	} {
		national, in, err := splitNumber(tc.number, text(tc.home), list)
		if err != nil || national != tc.national || string(in.CountrySid) != tc.sid {
			t.Errorf("%s: got %q in %q, %v", tc.story, national, in.CountrySid, err)
		}
	}
	for _, bad := range []string{"", "+", "14355551234", "+1435555123", "+143555512345", "+1435555123x", "+8112345678"} {
		if national, _, err := splitNumber(bad, "1", list); err == nil {
			t.Errorf("%q became %q", bad, national)
		} else if bad != "" && bad != "+" && strings.Contains(err.Error(), bad) {
			t.Errorf("the error quotes the number: %v", err)
		}
	}
	if c, ok := byRegion(list, "ca"); !ok || c.CountrySid != "1" {
		t.Errorf("TCN-32: CA is in %q", c.CountrySid)
	}
}
