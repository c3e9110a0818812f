package events

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestWhatLooksLikeANumberIsMasked(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		// Numbers, as people and programs write them.
		"+12125550142":                          "+1******0142",
		"12125550142":                           "****42",
		"2125550142":                            "****42",
		"5550142":                               "****42",
		"555-0142":                              "****42",
		"(212) 555-0142":                        "(****42",
		"+1 (212) 555-0142":                     "+1******0142",
		"212.555.0142":                          "****42",
		"212/555/0142":                          "****42",
		"1_212_555_0142":                        "****42",
		"00 44 20 7946 0958":                    "****58",
		"+44 20 7946 0958":                      "+44******0958",
		"612345678":                             "****78",
		"61 23 45 67":                           "****67",
		"tel:+1-212-555-0142;ext=12":            "tel:+1******0142;ext=12",
		"sip:+12125550142@pbx.example.com":      "sip:****@pbx.example.com",
		"sips:2125550142@pbx":                   "sips:****@pbx",
		"https://crm.example.com/c/12125550142": "https://crm.example.com/c/****42",
		"https://crm.example.com/%2B12125550142/x": "https://crm.example.com/+1******0142/x",
		"212%2D555%2D0142":                         "****42",
		"%32%31%32%35%35%35%30%31%34%32":           "****42",
		"２１２５５５０１４２":                               "****４２",
		"٢١٢٥٥٥٠١٤٢":                               "****٤٢",
		"212\u00a0555\u00a00142":                   "****42",
		"212\u200b555\u20110142":                   "****42",
		"order-2125550142":                         "order-****42",
		"x2125550142x12":                           "x****42x12",
		"2125550142@2026-11-28":                    "****28",
		"call 212 555 0142 back":                   "call ****42 back",
		"212-555-0142 and 435-555-1234":            "****42 and ****34",
		"2125550142 4355551234":                    "****34",
		"121.255.50.142.1":                         "****21",
		"+121.255.50.142":                          "+1******0142",
		"2012-12-12 125 5501 42":                   "****42",
		"12125550-1420-4000-8000-000000000000":     "****00",

		// Addresses and credentials.
		"mailto:jane@example.com":                     "mailto:****@example.com",
		"https://user:hunter2@crm.example.com/x":      "https://****@crm.example.com/x",
		"https://crm.example.com/x?token=abc&a=1#t=2": "https://crm.example.com/x?token=****&a=****#t=****",

		// What is no number stays.
		"":                                     "",
		"order-17":                             "order-17",
		"https://crm.example.com/e2e":          "https://crm.example.com/e2e",
		"/crm":                                 "/crm",
		"bad-123456":                           "bad-123456",
		"2026-11-28":                           "2026-11-28",
		"moved to 2026-11-28T20:00:00Z, again": "moved to 2026-11-28T20:00:00Z, again",
		"550e8400-e29b-41d4-a716-446655440000": "550e8400-e29b-41d4-a716-446655440000",
		"urn:uuid:550e8400-e29b-41d4-a716-446655440000": "urn:uuid:550e8400-e29b-41d4-a716-446655440000",
		"http://127.0.0.1:8080/crm":                     "http://127.0.0.1:8080/crm",
		"da39a3ee5e6b4b0d3255bfef95601890afd80709":      "da39a3ee5e6b4b0d3255bfef95601890afd80709",
		"room 12, 3rd floor":                            "room 12, 3rd floor",
		"two\nlines":                                    "two lines",
	} {
		if got := Showable(in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
}

// spelled draws a number as somebody may write it, inside of something else.
func spelled(t *rapid.T) (text, digits string) {
	digits = rapid.StringMatching(`[2-9][0-9]{6,14}`).Draw(t, "number")
	var b strings.Builder
	b.WriteString(rapid.SampledFrom([]string{"", "order-", "tel:", "sip:", "https://x/", "https://x/?to=", "call ", "+", "%2B", "00", "("}).Draw(t, "before"))
	for i, d := range digits {
		if i > 0 {
			b.WriteString(rapid.SampledFrom([]string{"", "", "", " ", "-", ".", "/", ") ", " - ", "%20", "\u00a0", "\u200b"}).Draw(t, "between"))
		}
		b.WriteRune(d)
	}
	b.WriteString(rapid.SampledFrom([]string{"", "x12", ";ext=3", "@pbx.example.com", "/leads", " again", "#a"}).Draw(t, "after"))
	return b.String(), digits
}

func TestNoSpellingOfANumberIsShown(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text, digits := spelled(t)
		shown := Showable(text)
		var left strings.Builder
		for _, g := range glyphs(shown) {
			if g.digit() {
				left.WriteRune(g.r)
			}
		}
		if strings.Contains(left.String(), digits) || left.Len() > len("123")+len("4567")+len("12") {
			t.Fatalf("%q is shown as %q", text, shown)
		}
	})
}

func FuzzShowable(f *testing.F) {
	for _, s := range []string{"+12125550142", "a@b@c", "??=a=b&", "//", "%2", "%%%", "2026-11-28 1", strings.Repeat("1é", 200), "\xff12345678", "1*2*3*4567890"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		shown := Showable(text)
		if !utf8.ValidString(shown) || len(shown) > mostShown || strings.ContainsAny(shown, "\r\n\x00") {
			t.Fatalf("%q is shown as %q", text, shown)
		}
		if again := Showable(shown); len(text) < 100 && again != shown {
			t.Fatalf("%q is shown as %q, and that as %q", text, shown, again)
		}
	})
}
