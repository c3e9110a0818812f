package lifecycle

import (
	"testing"

	"github.com/outdial/outdial/pkg/events"
)

// A story is one meeting of a state and an event that a reader should know.
type story struct {
	says string
	at   State
	on   events.Name
	to   State
	want Verdict
}

func tell(t *testing.T, m *Machine, stories []story) {
	t.Helper()
	for _, s := range stories {
		t.Run(s.says, func(t *testing.T) {
			t.Parallel()
			if to, got := m.Next(s.at, s.on); to != s.to || got != s.want {
				t.Errorf("Next(%s, %s) = %s, %s; want %s, %s", s.at, s.on, to, got, s.to, s.want)
			}
		})
	}
}

func TestCall(t *testing.T) {
	t.Parallel()
	tell(t, Calls(), []story{
		{"a request is accepted", None, events.Requested, Requested, Move},
		{"the request delivered twice", Cleared, events.Requested, Cleared, Known},
		{"nothing comes before the request", None, events.Passed, None, Illegal},
		{"nobody is ready", Requested, events.Waiting, Waiting, Move},
		{"still nobody, for another reason", Waiting, events.Waiting, Waiting, Move},
		{"compliance blocks what no waiting cures", Requested, events.Failed, Failed, Move},
		{"compliance says yes", Assigned, events.Passed, Cleared, Move},
		{"a pass without an assignment", Requested, events.Passed, Requested, Illegal},
		{"dialing before the pass", Assigned, events.Dialing, Assigned, Illegal},
		{"dialing while the provider prepares", Preparing, events.Dialing, Preparing, Illegal},
		{"a second intent", Dialing, events.Dialing, Dialing, Illegal},
		{"an intent after the call was started", Started, events.Dialing, Started, Illegal},
		{"an opt-out between pass and intent", Cleared, events.Failed, Failed, Move},
		{"the window opens again", Failed, events.Waiting, Waiting, Move},
		{"cancelled while waiting", Waiting, events.CancelRequested, Cancelling, Move},
		{"a cancellation makes dialing illegal", Cancelling, events.Dialing, Cancelling, Illegal},
		{"cancelled while preparing: an answer is owed first", Preparing, events.CancelRequested, Stopping, Move},
		{"closing while an answer is owed", Preparing, events.Closed, Preparing, Illegal},
		{"closing when nobody answers any more", Stopping, events.Closed, Closed, Move},
		{"an intent no dialer ever spoke of is closed", Dialing, events.Closed, Closed, Move},
		{"after which nobody dials", Closed, events.Dialing, Closed, Illegal},
		{"and what was owed comes too late", Closed, events.Passed, Closed, Illegal},
		{"the answer comes, and the call is withdrawn", Stopping, events.Passed, Cancelling, Move},
		{"cancelling a call that rings keeps its state", Ringing, events.CancelRequested, Ringing, Known},
		{"the pass ran out before the intent", Cleared, events.Withheld, Withheld, Move},
		{"nothing was sent after all", Dialing, events.Withheld, Withdrawn, Move},
		{"and the broker proves that nobody got it", Dialing, Proved, Withheld, Move},
		{"a proof without an intent", Cleared, Proved, Cleared, Illegal},
		{"a proof of a call that the provider has", Started, Proved, Started, Illegal},
		{"what was not sent is not dialed again", Withdrawn, events.Waiting, Withdrawn, Illegal},
		{"the provider took it", Dialing, events.Started, Started, Move},
		{"the webhook overtakes the provider's answer", Dialing, events.Ringing, Ringing, Move},
		{"and the answer limps in after it", Ringing, events.Started, Ringing, Known},
		{"the end overtakes the answer", Ringing, events.Ended, Ended, Move},
		{"and the answer limps in after the end", Ended, events.Answered, Ended, Known},
		{"the customer is put on hold", Talking, events.Held, Held, Move},
		{"and taken back", Held, events.Talking, Talking, Move},
		{"a timeout", Dialing, events.Unknown, Unknown, Move},
		{"a timeout is settled by the first event", Unknown, events.Ringing, Ringing, Move},
		{"looked up: it was not placed", Unknown, events.NotPlaced, NotPlaced, Move},
		{"an unknown call is never dialed again", Unknown, events.Dialing, Unknown, Illegal},
		{"a person settles it", Unknown, events.Resolved, ResolvedS, Move},
		{"a person settles what was settled", Talking, events.Resolved, Talking, Known},
		{"a refused number rings", Refused, events.Ringing, Refused, Known},
		{"and an orphan is reported", Refused, events.Orphaned, Refused, Known},
		{"ringing before anything was sent", Cleared, events.Ringing, Cleared, Illegal},
		{"after-call work is done", WrapUp, events.WrappedUp, WrappedUp, Move},
		{"and the call is closed", WrappedUp, events.Closed, Closed, Move},
		{"closed twice", Closed, events.Closed, Closed, Illegal},
		{"a closed call rings", Closed, events.Ringing, Closed, Known},
		{"a closed call waits again", Closed, events.Waiting, Closed, Illegal},
		{"a disposition after the end", Closed, events.Annotated, Closed, Known},
	})
}

