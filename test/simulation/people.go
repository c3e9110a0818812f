package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/services/orchestrator"
	"github.com/outdial/outdial/test/sixth"
)

// A house is a tenant with its companies and its agents. All houses of a world
// name their agents and hunt groups alike: whatever forgets whose an agent is
// dials with another's.
type house struct {
	name   string
	tcn    *company
	desks  *desks
	polled []string // agents of the polled company
	seated []string // agents with a desktop
	// In a listed world instead: its queues, and its people.
	listers []*lister
}

// houses are the tenants of every world. The first asks for two calls of three.
func houses(w *World) []*house {
	if w.opts.listed {
		return listedHouses(w)
	}
	return []*house{newHouse(w, "acme", "tcn", "desk", 2), newHouse(w, "bolt", "tcn-b", "desk-b", 1)}
}

// newHouse is a house with so many agents of each kind.
func newHouse(w *World, name, tcn, desk string, agents int) *house {
	h := &house{name: name, tcn: &company{w: w, conn: tcn, lines: map[string]*line{}},
		desks: &desks{w: w, conn: desk, pages: map[string]*page{}}}
	for i := range agents {
		h.polled = append(h.polled, fmt.Sprintf("t%d", i))
		if w.opts.plot == twins {
			h.polled = append(h.polled, h.polled[len(h.polled)-1]+twin)
		}
		a := fmt.Sprintf("d%d", i)
		h.seated = append(h.seated, a)
		h.desks.pages[a] = &page{w: w, conn: desk, agent: a, seen: map[string]bool{}}
	}
	return h
}

// agents are the house's agents, as the log names them.
func (h *house) agents() (all []log.Ref) {
	people := []string{}
	for _, c := range h.listers {
		people = slices.AppendSeq(people, maps.Keys(c.people))
	}
	slices.Sort(people)
	for _, a := range slices.Concat(h.polled, h.seated, people) {
		all = append(all, log.Ref{Tenant: h.name, ID: a})
	}
	return all
}

// directory is the configuration of all houses.
func (w *World) directory() *tenants.Directory {
	var ts []tenants.Tenant
	var cs []tenants.Connection
	for _, h := range w.houses {
		t := tenants.Tenant{Name: h.name, Countries: []string{"US"}, Ruleset: "us-federal", Connection: h.tcn.conn, Key: keyOf(h.name)}
		for _, c := range h.listers {
			t.Connection = c.conn
			cs = append(cs, tenants.Connection{Name: c.conn, Tenant: h.name, Kind: sixth.Kind, Loopback: true, Provider: c.provider()})
		}
		if ts = append(ts, t); w.opts.listed {
			continue
		}
		cs = append(cs,
			tenants.Connection{Name: h.tcn.conn, Tenant: h.name, Kind: providers.TCN, Loopback: true, Provider: h.tcn.provider()},
			tenants.Connection{Name: h.desks.conn, Tenant: h.name, Kind: providers.WebexCC, Loopback: true, Provider: h.desks.provider()})
	}
	dir, err := tenants.New(ts, cs)
	if err != nil {
		panic(err)
	}
	return dir
}

func keyOf(tenant string) events.Key { return events.Key(strings.Repeat(tenant[:1], 32)) }

// ofConnection is the house that a connection is of.
func (w *World) ofConnection(name string) *house {
	for _, h := range w.houses {
		if h.tcn.conn == name || h.desks.conn == name || h.lister(name) != nil {
			return h
		}
	}
	panic("no such connection: " + name)
}

// lister is the house's company behind a connection, nil if it is another one.
func (h *house) lister(conn string) *lister {
	for _, c := range h.listers {
		if c.conn == conn {
			return c
		}
	}
	return nil
}

// pages are all desktops, as a bridge holds them.
type pages struct{ w *World }

func (p pages) Tell(connection, agent string) bool {
	return p.w.ofConnection(connection).desks.Tell(connection, agent)
}

func (p pages) Replace(connection, agent, session string) {
	p.w.ofConnection(connection).desks.Replace(connection, agent, session)
}

func (w *World) enrol() {
	p := w.anyProcess("orchestrator")
	for _, h := range w.houses {
		t, _ := w.dir.Tenant(h.name)
		enrol := func(agent, conn string, groups ...string) {
			w.calm = true
			_, err := p.orch.Enrol(context.Background(), t, orchestrator.Enrolment{Agent: agent, Connection: conn, HuntGroups: groups})
			if err != nil {
				panic(err)
			}
			w.calm = false
		}
		for _, a := range h.polled {
			if w.opts.plot != twins {
				enrol(a, h.tcn.conn, "sales")
			}
		}
		for _, a := range h.seated {
			enrol(a, h.desks.conn, "care")
		}
		for _, c := range h.listers {
			for _, a := range slices.Sorted(maps.Keys(c.people)) {
				enrol(a, c.conn, "floor")
			}
		}
	}
}

// request is what an upstream system asks for.
func (w *World) request(i int) {
	h := w.houses[0]
	if w.chance(3) {
		h = w.houses[len(w.houses)-1]
	}
	to := fmt.Sprintf("+1212867%04d", i)
	expires := w.now.Add(w.between(20*time.Second, 3*time.Minute))
	q := map[string]any{"to": to, "expiresAt": expires, "priority": w.rng.IntN(10)}
	if w.opts.listed {
		w.listed(h, i, q)
		w.ask(h, fmt.Sprintf("r%d", i), to, q)
		return
	}
	switch w.rng.IntN(4) {
	case 0:
		q["agent"] = h.polled[w.rng.IntN(len(h.polled))]
	case 1:
		q["agent"] = h.seated[w.rng.IntN(len(h.seated))]
	case 2:
		q["huntGroup"] = "sales"
	case 3:
		q["huntGroup"] = "care"
	}
	if w.chance(10) {
		q["notBefore"] = w.now.Add(w.between(0, 10*time.Second))
	}
	w.ask(h, fmt.Sprintf("r%d", i), to, q)
}

// ask publishes a request, and what its sender may do about it later.
func (w *World) ask(h *house, id, to string, q map[string]any) {
	body, err := json.Marshal(q)
	if err != nil {
		panic(err)
	}
	ref := log.Ref{Tenant: h.name, ID: events.CallID(h.name, "/crm", id)}
	w.calls = append(w.calls, ref)
	w.numbers[to] = ref
	if more, ok := q["alternates"].([]string); ok {
		for _, n := range more {
			w.numbers[n] = ref
		}
		if w.chance(2) {
			to = more[0] // should it be called no more
		}
	}
	m := worker.Delivery{Stream: events.RequestStream(h.name), Subject: events.RequestSubject(h.name), Data: body,
		Header: events.Header{"ce-specversion": {"1.0"}, "ce-type": {events.TypeDialRequested},
			"ce-source": {"/crm"}, "ce-id": {id}, "content-type": {"application/json"}}}
	w.requests[ref] = request{m, w.now}
	w.publish(m)
	if w.odds(20) { // sent again by one who did not hear the answer
		w.after(w.between(time.Millisecond, 5*time.Second), func() {
			if _, ok := w.requests[ref]; ok {
				w.publish(m)
			}
		})
	}
	if w.odds(12) { // the person wants no calls
		w.after(w.between(0, 20*time.Second), func() {
			w.command(h.name, "dnc", "add", `{"contacts":[{"phone_number":%q}],"origin":"consumer"}`, to)
		})
	}
	if w.odds(8) { // and wanted no more
		w.after(w.between(0, 20*time.Second), func() { w.command(h.name, "call", "cancel", `{"source":"/crm","id":%q}`, id) })
	}
}
