package tcn

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/callstate"
)

// Prepare implements providers.Preparer: it prepares the manual dial and asks
// for TCN's scrub. Before TCN is touched it wants an agent who may dial, all
// metadata that TCN requires, a number that TCN can split, and the status
// READY in our own session.
//
// Errors: Transient agent_not_ready, session_mismatch, session_lost,
// prepare_refused, prepare_timeout, provider_down, rate_limited, unreadable;
// Permanent manual_dial_disabled, metadata_missing, caller_id_not_allowed,
// invalid_number, country_unknown, unauthorized, wrong_agent,
// scrub_incomplete, scrub_mismatch, status_4xx.
func (c *Client) Prepare(ctx context.Context, o providers.Order) (events.Scrub, bool, error) {
	p, err := c.plan(ctx, o)
	if err != nil {
		return events.Scrub{}, false, err
	}
	if p.session, err = c.gate(ctx, o.Agent); err != nil {
		return events.Scrub{}, false, err
	}
	if touched, err := c.prepare(ctx, o, p.session); err != nil {
		return events.Scrub{}, touched, err
	}
	scrub, err := c.scrub(ctx, o, p)
	return scrub, true, err
}

// A plan is all that a scrub and a start say, but for what TCN adds.
type plan struct {
	settings settings
	session  string
	call     scrubCall
}

// plan reads what there is to read and refuses what TCN must not be asked.
func (c *Client) plan(ctx context.Context, o providers.Order) (plan, error) {
	no := func(code string) (plan, error) {
		return plan{}, fault.New(fault.Permanent, verb(OpPrepare), code, nil)
	}
	agent, err := c.currentAgent(ctx, o.Agent)
	if err != nil {
		return plan{}, err
	}
	s, err := c.groupSettings(ctx, o.Agent, string(agent.HuntGroupSid))
	if err != nil {
		return plan{}, err
	}
	if !s.Enabled.on {
		return no("manual_dial_disabled")
	}
	if len(c.missing(s, o.Metadata)) > 0 {
		return no("metadata_missing")
	}
	list, err := c.countryList(ctx, o.Agent)
	if err != nil {
		return plan{}, err
	}
	national, to, err := splitNumber(o.To, s.DefaultCountrySid, list)
	if err != nil {
		return plan{}, err
	}
	callerID, from, err := callerID(s, o.From, list)
	if err != nil {
		return plan{}, err
	}
	record := s.CallRecording.on
	if o.Recording != nil {
		record = o.Recording.On
	}
	start := o.StartTime
	if start.IsZero() {
		start = c.now()
	}
	bare := c.cfg.BareBooleans
	return plan{settings: s, call: scrubCall{
		shared: shared{
			ClientSid: string(agent.ClientSid), AgentSid: string(agent.AgentSid), CountrySid: string(to.CountrySid),
			StartTime: strconv.FormatInt(start.Unix(), 10), CallerID: callerID,
			PhoneNumber: national, CountryCode: string(to.CountryCode), DoRecord: boolean{record, bare},
			CallDataType: "manual", CallerIDCountryCode: string(from.CountryCode),
			CallerIDCountrySid: string(from.CountrySid), RuleSetName: string(s.NaturalComplianceRuleSetName),
			SimpleMetaData: metadata(o.Metadata),
		},
		UseGlobalTimeZoneScrub: boolean{s.TimezoneRestrictions.on, bare},
		DoCellPhoneScrub:       boolean{s.ScrubCellPhones.on, bare},
		DoDnclScrub:            true,
	}}, nil
}

// metadata is never null on the wire.
func metadata(m []events.KeyValue) []events.KeyValue {
	if m == nil {
		return []events.KeyValue{}
	}
	return m
}

// missing lists the required metadata names that the request, its keys read
// through the aliases, does not have. An empty value is as good as none.
func (c *Client) missing(s settings, have []events.KeyValue) []string {
	var names []string
	for _, name := range s.required() {
		if !slices.ContainsFunc(have, func(kv events.KeyValue) bool {
			return kv.Value != "" && (kv.Key == name || c.cfg.MetadataAliases[kv.Key] == name)
		}) {
			names = append(names, name)
		}
	}
	return names
}

// callerID is the request's caller id, or the hunt group's.
func callerID(s settings, from string, list []country) (string, country, error) {
	home, ok := bySid(list, s.DefaultCallerIDCountrySid)
	if from == "" {
		if !ok {
			return "", country{}, fault.New(fault.Permanent, verb(OpPrepare), "country_unknown", nil)
		}
		return string(s.DefaultCallerID), home, nil
	}
	national, in, err := splitNumber(from, s.DefaultCallerIDCountrySid, list)
	if err != nil {
		return "", country{}, err
	}
	if national != string(s.DefaultCallerID) && !s.HasCustomCallerID.on {
		return "", country{}, fault.New(fault.Permanent, verb(OpPrepare), "caller_id_not_allowed", nil)
	}
	return national, in, nil
}

