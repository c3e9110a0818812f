package orchestrator

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/outdial/outdial/internal/api"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// Endpoints lists the commands and queries that the orchestrator answers.
func (s *Service) Endpoints() []api.Endpoint {
	return []api.Endpoint{
		{Group: "call", Verb: "get", Does: "state and timeline of a call: {call} or {source, id}", Handle: s.onGet},
		{Group: "call", Verb: "find", Does: "calls, newest first, by {to?, reference?, contact?, campaign?, agent?, from?, until?, before?}", Handle: s.onFind},
		{Group: "call", Verb: "explain", Does: "why a call passed or failed, rule by rule: {call}", Handle: s.onExplain},
		{Group: "call", Verb: "cancel", Does: "withdraw {call} or every call of a {campaign}", Handle: s.onCancel},
		{Group: "agent", Verb: "put", Does: "enrol: {agent, connection, providerAgent, huntGroups, token}", Handle: s.onPutAgent},
		{Group: "agent", Verb: "remove", Does: "take off the roster: {agent}", Handle: s.onRemoveAgent},
		{Group: "agent", Verb: "get", Does: "one agent: {agent}", Handle: s.onGetAgent},
		{Group: "agent", Verb: "list", Does: "all agents of the tenant", Handle: s.onListAgents},
		{Group: "agent", Verb: "release", Does: "set an agent free: {agent, reason}", Handle: s.onReleaseAgent},
	}
}

// A CallRef names a call, by its id or by its request's identity.
type CallRef struct {
	Call   string `json:"call,omitempty"`
	Source string `json:"source,omitempty"`
	ID     string `json:"id,omitempty"`
}

func (s *Service) refer(ctx context.Context, tenant string, body []byte) (*lifecycle.Call, error) {
	in, err := api.Decode[CallRef](body)
	if err != nil {
		return nil, err
	}
	if _, err := s.tenant(tenant); err != nil {
		return nil, err
	}
	id := in.Call
	if id == "" && in.Source != "" && in.ID != "" {
		id = events.CallID(tenant, in.Source, in.ID)
	}
	if !events.IsToken(id) {
		return nil, api.BadRequest("give call, or source and id of the request")
	}
	c, err := s.Log.LatestCall(ctx, log.Ref{Tenant: tenant, ID: id})
	if err != nil {
		return nil, err
	}
	if c.Request == nil {
		return nil, s.noCall("no such call; a request that was refused is in the stream REJECTED")
	}
	return c, nil
}

// noCall says that a call is not on record. While the store is in question
// nothing is taken from the requests, and what it knew of may be lost.
func (s *Service) noCall(message string) error {
	if s.Standing().Held {
		return &api.Error{Code: "503", Message: "not known now: the store went back in time, and requests wait until it is accepted; ask again then"}
	}
	return api.NotFound(message)
}

// A CallView is what call.get answers. Personal data stays in the log.
type CallView struct {
	Call      string            `json:"call"`
	Tenant    string            `json:"tenant"`
	State     string            `json:"state"`
	Outcome   string            `json:"outcome,omitempty"`
	Reason    string            `json:"reason,omitempty"`
	Presumed  bool              `json:"presumed,omitempty"`
	Number    events.Number     `json:"number"`
	Agent     string            `json:"agent,omitempty"`
	HuntGroup string            `json:"huntGroup,omitempty"`
	Queue     string            `json:"queue,omitempty"`
	Campaign  string            `json:"campaign,omitempty"`
	Reference string            `json:"reference,omitempty"`
	Source    string            `json:"requestSource"`
	RequestID string            `json:"requestId"`
	ExpiresAt time.Time         `json:"expiresAt"`
	Durations *events.Durations `json:"durations,omitempty"`
	Timeline  []TimelineEntry   `json:"timeline"`
}

// A TimelineEntry is one event of a call, in one line.
type TimelineEntry struct {
	Seq   uint64    `json:"seq"`
	At    time.Time `json:"at"`
	Role  string    `json:"role"`
	Event string    `json:"event"`
	Says  string    `json:"says,omitempty"`
}

