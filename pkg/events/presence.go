package events

import (
	"slices"
	"strings"
	"unicode"
)

// OtherReason stands for every reason of a presence that is not on the list.
const OtherReason = "other"

// PresenceReasons lists the reasons that a desktop, or a command, may give for
// a presence. The list is closed: what an agent types could be a customer's name.
func PresenceReasons() []string {
	return []string{
		"admin", "away", "break", "busy", "coaching", "end_of_shift", "follow_up", "lunch", "meal", "meeting", "offline",
		"on_call", "personal", "project", "restroom", "sick", "signed_out", "supervisor", "system_issue", "technical", "training", "wrap_up",
	}
}

// PresenceReason brings a reason as somebody says it onto the list: "" stays
// "", "Lunch" is lunch, and what is not on the list is OtherReason.
func PresenceReason(said string) string {
	words := strings.FieldsFunc(strings.ToLower(said), func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })
	word := strings.Join(words, "_")
	switch {
	case strings.TrimSpace(said) == "":
		return ""
	case slices.Contains(PresenceReasons(), word):
		return word
	}
	return OtherReason
}
