package lifecycle

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/outdial/outdial/pkg/events"
)

//go:generate go test -count=1 -run TestMatrix|TestDocsArePrinted . -update

// Matrix prints what every event is in every state, a line for each move and
// one each for what is known and what is illegal. It leaves nothing out: a
// change of the table shows wherever it reaches.
func (m *Machine) Matrix() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d states, %d events, starts in %s\n", m.Name, len(m.states), len(m.names), m.Start)
	for _, s := range m.states {
		moves, known, illegal := m.row(s)
		fmt.Fprintf(&b, "\n%s\n", s)
		for _, r := range moves {
			fmt.Fprintf(&b, "  move     %s → %s\n", r.On, r.To)
		}
		fmt.Fprintf(&b, "  known    %s\n  illegal  %s\n", cmp.Or(names(known, " "), "-"), cmp.Or(names(illegal, " "), "-"))
	}
	return b.String()
}

// row is one state's meeting with every event.
func (m *Machine) row(s State) (moves []Rule, known, illegal []events.Name) {
	for _, n := range m.names {
		switch to, v := m.Next(s, n); v {
		case Move:
			moves = append(moves, Rule{s, n, to})
		case Known:
			known = append(known, n)
		default:
			illegal = append(illegal, n)
		}
	}
	return moves, known, illegal
}

func names[T ~string](list []T, sep string) string {
	out := make([]string, len(list))
	for i, n := range list {
		out[i] = string(n)
	}
	return strings.Join(out, sep)
}

// Markdown prints docs/lifecycle.md: the drawings and every state's row.
func Markdown() string {
	var b strings.Builder
	b.WriteString(preface)
	b.WriteString("## A call until it is dialed\n\n")
	b.WriteString(drawing(Calls(), before, nil))
	b.WriteString("\n## A call from the intent on\n\n" + afterText)
	b.WriteString(drawing(Calls(), func(s State) bool { return !before(s) }, progressBox()))
	b.WriteString("\n## Every state of a call against every event\n\n")
	b.WriteString(Calls().table())
	b.WriteString("\n## Where an agent is\n\n" + presenceText)
	b.WriteString(drawing(Presence(), func(State) bool { return true }, presenceBox()))
	b.WriteString("\n" + Presence().table())
	b.WriteString("\n## Who holds an agent\n\n" + claimText)
	b.WriteString(drawing(Claim(), func(State) bool { return true }, nil))
	b.WriteString("\n" + Claim().table())
	return b.String()
}

const preface = `<!-- Printed by "make gen" from pkg/events/lifecycle. Do not edit. -->

# The life of a call and of an agent

Every state meets every event, and the event is one of three things:

- a **move**: the state changes
- **known**: a repeat or late news; it is kept in the log and changes nothing
- **illegal**: it cannot be; the message is parked in REJECTED and an alarm raised

One event is two to the table: a ` + "`withheld`" + ` after the intent that proves that nothing was placed stands as
` + "`withheld+proof`" + `. It does so only with the attempt of that very intent, while the call is still dialing and nobody
wants it cancelled, and two times at most; any other ` + "`withheld`" + ` after the intent ends the call.

Order comes from the call's own log, never from delivery: webhooks overtake each other and streams repeat themselves.

`

const afterText = `The provider's news may overtake our own and each other: from every state in flight, and from every step, the
call may jump to any later step, and never back. Within a conversation it may go round. The drawing shows the
steps in their order; the table below has every jump.

`

const presenceText = `The presence is what the provider or the desktop says. Any presence may follow any other; the drawing shows
them as one box.

`

const claimText = `The claim is ours alone and independent of the presence: an agent may sign out and still be held.

`

// before reports whether a state comes before the intent.
func before(s State) bool {
	return slices.Contains([]State{None, Requested, Waiting, Assigned, Preparing, Stopping, Failed, Cleared,
		Withheld, Undone, Cancelling, Cancelled}, s)
}

// A box is a group of states that a drawing shows from outside as one.
type box struct {
	id, label string
	has       func(State) bool
	steps     [][2]State // the arrows drawn inside
}

