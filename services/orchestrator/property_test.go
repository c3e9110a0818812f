package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/test/exams/logtest"
)

// chance is a world in which anything that may happen does, in any order:
// requests, agents' whims, compliance, the dialer and the bridge as they are
// allowed to be, two orchestrators that hear things late or twice, and a log
// that fails.
type chance struct {
	*world
	rt     *rapid.T
	agents []string
	calls  []string
	n      int
}

// uma's provider never says where she is.
const uma = "uma"

func TestWhateverHappensEveryCallEndsOnceAndNoAgentIsShared(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		c := &chance{world: newWorld(t), rt: rt, agents: []string{"ann", "bob"}}
		c.join()
		for _, a := range c.agents {
			c.enrol(a, "sales")
		}
		c.agents = append(c.agents, uma)
		c.assumed(uma, "sales")
		rt.Repeat(map[string]func(*rapid.T){
			"":        func(rt *rapid.T) { c.check(rt) },
			"request": func(rt *rapid.T) { c.rt = rt; c.newCall() },
			"time": func(rt *rapid.T) {
				c.rt = rt
				c.world.pass(time.Duration(rapid.IntRange(1, 120).Draw(rt, "s")) * time.Second)
			},
			"agent":      func(rt *rapid.T) { c.rt = rt; c.whim() },
			"compliance": func(rt *rapid.T) { c.rt = rt; c.comply() },
			"dialer":     func(rt *rapid.T) { c.rt = rt; c.dialer() },
			"bridge":     func(rt *rapid.T) { c.rt = rt; c.bridge() },
			"cancel":     func(rt *rapid.T) { c.rt = rt; c.cancel() },
			"hear":       func(rt *rapid.T) { c.rt = rt; c.hear(false) },
			"hear again": func(rt *rapid.T) { c.rt = rt; c.hear(true) },
			"turn":       func(rt *rapid.T) { c.rt = rt; s := c.one(); c.tell(); s.Turn(ctx()); s.Sweep(ctx()) },
			"fail":       func(rt *rapid.T) { c.rt = rt; c.fail() },
			"interrupt":  func(rt *rapid.T) { c.rt = rt; c.interrupt() },
		})
		c.settle(rt)
	})
}

func ctx() context.Context { return context.Background() }

func (c *chance) one() *Service { return rapid.SampledFrom(c.crew).Draw(c.rt, "orchestrator") }

func (c *chance) any() *lifecycle.Call {
	if len(c.calls) == 0 {
		return &lifecycle.Call{State: lifecycle.None}
	}
	return c.call(rapid.SampledFrom(c.calls).Draw(c.rt, "call"))
}

// try appends what another service says, if the log still stands there.
func (c *chance) try(call *lifecycle.Call, role events.Role, name events.Name, body any) {
	d, err := log.NextOfCall(call, role, name, c.Now(), body)
	if err != nil {
		c.rt.Fatalf("the test itself would say %s in %s", name, call.State)
	}
	if _, err := c.log.Append(ctx(), *d); err != nil {
		c.rt.Logf("%s: %v", name, err)
	}
}

func (c *chance) newCall() {
	if len(c.calls) >= 6 {
		return
	}
	c.n++
	q := map[string]any{"agent": rapid.SampledFrom(c.agents).Draw(c.rt, "agent")}
	switch rapid.IntRange(0, 4).Draw(c.rt, "whom") {
	case 0, 1:
		q = map[string]any{"huntGroup": "sales"}
	case 2:
		q = map[string]any{"queue": "menu-7", "connection": "lists"}
	}
	q["expiresAt"] = c.Now().Add(time.Duration(rapid.IntRange(1, 30).Draw(c.rt, "min")) * time.Minute)
	d := c.request(fmt.Sprint(c.n), q)
	d.Seq = uint64(c.n)
	for try := 1; try < 20; try++ { // as the worker does
		d.Tries = try
		id, err := c.accept(c.one(), d)
		if err == nil {
			c.calls = append(c.calls, id)
			return
		}
		var refused *events.RejectError
		if errors.As(err, &refused) && !q["expiresAt"].(time.Time).After(c.Now()) {
			return // it grew too old before it could be stored
		}
	}
	c.rt.Fatal("the request is never accepted")
}

