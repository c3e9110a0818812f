package orchestrator

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/outdial/outdial/internal/api"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// An Enrolment is the body of agent.put, and an entry of the configuration.
type Enrolment struct {
	Agent         string   `json:"agent"`
	Connection    string   `json:"connection,omitempty"`
	ProviderAgent string   `json:"providerAgent,omitempty"`
	HuntGroups    []string `json:"huntGroups,omitempty"`
	Token         string   `json:"token,omitempty"` // sealed before it is stored, never shown
	By            string   `json:"by,omitempty"`
}

// What every event of an agent repeats is bounded, or a few of them would fill
// the log.
const (
	mostGroups = 256
	longestID  = 128     // bytes; also of the provider's name for the agent
	maxToken   = 8 << 10 // bytes
)

// faults are what is wrong with an enrolment whoever it is for.
func (in Enrolment) faults() (out []events.Fault) {
	say := func(wrong bool, at, code, message string) {
		if wrong {
			out = append(out, events.Fault{Pointer: at, Code: code, Message: message})
		}
	}
	odd := func(s string) bool {
		return len(s) > longestID || strings.TrimSpace(s) != s || strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) })
	}
	say(in.Agent == "", "/agent", events.FaultMissing, "the agent's id is needed")
	say(odd(in.Agent), "/agent", events.FaultBadText, "must be one line of at most 128 bytes of printable text")
	say(odd(in.ProviderAgent), "/providerAgent", events.FaultBadText, "must be one line of at most 128 bytes of printable text")
	say(len(in.Token) > maxToken, "/token", events.FaultTooLong, "longer than 8 KiB")
	say(len(in.HuntGroups) > mostGroups, "/huntGroups", events.FaultTooMany, "more than 256 hunt groups")
	for i, g := range in.HuntGroups[:min(len(in.HuntGroups), mostGroups)] {
		say(!events.IsToken(g), "/huntGroups/"+strconv.Itoa(i), "not_a_token", "a hunt group is 1 to 64 of [A-Za-z0-9_-]")
	}
	return out
}

// An AgentView is an agent as commands show it.
type AgentView struct {
	Agent         string             `json:"agent"`
	Presence      string             `json:"presence"`
	Since         string             `json:"since"`
	Reason        string             `json:"reason,omitempty"`
	Connection    string             `json:"connection"`
	Kind          string             `json:"kind"`
	ProviderAgent string             `json:"providerAgent,omitempty"`
	HuntGroups    []string           `json:"huntGroups,omitempty"`
	Session       string             `json:"session,omitempty"`
	Claim         *events.AgentClaim `json:"claim,omitempty"`
	Quarantine    *events.AgentClaim `json:"quarantine,omitempty"`
	HeldUntil     *time.Time         `json:"heldUntil,omitempty"` // when the quarantine ends by itself
	SeatTaken     string             `json:"seatTaken,omitempty"` // the agent because of whom this one is not called
	Seq           uint64             `json:"seq"`
}

func (s *Service) agentView(a *lifecycle.Agent) AgentView {
	v := AgentView{Agent: a.ID, Presence: string(a.State.Presence), Since: a.State.Since.UTC().Format("2006-01-02T15:04:05.000Z"),
		Reason: a.State.Reason, Connection: a.State.Connection, Kind: a.State.Kind, ProviderAgent: a.State.ProviderAgent,
		HuntGroups: a.State.HuntGroups, Session: a.State.Session, Claim: a.State.Claim, Quarantine: a.State.Quarantine, Seq: a.Last.Seq}
	if until, ok := s.heldUntil(a); ok {
		v.HeldUntil = &until
	}
	if a.Enrolled() {
		v.SeatTaken, _ = s.index.Keeps(a)
	}
	return v
}

func (s *Service) onPutAgent(ctx context.Context, tenant string, body []byte) (any, error) {
	in, err := api.Decode[Enrolment](body)
	if err != nil {
		return nil, err
	}
	t, err := s.tenant(tenant)
	if err != nil {
		return nil, err
	}
	a, err := s.Enrol(ctx, t, in)
	if err != nil {
		return nil, err
	}
	return s.agentView(a), s.record(ctx, tenant, "agent.put", in.By, "", "", a.ID)
}

