package simulation

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/acqueon/bus"
	"github.com/outdial/outdial/pkg/providers/acqueon/webexcc"
	bridge "github.com/outdial/outdial/services/events-bridge"
)

// A page is an agent's desktop. It holds a socket to one bridge process, is
// told to dial by it, and says in order what happens, at once or, when the
// socket was gone meanwhile, all together afterwards.
type page struct {
	w       *World
	conn    string // its connection
	agent   string
	session string
	at      *process // nil: no socket
	life    int      // of the process that holds it
	door    bool     // the dialer reaches it
	busy    bool
	seen    map[string]bool
	outbox  [][]byte
	idle    *task // waits for the outbox to fill
	calls   int
}

// desks is the way to all desktops, and the pages behind it.
type desks struct {
	w     *World
	conn  string           // the connection to them
	pages map[string]*page // by agent
}

// provider is Webex CC with the real starter and reader.
func (d *desks) provider() providers.Provider {
	return webexcc.System().Provider(bus.Config{Desktop: d})
}

// Send implements providers.Desktop.
func (d *desks) Send(_ context.Context, a providers.AgentRef, message []byte, attempt string, notAfter time.Time) error {
	const op = "send to desktop"
	w := d.w
	w.sent(d.conn, attempt)
	w.hop()
	w.mayDie()
	p := d.pages[a.Agent]
	if p == nil || !p.door || p.at == nil || p.session != a.Session {
		return fault.New(fault.Transient, op, "no_responders", providers.ErrNoResponders)
	}
	switch {
	case w.odds(50):
		return fault.New(fault.Uncertain, op, "no_reply", nil)
	case p.seen[attempt]:
		return fault.New(fault.Uncertain, op, "repeat", nil)
	case !w.now.Before(notAfter):
		return fault.New(fault.Permanent, op, "late", nil)
	case p.busy:
		return fault.New(fault.Permanent, op, "not_ready", nil)
	}
	p.seen[attempt] = true
	number := "+" + between(string(message), `"data":"`, `"`)
	p.dial(w.dialed("webexcc", d.conn, a.Agent, providers.Order{Attempt: attempt, To: number, Agent: a}))
	w.hop()
	if w.odds(40) {
		return fault.New(fault.Uncertain, op, "no_reply", nil)
	}
	return nil
}

func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

// dial is what becomes of a request that the page took.
func (p *page) dial(d *dial) {
	w := p.w
	p.busy = true
	p.calls++
	at := w.between(100*time.Millisecond, time.Second)
	tell := func(after time.Duration, event, state string, agent, customer, wrap bool) {
		at += after
		w.after(at, func() { p.say(p.event(d, event, state, agent, customer, wrap)) })
	}
	do := func(f func()) { w.after(at, f) }
	if w.chance(12) || w.opts.plot == halved { // after-call work is all that is heard of it
		do(func() { d.Until = w.now })
		tell(0, "eAgentWrapup", "wrapUp", true, false, true)
		tell(w.between(0, 4*time.Second), "AgentWrappedUp", "wrapUp", true, false, false)
		do(p.ready)
		return
	}
	tell(0, "eAgentOfferContact", "new", false, false, false)
	ring := w.between(0, 5*time.Second)
	switch {
	case w.chance(5):
		tell(ring, "eAgentOutboundFailed", "new", false, false, false)
		do(func() { d.Until = w.now; p.ready() })
		return
	case w.chance(6):
		tell(0, "eAgentContactAssigned", "connected", true, false, false)
		tell(ring, "eAgentContactEnded", "connected", true, false, false)
		do(func() { d.Until = w.now })
		tell(w.between(0, time.Second), "acw", "wrapUp", true, false, true)
	default:
		tell(ring, "eAgentContactAssigned", "connected", true, true, false)
		do(func() { d.talked = true })
		if w.chance(4) {
			tell(w.between(0, 2*time.Second), "eAgentContactHeld", "connected", true, true, false)
			tell(w.between(0, 2*time.Second), "eAgentContactUnheld", "connected", true, true, false)
		}
		tell(w.between(0, 20*time.Second), "eAgentContactEnded", "connected", true, true, false)
		do(func() { d.Until = w.now })
		tell(w.between(0, 200*time.Millisecond), "eAgentWrapup", "wrapUp", true, true, true)
	}
	tell(w.between(0, 4*time.Second), "AgentWrappedUp", "wrapUp", true, true, false)
	do(p.ready)
}

const notReady = `{"outdial":"presence","status":"not_ready","version":"3.21.2410"}`

func (p *page) ready() {
	p.busy = false
	p.say([]byte(`{"outdial":"presence","status":"ready","version":"3.21.2410"}`))
}