func (s *Service) onGet(ctx context.Context, tenant string, body []byte) (any, error) {
	c, err := s.refer(ctx, tenant, body)
	if err != nil {
		return nil, err
	}
	return View(c), nil
}

// View shows a call without personal data.
func View(c *lifecycle.Call) CallView {
	v := CallView{Call: c.ID, Tenant: c.Tenant, State: string(c.State), Number: c.Request.Number,
		Campaign: c.Request.Campaign, Reference: c.Request.Reference, ExpiresAt: c.Request.ExpiresAt,
		HuntGroup: c.Request.Request.HuntGroup, Queue: c.Request.Request.Queue, Source: c.Request.RequestSource, RequestID: c.Request.RequestID}
	if a := lastAssigned(c); a != nil {
		v.Agent = a.Agent
	}
	if c.Closed != nil {
		v.Outcome, v.Reason, v.Presumed, v.Durations = c.Closed.Outcome, c.Closed.Reason, c.Closed.Presumed, &c.Closed.Durations
	}
	for _, r := range c.Log {
		v.Timeline = append(v.Timeline, TimelineEntry{r.Seq, r.Time, string(r.Role), string(r.Name), Summary(r)})
	}
	return v
}

// Summary puts an event into a few words, never personal ones.
func Summary(r events.Record) string {
	switch b := r.Body.(type) {
	case *events.CallWaiting:
		if b.Until != nil {
			return b.Reason + " until " + b.Until.UTC().Format(time.RFC3339)
		}
		return b.Reason
	case *events.CallAssigned:
		if b.Queued() {
			return "queue " + b.Queue
		}
		return "agent " + b.Agent
	case *events.CallFailed:
		var codes []string
		for _, why := range b.Reasons {
			codes = append(codes, why.Code)
		}
		return strings.Join(codes, ", ")
	case *events.CallPassed:
		return "valid until " + b.ValidUntil.UTC().Format(time.RFC3339)
	case *events.CallCancelRequested:
		return "by " + b.By
	case *events.CallWithheld:
		return b.Reason
	case *events.CallRefused:
		return b.Code
	case *events.CallUnknown:
		return b.Code
	case *events.CallNotPlaced:
		return b.Evidence
	case *events.CallCancelFailed:
		return b.Reason
	case *events.CallStarted:
		return b.Evidence
	case *events.CallProgress:
		return strings.TrimSpace(b.Event + " " + b.Reason)
	case *events.CallClosed:
		return b.Outcome + ": " + b.Reason
	}
	return ""
}

type findRequest struct {
	To        string     `json:"to,omitempty"`
	Reference string     `json:"reference,omitempty"`
	Contact   string     `json:"contact,omitempty"`
	Campaign  string     `json:"campaign,omitempty"`
	Agent     string     `json:"agent,omitempty"`
	From      *time.Time `json:"from,omitempty"`
	Until     *time.Time `json:"until,omitempty"`
	// Before is a place of CALLS, what an answer said as its next.
	Before uint64 `json:"before,omitempty"`
}

// maxFound is how many calls one answer lists, and some more.
const maxFound = 500

