package bridge

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// pageSays is a page's news of the call to customer, at a moment of the
// provider's clock, when some have joined it.
func pageSays(event string, ms int64, joined ...string) []byte {
	return fmt.Appendf(nil, `{"channel":"Webexcc","topic":"outbound","subtopic":"OutBoundCallStateChange","message":{"source":"event","call":{
		"event":%q,"ResponseFields":{"toAddress":%q,"OutBoundType":"manualdial"},"ResponseActual":{"data":{"eventTime":%d,"interactionId":"i1","interaction":{
		"participants":{"a":{"pType":"Agent","hasJoined":%v},"c":{"pType":"Customer","hasJoined":%v}}}}}}}}`,
		event, customer, noon.UnixMilli()+ms, slices.Contains(joined, "agent"), slices.Contains(joined, "customer"))
}

// afterAReconnect is what a page says at once that was cut off for a call.
func afterAReconnect() [][]byte {
	return [][]byte{
		pageSays("AgentOfferContact", 0),
		pageSays("AgentContactAssigned", 3_000, "agent", "customer"),
		pageSays("AgentContactEnded", 163_000, "agent"),
		pageSays("AgentWrapup", 163_100, "agent"),
		pageSays("AgentWrappedUp", 171_000),
		[]byte(sayReady),
	}
}

func both() []events.Family { return []events.Family{events.CallFamily, events.AgentFamily} }

// A replica is one of several bridges: it has heard a part of the logs, and of
// PROVIDER, and in between others do something.
type replica struct {
	w         *world
	s         *Service
	view      *log.Follower
	fed       map[events.Family]int
	meanwhile func()
	asked     int // looks at the leader's logs
}

// hooked is a leader that lets others do something before an append.
type hooked struct {
	log.Leader
	r *replica
}

func (h hooked) Append(ctx context.Context, d log.Draft) (log.Appended, error) {
	h.r.meanwhile()
	return h.Leader.Append(ctx, d)
}

func (h hooked) Last(ctx context.Context, f events.Family, tenant, key string) (events.Record, error) {
	h.r.asked++
	return h.Leader.Last(ctx, f, tenant, key)
}

func (w *world) replica(floor uint64) *replica {
	r := &replica{w: w, view: log.NewFollower(), fed: map[events.Family]int{}, meanwhile: func() {}}
	r.s = New(Config{Log: log.New(hooked{w.log, r}, r.view), Store: w, Directory: w.dir, Now: w.Now, Logger: slog.New(slog.DiscardHandler)})
	r.hearLogs(1<<20, both()...)
	r.view.CaughtUp(events.CallFamily)
	r.view.CaughtUp(events.AgentFamily)
	r.s.lanes.Begin(floor)
	return r
}

// hearLogs brings up to n more events of logs.
func (r *replica) hearLogs(n int, of ...events.Family) {
	for _, f := range of {
		all, err := r.w.log.From(f, 0)
		if err != nil {
			panic(err)
		}
		for ; r.fed[f] < len(all) && n > 0; n-- {
			e := all[r.fed[f]]
			r.fed[f]++
			r.view.Take(e)
			r.s.Follow(e)
		}
	}
}

func (r *replica) hearRaws(upto int) {
	for _, d := range r.w.raws[:upto] {
		r.s.Hear(d)
	}
}

// takes is one delivery of the n-th raw message.
func (r *replica) takes(n int) error {
	r.hearRaws(n + 1)
	return r.s.onRaw(context.Background(), r.w.raws[n])
}

// asks is one poll of ann, whose provider says that status.
func (r *replica) asks(status string) {
	r.w.p.says(status)
	if _, err := r.s.pollOnce(context.Background(), "acme", "ann"); err != nil {
		r.w.t.Fatal(err)
	}
}

