package dialer

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
)

var noon = time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC)

// cleared is a call that may be dialed, and its agent; change spoils something.
func cleared(change func(*lifecycle.Call, *lifecycle.Agent)) (*lifecycle.Call, *lifecycle.Agent) {
	number := events.Number{Token: "tok"}
	c := &lifecycle.Call{ID: "c1", State: lifecycle.Cleared,
		Request:  &events.CallRequested{Common: events.Common{Number: number}, Request: events.DialRequest{To: tokyo}, ExpiresAt: noon.Add(time.Hour)},
		Assigned: &events.CallAssigned{Agent: "ann", Fence: 7, Session: "s1"},
		Passed:   &events.CallPassed{Common: events.Common{Number: number}, Fence: 7, ValidUntil: noon.Add(time.Minute)},
		Refs:     events.Refs{Requested: 1, Assigned: 5, Passed: 6},
	}
	a := &lifecycle.Agent{ID: "ann", Fence: 7, State: events.AgentState{Presence: events.Ready, Session: "s1",
		Claim: &events.AgentClaim{Call: "c1"}}}
	if change != nil {
		change(c, a)
	}
	return c, a
}

// callAt has the provider be told to call at an instant, so long after noon.
func callAt(after time.Duration) func(*lifecycle.Call, *lifecycle.Agent) {
	at := noon.Add(after)
	return func(c *lifecycle.Call, _ *lifecycle.Agent) { c.Passed.CallAt = &at }
}

