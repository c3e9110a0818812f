package simulation

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/outdial/outdial/internal/audit"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/tcn"
)

// A company is a telephone company in TCN's manner: it is prepared, asked, told
// to start, and polled. It keeps a ledger of what it really did, and what it
// answers may be a lie.
type company struct {
	w     *World
	conn  string           // the connection to it
	lines map[string]*line // by the company's id of the agent
}

// A line is one agent at the company.
type line struct {
	agent    string
	status   string
	session  string
	sessions int
	prepared string // the call it is prepared for
	dial     *dial  // of ours, under way
	gen      int    // a later change of status makes what was planned void
}

// A dial is one entry of the ledger.
type dial struct {
	audit.Dialed
	house  string // whose line it was
	talked bool
	since  time.Time // when PROVIDER first held it
	polls  []poll    // that showed it
}

// rang are the telephones that a dial rang: at once the one that was dialed, but of
// a listed company.
func (d *dial) rang(listed bool) (numbers []string) {
	if !listed {
		return []string{d.Number}
	}
	for _, r := range d.Rang {
		numbers = append(numbers, r.Number)
	}
	return numbers
}

// A poll is an answer, and when PROVIDER held it.
type poll struct {
	events.ProviderRaw
	at time.Time
}

var (
	_ providers.Starter    = (*company)(nil)
	_ providers.Looker     = (*company)(nil)
	_ providers.Withdrawer = (*company)(nil)
	_ providers.Preparer   = (*company)(nil)
	_ providers.Confirmer  = (*company)(nil)
	_ providers.Configured = (*company)(nil)
	_ providers.Poller     = (*company)(nil)
)

func (c *company) provider() providers.Provider {
	return providers.Provider{
		Kind: providers.TCN,
		Can: providers.Capabilities{Claims: true, Prepares: true, Withdraw: true, LooksUp: true, Talking: true,
			Presence: providers.PresencePolled, Progress: providers.ProgressAgent},
		Starter: c, Looker: c, Withdrawer: c, Preparer: c, Confirmer: c, Configured: c, Poller: c, Reader: tcn.Reader{},
	}
}

func (c *company) line(a providers.AgentRef) *line {
	l := c.lines[a.Provider]
	if l == nil {
		l = &line{agent: a.Provider, status: "UNAVAILABLE"}
		c.lines[a.Provider] = l
	}
	return l
}

// Settings implements providers.Configured.
func (c *company) Settings(ctx context.Context, _ providers.AgentRef) (providers.Settings, error) {
	if c.w.wire(ctx) || c.w.odds(200) {
		return providers.Settings{}, down("settings")
	}
	return providers.Settings{Enabled: true}, nil
}

// Prepare implements providers.Preparer.
func (c *company) Prepare(ctx context.Context, o providers.Order) (events.Scrub, bool, error) {
	l := c.line(o.Agent)
	if c.w.wire(ctx) {
		return events.Scrub{}, false, down("prepare")
	}
	if l.status != "READY" || l.session != o.Agent.Session {
		return events.Scrub{}, false, fault.New(fault.Transient, "prepare", "agent_not_ready", nil)
	}
	if c.w.odds(100) {
		return events.Scrub{}, false, down("prepare")
	}
	if c.w.odds(60) || c.w.opts.plot == stray && !c.w.calm && c.w.chance(2) {
		c.late(l, c.w.between(time.Second, 40*time.Second))
		c.w.wire(ctx)
		return events.Scrub{}, true, fault.New(fault.Transient, "prepare", "prepare_timeout", nil)
	}
	c.set(l, prepared)
	l.prepared = o.Call
	if c.w.opts.plot == stray {
		c.w.sleep(c.w.between(time.Second, 4*time.Second))
	}
	switch {
	case c.w.wire(ctx) || c.w.odds(60):
		return events.Scrub{}, true, fault.New(fault.Transient, "prepare", "prepare_timeout", nil)
	case c.w.odds(50):
		return events.Scrub{Reasons: []events.Reason{{Code: "DNC_NATIONAL"}}}, true, nil
	}
	return events.Scrub{OK: true, State: map[string]string{"callSid": strconv.Itoa(c.w.rng.IntN(1e9))}}, true, nil
}

// Confirm implements providers.Confirmer.
func (c *company) Confirm(ctx context.Context, o providers.Order) error {
	l := c.line(o.Agent)
	switch {
	case c.w.wire(ctx) || c.w.odds(200):
		return down("confirm")
	case l.session != o.Agent.Session:
		return fault.New(fault.Transient, "confirm", "session_mismatch", nil)
	case l.status != prepared:
		return fault.New(fault.Transient, "confirm", "agent_not_ready", nil)
	}
	return nil
}

// Start implements providers.Starter.
func (c *company) Start(ctx context.Context, o providers.Order) (providers.Receipt, error) {
	l := c.line(o.Agent)
	if err := c.w.start(ctx, c.conn, o.Attempt, func() error { return c.place(l, o) }); err != nil {
		return providers.Receipt{}, err
	}
	return providers.Receipt{IDs: map[string]string{"callSid": l.dial.id()}}, nil
}