// onCallAtDesk is a world in which wes's page is cut off on a call, and comes
// back with everything at once.
func onCallAtDesk(t *testing.T) *world {
	t.Helper()
	w, d := onDesk(t)
	w.pass(171 * time.Second)
	for _, raw := range afterAReconnect() {
		if err := d.Message(t.Context(), "webex", "wes", "one", raw); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

const (
	saidOfTheCall  = "offered talking ended wrap_up wrapped_up"
	saidOfTheAgent = "session_started ready on_call wrap_up ready"
)

func (w *world) wantTold(fail func(string, ...any)) {
	c, err := log.Call(context.Background(), w.log, "acme", "c1", 0)
	if err != nil {
		fail("%v", err)
	}
	if got := names(c.Log, events.Bridge); got != saidOfTheCall {
		fail("the bridge said of the call\n  %s\nwant\n  %s", got, saidOfTheCall)
	}
	if d := c.Durations(time.Time{}); !c.Talked || d.Talk == nil || *d.Talk != 160_000 || d.Wrap == nil || *d.Wrap != 7_900 {
		fail("talked %v: %+v", c.Talked, d)
	}
	all, err := w.log.From(events.AgentFamily, 0)
	if err != nil {
		fail("%v", err)
	}
	all = slices.DeleteFunc(all, func(r events.Record) bool { return r.Key != "wes" })
	if got := names(all, events.Bridge); got != saidOfTheAgent {
		fail("the bridge said of the agent\n  %s\nwant\n  %s", got, saidOfTheAgent)
	}
}

func TestWhatAPageSaysAtOnceIsUnderstoodInOrder(t *testing.T) {
	t.Parallel()
	w := onCallAtDesk(t)
	w.deliver()
	w.wantTold(t.Fatalf)
}

// What another bridge has carried out is not looked at again on the way to a later
// message: several bridges share the work, and do not each do all of it.
func TestWhatAnotherBridgeHasCarriedOutIsPassedBy(t *testing.T) {
	t.Parallel()
	w := onCallAtDesk(t)
	one := w.replica(0)
	const ended = 2 // it says nothing of where the agent is, nor did the one before
	for n := range w.raws[:ended+1] {
		if err := one.takes(n); err != nil {
			t.Fatal(err)
		}
	}
	asks := func(floor uint64) int {
		two := w.replica(floor)
		if err := two.takes(ended); err != nil {
			t.Fatal(err)
		}
		return two.asked
	}
	if alone, with := asks(ended), asks(0); with > alone {
		t.Errorf("asked the leader %d times, and %d of them about what another bridge has carried out", with, with-alone)
	}
	w.deliver()
	w.wantTold(t.Fatalf)
}

// Messages are delivered in any order, again, to any of two bridges, each of
// which has heard of the logs what it has, and dies whenever it may.
func TestNewsIsUnderstoodInTheOrderInWhichItCame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := onCallAtDesk(t)
		acked := make([]bool, len(w.raws))
		floor := func() uint64 { return uint64(slices.Index(append(slices.Clone(acked), false), false)) }
		two := []*replica{w.replica(0), w.replica(0)}
		nesting := 0
		var act func()
		meanwhile := func() {
			if nesting >= 2 {
				return
			}
			nesting++
			defer func() { nesting-- }()
			if rapid.Bool().Draw(rt, "meanwhile") {
				act()
			}
		}
		act = func() {
			i := rapid.IntRange(0, 1).Draw(rt, "bridge")
			r := two[i]
			r.meanwhile = meanwhile
			switch rapid.IntRange(0, 7).Draw(rt, "act") {
			case 0:
				two[i] = w.replica(floor())
			case 1:
				r.s.lanes.Settle(floor())
			case 2, 3:
				r.hearLogs(rapid.IntRange(1, 5).Draw(rt, "heard"), both()...)
			default:
				n := rapid.IntRange(0, len(w.raws)-1).Draw(rt, "delivered")
				err := r.takes(n)
				acked[n] = acked[n] || err == nil
				if err != nil && fault.Of(err) != fault.Transient {
					rt.Fatalf("message %d: %v", n+1, err)
				}
			}
		}
		for range rapid.IntRange(0, 10).Draw(rt, "acts") {
			act()
		}
		nesting = 2
		for n, done := range acked {
			if !done {
				if err := two[n%2].takes(n); err != nil {
					rt.Fatalf("message %d: %v", n+1, err)
				}
			}
		}
		w.wantTold(rt.Fatalf)
		if c := w.call("c1"); c.State != lifecycle.WrappedUp {
			rt.Fatalf("%s", c.State)
		}
	})
}

// Two bridges ask for the same agent and both store what is news. The later
// answer is handed to the other bridge first, and must not pass for the end of
// a call that nobody talked on.
func TestALaterAnswerOfAPollDoesNotOvertakeAnEarlierOne(t *testing.T) {
	t.Parallel()
	w := onCall(t)
	one, two := w.replica(0), w.replica(0)
	one.asks("PEERED")
	two.asks("READY")
	last := len(w.raws)
	for _, n := range []int{last - 1, last - 2} {
		if err := two.takes(n); err != nil {
			t.Fatal(err)
		}
	}
	w.wantCall("c1", "talking")
	two.hearLogs(100, both()...)
	if _, err := two.s.pollOnce(t.Context(), "acme", "ann"); err != nil {
		t.Fatal(err)
	}
	if err := one.takes(len(w.raws) - 1); err != nil {
		t.Fatal(err)
	}
	w.wantCall("c1", "talking ended wrapped_up")
	if c := w.call("c1"); !c.Talked || c.EndReason != events.EndCompleted {
		t.Errorf("talked %v, ended %s", c.Talked, c.EndReason)
	}
}

