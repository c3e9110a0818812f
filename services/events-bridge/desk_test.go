package bridge

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers/acqueon/desktop"
)

// doors remembers which desktops can be reached.
type doors struct {
	open []string
	err  error
}

func (d *doors) Open(_ context.Context, tenant, connection, agent, session string) error {
	if d.err != nil {
		return d.err
	}
	d.open = append(d.open, strings.Join([]string{tenant, connection, agent, session}, "/"))
	return nil
}

func (d *doors) Close(session string) error {
	d.open = slices.DeleteFunc(d.open, func(s string) bool { return strings.HasSuffix(s, "/"+session) })
	return nil
}

// says relays a message of wes's page and handles it.
func (w *world) says(d *DesktopSink, session string, raw []byte) {
	w.t.Helper()
	if err := d.Message(context.Background(), "webex", "wes", session, raw); err != nil {
		w.t.Fatal(err)
	}
	w.deliver()
}

func TestADesktopsSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reach := &doors{}
	d := w.s.Desk(reach)
	ctx := t.Context()
	if err := d.Opened(ctx, "webex", "wes", "one"); err != nil {
		t.Fatal(err)
	}
	w.wantAgent("wes", "session_started")
	if w.agent("wes").State.Session != "one" || !slices.Equal(reach.open, []string{"acme/webex/wes/one"}) {
		t.Errorf("%+v, %v", w.agent("wes").State, reach.open)
	}
	// A second socket takes over; the first one's end is no news.
	if err := d.Opened(ctx, "webex", "wes", "two"); err != nil {
		t.Fatal(err)
	}
	d.Closed(ctx, "webex", "wes", "one", desktop.EndClosed)
	if a := w.agent("wes"); a.State.Session != "two" || !slices.Equal(reach.open, []string{"acme/webex/wes/two"}) {
		t.Errorf("%+v, %v", a.State, reach.open)
	}
	d.Closed(ctx, "webex", "wes", "two", "keepalive")
	if a := w.agent("wes"); a.State.Session != "" || a.State.Presence != events.Lost || a.State.Reason != "keepalive" || len(reach.open) != 0 {
		t.Errorf("%+v, %v", a.State, reach.open)
	}
	w.wantAgent("wes", "session_started session_started session_lost")
	if err := d.Opened(ctx, "webex", "wes", "three"); err != nil {
		t.Fatal(err)
	}
	d.Closed(ctx, "webex", "wes", "three", desktop.EndClosed)
	if a := w.agent("wes"); a.State.Presence != events.Offline {
		t.Errorf("signed out, and yet %s", a.State.Presence)
	}
}

func TestTwoSocketsAtTheSameMoment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.s.Desk(&doors{})
	w.log.Before(events.SessionStarted, func() {
		if err := d.Opened(t.Context(), "webex", "wes", "other"); err != nil {
			t.Error(err)
		}
	})
	if err := d.Opened(t.Context(), "webex", "wes", "mine"); err != nil {
		t.Fatal(err)
	}
	if got := w.agent("wes").State.Session; got != "mine" {
		t.Errorf("on record is %s: whoever is told that it opened must be the one that is on record", got)
	}
}

func TestStrangersGetNoDesk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reach := &doors{}
	d := w.s.Desk(reach)
	for seat, want := range map[[2]string]fault.Class{
		{"tcn", "ann"}: fault.Permanent, {"none", "wes"}: fault.Permanent,
		// Who is not enrolled yet may be soon: the page tries again.
		{"webex", "ann"}: fault.Transient, {"five9", "wes"}: fault.Transient, {"webex", "nobody"}: fault.Transient,
	} {
		if err := d.Opened(t.Context(), seat[0], seat[1], "s"); err == nil || fault.Of(err) != want {
			t.Errorf("%v: %v", seat, err)
		}
		if err := d.Message(t.Context(), seat[0], seat[1], "s", []byte(`{}`)); err == nil {
			t.Errorf("%v may speak", seat)
		}
	}
	if len(reach.open)+len(w.raws) != 0 {
		t.Errorf("%v, %d messages", reach.open, len(w.raws))
	}
	// A way that cannot be opened, or a log that is away, leaves nothing open.
	reach.err = fault.New(fault.Transient, "open", "down", nil)
	if err := d.Opened(t.Context(), "webex", "wes", "s"); err == nil {
		t.Error("opened without a way")
	}
	reach.err = nil
	w.log.Cut(true)
	if err := d.Opened(t.Context(), "webex", "wes", "s"); err == nil || len(reach.open) != 0 {
		t.Errorf("%v, %v", err, reach.open)
	}
	w.log.Cut(false)
	w.wantAgent("wes", "")
}

