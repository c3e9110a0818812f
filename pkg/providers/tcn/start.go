package tcn

import (
	"context"

	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/callstate"
)

// Start implements providers.Starter: one POST, never two. Any 2xx with any
// body is a yes, for TCN's text shows no answer; the receipt holds the ids that
// the scrub gave before.
//
// Errors: Permanent no_scrub, scrub_mismatch (nothing was sent), unauthorized,
// refused; Transient unreachable, too_late, cancelled; everything else is
// Uncertain.
func (c *Client) Start(ctx context.Context, o providers.Order) (providers.Receipt, error) {
	body, err := c.startBody(o)
	if err != nil {
		return providers.Receipt{}, err
	}
	a, err := c.post(ctx, c.once, OpStart, o.Agent.Token, body, o.NotAfter)
	if err != nil {
		return providers.Receipt{}, err
	}
	if !a.OK() {
		class, code := startRefusal(a.Status)
		return providers.Receipt{}, fault.New(class, verb(OpStart), code, nil)
	}
	return providers.Receipt{IDs: map[string]string{
		"callSid": o.Scrub.State[stateCallSid], "taskGroupSid": o.Scrub.State[stateTaskGroupSid],
	}}, nil
}

// startBody says again what the scrub said, from what the scrub left on
// record: another process may have made it.
func (c *Client) startBody(o providers.Order) (startRequest, error) {
	if o.Scrub == nil || !o.Scrub.OK || o.Scrub.State[stateCallSid] == "" || o.Scrub.State[stateTaskGroupSid] == "" {
		return startRequest{}, fault.New(fault.Permanent, verb(OpStart), "no_scrub", nil)
	}
	kept := o.Scrub.State
	national, ok := nationalOf(o.To, kept["countryCode"])
	if !ok || kept["sessionSid"] == "" || kept["huntGroupSid"] == "" || kept[stateStartTime] == "" {
		return startRequest{}, fault.New(fault.Permanent, verb(OpStart), "scrub_mismatch", nil)
	}
	return startRequest{
		SimpleCallData: startCall{
			CallSid: kept[stateCallSid], TaskGroupSid: kept[stateTaskGroupSid],
			shared: shared{
				ClientSid: kept["clientSid"], CountrySid: kept["countrySid"], AgentSid: kept["agentSid"],
				StartTime: kept[stateStartTime], CallerID: kept["callerId"],
				PhoneNumber: national, CountryCode: kept["countryCode"],
				DoRecord: boolean{kept["doRecord"] == "true", c.cfg.BareBooleans}, CallDataType: "manual",
				CallerIDCountryCode: kept["callerIdCountryCode"], CallerIDCountrySid: kept["callerIdCountrySid"],
				RuleSetName: kept["ruleSetName"], SimpleMetaData: metadata(o.Metadata),
			},
		},
		HuntGroupSid: kept["huntGroupSid"], AgentSessionSid: kept["sessionSid"],
	}, nil
}

// sessionOf is the session the order's preparation was made in.
func sessionOf(o providers.Order) string {
	if o.Scrub != nil && o.Scrub.State["sessionSid"] != "" {
		return o.Scrub.State["sessionSid"]
	}
	return o.Agent.Session
}

// look asks for the status in a session, and opens a fresh one where there is
// none, or where TCN says that the old one is over. It returns the session that
// was asked about.
func (c *Client) look(ctx context.Context, a providers.AgentRef, session string) (statusAnswer, string, error) {
	if session != "" {
		s, err := c.status(ctx, a, session)
		if !sessionGone(s, err) {
			return s, session, err
		}
	}
	fresh, _, err := c.openSession(ctx, a)
	if err != nil {
		return statusAnswer{}, session, err
	}
	s, err := c.status(ctx, a, fresh)
	if sessionGone(s, err) {
		err = fault.New(fault.Transient, verb(OpStatus), "session_lost", nil)
	}
	return s, fresh, err
}

// Confirm implements providers.Confirmer: one look at the status. Only an agent
// who still stands prepared in the order's session may be dialed.
//
// Errors: Transient agent_not_ready, session_mismatch, session_lost,
// provider_down, rate_limited, unreadable; Permanent unauthorized.
func (c *Client) Confirm(ctx context.Context, o providers.Order) error {
	session := sessionOf(o)
	s, err := c.status(ctx, o.Agent, session)
	no := func(code string) error { return fault.New(fault.Transient, verb(OpStatus), code, nil) }
	switch {
	case sessionGone(s, err):
		return no("session_lost")
	case err != nil:
		return err
	case s.means() != callstate.Prepared:
		return no("agent_not_ready")
	case s.CurrentSessionID.sid() != session:
		return no(sessionMismatch)
	}
	return nil
}

// Lookup implements providers.Looker. TCN can be asked for the agent's status
// alone: still prepared means that the start did not happen, a status of
// having nothing to do that it did and is over.
func (c *Client) Lookup(ctx context.Context, o providers.Order) (providers.Found, error) {
	s, _, err := c.look(ctx, o.Agent, sessionOf(o))
	if err != nil {
		return providers.Found{Verdict: providers.CannotSay, Evidence: fault.Code(err)}, err
	}
	found := providers.Found{Verdict: providers.CannotSay, Evidence: evidence(s)}
	switch m := s.means(); {
	case m == callstate.Prepared:
		found.Verdict = providers.NotPlaced
	case m == callstate.Ready, m == callstate.Resting, m == callstate.Done, m == callstate.Between:
		found.Verdict = providers.Over
	case m.OnCall(), m == callstate.AfterCall:
		found.Verdict = providers.Placed
	}
	return found, nil
}

// evidence is TCN's own word for the status, where it is a word we know: an
// unknown one could be anything.
func evidence(s statusAnswer) string {
	if s.means() == callstate.Other {
		return "unknown status"
	}
	return string(s.StatusDesc)
}