// A bridge asks on while it has not heard what came of its earlier answers: all
// of them carry the same marks, and the first that is understood moves the logs.
func TestWhatABridgeSaysItselfMakesNoAnswerOld(t *testing.T) {
	t.Parallel()
	cancelled := func(w *world) {
		w.say("c1", events.Orchestrator, events.CancelRequested, &events.CallCancelRequested{})
	}
	claims := func(w *world) { // as far as anybody can see it, the agent's record is another one
		w.agentSays("ann", events.Orchestrator, events.Enrolled, &events.AgentEnrolled{State: w.agent("ann").State})
	}
	const dialing, talking, held = "MANUAL_DIAL_STARTED", "PEERED", "PEERED_WITH_CALL_ON_HOLD"
	for story, tc := range map[string]struct {
		said      []string
		step      time.Duration // between two receipts
		after     int           // how many are understood before
		meanwhile func(*world)
		call, ann string
	}{
		"the agent's record moved":              {said: append([]string{dialing}, slices.Repeat([]string{talking}, 20)...), call: "talking", ann: "on_call"},
		"the call's record moved":               {said: []string{talking, held, held, talking, talking}, call: "talking held talking", ann: "on_call"},
		"the same is news once":                 {said: slices.Repeat([]string{talking}, 20), call: "talking", ann: "on_call"},
		"the end is the next one's to say":      {said: []string{dialing, talking, "WRAPUP", "READY"}, call: "talking", ann: "on_call"},
		"nor is anybody free by it":             {said: []string{dialing, "READY", "PAUSED"}, call: "", ann: "on_call"},
		"it was received before what was heard": {said: []string{talking, held}, step: -time.Second, call: "talking", ann: "on_call"},
		"another role moved the call":           {said: []string{dialing, talking, held}, after: 1, meanwhile: cancelled, call: "", ann: "on_call"},
		"another role moved the agent":          {said: []string{dialing, talking, held}, after: 1, meanwhile: claims, call: "", ann: "on_call"},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := onCall(t)
			r := w.replica(0)
			first := len(w.raws)
			for i, status := range tc.said {
				if i > 0 {
					w.pass(cmp.Or(tc.step, time.Second))
				}
				r.asks(status)
			}
			for n := first; n < len(w.raws); n++ {
				if n == first+tc.after && tc.meanwhile != nil {
					tc.meanwhile(w)
				}
				for range 2 { // delivered again: its first acknowledgement was lost
					if err := r.takes(n); err != nil {
						t.Fatal(err)
					}
				}
			}
			w.wantCall("c1", tc.call)
			w.wantAgent("ann", "session_started ready "+tc.ann)
			r.hearLogs(100, both()...)
			r.asks("READY")
			if err := r.takes(len(w.raws) - 1); err != nil {
				t.Fatal(err)
			}
			w.wantCall("c1", strings.TrimSpace(tc.call+" ended wrapped_up"))
			w.wantAgent("ann", "session_started ready "+tc.ann+" ready")
		})
	}
}

// A bridge that comes back from a broken connection is delivered news before it
// has heard of the call that the news is about.
func TestNewsOfACallThatThisBridgeHasNotHeardOf(t *testing.T) {
	t.Parallel()
	for story, heard := range map[string]struct{ calls, agents int }{
		"of nothing": {0, 0}, "of the claim alone": {0, 1}, "of the call, and not of its dial": {2, 1}, "of the dial, and not of the claim": {9, 0},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			d := w.s.Desk(&doors{})
			if err := d.Opened(t.Context(), "webex", "wes", "one"); err != nil {
				t.Fatal(err)
			}
			if _, err := w.s.onSet(t.Context(), "acme", []byte(`{"agent":"wes","status":"ready"}`)); err != nil {
				t.Fatal(err)
			}
			r := w.replica(0)
			w.dial("c1", "wes", customer)
			r.hearLogs(heard.calls, events.CallFamily)
			r.hearLogs(heard.agents, events.AgentFamily)
			for _, raw := range afterAReconnect() {
				if err := d.Message(t.Context(), "webex", "wes", "one", raw); err != nil {
					t.Fatal(err)
				}
			}
			for n := range w.raws {
				if err := r.takes(n); err != nil {
					t.Fatal(err)
				}
			}
			w.wantCall("c1", saidOfTheCall)
			w.wantAgent("wes", saidOfTheAgent)
		})
	}
}