func (c *chance) whim() {
	agent := rapid.SampledFrom(c.agents).Draw(c.rt, "agent")
	on := rapid.SampledFrom([]events.Name{events.Ready, events.Ready, events.NotReady, events.OnCall, events.WrapUp, events.SessionStarted}).Draw(c.rt, "presence")
	evidence := "poll"
	if agent == uma { // people may say of her what they like
		evidence = "command"
		on = rapid.SampledFrom([]events.Name{events.Ready, events.NotReady}).Draw(c.rt, "set")
	} else if on == events.Ready && c.busy(agent) {
		return // a provider does not show an agent free who is talking
	}
	a := c.agent(agent)
	after, v := a.After(on, "", "", c.Now())
	if v == lifecycle.Illegal {
		c.rt.Fatalf("%s is illegal", on)
	}
	b := &events.AgentPresence{Evidence: evidence, State: after}
	if claim := a.State.Claim; claim != nil && agent != uma {
		b.Call, b.CallSeq = claim.Call, c.call(claim.Call).Seq()
	}
	if _, err := c.log.Append(ctx(), *log.NextOfAgent(a, events.Bridge, on, c.Now(), b)); err != nil {
		c.rt.Logf("presence: %v", err)
	}
}

// busy says that the provider has the agent on a call of ours.
func (c *chance) busy(agent string) bool {
	for _, id := range c.calls {
		if x := c.call(id); x.Assigned != nil && x.Assigned.Agent == agent && x.Open() && lifecycle.Rank(x.State) > 0 && lifecycle.Rank(x.State) < 7 {
			return true
		}
	}
	return false
}

func (c *chance) comply() {
	x := c.any()
	no := &events.CallFailed{Reasons: []events.Reason{{Code: "PROVIDER_DOWN"}}, Retry: rapid.Bool().Draw(c.rt, "retry")}
	switch x.State {
	case lifecycle.Assigned:
		switch rapid.IntRange(0, 2).Draw(c.rt, "compliance") {
		case 0:
			c.try(x, events.Compliance, events.Failed, no)
		case 1:
			c.try(x, events.Compliance, events.Preparing, &events.CallPreparing{Attempt: "p", NotAfter: c.Now()})
		case 2:
			c.try(x, events.Compliance, events.Passed, &events.CallPassed{Fence: x.Assigned.Fence, ValidUntil: c.Now().Add(time.Hour)})
		}
	case lifecycle.Preparing, lifecycle.Stopping:
		if no.Touched = true; rapid.Bool().Draw(c.rt, "passes") {
			c.try(x, events.Compliance, events.Passed, &events.CallPassed{Fence: x.Preparing.Fence, ValidUntil: c.Now().Add(time.Hour)})
		} else {
			c.try(x, events.Compliance, events.Failed, no)
		}
	case lifecycle.Cleared, lifecycle.Requested, lifecycle.Waiting: // an opt-out
		no.Retry = false
		c.try(x, events.Compliance, events.Failed, no)
	}
}

