package bridge

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// a listener hears the agents' log as it grows, as the bridge's roster does.
type listener struct {
	w     *world
	at    uint64
	heard map[events.Name]int
}

func (w *world) listens() *listener { return &listener{w: w, heard: map[events.Name]int{}} }

func (l *listener) hear() {
	l.w.t.Helper()
	news, err := l.w.log.From(events.AgentFamily, l.at)
	if err != nil {
		l.w.t.Fatal(err)
	}
	for _, r := range news {
		if r.Seq > l.at {
			l.at = r.Seq
			l.heard[r.Name]++
			l.w.s.Follow(r)
		}
	}
}

// told says how often OPS was told something.
func (w *world) told(what string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, o := range w.ops {
		if strings.Contains(o.What, what) {
			n++
		}
	}
	return n
}

// A page that comes and goes every second for twenty minutes leaves some dozens
// of sessions on record and not a thousand, and the agent signed out in between.
func TestAPageThatComesAndGoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		d := w.s.Desk(&doors{})
		log := w.listens()
		for n := range 1200 {
			session := fmt.Sprint("s", n)
			if err := d.Opened(t.Context(), "webex", "wes", session); err == nil {
				d.Closed(t.Context(), "webex", "wes", session, "keepalive")
			} else if fault.Of(err) != fault.Transient {
				t.Fatal(err)
			}
			log.hear()
			time.Sleep(time.Second) // the bubble's
		}
		if n := log.heard[events.SessionStarted]; n < 60 || n > 24+40+1 || log.heard[events.SessionLost] != n {
			t.Errorf("in twenty minutes %v", log.heard)
		}
		if p := w.agent("wes").State.Presence; p != events.Lost {
			t.Errorf("the agent is %s", p)
		}
		if n := w.told("begin and end too often"); n < 17 || n > 21 {
			t.Errorf("OPS was told %d times in twenty minutes, want once a minute", n)
		}
		if err := d.Opened(t.Context(), "webex", "nobody", "s"); fault.Code(err) != "unknown_agent" {
			t.Errorf("a stranger hears %v", err)
		}
	})
}

// A polled provider that lets an agent in and refuses the next poll makes a
// session a second.
func TestAProviderThatLetsInAndThrowsOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.p.code = 401
		log := w.listens()
		for range 1200 {
			_, _ = w.s.pollOnce(t.Context(), "acme", "ann")
			w.deliver()
			log.hear()
			time.Sleep(time.Second) // the bubble's
		}
		if n := log.heard[events.SessionStarted]; n < 60 || n > 24+40+1 {
			t.Errorf("in twenty minutes %v", log.heard)
		}
	})
}

// An outage of ten minutes uses up nothing: when the provider is back, so is the
// agent.
func TestAnOutageUsesUpNoSessions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.p.fails(down)
		for range 600 {
			_, _ = w.s.pollOnce(t.Context(), "acme", "ann")
			time.Sleep(time.Second) // the bubble's
		}
		w.p.fails(nil)
		w.poll()
		w.wantAgent("ann", "session_started")
	})
}

const (
	sayReady    = `{"outdial":"presence","status":"ready","version":"3.21.2410"}`
	sayNotReady = `{"outdial":"presence","status":"not_ready","reason":"lunch","version":"3.21.2410"}`
)

// A page that toggles is held at not ready, is asked again later, and each of
// its words that make the agent less than ready counts at once.
func TestAPageThatTogglesItsReadiness(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		d := w.s.Desk(&doors{})
		var asked atomic.Int32
		d.tell = func(connection, agent string) bool {
			if connection != "webex" || agent != "wes" {
				t.Errorf("asked %s/%s", connection, agent)
			}
			asked.Add(1)
			return true
		}
		if err := d.Opened(t.Context(), "webex", "wes", "one"); err != nil {
			t.Fatal(err)
		}
		log := w.listens()
		refused := 0
		for range 600 { // ten minutes
			err := d.Message(t.Context(), "webex", "wes", "one", []byte(sayReady))
			if err != nil && fault.Code(err) != "too_often" {
				t.Fatal(err)
			}
			if err != nil {
				refused++
			}
			w.deliver()
			log.hear()
			w.says(d, "one", []byte(sayNotReady))
			log.hear()
			if p := w.agent("wes").State.Presence; p != events.NotReady {
				t.Fatalf("said not ready, and is %s", p)
			}
			time.Sleep(time.Second) // the bubble's
		}
		if n := log.heard[events.Ready]; n < 100 || n > 60+50+1 || n+refused != 600 {
			t.Errorf("ready %d times in ten minutes, %d refused", n, refused)
		}
		if n := asked.Load(); n < 20 || n > 60 {
			t.Errorf("the page was asked %d times", n)
		}
		if n := w.told("becomes ready too often"); n < 6 || n > 11 {
			t.Errorf("OPS was told %d times", n)
		}
		// Somebody who is ready says so as often as they like.
		time.Sleep(time.Minute) // the bubble's
		for range 200 {
			w.says(d, "one", []byte(sayReady))
			log.hear()
		}
		if p := w.agent("wes").State.Presence; p != events.Ready {
			t.Errorf("the agent is %s", p)
		}
	})
}

func TestACommandThatTogglesAnAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.s.Desk(&doors{}).Opened(t.Context(), "webex", "wes", "one"); err != nil {
		t.Fatal(err)
	}
	log := w.listens()
	refused := 0
	for range 100 {
		if _, err := w.s.onSet(t.Context(), "acme", []byte(`{"agent":"wes","status":"ready"}`)); err != nil {
			refused++
		}
		if _, err := w.s.onSet(t.Context(), "acme", []byte(`{"agent":"wes","status":"not_ready"}`)); err != nil {
			t.Fatal(err)
		}
		log.hear()
	}
	if n := log.heard[events.Ready]; n < 60 || n > 65 || n+refused != 100 {
		t.Errorf("ready %d times, refused %d times", n, refused)
	}
}

// Pages that send more than their connection may wait, and nothing is lost.
func TestPagesThatFloodWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		d := w.s.Desk(&doors{})
		begin := time.Now()
		for range 1400 {
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
			if err := d.Message(ctx, "webex", "wes", "one", []byte(`{"x":1}`)); err != nil {
				t.Fatal(err)
			}
			cancel()
		}
		if took := time.Since(begin); took < 4*time.Second || took > 6*time.Second {
			t.Errorf("1400 messages took %s, want five seconds for those beyond 400", took)
		}
		if len(w.raws) != 1400 || w.told("too many messages of a connection") != 1 {
			t.Errorf("%d of 1400 are stored, OPS was told %d times", len(w.raws), w.told("too many"))
		}
		begin = time.Now()
		for range 100 { // of 32 KiB each: nine of the short ones
			if err := d.Message(t.Context(), "webex", "wes", "one", []byte(`"`+strings.Repeat("x", 32<<10)+`"`)); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begin); took < 4*time.Second {
			t.Errorf("3 MiB took %s", took)
		}
	})
}

// A webhook that floods hears 429; the other connections' are taken.
func TestAWebhookThatFloods(t *testing.T) {
	t.Parallel()
	r := run(t)
	status := map[int]int{}
	for range 450 {
		code, _ := r.post("/v1/providers/webex/events", `{"x":1}`, "Authorization", "Bearer hook", "Content-Type", "application/json")
		status[code]++
	}
	if status[http.StatusNoContent]+status[http.StatusTooManyRequests] != 450 || status[http.StatusNoContent] < 400 {
		t.Errorf("answers %v", status)
	}
	if code, answer := r.post("/v1/providers/signed/events", `{"statusDesc":"READY"}`, signature(time.Now(), `{"statusDesc":"READY"}`)...); code != http.StatusNoContent {
		t.Errorf("another connection: %d %s", code, answer)
	}
}

// noRoom is a tenant's stream that is full.
type noRoom struct{}

func (noRoom) Put(context.Context, string, events.Header, []byte, string, string) (bool, error) {
	return false, fault.New(fault.Transient, "publish", log.CodeNoRoom, nil)
}

func TestATenantWhoseRequestsAreFullHearsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := &HTTPAPI{S: w.s, Requests: noRoom{}, Check: func(string, events.Header, []byte) (events.Intake, []events.Fault, events.Identity) {
		return events.Intake{Call: "c1"}, nil, events.Identity{}
	}}
	out, status := d.one(t.Context(), "acme", events.Header{}, []byte(`{}`))
	if status != http.StatusTooManyRequests || len(out.Faults) != 1 || out.Faults[0].Code != "quota" || out.Call != "" {
		t.Errorf("%d %+v", status, out)
	}
	if together(map[int]bool{http.StatusAccepted: true, status: true}) != http.StatusTooManyRequests {
		t.Error("a batch of which a part is to be sent again does not say so")
	}
}