// Another bridge has written that the agent is not ready, and this one, which
// has not heard it, is delivered the word that comes after.
func TestAWordThatIsNoNewsByAnOldRecordIsNewsByTheLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.s.Desk(&doors{})
	if err := d.Opened(t.Context(), "webex", "wes", "one"); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{sayReady, sayNotReady, sayReady} {
		if err := d.Message(t.Context(), "webex", "wes", "one", []byte(word)); err != nil {
			t.Fatal(err)
		}
	}
	one := w.replica(0)
	if err := one.takes(0); err != nil {
		t.Fatal(err)
	}
	two := w.replica(2) // begins when the second is acknowledged
	if err := one.takes(1); err != nil {
		t.Fatal(err)
	}
	if err := two.takes(2); err != nil {
		t.Fatal(err)
	}
	w.wantAgent("wes", "session_started ready not_ready ready")
}

// A page has come back amid a call, and this bridge has not heard of its new
// session: what the page says of its agent counts, though by the old record only
// what it says of the call was news.
func TestWhatAPageSaysInASessionThatThisBridgeHasNotHeardOf(t *testing.T) {
	t.Parallel()
	w, d := onDesk(t)
	r := w.replica(0)
	if err := d.Opened(t.Context(), "webex", "wes", "two"); err != nil {
		t.Fatal(err)
	}
	if err := d.Message(t.Context(), "webex", "wes", "two", pageSays("AgentOfferContact", 0)); err != nil {
		t.Fatal(err)
	}
	if err := r.takes(0); err != nil {
		t.Fatal(err)
	}
	w.wantCall("c1", "offered")
	w.wantAgent("wes", "session_started ready session_started on_call")
}

// An agent whose log cannot be written holds up nobody else.
func TestAnAgentThatHangsDelaysOnlyItself(t *testing.T) {
	t.Parallel()
	w := onCallAtDesk(t)
	before := len(w.raws)
	w.poll()
	r := w.replica(0)
	away := fault.New(fault.Transient, "append", log.CodeUnavailable, nil)
	r.s.Turn = func(_ context.Context, key string) (func(), error) {
		if strings.HasSuffix(key, "/wes") {
			return nil, away
		}
		return func() {}, nil
	}
	w.poll() // ann's news comes after wes's
	for n := range w.raws {
		if err := r.takes(n); (err != nil) != (n < before) {
			t.Errorf("message %d: %v", n+1, err)
		}
	}
	if got := w.agent("ann").State.Presence; got != events.Ready {
		t.Errorf("ann is %s", got)
	}
}

// A rehearsal's clock is ours alone: whoever publishes to PROVIDER itself says
// the world's time, or none.
func TestAGatewayHasTheWorldsClock(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		via          string
		said, stored time.Duration // before noon; 0: not said
		offset       time.Duration
	}{
		"a rehearsal of tomorrow":           {"gateway", 24 * time.Hour, 0, 24 * time.Hour},
		"a rehearsal of yesterday":          {"gateway", -24 * time.Hour, 0, -24 * time.Hour},
		"it does not say when":              {"gateway", 0, 24 * time.Hour, 24 * time.Hour},
		"it does not say what it is either": {"", 24 * time.Hour, 0, 24 * time.Hour},
		"a bridge says our time":            {viaWebhook, time.Nanosecond, 0, 24 * time.Hour},
		"no rehearsal":                      {"gateway", time.Nanosecond, 0, 0},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.s.Offset = tc.offset
			w.dial("c1", "wes", customer)
			raw := events.ProviderRaw{Connection: "webex", Via: tc.via, Agent: "wes", Body: pageSays("AgentOfferContact", 0)}
			if tc.said != 0 {
				raw.ReceivedAt = w.Now().Add(-tc.said)
			}
			if _, err := w.Raw(t.Context(), "acme", raw, ""); err != nil {
				t.Fatal(err)
			}
			if w.raws[0].Stored = w.Now().Add(-tc.stored); tc.said != 0 {
				w.raws[0].Stored = time.Time{}
			}
			w.deliver()
			w.wantCall("c1", "offered")
			if at := w.agent("wes").State.Since; at.Sub(w.Now()).Abs() > time.Millisecond {
				t.Errorf("her presence is of %v, at %v", at, w.Now())
			}
		})
	}
}
