package orchestrator

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// place has an orchestrator enrol somebody at a seat of the connection of which nobody
// tells where its agents are: whoever is enrolled there is ready.
func (w *world) place(s *Service, agent, at string, groups ...string) error {
	_, err := s.Enrol(ctx(), w.tenant(), Enrolment{Agent: agent, Connection: "assumed", ProviderAgent: at, HuntGroups: groups})
	return err
}

// squat enrols somebody without looking who sits there, as former versions did when
// two were enrolled at once, and as one does that dies before it has looked.
func (w *world) squat(agent, at string) {
	w.t.Helper()
	conn, _ := w.dir.Connection("acme", "assumed")
	_, err := log.New(w.log, nil).UpdateAgent(ctx(), log.Ref{Tenant: "acme", ID: agent}, func(a *lifecycle.Agent) (*log.Draft, error) {
		return w.s.enrolment(w.tenant(), a, Enrolment{Agent: agent, Connection: "assumed", ProviderAgent: at}, conn)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// Two are put at one seat in the same moment, at two orchestrators: neither has heard
// of the other when it looks.
func TestOfTwoPutAtOnceTheLaterLeaves(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		before func(*world)
		later  string // what the orchestrator says of her who comes later
	}{
		"both are new":                   {func(*world) {}, "enrolled removed"},
		"the later sat elsewhere before": {func(w *world) { _ = w.place(w.s, "ann", "there") }, "enrolled enrolled removed"},
		"the earlier sat elsewhere":      {func(w *world) { _ = w.place(w.s, "twin", "there") }, "enrolled removed"},
		"the later was there, and left": {func(w *world) {
			_ = w.place(w.s, "ann", "here")
			_, _ = w.do("agent", "remove", `{"agent":"ann"}`)
		}, "enrolled removed enrolled removed"},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			other := w.join()
			tc.before(w)
			w.tell()
			w.log.Before(events.Enrolled, func() {
				if err := w.place(other, "twin", "here"); err != nil {
					t.Error(err)
				}
			})
			err := w.place(w.s, "ann", "here")
			wantCode(t, err, "409")
			if err != nil && !strings.Contains(err.Error(), "agent twin") {
				t.Errorf("nobody knows who sits there: %v", err)
			}
			w.wantAgent("ann", tc.later)
			if twin := w.agent("twin"); !twin.Enrolled() || w.agent("ann").State.Reason != events.ReasonSeatTaken {
				t.Errorf("%+v, %+v", twin.State, w.agent("ann").State)
			}
			wantCode(t, w.place(w.s, "ann", "here"), "409")
			if err := w.place(w.s, "ann", "elsewhere"); err != nil {
				t.Error(err)
			}
		})
	}
}

// Who is asked for a seat that is taken asks first, and leaves everything as it is.
func TestWhoMovesToATakenSeatStaysWhereSheIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.place(w.s, "twin", "here"); err != nil {
		t.Fatal(err)
	}
	late := w.join() // has heard of nobody
	if err := w.place(w.s, "ann", "there"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, w.place(late, "ann", "here"), "409")
	w.wantAgent("ann", "enrolled")
}