// event is a message in the form of Webex CC's document, as short as it goes.
func (p *page) event(d *dial, event, state string, agent, customer, wrap bool) []byte {
	return fmt.Appendf(nil, `{"channel":"Webexcc","topic":"outbound","subtopic":"OutBoundCallStateChange","message":{"source":"event","call":{`+
		`"id":"org","event":%q,"CallType":"OUTBOUND","ResponseFields":{"toAddress":%q,"CallState":%q,"Type":"OUTBOUND","OutBoundType":"manualdial"},`+
		`"ResponseActual":{"type":"RoutingMessage","data":{"agentId":%q,"eventTime":%d,"interactionId":%q,"type":%q,`+
		`"interaction":{"contactDirection":{"type":"OUTBOUND"},"interactionId":%q,"state":%q,"participants":{`+
		`%q:{"hasJoined":%t,"id":%q,"pType":"Customer"},%q:{"hasJoined":%t,"isWrapUp":%t,"id":%q,"pType":"Agent"}}}}}}}}`,
		event, d.Number, state, p.agent, p.w.now.UnixMilli(), d.ProviderCall, strings.TrimPrefix(event, "e"),
		d.ProviderCall, state, d.Number, customer, d.Number, p.agent, agent, wrap, p.agent)
}

// say keeps a message for the socket.
func (p *page) say(m []byte) {
	p.outbox = append(p.outbox, m)
	p.stir()
}

// stir wakes who waits at the socket.
func (p *page) stir() {
	if t := p.idle; t != nil {
		p.idle = nil
		p.w.wake(t, p.w.between(0, 60*time.Millisecond))
	}
}

// patience is how long a page waits at a socket that says nothing.
const patience = 8 * time.Second

// live is the page's day: it comes in, relays, and comes back.
func (p *page) live() {
	w := p.w
	next := func(d time.Duration) { w.after(d, p.live) }
	if p.at != nil && (!p.at.up || p.at.life != p.life) {
		p.at, p.door = nil, false
	}
	if p.at == nil {
		if to := w.anyProcess("events-bridge"); to != nil {
			p.come(to)
		}
		next(w.between(300*time.Millisecond, 2*time.Second))
		return
	}
	if !p.busy && w.odds(25) { // a break
		p.busy = true
		p.say([]byte(notReady))
		w.after(w.between(time.Second, 15*time.Second), p.ready)
	}
	if w.odds(1000) || w.now.Before(p.at.frozen) && w.now.Sub(p.at.halted) > patience {
		p.leave()
		next(w.between(100*time.Millisecond, 6*time.Second))
		return
	}
	next(250 * time.Millisecond)
}

// come opens a socket: a new session, then whatever has waited, then presence.
func (p *page) come(to *process) {
	w := p.w
	p.at, p.life = to, to.life
	session := fmt.Sprintf("%s-%d", p.agent, w.serial())
	to.spawn(nil, func() {
		desk := to.brid.Desk(doors{p, session})
		err := desk.Opened(context.Background(), p.conn, p.agent, session)
		if err != nil {
			if p.at == to {
				p.at, p.door = nil, false
			}
			return
		}
		p.session = session
		if !p.busy {
			p.ready()
		}
		for p.at == to && p.session == session {
			if len(p.outbox) == 0 {
				p.idle = w.running
				w.sleep(time.Minute) // until something is said, or the socket is gone
				continue
			}
			m := p.outbox[0]
			err := desk.Message(context.Background(), p.conn, p.agent, session, m)
			if p.at != to || p.session != session {
				break // and it is said again by the next socket
			}
			if err != nil {
				if fault.Of(err) == fault.Permanent {
					w.count("page: " + fault.Code(err))
					p.outbox = p.outbox[1:]
				}
				w.sleep(100 * time.Millisecond)
				continue
			}
			p.outbox = p.outbox[1:]
		}
		desk.Closed(context.Background(), p.conn, p.agent, session, "gone")
	})
}

// leave drops the socket; what is said meanwhile waits.
func (p *page) leave() {
	p.at, p.door = nil, false
	p.stir()
}

// Tell implements the bridge's Pages: a page says its presence again.
func (d *desks) Tell(_, agent string) bool {
	p := d.pages[agent]
	if p.at == nil || p.busy {
		return false
	}
	p.ready()
	return true
}

// Replace implements the bridge's Pages.
func (d *desks) Replace(_, agent, session string) {
	if p := d.pages[agent]; p.session == session {
		p.leave()
	}
}

var _ bridge.Pages = (*desks)(nil)

// doors is the dialer's way to a page.
type doors struct {
	p       *page
	session string
}

// Open implements the bridge's Doors.
func (d doors) Open(_ context.Context, _, _, _, session string) error {
	d.p.session, d.p.door = session, true
	return nil
}

// Close implements the bridge's Doors.
func (d doors) Close(session string) error {
	if d.p.session == session {
		d.p.door = false
	}
	return nil
}