// Enrol puts an agent on the roster, or changes its entry; the same entry
// again changes nothing. It is how agent.put and the configuration enrol.
func (s *Service) Enrol(ctx context.Context, t tenants.Tenant, in Enrolment) (*lifecycle.Agent, error) {
	if in.Connection == "" {
		in.Connection = t.Connection
	}
	conn, ok := s.Directory.Connection(t.Name, in.Connection)
	var faults []events.Fault
	if !ok {
		faults = append(faults, events.Fault{Pointer: "/connection", Code: "unknown_connection", Message: "it is not a connection of this tenant"})
	}
	if ok && !conn.Provider.Can.Claims {
		faults = append(faults, events.Fault{Pointer: "/connection", Code: events.FaultAgentsUnsupported, Message: "the connection takes calls for queues of its own alone"})
	}
	if ok && conn.Provider.Can.Token && in.Token == "" {
		faults = append(faults, events.Fault{Pointer: "/token", Code: events.FaultMissing, Message: "an agent of this connection is enrolled with a token of its own"})
	}
	if faults = append(in.faults(), faults...); len(faults) > 0 {
		return nil, api.BadRequest("agent.put: "+faults[0].Pointer+" "+faults[0].Message, faults...)
	}
	in.By = events.Showable(in.By)
	if in.ProviderAgent == "" {
		in.ProviderAgent = in.Agent
	}
	ref := log.Ref{Tenant: t.Name, ID: events.AgentToken(in.Agent)}
	at := seat{tenant: t.Name, connection: in.Connection, agent: in.ProviderAgent}
	out, err := s.Log.LatestAgent(ctx, ref)
	if err == nil {
		err = s.abreast(ctx, ctx)
	}
	if err != nil {
		return out, err
	}
	done, err := s.Log.UpdateAgent(ctx, ref, func(a *lifecycle.Agent) (*log.Draft, error) {
		out = a
		since := uint64(math.MaxUint64)
		if a.Enrolled() && seatOf(a) == at {
			since = a.Seat()
		}
		if other := s.index.Before(at, ref.ID, since); other != "" {
			return nil, api.Conflict("agent " + other + " is the same agent of the provider's: one person would be on two calls; remove that one first")
		}
		if same, err := s.sameEnrolment(ctx, t, a, in); err != nil || same {
			return nil, err
		}
		if err := s.mayChange(ctx, t, a, in); err != nil {
			return nil, err
		}
		return s.enrolment(t, a, in, conn)
	})
	if err == nil && done.Record.Seq > 0 {
		out = lifecycle.FoldAgent(t.Name, ref.ID, done.Record)
		s.index.Learn(done.Record)
		err = s.leaveTaken(ctx, out)
	}
	return out, err
}

func (s *Service) enrolment(t tenants.Tenant, a *lifecycle.Agent, in Enrolment, conn tenants.Connection) (*log.Draft, error) {
	now := s.Now()
	after, v := a.After(events.Enrolled, "", "", now)
	if v == lifecycle.Illegal {
		return nil, api.Conflict("the agent cannot be enrolled now")
	}
	after.Connection, after.Kind, after.ProviderAgent, after.HuntGroups = conn.Name, string(conn.Kind), in.ProviderAgent, in.HuntGroups
	after.EnrolledSeq, after.SeatSeq = 0, 0
	if a.Enrolled() {
		after.SeatSeq = a.Seat()
	}
	if a.State.Connection != conn.Name || a.State.Kind != string(conn.Kind) || a.State.ProviderAgent != in.ProviderAgent {
		// Whoever was ready at one seat has yet to sign in at the other.
		after.Session, after.Bridge, after.Provider, after.SeatSeq = "", "", nil, 0
		after.Presence, after.Since, after.Reason = events.Offline, now, ""
	}
	if after.Presence == events.Offline && conn.Provider.Can.AssumesReady() {
		after.Presence, after.Since = events.Ready, now // nobody signs in there
	}
	body := &events.AgentEnrolled{By: in.By, State: after}
	if in.Token != "" {
		sealed, err := t.Key.Seal(in.Token, tenants.SealAbout(t.Name, a.ID))
		if err != nil {
			return nil, err
		}
		body.Token = sealed
	}
	d := log.NextOfAgent(a, events.Orchestrator, events.Enrolled, now, body)
	d.Cause = s.NewID() // the command: two of them are never one
	return d, nil
}

