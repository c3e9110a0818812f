package simulation

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/outdial/outdial/internal/api"
	"github.com/outdial/outdial/internal/audit"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/log/marks"
	"github.com/outdial/outdial/internal/pace"
	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/services/compliance/rules"
	"github.com/outdial/outdial/services/orchestrator"
	"github.com/outdial/outdial/test/exams/logtest"
)

// begin is noon in New York, a Monday: inside every window there.
var begin = time.Date(2026, 3, 9, 16, 0, 0, 0, time.UTC)

// mostSkew is how far a process's clock may be set: less than the time in which
// an intent may be sent, so that only a clock that jumps shows.
const mostSkew = 4 * time.Second

// limits let the watchdogs decide within minutes.
var limits = orchestrator.Limits{Undo: 20 * time.Second, Answer: 40 * time.Second, Unknown: 40 * time.Second, Silence: time.Minute,
	Ring: 40 * time.Second, Talk: 2 * time.Minute, Ended: 20 * time.Second, WrapUp: 40 * time.Second, Retry: time.Second,
	ClaimAge: 5 * time.Second, Lease: 10 * time.Second, Prepared: 20 * time.Second}

// Options say how large a world is, and how unkind.
type Options struct {
	Calls  int
	deaths int // a process dies at one in so many places; 0 never
	odd    int // percent of the usual odds of everything else; 0 none
	broken guard
	plot   plot
	rate   int  // of every connection; 0: none
	hurry  bool // all ask within seconds
	listed bool // companies that tell of calls, not of agents
}

// A guard is something that holds the world together. A world without one must
// be found out, or a world that is found whole proves nothing.
type guard int

// The guards that the simulation itself can take away; test/controls takes
// those of the services.
const (
	whole         guard = iota
	compareAndSet       // the log takes whatever is appended
	winning             // everybody hears that their append was new
	silence             // who hears no answer to a start sends it again
)

// A World is everything that one seed makes up.
type World struct {
	*Sched
	opts Options
	seed uint64
	calm bool // nothing goes wrong any more

	log       *logtest.Log
	told      map[events.Family]uint64
	plain     map[string]uint64 // last sequences of other streams
	raws      []worker.Delivery // PROVIDER
	facts     map[string]fact
	factSeq   uint64
	dir       *tenants.Directory
	rulesets  map[string]rules.RuleSet
	zones     rules.Zones
	sessions  *sessions.Memory
	paces     *pace.Memory
	slots     map[pace.Class]int // that were granted
	sentAway  map[pace.Class]int
	durables  []*durable
	processes []*process

	houses []*house

	ledger   []*dial
	numbers  map[string]log.Ref     // whose call it is, by the number that it asks for
	drafted  map[string]time.Time   // when an intent was drafted at the latest, by attempt
	sends    map[string]int         // by attempt
	won      map[string]bool        // attempts whose intent was acknowledged as new
	sentAt   map[sender]time.Time   // the last start
	allSent  map[string][]time.Time // starts, by connection
	bursts   []time.Duration        // too close to the one before
	late     []string               // attempts that were sent after their time
	robbed   []string               // calls whose preparation was withdrawn as nobody's
	blind    []string               // calls whose intent was for an agent who was not free any more
	counts   map[string]int
	serials  int
	reads    int
	calls    []log.Ref
	halted   []halt
	age      int             // how often the store was put back
	record   marks.Record    // what it says of its past
	asked    bool            // it lost something, and nobody has accepted it yet
	lost     map[string]bool // attempts whose intent is on record no more
	unsure   map[string]bool // calls of whose end the record has lost something
	early    []string        // calls whose intent was stored meanwhile
	requests map[log.Ref]request
	apart    time.Time       // the bridges' clocks are not together until then
	refused  map[string]bool // calls that were never taken
	tapes    map[string]tape // of feeds
	tapeSeq  uint64
	turned   []string             // feeds whose cursor went back
	barred   map[string]time.Time // numbers of which somebody heard that they are called no more
	uncalled []string             // what rang all the same
}

func (w *World) serial() int { w.serials++; return w.serials }

func (w *World) count(what string) { w.counts[what]++ }

// odds is a chance that is only there while things may go wrong.
func (w *World) odds(oneIn int) bool {
	if w.calm || w.opts.odd == 0 || oneIn == 0 {
		return false
	}
	return w.chance(max(oneIn*100/w.opts.odd, 2))
}

