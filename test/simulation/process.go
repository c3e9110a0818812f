package simulation

import (
	"context"
	"log/slog"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/log/marks"
	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	bridge "github.com/outdial/outdial/services/events-bridge"

	"github.com/outdial/outdial/services/compliance"
	"github.com/outdial/outdial/services/dialer"
	"github.com/outdial/outdial/services/orchestrator"
)

// A process runs some of the services, and dies. What it knew dies with it.
type process struct {
	w     *World
	roles []string
	up    bool
	life  int // how often it has begun

	view    view
	tasks   []*work
	handles map[string]worker.Handler // by stream and durable
	slow    time.Time                 // its followers lag until then
	away    time.Time                 // it has no connection until then
	frozen  time.Time                 // it is stopped until then, and does not know
	halted  time.Time                 // since when, where it is stopped
	mute    time.Time                 // nobody hears that it lives until then
	off     time.Duration             // how far its clock's wall is off for good
	skew    time.Duration             // and how far it is set beside that
	linked  uint64                    // how often it was connected
	waits   map[string]bool           // durables that wait while the store is in question

	book   *marks.Book // what it knows of the store
	kept   marks.Known // and has on its disk
	looked uint64      // the connection by which it looked last
	stands marks.Standing
	due    map[events.Family]time.Time
	raws   uint64 // of PROVIDER, how far it was heard
	// What it is about to append together, by family.
	batches map[events.Family]*batch

	orch *orchestrator.Service
	comp *compliance.Service
	dial *dialer.Service
	brid *bridge.Service
}

// work is a coroutine of a process, and what its death means to others.
type work struct {
	*task
	died func()
}

func (p *process) has(role string) bool {
	for _, r := range p.roles {
		if r == role {
			return true
		}
	}
	return false
}

func (p *process) handler(stream, durable string) worker.Handler {
	return p.handles[stream+"/"+durable]
}

// start begins a life: services anew, a view that has read everything.
func (p *process) start() {
	p.up, p.tasks, p.frozen = true, nil, time.Time{}
	p.life++
	p.view = view{log.NewFollower(), p.w}
	p.handles, p.waits, p.batches = map[string]worker.Handler{}, map[string]bool{}, map[events.Family]*batch{}
	p.meet()
	p.due = map[events.Family]time.Time{}
	l := log.New(leader{p.w, p}, p.view)
	quiet := slog.New(slog.DiscardHandler)
	serve := func(routes []worker.Route) {
		for _, r := range routes {
			p.handles[r.Stream+"/"+r.Durable] = p.whole(l, r.Handle)
			p.waits[r.Stream+"/"+r.Durable] = r.Waits
		}
	}
	p.orch, p.comp, p.dial, p.brid = nil, nil, nil, nil
	paces := p.pacer()
	for _, role := range p.roles {
		switch role {
		case "orchestrator":
			p.orch = orchestrator.New(orchestrator.Config{Log: l, Notes: p.w, Sessions: p.w.sessions, Directory: p.w.dir,
				Limits: limits, Standing: p.standing, PerSecond: 1 << 30, Incarnation: sessions.Incarnation(begin), Now: p.Now, Logger: quiet,
				LastAgent: p.last(events.AgentFamily), Rates: p.w.rates()})
			serve(p.orch.Routes())
		case "compliance":
			p.comp = compliance.New(compliance.Config{Log: l, Facts: facts{p.w, p}, Notes: p.w, Directory: p.w.dir,
				Rulesets: p.w.rulesets, Zones: p.w.zones, LastCall: p.last(events.CallFamily), Now: p.Now, Sleep: p.w.pause, Within: p.w.within, Pace: paces.Ask,
				Go: func(do func()) { p.spawn(nil, do) }, Logger: quiet})
			serve(p.comp.Routes())
		case "dialer":
			p.dial = dialer.New(dialer.Config{Log: l, Notes: p.w, Directory: p.w.dir, Held: p.held, Standing: p.standing, Now: p.Now, Sleep: p.w.pause,
				Within: p.w.within, Pace: paces.Ask, Distance: paces.Distance, Logger: quiet})
			serve(p.dial.Routes())
		case "events-bridge":
			p.brid = bridge.New(bridge.Config{Log: l, Store: store{p.w, p}, Cursors: cursors{p.w, p}, LastCall: p.last(events.CallFamily), Directory: p.w.dir, Now: p.Now, Logger: quiet, Pace: paces.Ask,
				PollEvery: pollEvery, Quotas: bridge.Quotas{RawPerSecond: 1 << 30, SessionsPerHour: 1 << 30, ReadyPerHour: 1 << 30}})
			serve(p.brid.Routes())
		}
	}
	p.begin()
	p.loops()
}

