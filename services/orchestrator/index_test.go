package orchestrator

import (
	"slices"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// heard is an index at noon, over a view that hears what it hears.
type heard struct {
	*Index
	view *log.Follower
}

func newIndex() heard {
	l, view := config.OrDefault(Limits{}), log.NewFollower()
	over := log.New(nil, view)
	return heard{NewIndex(func(c *lifecycle.Call, now time.Time) Action { return Plan(c, now, l) }, over.Held, func() time.Time { return noon }, func() {}), view}
}

func (x heard) Take(r events.Record) {
	x.view.Take(r)
	x.Index.Take(r)
}

// queue feeds an index with calls that wait for somebody, or that are new where
// their time has not come, in the order given; the nth has the id c<n> and the
// sequence n.
func queue(x heard, requests ...events.CallRequested) {
	seq := uint64(0)
	for i, q := range requests {
		id := "c" + string(rune('1'+i))
		if q.ExpiresAt.IsZero() {
			q.ExpiresAt = noon.Add(time.Hour)
		}
		seq++
		x.Take(events.Record{Family: events.CallFamily, Tenant: "acme", Key: id, Name: events.Requested, Seq: seq, Time: noon, Body: &q})
	}
	for i, q := range requests {
		if q.NotBefore.After(noon) {
			continue
		}
		seq++
		x.Take(events.Record{Family: events.CallFamily, Tenant: "acme", Key: "c" + string(rune('1'+i)), Name: events.Waiting, Seq: seq, Time: noon,
			Body: &events.CallWaiting{Reason: events.WaitAgentNotReady}})
	}
}

func want(agent, group string, priority int, notBefore time.Duration) events.CallRequested {
	return events.CallRequested{Request: events.DialRequest{To: tokyo, Agent: agent, HuntGroup: group, Priority: priority}, NotBefore: noon.Add(notBefore)}
}

func TestWhoseTurnItIs(t *testing.T) {
	t.Parallel()
	ann := &lifecycle.Agent{Tenant: "acme", ID: "ann", State: events.AgentState{Connection: "tcn", HuntGroups: []string{"sales"}}}
	elsewhere := want("", "sales", 9, -time.Hour)
	elsewhere.Request.Connection = "desk"
	old := want("ann", "", 9, -2*time.Hour)
	old.ExpiresAt = noon
	for story, tc := range map[string]struct {
		waiting []events.CallRequested
		turn    string
	}{
		"nobody waits":                         {nil, ""},
		"who names the agent goes first":       {[]events.CallRequested{want("", "sales", 9, -time.Hour), want("ann", "", 0, 0)}, "c2"},
		"then the more urgent":                 {[]events.CallRequested{want("", "sales", 1, -time.Hour), want("", "sales", 2, 0)}, "c2"},
		"then the one due first":               {[]events.CallRequested{want("", "sales", 1, 0), want("", "sales", 1, -time.Minute)}, "c2"},
		"then the one asked for first":         {[]events.CallRequested{want("", "sales", 1, 0), want("", "sales", 1, 0)}, "c1"},
		"another agent's or group's has to go": {[]events.CallRequested{want("bob", "", 9, 0), want("", "support", 9, 0)}, ""},
		"one for another connection waits on":  {[]events.CallRequested{elsewhere, want("", "sales", 0, 0)}, "c2"},
		"one that may not yet be dialed too":   {[]events.CallRequested{want("ann", "", 0, time.Second)}, ""},
		"one that is too old never gets one":   {[]events.CallRequested{old}, ""},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			x := newIndex()
			queue(x, tc.waiting...)
			due, ok := x.Offer(ann, noon)
			if due.ID != tc.turn || ok != (tc.turn != "") {
				t.Errorf("%+v, %v; want %q", due, ok, tc.turn)
			}
		})
	}
}

func TestAnAgentWithAStrangeNameHasATurnToo(t *testing.T) {
	t.Parallel()
	x := newIndex()
	queue(x, want("ann@example.com", "", 0, 0))
	a := &lifecycle.Agent{Tenant: "acme", ID: events.AgentToken("ann@example.com")}
	due, ok := x.Offer(a, noon)
	if !ok || due.ID != "c1" {
		t.Errorf("%+v, %v", due, ok)
	}
	x.GiveBack(due, 0)
	found := x.Find("acme", func(l Line) bool { return l.Agent == a.ID })
	if len(found) != 1 {
		t.Errorf("call.find does not find it by agent: %+v", found)
	}
	a.Tenant = "globex"
	if _, ok := x.Offer(a, noon); ok {
		t.Error("another tenant's agent got the call")
	}
}

