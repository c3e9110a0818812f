package bridge

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers/acqueon/desktop"
	"github.com/outdial/outdial/test/exams/logtest"
)

// A session asks for something when the log, after the session began, says
// otherwise than the socket.
func TestWhatASessionNeeds(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		over     string
		seq      uint64
		session  string
		presence events.Name
		conn     string
		want     need
	}{
		"all is well":                           {"", 12, "one", events.Ready, "webex", nothing},
		"nobody has heard of it yet":            {"", 10, "", events.Lost, "webex", nothing},
		"news from before it began":             {"", 10, "old", events.Ready, "webex", nothing},
		"the log ended it, and it lives":        {"", 12, "", events.Lost, "webex", beginning},
		"signed out by another word":            {"", 12, "", events.Offline, "webex", nothing},
		"the agent came in elsewhere":           {"", 12, "two", events.NotReady, "webex", replacing},
		"and was lost there":                    {"", 12, "two", events.Lost, "webex", replacing},
		"the agent is on another connection":    {"", 12, "two", events.Ready, "tcn", nothing},
		"the agent is off the roster":           {"", 12, "", events.Gone, "webex", nothing},
		"over, and not said":                    {"closed", 12, "one", events.Ready, "webex", ending},
		"over, and nobody has heard of it yet":  {"closed", 10, "", events.Offline, "webex", ending},
		"over, and the agent came in elsewhere": {"lost", 12, "two", events.Ready, "webex", ending},
	} {
		x := sessionKey{tenant: "acme", connection: "webex", agent: "wes", session: "one", seq: 11, over: tc.over}
		a := &lifecycle.Agent{Last: events.Record{Seq: tc.seq}, State: events.AgentState{Session: tc.session, Presence: tc.presence, Connection: tc.conn}}
		if got := x.needs(a); got != tc.want {
			t.Errorf("%s: %d, want %d", story, got, tc.want)
		}
	}
	// Whoever comes to another bridge has a session there, and it is the older one.
	older := &lifecycle.Agent{Last: events.Record{Seq: 12}, State: events.AgentState{Session: "old", Presence: events.Ready, Connection: "webex"}}
	if got := (sessionKey{connection: "webex", session: "one"}).needs(older); got != nothing {
		t.Errorf("its beginning is being written: %d", got)
	}
	if got := (sessionKey{}).needs(nil); got != nothing {
		t.Errorf("an agent that was never heard of: %d", got)
	}
}

// sockets remembers what was asked of which page.
type sockets struct{ did []string }

func (p *sockets) Tell(connection, agent string) bool {
	p.did = append(p.did, "tell "+connection+"/"+agent)
	return true
}

func (p *sockets) Replace(connection, agent, session string) {
	p.did = append(p.did, fmt.Sprintf("replace %s/%s %s", connection, agent, session))
}

// keeps lets a bridge hear everything and look once at each of its sessions.
func (w *world) keeps(s *Service) (did []string, err error) {
	w.t.Helper()
	rs, readErr := w.log.From(events.AgentFamily, 0)
	if readErr != nil {
		w.t.Fatal(readErr)
	}
	for _, r := range rs {
		s.Follow(r)
	}
	p := &sockets{}
	for _, x := range s.sessions.list() {
		if e := s.keep(w.t.Context(), x, p); e != nil {
			err = e
		}
	}
	return p.did, err
}

func (w *world) wantKept(s *Service, want ...string) {
	w.t.Helper()
	did, err := w.keeps(s)
	if err != nil || !slices.Equal(did, want) {
		w.t.Errorf("did %v, want %v: %v", did, want, err)
	}
}

// other is a second bridge.
func (w *world) other() *Service {
	return New(Config{Log: log.New(w.log, nil), Store: w, Directory: w.s.Directory, Now: w.Now, Logger: slog.New(slog.DiscardHandler)})
}

// lose is what an orchestrator writes that has not heard of the bridge.
func (w *world) lose(agent string) {
	w.t.Helper()
	a := w.agent(agent)
	after, _ := a.After(events.SessionLost, "", "bridge_silent", w.Now())
	after.Session, after.Bridge = "", ""
	d := log.NextOfAgent(a, events.Orchestrator, events.SessionLost, w.Now(), &events.AgentPresence{State: after})
	if _, err := w.log.Append(w.t.Context(), *d); err != nil {
		w.t.Fatal(err)
	}
}

func sitting(t *testing.T) (*world, *DesktopSink, *doors) {
	w, reach := newWorld(t), &doors{}
	d := w.s.Desk(reach)
	if err := d.Opened(t.Context(), "webex", "wes", "one"); err != nil {
		t.Fatal(err)
	}
	return w, d, reach
}

func TestASessionNamesTheProcessThatHoldsIt(t *testing.T) {
	t.Parallel()
	w, d, _ := sitting(t)
	if got := w.agent("wes").State.Bridge; got != w.s.process || !events.IsToken(got) || got == w.other().process {
		t.Errorf("held by %q, which is %q", got, w.s.process)
	}
	w.wantKept(w.s)
	d.Closed(t.Context(), "webex", "wes", "one", desktop.EndLost)
	if got := w.agent("wes").State.Bridge; got != "" {
		t.Errorf("held by %q", got)
	}
	w.poll() // ann's session is nobody's socket
	if got := w.agent("ann").State.Bridge; got != "" {
		t.Errorf("ann is held by %q", got)
	}
}

