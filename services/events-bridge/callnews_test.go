package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
)

// A list is a provider that works off lists and posts what becomes of its calls.
type list struct{}

// An item is one of its messages.
type item struct {
	Attempt, ID, To string
	Agent           string // the provider's name of one
	Event           events.Name
	Reason          string
	Second          int  // of its clock
	Unsaid, Shared  bool // whether it is a manual call; the id is of every call to the number
}

func (list) Read(raw events.ProviderRaw, _ providers.View) ([]providers.Observation, error) {
	var it item
	if err := json.Unmarshal(raw.Body, &it); err != nil {
		return nil, fault.New(fault.Permanent, "read item", "unreadable", nil)
	}
	if it.Event == "" {
		return nil, nil
	}
	o := providers.Observation{Call: it.Event, Reason: it.Reason, Event: string(it.Event), Attempt: it.Attempt, CallKey: it.ID, Customer: it.To, Agent: it.Agent, Manual: !it.Unsaid, Shared: it.Shared,
		At: noon.Add(time.Duration(it.Second) * time.Second)}
	return []providers.Observation{o}, nil
}

func (list) Split(body []byte) ([][]byte, error) {
	var all []json.RawMessage
	err := json.Unmarshal(body, &all)
	out := make([][]byte, len(all))
	for i := range all {
		out[i] = all[i]
	}
	return out, err
}

// A feedWorld is a world with a connection whose provider tells of calls by
// their names, and a bridge that has heard what hears() let it hear.
type feedWorld struct {
	*world
	view *log.Follower
	fed  int
}

func newFeedWorld(t *testing.T) *feedWorld {
	t.Helper()
	w := &feedWorld{world: newWorld(t), view: log.NewFollower()}
	lists := tenants.Connection{Name: "lists", Tenant: "acme", Provider: providers.Provider{
		Can: providers.Capabilities{Queues: true, Talking: true, Progress: providers.ProgressHook}, Reader: list{}, Hook: list{}}}
	var err error
	if w.dir, err = tenants.New(w.dir.Tenants(), append(w.dir.Connections(), lists)); err != nil {
		t.Fatal(err)
	}
	w.view.CaughtUp(events.CallFamily)
	w.view.CaughtUp(events.AgentFamily)
	w.s = New(Config{Log: log.New(w.log, w.view), Store: w, Directory: w.dir, Now: w.Now, Logger: slog.New(slog.DiscardHandler),
		LastCall: func(context.Context) (uint64, error) { w.hears(); return 0, log.ErrNone }})
	return w
}

// hears lets the bridge hear what is stored in CALLS.
func (w *feedWorld) hears() {
	rs, err := w.log.From(events.CallFamily, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range rs[w.fed:] {
		w.view.Take(r)
		w.s.FollowCall(r)
	}
	w.fed = len(rs)
}

// queue brings a call to a number as far as its intent; started says that the
// provider's answer is on record, with its id of the call.
func (w *feedWorld) queue(id, to string) {
	w.t.Helper()
	w.say(id, events.Orchestrator, events.Requested, &events.CallRequested{Request: events.DialRequest{To: to, Queue: "menu-7"},
		ExpiresAt: w.Now().Add(time.Hour)})
	w.say(id, events.Orchestrator, events.Assigned, &events.CallAssigned{Queue: "menu-7", Connection: "lists"})
	w.say(id, events.Compliance, events.Passed, &events.CallPassed{})
	w.say(id, events.Dialer, events.Dialing, &events.CallDialing{Attempt: "try-" + id})
}

func (w *feedWorld) started(id string) {
	w.t.Helper()
	w.say(id, events.Dialer, events.Started, &events.CallStarted{Attempt: "try-" + id, Provider: map[string]string{providers.CallID: "p-" + id}})
}

// post stores an item, as the door does.
func (w *feedWorld) post(it item) worker.Delivery {
	w.t.Helper()
	body, err := json.Marshal(it)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.Raw(context.Background(), "acme", events.ProviderRaw{Connection: "lists", Via: viaWebhook, ReceivedAt: w.Now(), Body: body}, ""); err != nil {
		w.t.Fatal(err)
	}
	return w.raws[len(w.raws)-1]
}

func TestNewsFindsItsCallByItsNames(t *testing.T) {
	t.Parallel()
	const to, other = "+81312345678", "+81312345679"
	for story, tc := range map[string]struct {
		item item
		want string
	}{
		"by the attempt":                               {item{Attempt: "try-c1", Event: events.Ringing}, "ringing"},
		"by the provider's id":                         {item{ID: "p-c1", Event: events.Ringing}, "ringing"},
		"by the number":                                {item{To: to, Event: events.Ringing}, "ringing"},
		"the attempt counts, not the number":           {item{Attempt: "try-c2", To: to, Event: events.Ringing}, ""},
		"the attempt and not that it is manual":        {item{Attempt: "try-c1", Event: events.Ringing, Unsaid: true}, "ringing"},
		"the id and not that it is manual":             {item{ID: "p-c1", Event: events.Ringing, Unsaid: true}, "ringing"},
		"the number and not that it is manual":         {item{To: to, Event: events.Ringing, Unsaid: true}, ""},
		"an id of all calls and not that it is manual": {item{ID: "p-c1", Shared: true, To: to, Event: events.Ringing, Unsaid: true}, ""},
		"an id of all calls that is manual":            {item{ID: "p-c1", Shared: true, To: to, Event: events.Ringing}, "ringing"},
		"another's attempt":                            {item{Attempt: "try-c9", Event: events.Ringing}, ""},
		"another's id":                                 {item{ID: "p-c9", Event: events.Ringing}, ""},
		"another's id of our number":                   {item{ID: "p-c9", To: to, Event: events.Ringing}, ""},
		"another's number":                             {item{To: "+81312345670", Event: events.Ringing}, ""},
		"no name at all":                               {item{Event: events.Ringing}, ""},
		"nothing said":                                 {item{Attempt: "try-c1"}, ""},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newFeedWorld(t)
			w.queue("c1", to)
			w.started("c1")
			w.queue("c2", other)
			w.started("c2")
			if err := w.understands(w.post(tc.item)); err != nil {
				t.Errorf("nobody is to be told of it: %v", err)
			}
			w.wantCall("c1", tc.want)
		})
	}
}