func progressBox() []box {
	chain := box{id: "provider", label: "as the provider reports it", has: func(s State) bool { return Rank(s) > 0 }}
	steps := []State{Offered, Ringing, Answered, Talking, Ended, WrapUp, WrappedUp}
	for i := 1; i < len(steps); i++ {
		chain.steps = append(chain.steps, [2]State{steps[i-1], steps[i]})
	}
	for _, s := range []State{Held, Consulting, Conferencing} {
		chain.steps = append(chain.steps, [2]State{Talking, s}, [2]State{s, Talking})
	}
	flight := box{id: "flight", label: "in flight", has: func(s State) bool { return slices.Contains(inFlight, s) }}
	for _, r := range callRules() {
		if flight.has(r.From) && flight.has(r.To) {
			flight.steps = append(flight.steps, [2]State{r.From, r.To})
		}
	}
	return []box{flight, chain}
}

func presenceBox() []box {
	return []box{{id: "enrolled", label: "on the roster", has: func(s State) bool { return s != None && s != Gone }}}
}

// drawing prints the part of a machine that begins in the states of from as a
// mermaid diagram. What enters or leaves a box is drawn once for the box where
// that is true of all its states or the box is many to one.
func drawing(m *Machine, from func(State) bool, boxes []box) string {
	var b strings.Builder
	b.WriteString("```mermaid\nstateDiagram-v2\n    direction LR\n")
	for _, x := range boxes {
		fmt.Fprintf(&b, "    state %q as %s {\n", x.label, x.id)
		for _, s := range m.states {
			if x.has(s) {
				fmt.Fprintf(&b, "        %s\n", s)
			}
		}
		for _, a := range x.steps {
			fmt.Fprintf(&b, "        %s --> %s\n", a[0], a[1])
		}
		b.WriteString("    }\n")
	}
	for _, a := range arrows(m, from, boxes) {
		fmt.Fprintf(&b, "    %s --> %s : %s\n", a.from, a.to, strings.Join(a.on, ", "))
	}
	for _, s := range m.states {
		if m.Final(s) {
			fmt.Fprintf(&b, "    %s --> [*]\n", s)
		}
	}
	b.WriteString("```\n")
	return b.String()
}

type arrow struct {
	from, to string
	on       []string
}

// arrows joins the rules between the same two ends into one arrow. A rule
// between two states of one box is drawn inside it, if at all.
func arrows(m *Machine, from func(State) bool, boxes []box) []arrow {
	var out []arrow
	add := func(f, t, on string) {
		i := slices.IndexFunc(out, func(a arrow) bool { return a.from == f && a.to == t })
		if i < 0 {
			out = append(out, arrow{from: f, to: t})
			i = len(out) - 1
		}
		if !slices.Contains(out[i].on, on) {
			out[i].on = append(out[i].on, on)
		}
	}
	if m.Start != None {
		out = append(out, arrow{"[*]", string(m.Start), []string{"at first"}})
	}
	for _, r := range m.rules {
		if !from(r.From) {
			continue
		}
		f, t, on := end(m, r, r.From, boxes), string(r.To), string(r.On)
		if x := within(r.To, boxes); x != nil {
			if x.has(r.From) {
				continue
			}
			if within(r.From, boxes) != nil {
				t, on = x.id, "its news" // any of its states may be entered
			}
		}
		add(f, t, on)
	}
	return out
}

func within(s State, boxes []box) *box {
	for i := range boxes {
		if boxes[i].has(s) {
			return &boxes[i]
		}
	}
	return nil
}

// end names where a rule's arrow begins: the box, if the same rule holds for
// all of its states, else the state.
func end(m *Machine, r Rule, s State, boxes []box) string {
	if s == None {
		return "[*]"
	}
	x := within(s, boxes)
	if x == nil {
		return string(s)
	}
	into := within(r.To, boxes)
	for _, o := range m.states {
		if !x.has(o) {
			continue
		}
		if to := m.next[edge{o, r.On}]; to != r.To && (into == nil || within(to, boxes) != into) {
			return string(s)
		}
	}
	return x.id
}

// table prints the whole matrix as a Markdown table, a row for each state.
func (m *Machine) table() string {
	var b strings.Builder
	b.WriteString("| in | moves | known | illegal |\n|---|---|---|---|\n")
	for _, s := range m.states {
		moves, known, illegal := m.row(s)
		arrows := make([]string, 0, len(moves))
		for _, r := range moves {
			text := string(r.On)
			if string(r.To) != text {
				text += " → **" + string(r.To) + "**"
			}
			arrows = append(arrows, text)
		}
		fmt.Fprintf(&b, "| **%s** | %s | %s | %s |\n", s, cmp.Or(strings.Join(arrows, "<br>"), "–"),
			cmp.Or(names(known, " "), "–"), cmp.Or(names(illegal, " "), "–"))
	}
	b.WriteString("\nA move without an arrow leads to the state of the event's name.\n")
	return b.String()
}
