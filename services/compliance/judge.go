package compliance

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/orders"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/services/compliance/rules"
)

// FactDNC is the kind of a company do-not-call entry.
const FactDNC = "dnc"

// onAssigned answers for the assignment.
func (s *Service) onAssigned(ctx context.Context, r events.Record) error {
	c, err := s.Log.CallOf(ctx, r)
	if err != nil || !stillAssigned(c, r) {
		return err
	}
	// Whose settings are asked for; whoever touches the provider asks the
	// leader whether she is still the call's.
	a, err := orders.Lent(ctx, c, s.Log.Agent)
	if err != nil {
		return err
	}
	o, conn, err := s.book.BuildDialRequest(ctx, c, a)
	if err != nil && fault.Of(err) == fault.Permanent {
		return s.preparationFailed(ctx, r, err, false) // no repetition makes the order
	}
	if err != nil {
		return err
	}
	if conn.Provider.Configured != nil || conn.Provider.Preparer != nil {
		if err := worker.Aside(ctx, conn.Tenant, conn.Name); err != nil {
			return err
		}
		later, err := s.slot(ctx, conn)
		if err != nil {
			return err
		}
		if later != nil {
			return s.notPrepared(ctx, r, fault.New(fault.Transient, "prepare", rateLimited, nil), false, later)
		}
	}
	d, err := s.demands(ctx, conn, o)
	if err != nil {
		return s.preparationFailed(ctx, r, err, false)
	}
	if conn.Provider.Preparer != nil {
		return s.prepare(ctx, r, d)
	}
	_, err = s.Log.Update(ctx, log.RefOf(r), func(c *lifecycle.Call) (*log.Draft, error) { // by our rules alone
		if !stillAssigned(c, r) {
			return nil, nil
		}
		dec := s.judge(ctx, c, d)
		if !dec.Allowed {
			return s.failed(c, dec, nil, unread(dec), false)
		}
		return s.passed(c, dec, nil)
	})
	return err
}

// stillAssigned says whether the call stands where this assignment put it.
func stillAssigned(c *lifecycle.Call, assigned events.Record) bool {
	return c.State == lifecycle.Assigned && c.Refs.Assigned == assigned.Seq
}

// demands are what the provider's settings ask of a request, and whether the
// provider is a rehearsal on this machine.
type demands struct {
	providers.Settings
	known    bool // the settings were read
	loopback bool
}

// demands reads the provider's settings where it has any.
func (s *Service) demands(ctx context.Context, conn tenants.Connection, o providers.Order) (demands, error) {
	d := demands{loopback: conn.Loopback}
	if conn.Provider.Configured == nil {
		return d, nil
	}
	set, err := conn.Provider.Configured.Settings(ctx, o.Agent)
	d.Settings, d.known = set, err == nil
	return d, err
}

// knownBefore is what can be asked of a request before an agent, and with it
// the connection, is found. Whether the rule set may serve that connection is
// asked of the assignment.
func (s *Service) knownBefore() demands { return demands{loopback: true} }

// judge puts the facts together and asks the rules.
func (s *Service) judge(ctx context.Context, c *lifecycle.Call, d demands) rules.Decision {
	q := c.Request.Request
	t, _ := s.Directory.Tenant(c.Tenant)
	f := s.facts(q, t, d)
	s.companyList(ctx, c.Tenant, t.Key, q, &f)
	dec := rules.Decide(s.ruleset(t, q, d), f, s.Zones)
	if d.known && !d.Enabled {
		dec.Allowed, dec.NextAllowedAt = false, nil
		dec.Reasons = append(dec.Reasons, events.Reason{Code: "MANUAL_DIAL_DISABLED", Rule: "provider-settings",
			Detail: "the agent's hunt group does not allow manual dialing", Source: "TCN manual dial, step 2"})
	}
	return dec
}

func (s *Service) facts(q events.DialRequest, t tenants.Tenant, d demands) rules.Facts {
	f := rules.Facts{
		Now: s.Now(), To: q.To, Alternates: q.Alternates, From: q.From,
		Purpose: q.Purpose, Mode: q.Mode,
		PostalCode: q.PostalCode, Region: q.Region, TimeZone: q.TimeZone,
		Countries: t.Countries, TotalDigits: d.TotalDigits, RequiredMetadata: d.RequiredMetadata,
	}
	for _, m := range q.Metadata {
		// An alias adds a name and takes none away: what the request calls a
		// postal code stays one, whatever the provider calls it.
		f.Metadata = append(f.Metadata, rules.KeyValue{Key: m.Key, Value: m.Value})
		for from, to := range d.Aliases {
			if strings.EqualFold(from, m.Key) {
				f.Metadata = append(f.Metadata, rules.KeyValue{Key: to, Value: m.Value})
			}
		}
	}
	for _, o := range q.Overrides {
		f.Overrides = append(f.Overrides, rules.Override{Rule: o.Rule, Agent: o.Agent, Reason: o.Reason})
	}
	for rule, may := range d.Overrides {
		if may {
			f.OverridesAllowed = append(f.OverridesAllowed, rule)
		}
	}
	slices.Sort(f.OverridesAllowed)
	if s.Offset != 0 {
		f.ClockOffset = s.Offset.String()
	}
	return f
}

// companyList asks the company's do-not-call list. A list that cannot be read
// is a fact not known, and refuses the call.
func (s *Service) companyList(ctx context.Context, tenant string, key events.Key, q events.DialRequest, f *rules.Facts) {
	if !events.IsE164(q.To) {
		return // of a store of former days: no list knows such a number
	}
	fact, seq, err := s.Facts.Fact(ctx, tenant, FactDNC, key.NumberToken(q.To))
	if err != nil {
		return
	}
	f.ListVersion = listVersion(seq)
	f.OnCompanyList = rules.No
	if stands := readEntry(fact, f.Now); stands.listed() {
		f.OnCompanyList, f.ListedUntil = rules.Yes, stands.until
	}
}

// ruleset is the one the request names, or the tenant's. Which ones a request
// may name is asked again here, because a store may hold requests that were
// taken when nobody asked, or under other rule sets. A rule set that nobody
// approved serves providers on this machine only.
func (s *Service) ruleset(t tenants.Tenant, q events.DialRequest, d demands) rules.RuleSet {
	name := cmp.Or(q.Ruleset, t.Ruleset)
	rs, ok := s.Rulesets[name]
	if !ok || !slices.Contains(s.mayName[t.Name], name) || (!rs.Approved() && !d.loopback) {
		return rules.RuleSet{}
	}
	return rs
}

// lineage is the heads of the rule sets.
func lineage(sets map[string]rules.RuleSet) tenants.Lineage {
	heads := tenants.Lineage{}
	for name, r := range sets {
		heads[name] = tenants.RulesetHead{Extends: r.Extends, Tenants: r.Tenants, Shipped: r.Shipped}
	}
	return heads
}
