package webexcc

import (
	"cmp"
	"regexp"
	"strings"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/acqueon/bus"
	"github.com/outdial/outdial/pkg/providers/callstate"
)

// canonicalState is the one spelling of an interaction's state: wrapUp,
// WRAP_UP and wrap_up are wrapup, consult is consulting; unknown ones are kept.
func canonicalState(s string) string {
	if f := callstate.Fold(s); f != "consult" {
		return f
	}
	return "consulting"
}

// reason is the provider's word for a failure, wherever this version has it.
func (w wire) reason() string {
	return cmp.Or(w.data.Text("reason"), w.actual.Text("reason"), w.inter.Text("terminationReason"))
}

var codeShape = regexp.MustCompile(`^[A-Za-z][A-Za-z _-]{0,63}$`)

// code lets a reason through that is a word, not a text with somebody in it.
func code(reason string) string {
	if !codeShape.MatchString(reason) {
		return ""
	}
	return reason
}

// failure reads the provider's word for a call that could not be placed.
func failure(reason string) string {
	f := callstate.Fold(reason)
	for _, r := range []struct{ has, means string }{
		{"busy", events.EndBusy},
		{"noanswer", events.EndNoAnswer}, {"notanswered", events.EndNoAnswer}, {"unanswered", events.EndNoAnswer},
		{"invalid", events.EndInvalid}, {"reject", events.EndRejected}, {"declin", events.EndRejected},
	} {
		if strings.Contains(f, r.has) {
			return r.means
		}
	}
	return events.EndProvider
}

// merge puts what an event means into what its message holds. The event's own
// word on the legs wins; the participants fill in what it leaves open.
func merge(judged, base providers.Observation, w wire) providers.Observation {
	base, legs := callstate.Onto(base, judged), legsOf(w)
	base.Legs.Customer = cmp.Or(base.Legs.Customer, legs.Customer)
	base.Legs.Agent = cmp.Or(base.Legs.Agent, legs.Agent)
	return base
}

func legsOf(w wire) events.Legs {
	leg := func(p bus.Object) string {
		joined, said := p.Bool("hasJoined")
		left, _ := p.Bool("hasLeft")
		offered, _ := p.Bool("isOffered")
		switch {
		case left:
			return "down"
		case joined:
			return "up"
		case offered:
			return "offered"
		case said:
			return "none"
		}
		return ""
	}
	return events.Legs{Customer: leg(w.customer), Agent: leg(w.agent)}
}