func TestMayDial(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		change func(*lifecycle.Call, *lifecycle.Agent)
		after  time.Duration
		why    string
	}{
		"all is well":                  {nil, 0, ""},
		"all is well to the last":      {nil, time.Minute - time.Nanosecond, ""},
		"the pass has run out":         {nil, time.Minute, PassExpired},
		"the request has":              {func(c *lifecycle.Call, _ *lifecycle.Agent) { c.Request.ExpiresAt = noon }, 0, Expired},
		"it was cancelled":             {func(c *lifecycle.Call, _ *lifecycle.Agent) { c.State = lifecycle.Cancelling }, 0, "not_cleared"},
		"it was dialed already":        {func(c *lifecycle.Call, _ *lifecycle.Agent) { c.State = lifecycle.Dialing }, 0, "not_cleared"},
		"there is no pass":             {func(c *lifecycle.Call, _ *lifecycle.Agent) { c.Passed = nil }, 0, "not_cleared"},
		"there is no assignment":       {func(c *lifecycle.Call, _ *lifecycle.Agent) { c.Assigned = nil }, 0, "not_cleared"},
		"the pass is older than it":    {func(c *lifecycle.Call, _ *lifecycle.Agent) { c.Refs.Passed = 4 }, 0, ClaimLost},
		"the pass is of another claim": {func(c *lifecycle.Call, _ *lifecycle.Agent) { c.Passed.Fence = 3 }, 0, ClaimLost},
		"the pass is of another number": {func(c *lifecycle.Call, _ *lifecycle.Agent) {
			c.Passed.Number.Token = "other"
		}, 0, OtherNumber},
		"the pass lists another first": {func(c *lifecycle.Call, _ *lifecycle.Agent) {
			c.Passed.Numbers = []events.Number{{Token: "other"}, c.Passed.Number}
		}, 0, OtherNumber},
		"the instant to call is to come":        {callAt(time.Second), time.Second - time.Nanosecond, ""},
		"the instant to call has passed":        {callAt(time.Second), time.Second, InstantPassed},
		"the pass names no number":              {func(c *lifecycle.Call, _ *lifecycle.Agent) { c.Passed.Number.Token = "" }, 0, OtherNumber},
		"its number is spelt as no list has it": {func(c *lifecycle.Call, _ *lifecycle.Agent) { c.Request.Request.To = "+810312345678" }, 0, OtherNumber},
		"the agent was released":                {func(_ *lifecycle.Call, a *lifecycle.Agent) { a.State.Claim = nil }, 0, ClaimLost},
		"the agent is another's":                {func(_ *lifecycle.Call, a *lifecycle.Agent) { a.State.Claim.Call = "c2" }, 0, ClaimLost},
		"the agent was claimed again": {func(_ *lifecycle.Call, a *lifecycle.Agent) {
			a.Fence = 9
		}, 0, ClaimLost},
		"the agent is on pause":      {func(_ *lifecycle.Call, a *lifecycle.Agent) { a.State.Presence = events.NotReady }, 0, AgentNotReady},
		"the agent is on some call":  {func(_ *lifecycle.Call, a *lifecycle.Agent) { a.State.Presence = events.ForeignCall }, 0, AgentNotReady},
		"the agent signed in anew":   {func(_ *lifecycle.Call, a *lifecycle.Agent) { a.State.Session = "s2" }, 0, AgentNotReady},
		"the agent has gone offline": {func(_ *lifecycle.Call, a *lifecycle.Agent) { a.State.Presence = events.Lost }, 0, AgentNotReady},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			c, a := cleared(tc.change)
			if why := MayDial(c, a, noon.Add(tc.after)); why != tc.why {
				t.Errorf("%q, want %q", why, tc.why)
			}
		})
	}
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	until := noon.Add(time.Minute)
	for story, tc := range map[string]struct {
		receipt providers.Receipt
		err     error
		want    events.Name
		code    string
	}{
		"a yes":                          {providers.Receipt{IDs: map[string]string{"callSid": "7"}}, nil, events.Started, ""},
		"the agent must act":             {providers.Receipt{Pending: true, Until: until}, nil, events.PendingAgent, ""},
		"a no":                           {providers.Receipt{}, fault.New(fault.Permanent, "dial", "not_prepared", nil), events.Refused, "not_prepared"},
		"a wrapped no":                   {providers.Receipt{}, fmt.Errorf("start: %w", fault.New(fault.Permanent, "dial", "no", nil)), events.Refused, "no"},
		"nothing left the machine":       {providers.Receipt{}, fault.New(fault.Transient, "dial", "connection_refused", nil), events.Withheld, "connection_refused"},
		"nobody listened":                {providers.Receipt{}, fault.New(fault.Transient, "send", "no_responders", providers.ErrNoResponders), events.Withheld, "no_responders"},
		"a word that nobody listened":    {providers.Receipt{}, fault.New(fault.Transient, "send", "no_responders", nil), events.Withheld, "no_responders"},
		"nobody listened, perhaps":       {providers.Receipt{}, fault.New(fault.Uncertain, "send", "no_reply", providers.ErrNoResponders), events.Unknown, "no_reply"},
		"nobody knows":                   {providers.Receipt{}, fault.New(fault.Uncertain, "dial", "http_502", nil), events.Unknown, "http_502"},
		"an error of no class":           {providers.Receipt{}, errors.New("what"), events.Unknown, "unclassified"},
		"the time ran out":               {providers.Receipt{}, context.DeadlineExceeded, events.Unknown, "unclassified"},
		"the program ends":               {providers.Receipt{}, context.Canceled, events.Unknown, "unclassified"},
		"an uncertainty around a no":     {providers.Receipt{}, fault.New(fault.Uncertain, "dial", "reset", fault.New(fault.Permanent, "x", "y", nil)), events.Unknown, "reset"},
		"a receipt beside an error":      {providers.Receipt{Pending: true}, fault.New(fault.Uncertain, "dial", "broken_2xx", nil), events.Unknown, "broken_2xx"},
		"a class that does not exist":    {providers.Receipt{}, fault.New(fault.Class(9), "dial", "odd", nil), events.Unknown, "odd"},
		"a no that is not of our tongue": {providers.Receipt{}, errors.Join(errors.New("x"), errors.New("y")), events.Unknown, "unclassified"},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			name, body := Answer("att", tc.receipt, tc.err)
			attempt, code := "", ""
			switch b := body.(type) {
			case *events.CallStarted:
				attempt = b.Attempt
				if b.Provider["callSid"] != "7" || b.Presumed {
					t.Errorf("%+v", b)
				}
			case *events.CallPendingAgent:
				if attempt = b.Attempt; !b.Until.Equal(until) {
					t.Errorf("%+v", b)
				}
			case *events.CallRefused:
				attempt, code = b.Attempt, b.Code
			case *events.CallUnknown:
				attempt, code = b.Attempt, b.Code
			case *events.CallWithheld:
				attempt, code = b.Attempt, b.Detail
				if (b.Proof == events.ProofNoResponders) != (story == "nobody listened") {
					t.Errorf("proof %q", b.Proof)
				}
				if b.Reason != NothingSent {
					t.Errorf("%+v", b)
				}
			}
			if name != tc.want || code != tc.code || attempt != "att" {
				t.Errorf("%s %q of %q, want %s %q", name, code, attempt, tc.want, tc.code)
			}
		})
	}
}