// sameEnrolment reports whether the roster says this already, token included.
func (s *Service) sameEnrolment(ctx context.Context, t tenants.Tenant, a *lifecycle.Agent, in Enrolment) (bool, error) {
	conn, _ := s.Directory.Connection(t.Name, in.Connection)
	if !a.Enrolled() || a.State.Connection != in.Connection || a.State.Kind != string(conn.Kind) || a.State.ProviderAgent != in.ProviderAgent ||
		!slices.Equal(a.State.HuntGroups, in.HuntGroups) {
		return false, nil
	}
	r, err := s.Log.At(ctx, events.AgentFamily, a.State.EnrolledSeq)
	if err != nil {
		return false, err
	}
	e, ok := r.Body.(*events.AgentEnrolled)
	if !ok {
		return false, nil
	}
	if e.Token == "" || in.Token == "" {
		return e.Token == "" && in.Token == "", nil
	}
	was, err := t.Key.Open(e.Token, tenants.SealAbout(t.Name, a.ID))
	return err == nil && was == in.Token, nil
}

type agentRequest struct {
	Agent  string `json:"agent"`
	Reason string `json:"reason,omitempty"`
	By     string `json:"by,omitempty"`
}

// agentCommand reads the body and the agent, which must exist.
func (s *Service) agentCommand(ctx context.Context, tenant string, body []byte) (agentRequest, *lifecycle.Agent, error) {
	in, err := api.Decode[agentRequest](body)
	if err != nil {
		return in, nil, err
	}
	if in.Agent == "" {
		return in, nil, api.BadRequest("agent is missing")
	}
	in.By, in.Reason = events.Showable(in.By), events.Showable(in.Reason)
	a, err := s.Log.LatestAgent(ctx, log.Ref{Tenant: tenant, ID: events.AgentToken(in.Agent)})
	if err == nil && a.Last.Seq == 0 {
		err = api.NotFound("no such agent")
	}
	return in, a, err
}

func (s *Service) onGetAgent(ctx context.Context, tenant string, body []byte) (any, error) {
	_, a, err := s.agentCommand(ctx, tenant, body)
	if err != nil {
		return nil, err
	}
	return s.agentView(a), nil
}

func (s *Service) onListAgents(_ context.Context, tenant string, body []byte) (any, error) {
	if _, err := api.Decode[struct{}](body); err != nil {
		return nil, err
	}
	if _, err := s.tenant(tenant); err != nil {
		return nil, err
	}
	out := []AgentView{}
	for _, a := range s.index.Agents(tenant) {
		if a.Enrolled() {
			out = append(out, s.agentView(a))
		}
	}
	return map[string]any{"agents": out}, nil
}

func (s *Service) onRemoveAgent(ctx context.Context, tenant string, body []byte) (any, error) {
	in, a, err := s.agentCommand(ctx, tenant, body)
	if err != nil {
		return nil, err
	}
	_, err = s.Log.UpdateAgent(ctx, agentRef(a), func(a *lifecycle.Agent) (*log.Draft, error) {
		if !a.Enrolled() {
			return nil, nil
		}
		switch {
		case a.State.Claim != nil:
			return nil, api.Conflict("the agent is on a call; release or wait")
		case a.State.Quarantine != nil: // whoever took the seat could be called into that call
			return nil, api.Conflict("the agent is held back, for it may be on a call; release it or wait")
		}
		return s.removed(a, in.By, in.Reason), nil
	})
	if err != nil {
		return nil, err
	}
	out := map[string]string{"agent": a.ID, "status": "removed"}
	if slices.ContainsFunc(s.Roster[tenant], func(e Enrolment) bool { return e.Agent == a.ID }) {
		out["note"] = "the configuration lists this agent, and the next start enrols it again; take it out there as well"
	}
	return out, s.record(ctx, tenant, "agent.remove", in.By, in.Reason, "", a.ID)
}