func (s *Service) onFind(ctx context.Context, tenant string, body []byte) (any, error) {
	in, err := api.Decode[findRequest](body)
	if err != nil {
		return nil, err
	}
	if _, ok := s.Directory.Tenant(tenant); !ok {
		return nil, api.NotFound("no such tenant")
	}
	// A number is asked for in the form in which requests are taken, or the answer
	// would be about another number than the one meant.
	if in.To != "" && !events.IsE164(in.To) {
		return nil, api.BadRequest("to is not a telephone number in E.164", events.Fault{Pointer: "/to", Code: events.FaultNotE164, Message: "give it as E.164, e.g. +1 and ten digits"})
	}
	found, rest, left, err := s.find(ctx, tenant, in.Before, func(l Line) bool {
		return (in.To == "" || slices.Contains(l.numbers, in.To)) &&
			(in.Reference == "" || l.Reference == in.Reference) &&
			(in.Contact == "" || l.Contact == in.Contact) &&
			(in.Campaign == "" || l.Campaign == in.Campaign) &&
			(in.Agent == "" || l.Agent == events.AgentToken(in.Agent)) &&
			(in.From == nil || !l.Requested.Before(*in.From)) &&
			(in.Until == nil || l.Requested.Before(*in.Until))
	})
	if err != nil {
		return nil, err
	}
	out := struct {
		Calls []Line `json:"calls"`
		Count int    `json:"count"`
		More  bool   `json:"more,omitempty"` // there are, or may be, more
		Next  uint64 `json:"next,omitempty"` // ask again with it as before for what closed earlier
		Left  int    `json:"left,omitempty"` // open ones that match and are not listed, nor any closed one
	}{Calls: found, Count: len(found), More: left > 0 || rest > 0, Next: rest, Left: left}
	return out, nil
}

// An Explanation is what call.explain answers: the last decision of
// compliance and those before it, with their evidence.
type Explanation struct {
	Call      string          `json:"call"`
	State     string          `json:"state"`
	Number    events.Number   `json:"number"`
	Decisions []DecisionShown `json:"decisions"`
}

// A DecisionShown is one decision of compliance.
type DecisionShown struct {
	At            time.Time       `json:"at"`
	Passed        bool            `json:"passed"`
	Reasons       []events.Reason `json:"reasons,omitempty"`
	NextAllowedAt *time.Time      `json:"nextAllowedAt,omitempty"`
	ValidUntil    *time.Time      `json:"validUntil,omitempty"`
	Retry         bool            `json:"retry,omitempty"`
	Scrub         *events.Scrub   `json:"scrub,omitempty"`
	Evidence      events.Evidence `json:"evidence"`
}

func (s *Service) onExplain(ctx context.Context, tenant string, body []byte) (any, error) {
	c, err := s.refer(ctx, tenant, body)
	if err != nil {
		return nil, err
	}
	x := Explanation{Call: c.ID, State: string(c.State), Number: c.Request.Number, Decisions: []DecisionShown{}}
	for _, r := range c.Log {
		switch b := r.Body.(type) {
		case *events.CallFailed:
			x.Decisions = append(x.Decisions, DecisionShown{At: r.Time, Reasons: b.Reasons,
				NextAllowedAt: b.NextAllowedAt, Retry: b.Retry, Scrub: b.Scrub, Evidence: b.Evidence})
		case *events.CallPassed:
			x.Decisions = append(x.Decisions, DecisionShown{At: r.Time, Passed: true,
				ValidUntil: &b.ValidUntil, Scrub: b.Scrub, Evidence: b.Evidence})
		}
	}
	return x, nil
}

