package bridge

import (
	"slices"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
)

// Match finds the call an observation is about among those the agent has, or
// had last: the claiming call first. Nil: none of ours.
//
// Providers give no correlation id back. A call is recognised by the
// provider's own id once it is on record; before that by the customer's
// number, and an agent has at most one call of ours that was dialed. A number
// that cannot be read, or an id that nobody knows without a number, is no call's:
// only a poll may name nobody. An id that the next call of the number has as
// well is that one's, once there is one.
func Match(o providers.Observation, calls []*lifecycle.Call) *lifecycle.Call {
	if o.Attempt != "" {
		return byAttempt(o.Attempt, calls)
	}
	var shared *lifecycle.Call
	for _, c := range calls {
		switch {
		case o.CallKey == "" || bound(c) != o.CallKey:
		case !o.Shared || c.Open():
			return c
		case shared == nil:
			shared = c
		}
	}
	if o.Customer == "" && (o.Unread || o.CallKey != "") {
		return nil
	}
	for _, c := range calls {
		if c.Dialing == nil || c.Request == nil {
			continue // nothing was sent, so this cannot be its news
		}
		if o.CallKey != "" && bound(c) != "" {
			continue // it has another id
		}
		if o.Customer != "" {
			if o.Customer == c.Request.Request.To && o.Manual {
				return c
			}
			continue
		}
		if c.Open() { // a poll names nobody: it is the call that is up
			return c
		}
	}
	return shared
}

// byAttempt is the call whose intent the provider carried back, which nothing
// else can be.
func byAttempt(attempt string, calls []*lifecycle.Call) *lifecycle.Call {
	for _, c := range calls {
		if c.Dialing != nil && c.Dialing.Attempt == attempt {
			return c
		}
	}
	return nil
}

// bound is the provider's id of a call, "" before the first event that has one.
func bound(c *lifecycle.Call) string {
	for _, r := range c.Log {
		var ids map[string]string
		switch b := r.Body.(type) {
		case *events.CallProgress:
			ids = b.Provider
		case *events.CallStarted:
			ids = b.Provider
		}
		if ids[callKey] != "" {
			return ids[callKey]
		}
	}
	return ""
}

// callKey is where an event keeps the provider's id of the call.
const callKey = providers.CallID

// NotOurs says whether an observation that matches none of our calls shows the
// agent on somebody else's.
func NotOurs(o providers.Observation) bool {
	if o.Presence == events.OnCall || o.Presence == events.ForeignCall {
		return true
	}
	switch o.Call {
	case events.Offered, events.Ringing, events.Answered, events.Talking, events.Held,
		events.Consulting, events.Conferencing:
		return true
	}
	return false
}

// presenceFrom is what an observation says of the agent: a call that is not
// ours is a foreign one.
func presenceFrom(o providers.Observation, c *lifecycle.Call) providers.Observation {
	switch {
	case c == nil && NotOurs(o):
		o.Presence, o.Reason = events.ForeignCall, ""
	case c != nil && o.Presence == events.ForeignCall:
		o.Presence = events.OnCall
	case c != nil && !c.Open() && o.Presence == events.OnCall:
		o.Presence = events.ForeignCall // a call we gave up: not to be dialed meanwhile
	}
	return o
}

// Repeat says whether a call's log has this very news already: from the same
// raw message, or of the same name and moment. News without a moment is a
// repeat only of the last thing said, because a conversation goes to and fro.
func Repeat(c *lifecycle.Call, o providers.Observation, rawSeq uint64) bool {
	latest := true
	for _, r := range slices.Backward(c.Log) {
		p, ok := r.Body.(*events.CallProgress)
		if !ok {
			continue
		}
		if r.Name == o.Call && p.Event == o.Event {
			switch {
			case rawSeq > 0 && p.RawSeq == rawSeq,
				p.OccurredAt != nil && p.OccurredAt.Equal(o.At),
				latest && o.At.IsZero() && p.OccurredAt == nil:
				return true
			}
		}
		latest = latest && lifecycle.Rank(lifecycle.State(r.Name)) == 0
	}
	return false
}

// saidBefore says whether the provider's word came by an earlier message: of the
// same moment or, where it has none, of a call that is over by now. A page that
// says it again, or late, says nothing of where its agent is: nobody would say
// that she has come back from there.
func saidBefore(c *lifecycle.Call, o providers.Observation, rawSeq uint64) bool {
	over := !c.Open() || lifecycle.Rank(c.State) >= lifecycle.Rank(lifecycle.Ended)
	return slices.ContainsFunc(c.Log, func(r events.Record) bool {
		p, ok := r.Body.(*events.CallProgress)
		switch {
		case !ok || p.RawSeq == rawSeq || p.RawSeq == 0:
			return false
		case o.Call == "": // it tells nothing of the call, and what came before its end is old
			return o.Presence == events.OnCall && r.Name == events.Ended && (o.At.IsZero() || p.OccurredAt != nil && !o.At.After(*p.OccurredAt))
		case p.Event != o.Event:
			return false
		}
		return p.OccurredAt != nil && p.OccurredAt.Equal(o.At) || p.OccurredAt == nil && o.At.IsZero() && over
	})
}

// ViewOf is what a Reader may know of the record.
func ViewOf(a *lifecycle.Agent, c *lifecycle.Call, home string) providers.View {
	v := providers.View{Presence: a.State.Presence, Reason: a.State.Reason, Session: a.State.Session, HomeRegion: home}
	if c == nil {
		return v
	}
	v.Dialed, v.Talked, v.Machine, v.Transferred = c.Dialing != nil, c.Talked, c.Machine, c.Transferred
	v.Said = c.Said
	if c.Request != nil {
		v.To = c.Request.Request.To
	}
	v.CallState = events.Name(c.State)
	return v
}

// PresenceStale says whether the agent's presence on record is too old to prove
// anything, so that even the same presence is news: the agent is quarantined,
// or its call was placed since. One that is busy proves nothing however new it
// is.
func PresenceStale(a *lifecycle.Agent, c *lifecycle.Call) bool {
	switch a.State.Presence {
	case events.OnCall, events.ForeignCall, events.WrapUp:
		return false
	}
	if a.State.Quarantine != nil {
		p, ok := a.Last.Body.(*events.AgentPresence)
		return !ok || p.State.Quarantine == nil
	}
	if c == nil || c.Dialing == nil || c.State == lifecycle.Dialing || !c.Open() {
		return false
	}
	p, ok := a.Last.Body.(*events.AgentPresence)
	return !ok || p.Call != c.ID || p.CallSeq < answered(c)
}

// answered is where the call's log first says what became of the intent: what
// the provider showed before may be older than the start.
func answered(c *lifecycle.Call) uint64 {
	for _, r := range c.AfterIntent() {
		if r.Name != events.CancelRequested && r.Name != events.CancelFailed {
			return r.Seq
		}
	}
	return 0
}