func TestPresence(t *testing.T) {
	t.Parallel()
	tell(t, Presence(), []story{
		{"put on the roster", None, events.Enrolled, Offline, Move},
		{"ready before the roster knows the agent", None, events.Ready, None, Illegal},
		{"signs in", Offline, events.SessionStarted, State(events.NotReady), Move},
		{"becomes ready", State(events.NotReady), events.Ready, State(events.Ready), Move},
		{"is heard ready again", State(events.Ready), events.Ready, State(events.Ready), Known},
		{"takes somebody else's call", State(events.Ready), events.ForeignCall, State(events.ForeignCall), Move},
		{"the token is refused", State(events.Ready), events.SessionLost, Lost, Move},
		{"comes back without signing in", Lost, events.Ready, State(events.Ready), Move},
		{"is claimed: no business of the presence", State(events.Ready), events.Claimed, State(events.Ready), Known},
		{"is taken off the roster", State(events.OnCall), events.Removed, Gone, Move},
		{"late news of somebody removed", Gone, events.Ready, Gone, Known},
		{"is hired again", Gone, events.Enrolled, Offline, Move},
	})
}

func TestClaim(t *testing.T) {
	t.Parallel()
	tell(t, Claim(), []story{
		{"taken for a call", Free, events.Claimed, Claimed, Move},
		{"taken for two calls", Claimed, events.Claimed, Claimed, Illegal},
		{"set free", Claimed, events.Released, Free, Move},
		{"set free twice", Free, events.Released, Free, Known},
		{"nobody saw the call end", Claimed, events.Quarantined, Quarantined, Move},
		{"a call for somebody in quarantine", Quarantined, events.Claimed, Quarantined, Illegal},
		{"the provider proves the agent free", Quarantined, events.Released, Free, Move},
		{"signs out while held", Claimed, events.SessionEnded, Claimed, Known},
		{"becomes ready in quarantine: a release must follow", Quarantined, events.Ready, Quarantined, Known},
	})
}

// A table that contradicts itself must not start.
func TestWrongTables(t *testing.T) {
	t.Parallel()
	ab := []State{"a", "b"}
	on := []events.Name{"go", "back"}
	for says, tc := range map[string]struct {
		rules []Rule
		late  []Late
	}{
		"an arrow twice":               {rules: []Rule{{"a", "go", "b"}, {"a", "go", "a"}}},
		"both a move and known":        {rules: []Rule{{"a", "go", "b"}}, late: []Late{{"go", []State{"a"}}}},
		"known twice":                  {rules: []Rule{{"a", "go", "b"}}, late: []Late{{"back", []State{"a", "a"}}}},
		"a state nobody reaches":       {rules: []Rule{{"b", "go", "a"}}},
		"an arrow from nowhere":        {rules: []Rule{{"a", "go", "b"}, {"c", "go", "a"}}},
		"an event that does not exist": {rules: []Rule{{"a", "leap", "b"}}},
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			if _, err := New("t", "a", ab, on, tc.rules, tc.late); err == nil {
				t.Error("the table was accepted")
			}
		})
	}
	if _, err := New("t", "a", ab, on, []Rule{{"a", "go", "b"}}, []Late{{"back", []State{"a"}}}); err != nil {
		t.Errorf("a right table: %v", err)
	}
}
