package events

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Showable is a text of somebody else's, e.g. a request's id or the reason of a
// command, as it may stand where many can read it: in REJECTED, in OPS, in a log
// line. What could be a telephone number is masked, however it is spelled, and
// so are credentials and the names in addresses; line breaks and what is beyond
// 256 bytes are left out. The rest stays, so that its author knows it again.
// Showing once more what is shown whole changes nothing.
//
// A date, a UUID, a hash and an IP address are no numbers. An order number of
// seven digits or more cannot be told from one.
func Showable(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	text = MaskNumbers(shorten(text))
	text = userinfo.ReplaceAllString(text, "//"+masked+"@")
	text = mailbox.ReplaceAllString(text, masked+"@")
	return shorten(queryValue.ReplaceAllString(text, "${1}"+masked))
}

const (
	masked = "****"
	// fewestDigits of a telephone number: a local one without its area code.
	fewestDigits = 7
	// widestGap is how many marks may stand between two digits of a number, as
	// in "(212) - 555".
	widestGap = 3
	// mostShown bytes of a text are shown, the mark of a cut included.
	mostShown = 256
)

var (
	userinfo   = regexp.MustCompile(`//[^/\s@]*@`)
	mailbox    = regexp.MustCompile(`[^\s@/<>,;:"'()]+@`)
	queryValue = regexp.MustCompile(`([?&#][^=&#?\s]{0,64}=)[^&#\s]+`)

	// noNumber finds what has many digits and is no telephone number.
	noNumber = regexp.MustCompile(strings.Join([]string{
		`(?:19|20|21)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?:[T ](?:[01]\d|2[0-3])(?::?[0-5]\d){1,2}(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)?`,
		`[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-8][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}`,
		`[0-9a-fA-F]{64}|[0-9a-fA-F]{40}|[0-9a-fA-F]{32}`,
		`(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}(?::\d{1,5})?`,
	}, "|"))
)

// A glyph is one character of a text, or what a %XX of a URL stands for.
type glyph struct {
	r        rune
	from, to int // in the text
}

func (g glyph) digit() bool  { return unicode.IsDigit(g.r) || unicode.Is(unicode.No, g.r) }
func (g glyph) letter() bool { return unicode.IsLetter(g.r) || unicode.IsMark(g.r) }

// glyphs takes a text apart.
func glyphs(text string) []glyph {
	out := make([]glyph, 0, len(text))
	for i := 0; i < len(text); {
		if text[i] == '%' && i+2 < len(text) {
			if code, err := strconv.ParseUint(text[i+1:i+3], 16, 8); err == nil {
				out = append(out, glyph{rune(code), i, i + 3})
				i += 3
				continue
			}
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		out = append(out, glyph{r, i, i + n})
		i += n
	}
	return out
}

// MaskNumbers masks what could be a telephone number in a text, and leaves the
// rest as it is: every run of digits, with few marks between them, that is long
// enough.
func MaskNumbers(text string) string {
	all := glyphs(text)
	spared := sparedIn(text, all)
	var b strings.Builder
	done := 0 // bytes of the text that are written
	for i := 0; i < len(all); {
		end, digits := run(all, i, spared)
		if len(digits) < fewestDigits {
			i = max(end, i+1)
			continue
		}
		from := all[i].from
		international := i > 0 && all[i-1].r == '+'
		if international {
			from = all[i-1].from
		}
		b.WriteString(text[done:max(from, done)])
		b.WriteString(maskOf(digits, international))
		done = all[end-1].to
		i = end
	}
	b.WriteString(text[done:])
	return b.String()
}

// run is the run of digits that begins at i: where it ends, and its digits.
func run(all []glyph, i int, spared []bool) (end int, digits string) {
	var b strings.Builder
	end = i
	for gap := 0; i < len(all) && gap <= widestGap; i++ {
		switch {
		case all[i].digit() && !spared[i]:
			b.WriteRune(all[i].r)
			gap, end = 0, i+1
			continue
		case all[i].letter(), spared[i], b.Len() == 0, all[i].r == '*':
			return end, b.String()
		}
		gap++
	}
	return end, b.String()
}

// maskOf keeps what the mask of a number keeps.
func maskOf(digits string, international bool) string {
	runes := []rune(digits)
	if international && len(runes) == len(digits) {
		return Mask("+" + digits)
	}
	return masked + string(runes[len(runes)-2:])
}

// sparedIn marks the glyphs of what is known to be no number, where it stands
// for itself: what has digits, or a plus, right beside it is a part of something
// else.
func sparedIn(text string, all []glyph) []bool {
	spared := make([]bool, len(all))
	at := make([]int, len(text)+1) // glyph by byte
	for i, g := range all {
		for j := g.from; j < g.to; j++ {
			at[j] = i
		}
	}
	at[len(text)] = len(all)
	for _, m := range noNumber.FindAllStringIndex(text, -1) {
		from, to := at[m[0]], at[m[1]]
		if !alone(all, from, to) || !plausible(text[m[0]:m[1]]) {
			continue
		}
		for i := from; i < to; i++ {
			spared[i] = true
		}
	}
	return spared
}

// alone reports whether no digit, letter or plus is near on either side.
func alone(all []glyph, from, to int) bool {
	near := func(i, step int) bool {
		for gap := 0; i >= 0 && i < len(all) && gap <= widestGap; i, gap = i+step, gap+1 {
			if all[i].letter() {
				return gap == 0
			}
			if all[i].digit() || all[i].r == '+' {
				return true
			}
		}
		return false
	}
	return !near(from-1, -1) && !near(to, 1)
}

// plausible reports whether what looks like a UUID or a hash has the letters of
// one: digits alone could be somebody's number, dressed up.
func plausible(s string) bool {
	if len(s) < 32 {
		return true
	}
	letters := 0
	for i := range len(s) {
		if s[i] >= 'A' {
			letters++
		}
	}
	return letters >= 4
}

// shorten cuts a text where a character ends.
func shorten(text string) string {
	if len(text) <= mostShown {
		return text
	}
	return strings.ToValidUTF8(text[:mostShown-len("…")], "") + "…"
}

// Shown is a note as it may be stored: its sender's words are showable.
func (r Rejected) Shown() Rejected {
	r.Source, r.ID = Showable(r.Source), Showable(r.ID)
	return r
}

// Shown is an entry as it may be stored: what a person typed is showable.
func (o Ops) Shown() Ops {
	o.By, o.Reason = Showable(o.By), Showable(o.Reason)
	return o
}
