package compliance

import (
	"cmp"
	"context"
	"time"

	"github.com/outdial/outdial/internal/api"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/services/compliance/rules"
)

// Endpoints lists the commands and queries that compliance answers.
func (s *Service) Endpoints() []api.Endpoint {
	return []api.Endpoint{
		{Group: "compliance", Verb: "check", Does: "the decision a request would get: {request, at?}", Handle: s.onCheck},
		{Group: "dnc", Verb: "add", Does: "add to the company do-not-call list: {contacts: [{phone_number, expires_at?}], origin?: company|consumer, by?, reason?}",
			Handle: command(s, "dnc.add", s.addDNC)},
		{Group: "dnc", Verb: "remove", Does: "take off the company do-not-call list: {phone_numbers: [], by?, reason?}; a consumer's own entry needs by and reason",
			Handle: command(s, "dnc.remove", s.removeDNC)},
		{Group: "dnc", Verb: "check", Does: "is a number on the company do-not-call list: {phone_number}",
			Handle: func(ctx context.Context, tenant string, body []byte) (any, error) {
				t, in, err := open[dncCheck](s, tenant, body)
				if err != nil {
					return nil, err
				}
				return s.checkDNC(ctx, t, in)
			}},
	}
}

// open finds the tenant and reads the body.
func open[T any](s *Service, tenant string, body []byte) (tenants.Tenant, T, error) {
	in, err := api.Decode[T](body)
	t, ok := s.Directory.Tenant(tenant)
	if !ok {
		return t, in, api.NotFound("no such tenant")
	}
	return t, in, err
}

// command is a handler that changes something, and so is put on record in OPS.
func command[T interface{ said() who }, R any](s *Service, what string, do func(context.Context, tenants.Tenant, T) (R, error)) func(context.Context, string, []byte) (any, error) {
	return func(ctx context.Context, tenant string, body []byte) (any, error) {
		t, in, err := open[T](s, tenant, body)
		if err != nil {
			return nil, err
		}
		out, err := do(ctx, t, in)
		if err != nil {
			return nil, err
		}
		return out, s.Notes.Ops(ctx, events.Ops{Event: "command", Service: "compliance", Tenant: tenant, What: what,
			By: cmp.Or(in.said().By, "not said"), Reason: in.said().Reason, At: s.Now()})
	}
}

// checkRequest is the body of compliance.check.
type checkRequest struct {
	Request    events.DialRequest `json:"request"`
	At         *time.Time         `json:"at,omitempty"`
	Connection string             `json:"connection,omitempty"`
}

// CheckAnswer is the decision a request would get.
type CheckAnswer struct {
	Allowed       bool            `json:"allowed"`
	Primary       string          `json:"primary"`
	Reasons       []events.Reason `json:"reasons,omitempty"`
	ValidUntil    *time.Time      `json:"validUntil,omitempty"`
	NextAllowedAt *time.Time      `json:"nextAllowedAt,omitempty"`
	Evidence      events.Evidence `json:"evidence"`
	Note          string          `json:"note,omitempty"`
}

// onCheck is a dry run: our rules as they are now, without any provider.
func (s *Service) onCheck(ctx context.Context, tenant string, body []byte) (any, error) {
	t, in, err := open[checkRequest](s, tenant, body)
	if err != nil {
		return nil, err
	}
	q := in.Request
	if q.To == "" {
		return nil, api.BadRequest("request.to is missing", events.Fault{Pointer: "/request/to", Code: "missing", Message: "a number in E.164 is needed"})
	}
	conn, ok := s.Directory.Connection(tenant, cmp.Or(in.Connection, q.Connection, t.Connection))
	d := demands{loopback: ok && conn.Loopback}
	f := s.facts(q, t, d)
	if at, asked := q.ScheduledAt(); asked {
		f.Now = at
	} else if in.At != nil {
		f.Now = *in.At
	}
	v := verdict{Decision: rules.Decide(s.ruleset(t, q, d), s.companyList(ctx, t, q.To, f), s.Zones)}
	if v.Allowed && takesAlternates(conn.Provider) {
		s.judgeAlternates(ctx, &v, q, t, f, d)
	}
	out := CheckAnswer{Allowed: v.Allowed, Primary: v.Primary(), Reasons: v.Reasons,
		NextAllowedAt: v.NextAllowedAt, Evidence: v.Evidence}
	if v.Allowed {
		out.ValidUntil = &v.ValidUntil
	}
	if ok && conn.Provider.Preparer != nil {
		out.Note = "the provider's own scrub and settings are asked at dial time only"
	}
	return out, nil
}