func TestADesktopThatComesBeforeItsAgentIsEnrolledIsTakenLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.s.Desk(&doors{})
	if err := d.Opened(t.Context(), "webex", "late", "one"); err == nil || fault.Of(err) == fault.Permanent {
		t.Errorf("the page was turned away for good: %v", err)
	}
	w.agentSays("late", events.Orchestrator, events.Enrolled, &events.AgentEnrolled{State: events.AgentState{
		Presence: events.Offline, Connection: "webex", ProviderAgent: "late"}})
	if err := d.Opened(t.Context(), "webex", "late", "two"); err != nil {
		t.Error(err)
	}
}

// onDesk is a world in which wes sits at a desk, ready, with a call dialed.
func onDesk(t *testing.T) (*world, *DesktopSink) {
	w := newWorld(t)
	d := w.s.Desk(&doors{})
	if err := d.Opened(t.Context(), "webex", "wes", "one"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.s.onSet(t.Context(), "acme", []byte(`{"agent":"wes","status":"ready"}`)); err != nil {
		t.Fatal(err)
	}
	w.dial("c1", "wes", customer)
	return w, d
}

func TestTheDocumentsCall(t *testing.T) {
	t.Parallel()
	w, d := onDesk(t)
	for i, e := range []string{"eAgentOfferContact", "CustAnswered", "eAgentContactEnded", "acw", "AgentWrappedUp"} {
		w.says(d, "one", webexSays(t, e, i+1))
	}
	w.wantCall("c1", "offered answered ended wrap_up wrapped_up")
	c := w.call("c1")
	if bound(c) == "" || !c.Talked {
		t.Errorf("bound to %q, talked %v", bound(c), c.Talked)
	}
	for _, r := range c.Log {
		if p, ok := r.Body.(*events.CallProgress); ok && (p.Evidence != "desktop" || p.OccurredAt == nil || p.Late) {
			t.Errorf("%s: %+v", r.Name, p)
		}
	}
}

// What the page of a socket that was replaced still says of the agent is old.
func TestAnOldSocketsPresenceDoesNotCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.s.Desk(&doors{})
	for _, session := range []string{"one", "two"} {
		if err := d.Opened(t.Context(), "webex", "wes", session); err != nil {
			t.Fatal(err)
		}
	}
	w.says(d, "one", webexSays(t, "eAgentOfferContact", 1))
	w.wantAgent("wes", "session_started session_started")
	w.says(d, "two", webexSays(t, "eAgentOfferContact", 2))
	w.wantAgent("wes", "session_started session_started foreign_call")
}

func TestLateAndRepeatedNewsMovesNothing(t *testing.T) {
	t.Parallel()
	w, d := onDesk(t)
	offer, answer := webexSays(t, "eAgentOfferContact", 1), webexSays(t, "CustAnswered", 2)
	w.says(d, "one", answer)
	w.says(d, "one", offer) // overtaken
	for range 100 {
		w.says(d, "one", answer)
		w.says(d, "one", offer)
	}
	w.wantCall("c1", "answered offered")
	c := w.call("c1")
	if c.State != lifecycle.Answered || c.Last().Body.(*events.CallProgress).Late != true {
		t.Errorf("%s, %+v", c.State, c.Last().Body)
	}
	w.say("c1", events.Orchestrator, events.Closed, &events.CallClosed{Outcome: "failed"})
	w.says(d, "one", webexSays(t, "eAgentContactEnded", 3))
	if c := w.call("c1"); c.State != lifecycle.Closed || c.Last().Name != events.Ended || !c.Last().Body.(*events.CallProgress).Late {
		t.Errorf("after the end: %s, %s", c.State, c.Last().Name)
	}
}

func TestSomebodyElsesCallOnADesktop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.s.Desk(&doors{})
	if err := d.Opened(t.Context(), "webex", "wes", "one"); err != nil {
		t.Fatal(err)
	}
	w.dialless()
	w.says(d, "one", webexSays(t, "eAgentOfferContact", 1))
	if got := w.agent("wes").State.Presence; got != events.ForeignCall {
		t.Errorf("wes is %s", got)
	}
	w.wantCall("c1", "")
}

