// Package zones answers where a telephone may be ringing: every time zone that
// the number, a postal code, a region, a named zone and the person's other
// numbers point to. It never guesses one zone out of several. A consistent fact
// narrows the number's own zones, a conflicting one widens them, and no fact at
// all yields no zone, which the rules read as "do not call".
//
//	number ──▶ area code (data/npa.txt, splits.go) or country (data/countries.txt)
//	postal code ──▶ data/zips.txt, canada.go      region ──▶ regions.go
//	named zone ──▶ data/tzdata.zip                 other numbers ──▶ as the number
//
// The package carries its own IANA data, because the data inside a Go release
// lag the law: British Columbia, Alberta, the Northwest Territories and Manitoba
// all stopped changing their clocks in 2026. It is pure: no clock, no network,
// no file outside the binary. Where the data come from is in NOTICE.
package zones

//go:generate go run ../../../gen/zones npa
