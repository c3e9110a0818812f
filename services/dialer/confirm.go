package dialer

import (
	"context"

	"github.com/outdial/outdial/internal/orders"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// confirm asks the provider once more, right before the intent, whether the
// agent still stands where preparing left it; nil is a yes. It is asked before
// the intent and not after, so that a no costs the call nothing: it waits for
// its agent, and what was prepared is withdrawn.
func (s *Service) confirm(ctx context.Context, c *lifecycle.Call) (*events.CallWithheld, error) {
	if conn, ok := s.Directory.Connection(c.Tenant, c.Assigned.Connection); !ok || conn.Provider.Confirmer == nil {
		return nil, nil
	}
	a, err := orders.Lent(ctx, c, s.Log.Agent)
	if err == nil && MayDial(c, a, s.Now()) != "" {
		a, err = orders.Lent(ctx, c, s.Log.LatestAgent) // her claim may not have been heard yet
	}
	if err != nil || MayDial(c, a, s.Now()) != "" {
		return nil, err // nothing will be dialed anyway
	}
	o, conn, err := s.book.BuildDialRequest(ctx, c, a)
	if fault.Of(err) == fault.Permanent && err != nil {
		return nil, nil // the one who sends will say so
	}
	if err != nil {
		return nil, err
	}
	look, cancel := s.Within(ctx, s.Send)
	defer cancel()
	err = conn.Provider.Confirmer.Confirm(look, o)
	if err != nil && ctx.Err() != nil {
		return nil, err
	}
	return Unfit(err), nil
}

// Unfit puts what the last look found into the words of a withheld intent.
func Unfit(err error) *events.CallWithheld {
	if err == nil {
		return nil
	}
	w := &events.CallWithheld{Reason: AgentNotReady, Detail: fault.Code(err)}
	switch w.Detail {
	case "agent_not_ready", "session_mismatch", "session_lost":
	default: // nobody knows where the agent is
		w.Reason = ConnectionDown
	}
	return w
}
