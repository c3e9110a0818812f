package bridge

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// five9Says is Five9's news of the call to newYork.
func five9Says(event string) []byte {
	return fmt.Appendf(nil, `{"channel":"Five9","topic":"outbound","subtopic":"OutBoundCallStateChange","message":{"source":"event","call":{
		"id":"f1","event":%[1]q,"ResponseFields":{"fromAddress":%[2]q,"CallState":%[1]q,"OutBoundType":"manualdial",
		"interactionData":{"agentId":"provider-fay","callState":%[1]q,"callId":"f1","type":"Call"}}}}}`, event, newYork)
}

// A half is one message of whoever has a call that is dialed and of which
// nothing was heard yet, and who is ready by the log.
type half struct {
	agent  string
	says   []byte // nil: a poll finds this status
	status string
	via    string
	call   string // the first that the bridge says of the call
	is     events.Name
}

func halves() map[string]half {
	wrapUp := pageSays("AgentWrapup", 0, "agent")
	named := bytes.Replace(wrapUp, []byte(`"eventTime"`), []byte(`"agentId":"provider-wes","eventTime"`), 1)
	return map[string]half{
		"Five9: it could not be placed":               {"fay", five9Says("WRAP_UP"), "", viaDesktop, "ended", events.WrapUp},
		"Five9 by webhook":                            {"fay", five9Says("WRAP_UP"), "", viaWebhook, "ended", events.WrapUp},
		"Webex: after-call work of nobody's call":     {"wes", wrapUp, "", viaDesktop, "ended", events.WrapUp},
		"Webex by webhook":                            {"wes", named, "", viaWebhook, "ended", events.WrapUp},
		"TCN: after-call work, and nobody talked":     {"ann", nil, "WRAPUP", viaPoll, "ended", events.WrapUp},
		"TCN: she rests, and the call is over":        {"ann", nil, "PAUSED", viaPoll, "ended", events.NotReady},
		"TCN: she has gone":                           {"ann", nil, "HUNGUP", viaPoll, "ended", events.Offline},
		"TCN: she is ready, and the call is over":     {"ann", nil, "READY", viaPoll, "ended", events.Ready},
		"TCN: she talks, which keeps her by her call": {"ann", nil, "PEERED", viaPoll, "talking", events.OnCall},
	}
}

// watched is a leader of which others hear each event before its writer does,
// who may die with it.
type watched struct {
	log.Leader
	hear func()
	life int // how many appends the process lives
}

func (l *watched) Append(ctx context.Context, d log.Draft) (log.Appended, error) {
	if l.life == 0 {
		return log.Appended{}, fault.New(fault.Transient, "append", log.CodeUnavailable, nil)
	}
	a, err := l.Leader.Append(ctx, d)
	l.hear()
	if l.life--; l.life == 0 {
		err = fault.New(fault.Uncertain, "append", log.CodeAppendUnknown, nil)
	}
	return a, err
}

// goOn is an orchestrator that hears everything at once: it closes a call that
// failed or is proved over, releases its agent, and gives her the next call if
// the log says that she is ready.
func (w *world) goOn(agent string) {
	a := w.agent(agent)
	if a.State.Claim != nil {
		c := w.call(a.State.Claim.Call)
		over := lifecycle.Rank(c.State) >= lifecycle.Rank(lifecycle.Ended)
		p, said := a.Last.Body.(*events.AgentPresence)
		proved := said && p.Evidence == viaPoll && p.Call == c.ID && p.CallSeq >= answered(c) &&
			(a.Last.Name == events.Ready || a.Last.Name == events.NotReady)
		if c.Dialing == nil || !over && !proved {
			return
		}
		w.say(c.ID, events.Orchestrator, events.Closed, &events.CallClosed{Outcome: events.OutcomeFailed, Presumed: !over})
		after, _ := a.After(events.Released, c.ID, "closed", w.Now())
		w.agentSays(agent, events.Orchestrator, events.Released, &events.AgentReleased{Call: c.ID, State: after})
	}
	if a = w.agent(agent); a.Claimable() {
		after, _ := a.After(events.Claimed, "c2", "", w.Now())
		w.agentSays(agent, events.Orchestrator, events.Claimed, &events.AgentClaimed{Call: "c2", State: after})
	}
}

