package simulation

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/outdial/outdial/internal/door"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/services/compliance/rules"
)

// A listed world is one whose companies tell of calls by their own names: calls
// stand in queues, or are put to people of whom nobody tells where they are.

// listedLease is how long a pass holds there: less than calls wait in some queues.
const listedLease = 40 * time.Second

// listedHouses are its tenants: one whose companies give out cursors and whose people
// are ready from their enrolment on, and one whose companies know times alone and
// whose people say when they are ready.
func listedHouses(w *World) []*house {
	cursor := newListedHouse(w, "acme", "lists", "people", providers.PresenceAssumed)
	times := newListedHouse(w, "bolt", "lists-b", "people-b", providers.PresenceNone)
	for _, c := range times.listers {
		c.window = true
	}
	return []*house{cursor, times}
}

func newListedHouse(w *World, name, lists, people string, presence providers.Presence) *house {
	h := newHouse(w, name, "", "", 0)
	h.listers = []*lister{newLister(w, lists, ""), newLister(w, people, presence, "p0", "p1")}
	return h
}

// shortLeases are the rule sets of a listed world.
func shortLeases(sets map[string]rules.RuleSet) map[string]rules.RuleSet {
	sets = maps.Clone(sets)
	for name, rs := range sets {
		rs.Lease = listedLease
		sets[name] = rs
	}
	return sets
}

// listed is what is asked for in a listed world.
func (w *World) listed(h *house, i int, q map[string]any) {
	queues, people := h.listers[0], h.listers[1]
	switch w.rng.IntN(5) {
	case 0:
		q["agent"] = fmt.Sprintf("p%d", w.rng.IntN(len(people.people)))
	case 1:
		q["huntGroup"] = "floor"
	default:
		q["queue"], q["connection"] = "menu", queues.conn
		if w.chance(4) {
			at := w.now.Add(w.between(5*time.Second, time.Minute))
			q["options"], q["expiresAt"] = map[string]any{"scheduledAt": at}, at.Add(w.between(time.Second, time.Minute))
		}
	}
	if w.chance(3) {
		q["alternates"] = []string{fmt.Sprintf("+1212868%04d", i), fmt.Sprintf("+1212869%04d", i)}
	}
}

// trouble is what befalls the companies and the people.
func (c *lister) trouble(h *house) {
	w := c.w
	c.whims()
	if !c.window && w.odds(500) {
		c.forgot++
	}
	if w.odds(40) {
		c.keeps = w.now.Add(w.between(10*time.Second, 40*time.Second))
	}
	c.post()
	if c.can.Presence != providers.PresenceNone || w.calm {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(c.people)) { // people say that they are ready when they are
		p := c.people[name]
		if a := w.agentNow(log.Ref{Tenant: h.name, ID: name}); !p.away && p.dialed == 0 && a.State.Presence != events.Ready && a.State.Quarantine == nil {
			w.command(h.name, "agent", "set", `{"agent":%q,"status":"ready"}`, name)
		}
	}
}

// noCredential says that hooks are posted from this very machine.
func (p *process) noCredential(string) (door.Credential, bool) { return door.Credential{}, false }

// readFeeds reads the feeds that are this bridge's to read, again and again.
func (p *process) readFeeds() {
	for _, conn := range p.w.dir.Connections() {
		if conn.Provider.Feeder == nil {
			continue
		}
		p.spawn(nil, func() {
			for {
				p.w.sleep(p.w.between(pollEvery/2, pollEvery))
				if err := p.brid.ReadFeed(context.Background(), conn); err != nil {
					p.w.count("a feed could not be read")
				}
			}
		})
	}
}

// rings hears that a number rings: never after somebody was told, without a word on
// calls under way, that it is on the list.
func (w *World) rings(d *dial, number string) {
	if at, ok := w.barred[number]; ok && w.age == 0 {
		w.uncalled = append(w.uncalled, fmt.Sprintf("a number rang %s after somebody heard that it is called no more (%s)", w.now.Sub(at), d.ProviderCall))
	}
}