func (d *dial) id() string {
	if d == nil {
		return "0"
	}
	return d.ProviderCall
}

// place dials, if the preparation stands.
func (c *company) place(l *line, o providers.Order) error {
	if l.status != prepared || l.session != o.Agent.Session {
		return fault.New(fault.Permanent, "dial", "not_prepared", nil)
	}
	d := c.w.dialed("tcn", c.conn, l.agent, o)
	l.dial = d
	c.set(l, "MANUAL_DIAL_STARTED")
	c.play(l, d)
	return nil
}

// play is what becomes of the dial.
func (c *company) play(l *line, d *dial) {
	w := c.w
	wrap := w.between(0, 4*time.Second)
	end := func(status string) func() {
		return func() { d.Until = w.now; l.dial = nil; c.set(l, status) }
	}
	ring := w.between(500*time.Millisecond, 6*time.Second)
	if w.chance(4) { // nobody picks up
		c.then(l, ring, end("WRAPUP"))
		c.then(l, ring+wrap, func() { c.set(l, "READY") })
		return
	}
	talk := ring + w.between(3*time.Second, 30*time.Second)
	c.then(l, ring, func() { c.set(l, "PEERED"); d.talked = true })
	if w.chance(5) {
		c.then(l, ring+(talk-ring)/3, func() { c.set(l, "PEERED_WITH_CALL_ON_HOLD") })
		c.then(l, ring+(talk-ring)/2, func() { c.set(l, "PEERED") })
	}
	if w.chance(5) { // no after-call work
		c.then(l, talk, end("READY"))
		return
	}
	c.then(l, talk, end("WRAPUP"))
	c.then(l, talk+wrap, func() { c.set(l, "READY") })
}

// then has something happen on a line, unless something else happened first.
func (c *company) then(l *line, d time.Duration, do func()) {
	g := l.gen
	c.w.after(d, func() {
		if l.gen == g {
			do()
		}
	})
}

func (c *company) set(l *line, status string) {
	if l.status = status; status != prepared {
		l.prepared = ""
	}
}

// Lookup implements providers.Looker.
func (c *company) Lookup(ctx context.Context, o providers.Order) (providers.Found, error) {
	l := c.line(o.Agent)
	if c.w.wire(ctx) || c.w.odds(30) {
		return providers.Found{}, down("look up")
	}
	switch l.status {
	case prepared:
		return providers.Found{Verdict: providers.NotPlaced, Evidence: l.status}, nil
	case "READY", "UNAVAILABLE":
		return providers.Found{Verdict: providers.Over, Evidence: l.status}, nil
	}
	return providers.Found{Verdict: providers.Placed, Evidence: l.status}, nil
}

// Withdraw implements providers.Withdrawer.
func (c *company) Withdraw(ctx context.Context, o providers.Order) (string, error) {
	l := c.line(o.Agent)
	if o.Call == "" {
		return c.withdrawNobodys(ctx, l, o)
	}
	if c.w.wire(ctx) || c.w.odds(30) {
		return "", down("withdraw")
	}
	switch {
	case l.status == prepared:
		c.set(l, "READY")
		if c.w.wire(ctx) || c.w.odds(30) {
			return "", fault.New(fault.Transient, "withdraw", "still_prepared", nil)
		}
	case l.dial != nil && o.Dialed:
		return "", fault.New(fault.Permanent, "withdraw", "answered", nil)
	}
	return l.status, nil
}

// Open implements providers.Poller.
func (c *company) Open(ctx context.Context, a providers.AgentRef) (string, map[string]string, error) {
	l := c.line(a)
	if c.w.wire(ctx) || c.w.odds(60) {
		return "", nil, down("open")
	}
	if l.session == "" {
		l.sessions++
		l.session = fmt.Sprintf("%s-%s-%d", c.conn, l.agent, l.sessions)
	}
	if l.status == "UNAVAILABLE" {
		c.set(l, "READY")
	}
	return l.session, map[string]string{"asmSessionSid": l.session}, nil
}

// Poll implements providers.Poller.
func (c *company) Poll(ctx context.Context, a providers.AgentRef) (int, []byte, error) {
	l := c.line(a)
	if c.w.wire(ctx) || c.w.odds(150) {
		return 0, nil, down("poll")
	}
	body := fmt.Sprintf(`{"statusDesc":%q,"keepAliveSucceeded":true,"currentSessionId":%q}`, l.status, l.session)
	c.w.sleep(c.w.between(0, 10*time.Millisecond)) // the answer is under way
	return 200, []byte(body), nil
}

// whims are what agents do by themselves: a break, or somebody else's call.
func (c *company) whims(agents []string) {
	w := c.w
	for _, a := range agents {
		l := c.lines[a]
		if l == nil || w.calm || l.status != "READY" && l.status != prepared || !w.chance(40) {
			continue
		}
		status := "UNAVAILABLE"
		if l.status != "READY" || w.chance(2) {
			status = "INCALL" // inbound
		}
		c.set(l, status)
		c.then(l, w.between(500*time.Millisecond, 8*time.Second), func() {
			if l.status == status {
				c.set(l, "READY")
			}
		})
	}
}
