package bridge

import (
	"context"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/outdial/outdial/pkg/events"
)

// askedPages notes which agents' pages were asked, and how often.
type askedPages struct {
	mu    sync.Mutex
	asked map[string]int
}

func (p *askedPages) Tell(connection, agent string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked[connection+"/"+agent]++
	return true
}

func (p *askedPages) counts() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.asked)
}

// hold writes that an agent is held back, or let go, and lets the bridge hear.
func (w *world) hold(agent string, on events.Name) {
	w.t.Helper()
	after, _ := w.agent(agent).After(on, "c9", "outcome_unknown", w.Now())
	switch on {
	case events.Quarantined:
		w.agentSays(agent, events.Orchestrator, on, &events.AgentQuarantined{Call: "c9", State: after})
	default:
		w.agentSays(agent, events.Orchestrator, on, &events.AgentReleased{Call: "c9", State: after})
	}
	w.s.Follow(w.agent(agent).Last)
}

// Invariant I4: a desktop that was ready all along has nothing new to say, and
// an agent is held back until it says so. So its page is asked, again and
// again, until the agent is free; and nobody else's.
func TestTheDesktopOfAnAgentWhoIsHeldBackIsAskedUntilSheIsFree(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.hold("wes", events.Quarantined) // at a desktop
		w.hold("ann", events.Quarantined) // polled: nobody need be asked
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		p := &askedPages{asked: map[string]int{}}
		go every(ctx, 5*w.s.PollEvery, nil, func() { w.s.AskDesktops(p) })
		w.after(time.Minute)
		first := p.counts()
		if len(first) != 1 || first["webex/wes"] < 2 {
			t.Errorf("in a minute were asked %v", first)
		}
		w.after(time.Minute)
		if second := p.counts(); second["webex/wes"] <= first["webex/wes"] {
			t.Errorf("nobody asked again: %v", second)
		}
		w.hold("wes", events.Released)
		free := p.counts()
		w.after(time.Minute)
		if p.counts()["webex/wes"] != free["webex/wes"] {
			t.Error("a free agent's page was asked")
		}
	})
}