// What an answer becomes, by where the call stands when it comes in.
func TestSettled(t *testing.T) {
	t.Parallel()
	answers := []events.Name{events.Started, events.Refused, events.PendingAgent, events.Unknown, events.Withheld}
	want := map[lifecycle.State]map[events.Name]events.Name{
		lifecycle.Dialing: {events.Started: events.Started, events.Refused: events.Refused, events.PendingAgent: events.PendingAgent,
			events.Unknown: events.Unknown, events.Withheld: events.Withheld},
		lifecycle.Unknown: {events.Started: events.Started, events.Refused: events.NotPlaced, events.Withheld: events.NotPlaced},
		lifecycle.Closed:  {events.Started: events.Started},
	}
	for _, s := range lifecycle.Calls().States() {
		for _, a := range answers {
			w := want[s][a]
			if lifecycle.Rank(s) > 0 && a == events.Started {
				w = events.Started // it limps in after the provider's news
			}
			got := Settled(s, a)
			if got != w {
				t.Errorf("%s in %s becomes %q, want %q", a, s, got, w)
			}
			if got != "" {
				if _, v := lifecycle.Calls().Next(s, got); v == lifecycle.Illegal {
					t.Errorf("%s in %s is illegal", got, s)
				}
			}
		}
	}
}

// story folds a log of a call by names alone; each event comes a second after
// the one before it, the first at noon.
func story(names ...events.Name) *lifecycle.Call {
	c := &lifecycle.Call{State: lifecycle.None}
	for i, n := range names {
		var body any
		for _, s := range events.CallSpecs() {
			if s.Name == n {
				body = s.New()
			}
		}
		c.Take(events.Record{Tenant: "acme", Key: "c1", Name: n, Seq: uint64(i + 1), Time: noon.Add(time.Duration(i) * time.Second), Body: body})
	}
	return c
}

func TestWhatNeedsToBeCancelled(t *testing.T) {
	t.Parallel()
	type n = events.Name
	prepared := []n{events.Requested, events.Assigned, events.Preparing}
	dialed := append(prepared, events.Passed, events.Dialing)
	then := func(a []n, b ...n) []n { return append(append([]n(nil), a...), b...) }
	touched := func(c *lifecycle.Call) *lifecycle.Call { c.Touched = true; return c } // as CallFailed says
	presumed := func(c *lifecycle.Call) *lifecycle.Call {
		c.Closed.Presumed, c.Closed.Quarantine = true, true
		return c
	}
	for name, tc := range map[string]struct {
		call *lifecycle.Call
		want bool
	}{
		"nothing was touched":                   {story(events.Requested, events.Assigned, events.Failed), false},
		"compliance still owes its answer":      {story(prepared...), false},
		"also when somebody wants it cancelled": {story(then(prepared, events.CancelRequested)...), false},
		"it said no and nothing is left":        {story(then(prepared, events.Failed)...), false},
		"it said no and left something":         {touched(story(then(prepared, events.Failed)...)), true},
		"it said yes":                           {story(then(prepared, events.Passed)...), false},
		"yes to a call nobody wants":            {story(then(prepared, events.CancelRequested, events.Passed)...), true},
		"cancelled after the yes":               {story(then(prepared, events.Passed, events.CancelRequested)...), true},
		"withheld":                              {story(then(prepared, events.Passed, events.Withheld)...), true},
		"undone already":                        {story(then(prepared, events.Passed, events.Withheld, events.Cancelled)...), false},
		"could not be undone":                   {story(then(prepared, events.Passed, events.Withheld, events.CancelFailed)...), false},
		"on its way":                            {story(dialed...), false},
		"refused":                               {story(then(dialed, events.Refused)...), true},
		"not placed":                            {story(then(dialed, events.Unknown, events.NotPlaced)...), true},
		"nothing sent after the intent":         {story(then(dialed, events.Withheld)...), true},
		"refused, though cancelling failed":     {story(then(dialed, events.CancelRequested, events.CancelFailed, events.Refused)...), true},
		"refused, and undoing failed":           {story(then(dialed, events.Refused, events.CancelFailed)...), false},
		"unknown":                               {story(then(dialed, events.Unknown)...), false},
		"started":                               {story(then(dialed, events.Started)...), false},
		"ringing":                               {story(then(dialed, events.Ringing)...), false},
		"closed over it, by a dialer's death":   {presumed(story(then(prepared, events.CancelRequested, events.Closed)...)), true},
		"closed over an intent":                 {presumed(story(then(dialed, events.Closed)...)), true},
		"closed over it, which was then undone": {presumed(story(then(dialed, events.Closed, events.Cancelled)...)), false},
		"closed over a call that was started":   {presumed(story(then(dialed, events.Started, events.Closed)...)), false},
		"closed, and nothing was prepared":      {presumed(story(events.Requested, events.Assigned, events.Passed, events.Dialing, events.Closed)), false},
		"closed after undoing failed":           {presumed(story(then(dialed, events.Refused, events.CancelFailed, events.Closed)...)), true},
		"closed, and undoing failed again":      {presumed(story(then(dialed, events.Refused, events.Closed, events.CancelFailed)...)), false},
		"closed over it":                        {story(then(dialed, events.Refused, events.Closed)...), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if len(tc.call.Faults) > 0 {
				t.Fatal(tc.call.Faults)
			}
			if got := NeedsCancel(tc.call); got != tc.want {
				t.Errorf("%v in %s, want %v", got, tc.call.State, tc.want)
			}
		})
	}
}

