package bridge

import (
	"context"

	"github.com/outdial/outdial/internal/api"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// Endpoints lists the commands that the bridge answers: the presence events
// are its own, so it also takes a presence that a desktop, or a person, says.
func (s *Service) Endpoints() []api.Endpoint {
	return []api.Endpoint{
		{Group: "agent", Verb: "set", Does: "presence of an agent whose provider is not asked for it: {agent, status: ready|not_ready}", Handle: s.onSet},
	}
}

type setRequest struct {
	Agent  string `json:"agent"`
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
	By     string `json:"by,omitempty"`
}

// SetAnswer is what agent.set answers.
type SetAnswer struct {
	Agent    string `json:"agent"`
	Presence string `json:"presence"`
	Seq      uint64 `json:"seq"`
}

// onSet takes a presence by command. Where the provider itself is asked,
// nobody's word counts against it.
func (s *Service) onSet(ctx context.Context, tenant string, body []byte) (any, error) {
	in, err := api.Decode[setRequest](body)
	if err != nil {
		return nil, err
	}
	on := events.Name(in.Status)
	if on != events.Ready && on != events.NotReady || in.Agent == "" {
		return nil, api.BadRequest("agent is needed, and status ready or not_ready")
	}
	in.Reason = events.PresenceReason(in.Reason)
	id := events.AgentToken(in.Agent)
	out := SetAnswer{Agent: id}
	ref := log.Ref{Tenant: tenant, ID: id}
	// Who commands may have seen the page come in at another bridge just now.
	if _, err := s.Log.LatestAgent(ctx, ref); err != nil {
		return nil, err
	}
	done, err := s.Log.UpdateAgent(ctx, ref, func(a *lifecycle.Agent) (*log.Draft, error) {
		if err := s.maySet(a, on); err != nil {
			return nil, err
		}
		out.Presence, out.Seq = string(a.State.Presence), a.Last.Seq
		now := s.Now()
		after, v := a.After(on, "", in.Reason, now)
		if v == lifecycle.Illegal || (v == lifecycle.Known && a.State.Quarantine == nil) {
			return nil, nil
		}
		if on == events.Ready && !s.mayBeReady(ctx, tenant, a.State.Connection, id) {
			return nil, api.Conflict("this agent became ready too often of late (limits.readyPerHour); try again in a while")
		}
		after.RawSeq = max(after.RawSeq, s.lanes.Heard()) // what the page said before is older than the command
		return log.NextOfAgent(a, events.Bridge, on, now,
			&events.AgentPresence{Reason: in.Reason, Evidence: "command", State: after}), nil
	})
	if done.Record.Seq > 0 {
		out.Presence, out.Seq = string(on), done.Record.Seq
	}
	if err != nil {
		return nil, err
	}
	return out, s.Store.Ops(ctx, events.Ops{Event: "command", Service: "events-bridge", Tenant: tenant,
		What: "agent.set " + in.Status, By: in.By, Reason: in.Reason, Agent: id, At: s.Now()})
}

// maySet says why an agent's presence is not anybody's to say.
func (s *Service) maySet(a *lifecycle.Agent, on events.Name) error {
	if !a.Enrolled() {
		return api.NotFound("no such agent")
	}
	conn, ok := s.Directory.Connection(a.Tenant, a.State.Connection)
	if !ok || conn.Provider.Poller != nil {
		return api.Conflict("the provider itself says whether this agent is ready")
	}
	if on == events.Ready && a.State.Session == "" && !conn.Provider.Can.Presence.Unsaid() {
		return api.Conflict("no desktop of this agent is connected, so no call could reach it")
	}
	return nil
}
