// Package callstate is what providers' words mean. A provider brings one table,
// from its words to meanings; what a meaning says of a call depends on what is on
// record of it, and is decided here for all of them: the same word is after-call
// work when there was a call, and "could not be placed" when there was none.
package callstate

import (
	"slices"
	"strings"

	"github.com/outdial/outdial/pkg/events"
)

// A Meaning is what a word says before the call's history is asked.
type Meaning int

// The meanings, of a call.
const (
	Other        Meaning = iota // unknown: kept as it is, moves nothing
	Placing                     // the call is being set up, nothing to tell yet
	Assigned                    // the agent's leg is up; the customer's is asked for
	Offered                     // offered to the agent
	Ringing                     // the customer's telephone rings
	Answered                    // the customer's leg is up
	Human                       // so it is, by a person
	Machine                     // so it is, by a machine
	Talking                     // both are
	Held                        // on hold
	Consulting                  // with a third party
	HandingOn                   // so it is, and gives the customer away without waiting for whoever takes it
	ConsultOver                 // the third party is gone again; the customer still waits
	Conferencing                // all three
	Transferred                 // the customer was handed on, the agent is out of it
	Missed                      // the agent did not take it
	Failed                      // the provider could not place it
	Over                        // the call is over
	AfterCall                   // after-call work, or a call that never was
	Done                        // after-call work is done
	RecordingOn
	RecordingOff
)

// And those of an agent's line, whose word is one of a call only where there is
// one: who is free is on none any more.
const (
	Ready     Meaning = RecordingOff + 1 + iota // may be dialed
	Resting                                     // signed in and on nothing, not to be dialed
	Away                                        // not to be dialed, and nothing said of calls
	Gone                                        // the line or the session is over
	Prepared                                    // a call is prepared
	Undone                                      // what was prepared was just given up
	Between                                     // on the way from one state to another
	Elsewhere                                   // busy with what is no call like ours
)

// OnCall says whether an agent of whom it is said is on a call.
func (m Meaning) OnCall() bool { return plain[m].Presence == events.OnCall }

// A Word is what a provider's word says.
type Word struct {
	Means  Meaning
	Reason string // of the end it says or implies, as the events have it; "" it gives none
}

// Traits are in what one provider's words differ from another's.
type Traits struct {
	Ends map[string]string // by the reason, the words of an end that gives it
	Lead string            // what may stand before any word and says nothing, folded: Webex's e

	// Line: the words are states of an agent's line, which are asked for. Each
	// comes as long as it lasts, so only what is not on record is news. It may
	// come without those before it, so what it came to in between is said with
	// it. It names no call, so after a call's end it is not that call's. And the
	// line stays up between calls.
	Line bool
	// Fails is why a call ended that never rang or talked, where nothing says why; ""
	// is that the provider could not place it.
	Fails string
	// NoTalking: no word says that they talk, so answered is as far as it goes.
	NoTalking bool
}

// A Table is one provider's words. Words are compared without regard to case,
// underscores, hyphens and spaces; one that ends in * is a family, of all words
// that begin so in either case, and counts where the word itself is not in the
// table.
type Table struct {
	Traits
	words    map[string]Word
	families []string // the longest first
	spelled  []string // as the provider spells them
}

// New makes a table: the words of each meaning, with spaces between them. It
// panics where a word stands twice.
func New(words map[Meaning]string, traits Traits) *Table {
	t := &Table{Traits: traits, words: map[string]Word{}}
	add := func(spelled string, w Word) {
		for word := range strings.FieldsSeq(spelled) {
			key := t.fold(word)
			if family, ok := strings.CutSuffix(word, "*"); ok {
				key, t.families = word, append(t.families, family)
			}
			if _, twice := t.words[key]; twice {
				panic("callstate: " + word + " stands twice")
			}
			t.words[key], t.spelled = w, append(t.spelled, word)
		}
	}
	for m, spelled := range words {
		add(spelled, Word{Means: m})
	}
	for reason, spelled := range traits.Ends {
		add(spelled, Word{Over, reason})
	}
	slices.SortFunc(t.families, func(a, b string) int { return len(b) - len(a) })
	slices.Sort(t.spelled)
	return t
}

// Of is what a word says, however it is spelled.
func (t *Table) Of(word string) Word {
	if w, ok := t.words[t.fold(word)]; ok {
		return w
	}
	for _, family := range t.families {
		if len(word) >= len(family) && strings.EqualFold(word[:len(family)], family) {
			return t.words[family+"*"]
		}
	}
	return Word{}
}

// Words implements providers.Vocabulary.
func (t *Table) Words() []string { return slices.Clone(t.spelled) }

func (t *Table) fold(word string) string { return strings.TrimPrefix(Fold(word), t.Lead) }

// Fold is the form in which words are compared: WRAP_UP, wrapUp and wrap up are
// one.
func Fold(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '_' || r == '-' || r == ' ':
			return -1
		case r >= 'A' && r <= 'Z':
			return r + ('a' - 'A')
		}
		return r
	}, s)
}
