package events

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"
)

// E164Pattern is the shape of a telephone number in E.164 (ITU-T E.164): a plus
// sign and 7 to 15 digits, the first of them not 0. It is necessary, not
// sufficient: see IsE164.
const E164Pattern = `^\+[1-9][0-9]{6,14}$`

var e164Shape = regexp.MustCompile(E164Pattern)

// IsE164 reports whether s is a telephone number in its canonical E.164 form,
// the only one in which numbers are accepted, compared and tokenised. Two
// spellings would be two numbers to every list and one telephone to the world:
// +4401612345678 rings +441612345678.
//
// Every plausible number counts, assigned or not. What its numbering plan
// rewrites (a trunk zero, a carrier code, a prefix of former days), what is too
// short or too long for it, and what can be dialed at home only does not.
func IsE164(s string) bool {
	return e164Shape.MatchString(s) && (nanpShape.MatchString(s) || canonicalNumber(s))
}

// nanpShape is a number of the North American Numbering Plan in which nothing
// is left to rewrite. The library takes some eighty times as long to say
// the same.
var nanpShape = regexp.MustCompile(`^\+1[2-9][0-9]{9}$`)

func canonicalNumber(s string) bool {
	n, err := phonenumbers.Parse(s, noRegion)
	return err == nil && phonenumbers.IsPossibleNumberWithReason(n) == phonenumbers.IS_POSSIBLE &&
		phonenumbers.Format(n, phonenumbers.E164) == s && !disguised(n)
}

// National gives a number's country calling code and its national digits, as
// one dials within the country. Not ok: the number is not in canonical E.164, so
// its digits would ring somebody else.
func National(e164 string) (country int32, digits string, ok bool) {
	if nanpShape.MatchString(e164) {
		return 1, e164[2:], true
	}
	if !IsE164(e164) {
		return 0, "", false
	}
	n, err := phonenumbers.Parse(e164, noRegion)
	if err != nil {
		return 0, "", false
	}
	return n.GetCountryCode(), phonenumbers.GetNationalSignificantNumber(n), true
}

// noRegion is where no number is at home: only what carries its country is read.
const noRegion = "ZZ"

// disguised says that a number nobody can have begins with its plan's trunk zero,
// or is somebody's once the zeros in front of it, or a country code that stands
// there twice, are dropped. Plans with numbers of many lengths let all that pass.
func disguised(n *phonenumbers.PhoneNumber) bool {
	if phonenumbers.IsValidNumber(n) {
		return false
	}
	national, country := phonenumbers.GetNationalSignificantNumber(n), strconv.Itoa(int(n.GetCountryCode()))
	bare := strings.TrimLeft(national, "0")
	region := phonenumbers.GetRegionCodeForCountryCode(int(n.GetCountryCode()))
	if bare != national && phonenumbers.GetNddPrefixForRegion(region, true) == "0" {
		return true
	}
	return slices.ContainsFunc([]string{bare, strings.TrimPrefix(bare, country)}, func(s string) bool {
		if s == national {
			return false
		}
		m, err := phonenumbers.Parse("+"+country+s, noRegion)
		return err == nil && phonenumbers.IsValidNumber(m)
	})
}

// Why a number could not be read. The texts never repeat it.
var (
	ErrNoNumber     = errors.New("it is no telephone number")
	ErrLetters      = errors.New("it holds letters")
	ErrDigits       = errors.New("its digits are not 0 to 9")
	ErrMark         = errors.New("it holds a mark that separates no digits")
	ErrSeveral      = errors.New("it holds more than one number")
	ErrDecimal      = errors.New("it is a decimal")
	ErrFormula      = errors.New("it is a spreadsheet's formula")
	ErrLocal        = errors.New("the area code is missing")
	ErrNotCanonical = errors.New("digits stand in it that are no part of the number")
)

// A WrittenNumber is a number as people write it, read.
type WrittenNumber struct {
	E164 string
	// Extension says that an extension stood behind the number, and was left out.
	Extension bool
	// Abroad is the country calling code that was read behind the home region's
	// international prefix (011, 00); 0 without one.
	Abroad int
}