// gate waits, for ReadyWait at most, until the agent is READY in our session.
// A session that TCN has lost is opened again once.
func (c *Client) gate(ctx context.Context, a providers.AgentRef) (string, error) {
	session, reopened := a.Session, false
	if session == "" {
		reopened = true
		var err error
		if session, _, err = c.openSession(ctx, a); err != nil {
			return "", err
		}
	}
	looks := c.looks()
	until := looks.since.Add(c.cfg.ReadyWait) // a wait of real time, whatever the judged clock says
	for {
		s, err := c.status(ctx, a, session)
		if sessionGone(s, err) && !reopened {
			reopened = true
			if session, _, err = c.openSession(ctx, a); err != nil {
				return "", err
			}
			continue
		}
		if err != nil {
			return "", err
		}
		code := notReady(s, session)
		if code == "" {
			return session, nil
		}
		if code == "session_lost" || !time.Now().Before(until) || !looks.pause(ctx) {
			return "", fault.New(fault.Transient, verb(OpPrepare), code, nil)
		}
	}
}

// sessionGone says whether TCN no longer knows the session that was asked
// about. No document shows how it says so: the question names nothing but the
// session, so any refusal of it is taken for that, unless it is about who asks
// or how often.
func sessionGone(s statusAnswer, err error) bool {
	if err != nil {
		return fault.Of(err) == fault.Permanent && strings.HasPrefix(fault.Code(err), "status_")
	}
	return !s.KeepAliveSucceeded.on
}

// notReady says why an agent cannot be prepared now; "" is READY. Only
// statusDesc decides: the paused flag and the status number may say otherwise.
func notReady(s statusAnswer, session string) string {
	switch {
	case !s.KeepAliveSucceeded.on:
		return "session_lost"
	case s.means() != callstate.Ready:
		return "agent_not_ready"
	case s.CurrentSessionID.sid() != session:
		return sessionMismatch
	}
	return ""
}

// looks are asked for until TCN shows something.
type looks struct {
	since time.Time
	most  time.Duration // from one to the next
}

func (c *Client) looks() looks { return looks{time.Now(), c.cfg.PollEvery} }

// pause waits for the next look and says whether there is time left.
func (l looks) pause(ctx context.Context) bool { return pause(ctx, l.next(time.Since(l.since))) }

// next is how long until the next look, after so long: a third of that. What
// TCN took is overstayed by a third at most, and who waits long asks seldom.
func (l looks) next(waited time.Duration) time.Duration {
	return min(max(waited/3, l.most/16), l.most)
}

// pause waits and says whether there is time left.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// prepare asks for the preparation and waits until the status shows it. TCN's
// text leaves open whether the answer is {} or the status; both will do.
func (c *Client) prepare(ctx context.Context, o providers.Order, session string) (touched bool, err error) {
	a, err := c.post(ctx, c.once, OpPrepare, o.Agent.Token, sessionRequest{session}, o.NotAfter)
	if err != nil && fault.Of(err) != fault.Uncertain {
		if fault.Code(err) == "unreachable" {
			err = fault.New(fault.Transient, verb(OpPrepare), "provider_down", err)
		}
		return false, err
	}
	if err == nil {
		if err := refusal(OpPrepare, a); err != nil {
			if fault.Of(err) == fault.Permanent && fault.Code(err) != "unauthorized" {
				// The agent's state changed between the look and the request.
				err = fault.New(fault.Transient, verb(OpPrepare), "prepare_refused", nil)
			}
			return true, err
		}
		var s statusAnswer
		if decode(OpPrepare, a.Body, &s) == nil && s.means() == callstate.Prepared {
			return true, nil
		}
	}
	return true, c.awaitPrepared(ctx, o.Agent, session)
}

func (c *Client) awaitPrepared(ctx context.Context, a providers.AgentRef, session string) error {
	fail := func(code string) error { return fault.New(fault.Transient, verb(OpPrepare), code, nil) }
	looks := c.looks()
	for {
		s, err := c.status(ctx, a, session)
		switch m := s.means(); {
		case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.Is(ctx.Err(), context.Canceled):
			return fail("prepare_timeout")
		case sessionGone(s, err):
			return fail("session_lost")
		case err != nil && fault.Of(err) != fault.Transient:
			return err
		case err != nil: // ask again
		case m == callstate.Prepared && s.CurrentSessionID.sid() != session:
			return fail(sessionMismatch)
		case m == callstate.Prepared:
			return nil
		case m.OnCall(), m == callstate.AfterCall, m == callstate.Gone, m == callstate.Elsewhere:
			return fail("agent_not_ready")
		}
		if !looks.pause(ctx) {
			return fail("prepare_timeout")
		}
	}
}

// snapshot keeps what the start must repeat, and the settings behind it. The
// customer's number is not in it: the start derives it from the order again.
func (p plan) snapshot() map[string]string {
	k := p.call
	out := map[string]string{
		"sessionSid": p.session, "clientSid": k.ClientSid, "agentSid": k.AgentSid, "countrySid": k.CountrySid,
		"countryCode": k.CountryCode, "callerId": k.CallerID, "callerIdCountryCode": k.CallerIDCountryCode,
		"callerIdCountrySid": k.CallerIDCountrySid, "ruleSetName": k.RuleSetName,
		"doRecord":               strconv.FormatBool(k.DoRecord.on),
		"useGlobalTimeZoneScrub": strconv.FormatBool(k.UseGlobalTimeZoneScrub.on),
		"doCellPhoneScrub":       strconv.FormatBool(k.DoCellPhoneScrub.on),
	}
	maps.Copy(out, p.settings.raw())
	return out
}
