package bridge

import (
	"context"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
)

// DesktopSink takes what agents' desktops say.
type DesktopSink struct {
	s     *Service
	doors providers.DesktopRoutes
	// tell asks an agent's page to say again whether the agent is ready; nil:
	// nobody is asked.
	tell func(connection, agent string) bool
}

var _ providers.DesktopSink = (*DesktopSink)(nil)

// Desk makes the sink of a door whose sessions are reached through routes.
func (s *Service) Desk(routes providers.DesktopRoutes) *DesktopSink {
	return &DesktopSink{s: s, doors: routes}
}

// Opened begins a desktop's session: first the way to it is open, then the log
// says so, so that whoever is assigned the session can be reached by it.
func (d *DesktopSink) Opened(ctx context.Context, connection, agent, session string) error {
	tenant, err := d.tenantOf(ctx, connection, agent)
	if err != nil {
		return err
	}
	id := events.AgentToken(agent)
	if !d.s.mayOpen(ctx, tenant, connection, id) {
		return fault.New(fault.Transient, "open workspace", "too_often", nil)
	}
	if err := d.doors.Open(ctx, tenant, connection, id, session); err != nil {
		return err
	}
	x := sessionKey{tenant: tenant, connection: connection, agent: id, session: session}
	d.s.sessions.put(x)
	if err := d.s.startDesktop(ctx, x, false); err != nil {
		_ = d.doors.Close(session)
		x.over = providers.SessionStore // it may be on record all the same
		d.s.sessions.put(x)
		return err
	}
	return nil
}

// Closing takes the way to the desktop away before anything else: from here on
// a request for it finds no responder, rather than an answer that proves
// nothing.
func (d *DesktopSink) Closing(session string) { _ = d.doors.Close(session) }

// tenantOf checks that the agent is enrolled on that connection. One who is not
// may be a moment later, by agent.put or by a start that reads its roster just
// now, so the page comes back; to a connection without desktops it does not.
func (d *DesktopSink) tenantOf(ctx context.Context, connection, agent string) (tenant string, err error) {
	for _, c := range d.s.Directory.Connections() {
		if c.Name != connection || !c.Provider.Can.AtDesktop() {
			continue
		}
		ref := log.Ref{Tenant: c.Tenant, ID: events.AgentToken(agent)}
		a, err := d.s.Log.Agent(ctx, ref)
		if err == nil && !(a.Enrolled() && a.State.Connection == connection) {
			a, err = d.s.Log.LatestAgent(ctx, ref)
		}
		if err != nil {
			return "", err
		}
		if a.Enrolled() && a.State.Connection == connection {
			return c.Tenant, nil
		}
		return "", fault.New(fault.Transient, "open workspace", "unknown_agent", nil)
	}
	return "", fault.New(fault.Permanent, "open workspace", "unknown_agent", nil)
}

// Message stores what the desktop's page relayed, before it is understood.
func (d *DesktopSink) Message(ctx context.Context, connection, agent, session string, raw []byte) error {
	tenant, err := d.tenantOf(ctx, connection, agent)
	if err != nil {
		return err
	}
	if err := d.s.awaitRaw(ctx, tenant, connection, raw); err != nil {
		return err
	}
	message := events.ProviderRaw{
		Connection: connection, Via: viaDesktop, Agent: events.AgentToken(agent), Session: session,
		ReceivedAt: d.s.Now(), Body: raw,
	}
	if !d.fits(ctx, tenant, message, agent) {
		return fault.New(fault.Permanent, "store raw message", "too_often", nil)
	}
	_, err = d.s.Store.Raw(ctx, tenant, message, "")
	return err
}

// fits refuses the word of a page that its agent is ready when that comes too
// often; the page is asked again when it counts.
func (d *DesktopSink) fits(ctx context.Context, tenant string, m events.ProviderRaw, agent string) bool {
	conn, ok := d.s.Directory.Connection(tenant, m.Connection)
	if !ok || conn.Provider.Reader == nil || d.s.readyFits(tenant, m.Agent) {
		return true
	}
	seen, err := understand(conn.Provider.Reader, m, providers.View{Now: d.s.Now()})
	if err != nil || !saysReady(seen) || d.s.mayBeReady(ctx, tenant, m.Connection, m.Agent) {
		return true // what cannot be read is stored all the same, and parked
	}
	d.s.askLater(tenant, m.Agent, func() {
		if d.tell != nil {
			d.tell(m.Connection, agent)
		}
	})
	return false
}

// Closed ends a desktop's session. A later one of the same agent stays. What
// cannot be written now is written later.
func (d *DesktopSink) Closed(ctx context.Context, _, agent, session, reason string) {
	_ = d.doors.Close(session)
	x, ok := d.s.sessions.get(session)
	if !ok {
		return
	}
	x.over = reason
	d.s.sessions.put(x)
	if err := d.s.endDesktop(ctx, x); err != nil {
		d.s.Logger.WarnContext(ctx, "a desktop's end is not recorded; it is tried again", "agent", events.AgentToken(agent), "code", fault.Code(err))
	}
}
