package events

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
	"pgregory.net/rapid"
)

// What is said of a North American number without the library is what the
// library says.
func TestNorthAmericanNumbersAreWhatTheLibrarySaysTheyAre(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		if s := rapid.StringMatching(nanpShape.String()).Draw(rt, "number"); !canonicalNumber(s) {
			rt.Errorf("the library refuses %s", s)
		}
	})
	for area := 200; area < 1000; area++ {
		for _, rest := range []string{"5550142", "0000000", "9111234", "4110000", "2345678"} {
			if s := "+1" + strconv.Itoa(area) + rest; !canonicalNumber(s) || !IsE164(s) {
				t.Errorf("the library refuses %s", s)
			}
		}
	}
}

// Each class holds spellings of somebody's number that are not that number's
// own: accepted, they would pass a list that holds it, and ring it.
func TestWhatIsNotItsOwnCanonicalFormIsNoNumber(t *testing.T) {
	t.Parallel()
	for class, numbers := range map[string][]string{
		"a trunk zero behind the country code": {"+4401612345678", "+460736829291", "+49030123456", "+9109812345678", "+330612345678",
			"+810312345678", "+610212345678", "+860101234567", "+550211198765432", "+27021123456", "+4407700900123", "+440123456", "+49001234567"},
		"a trunk zero where numbers begin with zeros": {"+3903331234567", "+39003331234567"},
		"another national prefix":                     {"+114355550142", "+789161234567", "+77701234567890", "+360612345678", "+3780549", "+378886377"},
		"a carrier code":                              {"+55021119876543", "+5502111987654321", "+861795113812345678"},
		"a prefix of former days":                     {"+5215512345678", "+5204455123456", "+54111512345678", "+5411151234567"},
		"a country code twice": {"+91919812345678", "+919109812345678", "+39390612345678", "+656591234567",
			"+85285291234567", "+6161212345678", "+4444161234567", "+393903331234567"},
		"an international prefix":         {"+0044161234567", "+00441612345678", "+49004930123456", "+01114355550142", "+390039061234"},
		"too short":                       {"+1435555014", "+44161234", "+919812345", "+1911"},
		"what is dialed at home only":     {"+15550147", "+12345678", "+440155"},
		"too long":                        {"+143555501420", "+4416123456789", "+14355550142012", "+44161234567800"},
		"a country code that is nobody's": {"+2100000000", "+99912345678", "+3791234567"},
		"other digits":                    {"+١٤٣٥٥٥٥٠١٤٢", "+１４３５５５５０１４２", "＋14355550142", "+1435555014²", "+९८१२३४५६०१२"},
		"separators":                      {"+1 4355550142", "+1-435-555-0142", "+1(435)5550142", "+1.435.555.0142", "+1/4355550142", "+1\u00a04355550142", "tel:+14355550142"},
		"what nobody sees": {"+14355550142\u200b", "\ufeff+14355550142", "+1\u20604355550142", "\u202a+14355550142\u202c", "+1435\u00ad5550142",
			" +14355550142", "+14355550142 ", "+14355550142\n", "+14355550142\x00", "+1435555\ufe0f0142"},
		"an extension": {"+14355550142x12", "+14355550142;ext=12", "+14355550142#12", "+14355550142,12"},
		"no number":    {"", "+", "++14355550142", "14355550142", "+1435555CALL", "=+14355550142", "'+14355550142", "+14355550142.0", "+1.4355550142E10"},
	} {
		for _, n := range numbers {
			if IsE164(n) {
				t.Errorf("%s: %q is taken for a number", class, n)
			}
			if testKey.NumberToken(n) != "" || testKey.Number(n).Token != "" {
				t.Errorf("%s: %q has a token", class, n)
			}
		}
	}
}

// Every plausible number counts, assigned or not, and also where zeros and
// prefixes are part of it.
func TestEveryPlausibleNumberIsANumber(t *testing.T) {
	t.Parallel()
	for class, numbers := range map[string][]string{
		"a zero that is part of it":    {"+390612345678", "+390236014620", "+3780549886377", "+2250712345678", "+2290197123456"},
		"a prefix that is part of it":  {"+78005553535", "+78123456789", "+375800123456", "+61412345678", "+5491112345678", "+541112345678"},
		"its country's code again":     {"+919198123456", "+393906123456", "+4915112345678", "+5555991234567"},
		"numbers of today":             {"+441612345678", "+46736829291", "+4930123456", "+919812345678", "+525512345678", "+5511987654321", "+8613812345678"},
		"area codes newer than a list": {"+16795550123", "+14365550123", "+19835550123", "+14725550123", "+12745550123"},
		"test numbers":                 {"+12025550123", "+447700900123", "+14155550100", "+61491570156"},
		"nobody's as yet":              {"+11234567890", "+10005550123", "+33900000000"},
		"of no country":                {"+80012345678", "+870773111632", "+88312345678", "+979123456789"},
	} {
		for _, n := range numbers {
			if !IsE164(n) {
				t.Errorf("%s: %s is refused", class, n)
			}
		}
	}
}

