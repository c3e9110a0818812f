package lifecycle

import (
	"slices"
	"sync"

	"github.com/outdial/outdial/pkg/events"
)

// States of a call. Where a state has the name of the event that leads to it,
// it is that event's name.
const (
	None      State = "none"
	Requested State = "requested"
	Waiting   State = "waiting"
	Assigned  State = "assigned"

	Preparing State = "preparing" // the provider is being touched; an answer is owed
	Stopping  State = "stopping"  // the same, and a cancellation is asked for
	Failed    State = "failed"    // compliance said no
	Cleared   State = "cleared"   // compliance said yes
	Withheld  State = "withheld"  // not dialed after all, or proved not to have been; may wait again
	Undone    State = "undone"    // a preparation was withdrawn; may wait again

	Cancelling State = "cancelling" // withdrawn before the dial; dialing is illegal
	Cancelled  State = "cancelled"

	Dialing      State = "dialing"
	Withdrawn    State = "withdrawn" // after the intent, by its winner: nothing was sent
	Started      State = "started"
	PendingAgent State = "pending_agent"
	Unknown      State = "unknown"
	Refused      State = "refused"
	NotPlaced    State = "not_placed"
	ResolvedS    State = "resolved"

	Offered      State = "offered"
	Ringing      State = "ringing"
	Answered     State = "answered"
	Talking      State = "talking"
	Held         State = "held"
	Consulting   State = "consulting"
	Conferencing State = "conferencing"
	Ended        State = "ended"
	WrapUp       State = "wrap_up"
	WrappedUp    State = "wrapped_up"

	Closed State = "closed"
)

// Proved is what a withheld is to the table when it proves that the intent
// before it placed nothing: by its proof and its attempt, while the call is
// still dialing, nobody has asked to cancel it, and it is not the last proof
// that a call may have (MaxProofs).
const Proved events.Name = "withheld+proof"

// MaxProofs is how many intents of a call may come to nothing by proof. The
// last of them closes the call.
const MaxProofs = 3

// progress is what a provider reports, by rank: a call goes up the ranks and
// never down; within the conversation it may go round.
var progress = []struct {
	state State
	on    events.Name
	rank  int
}{
	{Offered, events.Offered, 1},
	{Ringing, events.Ringing, 2},
	{Answered, events.Answered, 3},
	{Talking, events.Talking, 4},
	{Held, events.Held, 4},
	{Consulting, events.Consulting, 4},
	{Conferencing, events.Conferencing, 4},
	{Ended, events.Ended, 5},
	{WrapUp, events.WrapUp, 6},
	{WrappedUp, events.WrappedUp, 7},
}

// Rank is a progress state's place, 0 for every other state.
func Rank(s State) int {
	for _, p := range progress {
		if p.state == s {
			return p.rank
		}
	}
	return 0
}

// callRules is the life of a call but for the provider's progress.
func callRules() []Rule {
	return []Rule{
		{None, events.Requested, Requested},

		{Requested, events.Waiting, Waiting},
		{Requested, events.Assigned, Assigned},
		{Requested, events.Failed, Failed},
		{Requested, events.CancelRequested, Cancelling},
		{Requested, events.Closed, Closed},

		{Waiting, events.Waiting, Waiting}, // for another reason
		{Waiting, events.Assigned, Assigned},
		{Waiting, events.Failed, Failed},
		{Waiting, events.CancelRequested, Cancelling},
		{Waiting, events.Closed, Closed},

		{Assigned, events.Waiting, Waiting}, // the agent was lost before compliance answered
		{Assigned, events.Preparing, Preparing},
		{Assigned, events.Passed, Cleared},
		{Assigned, events.Failed, Failed},
		{Assigned, events.CancelRequested, Cancelling},
		{Assigned, events.Closed, Closed},

		{Preparing, events.Passed, Cleared},
		{Preparing, events.Failed, Failed},
		{Preparing, events.CancelRequested, Stopping},
		{Stopping, events.Passed, Cancelling},
		{Stopping, events.Failed, Cancelling},
		{Stopping, events.Closed, Closed}, // presumed: nobody answers any more

		{Cleared, events.Dialing, Dialing},
		{Cleared, events.Withheld, Withheld},
		{Cleared, events.Failed, Failed}, // an opt-out came in between
		{Cleared, events.CancelRequested, Cancelling},

		{Failed, events.Cancelled, Undone},
		{Failed, events.Waiting, Waiting},
		{Failed, events.CancelRequested, Cancelling},
		{Failed, events.Closed, Closed},

		{Withheld, events.Cancelled, Undone},
		{Withheld, events.Waiting, Waiting},
		{Withheld, events.Failed, Failed},
		{Withheld, events.CancelRequested, Cancelling},
		{Withheld, events.Closed, Closed},

		{Undone, events.Waiting, Waiting},
		{Undone, events.CancelRequested, Cancelled},
		{Undone, events.Closed, Closed},

		{Cancelling, events.Cancelled, Cancelled},
		{Cancelling, events.Closed, Closed},
		{Cancelled, events.Closed, Closed},

		{Dialing, events.Started, Started},
		{Dialing, events.Refused, Refused},
		{Dialing, events.PendingAgent, PendingAgent},
		{Dialing, events.Unknown, Unknown},
		{Dialing, events.Withheld, Withdrawn},
		{Dialing, events.Closed, Closed}, // presumed: its dialer never came back, nor did another
		{Dialing, Proved, Withheld},      // nothing was placed, so the call may go on

		{Started, events.Unknown, Unknown}, // a desktop took it and nothing followed
		{Started, events.Cancelled, Cancelled},
		{Started, events.Closed, Closed}, // presumed
		{PendingAgent, events.Started, Started},
		{PendingAgent, events.Unknown, Unknown},
		{PendingAgent, events.Cancelled, Cancelled},
		{PendingAgent, events.Closed, Closed},

		{Unknown, events.Started, Started},
		{Unknown, events.NotPlaced, NotPlaced},
		{Unknown, events.Resolved, ResolvedS},
		{Unknown, events.Closed, Closed}, // presumed
		{ResolvedS, events.Closed, Closed},

		{Refused, events.Cancelled, Cancelled},
		{Refused, events.Closed, Closed},
		{NotPlaced, events.Cancelled, Cancelled},
		{NotPlaced, events.Closed, Closed},
		{Withdrawn, events.Cancelled, Cancelled},
		{Withdrawn, events.Closed, Closed},
	}
}