func (c *chance) dialer() {
	x := c.any()
	switch x.State {
	case lifecycle.Cleared:
		if x.Queued() {
			c.try(x, events.Dialer, events.Dialing, &events.CallDialing{Attempt: "a", NotAfter: c.Now()})
			return
		}
		a := c.agent(x.Assigned.Agent)
		if a.Fence == x.Assigned.Fence && a.State.Claim != nil && a.State.Claim.Call == x.ID && a.State.Presence == events.Ready {
			c.try(x, events.Dialer, events.Dialing, &events.CallDialing{Attempt: "a", Agent: a.ID, Fence: a.Fence, NotAfter: c.Now()})
		} else {
			c.try(x, events.Dialer, events.Withheld, &events.CallWithheld{Reason: "claim_lost"})
		}
	case lifecycle.Dialing:
		name := rapid.SampledFrom([]events.Name{events.Started, events.Refused, events.Unknown, events.Withheld, events.PendingAgent}).Draw(c.rt, "answer")
		body := plainBody(name)
		if no, ok := body.(*events.CallRefused); ok && rapid.Bool().Draw(c.rt, "not available") {
			no.Code = events.ReasonNotAvailable
		}
		if p, ok := body.(*events.CallPendingAgent); ok {
			p.Until = c.Now().Add(time.Duration(rapid.IntRange(-1, 100).Draw(c.rt, "acts within")) * time.Hour)
		}
		c.try(x, events.Dialer, name, body)
	case lifecycle.Started: // a call in a queue that was asked to be withdrawn
		if x.Cancel != nil && rapid.Bool().Draw(c.rt, "withdrawn") {
			c.try(x, events.Dialer, events.Cancelled, &events.CallCancelled{})
		}
	case lifecycle.Unknown:
		name := rapid.SampledFrom([]events.Name{events.Started, events.NotPlaced}).Draw(c.rt, "lookup")
		c.try(x, events.Dialer, name, plainBody(name))
	case lifecycle.Closed: // the answer limps in, or the preparation is withdrawn after all
		if x.Touched {
			c.try(x, events.Dialer, events.Cancelled, &events.CallCancelled{})
		} else if x.Dialing != nil && x.Started == nil {
			c.try(x, events.Dialer, events.Started, &events.CallStarted{})
		}
	case lifecycle.Failed, lifecycle.Withheld, lifecycle.Cancelling, lifecycle.Refused, lifecycle.NotPlaced, lifecycle.Withdrawn:
		if x.Touched {
			c.try(x, events.Dialer, events.Cancelled, &events.CallCancelled{})
		}
	}
}

func (c *chance) bridge() {
	x := c.any()
	if x.Dialing == nil || !x.Open() {
		return
	}
	name := rapid.SampledFrom([]events.Name{events.Ringing, events.Answered, events.Talking, events.Held, events.Ended, events.WrapUp, events.WrappedUp}).Draw(c.rt, "progress")
	if _, v := lifecycle.Calls().Next(x.State, name); v != lifecycle.Illegal {
		c.try(x, events.Bridge, name, &events.CallProgress{Event: "X"})
	}
}

func (c *chance) cancel() {
	if x := c.any(); x.Request != nil {
		_, err := c.one().cancelOne(ctx(), "acme", x.ID, cancelRequest{CallRef: CallRef{Call: x.ID}, By: "boss"})
		c.rt.Logf("cancel: %v", err)
	}
}

// hear lets an orchestrator handle the next event, or any event once more.
func (c *chance) hear(again bool) {
	s := c.one()
	f := rapid.SampledFrom([]events.Family{events.CallFamily, events.AgentFamily}).Draw(c.rt, "log")
	from := c.heard[s][f]
	if again {
		from = uint64(rapid.IntRange(0, int(from)).Draw(c.rt, "from"))
	}
	rs := c.since(f, from)
	if len(rs) == 0 {
		return
	}
	if rapid.Bool().Draw(c.rt, "told") {
		c.tell()
	}
	h := map[events.Family]worker.Handler{events.AgentFamily: s.OnAgent, events.CallFamily: s.OnCall}[f]
	err := h(ctx(), worker.Delivery{Record: &rs[0], Seq: rs[0].Seq})
	if err == nil && !again {
		c.heard[s][f] = rs[0].Seq
	}
}

// mine are the orchestrator's own events, at which things go wrong.
var mine = []events.Name{events.Requested, events.Waiting, events.Assigned, events.Closed, events.CancelRequested,
	events.Claimed, events.Released, events.Quarantined}

func (c *chance) fail() {
	c.log.Fail(rapid.SampledFrom(mine).Draw(c.rt, "at"), rapid.SampledFrom([]logtest.Fault{logtest.Conflict,
		logtest.LostAnswer, logtest.StoredUnknown, logtest.NotStored, logtest.Down}).Draw(c.rt, "fault"))
}