type cancelRequest struct {
	CallRef
	Campaign string `json:"campaign,omitempty"`
	// As is for whom it is asked, operator or upstream, and By the name of who
	// asks. Without As a name speaks for an operator: so it was before.
	As     string `json:"as,omitempty"`
	By     string `json:"by,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Cancelled is what became of one call's cancellation.
type Cancelled struct {
	Call   string `json:"call"`
	State  string `json:"state"`
	Status string `json:"status"`           // requested, already, cancel_failed, closed; of a campaign also failed: ask again
	Reason string `json:"reason,omitempty"` // of cancel_failed
}

func (s *Service) onCancel(ctx context.Context, tenant string, body []byte) (any, error) {
	in, err := api.Decode[cancelRequest](body)
	if err != nil {
		return nil, err
	}
	if _, err := s.tenant(tenant); err != nil {
		return nil, err
	}
	in.By, in.Reason = events.Showable(in.By), events.Showable(in.Reason)
	switch in.As {
	case events.ByOperator, events.ByUpstream:
	case "":
		in.As = events.ByUpstream
		if in.By != "" {
			in.As = events.ByOperator
		}
	default:
		return nil, api.BadRequest("as is operator or upstream", events.Fault{Pointer: "/as", Code: "unknown_value", Message: "is operator or upstream"})
	}
	if in.Call == "" && in.Source != "" && in.ID != "" {
		in.Call = events.CallID(tenant, in.Source, in.ID)
	}
	if (in.Call == "") == (in.Campaign == "") {
		return nil, api.BadRequest("give either call (or source and id of its request) or campaign")
	}
	ids := []string{in.Call}
	if in.Campaign != "" {
		ids = nil
		for _, l := range s.index.Find(tenant, func(l Line) bool { return l.Campaign == in.Campaign && l.Closed == nil }) {
			ids = append(ids, l.Call)
		}
	}
	out := make([]Cancelled, 0, len(ids))
	for _, id := range ids {
		done, err := s.cancelOne(ctx, tenant, id, in)
		switch {
		case err != nil && in.Campaign == "":
			return nil, err
		case err != nil: // the others of the campaign are cancelled all the same
			done.Status = "failed"
			s.Logger.WarnContext(ctx, "a call of a campaign is not cancelled", "call", id, "code", fault.Code(err))
		}
		out = append(out, done)
	}
	return map[string]any{"calls": out}, s.record(ctx, tenant, "call.cancel", in.By, in.Reason, in.Call, "")
}

func (s *Service) cancelOne(ctx context.Context, tenant, id string, in cancelRequest) (Cancelled, error) {
	out := Cancelled{Call: id, Status: "requested"}
	if !events.IsToken(id) {
		return out, api.BadRequest("call is not a call id")
	}
	ref := log.Ref{Tenant: tenant, ID: id}
	if _, err := s.Log.LatestCall(ctx, ref); err != nil { // the answer is about what was acknowledged
		return out, err
	}
	_, err := s.Log.Update(ctx, ref, func(c *lifecycle.Call) (*log.Draft, error) {
		out.State = string(c.State)
		switch {
		case c.Request == nil:
			return nil, s.noCall("no such call")
		case !c.Open():
			out.Status = "closed"
			return nil, nil
		case c.Cancel != nil:
			out.Status = "already"
		}
		if out.Reason = s.cannotCancel(c); out.Reason != "" {
			out.Status = string(events.CancelFailed)
		}
		if c.Cancel != nil {
			return nil, nil
		}
		return log.NextOfCall(c, events.Orchestrator, events.CancelRequested, s.Now(),
			&events.CallCancelRequested{By: in.As, Reason: in.Reason})
	})
	return out, err
}

// cannotCancel is why the call goes on though somebody wants it withdrawn, "" if
// that is not known: it was tried, or the provider cannot and the call is up. The
// wish is on record all the same.
func (s *Service) cannotCancel(c *lifecycle.Call) string {
	if failed, ok := lastOf(c, events.CancelFailed).Body.(*events.CallCancelFailed); ok && c.CancelFailed {
		return failed.Reason
	}
	switch c.State {
	case lifecycle.Refused, lifecycle.NotPlaced, lifecycle.Withdrawn:
		return ""
	}
	if c.Dialing == nil || c.Assigned == nil {
		return ""
	}
	if conn, ok := s.Directory.Connection(c.Tenant, c.Assigned.Connection); !ok || conn.Provider.Can.Withdraw {
		return ""
	}
	return events.CancelUnsupported
}

// record puts a command on record, with who and why.
func (s *Service) record(ctx context.Context, tenant, what, by, reason, call, agent string) error {
	if by == "" {
		by = "not said"
	}
	return s.Notes.Ops(ctx, events.Ops{Event: "command", Service: "orchestrator", Tenant: tenant,
		What: what, By: by, Reason: reason, Call: call, Agent: agent, At: s.Now()})
}

func (s *Service) tenant(name string) (tenants.Tenant, error) {
	t, ok := s.Directory.Tenant(name)
	if !ok {
		return t, api.NotFound("no such tenant")
	}
	return t, nil
}