// dialedOnly is a world whose agent has a call that is dialed, and is ready by
// the log.
func dialedOnly(t *testing.T, h half) *world {
	t.Helper()
	w := newWorld(t)
	w.agentSays("fay", events.Orchestrator, events.Enrolled, &events.AgentEnrolled{State: events.AgentState{
		Presence: events.Offline, Connection: "five9", ProviderAgent: "provider-fay"}})
	to := newYork
	switch h.agent {
	case "ann":
		w.poll()
		w.poll()
	case "wes":
		to = customer
		fallthrough
	default:
		conn := w.agent(h.agent).State.Connection
		if err := w.s.Desk(&doors{}).Opened(t.Context(), conn, h.agent, "one"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.s.onSet(t.Context(), "acme", fmt.Appendf(nil, `{"agent":%q,"status":"ready"}`, h.agent)); err != nil {
			t.Fatal(err)
		}
	}
	w.dial("c1", h.agent, to)
	return w
}

// arrives stores the message and is its place in PROVIDER.
func (r *replica) arrives(t *testing.T, h half) int {
	t.Helper()
	w := r.w
	if h.says == nil {
		r.asks(h.status)
		return len(w.raws) - 1
	}
	raw := events.ProviderRaw{Connection: w.agent(h.agent).State.Connection, Via: h.via, ReceivedAt: w.Now(), Body: h.says}
	if h.via == viaDesktop {
		raw.Agent, raw.Session = h.agent, "one"
	}
	if _, err := w.Raw(t.Context(), "acme", raw, ""); err != nil {
		t.Fatal(err)
	}
	return len(w.raws) - 1
}

// What a message says of an agent and of her call are two events, and everybody
// hears the one before the other. Whatever is done by then, and whether the
// bridge that wrote the first lives to write the second: an agent who is not
// ready is given no call, and nothing of the message is lost.
func TestWhoHearsHalfOfAMessageTakesNobodyWhoIsNotReady(t *testing.T) {
	t.Parallel()
	for story, h := range halves() {
		for life := 1; life <= 6; life++ {
			t.Run(fmt.Sprintf("%s/%d", story, life), func(t *testing.T) {
				t.Parallel()
				w := dialedOnly(t, h)
				late := w.replica(uint64(len(w.raws))) // has heard of the dial, and of her log at most what follows
				one := w.replica(uint64(len(w.raws)))
				n := one.arrives(t, h)
				l := &watched{Leader: w.log, life: (life + 1) / 2, hear: func() { w.goOn(h.agent) }}
				one.s = New(Config{Log: log.New(l, one.view), Store: w, Directory: w.dir, Now: w.Now, Logger: slog.New(slog.DiscardHandler)})
				one.fed = map[events.Family]int{}
				one.hearLogs(100, both()...)
				if err := one.takes(n); err != nil { // it has died, and another is given the message
					if life%2 == 1 {
						late.hearLogs(100, events.AgentFamily)
					}
					late.s.Log = log.New(&watched{Leader: w.log, life: -1, hear: l.hear}, late.view)
					if err := late.takes(n); err != nil {
						t.Fatal(err)
					}
				}
				if got := names(w.call("c1").Log, events.Bridge); !strings.HasPrefix(got, h.call) {
					t.Errorf("the bridge said %q of her call, want %q", got, h.call)
				}
				a, c := w.agent(h.agent), w.call("c1")
				if next := a.State.Claim != nil && a.State.Claim.Call == "c2"; a.State.Presence != h.is || next != (h.is == events.Ready) {
					t.Errorf("she is %s, and holds %+v", a.State.Presence, a.State.Claim)
				}
				if c.Closed != nil && c.Closed.Presumed {
					t.Error("her call counts as presumed over, and the message says how it ended")
				}
			})
		}
	}
}

// A trailing answer may say that its agent is busy, which moves her log. That
// makes it no fresher for what else it says.
func TestWhatAnAnswerSaidItselfMakesItNoFresher(t *testing.T) {
	t.Parallel()
	m := &message{id: "third", seq: 3, raw: events.ProviderRaw{Via: viaPoll, AgentSeq: 10}}
	for story, tc := range map[string]struct {
		last events.Record
		want standing
	}{
		"nothing has moved":             {events.Record{Seq: 10}, fresh},
		"it moved what was asked after": {events.Record{Seq: 11, After: 10, Cause: "third"}, fresh},
		"it moved what another moved":   {events.Record{Seq: 12, After: 11, Cause: "third"}, trailing},
	} {
		tc.last.Body = &events.AgentPresence{}
		if got := m.agentStanding(&lifecycle.Agent{Last: tc.last}); got != tc.want {
			t.Errorf("%s: it stands %d (trailing is %d), want %d", story, got, trailing, tc.want)
		}
	}
}

// A message that first tells of somebody else's call tells that it is over: its
// agent is not on it.
func TestTheEndOfSomebodyElsesCallTakesNobodyAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.s.Desk(&doors{})
	if err := d.Opened(t.Context(), "webex", "wes", "one"); err != nil {
		t.Fatal(err)
	}
	w.says(d, "one", []byte(sayReady))
	for _, event := range []string{"AgentWrappedUp", "AgentContactEnded"} {
		w.says(d, "one", pageSays(event, 0, "agent", "customer"))
		w.wantAgent("wes", "session_started ready")
	}
	w.says(d, "one", pageSays("AgentWrapup", 0, "agent", "customer"))
	w.wantAgent("wes", "session_started ready wrap_up")
}