// mayDie is the running process's place to end.
func (w *World) mayDie() {
	if t := w.running; t != nil {
		t.of.mayDie()
	}
}

func (w *World) since(f events.Family, seq uint64) []events.Record {
	rs, err := w.log.From(f, seq+1)
	if err != nil {
		panic(err)
	}
	return rs
}

// anyProcess is a process of a role that is at work, nil if there is none.
func (w *World) anyProcess(role string) *process {
	var up []*process
	for _, p := range w.processes {
		if p.up && !w.now.Before(p.frozen) && p.has(role) {
			up = append(up, p)
		}
	}
	if len(up) == 0 {
		return nil
	}
	return up[w.rng.IntN(len(up))]
}

// dialed puts a dial on the ledger.
func (w *World) dialed(provider, conn, agent string, o providers.Order) *dial {
	d := &dial{house: w.ofConnection(conn).name, Dialed: audit.Dialed{At: w.now, Provider: provider, Agent: agent, Number: o.To,
		ProviderCall: fmt.Sprintf("p%d", w.serial()), Correlation: o.Attempt}}
	w.ledger = append(w.ledger, d)
	return d
}

// sendWithin is how long after its draft an intent may be sent: the dialer's
// default.
const sendWithin = 5 * time.Second

// sent hears that a request to dial leaves a dialer.
func (w *World) sent(conn, attempt string) {
	w.paced(conn)
	w.sends[attempt]++
	if w.now.After(w.drafted[attempt].Add(sendWithin)) {
		w.late = append(w.late, attempt)
	}
}

// noteShown notes that the record could know of a conversation.
func (w *World) noteShown(raw events.ProviderRaw) {
	if w.asked { // what is open by then closes as of a store that went back
		return
	}
	body := string(raw.Body)
	h := w.ofConnection(raw.Connection)
	if c := h.lister(raw.Connection); c != nil {
		c.stored(raw.Body)
		return
	}
	if l := h.tcn.lines[raw.Agent]; l != nil {
		if l.dial != nil && l.dial.talked && strings.Contains(body, "PEERED") && !w.now.Before(w.apart) {
			l.dial.polls = append(l.dial.polls, poll{raw, w.now})
		}
		return
	}
	if !strings.Contains(body, `"eAgentContactAssigned"`) || !strings.Contains(body, `{"hasJoined":true,"id":"+`) {
		return
	}
	for _, d := range w.ledger {
		if strings.Contains(body, `"interactionId":"`+d.ProviderCall+`"`) && d.since.IsZero() {
			d.since = w.now
		}
	}
}

func newWorld(seed uint64, o Options, zones rules.Zones, sets map[string]rules.RuleSet) *World {
	w := &World{Sched: newSched(seed, begin), opts: o, seed: seed, told: map[events.Family]uint64{}, plain: map[string]uint64{},
		facts: map[string]fact{}, rulesets: sets, zones: zones, numbers: map[string]log.Ref{}, lost: map[string]bool{},
		unsure: map[string]bool{}, requests: map[log.Ref]request{}, drafted: map[string]time.Time{},
		sends: map[string]int{}, won: map[string]bool{}, counts: map[string]int{}, refused: map[string]bool{},
		allSent: map[string][]time.Time{}, tapes: map[string]tape{}, barred: map[string]time.Time{}}
	if o.listed {
		w.rulesets = shortLeases(sets)
	}
	w.log = logtest.New(w.Now)
	w.sessions = sessions.NewMemory(w.Now)
	w.sentAt = map[sender]time.Time{}
	w.paces, w.slots, w.sentAway = pace.NewMemory(w.Now), map[pace.Class]int{}, map[pace.Class]int{}
	w.houses = houses(w)
	w.dir = w.directory()
	w.begin()
	return w
}

// begin starts the processes.
func (w *World) begin() {
	all := []string{"orchestrator", "compliance", "dialer", "events-bridge"}
	for range 2 {
		if w.chance(2) { // as outdial up
			w.processes = append(w.processes, &process{w: w, roles: all})
			continue
		}
		for _, role := range all {
			p := &process{w: w, roles: []string{role}}
			p.off = w.offFor(p)
			w.processes = append(w.processes, p)
		}
	}
	for _, p := range w.processes {
		p.start()
	}
	w.durables = durables(w)
}

