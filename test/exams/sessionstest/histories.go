package sessionstest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/outdial/outdial/internal/sessions"
)

// model is what a projection should be, told as simply as possible: a log of
// everything that happened, what of it was delivered, and who holds which hint.
type model struct {
	log     []sessions.Agent          // as written, in order
	known   map[string]sessions.Agent // as the store should have it
	hints   map[string]string
	missing bool
}

func (m *model) forget() {
	m.known, m.hints, m.missing = map[string]sessions.Agent{}, map[string]string{}, true
}

// deliver is Apply.
func (m *model) deliver(a sessions.Agent) bool {
	was, known := m.known[a.Agent]
	if known && (was.Incarnation > a.Incarnation || was.Incarnation == a.Incarnation && was.Seq >= a.Seq) {
		return false
	}
	m.known[a.Agent] = a
	if was.Claim != "" && a.Claim != was.Claim && m.hints[a.Agent] == was.Claim {
		delete(m.hints, a.Agent)
	}
	return true
}

// head is every agent's last state in the log's present life.
func (m *model) head(incarnation string) (sessions.Mark, map[string]sessions.Agent) {
	mark, last := sessions.Mark{Incarnation: incarnation}, map[string]sessions.Agent{}
	for _, a := range m.log {
		if a.Incarnation == incarnation {
			mark.Seq, last[a.Agent] = a.Seq, a
		}
	}
	return mark, last
}

// queue is who is to be offered a call of the group.
func (m *model) queue(group string) []string {
	var free []sessions.Agent
	for _, a := range m.known {
		if a.Free && a.Claim == "" && slices.Contains(a.HuntGroups, group) && m.hints[a.Agent] == "" {
			free = append(free, a)
		}
	}
	slices.SortFunc(free, func(a, b sessions.Agent) int {
		if c := a.Since.Compare(b.Since); c != 0 {
			return c
		}
		return strings.Compare(a.Agent, b.Agent)
	})
	var ids []string
	for _, a := range free {
		ids = append(ids, a.Agent)
	}
	return ids
}

var (
	someAgent  = rapid.SampledFrom([]string{"ann", "bob", "cyd"})
	someCall   = rapid.SampledFrom([]string{"c1", "c2"})
	someGroups = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"sales", "support", "night"}), 0, 3, rapid.ID)
)

// someEvent draws an agent's state after the next event.
func someEvent(t *rapid.T, incarnation string, seq uint64) sessions.Agent {
	since := dawn.Add(time.Duration(rapid.IntRange(0, 4).Draw(t, "since")) * time.Microsecond)
	a := an(someAgent.Draw(t, "agent"), seq, of(incarnation), idleSince(since))
	a.Free = rapid.Bool().Draw(t, "free")
	a.HuntGroups = nil // a store tells none from empty no more
	if groups := someGroups.Draw(t, "groups"); len(groups) > 0 {
		a.HuntGroups = slices.Clone(groups)
	}
	if rapid.IntRange(0, 2).Draw(t, "claimed") == 0 {
		a.Claim = someCall.Draw(t, "claim")
	}
	return a
}

// histories draws logs, delivers their events late, twice and never, with
// hints, flushes and rebuilds between, and compares after every step.
func histories(t *testing.T, s Subject) {
	rapid.Check(t, func(t *rapid.T) {
		flush(t, s)
		m := &model{}
		m.forget()
		incarnation, seq := first, uint64(0)
		t.Repeat(map[string]func(*rapid.T){
			"something happens": func(t *rapid.T) {
				seq++
				m.log = append(m.log, someEvent(t, incarnation, seq))
			},
			"an event is delivered": func(t *rapid.T) {
				if len(m.log) == 0 {
					t.Skip("nothing has happened yet")
				}
				a := m.log[rapid.IntRange(0, len(m.log)-1).Draw(t, "event")]
				if got, want := apply(t, s, a), m.deliver(a); got != want {
					t.Fatalf("Apply(%s at %d) = %v, want %v", a.Agent, a.Seq, got, want)
				}
			},
			"a hint is asked for": func(t *rapid.T) {
				agent, call := someAgent.Draw(t, "agent"), someCall.Draw(t, "call")
				if m.hints[agent] == "" {
					m.hints[agent] = call
				}
				if _, holder := hint(t, s, agent, call, time.Hour); holder != m.hints[agent] {
					t.Fatalf("%s's hint is held by %q, want %q", agent, holder, m.hints[agent])
				}
			},
			"everything is lost": func(t *rapid.T) {
				flush(t, s)
				m.forget()
			},
			"the log is made anew": func(t *rapid.T) {
				if incarnation == second {
					t.Skip("once is enough")
				}
				incarnation, seq = second, 0
			},
			"it is rebuilt": func(t *rapid.T) { rebuildBoth(t, s, m, incarnation) },
			"":              func(t *rapid.T) { wantModel(t, s, m) },
		})
		// Whatever was lost on the way, the log brings it back.
		rebuildBoth(t, s, m, incarnation)
		wantModel(t, s, m)
	})
}

// wantModel compares everything that can be asked.
func wantModel(t *rapid.T, s sessions.Store, m *model) {
	for _, group := range []string{"sales", "support", "night"} {
		wantReady(t, s, group, m.queue(group)...)
	}
	wantMissing(t, s, m.missing)
}

// rebuildBoth rebuilds the store and the model from the log's head.
func rebuildBoth(t *rapid.T, s sessions.Store, m *model, incarnation string) {
	mark, head := m.head(incarnation)
	if err := s.Rebuild(context.Background(), mark, each(values(head))); err != nil {
		t.Fatalf("Rebuild at %+v: %v", mark, err)
	}
	for _, a := range head {
		m.deliver(a)
	}
	for id, a := range m.known {
		if _, logged := head[id]; !logged { // nothing delivered is after the head
			delete(m.known, id)
			if a.Claim != "" && m.hints[id] == a.Claim {
				delete(m.hints, id)
			}
		}
	}
	m.missing = false
}