// dialless assigns a call to wes that is not dialed: no message can be its.
func (w *world) dialless() {
	w.t.Helper()
	w.say("c1", events.Orchestrator, events.Requested, &events.CallRequested{Request: events.DialRequest{To: customer, Agent: "wes"}})
	after, _ := w.agent("wes").After(events.Claimed, "c1", "", w.Now())
	w.agentSays("wes", events.Orchestrator, events.Claimed, &events.AgentClaimed{Call: "c1", State: after})
	w.say("c1", events.Orchestrator, events.Assigned, &events.CallAssigned{Agent: "wes", Connection: "webex"})
}

// The documents' own broken examples are parked, and harm nothing after them.
func TestBrokenMessagesAreParked(t *testing.T) {
	t.Parallel()
	w, d := onDesk(t)
	for _, broken := range [][]byte{
		fixture(t, "001-webexcc-outbound-call-state-change-offer.event.raw"),
		fixture(t, "004-five9-outbound-call-state-change-wrap-up.event.raw"),
		[]byte(`{`), nil, []byte("\xff\xfe"), []byte(strings.Repeat("[", 10000)),
	} {
		if err := d.Message(t.Context(), "webex", "wes", "one", broken); err != nil {
			t.Fatal(err)
		}
		err := w.understands(w.raws[len(w.raws)-1])
		if fault.Of(err) != fault.Permanent || err == nil {
			t.Errorf("%.20q: %v", broken, err)
		}
		if err != nil && strings.Contains(err.Error(), "7702779401") {
			t.Error("the error holds a number")
		}
		w.handled = len(w.raws)
	}
	w.says(d, "one", webexSays(t, "eAgentOfferContact", 1))
	w.wantCall("c1", "offered")
}

func TestMessagesNobodyCanPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for story, raw := range map[string]events.ProviderRaw{
		"an unknown connection":  {Connection: "none", Agent: "wes"},
		"one without a reader":   {Connection: "mute", Agent: "wes"},
		"an unknown agent":       {Connection: "webex", Agent: "nobody", Body: webexSays(t, "eAgentOfferContact", 1)},
		"an agent it names not":  {Connection: "webex", Body: webexSays(t, "eAgentOfferContact", 1)},
		"another tenant's agent": {Connection: "webex", Agent: "ann2", Body: webexSays(t, "eAgentOfferContact", 1)},
	} {
		if _, err := w.Raw(t.Context(), "acme", raw, ""); err != nil {
			t.Fatal(err)
		}
		if err := w.understands(w.raws[len(w.raws)-1]); fault.Of(err) != fault.Permanent || err == nil {
			t.Errorf("%s: %v", story, err)
		}
	}
	// Another tenant may not speak for acme's connection.
	if _, err := w.Raw(t.Context(), "globex", events.ProviderRaw{Connection: "webex", Agent: "wes", Body: webexSays(t, "eAgentOfferContact", 1)}, ""); err != nil {
		t.Fatal(err)
	}
	if err := w.understands(w.raws[len(w.raws)-1]); fault.Code(err) != "unknown_connection" {
		t.Errorf("err = %v", err)
	}
}

// The next call goes to the same number by the same agent, and the page has
// something left to say of the one before.
func TestLateNewsOfACallIsNotTheNextOnes(t *testing.T) {
	t.Parallel()
	w, d := onDesk(t)
	w.says(d, "one", pageSays("AgentOfferContact", 0))
	w.says(d, "one", pageSays("AgentContactEnded", 1_000))
	w.say("c1", events.Orchestrator, events.Closed, &events.CallClosed{Outcome: events.OutcomeFailed})
	w.agentSays("wes", events.Orchestrator, events.Released, &events.AgentReleased{Call: "c1", State: released(w.agent("wes"))})
	w.says(d, "one", []byte(sayReady))
	w.pass(time.Minute)
	w.dial("c2", "wes", customer)
	w.says(d, "one", pageSays("ContactEnded", 61_000))
	w.wantCall("c1", "offered ended ended")
	w.wantCall("c2", "")
	w.says(d, "one", bytes.ReplaceAll(pageSays("AgentOfferContact", 62_000), []byte("i1"), []byte("i2")))
	w.wantCall("c2", "offered")
}

func released(a *lifecycle.Agent) events.AgentState {
	after, _ := a.After(events.Released, "", "", noon)
	return after
}