func TestDue(t *testing.T) {
	t.Parallel()
	x := newIndex()
	queue(x, want("ann", "", 0, 0), want("ann", "", 0, 10*time.Minute))
	if due, next := x.Due(noon, 9); len(due) != 0 || !next.Equal(noon.Add(late)) {
		t.Errorf("whoever heard the event is at it: %+v, again at %v", due, next)
	}
	due, next := x.Due(noon.Add(late), 9)
	if idsOf(due) != "c2" { // it must be told that it waits for its time
		t.Errorf("due at once: %+v", due)
	}
	if !next.Equal(noon.Add(2 * late)) {
		t.Errorf("next look at %v", next)
	}
	until := noon.Add(10 * time.Minute)
	x.Take(events.Record{Family: events.CallFamily, Tenant: "acme", Key: "c2", Name: events.Waiting, Seq: 9, Time: noon,
		Body: &events.CallWaiting{Reason: events.WaitNotBefore, Until: &until}})
	if due, next := x.Due(noon.Add(time.Minute), 9); len(due) != 0 || !next.Equal(until) {
		t.Errorf("told, it is due again: %+v, at %v", due, next)
	}
	if due, _ := x.Due(until, 9); idsOf(due) != "c2" {
		t.Errorf("its time has come: %+v", due)
	}
	if due, next := x.Due(noon.Add(time.Hour), 9); len(due) != 2 || !next.Equal(noon.Add(time.Hour+late)) {
		t.Errorf("both have expired: %+v, next %v", due, next)
	}
	x.Take(events.Record{Family: events.CallFamily, Tenant: "acme", Key: "c1", Name: events.Closed, Seq: 10, Time: noon, Body: &events.CallClosed{Outcome: "expired"}})
	if due, _ := x.Due(noon.Add(2*time.Hour), 9); len(due) != 1 {
		t.Errorf("a closed call is due: %+v", due)
	}
	if lines := x.Find("acme", func(Line) bool { return true }); len(lines) != 1 || lines[0].Call != "c2" {
		t.Errorf("left in memory: %+v", lines)
	}
	x.Take(events.Record{Family: events.CallFamily, Tenant: "acme", Key: "c1", Name: events.Ringing, Seq: 11, Body: &events.CallProgress{}})
	if _, open := x.open[log.Ref{Tenant: "acme", ID: "c1"}]; open {
		t.Error("late news opened a closed call")
	}
}

func TestReadyAgentsLongestIdleFirst(t *testing.T) {
	t.Parallel()
	x := newIndex()
	seq := uint64(0)
	take := func(id string, s events.AgentState) {
		seq++
		x.Take(events.Record{Family: events.AgentFamily, Tenant: "acme", Key: id, Role: events.Bridge, Name: events.Ready, Seq: seq,
			Body: &events.AgentPresence{State: s}})
	}
	ready := events.AgentState{Presence: events.Ready, HuntGroups: []string{"sales"}, Since: noon}
	short, held, away := ready, ready, ready
	short.Since = noon.Add(time.Minute)
	held.Claim = &events.AgentClaim{Call: "c9"}
	away.Presence = events.NotReady
	take("zoe", ready)
	take("ann", short)
	take("bob", held)
	take("cid", away)
	take("dan", ready)
	if got := x.ReadyAgents("acme", "sales"); !slices.Equal(got, []string{"dan", "zoe", "ann"}) {
		t.Errorf("%v", got)
	}
	if got := x.ClaimedFor("acme", "c9"); !slices.Equal(got, []string{"bob"}) {
		t.Errorf("%v", got)
	}
	if x.HuntGroup("acme", "support") || !x.HuntGroup("acme", "sales") || x.HuntGroup("globex", "sales") {
		t.Error("hunt groups are those of the tenant's agents")
	}
	// What this process appended itself may be learnt before its turn, and its
	// turn must not undo what came after.
	x.Learn(events.Record{Family: events.AgentFamily, Tenant: "acme", Key: "ann", Name: events.Claimed, Seq: 20, Body: &events.AgentClaimed{State: held}})
	x.Take(events.Record{Family: events.AgentFamily, Tenant: "acme", Key: "ann", Name: events.Ready, Seq: 19, Body: &events.AgentPresence{State: ready}})
	if got := x.ReadyAgents("acme", "sales"); slices.Contains(got, "ann") {
		t.Errorf("an older event undid a newer one: %v", got)
	}
	if mark, _ := x.AgentsAt(); mark != 19 {
		t.Errorf("the list stands for place %d of the log; only what was heard in order counts", mark)
	}
}
