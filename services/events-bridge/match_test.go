package bridge

import (
	"slices"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/tcn"
)

var noon = time.Date(2026, 3, 9, 16, 0, 0, 0, time.UTC)

const newYork = "+12128675309"

// happened is one event of a made-up log.
type happened struct {
	name events.Name
	body any
}

// life folds a made-up log of a call to New York, one event a second from noon,
// sequences from 1.
func life(id string, hs ...happened) *lifecycle.Call {
	hs = append([]happened{{events.Requested, &events.CallRequested{Request: events.DialRequest{To: newYork, Agent: "ann"}}}}, hs...)
	c := &lifecycle.Call{State: lifecycle.None}
	for i, h := range hs {
		if h.body == nil {
			for _, s := range events.CallSpecs() {
				if s.Name == h.name {
					h.body = s.New()
				}
			}
		}
		c.Take(events.Record{Tenant: "acme", Key: id, Name: h.name, Seq: uint64(i + 1), Time: noon.Add(time.Duration(i) * time.Second), Body: h.body})
	}
	return c
}

func dialed(id string, more ...happened) *lifecycle.Call {
	return life(id, append([]happened{{name: events.Assigned}, {name: events.Passed}, {name: events.Dialing}}, more...)...)
}

// bearing is news that carries the provider's id of the call.
func bearing(n events.Name, key string) happened {
	return happened{n, &events.CallProgress{Event: "X", Provider: map[string]string{callKey: key}}}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	type calls = []*lifecycle.Call
	live, bound, over := dialed("live"), dialed("bound", bearing(events.Offered, "k1")), dialed("over", bearing(events.Ended, "k0"), happened{name: events.Closed})
	waiting := life("waiting", happened{name: events.Waiting})
	for story, tc := range map[string]struct {
		o     providers.Observation
		calls calls
		want  string
	}{
		"nobody has a call":                              {providers.Observation{Call: events.Ringing, Customer: newYork, Manual: true}, nil, ""},
		"the number tells":                               {providers.Observation{CallKey: "k1", Customer: newYork, Manual: true}, calls{live}, "live"},
		"another number is somebody else's":              {providers.Observation{CallKey: "k1", Customer: "+12128675310", Manual: true}, calls{live}, ""},
		"our number, but the customer called":            {providers.Observation{CallKey: "k1", Customer: newYork}, calls{live}, ""},
		"the id tells, whatever the number":              {providers.Observation{CallKey: "k1", Customer: "+12128675310"}, calls{bound}, "bound"},
		"the id tells though the call is closed":         {providers.Observation{CallKey: "k0"}, calls{live, over}, "over"},
		"another id is another call of the same number":  {providers.Observation{CallKey: "k2", Customer: newYork, Manual: true}, calls{bound}, ""},
		"the id before the order":                        {providers.Observation{CallKey: "k0", Customer: newYork, Manual: true}, calls{live, over}, "over"},
		"an id of all calls to a number is the next's":   {providers.Observation{CallKey: "k0", Shared: true, Customer: newYork, Manual: true}, calls{live, over}, "live"},
		"and the last one's while there is no next":      {providers.Observation{CallKey: "k0", Shared: true, Customer: newYork, Manual: true}, calls{waiting, over}, "over"},
		"a call that was not sent has no news":           {providers.Observation{CallKey: "k1", Customer: newYork, Manual: true}, calls{waiting}, ""},
		"a poll names nobody: it is the call that is up": {providers.Observation{Call: events.Talking}, calls{live}, "live"},
		"an id that nobody knows, and no number":         {providers.Observation{CallKey: "k9", Call: events.Ended, Manual: true}, calls{live}, ""},
		"a number that cannot be read":                   {providers.Observation{Call: events.Ended, Unread: true, Manual: true}, calls{live}, ""},
		"a number that cannot be read, and our id":       {providers.Observation{CallKey: "k1", Call: events.Ended, Unread: true, Manual: true}, calls{bound}, "bound"},
		"not one that is closed":                         {providers.Observation{Call: events.Talking}, calls{over}, ""},
		"not one that was not sent":                      {providers.Observation{Call: events.Talking}, calls{waiting}, ""},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			got := ""
			if c := Match(tc.o, tc.calls); c != nil {
				got = c.ID
			}
			if got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

func TestNotOurs(t *testing.T) {
	t.Parallel()
	foreign := map[events.Name]bool{events.Offered: true, events.Ringing: true, events.Answered: true, events.Talking: true,
		events.Held: true, events.Consulting: true, events.Conferencing: true}
	for _, s := range events.CallSpecs() {
		if s.Role == events.Bridge && NotOurs(providers.Observation{Call: s.Name}) != foreign[s.Name] {
			t.Errorf("%s alone: foreign is %v", s.Name, !foreign[s.Name])
		}
	}
	for _, s := range events.AgentSpecs() {
		want := s.Name == events.OnCall || s.Name == events.ForeignCall
		if s.Role == events.Bridge && NotOurs(providers.Observation{Presence: s.Name}) != want {
			t.Errorf("%s alone: foreign is %v", s.Name, !want)
		}
	}
}

func TestWhatANewsSaysOfTheAgent(t *testing.T) {
	t.Parallel()
	open, closed := dialed("open"), dialed("closed", happened{name: events.Started}, happened{name: events.Closed})
	for story, tc := range map[string]struct {
		o    providers.Observation
		c    *lifecycle.Call
		want events.Name
	}{
		"on a call that is ours":      {providers.Observation{Presence: events.OnCall}, open, events.OnCall},
		"on one that is not":          {providers.Observation{Presence: events.OnCall}, nil, events.ForeignCall},
		"a call rings that is not":    {providers.Observation{Call: events.Ringing}, nil, events.ForeignCall},
		"the provider calls it alien": {providers.Observation{Presence: events.ForeignCall}, open, events.OnCall},
		"on one we gave up":           {providers.Observation{Presence: events.OnCall}, closed, events.ForeignCall},
		"ready":                       {providers.Observation{Presence: events.Ready}, open, events.Ready},
		"ready without a call":        {providers.Observation{Presence: events.Ready}, nil, events.Ready},
		"nothing":                     {providers.Observation{Call: events.Ended}, nil, ""},
	} {
		if got := presenceFrom(tc.o, tc.c).Presence; got != tc.want {
			t.Errorf("%s: %q, want %q", story, got, tc.want)
		}
	}
}

func TestRepeat(t *testing.T) {
	t.Parallel()
	at := noon.Add(time.Minute)
	said := func(n events.Name, event string, at *time.Time, raw uint64) happened {
		return happened{n, &events.CallProgress{Event: event, OccurredAt: at, RawSeq: raw}}
	}
	for story, tc := range map[string]struct {
		log  []happened
		o    providers.Observation
		raw  uint64
		want bool
	}{
		"nothing was said":                     {nil, providers.Observation{Call: events.Ringing, Event: "RING"}, 7, false},
		"the same moment":                      {[]happened{said(events.Ringing, "RING", &at, 1)}, providers.Observation{Call: events.Ringing, Event: "RING", At: at}, 7, true},
		"the same moment, long ago":            {[]happened{said(events.Ringing, "RING", &at, 1), said(events.Talking, "TALK", nil, 2)}, providers.Observation{Call: events.Ringing, Event: "RING", At: at}, 7, true},
		"another moment":                       {[]happened{said(events.Ringing, "RING", &at, 1)}, providers.Observation{Call: events.Ringing, Event: "RING", At: at.Add(1)}, 7, false},
		"another word for it":                  {[]happened{said(events.Ringing, "RING", &at, 1)}, providers.Observation{Call: events.Ringing, Event: "ring", At: at}, 7, false},
		"the same message again":               {[]happened{said(events.Ringing, "RING", nil, 7), said(events.Talking, "TALK", nil, 7)}, providers.Observation{Call: events.Ringing, Event: "RING"}, 7, true},
		"without a moment, said last":          {[]happened{said(events.Talking, "IN", nil, 1)}, providers.Observation{Call: events.Talking, Event: "IN"}, 7, true},
		"without a moment, back from hold":     {[]happened{said(events.Talking, "IN", nil, 1), said(events.Held, "HOLD", nil, 2)}, providers.Observation{Call: events.Talking, Event: "IN"}, 7, false},
		"without a moment, a note in between":  {[]happened{said(events.Talking, "IN", nil, 1), said(events.Annotated, "NOTE", nil, 2)}, providers.Observation{Call: events.Talking, Event: "IN"}, 7, true},
		"a moment against none is not a match": {[]happened{said(events.Talking, "IN", nil, 1)}, providers.Observation{Call: events.Talking, Event: "IN", At: at}, 7, false},
	} {
		if got := Repeat(dialed("c", tc.log...), tc.o, tc.raw); got != tc.want {
			t.Errorf("%s: %v", story, got)
		}
	}
}

func TestPresenceStale(t *testing.T) {
	t.Parallel()
	agent := func(b *events.AgentPresence, s events.AgentState) *lifecycle.Agent {
		a := &lifecycle.Agent{State: s}
		if b != nil {
			b.State = s
			a.Last = events.Record{Body: b}
		} else {
			a.Last = events.Record{Body: &events.AgentClaimed{State: s}}
		}
		return a
	}
	held := events.AgentState{Quarantine: &events.AgentClaim{Call: "c"}}
	started := dialed("c", happened{name: events.Started}) // the intent is at 4, the answer at 5
	for story, tc := range map[string]struct {
		a    *lifecycle.Agent
		c    *lifecycle.Call
		want bool
	}{
		"no call":                                    {agent(nil, events.AgentState{}), nil, false},
		"a call that was not sent":                   {agent(nil, events.AgentState{}), life("c"), false},
		"a start on its way":                         {agent(nil, events.AgentState{}), dialed("c"), false},
		"nothing was asked since the claim":          {agent(nil, events.AgentState{}), started, true},
		"asked before the dial":                      {agent(&events.AgentPresence{Call: "c", CallSeq: 3}, events.AgentState{}), started, true},
		"asked while it was on its way":              {agent(&events.AgentPresence{Call: "c", CallSeq: 4}, events.AgentState{}), started, true},
		"asked after the answer":                     {agent(&events.AgentPresence{Call: "c", CallSeq: 5}, events.AgentState{}), started, false},
		"asked about another call":                   {agent(&events.AgentPresence{Call: "b", CallSeq: 9}, events.AgentState{}), started, true},
		"the call is closed":                         {agent(nil, events.AgentState{}), dialed("c", happened{name: events.Started}, happened{name: events.Closed}), false},
		"held back, and nobody has asked since":      {agent(nil, held), nil, true},
		"held back, and somebody has asked since it": {agent(&events.AgentPresence{}, held), nil, false},
	} {
		if got := PresenceStale(tc.a, tc.c); got != tc.want {
			t.Errorf("%s: %v", story, got)
		}
	}
}

func TestViewOf(t *testing.T) {
	t.Parallel()
	a := &lifecycle.Agent{State: events.AgentState{Presence: events.OnCall, Session: "s1"}}
	if v := ViewOf(a, nil, "US"); v != (providers.View{Presence: events.OnCall, Session: "s1", HomeRegion: "US"}) {
		t.Errorf("%+v", v)
	}
	want := providers.View{Presence: events.OnCall, Session: "s1", HomeRegion: "US", CallState: events.Talking, Dialed: true, Talked: true, To: newYork}
	if v := ViewOf(a, dialed("c", happened{name: events.Talking}), "US"); v != want {
		t.Errorf("%+v", v)
	}
}

func TestWhomAProviderMeans(t *testing.T) {
	t.Parallel()
	r, seq := newRoster(), uint64(0)
	is := func(agent, name string, presence events.Name) {
		seq++
		r.take(events.Record{Family: events.AgentFamily, Tenant: "acme", Key: agent, Role: events.Orchestrator, Name: events.Enrolled, Seq: seq,
			Body: &events.AgentEnrolled{State: events.AgentState{Presence: presence, Connection: "webex", ProviderAgent: name}}},
			func(*lifecycle.Agent) bool { return false })
	}
	means := func(name, want string) {
		t.Helper()
		if got := r.named(providerKey("acme", "webex", name)); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	is("old", "p1", events.Offline)
	means("p1", "old")
	is("new", "p1", events.Offline)
	is("old", "p1", events.Gone) // she leaves after the other has come
	means("p1", "new")
	is("new", "p2", events.Offline)
	means("p1", "")
	means("p2", "new")
}

// Two processes claim two agents for one call, and one of them loses. The call
// stays the last that her log names, and what her provider says of her is no
// news of it.
func TestACallThatAnotherAgentWasDialedForIsNotHers(t *testing.T) {
	t.Parallel()
	c := &lifecycle.Call{Tenant: "acme", ID: "c1", State: lifecycle.Started,
		Request: &events.CallRequested{}, Dialing: &events.CallDialing{Agent: "bob"}}
	for agent, want := range map[string]bool{"ann": true, "bob": false} {
		if got := others(c, agent); got != want {
			t.Errorf("%s: somebody else's: %t, want %t", agent, got, want)
		}
	}
	m := &message{raw: events.ProviderRaw{Via: viaPoll, Agent: "ann", Body: []byte(`{"statusDesc":"READY","keepAliveSucceeded":true}`), Status: 200},
		seq: 7, agent: "ann", conn: tenants.Connection{Tenant: "acme", Provider: providers.Provider{Reader: tcn.Reader{}}}}
	k := record{agent: &lifecycle.Agent{Tenant: "acme", ID: "ann", State: events.AgentState{LastCall: "c1"}}, calls: []*lifecycle.Call{c}}
	told := func(by string) bool {
		m.agent, m.seen = by, nil
		all, err := m.read(k)
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(all, func(n news) bool { return n.about != nil })
	}
	if told("ann") || !told("bob") {
		t.Errorf("news of the call by ann: %t, by bob: %t", told("ann"), told("bob"))
	}
}
