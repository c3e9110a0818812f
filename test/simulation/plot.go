package simulation

import (
	"context"
	"strings"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/services/orchestrator"
)

// A plot is what a world is made to run into, whatever its seed: what a guard is
// there for, so that a world without the guard cannot but be found out.
type plot int

const (
	free    plot = iota
	unheard      // no acknowledgement of an intent arrives, and all were stored
	leaving      // agents leave between their assignment and the intent, and are heard to late
	asleep       // the dialer is stopped once its intent is won, and its clock set back meanwhile
	older        // the store is put back from a copy
	halved       // a bridge is stopped once it has appended half of what a message says
	stray        // preparations take effect late, and withdrawals of nobody's are slow
	burst        // the answers to intents are held up, and come all together
	twins        // two are put on one seat at the same moment, and neither putter lives to hear of the other
	silent       // one bridge after the other is stopped for longer than a lease
)

// What a plot takes, so that it must come to the case.
const (
	leavesAfter = 2 * time.Second         // an agent, its assignment
	passLate    = 4500 * time.Millisecond // a dialer hears of a pass
	agentsLate  = 3 * time.Second         // it hears of agents: of the claim in time, of the leaving not
	sleeps      = 6 * time.Second         // more than an intent may wait to be sent, and a message for its bridge
	setBack     = 10 * time.Second        // enough that the wall says it may
	stopped     = 25 * time.Second        // a bridge
)

// stored lets the plot go on after an event of the log.
func (w *World) stored(p *process, a log.Appended) {
	switch b := a.Record.Body.(type) {
	case *events.CallAssigned:
		if w.opts.plot != leaving {
			return
		}
		h := w.ofConnection(b.Connection)
		if page := h.desks.pages[b.Agent]; page != nil && h.desks.conn == b.Connection {
			w.count("reached")
			w.after(leavesAfter, func() {
				page.busy = true
				page.say([]byte(notReady))
				w.after(2*passLate, page.ready)
			})
		}
	case *events.CallDialing:
		if w.opts.plot == asleep && a.Won && p.skew == 0 {
			w.count("reached")
			p.freeze(sleeps)
			p.skew = -setBack
			w.after(2*sleeps, func() { p.skew = 0 })
		}
	case *events.AgentEnrolled:
		w.orphan(p, a.Record)
	case *events.CallProgress:
		w.halve(p, b.RawSeq > 0 && a.Record.Name == events.Ended)
	case *events.AgentPresence:
		w.halve(p, b.RawSeq > 0 && a.Record.Name == events.WrapUp)
	}
}

// halve stops a bridge after one of the two events that a failed call's end is.
func (w *World) halve(p *process, one bool) {
	if w.opts.plot == halved && one {
		w.count("reached")
		p.freeze(sleeps)
	}
}

// stopBridges stops the processes that hold desktops, one after the other.
func (w *World) stopBridges() {
	at := 20 * time.Second
	for _, p := range w.processes {
		if p.has("events-bridge") {
			w.after(at, func() {
				w.count("reached")
				w.halted = append(w.halted, halt{p.brid.Process(), w.now})
				p.freeze(stopped)
			})
			at += 2 * stopped
		}
	}
}

// A halt is a bridge that was stopped for longer than a lease.
type halt struct {
	bridge string
	at     time.Time
}

// A twin is the second agent at the seat of another.
const twin = "-twin"

// putTwins puts two agents on each seat of the polled companies, each pair at one
// moment by two processes.
func (w *World) putTwins() {
	at := time.Second
	for _, h := range w.houses {
		t, _ := w.dir.Tenant(h.name)
		for _, a := range h.polled {
			if strings.HasSuffix(a, twin) {
				continue
			}
			w.after(at, func() {
				agents := []string{a, a + twin}
				for _, p := range w.processes {
					if p.up && p.orch != nil && len(agents) > 0 {
						in := orchestrator.Enrolment{Agent: agents[0], Connection: h.tcn.conn, ProviderAgent: a, HuntGroups: []string{"sales"}}
						p.spawn(nil, func() { _, _ = p.orch.Enrol(context.Background(), t, in) })
						agents = agents[1:]
					}
				}
			})
			at += 6 * time.Second // who has died is there again
		}
	}
}

// orphan ends who has put an agent on a seat, before it hears of the other there.
func (w *World) orphan(p *process, r events.Record) {
	if w.opts.plot != twins || w.calm {
		return
	}
	first := log.Ref{Tenant: r.Tenant, ID: strings.TrimSuffix(r.Key, twin)}
	if w.agentNow(first).Enrolled() && w.agentNow(log.Ref{Tenant: r.Tenant, ID: first.ID + twin}).Enrolled() {
		w.count("reached")
	}
	w.after(0, p.die)
}
