package tcn

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
)

// Names of TCN's verdicts, in events.Scrub.State below events.VerdictPrefix, and
// of the overrides in providers.Settings.Overrides.
const (
	VerdictValidation = "validation"         // isDialValidationOk, the whole verdict
	VerdictHours      = "calling_hours"      // isTimeZoneScrubOk
	VerdictCell       = "cell_phone"         // isCellPhoneScrubOk
	VerdictRules      = "calling_rules"      // isCustomCallingRulesScrubOk
	VerdictDNC        = "dnc"                // isDnclScrubOk
	VerdictNatural    = "natural_compliance" // isNaturalComplianceOk
)

// What a verdict can be.
const (
	VerdictOK      = "ok"
	VerdictRefused = "refused"
	VerdictMissing = "missing" // not in the answer, or neither yes nor no: it counts as refused
	VerdictNotRun  = "not_run" // not asked for, so TCN's yes means nothing
)

// scrub asks TCN's compliance. The preparation is held whatever comes back, so
// none of the errors is worse than Transient or Permanent: it will be undone.
func (c *Client) scrub(ctx context.Context, o providers.Order, p plan) (events.Scrub, error) {
	a, err := c.post(ctx, c.once, OpScrub, o.Agent.Token, scrubRequest{p.call}, o.NotAfter)
	if err != nil {
		return events.Scrub{}, fault.New(fault.Transient, verb(OpScrub), "provider_down", err)
	}
	if err := refusal(OpScrub, a); err != nil {
		return events.Scrub{}, err
	}
	var out scrubAnswer
	if err := decode(OpScrub, a.Body, &out); err != nil {
		return events.Scrub{}, err
	}
	return c.judge(out, p)
}

// judge reads the verdicts. A verdict that is missing is a no, and a partial no
// overrules the whole yes unless the connection trusts it.
func (c *Client) judge(out scrubAnswer, p plan) (events.Scrub, error) {
	no := func(code string) error { return fault.New(fault.Permanent, verb(OpScrub), code, nil) }
	k := out.ScrubbedCall
	if k == nil {
		return events.Scrub{}, no("scrub_incomplete")
	}
	for _, echo := range []struct {
		got  text
		want string
	}{
		{k.PhoneNumber, p.call.PhoneNumber}, {k.CountryCode, p.call.CountryCode},
		{k.AgentSid, p.call.AgentSid}, {k.StartTime, p.call.StartTime},
	} {
		if echo.got != "" && string(echo.got) != echo.want {
			return events.Scrub{}, no("scrub_mismatch")
		}
	}
	if t := string(k.CallDataType); t != "" && !strings.EqualFold(t, p.call.CallDataType) {
		return events.Scrub{}, no("scrub_mismatch")
	}
	verdicts := map[string]string{
		VerdictValidation: verdict(k.IsDialValidationOk, true),
		VerdictHours:      verdict(k.IsTimeZoneScrubOk, p.call.UseGlobalTimeZoneScrub.on),
		VerdictCell:       verdict(k.IsCellPhoneScrubOk, p.call.DoCellPhoneScrub.on),
		VerdictRules:      verdict(k.IsCustomCallingRulesScrubOk, true),
		VerdictDNC:        verdict(k.IsDnclScrubOk, true),
		VerdictNatural:    verdict(k.IsNaturalComplianceOk, true),
	}
	s := events.Scrub{OK: k.IsDialValidationOk.on, State: p.snapshot()}
	s.State[stateCallSid], s.State[stateTaskGroupSid], s.State[stateStartTime] = k.CallSid.sid(), k.TaskGroupSid.sid(), p.call.StartTime
	for name, v := range verdicts {
		s.State[events.VerdictPrefix+name] = v
		if !c.cfg.TrustValidation && (v == VerdictRefused || v == VerdictMissing) {
			s.OK = false
		}
	}
	if !s.OK {
		s.Reasons = reasons(verdicts)
	}
	if s.OK && (s.State[stateCallSid] == "" || s.State[stateTaskGroupSid] == "") {
		return s, no("scrub_incomplete")
	}
	return s, nil
}

// What else the scrub leaves on record for the start, beside the snapshot.
const (
	stateCallSid      = "callSid"
	stateTaskGroupSid = "taskGroupSid"
	stateStartTime    = "startTime" // epoch second sent with the scrub; the start repeats it
)

// reasons maps what TCN's verdicts said to the codes of decisions. Only a no
// that was said names a list, a clock or a rule; a verdict that is missing is
// told by its own name, and so is the whole no where no partial one explains it.
func reasons(verdicts map[string]string) []events.Reason {
	var out []events.Reason
	add := func(code, name string) {
		out = append(out, events.Reason{Code: code, Detail: name + ": " + verdicts[name], Source: "TCN manual dial, step 7"})
	}
	for _, name := range slices.Sorted(maps.Keys(verdicts)) {
		switch {
		case verdicts[name] == VerdictMissing:
			add(scrubDenied, name)
		case verdicts[name] == VerdictRefused && name != VerdictValidation:
			add(codeOf(name), name)
		}
	}
	if len(out) == 0 {
		add(scrubDenied, VerdictValidation)
	}
	return out
}

// scrubDenied is a no that does not say why.
const scrubDenied = "PROVIDER_SCRUB_DENIED"

// codeOf names the reason of a partial verdict that was refused.
func codeOf(verdict string) string {
	switch verdict {
	case VerdictDNC:
		return "DNC_NATIONAL"
	case VerdictCell:
		return "LINE_TYPE_WIRELESS_BLOCKED"
	case VerdictHours:
		return "TIME_AMBIGUOUS_ZONE"
	case VerdictRules:
		return "CUSTOM_RULE_DENIED"
	case VerdictNatural:
		return "NATURAL_RULE_DENIED"
	}
	return scrubDenied
}

// verdict reads one verdict. A scrub that was not asked for says yes all the
// same; its no is believed. What is neither yes nor no is no verdict.
func verdict(f flag, asked bool) string {
	switch {
	case f.off:
		return VerdictRefused
	case f.set && !f.on:
		return VerdictMissing
	case !asked:
		return VerdictNotRun
	case !f.set:
		return VerdictMissing
	}
	return VerdictOK
}

// startRefusal is Start's table. What TCN documents as no answer at all has
// none either, so only a plain 4xx counts as a refusal; 408 and 429 may come
// from something that had passed the request on, and 3xx and 5xx prove nothing.
func startRefusal(status int) (fault.Class, string) {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return fault.Permanent, "unauthorized"
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests:
		return fault.Uncertain, "no_verdict"
	case status >= 400 && status < 500:
		return fault.Permanent, "refused"
	case status >= 500:
		return fault.Uncertain, "provider_error"
	}
	return fault.Uncertain, "odd_reply"
}
