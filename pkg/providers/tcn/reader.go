package tcn

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/callstate"
)

// Reader understands the answers of a status poll.
//
// TCN reports an agent's state and nothing of calls, so a status says what it
// says about our call only because the agent is claimed for it and its dial is
// on record (View.Dialed). The same status on any other agent is a call of
// somebody else's. Only news is reported: what is on record already is not.
type Reader struct{}

var _ providers.Reader = Reader{}

// Read implements providers.Reader. Permanent errors: unreadable, no_status.
func (Reader) Read(raw events.ProviderRaw, v providers.View) ([]providers.Observation, error) {
	switch raw.Status {
	case 0:
	case http.StatusUnauthorized, http.StatusForbidden:
		return presenceOnly(v, events.SessionLost, "token"), nil
	case http.StatusNotFound, http.StatusGone:
		return presenceOnly(v, events.SessionLost, "session"), nil
	default:
		if raw.Status < 200 || raw.Status > 299 {
			return nil, fault.New(fault.Permanent, "read tcn status", "no_status", nil)
		}
	}
	var s statusAnswer
	if err := json.Unmarshal(raw.Body, &s); err != nil {
		return nil, fault.New(fault.Permanent, "read tcn status", "unreadable", nil)
	}
	if s.StatusDesc == "" {
		return nil, fault.New(fault.Permanent, "read tcn status", "no_status", nil)
	}
	r := reading{s: s, v: v, word: words.Of(string(s.StatusDesc)), call: words.Call(v)}
	if !s.KeepAliveSucceeded.on {
		// A lost session's status is old: nothing else in it counts.
		r.presence(events.SessionLost, "keepalive")
		return r.out, nil
	}
	r.readCall(raw.ReceivedAt) // before the presence: a ready agent closes what is still open
	r.readPresence()
	return r.out, nil
}

// presenceOnly is one change of presence, if it is one.
func presenceOnly(v providers.View, n events.Name, reason string) []providers.Observation {
	if samePresence(v.Presence, n) {
		return nil
	}
	return []providers.Observation{{Presence: n, Reason: reason}}
}

// samePresence compares a presence on record with an event's name: a state may
// have a name of its own.
func samePresence(have, event events.Name) bool {
	switch event {
	case events.SessionLost:
		return have == events.SessionLost || have == events.Lost
	case events.SessionEnded:
		return have == events.SessionEnded || have == events.Offline
	}
	return have == event
}

// A reading is one status against one view.
type reading struct {
	s    statusAnswer
	v    providers.View
	word callstate.Word
	call callstate.Call
	out  []providers.Observation
}

// base is what every observation of this status carries.
func (r *reading) base() providers.Observation {
	o := providers.Observation{
		Event: word(r.s.StatusDesc), State: word(r.s.StatusDesc),
		IDs: map[string]string{}, Attrs: r.attrs(), At: instant(r.s.LastStatusChange),
	}
	if id := r.s.CurrentSessionID.sid(); id != "" {
		o.IDs["currentSessionId"] = id
	}
	return o
}

// shape is what a status can be: letters, as TCN prints them. Anything else is
// kept out of the log, where nobody expects a number or a name.
var shape = regexp.MustCompile(`^[A-Za-z_]{1,64}$`)

// word is TCN's own word.
func word(t text) string {
	if shape.MatchString(string(t)) {
		return string(t)
	}
	return "unreadable"
}

// attrs is the rest of the snapshot. Absent and false are left out.
func (r *reading) attrs() map[string]string {
	out := map[string]string{}
	for k, f := range map[string]flag{
		"paused": r.s.Paused, "monitoring": r.s.Monitoring, "disabled": r.s.Disabled,
		"agentIsMuted": r.s.AgentIsMuted, "agentPeerIsLostCall": r.s.AgentPeerIsLostCall,
	} {
		if f.on {
			out[k] = "true"
		}
	}
	if r.s.LastSipCode != 0 {
		out["lastSipCode"] = strconv.FormatInt(int64(r.s.LastSipCode), 10)
	}
	return out
}

func (r *reading) presence(n events.Name, reason string) {
	// What is prepared is withdrawn by others, once and for all; so why an agent
	// is not ready is news where that is, or was, the reason.
	told := reason == r.v.Reason || reason != events.ReasonPrepared && r.v.Reason != events.ReasonPrepared
	if samePresence(r.v.Presence, n) && (n != events.NotReady || told) {
		return
	}
	o := r.base()
	o.Presence, o.Reason = n, reason
	r.out = append(r.out, o)
}

// claimed says whether a call of ours holds the agent.
func (r *reading) claimed() bool { return r.v.CallState != "" }

// over says whether the call on record is past its conversation: what the
// agent's telephone does next is not our call any more.
func (r *reading) over() bool { return r.call.Over || r.v.CallState == events.Closed }

// ours says whether a call under way can be the one that was dialed.
func (r *reading) ours() bool { return r.v.Dialed && !r.over() }

func (r *reading) readPresence() {
	switch m := r.word.Means; {
	case m == callstate.Ready:
		r.readReady()
	case m == callstate.Resting, m == callstate.Away:
		r.presence(events.NotReady, reasonOf(r.s.StatusDesc))
	case m == callstate.Gone:
		r.presence(events.SessionEnded, reasonOf(r.s.StatusDesc))
	case m == callstate.AfterCall:
		r.presence(events.WrapUp, "")
	case m == callstate.Elsewhere && !r.ours():
		r.presence(events.ForeignCall, reasonOf(r.s.StatusDesc))
	case m == callstate.Prepared, m == callstate.Placing:
		r.readReserved()
	case m.OnCall() && r.ours():
		r.presence(events.OnCall, "")
	case m.OnCall():
		r.presence(events.ForeignCall, "")
	}
}

// sessionMismatch is why an agent is of no use who is in another session.
const sessionMismatch = "session_mismatch"

// inOtherSession says that the agent is not in the session that is on record.
func (r *reading) inOtherSession() bool {
	session := r.s.CurrentSessionID.sid()
	return session == "" || r.v.Session != "" && session != r.v.Session
}

// readReady takes an agent for ready only when nothing about it is doubtful.
func (r *reading) readReady() {
	switch {
	case r.s.Paused.on:
		r.presence(events.NotReady, "paused")
	case r.s.Disabled.on:
		r.presence(events.NotReady, "disabled")
	case r.inOtherSession():
		r.presence(events.NotReady, sessionMismatch)
	default:
		r.presence(events.Ready, "")
	}
}

// readReserved reads a manual dial before anybody answered. With our dial on
// record it is our call; with our claim alone it is our preparation and
// changes nothing; without a claim it is the agent's own doing, or what is
// left of a call that was given up, and the agent must not pass for ready. TCN
// does not tell the two apart, but for one that is in another session than ours.
func (r *reading) readReserved() {
	switch {
	case r.ours():
		r.presence(events.OnCall, "")
	case r.claimed() && !r.over():
	case r.word.Means == callstate.Prepared && r.inOtherSession():
		r.presence(events.NotReady, sessionMismatch)
	case r.word.Means == callstate.Prepared:
		r.presence(events.NotReady, events.ReasonPrepared)
	default:
		r.presence(events.ForeignCall, reasonOf(r.s.StatusDesc))
	}
}