// The provider may speak before its answer to the start is on record: an id that
// nobody knows yet may be that call's, for a while.
func TestAnIdThatNobodyKnowsYetIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t)
	w.queue("c1", "+81312345678")
	d := w.post(item{ID: "p-c1", Event: events.Ringing})
	if err := w.understands(d); err == nil || !strings.Contains(err.Error(), "again in") {
		t.Fatalf("an id that may be a call's of ours is let go: %v", err)
	}
	w.started("c1")
	if err := w.understands(d); err != nil {
		t.Fatal(err)
	}
	w.wantCall("c1", "ringing")

	w.queue("c2", "+81312345679") // and another's is let go in the end
	stranger := w.post(item{ID: "x", Event: events.Ringing})
	w.pass(2 * namelessFor)
	if err := w.understands(stranger); err != nil {
		t.Errorf("what was nobody's after a minute: %v", err)
	}
}

// A page may come twice, and what was delivered first need not have come first.
func TestItemsAreCarriedOutOnceAndInTheirOrder(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t)
	w.s.HearAfter(0)
	w.queue("c1", "+81312345678")
	w.started("c1")
	story := []item{{ID: "p-c1", Event: events.Ringing, Second: 1}, {Attempt: "try-c1", Event: events.Answered, Second: 4},
		{ID: "p-c1", Event: events.Talking, Second: 5}, {To: "+81312345678", Event: events.Ended, Reason: "completed", Second: 60}}
	var all []worker.Delivery
	for range 2 { // the page came twice
		for _, it := range story {
			all = append(all, w.post(it))
		}
	}
	w.hears()
	for _, d := range all {
		w.s.Hear(d)
	}
	for i := len(all) - 1; i >= 0; i-- {
		if err := w.understands(all[i]); err != nil {
			t.Fatal(err)
		}
	}
	w.wantCall("c1", "ringing answered talking ended")
	if c := w.call("c1"); !c.Talked {
		t.Error("nobody talked")
	}
}

// Two calls to one number, one after the other: what the first's provider said
// late is not the second's.
func TestLateNewsByNumberIsNotTheNextCalls(t *testing.T) {
	t.Parallel()
	const to = "+81312345678"
	w := newFeedWorld(t)
	w.queue("c1", to)
	w.started("c1")
	late := w.post(item{To: to, Event: events.Ended, Reason: "no_answer", Second: 30})
	w.say("c1", events.Orchestrator, events.Closed, &events.CallClosed{Outcome: events.OutcomeFailed, Presumed: true})
	w.pass(time.Minute)
	w.queue("c2", to)
	w.started("c2")
	if err := w.understands(late); err != nil {
		t.Fatal(err)
	}
	w.wantCall("c2", "")
	w.wantCall("c1", "ended")
}

// A call that was given up and turns up is found as long as it is remembered,
// and no longer: whoever remembers everything has no room left.
func TestTheFinderForgetsTheOldestOfTheClosed(t *testing.T) {
	t.Parallel()
	const most = 100
	f := newFinder(most)
	w := newFeedWorld(t)
	w.queue("c1", "+81312345678")
	c := w.call("c1")
	for i := range most + 10 {
		r := events.Record{Tenant: "acme", Key: fmt.Sprintf("c%d", i), Name: events.Dialing}
		f.take(r, "lists", c)
		r.Name = events.Closed
		f.take(r, "", nil)
	}
	if len(f.names) != most || len(f.find([]string{attemptName("lists", "try-c1")})) != most {
		t.Errorf("%d calls are remembered", len(f.names))
	}
	if f.waits("lists") {
		t.Error("a closed call still waits for its id")
	}
}
