package compliance

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

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
	conn, ok := s.Directory.Connection(c.Tenant, c.Assigned.Connection)
	if !ok {
		return s.preparationFailed(ctx, r, fault.New(fault.Permanent, "judge", "no_connection", orders.ErrNoConnection), false)
	}
	if conn.Provider.Configured != nil || conn.Provider.Preparer != nil {
		return s.askProvider(ctx, r, c)
	}
	return s.byRules(ctx, r, demands{loopback: conn.Loopback})
}

// askProvider answers for an assignment to a provider that has settings or
// prepares.
func (s *Service) askProvider(ctx context.Context, r events.Record, c *lifecycle.Call) error {
	// Whose settings are asked for; whoever touches the provider asks once more
	// whether she is still the call's.
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
	d, err := s.demands(ctx, conn, o)
	if err != nil {
		return s.preparationFailed(ctx, r, err, false)
	}
	if conn.Provider.Preparer != nil {
		return s.prepare(ctx, r, d)
	}
	return s.byRules(ctx, r, d)
}

// byRules answers for an assignment by our rules alone.
func (s *Service) byRules(ctx context.Context, r events.Record, d demands) error {
	_, err := s.Log.Update(ctx, log.RefOf(r), func(c *lifecycle.Call) (*log.Draft, error) {
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
	others   bool // the person's other numbers are judged though her own may not be called
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

// A verdict is the rules' decision about a call's own number, and what follows
// for the call.
type verdict struct {
	rules.Decision
	numbers []events.Number // that may ring, in order, where it is allowed
	callAt  *time.Time      // when the provider is to call; nil: now
}

// clears says whether a number may ring.
func (v verdict) clears(token string) bool {
	return v.Allowed && slices.ContainsFunc(v.numbers, func(n events.Number) bool { return n.Token == token })
}

// judge puts the facts together and asks the rules. Without the call's own number
// there is no call; of the person's others, those that may not be called are left
// out where the provider would call them, and else are evidence alone.
func (s *Service) judge(ctx context.Context, c *lifecycle.Call, d demands) verdict {
	q := c.Request.Request
	t, _ := s.Directory.Tenant(c.Tenant)
	v := verdict{numbers: []events.Number{c.Request.Number}}
	f := s.facts(q, t, d)
	at, asked := q.ScheduledAt()
	if asked {
		f.Now, v.callAt = at, &at // the windows are those of the instant at which it rings
	}
	own := s.companyList(ctx, t, q.To, f)
	v.Decision = rules.Decide(s.ruleset(t, q, d), own, s.Zones)
	if d.known && !d.Enabled {
		v.refuse(events.Reason{Code: "MANUAL_DIAL_DISABLED", Rule: "provider-settings",
			Detail: "the agent's hunt group does not allow manual dialing", Source: "TCN manual dial, step 2"})
	}
	if asked {
		s.atInstant(&v, c, at)
	}
	if (v.Allowed || d.others) && takesAlternates(s.connection(c)) {
		s.judgeAlternates(ctx, &v, q, t, f, d)
	}
	return v
}

// refuse adds objections that no waiting cures.
func (v *verdict) refuse(why ...events.Reason) {
	v.Allowed, v.NextAllowedAt = false, nil
	v.Reasons = byPrecedence(append(v.Reasons, why...))
}

// connection is the one that the call is assigned to, if it is.
func (s *Service) connection(c *lifecycle.Call) providers.Provider {
	if c.Assigned == nil {
		return providers.Provider{}
	}
	conn, _ := s.Directory.Connection(c.Tenant, c.Assigned.Connection)
	return conn.Provider
}

// takesAlternates says whether a provider may call a person's other numbers. One
// with a verdict of its own is asked for one number, and has said nothing of others.
func takesAlternates(p providers.Provider) bool { return p.Can.Alternates && p.Preparer == nil }

// atInstant objects to an instant that cannot be kept. Waiting cures nothing: the
// request named it.
func (s *Service) atInstant(v *verdict, c *lifecycle.Call, at time.Time) {
	v.NextAllowedAt = nil
	why := ""
	switch {
	case c.Assigned != nil && !(s.connection(c).Can.Schedules && c.Queued()):
		why = "the provider is not told when to call"
	case c.Dialing == nil && !at.After(s.Now()):
		why = "the instant at which to call has passed"
	case !at.Before(c.Request.ExpiresAt):
		why = "the request expires before the instant at which to call"
	default:
		return
	}
	v.refuse(events.Reason{Code: rules.InvalidSchedule, Rule: "schedule", Detail: why})
}

// judgeAlternates judges each of the person's other numbers as if it were the one
// to call, and the one to call another of hers. The pass ends with the first of
// those that it clears.
func (s *Service) judgeAlternates(ctx context.Context, v *verdict, q events.DialRequest, t tenants.Tenant, f rules.Facts, d demands) {
	all := q.Numbers()
	rs := s.ruleset(t, q, d)
	for i, number := range all[1:] {
		f.To, f.Alternates = number, slices.Delete(slices.Clone(all), i+1, i+2)
		dec := rules.Decide(rs, s.companyList(ctx, t, number, f), s.Zones)
		is := events.NumberVerdict{Number: t.Key.Number(number), Allowed: dec.Allowed, Country: dec.Evidence.Country,
			NumberType: dec.Evidence.NumberType, Reasons: dec.Reasons}
		if of := dec.Evidence.Lists; len(of) > 0 {
			is.List = of[0]
		}
		v.Evidence.Alternates = append(v.Evidence.Alternates, is)
		if !dec.Allowed {
			continue
		}
		v.numbers = append(v.numbers, is.Number)
		if dec.ValidUntil.Before(v.ValidUntil) {
			v.ValidUntil = dec.ValidUntil
		}
	}
}

func (s *Service) facts(q events.DialRequest, t tenants.Tenant, d demands) rules.Facts {
	f := rules.Facts{
		Now: s.Now(), To: q.To, Alternates: q.Alternates, Purpose: q.Purpose, Mode: q.Mode,
		PostalCode: q.PostalCode, Region: q.Region, TimeZone: q.TimeZone,
		Countries: t.Countries, TotalDigits: d.TotalDigits, RequiredMetadata: d.RequiredMetadata, Overrides: q.Overrides,
	}
	for _, m := range q.Metadata {
		// An alias adds a name and takes none away: what the request calls a
		// postal code stays one, whatever the provider calls it.
		f.Metadata = append(f.Metadata, m)
		for from, to := range d.Aliases {
			if strings.EqualFold(from, m.Key) {
				f.Metadata = append(f.Metadata, events.KeyValue{Key: to, Value: m.Value})
			}
		}
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

// companyList asks the company's do-not-call list about a number. A list that cannot
// be read is a fact not known, and refuses the number.
func (s *Service) companyList(ctx context.Context, t tenants.Tenant, number string, f rules.Facts) rules.Facts {
	if !events.IsE164(number) {
		return f // of a store of former days: no list knows such a number
	}
	fact, seq, err := s.Facts.Fact(ctx, t.Name, FactDNC, t.Key.NumberToken(number))
	if err != nil {
		return f
	}
	f.ListVersion = listVersion(seq)
	f.OnCompanyList = rules.No
	if stands := readEntry(fact, f.Now); stands.listed() {
		f.OnCompanyList, f.ListedUntil = rules.Yes, stands.until
	}
	return f
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