// whole is a handler with all that follows from it.
func (p *process) whole(l *log.Log, h worker.Handler) worker.Handler {
	return func(ctx context.Context, d worker.Delivery) error {
		p.mayDie()
		for d.Stream == events.StreamProvider && p.raws < d.Seq {
			p.w.sleep(25 * time.Millisecond) // the bridge would wait as well, but not by this clock
		}
		err := h(ctx, d)
		p.mayDie()
		return err
	}
}

// pollEvery is half as often as by default: most of what a simulated call costs
// is its agent's polls.
const pollEvery = 2 * time.Second

// loops are what the services do by the clock.
func (p *process) loops() {
	ctx := context.Background()
	p.spawn(nil, p.minds)
	if p.orch != nil {
		p.spawn(nil, func() {
			var swept time.Time
			for {
				if p.held() {
					p.w.sleep(time.Second)
					continue
				}
				next := p.orch.Turn(ctx)
				if p.w.now.Sub(swept) >= time.Second {
					swept = p.w.now
					p.orch.Sweep(ctx)
				}
				wait := time.Second
				if !next.IsZero() {
					wait = min(max(next.Sub(p.w.now), 20*time.Millisecond), wait)
				}
				p.w.sleep(wait)
			}
		})
		p.spawn(nil, func() {
			for {
				p.orch.WatchLeases(ctx, p.link)
				p.w.sleep(limits.Lease / 10)
			}
		})
	}
	if p.comp != nil {
		p.turns(p.comp.Turn, p.comp.Forget)
	}
	if p.dial != nil {
		p.turns(p.dial.Turn, p.dial.Forget)
	}
	if p.brid != nil {
		for _, h := range p.w.houses {
			for _, a := range h.polled {
				p.spawn(nil, func() { p.poll(ctx, log.Ref{Tenant: h.name, ID: a}) })
			}
		}
		p.readFeeds()
		p.spawn(nil, p.beat)
		p.spawn(nil, func() {
			for n := 0; ; n++ {
				p.brid.KeepSessions(ctx, pages{p.w})
				if n%5 == 0 {
					p.brid.AskDesktops(pages{p.w})
				}
				p.w.sleep(time.Second)
			}
		})
	}
}

// turns takes a service's turns, each second.
func (p *process) turns(turn func(context.Context) error, forget func()) {
	p.spawn(nil, func() {
		for {
			p.w.sleep(time.Second)
			if p.held() {
				forget()
				continue
			}
			_ = turn(context.Background()) // it is taken again
		}
	})
}

func (p *process) poll(ctx context.Context, agent log.Ref) {
	p.w.sleep(p.w.between(0, time.Second))
	for {
		p.w.sleep(p.brid.PollOnce(ctx, agent))
	}
}

// beat says that the bridge lives, to whoever hears it.
func (p *process) beat() {
	for {
		for _, to := range p.w.processes {
			if to.up && to.orch != nil && p.reaches() && to.reaches() && !p.w.now.Before(p.mute) {
				name, life := p.brid.Process(), to.life
				p.w.after(p.w.between(50*time.Microsecond, 4*time.Millisecond), func() {
					if to.up && to.life == life && !p.w.now.Before(to.frozen) {
						to.orch.Alive(name)
					}
				})
			}
		}
		for _, to := range p.w.processes {
			if p.w.opts.listed && to != p && to.up && to.brid != nil && p.reaches() && to.reaches() && !p.w.now.Before(p.mute) {
				to.brid.PeerLives(p.brid.Process())
			}
		}
		p.w.sleep(2 * time.Second)
	}
}

func (p *process) reaches() bool { return !p.w.now.Before(p.away) }

// link says whether the process is connected, and how often it has been.
func (p *process) link() (bool, uint64) { return p.reaches(), p.linked }

