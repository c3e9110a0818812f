package bridge

import (
	"context"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/journal/logs"
	"github.com/outdial/outdial/pkg/providers/workspace"
)

// Doors opens and closes the way by which the dialer reaches a desktop.
type Doors interface {
	Open(ctx context.Context, tenant, connection, agent, session string) error
	Close(session string) error
}

// Desk takes what agents' desktops say. It implements workspace.Sink.
type Desk struct {
	s     *Service
	doors Doors
}

var _ workspace.Sink = (*Desk)(nil)

// Desk makes the sink of a hub whose sessions are reached through doors.
func (s *Service) Desk(doors Doors) *Desk { return &Desk{s, doors} }

// Opened begins a desktop's session: first the way to it is open, then the log
// says so, so that whoever is assigned the session can be reached by it.
func (d *Desk) Opened(ctx context.Context, connection, agent, session string) error {
	tenant, err := d.tenantOf(ctx, connection, agent)
	if err != nil {
		return err
	}
	id := events.AgentToken(agent)
	if err := d.doors.Open(ctx, tenant, connection, id, session); err != nil {
		return err
	}
	x := seat{tenant: tenant, connection: connection, agent: id, session: session}
	d.s.seats.put(x)
	if err := d.s.startDesktop(ctx, x, false); err != nil {
		_ = d.doors.Close(session)
		x.over = workspace.EndStore // it may be on record all the same
		d.s.seats.put(x)
		return err
	}
	return nil
}

// Closing takes the way to the desktop away before anything else: from here on
// a request for it finds no responder, rather than an answer that proves
// nothing.
func (d *Desk) Closing(session string) { _ = d.doors.Close(session) }

// tenantOf checks that the agent is enrolled on that connection.
func (d *Desk) tenantOf(ctx context.Context, connection, agent string) (tenant string, err error) {
	for _, c := range d.s.Directory.Connections() {
		if c.Name != connection || !c.Provider.Can.Desktop {
			continue
		}
		a, err := logs.Agent(ctx, d.s.Log, c.Tenant, events.AgentToken(agent))
		if err != nil {
			return "", err
		}
		if a.Enrolled() && a.State.Connection == connection {
			return c.Tenant, nil
		}
	}
	return "", fault.New(fault.Permanent, "open workspace", "unknown_agent", nil)
}

// Message stores what the desktop's page relayed, before it is understood.
func (d *Desk) Message(ctx context.Context, connection, agent, session string, raw []byte) error {
	tenant, err := d.tenantOf(ctx, connection, agent)
	if err != nil {
		return err
	}
	_, err = d.s.Store.Raw(ctx, tenant, events.ProviderRaw{
		Connection: connection, Via: viaDesktop, Agent: events.AgentToken(agent), Session: session,
		ReceivedAt: d.s.Now(), Body: raw,
	}, "")
	return err
}

// Closed ends a desktop's session. A later one of the same agent stays. What
// cannot be written now is written later.
func (d *Desk) Closed(ctx context.Context, _, agent, session, reason string) {
	_ = d.doors.Close(session)
	x, ok := d.s.seats.get(session)
	if !ok {
		return
	}
	x.over = reason
	d.s.seats.put(x)
	if err := d.s.endDesktop(ctx, x); err != nil {
		d.s.Logger.WarnContext(ctx, "a desktop's end is not recorded; it is tried again", "agent", events.AgentToken(agent), "code", fault.Code(err))
	}
}