// However two came to sit on one seat: the first is called, the other never.
func TestOfTwoOnOneSeatTheFirstIsCalled(t *testing.T) {
	t.Parallel()
	begin := func(t *testing.T) *world {
		w := newWorld(t)
		w.squat("ann", "here")
		w.squat("twin", "here")
		w.tell()
		return w
	}
	wantTurn := func(t *testing.T, w *world, who string) {
		t.Helper()
		calls := map[string]string{}
		for _, agent := range []string{"ann", "twin"} {
			if id, err := w.accept(w.s, w.request(agent, map[string]any{"agent": agent})); err == nil { // she is on the roster
				calls[agent] = id
			}
		}
		w.work(w.s)
		w.turn(w.s)
		if due, _ := w.s.index.Due(w.Now().Add(missed), 9); len(due) > 0 {
			t.Errorf("%d calls are tried again and again", len(due))
		}
		for agent, call := range calls {
			if is := w.call(call).State == lifecycle.Assigned; is != (agent == who) {
				t.Errorf("of %s: %s, want %q called", agent, names(w.call(call).Log), who)
			}
		}
	}
	hold := func(t *testing.T, w *world, agent string) {
		if _, err := w.log.Append(ctx(), *w.s.quarantined(w.agent(agent), "c0", orphaned)); err != nil {
			t.Fatal(err)
		}
	}
	for story, tc := range map[string]struct {
		then func(*testing.T, *world)
		who  string
	}{
		"as they came": {func(*testing.T, *world) {}, "ann"},
		"the first is enrolled again, in a hunt group": {func(t *testing.T, w *world) {
			if err := w.place(w.s, "ann", "here", "sales"); err != nil {
				t.Error(err)
			}
		}, "ann"},
		"the first has left": {func(t *testing.T, w *world) { _, _ = w.do("agent", "remove", `{"agent":"ann"}`) }, "twin"},
		"the first has moved": {func(t *testing.T, w *world) {
			w.squat("ann", "there")
			w.squat("ann", "here") // and is back
		}, "twin"},
		"the first may be on a call": {func(t *testing.T, w *world) { hold(t, w, "ann") }, ""},
		"the other may be on a call": {func(t *testing.T, w *world) { hold(t, w, "twin") }, ""},
		"the first may be on a call, and is off the roster": {func(t *testing.T, w *world) {
			hold(t, w, "ann")
			if _, err := w.log.Append(ctx(), *w.s.removed(w.agent("ann"), "", "")); err != nil {
				t.Fatal(err)
			}
		}, ""},
		"and that is over": {func(t *testing.T, w *world) { hold(t, w, "twin"); w.pass(time.Hour * 9); w.turn(w.s) }, "ann"},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := begin(t)
			tc.then(t, w)
			w.tell()
			wantTurn(t, w, tc.who)
		})
	}
	t.Run("and people are told", func(t *testing.T) {
		t.Parallel()
		w := begin(t)
		for agent, want := range map[string]bool{"ann": false, "twin": true} {
			got, err := w.do("agent", "get", fmt.Sprintf(`{"agent":%q}`, agent))
			if err != nil || strings.Contains(got, `"seatTaken":"ann"`) != want {
				t.Errorf("%s: %s, %v", agent, got, err)
			}
		}
		wantCode(t, w.place(w.s, "twin", "here"), "409") // the same again
		w.wantAgent("twin", "enrolled")
	})
	t.Run("the same name elsewhere is another seat", func(t *testing.T) {
		t.Parallel()
		w := begin(t)
		if _, err := w.s.Enrol(ctx(), w.tenant(), Enrolment{Agent: "eve", Connection: "silent", ProviderAgent: "here"}); err != nil {
			t.Error(err)
		}
		globex := *w.agent("ann")
		globex.Tenant, globex.State.EnrolledSeq = "globex", 1000
		for _, a := range []*lifecycle.Agent{w.agent("eve"), &globex} {
			if other, _ := w.s.index.Keeps(a); other != "" {
				t.Errorf("the seat of %s of %s is %s's", a.ID, a.Tenant, other)
			}
		}
	})
}

// Who was told of the later enrolment alone does not know who sits there.
func TestWhoHasNotHeardTheRosterClaimsNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	late := w.join()
	w.squat("ann", "here")
	w.squat("twin", "here")
	if _, err := late.Log.LatestAgent(ctx(), log.Ref{Tenant: "acme", ID: "twin"}); err != nil {
		t.Fatal(err)
	}
	late.index.Learn(w.agent("twin").Last)
	d := w.request("1", map[string]any{"agent": "twin"})
	if err := late.OnRequest(w.tenant())(ctx(), d); err != nil {
		t.Fatal(err)
	}
	call := events.CallID("acme", "/crm", "1")
	if err := late.advance(ctx(), log.Ref{Tenant: "acme", ID: call}); err != nil {
		t.Fatal(err)
	}
	w.wantCall(call, "requested waiting")
}

