package events

import (
	"slices"
	"strconv"
	"strings"
)

// What a fault may say of a name that a stranger wrote. A member's name can be
// anything, a customer's name too, so only our own vocabulary is repeated, and
// what is plainly a misspelt word of it.

// vocabulary lists the names of every member a request may have, at any depth;
// a test holds it together with what is read.
func vocabulary() []string {
	return []string{
		"to", "alternates", "from", "agent", "huntGroup", "queue", "connection", "campaign", "reference", "contact", "parent",
		"priority", "purpose", "seller", "offer", "debt", "mode", "metadata", "postalCode", "region", "timeZone", "consent",
		"ruleset", "recording", "overrides", "notBefore", "expiresAt", "options",
		"key", "value", "id", "on", "permission", "rule", "reason",
	}
}

// mayRepeat reports whether a member's name may stand in a pointer: a known
// one, or one that cannot be anything but a known one misspelt.
func mayRepeat(name string) bool {
	return slices.Contains(vocabulary(), name) ||
		slices.ContainsFunc(vocabulary(), func(known string) bool { return slipOf(name, known) })
}

// slipOf reports whether a name is a known one written in another case or
// with other joints, or a long one with a slip. Short ones have neighbours that
// are people: Keller is one letter from seller.
func slipOf(name, known string) bool {
	if strings.ContainsFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '_' && c != '-'
	}) {
		return false
	}
	word := strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(name))
	known = strings.ToLower(known)
	slips := 0
	switch {
	case len(known) >= 8:
		slips = 2
	case len(known) >= 7:
		slips = 1
	}
	return edits(word, known) <= slips
}

// attrPointer names an attribute of the envelope, one of CloudEvents' own or of
// ours; what else stands there is not repeated.
func attrPointer(name string) string {
	switch name {
	case "id", "source", attrType, attrVersion, attrMediaType, "time", "subject", "dataschema",
		ExtCorrelation, ExtCausation, ExtPartitionKey, ExtSequence, ExtTraceParent, ExtExpiryTime:
		return "/ce-" + name
	}
	return ""
}

// sayUnknown is the message about a member that nobody knows: what was probably
// meant, or where it stands.
func sayUnknown(f field, known []string) string {
	if like := Nearest(f.name, known); like != "" {
		return saysOf(FaultUnknownField) + "; did you mean " + like + "?"
	}
	return saysOf(FaultUnknownField) + " (name " + strconv.Itoa(f.at) + " of its object)"
}

// Nearest finds the known name that a misspelt one was probably meant to be, ""
// if none: at most two edits away, and fewer than half of its letters. (A few
// lines instead of agnivade/levenshtein, which knows no transpositions.)
func Nearest(name string, known []string) string {
	best, bestAt := "", 3
	for _, k := range known {
		if d := edits(strings.ToLower(name), strings.ToLower(k)); 2*d < len(k) && (d < bestAt || d == bestAt && k < best) {
			best, bestAt = k, d
		}
	}
	return best
}
