package tcnsim

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/outdial/outdial/sim"
)

// numeric turns a sid into what the mode wants.
func (t *Company) numeric(sid string) any {
	if t.opts.NumericSids && sid != "" && strings.Trim(sid, "0123456789") == "" {
		return json.RawMessage(sid)
	}
	return sid
}

func (t *Company) currentAgent(a *seat) sim.Reply {
	var out map[string]any
	if err := json.Unmarshal(agentSample, &out); err != nil {
		return refuse(http.StatusInternalServerError, "sample")
	}
	out["agentSid"] = t.numeric(a.AgentSid)
	out["clientSid"] = t.numeric(a.ClientSid)
	out["huntGroupSid"] = t.numeric(a.HuntGroupSid)
	out["webLogin"] = "operagent" + strconv.Itoa(a.number+1)
	return jsonReply(http.StatusOK, out)
}

func (t *Company) groupSettings(fields map[string]json.RawMessage) sim.Reply {
	group := asText(fields["huntGroupSid"])
	if t.find(func(a *seat) bool { return a.HuntGroupSid == group }) == nil {
		return refuse(http.StatusNotFound, "no such hunt group")
	}
	own, ok := t.settings[group]
	if !ok {
		return sim.Reply{Status: http.StatusOK, Body: settingsSample}
	}
	// The elided sibling is there so that nobody comes to rely on its absence.
	return jsonReply(http.StatusOK, map[string]any{"manualDial": own, "transfer": map[string]any{}})
}

func (t *Company) session(a *seat) sim.Reply {
	if a.lost {
		a.lost = false
		a.VoiceSessionSid, a.AsmSessionSid = t.sim.NewID(8), t.sim.NewID(8)
	}
	const start = "2025-01-01T16:00:00.000000Z"
	out := map[string]any{"asmSessionSid": t.numeric(a.AsmSessionSid), "asmSessionStart": start}
	if t.opts.FlatSession {
		out["voiceSessionSid"] = t.numeric(a.VoiceSessionSid)
	} else {
		out["voiceSession"] = map[string]any{
			"voiceSessionSid": t.numeric(a.VoiceSessionSid), "voiceSessionStart": start,
		}
	}
	return jsonReply(http.StatusOK, out)
}

func (t *Company) status(a *seat, session string) sim.Reply {
	if session == "" {
		return refuse(http.StatusBadRequest, "sessionSid is required")
	}
	if t.opts.StaleStatus != 0 && (a.lost || session != a.VoiceSessionSid) {
		return refuse(t.opts.StaleStatus, "no such session")
	}
	return jsonReply(http.StatusOK, t.statusObject(a, session))
}

func (t *Company) statusObject(a *seat, session string) map[string]any {
	current := a.VoiceSessionSid
	if a.shown != "" {
		current = a.shown
	}
	return map[string]any{
		"status": statusNumber(a.current), "statusDesc": a.current, "paused": a.paused || a.current == statePaused,
		"queue": a.ClientSid, "currentSessionId": t.numeric(current),
		"lastStatusChange": strconv.FormatInt(a.changed.UnixMilli(), 10),
		"monitoring":       false, "callsCount": strconv.Itoa(a.calls), "lastSipCode": strconv.Itoa(a.sip),
		"agentPeerIsLostCall": false, "disabled": false,
		"keepAliveSucceeded": !a.lost && !a.stuck && session == a.VoiceSessionSid,
		"transferMembers":    []any{}, "agentIsMuted": false,
	}
}

// statusNumber is the number that nobody must rely on: the samples print 1
// and 2 where the public enum has 2 and 16.
func statusNumber(desc string) string {
	switch desc {
	case stateReady:
		return "1"
	case statePrepared:
		return "2"
	}
	return strconv.Itoa(3 + len(desc)%30)
}

// outOfState is how TCN's state machine is seen to refuse.
func outOfState(a *seat, event string) sim.Reply {
	return refuse(http.StatusBadRequest, "state "+a.current+" does not handle event fsm."+event)
}

// prepare: a wrong session throws the agent into wrap-up, as seen in life.
func (t *Company) prepare(a *seat, session string) sim.Reply {
	settings := t.settings[a.HuntGroupSid]
	if on, ok := settings["enabled"].(bool); ok && !on {
		return refuse(http.StatusForbidden, "manual dial is not enabled")
	}
	if a.current != stateReady || a.coming {
		return outOfState(a, "ManualDialPrepare")
	}
	if session != a.VoiceSessionSid || a.lost {
		t.become(a, stateWrapUp)
		t.later(a, t.opts.Pace.Wrap, func() { t.become(a, stateReady) })
		return jsonReply(http.StatusOK, struct{}{})
	}
	if err := t.note(a, sim.Prepare, ""); err != nil {
		return unrecorded()
	}
	if t.opts.PrepareStatus {
		t.become(a, statePrepared)
		return jsonReply(http.StatusOK, t.statusObject(a, session))
	}
	a.coming = true
	t.later(a, t.opts.Pace.Prepare, func() {
		a.coming = false
		t.become(a, statePrepared)
	})
	return jsonReply(http.StatusOK, struct{}{})
}

// cancel undoes what is prepared on the session, or on its way.
func (t *Company) cancel(a *seat, session string) sim.Reply {
	if session != a.VoiceSessionSid {
		return refuse(http.StatusNotFound, "no such session")
	}
	if a.current != statePrepared && !a.coming {
		return outOfState(a, "ManualDialCancel")
	}
	if err := t.note(a, sim.Cancel, ""); err != nil {
		return unrecorded()
	}
	a.coming, a.scrubbed = false, nil
	t.become(a, stateUndone)
	t.later(a, t.opts.Pace.Cancel, func() { t.become(a, stateReady) })
	return jsonReply(http.StatusOK, struct{}{})
}

// unrecorded is the answer when the ledger cannot be written: what is not on
// record did not happen.
func unrecorded() sim.Reply { return refuse(http.StatusInternalServerError, "ledger") }
