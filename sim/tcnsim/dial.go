package tcnsim

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/outdial/outdial/sim"
)

// verdicts are the six verdicts of a scrub, by TCN's names.
func verdicts() []string {
	return []string{"isDialValidationOk", "isTimeZoneScrubOk", "isCellPhoneScrubOk",
		"isCustomCallingRulesScrubOk", "isDnclScrubOk", "isNaturalComplianceOk"}
}

// shared are the fields that a start must repeat from its scrub.
func shared() []string {
	return []string{"clientSid", "countrySid", "agentSid", "startTime", "callerId", "phoneNumber", "countryCode",
		"callerIdCountryCode", "callerIdCountrySid", "ruleSetName"}
}

// scrub is TCN's compliance. It wants the state MANUAL_DIAL_PREPARED and a
// body that is right in every field.
func (t *Company) scrub(a *seat, fields map[string]json.RawMessage) sim.Reply {
	call := inner(fields, "call")
	if a.current != statePrepared {
		return outOfState(a, "ProcessManualDialCall")
	}
	if bad := t.faulty(a, call, append(shared(), "doRecord", "useGlobalTimeZoneScrub", "doCellPhoneScrub", "doDnclScrub")); bad != "" {
		return refuse(http.StatusBadRequest, "invalid field "+bad)
	}
	part := t.sim.Script.For(e164In(call))
	a.scrubbed = &scrubbed{
		callSid: t.sim.NewID(9), taskGroupSid: t.sim.NewID(6), ok: validated(part.Deny), said: call,
	}
	if err := t.note(a, sim.Scrub, strings.Join(part.Deny, ",")); err != nil {
		return unrecorded()
	}
	return jsonReply(http.StatusOK, map[string]any{"scrubbedCall": t.echo(a.scrubbed, part.Deny)})
}

// validated says whether the whole verdict is yes: every no makes it no, but
// for those marked partial: or missing:, which lie.
func validated(deny []string) bool {
	return !slices.ContainsFunc(deny, func(d string) bool {
		return !strings.Contains(d, ":") || d == "missing:isDialValidationOk"
	})
}

func (t *Company) echo(s *scrubbed, deny []string) map[string]any {
	out := map[string]any{
		"taskSid": "0", "callSid": t.numeric(s.callSid), "taskGroupSid": t.numeric(s.taskGroupSid),
		"deliveryDuration": 0, "linkCallDuration": 0, "result": "CALL_RESULT_UNKNOWN", "sipCode": 0,
		"recordingFileName": "", "callDataType": "Manual", "zipCode": "", "isPreviewByRecord": false,
		"simpleResultMetaData": []any{}, "simpleMetaData": s.said["simpleMetaData"],
	}
	for _, k := range shared() {
		out[k] = asText(s.said[k])
	}
	for _, k := range []string{"doRecord", "useGlobalTimeZoneScrub", "doCellPhoneScrub", "doDnclScrub"} {
		out[k] = asText(s.said[k]) == "true"
	}
	for _, k := range verdicts() {
		out[k] = !slices.Contains(deny, k) && !slices.Contains(deny, "partial:"+k)
		if k == "isDialValidationOk" {
			out[k] = s.ok
		}
		if slices.Contains(deny, "missing:"+k) {
			delete(out, k)
		}
	}
	return out
}

// faulty names the first field of a call that is not as it must be.
func (t *Company) faulty(a *seat, call map[string]json.RawMessage, need []string) string {
	if !strings.EqualFold(asText(call["callDataType"]), "manual") {
		return "callDataType"
	}
	for _, k := range need {
		v := asText(call[k])
		switch k {
		case "doRecord", "useGlobalTimeZoneScrub", "doCellPhoneScrub", "doDnclScrub":
			if v != "true" && v != "false" {
				return k
			}
		case "ruleSetName":
		default:
			if !allDigits(v) {
				return k
			}
		}
	}
	var data []struct{ Key, Value *string }
	if json.Unmarshal(call["simpleMetaData"], &data) != nil {
		return "simpleMetaData"
	}
	start, err := strconv.ParseInt(asText(call["startTime"]), 10, 64)
	switch {
	case asText(call["agentSid"]) != a.AgentSid:
		return "agentSid"
	case asText(call["clientSid"]) != a.ClientSid:
		return "clientSid"
	case err != nil || start > 1e11: // milliseconds
		return "startTime"
	case !t.dialable(call):
		return "phoneNumber"
	}
	return ""
}