// spawn begins a coroutine of this life.
func (p *process) spawn(died func(), do func()) {
	if len(p.tasks) > 64 {
		alive := p.tasks[:0]
		for _, t := range p.tasks {
			if !t.over {
				alive = append(alive, t)
			}
		}
		clear(p.tasks[len(alive):])
		p.tasks = alive
	}
	t := &work{died: died}
	t.task = p.w.spawn(p, do)
	p.tasks = append(p.tasks, t)
}

// hear takes what is stored up to a sequence and was not heard yet.
func (p *process) hear(f events.Family, through uint64) {
	for _, r := range p.w.since(f, p.view.Heard(f)) {
		if r.Seq > through {
			return
		}
		p.book.Seen(log.StreamOf(f), r.Seq, r.ID)
		p.view.Take(r)
		if p.orch != nil {
			p.orch.Follow(r)
		}
		if p.brid != nil {
			p.brid.Follow(r)
			if f == events.CallFamily && p.w.opts.listed {
				p.brid.FollowCall(r)
			}
		}
	}
}

// follow will hear of an event, in its order and as late as the seed says.
func (p *process) follow(f events.Family, seq uint64) {
	lag := p.w.between(50*time.Microsecond, 4*time.Millisecond)
	switch {
	case p.w.opts.plot == leaving && f == events.AgentFamily && p.dial != nil:
		lag = agentsLate
	case p.w.now.Before(p.slow):
		lag = p.w.between(50*time.Millisecond, 8*time.Second)
	case p.w.odds(120):
		p.slow = p.w.now.Add(p.w.between(100*time.Millisecond, 20*time.Second))
	}
	at := p.w.now.Add(lag)
	if p.frozen.After(at) {
		at = p.frozen
	}
	if d := p.due[f]; d.After(at) {
		at = d
	}
	p.due[f] = at
	life := p.life
	p.w.at(at, func() {
		switch {
		case !p.up || p.life != life:
		case f == rawFamily:
			p.hearRaw(seq)
		case p.view.Heard(f) < seq:
			p.hear(f, seq)
		}
	})
}

// rawFamily stands for PROVIDER among what a process follows.
const rawFamily events.Family = "raw"

// hearRaw takes what PROVIDER holds up to a sequence and was not heard yet.
func (p *process) hearRaw(through uint64) {
	for p.raws < min(through, uint64(len(p.w.raws))) {
		p.brid.Hear(p.w.raws[p.raws])
		p.raws++
	}
}

// last asks for the last sequence of a stream, as its leader says.
func (p *process) last(f events.Family) func(context.Context) (uint64, error) {
	return func(context.Context) (uint64, error) {
		if err := (leader{p.w, p}).ask(); err != nil {
			return 0, err
		}
		if last := p.w.told[f]; last > 0 {
			return last, nil
		}
		return 0, log.ErrNone
	}
}

// cut says that the process has no connection just now.
func (p *process) cut() bool {
	if p.w.odds(5000) {
		p.linked++
		p.away = p.w.now.Add(p.w.between(100*time.Millisecond, 8*time.Second))
	}
	return p.w.now.Before(p.away)
}

// mayDie is a place at which a process may end, or be stopped, from one
// instruction to the next.
func (p *process) mayDie() {
	if p.w.opts.deaths > 0 && p.w.odds(2*p.w.opts.deaths) {
		p.freeze(p.w.between(100*time.Millisecond, 30*time.Second))
	}
	if p.w.odds(p.w.opts.deaths) {
		p.die()
		panic(killed{})
	}
}

// freeze stops a process where it stands. The broker hears nothing of it for
// longer than it waits, and gives its messages to others meanwhile.
func (p *process) freeze(d time.Duration) {
	p.w.count("freezes")
	if !p.w.now.Before(p.frozen) {
		p.halted = p.w.now
	}
	p.frozen = p.w.now.Add(d)
	if d < ackWait {
		return
	}
	for _, t := range p.tasks {
		if !t.over && t.died != nil {
			t.died()
		}
	}
}

// die drops everything that the process knew and was about to do.
func (p *process) die() {
	if !p.up {
		return
	}
	p.w.count("deaths")
	p.up = false
	tasks := p.tasks
	p.tasks = nil
	for _, t := range tasks {
		over := t.over
		p.w.kill(t.task)
		if !over && t.died != nil {
			t.died()
		}
	}
	p.w.after(p.w.between(100*time.Millisecond, 5*time.Second), p.start)
}
