package rules

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"
)

// DefaultLease is how long a pass holds when the rule set says nothing.
const DefaultLease = 15 * time.Minute

// Where a rule set looks away. The zero values are the strict ones.
const (
	// NonGeographicDeny blocks toll-free and personal numbers.
	NonGeographicDeny = "deny"
	// NonGeographicWithLocation lets them pass if the request says where.
	NonGeographicWithLocation = "with-location"
	// ScopeAll holds every purpose to the windows.
	ScopeAll = "all"
	// ScopeSolicitation leaves out informational and research calls.
	ScopeSolicitation = "solicitation-only"
	// HabitOn counts the clock a place keeps against the law beside the legal one.
	HabitOn = "on"
	// HabitOff counts the legal clock alone.
	HabitOff = "off"
)

// A RuleSet says where and when calls may be made. Load makes one:
// a RuleSet that extends another is usable only once it has been merged with it.
type RuleSet struct {
	Name        string
	Description string
	Source      string   // where the windows come from: law, document, policy
	Extends     string   // the rule set it tightens
	Shipped     bool     // inside the binary
	Tenants     []string // whose it is, sorted; none: see tenants.Lineage
	ApprovedBy  string
	ApprovedOn  string // YYYY-MM-DD

	Countries []string  // ISO 3166-1 alpha-2, sorted
	Week      [7]Window // by time.Weekday

	// Zone, if set, is one more zone in which the window must be open, wherever
	// the person is: that of the calling desk, for instance.
	Zone      string
	EndMargin time.Duration // every window ends this much earlier
	Lease     time.Duration // how long a pass holds at most; 0 is DefaultLease

	NonGeographic  string
	WindowScope    string
	DeFactoZones   string
	AllowOverrides []string // rule ids an agent may override, if the provider agrees
}

// Approved reports whether somebody put a name and a day under the rule set.
// Unapproved ones serve providers on loopback only; the caller sees to that.
func (r RuleSet) Approved() bool { return r.ApprovedBy != "" && r.ApprovedOn != "" }

// Missing reports whether this is no rule set at all.
func (r RuleSet) Missing() bool { return r.Name == "" }

func (r RuleSet) lease() time.Duration {
	if r.Lease <= 0 {
		return DefaultLease
	}
	return r.Lease
}

func (r RuleSet) hours() hours {
	return hours{week: r.Week, margin: int(r.EndMargin / time.Second)}
}

// canonical is the JSON form: fixed order of fields, lists sorted, durations in
// seconds, defaults spelled out.
type canonical struct {
	Name           string            `json:"name"`
	Description    string            `json:"description"`
	Source         string            `json:"source"`
	Extends        string            `json:"extends"`
	Tenants        []string          `json:"tenants,omitempty"`
	ApprovedBy     string            `json:"approvedBy"`
	ApprovedOn     string            `json:"approvedOn"`
	Countries      []string          `json:"countries"`
	Week           map[string]Window `json:"week"` // a map prints sorted by key
	Zone           string            `json:"zone"`
	EndMargin      int64             `json:"endMarginSeconds"`
	Lease          int64             `json:"leaseSeconds"`
	NonGeographic  string            `json:"nonGeographic"`
	WindowScope    string            `json:"windowScope"`
	DeFactoZones   string            `json:"deFactoZones"`
	AllowOverrides []string          `json:"allowOverrides"`
}

// Canonical is the rule set as JSON, the same bytes for the same rules.
func (r RuleSet) Canonical() []byte {
	c := canonical{
		Name: r.Name, Description: r.Description, Source: r.Source, Extends: r.Extends,
		Tenants: r.Tenants, ApprovedBy: r.ApprovedBy, ApprovedOn: r.ApprovedOn,
		Countries: sorted(r.Countries), Week: map[string]Window{},
		Zone: r.Zone, EndMargin: int64(r.EndMargin / time.Second), Lease: int64(r.lease() / time.Second),
		NonGeographic: cmp.Or(r.NonGeographic, NonGeographicDeny),
		WindowScope:   cmp.Or(r.WindowScope, ScopeAll),
		DeFactoZones:  cmp.Or(r.DeFactoZones, HabitOn), AllowOverrides: sorted(r.AllowOverrides),
	}
	for day := time.Sunday; day <= time.Saturday; day++ {
		c.Week[day.String()] = r.Week[day]
	}
	text, err := json.Marshal(c)
	if err != nil {
		return nil // strings, numbers and lists always marshal
	}
	return text
}

// Hash is the sha256 of the canonical JSON in hexadecimal.
func (r RuleSet) Hash() string {
	sum := sha256.Sum256(r.Canonical())
	return hex.EncodeToString(sum[:])
}

func sorted(list []string) []string {
	out := append([]string{}, list...)
	slices.Sort(out)
	return slices.Compact(out)
}
