package tcn

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
)

// currentAgent asks who the token belongs to. It is asked before each dial:
// the hunt group may have changed.
func (c *Client) currentAgent(ctx context.Context, a providers.AgentRef) (agentAnswer, error) {
	var out agentAnswer
	if err := c.ask(ctx, OpAgent, a.Token, struct{}{}, &out); err != nil {
		return out, err
	}
	if out.AgentSid.sid() == "" || out.ClientSid.sid() == "" || out.HuntGroupSid.sid() == "" {
		return out, fault.New(fault.Transient, verb(OpAgent), "unreadable", nil)
	}
	if isInteger(a.Provider) && a.Provider != string(out.AgentSid) {
		// The token is another sid's: a dial would ring on the wrong desk.
		return out, fault.New(fault.Permanent, verb(OpAgent), "wrong_agent", nil)
	}
	return out, nil
}

func cacheKey(a providers.AgentRef) string { return a.Tenant + "\x00" + a.Agent + "\x00" + a.Provider }

// groupSettings returns the settings of the agent's hunt group. They are kept
// per agent and dropped as soon as the agent is in another group.
func (c *Client) groupSettings(ctx context.Context, a providers.AgentRef, group string) (settings, error) {
	key := cacheKey(a)
	c.mu.Lock()
	have, ok := c.settings[key]
	c.mu.Unlock()
	if ok && have.value.group == group && c.now().Sub(have.at) < c.cfg.SettingsFor {
		return have.value, nil
	}
	var out settingsAnswer
	if err := c.ask(ctx, OpSettings, a.Token, groupRequest{group}, &out); err != nil {
		return settings{}, err
	}
	if out.ManualDial == nil {
		return settings{}, fault.New(fault.Transient, verb(OpSettings), "unreadable", nil)
	}
	s := settings{group: group, manualDial: *out.ManualDial}
	c.mu.Lock()
	c.settings[key] = cached[settings]{s, c.now()}
	c.mu.Unlock()
	return s, nil
}

func (c *Client) countryList(ctx context.Context, a providers.AgentRef) ([]country, error) {
	c.mu.Lock()
	have, ok := c.countries[a.Tenant]
	c.mu.Unlock()
	if ok && c.now().Sub(have.at) < c.cfg.SettingsFor {
		return have.value, nil
	}
	var out countriesAnswer
	if err := c.ask(ctx, OpCountries, a.Token, struct{}{}, &out); err != nil {
		return nil, err
	}
	if len(out.Countries) == 0 {
		return nil, fault.New(fault.Transient, verb(OpCountries), "unreadable", nil)
	}
	c.mu.Lock()
	c.countries[a.Tenant] = cached[[]country]{out.Countries, c.now()}
	c.mu.Unlock()
	return out.Countries, nil
}

// Open implements providers.Poller: it gets, or makes, the agent's session.
// The session is the voice session, which every other operation calls
// sessionSid or agentSessionSid.
func (c *Client) Open(ctx context.Context, a providers.AgentRef) (string, map[string]string, error) {
	ids := map[string]string{}
	agent, err := c.currentAgent(ctx, a)
	if err != nil {
		return "", ids, err
	}
	session, asm, err := c.openSession(ctx, a)
	if err != nil {
		return "", ids, err
	}
	ids["voiceSessionSid"] = session
	for k, v := range map[string]text{
		"agentSid": agent.AgentSid, "clientSid": agent.ClientSid, "huntGroupSid": agent.HuntGroupSid,
		"asmSessionSid": asm, "partnerAgentId": agent.PartnerAgentID,
	} {
		if v != "" {
			ids[k] = string(v)
		}
	}
	return session, ids, nil
}

func (c *Client) openSession(ctx context.Context, a providers.AgentRef) (voice string, asm text, err error) {
	var out sessionAnswer
	if err := c.ask(ctx, OpSession, a.Token, struct{}{}, &out); err != nil {
		return "", "", err
	}
	if out.voice() == "" {
		return "", "", fault.New(fault.Transient, verb(OpSession), "no_session", nil)
	}
	return out.voice(), out.AsmSessionSid, nil
}

