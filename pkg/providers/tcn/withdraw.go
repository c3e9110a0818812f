package tcn

import (
	"context"
	"errors"

	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/callstate"
)

// looksBeforeAgain is how often a preparation may still show after TCN took a
// cancellation, before the cancellation is said again.
const looksBeforeAgain = 8

// Withdraw implements providers.Withdrawer: it undoes a preparation and returns
// TCN's status once that shows none. It goes on until the context ends.
//
// A preparation that is gone is not cancelled again; one that may still be on
// its way (no scrub is on record) is cancelled once although it does not show.
// It is withdrawn in the session it was made in or, where TCN says that one is
// over, in a fresh one.
//
// An order of no call is for what shows in the agent's session and is nobody's:
// nothing is on its way, and nothing is cancelled that does not show.
//
// A call that is under way is never hung up: Permanent answered. If the order
// was never dialed it is somebody else's, and the end of the preparation, which
// is one status of the agent. Also Permanent: unauthorized, wrong credentials
// need a person. Everything else that stands in the way is Transient:
// still_prepared, on_call, provider_down, session_lost, status_unclear.
func (c *Client) Withdraw(ctx context.Context, o providers.Order) (string, error) {
	coming, wait, code := o.Scrub == nil && o.Call != "", 0, "still_prepared"
	session := sessionOf(o)
	for {
		var s statusAnswer
		var err error
		s, session, err = c.look(ctx, o.Agent, session)
		if fault.Code(err) == "unauthorized" && err != nil {
			return "", err
		}
		switch m := s.means(); {
		case err != nil: // unreachable just now: look again
		case m.OnCall() && !o.Dialed && coming:
			err = fault.New(fault.Transient, verb(OpCancel), "on_call", nil)
		case m.OnCall() && o.Dialed:
			return "", fault.New(fault.Permanent, verb(OpCancel), "answered", errors.New(evidence(s)))
		case m == callstate.Other:
			err = fault.New(fault.Transient, verb(OpCancel), "status_unclear", nil)
		case m == callstate.Prepared && wait > 0:
			wait--
		case m == callstate.Prepared, m == callstate.Ready && coming:
			if err = c.cancel(ctx, o, session); err == nil || fault.Of(err) == fault.Permanent {
				// Taken, or refused for the agent's state: the status has the last word.
				coming, wait = false, looksBeforeAgain
			}
			if fault.Code(err) == "unauthorized" {
				return "", err
			}
		default:
			return evidence(s), nil
		}
		switch {
		case err == nil:
			code = "still_prepared"
		case ctx.Err() == nil: // else the look was cut short and says nothing
			code = fault.Code(err)
		}
		if !pause(ctx, c.cfg.PollEvery) {
			return "", fault.New(fault.Transient, verb(OpCancel), code, nil)
		}
	}
}

// cancel sends one cancellation, not after the order's time. It names the session
// alone: saying it twice does no harm, saying it late may undo another's work.
func (c *Client) cancel(ctx context.Context, o providers.Order, session string) error {
	a, err := c.post(ctx, c.once, OpCancel, o.Agent.Token, sessionRequest{session}, o.NotAfter)
	if err != nil {
		return fault.New(fault.Transient, verb(OpCancel), "provider_down", err)
	}
	return refusal(OpCancel, a)
}
