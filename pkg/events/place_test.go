package events

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

// A zone is evidence for where somebody is only if it is a place. Clocks that
// are kept nowhere in particular would put everybody where the caller likes.
func TestOnlyAPlaceSaysWhereSomebodyIs(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"America/New_York", "America/Indiana/Indianapolis", "America/Port-au-Prince", "Europe/London", "Asia/Kolkata", "Pacific/Pago_Pago",
		"Australia/Lord_Howe", "Antarctica/McMurdo", "Arctic/Longyearbyen", "Atlantic/Canary", "Indian/Chagos", "Africa/Cairo",
		"US/Eastern", "Canada/Newfoundland", "Mexico/General", "Brazil/East", "Chile/Continental", "Jamaica", "GB-Eire", "Navajo", "NZ-CHAT", "W-SU",
	} {
		if !IsPlace(name) {
			t.Errorf("%s is a place", name)
		}
	}
	for _, name := range []string{
		"", "UTC", "utc", "UCT", "Universal", "Zulu", "GMT", "GMT0", "GMT+0", "GMT-0", "Greenwich", "Etc/UTC", "Etc/GMT+5", "Etc/GMT", "etc/utc", "ETC/UTC",
		"EST", "MST", "HST", "EST5EDT", "CST6CDT", "MST7MDT", "PST8PDT", "WET", "CET", "MET", "EET", "PST", "IST", "Factory", "localtime", "Local",
		"posixrules", "posix/America/New_York", "right/America/New_York", "SystemV/EST5", "Mars/Olympus", "America", "America/", "/America/New_York",
		"america/new_york", "AMERICA/NEW_YORK", "America//New_York", "America/..", "../America/New_York", "US", "Z", "+05:00", "UTC+5", "5",
		"America/New_York ", " America/New_York", "America/New York", "America/New_York\u200b",
	} {
		if IsPlace(name) {
			t.Errorf("%q is no place", name)
		}
	}
}

// asKey are spellings of the key of a postal code; all of them are read.
func asKey() []string {
	return []string{
		"Zip Code", "zip code", "ZIP CODE", "ZipCode", "zipCode", "ZIPCode", "zip_code", "zip-code", "ZIP", "zip", "Zip", "zip:", "Zip Code:", " Zip Code ",
		"Zip\u00a0Code", "\ufeffZip Code", "Zip\u200bCode", "Z\u200dip Code", "Zip\u2003Code", "Zip\tCode", "Zip  Code", "Zip.Code", "Zip/Code", "*Zip Code",
		"Zip Code*", "#zip", "[Zip]", "\"Zip Code\"", "ＺＩＰ　Ｃｏｄｅ", "𝐙𝐢𝐩", "Zíp Code", "Zi\u0301p", "zip\u00adcode", "\u202aZip Code\u202c",
		"Postal Code", "PostalCode", "postal_code", "Postal", "postcode", "Post Code", "POSTCODE", "ZIP/Postal Code", "Postal Code / ZIP", "Zip or Postal Code",
		"zip5", "ZIP+4", "Zip Code 1", "Code postal", "Code Postal:", "US Zip", "Zip\nCode",
	}
}

// nearKey are spellings that nobody can be sure of.
func nearKey() []string {
	return []string{
		"Home Zip", "HomeZip", "homezip", "billing_zip_code", "Customer ZIP", "custZipCd", "zips", "Zip Codes", "zipcd", "Zip (home)", "Zip of residence", "zpi",
		"Zip Cod", "Zpi Code", "Zip Coed", "Zip C0de", "Zip Cоde", "zlp code", "Zop Code", "Zip Code Nr", "Postal Cod", "Postla Code", "Postalcodee", "Postl Code",
		"Home Postal Code", "my postcode", "Psotcode", "Mailing post code", "Shipping Zipcode",
	}
}

// otherKey are keys that people really use for something else.
func otherKey() []string {
	return []string{
		"Account", "Account Number", "Name", "First Name", "City", "State", "Address", "Postal Address", "Country", "Code", "SIC Code", "Cost Code",
		"POS Code", "Port Code", "Portal Code", "PIN Code", "SIP Code", "VIP", "VIP Code", "Tip", "Ship Date", "Z Code", "Zone", "Zone Code", "Promo Code", "Post",
		"Host Code", "ID", "é", "x", "1", "Past Code", "Area Code", "Campaign", "Lead", "Offer", "Zulu", "Recipient", "Discount", "Balance", "Postage", "Post Date",
		"Deposit Code", "+", " ",
	}
}

func TestTheKeyOfAPostalCodeInEverySpelling(t *testing.T) {
	t.Parallel()
	for _, list := range []struct {
		keys     []string
		is, near bool
	}{{asKey(), true, false}, {nearKey(), false, true}, {otherKey(), false, false}} {
		for _, key := range list.keys {
			if is, near := PostalKey(key); is != list.is || near != list.near {
				t.Errorf("%q: is %v, nearly is %v; want %v, %v", key, is, near, list.is, list.near)
			}
		}
	}
}

// Whatever invisible marks, blanks, punctuation and capitals a key is written
// with, it says the same.
func TestHowAKeyIsDressedDoesNotMatter(t *testing.T) {
	t.Parallel()
	dress := []rune{'\u00a0', '\u200b', '\ufeff', '\u2060', '\u00ad', '\u202e', ' ', '\t', '_', '-', ':', '.', '*', '\'', '\u2013', '\u3000'}
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SampledFrom([]string{"zipcode", "zip", "postalcode", "postcode"}).Draw(t, "key")
		var b strings.Builder
		for _, r := range key {
			for range rapid.IntRange(0, 2).Draw(t, "marks") {
				b.WriteRune(rapid.SampledFrom(dress).Draw(t, "mark"))
			}
			if rapid.Bool().Draw(t, "upper") {
				r = unicode.ToUpper(r)
			}
			b.WriteRune(r)
		}
		if is, near := PostalKey(b.String()); !is || near {
			t.Fatalf("%q is not read as the key of a postal code", b.String())
		}
	})
}

func FuzzPostalKey(f *testing.F) {
	for _, key := range append(append(asKey(), nearKey()...), otherKey()...) {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		is, near := PostalKey(key)
		if is && near {
			t.Errorf("%q is the key and nearly the key", key)
		}
		if again, _ := PostalKey(" " + key + ":"); again != is {
			t.Errorf("%q with a blank and a colon is another key", key)
		}
	})
}

// At the door: what is nearly the key is refused, what is the key or another
// one is taken, all as it came.
func TestANearMissOfALocationKeyIsNeverIgnored(t *testing.T) {
	t.Parallel()
	c := testContext()
	ask := func(key string) (Intake, []Fault) {
		quoted, err := json.Marshal(key)
		if err != nil {
			t.Fatal(err)
		}
		in, faults, _ := read(requestHeader(), `{"to":"+12025550123","agent":"2098765","metadata":[{"key":"Account","value":"1"},{"key":`+string(quoted)+`,"value":"20001"}]}`, c)
		return in, faults
	}
	for _, key := range append(asKey(), otherKey()...) {
		if in, faults := ask(key); len(faults) > 0 || in.Request.Metadata[1] != (KeyValue{key, "20001"}) {
			t.Errorf("%q: %v", key, faults)
		}
	}
	for _, key := range nearKey() {
		_, faults := ask(key)
		if len(faults) != 1 || faults[0].Code != FaultNearKey || faults[0].Pointer != "/metadata/1/key" || !strings.HasSuffix(faults[0].Message, "did you mean Zip Code?") {
			t.Errorf("%q: %v", key, faults)
		}
	}
}