// ReadNumber reads a number as people write it. home is the ISO region in which
// a number without a plus is dialed: 00 and 011 mean there what they mean when
// dialed there. Only separators and invisible marks are dropped; what else
// stands in the text is an error, because it meant something.
func ReadNumber(raw, home string) (WrittenNumber, error) {
	text, extension := cutExtension(raw)
	digits, plus, err := NumberDigits(text)
	if err != nil {
		return WrittenNumber{}, err
	}
	region := home
	if plus {
		digits, region = "+"+digits, noRegion
	}
	if err := oneNumber(text, region); err != nil {
		return WrittenNumber{}, err
	}
	n, err := phonenumbers.ParseAndKeepRawInput(digits, region)
	if err != nil {
		return WrittenNumber{}, ErrNoNumber
	}
	w := WrittenNumber{E164: phonenumbers.Format(n, phonenumbers.E164), Extension: extension}
	if n.GetCountryCodeSource() == phonenumbers.PhoneNumber_FROM_NUMBER_WITH_IDD {
		w.Abroad = int(n.GetCountryCode())
	}
	switch {
	case phonenumbers.IsPossibleNumberWithReason(n) == phonenumbers.IS_POSSIBLE_LOCAL_ONLY:
		return WrittenNumber{}, ErrLocal
	case phonenumbers.IsPossibleNumberWithReason(n) != phonenumbers.IS_POSSIBLE:
		return WrittenNumber{}, ErrNoNumber
	case !IsE164(w.E164):
		return WrittenNumber{}, ErrNotCanonical
	}
	return w, nil
}

// longestWritten bounds what is looked at, in bytes.
const longestWritten = 128

// NumberDigits are the digits of a number and whether a plus stands before
// them. Spaces, dashes, brackets, slashes, dots and what nobody can see are
// dropped; anything else is an error.
func NumberDigits(raw string) (digits string, plus bool, err error) {
	text := visible(raw)
	if len(raw) > longestWritten || !strings.ContainsFunc(text, unicode.IsNumber) {
		return "", false, ErrNoNumber
	}
	if text[0] == '=' {
		return "", false, ErrFormula
	}
	var out []byte
	for _, r := range text {
		switch {
		case '0' <= r && r <= '9':
			out = append(out, byte(r))
		case unicode.IsNumber(r):
			return "", false, ErrDigits
		case unicode.IsLetter(r):
			return "", false, ErrLetters
		case r == '+' && len(out) == 0 && !plus:
			plus = true
		case strings.ContainsRune("+,;|&\\\t\r\n", r):
			return "", false, ErrSeveral
		case unicode.Is(unicode.Zs, r) || strings.ContainsRune("()[]", r):
		case len(out) == 0 || !unicode.Is(unicode.Pd, r) && !strings.ContainsRune("\u2212/.\u00b7", r):
			return "", false, ErrMark // a number does not begin with a minus or a dot
		}
	}
	return string(out), plus, nil
}

// visible is the text without invisible marks and blanks around it, and
// without the apostrophe by which spreadsheets keep a number as it is.
func visible(raw string) string {
	text := strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) {
			return -1
		}
		return r
	}, raw)
	return strings.TrimLeft(strings.TrimSpace(text), "'\u2018\u2019")
}

var extensionShape = regexp.MustCompile(`(?i)^(.*[0-9)])[\s\p{Zs}]*(?:;ext=|,?[\s\p{Zs}]*(?:extension|extn?|x)[\s\p{Zs}]*[.:]?[\s\p{Zs}]*|#[\s\p{Zs}]*)[0-9]{1,6}$`)

// cutExtension takes a recognised extension off: x12, ext. 12, ;ext=12, #12.
func cutExtension(raw string) (text string, cut bool) {
	if len(raw) > longestWritten {
		return raw, false
	}
	text = visible(raw)
	if m := extensionShape.FindStringSubmatch(text); m != nil {
		return m[1], true
	}
	return text, false
}

var decimal = regexp.MustCompile(`^\+?[0-9]+\.(0+|[0-9]{1,2})$`)

// oneNumber tells a dot between groups of digits from a decimal's, and a slash
// between them from one between two numbers: what stands before it is somebody's
// number already.
func oneNumber(text, region string) error {
	if decimal.MatchString(visible(text)) {
		return ErrDecimal
	}
	for i, r := range text {
		if r != '.' && r != '/' {
			continue
		}
		digits, plus, err := NumberDigits(text[:i])
		if err != nil {
			continue
		}
		if plus {
			digits = "+" + digits
		}
		n, err := phonenumbers.Parse(digits, region)
		switch {
		case err != nil || !phonenumbers.IsValidNumber(n) || strings.Trim(text[i:], "./ ") == "":
		case r == '.':
			return ErrDecimal
		default:
			return ErrSeveral
		}
	}
	return nil
}