// interrupt stops an orchestrator right before its next append of a name,
// while the other one and the rest of the world go on for a while.
func (c *chance) interrupt() {
	steps := rapid.SliceOfN(rapid.IntRange(0, 4), 1, 8).Draw(c.rt, "meanwhile")
	rt := c.rt
	c.log.Before(rapid.SampledFrom(mine).Draw(c.rt, "before"), func() {
		for _, what := range steps {
			switch what {
			case 0:
				c.hearAll(c.crew[len(c.crew)-1])
			case 1:
				c.world.pass(20 * time.Second)
				c.tell()
				c.crew[len(c.crew)-1].Turn(ctx())
				c.crew[len(c.crew)-1].Sweep(ctx())
			case 2, 3:
				for _, id := range c.calls {
					x := c.call(id)
					switch x.State {
					case lifecycle.Assigned:
						c.try(x, events.Compliance, events.Passed, &events.CallPassed{Fence: x.Assigned.Fence, ValidUntil: c.Now().Add(time.Hour)})
					case lifecycle.Cleared:
						if x.Queued() {
							c.try(x, events.Dialer, events.Dialing, &events.CallDialing{Attempt: "a", NotAfter: c.Now()})
						} else if a := c.agent(x.Assigned.Agent); a.Fence == x.Assigned.Fence && a.State.Presence == events.Ready {
							c.try(x, events.Dialer, events.Dialing, &events.CallDialing{Attempt: "a", NotAfter: c.Now()})
						}
					}
				}
			}
			c.check(rt)
		}
	})
}

func (c *chance) hearAll(s *Service) {
	c.tell()
	for f, h := range map[events.Family]worker.Handler{events.AgentFamily: s.OnAgent, events.CallFamily: s.OnCall} {
		for _, r := range c.since(f, c.heard[s][f]) {
			if err := h(ctx(), worker.Delivery{Record: &r, Seq: r.Seq}); err != nil {
				break
			}
			c.heard[s][f] = r.Seq
		}
	}
}

// check holds after every single thing that happens.
func (c *chance) check(rt *rapid.T) {
	on := map[string]string{}
	for _, id := range c.calls {
		x := c.call(id) // an illegal event in the log fails here
		count := map[events.Name]int{}
		for _, r := range x.Log {
			count[r.Name]++
		}
		if count[events.Dialing] > 1 || count[events.Closed] > 1 || count[events.Requested] != 1 {
			rt.Fatalf("%s: %s", id, names(x.Log))
		}
		if q := x.Request.Request.Queue; x.Assigned != nil && (x.Queued() != (q != "") || x.Assigned.Queue != q || x.Queued() && x.Assigned.Fence != 0) {
			rt.Fatalf("%s asks for the queue %q and is assigned %+v", id, q, x.Assigned)
		}
		if !x.Open() || x.Dialing == nil || x.Queued() {
			continue
		}
		agent := lastAssigned(x).Agent
		if other := on[agent]; other != "" {
			rt.Fatalf("%s is on %s and %s", agent, other, id)
		}
		on[agent] = id
		if a := c.agent(agent); a.State.Claim == nil || a.State.Claim.Call != id {
			rt.Fatalf("%s is dialed for %s and held by %+v", agent, id, a.State.Claim)
		}
	}
}

// settle lets everything come to an end: no more faults, and nobody but the
// orchestrators lives.
func (c *chance) settle(rt *rapid.T) {
	c.log.Mend()
	for range 16 {
		c.world.pass(time.Hour)
		for _, s := range c.crew {
			c.hearAll(s)
			c.tell()
			s.Turn(ctx())
			c.tell()
			s.Sweep(ctx())
			c.hearAll(s)
		}
		c.check(rt)
	}
	for _, id := range c.calls {
		if x := c.call(id); x.State != lifecycle.Closed {
			rt.Fatalf("%s is still %s: %s", id, x.State, names(x.Log))
		}
	}
	for _, a := range c.agents {
		if x := c.agent(a); x.State.Claim != nil {
			rt.Fatalf("%s is still held: %+v", a, x.State)
		} else if q := x.State.Quarantine; q != nil && a == uma {
			rt.Fatalf("%s is held back for ever: %+v", a, q)
		}
	}
}