func (s *Service) removed(a *lifecycle.Agent, by, reason string) *log.Draft {
	now := s.Now()
	after, _ := a.After(events.Removed, "", reason, now)
	return log.NextOfAgent(a, events.Orchestrator, events.Removed, now, &events.AgentRemoved{By: by, State: after})
}

// onReleaseAgent sets an agent free by hand. The call that holds it first gets
// an event that makes dialing illegal; one that was dialed is not let go of.
func (s *Service) onReleaseAgent(ctx context.Context, tenant string, body []byte) (any, error) {
	in, a, err := s.agentCommand(ctx, tenant, body)
	if err != nil {
		return nil, err
	}
	if in.Reason == "" {
		return nil, api.BadRequest("reason is missing: a release by hand is on record with its reason")
	}
	if a.State.Claim == nil && a.State.Quarantine == nil {
		return s.agentView(a), nil
	}
	unreadable := false
	if a.State.Claim != nil {
		err := s.stopForRelease(ctx, tenant, a.State.Claim.Call, in)
		if _, refused := errors.AsType[*api.Error](err); err != nil && (refused || fault.Of(err) != fault.Permanent) {
			return nil, err
		}
		// Nobody can read the call, so nobody dials it; but nobody knows what it
		// left at the provider either.
		unreadable = err != nil
	}
	fence := a.Fence
	done, err := s.Log.UpdateAgent(ctx, agentRef(a), func(now *lifecycle.Agent) (*log.Draft, error) {
		switch a = now; {
		case a.Fence != fence, a.State.Claim == nil && a.State.Quarantine == nil:
			return nil, nil // free, or another call's by now
		case withdrawing(a, s.Now()):
			return nil, api.Conflict("what the provider holds prepared in the agent's session is being withdrawn; " +
				"the agent is set free as soon as the provider shows it ready")
		case unreadable:
			return s.quarantined(a, a.State.Claim.Call, in.Reason), nil
		}
		return s.released(a, events.AgentReleased{Cause: in.Reason, By: in.By}), nil
	})
	if err != nil {
		return nil, err
	}
	if done.Record.Seq > 0 {
		a = lifecycle.FoldAgent(a.Tenant, a.ID, done.Record)
	}
	return s.agentView(a), s.record(ctx, tenant, "agent.release", in.By, in.Reason, "", a.ID)
}

// mayChange refuses to move an agent to another seat while a call holds it: the
// other seat's telephone says nothing about that call. Hunt groups may change.
func (s *Service) mayChange(ctx context.Context, t tenants.Tenant, a *lifecycle.Agent, in Enrolment) error {
	if a.State.Claim == nil && a.State.Quarantine == nil {
		return nil
	}
	in.HuntGroups = a.State.HuntGroups
	same, err := s.sameEnrolment(ctx, t, a, in)
	if err == nil && !same {
		err = api.Conflict("the agent is on a call, or held back; its connection, provider agent and token can change when it is free")
	}
	return err
}

// stopForRelease makes dialing illegal for the call that holds the agent.
func (s *Service) stopForRelease(ctx context.Context, tenant, call string, in agentRequest) error {
	ref := log.Ref{Tenant: tenant, ID: call}
	if _, err := s.Log.LatestCall(ctx, ref); err != nil {
		return err
	}
	_, err := s.Log.Update(ctx, ref, func(c *lifecycle.Call) (*log.Draft, error) {
		switch {
		case !c.Open(), c.Cancel != nil && c.Dialing == nil && !c.Touched:
			return nil, nil
		case c.Dialing != nil || c.Touched:
			return nil, api.Conflict("the call that holds the agent is at the provider; cancel the call and wait for its end")
		case c.State == lifecycle.Requested || c.State == lifecycle.Waiting:
			// It does not hold the agent any more, or not yet: then it must not.
			return s.waiting(c, asBefore(c, "released"))
		}
		return log.NextOfCall(c, events.Orchestrator, events.CancelRequested, s.Now(),
			&events.CallCancelRequested{By: events.ByOperator, Reason: in.Reason})
	})
	return err
}