func TestALivingSessionThatWasEndedBeginsAgain(t *testing.T) {
	t.Parallel()
	w, _, reach := sitting(t)
	w.lose("wes")
	w.wantKept(w.s, "tell webex/wes")
	a := w.agent("wes")
	if a.State.Session != "one" || a.State.Bridge != w.s.process || a.State.Presence != events.NotReady || len(reach.open) != 1 {
		t.Errorf("%+v, %v", a.State, reach.open)
	}
	w.wantKept(w.s) // once
	w.lose("wes")   // and whenever it happens
	w.wantKept(w.s, "tell webex/wes")
	w.wantAgent("wes", "session_started session_started session_started")
}

func TestALivingSessionIsNotBegunAgainOverAnother(t *testing.T) {
	t.Parallel()
	w, _, _ := sitting(t)
	w.lose("wes")
	w.log.Before(events.SessionStarted, func() {
		if err := w.other().Desk(&doors{}).Opened(t.Context(), "webex", "wes", "two"); err != nil {
			t.Error(err)
		}
	})
	if _, err := w.keeps(w.s); err != nil {
		t.Fatal(err)
	}
	if got := w.agent("wes").State.Session; got != "two" {
		t.Errorf("on record is %q", got)
	}
	w.wantKept(w.s, "replace webex/wes one")
}

// With two bridges the old page is told as with one.
func TestAPageIsReplacedByOneAtAnotherBridge(t *testing.T) {
	t.Parallel()
	w, d, _ := sitting(t)
	other := w.other()
	if err := other.Desk(&doors{}).Opened(t.Context(), "webex", "wes", "two"); err != nil {
		t.Fatal(err)
	}
	w.wantKept(w.s, "replace webex/wes one")
	w.wantKept(other) // the later one stays
	d.Closed(t.Context(), "webex", "wes", "one", desktop.EndReplaced)
	w.wantKept(w.s)
	w.wantAgent("wes", "session_started session_started")
	if err := d.Opened(t.Context(), "webex", "wes", "three"); err != nil { // and back
		t.Fatal(err)
	}
	w.wantKept(w.s)
	w.wantKept(other, "replace webex/wes two")
}

func TestAnEndThatCouldNotBeWrittenIsWrittenLater(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		reason string
		want   events.Name
	}{
		"the page said goodbye": {desktop.EndClosed, events.Offline},
		"the socket broke":      {desktop.EndLost, events.Lost},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w, d, reach := sitting(t)
			w.log.Cut(true)
			d.Closed(t.Context(), "webex", "wes", "one", tc.reason)
			if len(reach.open) != 0 {
				t.Error("the way to the desktop is open still")
			}
			if err := w.s.keep(t.Context(), w.s.sessions.list()[0], &sockets{}); err == nil {
				t.Error("written to a log that is away")
			}
			w.log.Cut(false)
			w.wantKept(w.s)
			if a := w.agent("wes"); a.State.Presence != tc.want || a.State.Session != "" {
				t.Errorf("%+v", a.State)
			}
			if n := len(w.s.sessions.list()); n != 0 {
				t.Errorf("%d sessions are kept for ever", n)
			}
		})
	}
}

// A late end does not end the session that came after it.
func TestALateEndIsOfItsOwnSession(t *testing.T) {
	t.Parallel()
	w, d, _ := sitting(t)
	w.log.Cut(true)
	d.Closed(t.Context(), "webex", "wes", "one", desktop.EndLost)
	w.log.Cut(false)
	if err := w.other().Desk(&doors{}).Opened(t.Context(), "webex", "wes", "two"); err != nil {
		t.Fatal(err)
	}
	w.wantKept(w.s)
	w.wantAgent("wes", "session_started session_started")
	if n := len(w.s.sessions.list()); n != 0 {
		t.Errorf("%d sessions are kept for ever", n)
	}
}

// The way to the desktop goes first: from then on a request finds nobody.
func TestTheWayToADesktopGoesBeforeItsEnd(t *testing.T) {
	t.Parallel()
	w, d, reach := sitting(t)
	d.Closing("one")
	if len(reach.open) != 0 || w.agent("wes").State.Session != "one" {
		t.Errorf("%v, %+v", reach.open, w.agent("wes").State)
	}
}

// The answer to a session's beginning was lost and the page turned away: the
// session ends, though this process has not heard that it began.
func TestASessionThatMayHaveBegunIsEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica(0)
	d := r.s.Desk(&doors{})
	w.log.Fail(events.SessionStarted, logtest.StoredUnknown)
	if err := d.Opened(t.Context(), "webex", "wes", "one"); err == nil || w.agent("wes").State.Session != "one" {
		t.Fatalf("%v, on record is %q", err, w.agent("wes").State.Session)
	}
	w.log.Cut(true)
	r.s.KeepSessions(t.Context(), &sockets{})
	w.log.Cut(false)
	r.s.KeepSessions(t.Context(), &sockets{})
	w.wantAgent("wes", "session_started session_lost")
}
