package rules

import (
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
)

// In Los Angeles it is half past seven, in New York half past ten. Whoever
// gives the Californian address of a New York number, under whatever spelling
// of the key, must not be called now.
func TestALocationUnderAnySpellingOfItsKeyCounts(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 15, 30, 0, 0, time.UTC)
	for _, key := range []string{
		"Zip Code", "zip code", "ZipCode", "zip_code", "ZIP", "Zip\u00a0Code", "\ufeffZip Code", "Zip\u200bCode:", "Postal Code", "PostalCode",
		"postcode", "ZIP/Postal Code", "Code postal", "ＺＩＰ", "ZIP+4",
	} {
		d := Decide(embeddedSets(t)["us-federal"], Facts{Now: now, To: "+12125550150", OnCompanyList: No, Countries: []string{"US"},
			Metadata: []events.KeyValue{{Key: "Account", Value: "1"}, {Key: key, Value: "90001"}}}, embeddedZones(t))
		if d.Primary() != TimeAmbiguousZone {
			t.Errorf("%q: %s", key, d.Primary())
		}
	}
}

// What stands where a postal code should is read if it can only mean one, and
// refuses the call otherwise. It is never passed over.
func TestAPostalCodeAsPeopleWriteIt(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 14, 30, 0, 0, time.UTC) // too early on the Pacific coast
	for value, want := range map[string]string{
		"90001": TimeAmbiguousZone, " 90001 ": TimeAmbiguousZone, "\u00a090001\u00a0": TimeAmbiguousZone, "\ufeff90001": TimeAmbiguousZone,
		"90\u200b001": TimeAmbiguousZone, "90001-1234": TimeAmbiguousZone, "90001\u20131234": TimeAmbiguousZone, "90001 1234": TimeAmbiguousZone,
		"90001\u00a01234": TimeAmbiguousZone, "900011234": TimeAmbiguousZone, "90001 - 1234": TimeAmbiguousZone, "90001\u20111234": TimeAmbiguousZone,
		"V8V": TimeAmbiguousZone, "v8v 1a1": TimeAmbiguousZone, "V8V\u00a01A1": TimeAmbiguousZone, "V8V-1A1": TimeAmbiguousZone,

		"1234": ZIPInvalid, "1234-5678": ZIPInvalid, "12345678": ZIPInvalid, "90001.0": ZIPInvalid, "9.0001E4": ZIPInvalid, "90001-": ZIPInvalid, "90001-12": ZIPInvalid,
		"9000": ZIPInvalid, "900O1": ZIPInvalid, "９０００１": ZIPInvalid, "٩٠٠٠١": ZIPInvalid, "90001, 90002": ZIPInvalid, "CA 90001": ZIPInvalid, "'90001": ZIPInvalid,
		"+90001": ZIPInvalid, "90 001": ZIPInvalid, "900 01": ZIPInvalid, "9-0-0-0-1": ZIPInvalid, "N/A": ZIPInvalid, "null": ZIPInvalid, "-": ZIPInvalid, "\u200b": ZIPInvalid,
		"D1A 1A1": ZIPInvalid, "V8V 1A": ZIPInvalid, "VV8 1A1": ZIPInvalid, "0": ZIPInvalid, "90001\n10001": ZIPInvalid,

		"00000": LocationUnknown, "09001": LocationUnknown,
		"": OK, "  ": OK, "\u00a0": OK,
	} {
		for _, f := range []Facts{{PostalCode: value}, {Metadata: []events.KeyValue{{Key: "Zip Code", Value: value}}}} {
			f.Now, f.To, f.OnCompanyList, f.Countries = now, "+12125550150", No, []string{"US"}
			if d := Decide(embeddedSets(t)["us-federal"], f, embeddedZones(t)); d.Primary() != want {
				t.Errorf("%q: %s, want %s", value, d.Primary(), want)
			}
		}
	}
}