// Poll implements providers.Poller. The question keeps the session alive; TCN
// wants it about every 30 s. Without a session (Open first) it is Transient
// no_session. The answer of any status but 401, 403 and a server
// error is returned without an error, for the Reader to judge.
func (c *Client) Poll(ctx context.Context, a providers.AgentRef) (int, []byte, error) {
	if a.Session == "" {
		return 0, nil, fault.New(fault.Transient, verb(OpStatus), "no_session", nil)
	}
	res, err := c.post(ctx, c.reads, OpStatus, a.Token, c.statusOf(a.Session), time.Time{})
	if err != nil {
		return res.Status, nil, fault.New(fault.Transient, verb(OpStatus), "provider_down", err)
	}
	if err := refusal(OpStatus, res); err != nil && (fault.Of(err) == fault.Transient ||
		res.Status == http.StatusUnauthorized || res.Status == http.StatusForbidden) {
		return res.Status, res.Body, err
	}
	return res.Status, res.Body, nil
}

func (c *Client) statusOf(session string) statusRequest {
	return statusRequest{session, boolean{true, c.cfg.BareBooleans}}
}

// status asks for the agent's status and understands it.
func (c *Client) status(ctx context.Context, a providers.AgentRef, session string) (statusAnswer, error) {
	var out statusAnswer
	if err := c.ask(ctx, OpStatus, a.Token, c.statusOf(session), &out); err != nil {
		return out, err
	}
	if out.StatusDesc == "" {
		return out, fault.New(fault.Transient, verb(OpStatus), "unreadable", nil)
	}
	return out, nil
}

// Settings implements providers.Configured.
func (c *Client) Settings(ctx context.Context, a providers.AgentRef) (providers.Settings, error) {
	agent, err := c.currentAgent(ctx, a)
	if err != nil {
		return providers.Settings{}, err
	}
	s, err := c.groupSettings(ctx, a, string(agent.HuntGroupSid))
	if err != nil {
		return providers.Settings{}, err
	}
	list, err := c.countryList(ctx, a)
	if err != nil {
		return providers.Settings{}, err
	}
	out := providers.Settings{
		Enabled: s.Enabled.on, RequiredMetadata: s.required(), Aliases: c.cfg.MetadataAliases,
		Overrides: map[string]bool{
			VerdictCell: s.AgentOverrideCell.on, VerdictRules: s.AgentOverrideCcr.on, VerdictDNC: s.AgentOverrideDncl.on,
			VerdictHours: s.AgentOverrideTimezone.on, VerdictNatural: s.AgentOverrideNaturalCompliance.on,
		},
		Raw: s.raw(),
	}
	if home, ok := bySid(list, s.DefaultCountrySid); ok {
		out.TotalDigits = int(home.TotalDigits)
	}
	return out, nil
}

// required lists the metadata names that a request must have.
func (s settings) required() []string {
	var names []string
	for _, m := range s.ComplianceMetadata {
		if m.Required.on && m.Name != "" {
			names = append(names, string(m.Name))
		}
	}
	return names
}

// raw is the settings as texts, under TCN's own names, for the evidence.
func (s settings) raw() map[string]string {
	out := map[string]string{
		"huntGroupSid":                 s.group,
		"defaultCallerId":              string(s.DefaultCallerID),
		"defaultCallerIdCountrySid":    string(s.DefaultCallerIDCountrySid),
		"defaultCountrySid":            string(s.DefaultCountrySid),
		"naturalComplianceRuleSetName": string(s.NaturalComplianceRuleSetName),
	}
	for k, f := range map[string]flag{
		"enabled": s.Enabled, "hasCustomCallerId": s.HasCustomCallerID,
		"scrubCellPhones": s.ScrubCellPhones, "timezoneRestrictions": s.TimezoneRestrictions,
		"callRecording": s.CallRecording, "agentOverrideCell": s.AgentOverrideCell,
		"agentOverrideCcr": s.AgentOverrideCcr, "agentOverrideDncl": s.AgentOverrideDncl,
		"agentOverrideTimezone":          s.AgentOverrideTimezone,
		"agentOverrideNaturalCompliance": s.AgentOverrideNaturalCompliance,
		"useTimezoneValidationZip":       s.UseTimezoneValidationZip,
		"enableManualDialDataDip":        s.EnableManualDialDataDip,
	} {
		out[k] = strconv.FormatBool(f.on)
	}
	if s.RandomCallerIDBucket >= 0 {
		out["randomCallerIdBucket"] = strconv.FormatInt(int64(s.RandomCallerIDBucket), 10)
	}
	return out
}