// dialable: national digits of the country's length, without the country code.
func (t *Company) dialable(call map[string]json.RawMessage) bool {
	var list struct {
		Countries []struct{ CountrySid, CountryCode, TotalDigits string }
	}
	if json.Unmarshal(countriesSample, &list) != nil {
		return false
	}
	for _, c := range list.Countries {
		if c.CountrySid == asText(call["countrySid"]) && c.CountryCode == asText(call["countryCode"]) {
			return strconv.Itoa(len(asText(call["phoneNumber"]))) == c.TotalDigits
		}
	}
	return false
}

// start takes the dial: the state, the session, the hunt group and every field
// must be those of the scrub.
func (t *Company) start(a *seat, fields map[string]json.RawMessage) sim.Reply {
	call := inner(fields, "simpleCallData")
	if bad := t.faulty(a, call, append(shared(), "doRecord", "callSid", "taskGroupSid")); bad != "" {
		return refuse(http.StatusBadRequest, "invalid field "+bad)
	}
	s := a.scrubbed
	switch {
	case a.current != statePrepared:
		return outOfState(a, "ManualDialStart")
	case s == nil || asText(call["callSid"]) != s.callSid || asText(call["taskGroupSid"]) != s.taskGroupSid:
		return refuse(http.StatusBadRequest, "callSid was not scrubbed")
	case !s.ok:
		return refuse(http.StatusForbidden, "dial validation failed")
	case asText(fields["agentSessionSid"]) != a.VoiceSessionSid:
		return refuse(http.StatusBadRequest, "invalid field agentSessionSid")
	case asText(fields["huntGroupSid"]) != a.HuntGroupSid:
		return refuse(http.StatusBadRequest, "invalid field huntGroupSid")
	}
	for _, k := range append(shared(), "doRecord", "simpleMetaData") {
		if !sameJSON(call[k], s.said[k]) {
			return refuse(http.StatusBadRequest, "field differs from the scrub: "+k)
		}
	}
	number := e164In(call)
	a.call = &underWay{sid: s.callSid, number: number, part: t.sim.Script.For(number), correlation: correlation(call)}
	if err := t.note(a, sim.Start, ""); err != nil {
		a.call = nil
		return unrecorded()
	}
	a.scrubbed = nil
	t.live(a)
	return jsonReply(http.StatusOK, struct{}{})
}

// startAgain is a provider that rings twice though it was asked once.
func (t *Company) startAgain(a *seat) sim.Reply {
	if a.call == nil || t.note(a, sim.Start, "double") != nil {
		return unrecorded()
	}
	return jsonReply(http.StatusOK, struct{}{})
}

// correlation is what the metadata carries of ours: the first value.
func correlation(call map[string]json.RawMessage) string {
	var data []struct{ Key, Value string }
	if json.Unmarshal(call["simpleMetaData"], &data) != nil || len(data) == 0 {
		return ""
	}
	return data[0].Value
}

func inner(fields map[string]json.RawMessage, key string) map[string]json.RawMessage {
	var out map[string]json.RawMessage
	if json.Unmarshal(fields[key], &out) != nil {
		return nil
	}
	return out
}

// numberIn finds the customer's number in a scrub or a start.
func numberIn(fields map[string]json.RawMessage) string {
	for _, k := range []string{"call", "simpleCallData"} {
		if n := e164In(inner(fields, k)); n != "" {
			return n
		}
	}
	return ""
}

func e164In(call map[string]json.RawMessage) string {
	code, national := asText(call["countryCode"]), asText(call["phoneNumber"])
	if code == "" || national == "" {
		return ""
	}
	return "+" + code + national
}

func allDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// sameJSON compares as texts what may be quoted or not, and lists by what they
// hold, in order.
func sameJSON(a, b json.RawMessage) bool {
	if asText(a) == asText(b) {
		return true
	}
	var x, y []any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
