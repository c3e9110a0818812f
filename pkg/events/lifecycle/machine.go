// Package lifecycle is the life of a call and of an agent, written down as
// tables, and the fold that reads a log by them.
//
// Every state meets every event: the event is a move, known (a repeat or late
// news, kept but changing nothing) or illegal (parked, alarm). The package is
// pure: no clock, no network, no log. The services decide by it, the audit
// judges by it, and docs/lifecycle.md is printed from it.
package lifecycle

import (
	"fmt"
	"slices"

	"github.com/outdial/outdial/pkg/events"
)

// A State is where a call or an agent stands.
type State string

// A Verdict is what an event means in a state.
type Verdict int

const (
	Illegal Verdict = iota // cannot be; parked, and an alarm
	Move                   // the state changes
	Known                  // a repeat or late news: kept, changes nothing
)

// String names the verdict as in the printed matrix.
func (v Verdict) String() string {
	return [...]string{"illegal", "move", "known"}[v]
}

// A Rule is one arrow of the drawing.
type Rule struct {
	From State
	On   events.Name
	To   State
}

// Late says in which states an event is known rather than illegal.
type Late struct {
	On events.Name
	In []State
}

// A Machine is a checked table.
type Machine struct {
	Name   string
	Start  State
	states []State
	names  []events.Name
	rules  []Rule
	next   map[edge]State
	known  map[edge]bool
}

type edge struct {
	at State
	on events.Name
}

// New checks a table: no arrow twice, nothing both a move and known, and no
// state that cannot be reached from start.
func New(name string, start State, states []State, names []events.Name, rules []Rule, late []Late) (*Machine, error) {
	m := &Machine{Name: name, Start: start, states: states, names: names, rules: rules,
		next: map[edge]State{}, known: map[edge]bool{}}
	for _, r := range rules {
		e := edge{r.From, r.On}
		switch {
		case !slices.Contains(states, r.From), !slices.Contains(states, r.To):
			return nil, fmt.Errorf("%s: %s → %s names a state that is not listed", name, r.From, r.To)
		case !slices.Contains(names, r.On):
			return nil, fmt.Errorf("%s: event %s is not listed", name, r.On)
		case m.next[e] != "":
			return nil, fmt.Errorf("%s: %s in %s stands twice", name, r.On, r.From)
		}
		m.next[e] = r.To
	}
	for _, l := range late {
		for _, s := range l.In {
			e := edge{s, l.On}
			if m.next[e] != "" || m.known[e] {
				return nil, fmt.Errorf("%s: %s in %s stands twice", name, l.On, s)
			}
			m.known[e] = true
		}
	}
	reached := map[State]bool{start: true}
	for grew := true; grew; {
		grew = false
		for _, r := range rules {
			if reached[r.From] && !reached[r.To] {
				reached[r.To], grew = true, true
			}
		}
	}
	for _, s := range states {
		if !reached[s] {
			return nil, fmt.Errorf("%s: state %s cannot be reached", name, s)
		}
	}
	return m, nil
}

func must(m *Machine, err error) *Machine {
	if err != nil {
		panic(err) // a wrong table cannot be run at all
	}
	return m
}

// Next says what an event does in a state.
func (m *Machine) Next(at State, on events.Name) (State, Verdict) {
	if to, ok := m.next[edge{at, on}]; ok {
		return to, Move
	}
	if m.known[edge{at, on}] {
		return at, Known
	}
	return at, Illegal
}

// States lists the states in the order of life.
func (m *Machine) States() []State { return slices.Clone(m.states) }

// Events lists the events in the order of the vocabulary.
func (m *Machine) Events() []events.Name { return slices.Clone(m.names) }

// Rules lists the arrows.
func (m *Machine) Rules() []Rule { return slices.Clone(m.rules) }

// Final reports whether no arrow leaves the state.
func (m *Machine) Final(s State) bool {
	return !slices.ContainsFunc(m.rules, func(r Rule) bool { return r.From == s })
}