// What a page says again, or late, of a call that its provider has ended says
// nothing of its agent: she stays where she was heard to be since.
func TestACopyOfNewsSaysNothingOfItsAgent(t *testing.T) {
	t.Parallel()
	for kind, story := range map[string]struct {
		to    string
		pages [][]byte
	}{
		"webex": {customer, afterAReconnect()[:5]},
		"five9": {newYork, [][]byte{five9Says("CALLING"), five9Says("TALKING"), five9Says("WRAP_UP"), five9Says("FINISHED")}},
	} {
		w := newWorld(t)
		agent := kind + "-agent"
		w.agentSays(agent, events.Orchestrator, events.Enrolled, &events.AgentEnrolled{State: events.AgentState{
			Presence: events.Offline, Connection: kind, ProviderAgent: agent}})
		d := w.s.Desk(&doors{})
		if err := d.Opened(t.Context(), kind, agent, "one"); err != nil {
			t.Fatal(err)
		}
		says := func(raw []byte) {
			if err := d.Message(t.Context(), kind, agent, "one", raw); err != nil {
				t.Fatal(err)
			}
			w.deliver()
		}
		says([]byte(sayReady))
		w.dial("c1", agent, story.to)
		for _, p := range story.pages {
			says(p)
			w.pass(time.Second)
		}
		if c := w.call("c1"); lifecycle.Rank(c.State) < lifecycle.Rank(lifecycle.Ended) {
			t.Fatalf("%s: the call is %s: %s", kind, c.State, names(c.Log, events.Bridge))
		}
		w.say("c1", events.Orchestrator, events.Closed, &events.CallClosed{Outcome: events.OutcomeCompleted})
		after, _ := w.agent(agent).After(events.Released, "c1", "closed", w.Now())
		w.agentSays(agent, events.Orchestrator, events.Released, &events.AgentReleased{Call: "c1", State: after})
		says([]byte(sayReady))
		for i, p := range story.pages {
			if says(p); w.agent(agent).State.Presence != events.Ready {
				t.Errorf("%s: after a copy of message %d she is %s", kind, i, w.agent(agent).State.Presence)
			}
		}
	}
}