// inFlight are the states in which the provider may report progress.
var inFlight = []State{Dialing, Started, PendingAgent, Unknown, ResolvedS}

// progressRules lets the provider's news overtake ours and each other.
func progressRules() []Rule {
	var rules []Rule
	for _, from := range inFlight {
		for _, p := range progress {
			rules = append(rules, Rule{from, p.on, p.state})
		}
	}
	for _, from := range progress {
		for _, p := range progress {
			round := p.rank == 4 && from.rank == 4 && p.state != from.state
			if p.rank > from.rank || round {
				rules = append(rules, Rule{from.state, p.on, p.state})
			}
		}
		rules = append(rules, Rule{from.state, events.Closed, Closed})
	}
	return rules
}

// callLate says what is late news rather than impossible.
func callLate() []Late {
	var steps []State // the progress states
	for _, p := range progress {
		steps = append(steps, p.state)
	}
	all := callStates()
	begun := slices.DeleteFunc(slices.Clone(all), func(s State) bool { return s == None })
	givenUp := []State{Refused, NotPlaced, Withdrawn, Cancelled, Cancelling, Closed}
	sent := slices.Concat(inFlight, steps)

	late := []Late{
		{events.Requested, begun},                                                                      // redelivered
		{events.Annotated, begun},                                                                      // changes nothing anywhere
		{events.RecordingStarted, slices.Concat(sent, givenUp)},                                        // annotation
		{events.RecordingStopped, slices.Concat(sent, givenUp)},                                        // annotation
		{events.Orphaned, givenUp},                                                                     // alarm, moves nothing
		{events.CancelRequested, slices.Concat(sent, givenUp)},                                         // the call keeps its state
		{events.CancelRequested, []State{Stopping}},                                                    // asked twice
		{events.Failed, []State{Cancelling, Cancelled}},                                                // an opt-out of a call being withdrawn
		{events.Failed, []State{Dialing, Started, PendingAgent, Unknown, Offered, Ringing}},            // of one that the provider may give back
		{events.CancelFailed, slices.Concat(begun)},                                                    // tried, and could not
		{events.Started, slices.Concat(steps, []State{Started})},                                       // the answer limps in after the news
		{events.Started, []State{Closed, ResolvedS}},                                                   // or after the end
		{events.PendingAgent, slices.Concat(steps, []State{Started, PendingAgent, ResolvedS, Closed})}, //
		{events.Unknown, slices.Concat(steps, []State{Unknown})},                                       // settled by an event before it was asked
		{events.Unknown, []State{Closed, ResolvedS}},                                                   //
		{events.NotPlaced, []State{Closed, ResolvedS, NotPlaced}},                                      //
		{events.Resolved, slices.Concat(steps)},                                                        // settled already
		{events.Resolved, []State{Started, ResolvedS, Closed}},                                         //
		{events.Cancelled, slices.Concat(steps, []State{Closed, Cancelled, Undone})},                   //
	}
	for _, p := range progress {
		in := slices.Clone(givenUp)
		for _, q := range progress {
			if q.rank > p.rank || q.state == p.state {
				in = append(in, q.state)
			}
		}
		// Not for the rounds of a conversation, which are moves.
		in = slices.DeleteFunc(in, func(s State) bool { return p.rank == 4 && Rank(s) == 4 && s != p.state })
		late = append(late, Late{p.on, in})
	}
	return late
}

func callStates() []State {
	s := []State{None, Requested, Waiting, Assigned, Preparing, Stopping, Failed, Cleared, Withheld, Undone,
		Cancelling, Cancelled, Dialing, Withdrawn, Started, PendingAgent, Unknown, Refused, NotPlaced, ResolvedS}
	for _, p := range progress {
		s = append(s, p.state)
	}
	return append(s, Closed)
}

// specNames lists each event once, though two roles may write it.
func specNames(specs []events.Spec) []events.Name {
	var n []events.Name
	for _, s := range specs {
		if !slices.Contains(n, s.Name) {
			n = append(n, s.Name)
		}
	}
	return n
}

// callNames are the events of a call, and what a withheld is with a proof.
func callNames() []events.Name {
	n := specNames(events.CallSpecs())
	return slices.Insert(n, slices.Index(n, events.Withheld)+1, Proved)
}

// Calls is the checked table of a call's life.
var Calls = sync.OnceValue(func() *Machine {
	return must(New("call", None, callStates(), callNames(),
		slices.Concat(callRules(), progressRules()), callLate()))
})
