package orchestrator

import (
	"slices"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// happened is one event of a made-up log, so long after the request.
type happened struct {
	name  events.Name
	after time.Duration
	body  any
}

// life folds a made-up log of a call that was requested at noon, for agent ann,
// and expires an hour later.
func life(hs ...happened) *lifecycle.Call {
	q := &events.CallRequested{Request: events.DialRequest{To: tokyo, Agent: "ann"},
		ReceivedAt: noon, NotBefore: noon, ExpiresAt: noon.Add(time.Hour)}
	c := lifecycle.Fold([]events.Record{{Tenant: "acme", Key: "c1", Name: events.Requested, Seq: 1, Time: noon, Body: q}})
	for i, h := range hs {
		if h.body == nil {
			h.body = plainBody(h.name)
		}
		c.Take(events.Record{Tenant: "acme", Key: "c1", Name: h.name, Seq: uint64(i + 2), Time: noon.Add(h.after), Body: h.body})
	}
	return c
}

func plainBody(n events.Name) any {
	for _, s := range events.CallSpecs() {
		if s.Name == n {
			return s.New()
		}
	}
	return nil
}

func no(code string) *events.CallFailed {
	return &events.CallFailed{Reasons: []events.Reason{{Code: code}}}
}

// steps that many stories share
var (
	assigned  = happened{events.Assigned, 0, &events.CallAssigned{Agent: "ann", Fence: 7}}
	preparing = happened{name: events.Preparing}
	passed    = happened{name: events.Passed}
	dialing   = happened{name: events.Dialing}
	started   = happened{name: events.Started}
)

func upTo(hs ...happened) []happened { return hs }

func placed(hs ...happened) *lifecycle.Call {
	return life(append(upTo(assigned, passed, dialing, started), hs...)...)
}

// planned is a story of what Plan makes of a call.
type planned struct {
	story string
	call  *lifecycle.Call
	at    time.Duration // after noon
	want  Action        // Until and Again only compared where set
}

// whileItWaits are stories of calls that wait for an agent or for compliance.
func whileItWaits() []planned {
	const s, m = time.Second, time.Minute
	later := noon.Add(30 * time.Minute)
	window := &events.CallFailed{Reasons: []events.Reason{{Code: "TIME_BEFORE_WINDOW"}}, NextAllowedAt: &later}
	waitWindow := happened{events.Waiting, s, &events.CallWaiting{Reason: events.WaitWindow, Until: &later}}
	return []planned{
		{"a request that never came asks nothing", &lifecycle.Call{State: lifecycle.None}, 0, Action{Do: Nothing}},
		{"a new request wants an agent", life(), 0, Action{Do: Claim, Again: noon.Add(time.Hour)}},
		{"one that is too old expires", life(), time.Hour, Action{Do: Close, Outcome: "expired", Reason: "expired"}},
		{"who waits for an agent keeps trying when asked", life(happened{events.Waiting, 0, &events.CallWaiting{Reason: "agent_not_ready"}}), m,
			Action{Do: Claim}},
		{"who waited for an agent in vain expires, and says why", life(happened{events.Waiting, 0, &events.CallWaiting{Reason: "agent_not_ready"}}), time.Hour,
			Action{Do: Close, Outcome: "expired", Reason: "agent_not_ready"}},
		{"who waits for a window does nothing before", life(happened{events.Failed, 0, window}, waitWindow), m,
			Action{Do: Nothing, Again: later}},
		{"and goes on when it opens", life(happened{events.Failed, 0, window}, waitWindow), 30 * m, Action{Do: Claim}},
		{"a window that never opened in time blocked the call", life(happened{events.Failed, 0, window}, waitWindow), time.Hour,
			Action{Do: Close, Outcome: "blocked", Reason: "window"}},

		{"an assigned call waits for compliance", life(assigned), m, Action{Do: Nothing, Again: noon.Add(time.Hour)}},
		{"until it expires", life(assigned), time.Hour, Action{Do: Close, Outcome: "expired", Reason: "expired"}},
		{"a preparation is withdrawn at expiry, not closed over", life(assigned, preparing), time.Hour, Action{Do: Cancel, Reason: "expired"}},
		{"a cleared call likewise", life(assigned, passed), time.Hour, Action{Do: Cancel, Reason: "expired"}},
		{"while compliance owes an answer nobody moves", life(assigned, preparing, happened{name: events.CancelRequested}), 9 * m,
			Action{Do: Nothing, Again: noon.Add(10 * m)}},
		{"but not for ever, and nobody knows what the provider holds", life(assigned, preparing, happened{events.CancelRequested, 0, &events.CallCancelRequested{By: "operator"}}), 10 * m,
			Action{Do: Close, Outcome: "cancelled", Reason: "operator", Presumed: true, Quarantine: true}},
		{"one that ran out meanwhile has expired", life(assigned, preparing, happened{events.CancelRequested, 0, &events.CallCancelRequested{By: "expiry"}}), 10 * m,
			Action{Do: Close, Outcome: "expired", Reason: "expired", Presumed: true, Quarantine: true}},
	}
}

// afterANo are stories of calls that compliance or the dialer stopped.
func afterANo() []planned {
	const s, m = time.Second, time.Minute
	later := noon.Add(30 * time.Minute)
	retry := &events.CallFailed{Retry: true, Reasons: []events.Reason{{Code: "PROVIDER_DOWN"}}}
	touched := &events.CallFailed{Retry: true, Touched: true, Reasons: []events.Reason{{Code: "AGENT_NOT_READY"}}}
	window := &events.CallFailed{Reasons: []events.Reason{{Code: "TIME_BEFORE_WINDOW"}}, NextAllowedAt: &later}
	return []planned{
		{"a clear no blocks", life(assigned, happened{events.Failed, s, no("DNC_INTERNAL")}), s, Action{Do: Close, Outcome: "blocked", Reason: "DNC_INTERNAL"}},
		{"a no without reasons still has one", life(assigned, happened{events.Failed, s, &events.CallFailed{}}), s, Action{Do: Close, Outcome: "blocked", Reason: "RULE_ERROR"}},
		{"a no that waiting cures waits", life(assigned, happened{events.Failed, s, window}), s, Action{Do: Wait, Reason: "window", Until: &later}},
		{"unless that comes too late", life(assigned, happened{events.Failed, s, &events.CallFailed{
			Reasons: []events.Reason{{Code: "TIME_AFTER_WINDOW"}}, NextAllowedAt: ptr(noon.Add(time.Hour))}}), s,
			Action{Do: Close, Outcome: "blocked", Reason: "TIME_AFTER_WINDOW"}},
		{"a provider that was down is tried again", life(assigned, happened{events.Failed, s, retry}), s,
			Action{Do: Wait, Reason: "connection_down", Until: ptr(noon.Add(3 * s))}},
		{"a provider that was asked often enough is asked when it was said", life(assigned, happened{events.Failed, s, &events.CallFailed{Retry: true,
			Reasons: []events.Reason{{Code: "RATE_LIMITED"}}, NextAllowedAt: ptr(noon.Add(9 * s))}}), s, Action{Do: Wait, Reason: "rate_limited", Until: ptr(noon.Add(9 * s))}},
		{"a dial likewise", life(assigned, passed, happened{events.Withheld, s, &events.CallWithheld{Reason: "rate_limited", Until: ptr(noon.Add(9 * s))}}), s,
			Action{Do: Wait, Reason: "rate_limited", Until: ptr(noon.Add(9 * s))}},
		{"but not sooner than after the usual pause", life(assigned, passed, happened{events.Withheld, s, &events.CallWithheld{Reason: "rate_limited", Until: ptr(noon.Add(s))}}), s,
			Action{Do: Wait, Reason: "rate_limited", Until: ptr(noon.Add(3 * s))}},
		{"an agent who was not ready likewise", life(assigned, happened{events.Failed, s, &events.CallFailed{Retry: true, Reasons: []events.Reason{{Code: "AGENT_NOT_READY"}}}}), s,
			Action{Do: Wait, Reason: "agent_not_ready"}},
		{"but no longer than the request lives, and never as blocked", life(assigned, happened{events.Failed, s, retry}), time.Hour - s,
			Action{Do: Close, Outcome: "failed", Reason: "PROVIDER_DOWN"}},
		{"a provider that refused to prepare did not forbid the call", life(assigned, happened{events.Failed, s, &events.CallFailed{
			Reasons: []events.Reason{{Code: "PROVIDER_REFUSED", Rule: "provider"}}}}), s, Action{Do: Close, Outcome: "failed", Reason: "PROVIDER_REFUSED"}},
		{"what was prepared is undone first", life(assigned, preparing, happened{events.Failed, s, touched}), 2 * s,
			Action{Do: Nothing, Again: noon.Add(2*m + s)}},
		{"if nobody can undo it the agent is held back", life(assigned, preparing, happened{events.Failed, s, touched}), 3 * m,
			Action{Do: Close, Outcome: "failed", Reason: "not_undone", Presumed: true, Quarantine: true}},
		{"so it is if the call was blocked", life(assigned, preparing, happened{events.Failed, s, &events.CallFailed{Touched: true, Reasons: []events.Reason{{Code: "DNC_INTERNAL"}}}}), 3 * m,
			Action{Do: Close, Outcome: "blocked", Reason: "DNC_INTERNAL", Presumed: true, Quarantine: true}},
		{"or withdrawn", life(assigned, preparing, passed, happened{events.CancelRequested, s, &events.CallCancelRequested{By: "upstream"}}), 3 * m,
			Action{Do: Close, Outcome: "cancelled", Reason: "upstream", Presumed: true, Quarantine: true}},
		{"or refused by the provider", life(assigned, preparing, passed, dialing, happened{events.Refused, s, &events.CallRefused{Code: "no"}}), 3 * m,
			Action{Do: Close, Outcome: "failed", Reason: "no", Presumed: true, Quarantine: true}},
		{"undone, it waits again", life(assigned, preparing, happened{events.Failed, s, touched}, happened{events.Cancelled, 2 * s, nil}), 2 * s,
			Action{Do: Wait, Reason: "agent_not_ready", Until: ptr(noon.Add(4 * s))}},
		{"a pass that ran out waits again", life(assigned, passed, happened{events.Withheld, s, &events.CallWithheld{Reason: "pass_expired"}}), s,
			Action{Do: Wait, Reason: "agent_not_ready"}},
		{"a pause is a reason to wait", life(assigned, passed, happened{events.Withheld, s, &events.CallWithheld{Reason: "paused"}}), s,
			Action{Do: Wait, Reason: "paused"}},
		{"an opt-out after the pass blocks", life(assigned, passed, happened{events.Withheld, s, &events.CallWithheld{Reason: "pass_expired"}},
			happened{events.Failed, s, no("DNC_INTERNAL")}), s, Action{Do: Close, Outcome: "blocked", Reason: "DNC_INTERNAL"}},
	}
}

// whenCancelled are stories of calls that somebody withdrew.
func whenCancelled() []planned {
	const s, m = time.Second, time.Minute
	return []planned{
		{"a cancelled call closes at once when nothing was touched", life(happened{events.CancelRequested, s, &events.CallCancelRequested{By: "operator"}}), s,
			Action{Do: Close, Outcome: "cancelled", Reason: "operator"}},
		{"one withdrawn at expiry has expired", life(assigned, passed, happened{events.CancelRequested, s, &events.CallCancelRequested{By: "expiry"}}), s,
			Action{Do: Close, Outcome: "expired", Reason: "expired"}},
		{"a preparation is withdrawn before the end", life(assigned, preparing, passed, happened{events.CancelRequested, s, &events.CallCancelRequested{By: "upstream"}}), s,
			Action{Do: Nothing}},
		{"and then it ends", life(assigned, preparing, passed, happened{events.CancelRequested, s, &events.CallCancelRequested{By: "upstream"}}, happened{events.Cancelled, 2 * s, nil}), 2 * s,
			Action{Do: Close, Outcome: "cancelled", Reason: "upstream"}},
		{"a started call that was withdrawn was cancelled, not unplaced", placed(happened{events.CancelRequested, s, &events.CallCancelRequested{By: "operator"}},
			happened{events.Cancelled, 2 * s, nil}), 2 * s, Action{Do: Close, Outcome: "cancelled", Reason: "operator"}},
	}
}

// onceDialed are stories of calls that were, or may have been, placed.
func onceDialed() []planned {
	const s, m = time.Second, time.Minute
	return []planned{
		{"an intent is the dialer's alone", life(assigned, passed, dialing), 9 * m, Action{Do: Nothing, Again: noon.Add(10 * m)}},
		{"until no dialer has said a word for long", life(assigned, passed, dialing), 10 * m,
			Action{Do: Close, Outcome: "failed", Reason: "outcome_unknown", Presumed: true, Quarantine: true}},
		{"a wish to cancel it changes nothing about that", life(assigned, passed, dialing, happened{events.CancelRequested, s, &events.CallCancelRequested{By: "operator"}}), 10 * m,
			Action{Do: Close, Outcome: "failed", Reason: "outcome_unknown", Presumed: true, Quarantine: true}},
		{"a refusal ends the call", life(assigned, passed, dialing, happened{events.Refused, s, &events.CallRefused{Code: "busy_line"}}), s,
			Action{Do: Close, Outcome: "failed", Reason: "busy_line"}},
		{"nothing sent after all ends it too", life(assigned, passed, dialing, happened{events.Withheld, s, &events.CallWithheld{Reason: "not_after"}}), s,
			Action{Do: Close, Outcome: "failed", Reason: "not_after"}},
		{"not placed, by the provider's word", life(assigned, passed, dialing, happened{name: events.Unknown}, happened{events.NotPlaced, s, nil}), s,
			Action{Do: Close, Outcome: "failed", Reason: "not_placed"}},
		{"a refused call's preparation is undone first", life(assigned, preparing, passed, dialing, happened{events.Refused, s, &events.CallRefused{Code: "no"}}), s,
			Action{Do: Nothing}},
		{"undone, a refusal stays a refusal though somebody cancelled", life(assigned, preparing, passed, dialing, happened{events.Refused, s, &events.CallRefused{Code: "no"}},
			happened{events.CancelRequested, s, &events.CallCancelRequested{By: "operator"}}, happened{events.Cancelled, 2 * s, nil}), 2 * s,
			Action{Do: Close, Outcome: "failed", Reason: "no"}},

		{"a started call has time to say something", placed(), m, Action{Do: Nothing, Again: noon.Add(2 * m)}},
		{"or is presumed lost", placed(), 2 * m, Action{Do: Close, Outcome: "failed", Reason: "no_news", Presumed: true, Quarantine: true}},
		{"one found over at once is presumed over", life(assigned, passed, dialing, happened{name: events.Unknown}, happened{events.Started, s, &events.CallStarted{Over: true}}), s,
			Action{Do: Close, Outcome: "failed", Reason: "presumed_over", Presumed: true, Quarantine: true}},
		{"an agent who must act has as long as the provider said", life(assigned, passed, dialing, happened{events.PendingAgent, 0, &events.CallPendingAgent{Until: noon.Add(30 * m)}}), 39 * m,
			Action{Do: Nothing, Again: noon.Add(40 * m)}},
		{"and is given up if no dialer said so before", life(assigned, passed, dialing, happened{events.PendingAgent, 0, &events.CallPendingAgent{Until: noon.Add(30 * m)}}), 40 * m,
			Action{Do: Close, Outcome: "failed", Reason: "no_news", Presumed: true, Quarantine: true}},
		{"but not for years", life(assigned, passed, dialing, happened{events.PendingAgent, 0, &events.CallPendingAgent{Until: noon.Add(9000 * time.Hour)}}), 4 * time.Hour,
			Action{Do: Close, Outcome: "failed", Reason: "no_news", Presumed: true, Quarantine: true}},
		{"nor less than anybody has", life(assigned, passed, dialing, happened{name: events.PendingAgent}), 2 * m,
			Action{Do: Close, Outcome: "failed", Reason: "no_news", Presumed: true, Quarantine: true}},
		{"an unknown is looked up for a while", life(assigned, passed, dialing, happened{name: events.Unknown}), 9 * m, Action{Do: Nothing, Again: noon.Add(10 * m)}},
		{"and then given up", life(assigned, passed, dialing, happened{name: events.Unknown}), 10 * m,
			Action{Do: Close, Outcome: "failed", Reason: "outcome_unknown", Presumed: true, Quarantine: true}},
		{"a person said it was never placed", life(assigned, passed, dialing, happened{name: events.Unknown}, happened{events.Resolved, s, &events.CallResolved{}}), s,
			Action{Do: Close, Outcome: "failed", Reason: "not_placed"}},
		{"a person said so, and the provider may hold what was prepared", life(assigned, preparing, passed, dialing, happened{name: events.Unknown}, happened{events.Resolved, s, &events.CallResolved{}}), s,
			Action{Do: Close, Outcome: "failed", Reason: "not_placed", Quarantine: true}},
		{"a person said it was", life(assigned, passed, dialing, happened{name: events.Unknown}, happened{events.Resolved, s, &events.CallResolved{Placed: true}}), m,
			Action{Do: Nothing, Again: noon.Add(2*m + s)}},
		{"offered and nobody takes it", placed(happened{events.Offered, s, nil}), 3*m + s, Action{Do: Close, Outcome: "failed", Reason: "no_news", Presumed: true, Quarantine: true}},
		{"ringing for ever", placed(happened{events.Ringing, s, nil}), 3*m + s, Action{Do: Close, Outcome: "failed", Reason: "no_news", Presumed: true, Quarantine: true}},
		{"a long talk goes on", placed(happened{events.Talking, s, nil}), 3 * time.Hour, Action{Do: Nothing, Again: noon.Add(4*time.Hour + s)}},
		{"a talk without end was a talk", placed(happened{events.Talking, s, nil}), 5 * time.Hour, Action{Do: Close, Outcome: "completed", Reason: "no_news", Presumed: true, Quarantine: true}},
		{"held without end likewise", placed(happened{events.Talking, s, nil}, happened{events.Held, 2 * s, nil}), 5 * time.Hour,
			Action{Do: Close, Outcome: "completed", Reason: "no_news", Presumed: true, Quarantine: true}},
		{"consulting and conferencing are talking", placed(happened{events.Talking, s, nil}, happened{events.Consulting, s, nil}, happened{events.Conferencing, s, nil}), m, Action{Do: Nothing}},
		{"answered alone is no talk where talking is reported", placed(happened{events.Answered, s, nil}), 5 * time.Hour,
			Action{Do: Close, Outcome: "failed", Reason: "no_news", Presumed: true, Quarantine: true}},
		{"ended without a word failed, and says how", placed(happened{events.Ended, s, &events.CallProgress{Reason: "busy"}}), s, Action{Do: Close, Outcome: "failed", Reason: "busy"}},
		{"completed without a word was not connected", placed(happened{events.Ended, s, &events.CallProgress{Reason: "completed"}}), s, Action{Do: Close, Outcome: "failed", Reason: "not_connected"}},
		{"an end that nobody saw is presumed", placed(happened{events.Ended, s, &events.CallProgress{Reason: "unknown"}}), s, Action{Do: Close, Outcome: "failed", Reason: "unknown", Presumed: true}},
		{"wrap-up first is a failed start", placed(happened{events.WrapUp, s, nil}), s, Action{Do: Close, Outcome: "failed", Reason: "not_connected"}},
		{"after a talk the agent gets to wrap up", placed(happened{events.Talking, s, nil}, happened{events.Ended, m, nil}), m, Action{Do: Nothing, Again: noon.Add(3 * m)}},
		{"or the end is presumed", placed(happened{events.Talking, s, nil}, happened{events.Ended, m, nil}), 3 * m, Action{Do: Close, Outcome: "completed", Reason: "completed", Presumed: true}},
		{"wrapping up takes its time", placed(happened{events.Talking, s, nil}, happened{events.WrapUp, m, nil}), 30 * m, Action{Do: Nothing}},
		{"but not for ever", placed(happened{events.Talking, s, nil}, happened{events.WrapUp, m, nil}), 31 * m, Action{Do: Close, Outcome: "completed", Reason: "completed", Presumed: true}},
		{"wrapped up is the end", placed(happened{events.Talking, s, nil}, happened{events.WrappedUp, m, nil}), m, Action{Do: Close, Outcome: "completed", Reason: "completed"}},
		{"closed is closed", placed(happened{name: events.Closed}), 9 * time.Hour, Action{Do: Nothing}},
		{"a log with an impossible event is left to a person", life(happened{name: events.WrappedUp}), 9 * time.Hour, Action{Do: Nothing}},
	}
}

// queued is the life of a call in a queue of its provider's.
func queued(hs ...happened) *lifecycle.Call {
	c := life(append([]happened{{events.Assigned, 0, &events.CallAssigned{Queue: "menu-7", NoTalking: true}}, {name: events.Passed},
		{name: events.Dialing}}, hs...)...)
	c.Request.Request.Agent, c.Request.Request.Queue = "", "menu-7"
	return c
}

// endingAt is a call whose pass ends at an instant.
func endingAt(at time.Time, c *lifecycle.Call) *lifecycle.Call {
	c.Passed = &events.CallPassed{ValidUntil: at}
	return c
}

// overTwo is a call whose pass lists two numbers.
func overTwo(c *lifecycle.Call) *lifecycle.Call {
	c.Passed = &events.CallPassed{Numbers: make([]events.Number, 2)}
	return c
}

// inAQueue are stories of calls that no agent of ours is claimed for.
func inAQueue() []planned {
	const s, m = time.Second, time.Minute
	fresh := life()
	fresh.Request.Request.Agent, fresh.Request.Request.Queue = "", "menu-7"
	took := happened{name: events.Started}
	expired := happened{events.CancelRequested, time.Hour, &events.CallCancelRequested{By: "expiry"}}
	passEnded := happened{events.CancelRequested, 15 * m, &events.CallCancelRequested{By: "expiry", Reason: "pass_expired"}}
	return []planned{
		{"nobody is looked for", fresh, s, Action{Do: Enqueue}},
		{"it may ring until its request expires", queued(took), 59 * m, Action{Do: Nothing, Again: noon.Add(time.Hour)}},
		{"and is withdrawn then", queued(took), time.Hour, Action{Do: Cancel, Reason: "expired"}},
		{"one whose answer was lost may ring just so", queued(happened{name: events.Unknown}), 59 * m, Action{Do: Nothing, Again: noon.Add(time.Hour)}},
		{"and is withdrawn as well", queued(happened{name: events.Unknown}), time.Hour, Action{Do: Cancel, Reason: "expired"}},
		{"which takes a moment", queued(took, expired), time.Hour + s, Action{Do: Nothing}},
		{"withdrawn, it has expired", queued(took, expired, happened{events.Cancelled, time.Hour + s, nil}), time.Hour + s,
			Action{Do: Close, Outcome: "expired", Reason: "expired"}},
		{"what cannot be withdrawn is given up", queued(took, expired, happened{events.CancelFailed, time.Hour, &events.CallCancelFailed{Reason: "unsupported"}}), time.Hour + s,
			Action{Do: Close, Outcome: "failed", Reason: "no_news", Presumed: true, Quarantine: true}},
		{"and so is what nobody withdraws", queued(took, expired), 2 * time.Hour,
			Action{Do: Close, Outcome: "failed", Reason: "no_news", Presumed: true, Quarantine: true}},
		{"it rings at one number after the other", overTwo(queued(took, happened{events.Ringing, m, nil})), 7*m - s, Action{Do: Nothing}},
		{"and not for ever", overTwo(queued(took, happened{events.Ringing, m, nil})), 7 * m,
			Action{Do: Close, Outcome: "failed", Reason: "no_news", Presumed: true, Quarantine: true}},
		{"no longer than its pass", endingAt(noon.Add(15*m), queued(took)), 15*m - s, Action{Do: Nothing, Again: noon.Add(15 * m)}},
		{"after which it is withdrawn", endingAt(noon.Add(15*m), queued(took)), 15 * m, Action{Do: Cancel, Reason: "pass_expired"}},
		{"for that reason", endingAt(noon.Add(15*m), queued(took, passEnded, happened{events.Cancelled, 15 * m, nil})), 15*m + s,
			Action{Do: Close, Outcome: "expired", Reason: "pass_expired"}},
		{"or where it cannot be, waited for", endingAt(noon.Add(15*m), queued(took, passEnded, happened{events.CancelFailed, 15 * m, &events.CallCancelFailed{Reason: "unsupported"}})), 59 * m,
			Action{Do: Nothing, Again: noon.Add(time.Hour)}},
		{"a conversation is over when it ends", queued(took, happened{events.Answered, m, nil}, happened{events.Ended, 2 * m, nil}), 2 * m,
			Action{Do: Close, Outcome: "completed", Reason: "completed"}},
		{"a wish to withdraw one that rings leaves it alone", queued(took, happened{events.Ringing, m, nil}, happened{events.CancelRequested, m, &events.CallCancelRequested{By: "operator"}}), m + s,
			Action{Do: Nothing}},
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	for _, tc := range slices.Concat(whileItWaits(), afterANo(), whenCancelled(), onceDialed(), inAQueue()) {
		t.Run(tc.story, func(t *testing.T) {
			t.Parallel()
			got := Plan(tc.call, noon.Add(tc.at), config.OrDefault(Limits{}))
			if tc.want.Again.IsZero() {
				got.Again = time.Time{}
			}
			if tc.want.Until == nil {
				got.Until = nil
			}
			if (got.Until == nil) != (tc.want.Until == nil) || got.Until != nil && !got.Until.Equal(*tc.want.Until) {
				t.Errorf("until %v, want %v", got.Until, tc.want.Until)
			}
			got.Until, tc.want.Until = nil, nil
			if got != tc.want {
				t.Errorf("%+v\nwant %+v", got, tc.want)
			}
		})
	}
}

// Whatever the table of a call's life knows, Plan has an answer for that the
// table allows.
func TestThePlanForEveryStateIsLegal(t *testing.T) {
	t.Parallel()
	verbs := map[Deed]events.Name{Claim: events.Assigned, Enqueue: events.Assigned, Wait: events.Waiting, Cancel: events.CancelRequested, Close: events.Closed}
	seen := map[lifecycle.State]bool{}
	var walk func(hs []happened, depth int)
	walk = func(hs []happened, depth int) {
		c := life(hs...)
		seen[c.State] = true
		for _, at := range []time.Duration{0, time.Minute, time.Hour, 9 * time.Hour} {
			m := Plan(c, noon.Add(at), config.OrDefault(Limits{}))
			if name := verbs[m.Do]; name != "" {
				if _, v := lifecycle.Calls().Next(c.State, name); v != lifecycle.Move {
					t.Errorf("in %s after %v it plans to %s", c.State, at, m.Do)
				}
			}
		}
		if depth == 0 {
			return
		}
		for _, r := range lifecycle.Calls().Rules() {
			if r.From == c.State && r.On != events.Requested {
				walk(append(append([]happened(nil), hs...), happened{name: r.On}), depth-1)
			}
		}
	}
	walk(nil, 5)
	for _, s := range lifecycle.Calls().States() {
		if s != lifecycle.None && !seen[s] {
			walkTo(t, s, seen)
		}
	}
	for _, s := range lifecycle.Calls().States() {
		if s != lifecycle.None && !seen[s] {
			t.Errorf("no story comes to %s", s)
		}
	}
}

// walkTo marks states that lie deeper than the walk by going straight there.
func walkTo(t *testing.T, s lifecycle.State, seen map[lifecycle.State]bool) {
	t.Helper()
	c := placed(happened{name: events.Name(s)})
	if c.State == s && len(c.Faults) == 0 {
		seen[s] = true
		Plan(c, noon.Add(9*time.Hour), config.OrDefault(Limits{}))
	}
}

func TestACallDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	var hs []happened
	for range maxWaits {
		hs = append(hs, happened{events.Waiting, 0, &events.CallWaiting{Reason: events.WaitWindow}})
	}
	until := noon.Add(time.Minute)
	hs = append(hs, assigned, happened{events.Failed, 0, &events.CallFailed{Reasons: []events.Reason{{Code: "TIME_BEFORE_WINDOW"}}, NextAllowedAt: &until}})
	if m := Plan(life(hs...), noon, config.OrDefault(Limits{})); m.Do != Close || m.Outcome != events.OutcomeFailed || m.Reason != "tried_too_often" {
		t.Errorf("%+v: the broker keeps 64 events of a kind, then the call could never be told to wait again", m)
	}
	hs = nil
	for range maxAttempts {
		hs = append(hs, assigned, happened{events.Failed, 0, &events.CallFailed{Retry: true}}, happened{name: events.Waiting})
	}
	if m := Plan(life(hs...), noon, config.OrDefault(Limits{})); m.Do != Close || m.Reason != "too_many_attempts" {
		t.Errorf("%+v", m)
	}
}

func TestPausesBetweenTriesGrow(t *testing.T) {
	t.Parallel()
	l := config.OrDefault(Limits{})
	var hs []happened
	var last time.Duration
	for i := range 10 {
		hs = append(hs, assigned, happened{events.Failed, 0, &events.CallFailed{Retry: true}})
		m := Plan(life(hs...), noon, l)
		d := m.Until.Sub(noon)
		if i == 0 && d != l.Retry || d < last || d > time.Minute {
			t.Errorf("try %d: %v after %v", i, d, last)
		}
		last = d
		hs = append(hs, happened{events.Waiting, 0, &events.CallWaiting{Until: m.Until}})
	}
	if last != time.Minute {
		t.Errorf("the tenth pause is %v", last)
	}
}

func TestWhatProvesACallOver(t *testing.T) {
	t.Parallel()
	const s = time.Second
	talk := placed(happened{events.Talking, s, nil}) // sequences: 4 dialing, 5 started, 6 talking
	for _, tc := range []struct {
		story  string
		call   *lifecycle.Call
		seq    uint64 // what was on record when the provider was asked
		polled bool
		want   Action
		proof  bool
	}{
		{"asked before the dial it proves nothing", talk, 3, true, Action{}, false},
		{"asked while the start was on its way it proves nothing", talk, 4, true, Action{}, false},
		{"asked after the answer it proves the end", talk, 5, true, Action{Do: Close, Outcome: "completed", Reason: "completed", Presumed: true}, true},
		{"nobody talked", placed(), 5, true, Action{Do: Close, Outcome: "failed", Reason: "presumed_over", Presumed: true}, true},
		{"a desktop's word proves nothing of a live call", talk, 9, false, Action{}, false},
		{"but it does once the call has ended", placed(happened{events.Talking, s, nil}, happened{events.Ended, s, nil}), 0, false,
			Action{Do: Close, Outcome: "completed", Reason: "completed"}, true},
		{"ended without a word", placed(happened{events.Ended, s, &events.CallProgress{Reason: "no_answer"}}), 0, false,
			Action{Do: Close, Outcome: "failed", Reason: "no_answer"}, true},
		{"ended while nobody looked", placed(happened{events.Ended, s, &events.CallProgress{Reason: "unknown"}}), 0, false,
			Action{Do: Close, Outcome: "failed", Reason: "unknown", Presumed: true}, true},
		{"of a call that is not dialed it proves nothing", life(assigned, passed), 9, true, Action{}, false},
		{"of an intent without answer neither", life(assigned, passed, dialing), 9, true, Action{}, false},
		{"nor of one with a wish to cancel", life(assigned, passed, dialing, happened{name: events.CancelRequested}), 9, true, Action{}, false},
		{"an unknown is over when the agent is free", life(assigned, passed, dialing, happened{name: events.Unknown}), 5, true,
			Action{Do: Close, Outcome: "failed", Reason: "presumed_over", Presumed: true}, true},
		{"a refused call is closed by its own rules", life(assigned, passed, dialing, happened{name: events.Refused}), 9, true, Action{}, false},
		{"so is a withdrawn one", life(assigned, passed, dialing, happened{name: events.Withheld}), 9, true, Action{}, false},
		{"so is one not placed", life(assigned, passed, dialing, happened{name: events.Unknown}, happened{name: events.NotPlaced}), 9, true, Action{}, false},
		{"so is a cancelled one", placed(happened{name: events.Cancelled}), 9, true, Action{}, false},
		{"a closed call needs no proof", placed(happened{name: events.Closed}), 9, true, Action{}, false},
	} {
		t.Run(tc.story, func(t *testing.T) {
			t.Parallel()
			if got, ok := ProvesOver(tc.call, tc.seq, tc.polled); ok != tc.proof || ok && got != tc.want {
				t.Errorf("%+v %v\nwant %+v %v", got, ok, tc.want, tc.proof)
			}
		})
	}
}
