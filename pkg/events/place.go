package events

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// IsPlace reports whether the name of a time zone is that of a place, by its
// form: an area of the IANA database and a location in it, or one of the old
// names of single countries. UTC, offsets, abbreviations and what a machine
// calls its own clock are kept nowhere, so they cannot say where somebody is.
// Whether the zone exists is a question for the zone data.
func IsPlace(zone string) bool {
	area, location, found := strings.Cut(zone, "/")
	if !found {
		return slices.Contains([]string{
			"Cuba", "Egypt", "Eire", "GB", "GB-Eire", "Hongkong", "Iceland", "Iran", "Israel", "Jamaica", "Japan", "Kwajalein", "Libya",
			"NZ", "NZ-CHAT", "Navajo", "PRC", "Poland", "Portugal", "ROC", "ROK", "Singapore", "Turkey", "W-SU",
		}, zone)
	}
	return zoneShape.MatchString(location) && slices.Contains([]string{
		"Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific",
		"Brazil", "Canada", "Chile", "Mexico", "US",
	}, area)
}

// PostalKey reads the key of a metadata entry: it is that of a postal code in
// one of its many spellings, or nearly is, so that nobody can be sure. Capitals,
// blanks, punctuation, digits, accents and marks that cannot be seen do not
// matter. A location that is given under a misspelt key must not be overlooked:
// the person would be judged to be somewhere else.
func PostalKey(key string) (is, near bool) {
	words := wordsOf(key)
	joined := strings.Join(words, "")
	if slices.Contains([]string{"zip", "zipcode", "postal", "postalcode", "postcode"}, joined) || postalWords(words) {
		return true, false
	}
	for _, word := range words {
		near = near || strings.HasPrefix(word, "zip") || strings.HasSuffix(word, "zip")
	}
	for _, name := range []string{"zipcode", "postalcode", "postcode"} {
		near = near || strings.Contains(joined, name)
	}
	return false, near || misspelt(joined)
}

// postalWords reports whether the words speak of a postal code and of nothing
// else, as in "ZIP / Postal Code".
func postalWords(words []string) bool {
	says := false
	for i, word := range words {
		switch word {
		case "zip", "zipcode", "postal", "postalcode", "postcode":
			says = true
		case "post":
			says = says || i+1 < len(words) && words[i+1] == "code"
		case "code", "or", "plus", "us":
		default:
			return false
		}
	}
	return says
}

// misspelt finds slips of the hand: for "zipcode" any two behind the first
// letter; for the others one letter too many, too few or out of turn, because
// Port Code, Cost Code and Portal Code are words of their own. So are Z Code
// and POS Code.
func misspelt(joined string) bool {
	if joined == "zpi" || len(joined) >= 6 && joined[0] == 'z' && edits(joined, "zipcode") <= 2 {
		return true
	}
	for _, name := range []string{"postalcode", "postcode"} {
		if edits(joined, name) == 1 && joined != "poscode" && (len(joined) != len(name) || sameLetters(joined, name)) {
			return true
		}
	}
	return false
}

func sameLetters(a, b string) bool {
	x, y := []byte(a), []byte(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

// wordsOf cuts a key into words of small letters, also where a capital begins
// one. Compatibility forms (full width, bold) become plain letters.
func wordsOf(key string) []string {
	var words []string
	var word []rune
	end := func() {
		if len(word) > 0 {
			words = append(words, strings.ToLower(string(word)))
			word = nil
		}
	}
	for _, r := range norm.NFKD.String(key) {
		switch {
		case unicode.In(r, unicode.Cf, unicode.M): // cannot be seen, or an accent
		case !unicode.IsLetter(r):
			end()
		default:
			if n := len(word); n > 0 && unicode.IsUpper(r) && unicode.IsLower(word[n-1]) {
				end()
			}
			word = append(word, r)
		}
	}
	end()
	return words
}