// sameTelephone reads as forgivingly as a telephone company might.
func sameTelephone(s string) string {
	n, err := phonenumbers.Parse(s, "ZZ")
	if err != nil {
		return ""
	}
	return phonenumbers.Format(n, phonenumbers.E164)
}

// Whatever is accepted is the number a telephone company makes of it, so no two
// accepted texts are one telephone, and all that people write around it is read
// back to it.
func FuzzANumberHasOneIdentity(f *testing.F) {
	for _, s := range []string{"+4401612345678", "+14355550142", "+390612345678", "+5215512345678", "+91919812345678", "+8613800138000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		oneIdentity(t, s)
	})
}

func TestANumberHasOneIdentity(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		oneIdentity(t, rapid.StringMatching(`\+(1|44|39|49|91|52|54|55|7|86|61|65|852|36)0?[0-9]{6,12}`).Draw(t, "number"))
	})
}

func oneIdentity(t interface{ Fatalf(string, ...any) }, s string) {
	w, err := ReadNumber(s, "US")
	if err == nil && !IsE164(w.E164) {
		t.Fatalf("%q was read as %q", s, w.E164)
	}
	if !IsE164(s) {
		return
	}
	if same := sameTelephone(s); same != s {
		t.Fatalf("%s and %s are one telephone", s, same)
	}
	if err != nil || w.E164 != s || w.Extension {
		t.Fatalf("%s was read as %+v, %v", s, w, err)
	}
	for _, around := range []string{" ", "-", "\u200b", "\u00a0", "\u2011"} {
		if w, err := ReadNumber("+"+strings.Join(strings.Split(s[1:], ""), around), "GB"); err != nil || w.E164 != s {
			t.Fatalf("%s with %q between was read as %+v, %v", s, around, w, err)
		}
	}
}

func TestNumbersAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	for class, spellings := range map[string]map[string]string{
		"separators, US": {"+1 608 555 0147": "+16085550147", "(608) 555-0147": "+16085550147", "608.555.0147": "+16085550147", "1-608-555-0147": "+16085550147",
			"608/555-0147": "+16085550147", "+1-(358)-213-1634": "+13582131634", "[608] 555 0147": "+16085550147", "608555.0147": "+16085550147", "6085550147": "+16085550147"},
		"dashes of all kinds, US": {"608\u2010555\u20110147": "+16085550147", "608\u2013555\u20140147": "+16085550147", "608\u2212555\ufe580147": "+16085550147", "608\uff0d555-0147": "+16085550147"},
		"marks nobody sees, US": {"\ufeff+1 608 555 0147": "+16085550147", "608\u200b555\u200d0147": "+16085550147", "\u202a+16085550147\u202c": "+16085550147",
			"\u2066608 555 0147\u2069": "+16085550147", "608\u00ad555\u00ad0147": "+16085550147", "608\u00a0555\u202f0147": "+16085550147", "6085550147\u200e": "+16085550147", "608\ufe0f5550147": "+16085550147"},
		"blanks around it, US":                {" 6085550147\t": "+16085550147", "+16085550147\r\n": "+16085550147"},
		"a spreadsheet's apostrophe, US":      {"'+16085550147": "+16085550147", "'6085550147": "+16085550147", "\u20196085550147": "+16085550147"},
		"a trunk zero, as at home or not, GB": {"0161 234 5678": "+441612345678", "+44 (0)161 234 5678": "+441612345678", "+4401612345678": "+441612345678", "44 161 234 5678": "+441612345678"},
		"a trunk zero, IN":                    {"98123 45601": "+919812345601", "09812345601": "+919812345601", "919812345601": "+919812345601", "98123.45601": "+919812345601", "+91 098123 45601": "+919812345601"},
		"pairs, FR":                           {"06.12.34.56.78": "+33612345678", "06 12 34 56 78": "+33612345678"},
		"slashes, DE":                         {"030/123456": "+4930123456", "0171/1234567": "+491711234567", "03581/123456": "+493581123456"},
		"zeros that stay, IT":                 {"06 1234 5678": "+390612345678", "+39 06 1234 5678": "+390612345678"},
		"a number twice too far, US":          {"1 1 435 555 0142": "+14355550142", "+114355550142": "+14355550142"},
	} {
		home := class[len(class)-2:]
		for raw, want := range spellings {
			if got, err := ReadNumber(raw, home); err != nil || got.E164 != want || got.Extension || got.Abroad != 0 {
				t.Errorf("%s: %q is %+v, %v; want %s", class, raw, got, err, want)
			}
		}
	}
}

func TestAnExtensionIsLeftOutAndSaidSo(t *testing.T) {
	t.Parallel()
	for _, ext := range []string{"x12", " x12", " x 12", " X12", " ext 12", " ext. 12", " Ext: 12", ", ext 12", " extension 12", ";ext=12", " #12", "#12", " extn. 0012"} {
		got, err := ReadNumber("+1 435-555-0142"+ext, "US")
		if err != nil || got.E164 != "+14355550142" || !got.Extension {
			t.Errorf("%q: %+v, %v", ext, got, err)
		}
	}
	for _, none := range []string{"+1 435-555-0142 x", "+1435555xx42", "435x555x0142", "+1435555x0142", "608 555 0147 x 6085550148", "+14355550142;ext=", "+14355550142 x12 x13", "x12"} {
		if got, err := ReadNumber(none, "US"); err == nil {
			t.Errorf("%q: %+v", none, got)
		}
	}
}

