package sim

import (
	"fmt"
	"slices"
	"sync"
)

// An Outcome is what the customer's telephone does.
type Outcome string

// The outcomes.
const (
	Talks    Outcome = "talk" // answers and talks, the default
	NoAnswer Outcome = "no_answer"
	Busy     Outcome = "busy"
	Fails    Outcome = "fail" // the network gives up

	// Transfers: the agent talks, then hands the customer on. Five9 does not say so.
	Transfers Outcome = "transfer"
	// Machine: a machine answers. Only a desktop says so; elsewhere it talks.
	Machine Outcome = "machine"
)

func outcomes() []Outcome { return []Outcome{"", Talks, NoAnswer, Busy, Fails, Transfers, Machine} }

// A Part says how one number behaves, in every dialect.
type Part struct {
	Number  string   `json:"number"` // E.164, or the last digits; "*" is everybody else
	Outcome Outcome  `json:"outcome,omitempty"`
	Deny    []string `json:"deny,omitempty"` // the provider's own verdicts that are no, by its own names
	Ring    Duration `json:"ring,omitempty"` // 0: the simulator's pace
	Talk    Duration `json:"talk,omitempty"`
	Wrap    Duration `json:"wrap,omitempty"`
	Hold    bool     `json:"hold,omitempty"` // puts the customer on hold amid the talk, for as long as each of its halves
}

// A Script holds the parts; the last one set for a number counts.
type Script struct {
	mu    sync.Mutex
	parts []Part
}

// Set adds a part, or replaces the part of the same number.
func (s *Script) Set(p Part) error {
	if p.Number == "" {
		return fmt.Errorf("a part needs a number")
	}
	if !slices.Contains(outcomes(), p.Outcome) {
		return fmt.Errorf("unknown outcome %q", p.Outcome)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts = slices.DeleteFunc(s.parts, func(q Part) bool { return q.Number == p.Number })
	s.parts = append(s.parts, p)
	return nil
}

// For returns the part of a number: an E.164 match before last digits, those
// before "*", and a plain talk where nothing is set.
func (s *Script) For(number string) Part {
	s.mu.Lock()
	defer s.mu.Unlock()
	best, rank := Part{}, 0
	for _, p := range s.parts {
		r := 0
		switch {
		case p.Number == "*":
			r = 1
		case NumberFits(p.Number, number):
			r = 1 + len(p.Number)
		}
		if r > 0 && r >= rank {
			best, rank = p, r
		}
	}
	if best.Outcome == "" {
		best.Outcome = Talks
	}
	return best
}

// List returns the parts.
func (s *Script) List() []Part {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Part{}, s.parts...)
}

// Clear forgets all parts.
func (s *Script) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts = nil
}