func TestOrphan(t *testing.T) {
	t.Parallel()
	type n = events.Name
	dialed := []n{events.Requested, events.Assigned, events.Passed, events.Dialing}
	then := func(b ...n) *lifecycle.Call { return story(append(append([]n(nil), dialed...), b...)...) }
	at := func(sec int) *time.Time { t := noon.Add(time.Duration(sec) * time.Second); return &t }
	presumed := then(events.Started, events.Talking, events.Ended, events.Closed)
	presumed.Closed.Presumed = true
	for name, tc := range map[string]struct {
		call *lifecycle.Call
		on   n
		seq  uint64
		at   *time.Time // by the provider's clock
		want bool
	}{
		"a call under way is no orphan":               {then(events.Started), events.Ringing, 99, nil, false},
		"an unknown that rings was placed":            {then(events.Unknown), events.Ringing, 99, nil, false},
		"one that was refused rings":                  {then(events.Refused), events.Ringing, 99, nil, true},
		"one that was not placed talks":               {then(events.Unknown, events.NotPlaced), events.Talking, 99, nil, true},
		"one that was withheld is offered":            {then(events.Withheld), events.Offered, 99, nil, true},
		"one presumed dead is answered":               {then(events.Unknown, events.Closed), events.Answered, 99, nil, true},
		"the presumed end of a talk was none":         {presumed, events.Held, 99, nil, true},
		"the seen end of a talk was one":              {then(events.Started, events.Talking, events.WrappedUp, events.Closed), events.Talking, 99, nil, false},
		"an end is no sign of life":                   {then(events.Refused), events.Ended, 99, nil, false},
		"news from before it was given up":            {then(events.Refused), events.Ringing, 4, nil, false},
		"news under way when it was given up":         {then(events.Refused), events.Ringing, 99, at(3), false},
		"news from after it was given up":             {then(events.Refused), events.Ringing, 99, at(30), true},
		"said already":                                {then(events.Refused, events.Orphaned), events.Ringing, 99, nil, false},
		"a pass withheld before the dial is no grave": {story(events.Requested, events.Assigned, events.Passed, events.Withheld, events.Waiting, events.Assigned, events.Passed, events.Dialing, events.Started), events.Ringing, 99, nil, false},
		"a call that was never dialed":                {story(events.Requested, events.Closed), events.Ringing, 99, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if len(tc.call.Faults) > 0 {
				t.Fatal(tc.call.Faults)
			}
			r := events.Record{Name: tc.on, Role: events.Bridge, Seq: tc.seq, Body: &events.CallProgress{OccurredAt: tc.at}}
			if got := Orphan(tc.call, r); got != tc.want {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}
}

func TestThePassHashSaysWhichPass(t *testing.T) {
	t.Parallel()
	p := &events.CallPassed{Decision: "d1", ValidUntil: noon, Fence: 7}
	q := *p
	q.ValidUntil = noon.Add(time.Second)
	if a, b := PassHash(p), PassHash(&q); len(a) != 64 || a == b || a != PassHash(p) {
		t.Errorf("%q and %q", a, b)
	}
}