// Whatever is put, moved, removed and asked for at three orchestrators that hear it
// late, also where somebody enrols without looking: a seat is one call's.
func TestNoSeatIsTwoCalls(t *testing.T) {
	t.Parallel()
	people, places := []string{"ann", "bob", "twin"}, []string{"here", "there"}
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		w.join()
		w.join()
		n := 0
		one := func() *Service { return rapid.SampledFrom(w.crew).Draw(rt, "orchestrator") }
		who := func() string { return rapid.SampledFrom(people).Draw(rt, "agent") }
		at := func() string { return rapid.SampledFrom(places).Draw(rt, "seat") }
		some := func(do func(ref log.Ref, c *lifecycle.Call)) {
			if n > 0 {
				id := events.CallID("acme", "/crm", fmt.Sprint(rapid.IntRange(1, n).Draw(rt, "call")))
				if c := w.call(id); c.Request != nil {
					do(callRef(c), c)
				}
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"": func(rt *rapid.T) {
				held := map[seat]string{}
				for _, id := range people {
					a := w.agent(id)
					if a.ClaimState() == lifecycle.Free {
						continue
					}
					if other := held[seatOf(a)]; other != "" {
						rt.Fatalf("%s and %s are on calls at one seat", other, id)
					}
					held[seatOf(a)] = id
				}
			},
			"put": func(*rapid.T) { _ = w.place(one(), who(), at()) },
			"two puts": func(*rapid.T) {
				s, a, there := one(), who(), at()
				w.log.Before(events.Enrolled, func() { _ = w.place(s, a, there) })
				_ = w.place(one(), who(), at())
			},
			"squat": func(*rapid.T) {
				a := who()
				if w.agent(a).ClaimState() == lifecycle.Free {
					w.squat(a, "here")
				}
			},
			"groups": func(*rapid.T) {
				a := w.agent(who())
				_ = w.place(one(), a.ID, a.State.ProviderAgent, rapid.SampledFrom([]string{"sales", "care"}).Draw(rt, "group"))
			},
			"remove": func(*rapid.T) { _, _ = one().onRemoveAgent(ctx(), "acme", fmt.Appendf(nil, `{"agent":%q}`, who())) },
			"call": func(*rapid.T) {
				n++
				s := one()
				_ = s.OnRequest(w.tenant())(ctx(), w.request(fmt.Sprint(n), map[string]any{"agent": who()}))
				_ = s.advance(ctx(), log.Ref{Tenant: "acme", ID: events.CallID("acme", "/crm", fmt.Sprint(n))})
			},
			"advance": func(*rapid.T) { some(func(ref log.Ref, _ *lifecycle.Call) { _ = one().advance(ctx(), ref) }) },
			"end": func(*rapid.T) {
				some(func(ref log.Ref, c *lifecycle.Call) {
					if c.Assigned == nil || !c.Open() {
						return
					}
					w.say(c.ID, events.Orchestrator, events.Closed, &events.CallClosed{Agent: c.Assigned.Agent, Outcome: "failed",
						Quarantine: rapid.Bool().Draw(rt, "held back")})
				})
			},
			"hear of an end": func(*rapid.T) {
				some(func(_ log.Ref, c *lifecycle.Call) {
					if r := c.Last(); r.Name == events.Closed {
						_ = one().OnCall(ctx(), worker.Delivery{Record: &r, Seq: r.Seq})
					}
				})
			},
			"hear":  func(*rapid.T) { s := one(); w.hears(s, events.AgentFamily, rapid.IntRange(1, 20).Draw(rt, "events")) },
			"calls": func(*rapid.T) { s := one(); w.hears(s, events.CallFamily, rapid.IntRange(1, 9).Draw(rt, "events")) },
			"learn": func(*rapid.T) { _, _ = one().Log.LatestAgent(ctx(), log.Ref{Tenant: "acme", ID: who()}) },
			"sweep": func(*rapid.T) { one().Sweep(ctx()) },
			"time":  func(*rapid.T) { w.pass(time.Duration(rapid.IntRange(1, 7200).Draw(rt, "s")) * time.Second) },
		})
	})
}

// hears has an orchestrator hear the next few events of a log.
func (w *world) hears(s *Service, f events.Family, n int) {
	for range n {
		r, err := w.log.At(ctx(), f, w.told[s][f]+1)
		if err != nil {
			return
		}
		w.views[s].Take(r)
		s.Follow(r)
		w.told[s][f] = r.Seq
	}
}

// One credential was given for two names: the provider shows both in one session.
func TestOfTwoInOneSessionTheFirstIsCalled(t *testing.T) {
	t.Parallel()
	for story, tc := range map[string]struct {
		session string // of the second
		then    func(w *world)
		who     []string
	}{
		"each in a session of her own": {"other", func(*world) {}, []string{"ann", "twin"}},
		"both in one":                  {"one", func(*world) {}, []string{"ann"}},
		"the first's credential is refused": {"one", func(w *world) {
			w.presence("ann", events.SessionLost, "")
		}, []string{"twin"}},
		"the first has signed out": {"one", func(w *world) { w.presence("ann", events.SessionEnded, "") }, []string{"twin"}},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for _, agent := range []string{"ann", "twin"} {
				w.enrol(agent)
			}
			w.shows("ann", "one")
			w.shows("twin", tc.session)
			tc.then(w)
			w.tell()
			var called []string
			for _, agent := range []string{"twin", "ann"} {
				if id, err := w.accept(w.s, w.request(agent, map[string]any{"agent": agent})); err == nil {
					w.work(w.s)
					w.turn(w.s)
					if w.call(id).State == lifecycle.Assigned {
						called = append(called, agent)
					}
				}
			}
			slices.Sort(called)
			if !slices.Equal(called, tc.who) {
				t.Errorf("%v are called, want %v", called, tc.who)
			}
		})
	}
}

// shows says in which of the provider's sessions an agent is.
func (w *world) shows(agent, session string) {
	w.t.Helper()
	a := w.agent(agent)
	after, _ := a.After(events.SessionStarted, "", "", w.Now())
	after.Session = session
	for _, on := range []events.Name{events.SessionStarted, events.Ready} {
		after.Presence = on
		d := log.NextOfAgent(a, events.Bridge, on, w.Now(), &events.AgentPresence{State: after})
		if _, err := w.log.Append(ctx(), *d); err != nil {
			w.t.Fatal(err)
		}
		a = w.agent(agent)
	}
}