// run plays the whole story: agents are enrolled, requests come, things go
// wrong, then nothing goes wrong any more and the dust settles.
func (w *World) run() {
	w.enrol()
	if w.opts.plot == twins {
		w.putTwins()
	}
	apart := 2 * time.Second
	if w.opts.hurry {
		apart /= 20
	}
	for i := range w.opts.Calls {
		w.after(2*time.Second+time.Duration(i)*apart+w.between(0, 6*time.Second), func() { w.request(i) })
	}
	for _, h := range w.houses {
		for _, a := range h.seated {
			w.after(w.between(time.Second, 2*time.Second), h.desks.pages[a].live)
		}
	}
	last := begin.Add(time.Duration(w.opts.Calls)*2*time.Second + 30*time.Second)
	w.at(last, func() { w.calm = true })
	switch {
	case w.opts.plot == silent:
		w.stopBridges()
	case w.opts.plot == older, w.odds(3):
		w.loseStore()
	}
	var tick func()
	tick = func() {
		for _, h := range w.houses {
			h.tcn.whims(h.polled)
			for _, c := range h.listers {
				c.trouble(h)
			}
		}
		w.trouble()
		w.after(time.Second, tick)
	}
	tick()
	end := last.Add(8 * time.Minute)
	for w.now.Before(end) && w.step() {
		if w.calm && w.count0() && w.atRest() {
			break
		}
	}
	w.count("virtual seconds")
	w.counts["virtual seconds"] = int(w.now.Sub(begin).Seconds())
}

// count0 looks only now and then.
func (w *World) count0() bool { return w.Sched.count%256 == 0 }

// command is what somebody asks at the keyboard, of any process that answers.
func (w *World) command(tenant, group, verb, body string, args ...any) {
	role := "orchestrator"
	switch {
	case group == "dnc":
		role = "compliance"
	case verb == "set":
		role = "events-bridge"
	}
	p := w.anyProcess(role)
	if p == nil {
		return
	}
	var ask []api.Endpoint
	if p.orch != nil {
		ask = p.orch.Endpoints()
	}
	if p.comp != nil {
		ask = append(ask, p.comp.Endpoints()...)
	}
	if p.brid != nil {
		ask = append(ask, p.brid.Endpoints()...)
	}
	for _, e := range ask {
		if e.Group == group && e.Verb == verb {
			p.spawn(nil, func() {
				if answer, err := e.Handle(context.Background(), tenant, fmt.Appendf(nil, body, args...)); err == nil {
					w.count("done " + group + "." + verb)
					w.heardOf(verb, answer, args)
				}
			})
		}
	}
}

// trouble is what befalls the world as a whole.
func (w *World) trouble() {
	if w.odds(200) {
		w.sessions.Flush()
	}
	for _, p := range w.processes {
		if p.up && w.odds(120) && w.opts.deaths > 0 {
			p.die()
		}
		if p.up && w.odds(150) {
			p.freeze(w.between(100*time.Millisecond, 25*time.Second))
		}
		if p.up && w.odds(60) {
			p.setClock(w.between(-mostSkew, mostSkew), w.between(100*time.Millisecond, 10*time.Second))
		}
		if p.up && w.odds(200) { // it is at work, and nobody hears that it lives
			p.mute = w.now.Add(w.between(5*time.Second, 20*time.Second))
		}
	}
	if !w.opts.listed && w.odds(60) {
		h := w.houses[w.rng.IntN(len(w.houses))]
		a := log.Ref{Tenant: h.name, ID: h.polled[w.rng.IntN(len(h.polled))]}
		if w.agentNow(a).State.Quarantine == nil {
			w.command(h.name, "agent", "release", `{"agent":%q,"reason":"by hand"}`, a.ID)
		}
	}
}

// atRest says that every call has ended and nobody has anything left to do.
func (w *World) atRest() bool {
	for _, d := range w.durables {
		if len(d.open) > 0 {
			return false
		}
	}
	for _, ref := range w.calls {
		if c := w.fold(ref); c.State != lifecycle.None && c.Open() { // none: it was refused
			return false
		}
	}
	if len(w.stranded()) > 0 {
		return false
	}
	for _, h := range w.houses {
		for _, ref := range h.agents() {
			if s := w.agentNow(ref).State; s.Claim != nil || w.opts.listed && s.Quarantine != nil {
				return false
			}
		}
	}
	return true
}
