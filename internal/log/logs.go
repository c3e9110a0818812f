package log

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// Call reads a call. first is the sequence of its first event where it is
// known (refs.requested), else 0. A call that does not exist is in state none.
func Call(ctx context.Context, l Leader, tenant, id string, first uint64) (*lifecycle.Call, error) {
	records, err := l.Read(ctx, events.CallFamily, tenant, id, first)
	if err != nil && !errors.Is(err, ErrNone) {
		return nil, err
	}
	c := lifecycle.Fold(records)
	c.Tenant, c.ID = tenant, id
	if len(c.Faults) > 0 {
		return c, fault.New(fault.Permanent, "fold call", "illegal_event", errors.New(c.Faults[0]))
	}
	return c, nil
}

// Agent reads an agent. One that was never enrolled has sequence 0.
func Agent(ctx context.Context, l Leader, tenant, id string) (*lifecycle.Agent, error) {
	last, err := l.Last(ctx, events.AgentFamily, tenant, id)
	if errors.Is(err, ErrNone) {
		return &lifecycle.Agent{Tenant: tenant, ID: id}, nil
	}
	if err != nil {
		return nil, err
	}
	return lifecycle.FoldAgent(tenant, id, last), nil
}

// NextOfCall drafts the next event of a call, or says that the table forbids
// it. The body's Common is filled in.
func NextOfCall(c *lifecycle.Call, role events.Role, name events.Name, at time.Time, body any) (*Draft, error) {
	if _, v := lifecycle.Calls().Next(c.State, name); v == lifecycle.Illegal {
		return nil, fault.New(fault.Permanent, "draft event", "illegal_event",
			fmt.Errorf("%s in %s", name, c.State))
	}
	if c.Request != nil {
		events.SetCommon(body, c.Common())
	}
	last := c.Last()
	return &Draft{
		Family: events.CallFamily, Tenant: c.Tenant, Key: c.ID, Role: role, Name: name,
		Cause: last.ID, Place: last.Place + 1, Time: at, After: c.Seq(), Body: body,
	}, nil
}

// NextOfAgent drafts the next event of an agent. Body must already carry the
// state after it.
func NextOfAgent(a *lifecycle.Agent, role events.Role, name events.Name, at time.Time, body any) *Draft {
	return &Draft{
		Family: events.AgentFamily, Tenant: a.Tenant, Key: a.ID, Role: role, Name: name,
		Cause: a.Last.ID, Time: at, After: a.Last.Seq, Body: body,
	}
}