// 00 and 011 mean what they mean where the number is dialed.
func TestInternationalPrefixesAreThoseOfHome(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		raw, home, want string
		abroad          int
	}{
		{"011 44 161 234 5678", "US", "+441612345678", 44}, {"00 44 161 234 5678", "DE", "+441612345678", 44}, {"0011 44 161 234 5678", "AU", "+441612345678", 44},
		{"00 1 608 555 0147", "GB", "+16085550147", 1}, {"0091 98123 45601", "IN", "+919812345601", 91},
		{"00 44 161 234 5678", "US", "", 0}, {"011 44 161 234 5678", "DE", "+491144161234567", 0},
	} {
		got, err := ReadNumber(tc.raw, tc.home)
		if tc.home == "DE" && tc.abroad == 0 {
			if err == nil && got.Abroad != 0 {
				t.Errorf("%q in %s: %+v", tc.raw, tc.home, got)
			}
			continue
		}
		if got.E164 != tc.want || got.Abroad != tc.abroad || (err == nil) != (tc.want != "") {
			t.Errorf("%q in %s: %+v, %v", tc.raw, tc.home, got, err)
		}
	}
}

// What means something is never dropped: the rest would be somebody else.
func TestMeaningIsNeverDropped(t *testing.T) {
	t.Parallel()
	for class, tc := range map[string]struct {
		want error
		raws []string
	}{
		"letters, US":             {ErrLetters, []string{"1-435-555-CALL", "1-800-FLOWERS", "435555O142", "+1 435 555 0142 home", "tel:+14355550142", "435-555-0l42", "6085550147 ext"}},
		"exponents, IN":           {ErrLetters, []string{"9.812345601E9", "9.81E+09", "9812345601e0"}},
		"decimals, IN":            {ErrDecimal, []string{"9812345601.0", "9812345601.00", "9812345601.5", "919812345601.0", "+919812345601.0", "+91 98123 45601.0", "98.1234.5601.0", "9812345601.000"}},
		"decimals, US":            {ErrDecimal, []string{"6085550147.0", "16085550147.00", "60855501.00", "(608) 555-0147.5"}},
		"no area code, US":        {ErrLocal, []string{"555-0147", "5550147", "867.5309"}},
		"two numbers, US":         {ErrSeveral, []string{"608-555-0147, 608-555-0148", "6085550147;6085550148", "6085550147|6085550148", "+16085550147+16085550148", "608-555-0147 / 608-555-0148", "608-555-0147/8", "6085550147\n6085550148", "6085550147\t6085550148", "608-555-0147 & 0148"}},
		"two numbers, DE":         {ErrSeveral, []string{"030 123456/57", "030 123456 / 030 123457", "+4930123456/+4930123457"}},
		"formulas, US":            {ErrFormula, []string{"=6085550147", `="6085550147"`, "=608-555-0147", "=+16085550147"}},
		"other digits, US":        {ErrDigits, []string{"٦٠٨٥٥٥٠١٤٧", "６０８５５５０１４７", "608555014⁷", "+1608555014½"}},
		"other marks, US":         {ErrMark, []string{"*67 6085550147", "6085550147*", "~6085550147", "-6085550147", ".6085550147", "\"6085550147\"", "608_555_0147", "＋16085550147", "6085550147?", "608:5550147"}},
		"no number at all, US":    {ErrNoNumber, []string{"", " ", "sssssss", "+", "---", "1-415-333-333-3333", "12", "+1608555014", "608555014777777777", strings.Repeat("6", 4000)}},
		"a code too many, IN":     {ErrNotCanonical, []string{"+91 91 98123 45678", "+91-91-9812345678"}},
		"a masked number, US":     {ErrMark, []string{"608***0147", "+1******0147"}},
		"a masked number too, US": {ErrLetters, []string{"608xxx0147", "+1xxxxxx0147"}},
	} {
		home := class[len(class)-2:]
		for _, raw := range tc.raws {
			got, err := ReadNumber(raw, home)
			if !errors.Is(err, tc.want) || got != (WrittenNumber{}) {
				t.Errorf("%s: %.30q is %+v, %v; want %v", class, raw, got, err, tc.want)
			}
		}
	}
}

// An error never repeats what was written.
func FuzzReadNumber(f *testing.F) {
	for _, s := range []string{"9812345601.0", "+1 608 555 0147 x12", "\ufeff'608/555.0147", "=1+1", "٦٠٨", "(((", "/", ".", "0.0", "+"} {
		f.Add(s, "US")
		f.Add(s, "IN")
	}
	f.Fuzz(func(t *testing.T, raw, home string) {
		w, err := ReadNumber(raw, home)
		switch {
		case err != nil && w != WrittenNumber{}:
			t.Fatalf("%q is both %+v and %v", raw, w, err)
		case err == nil && !IsE164(w.E164):
			t.Fatalf("%q is %+v", raw, w)
		}
	})
}
