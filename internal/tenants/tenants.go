// Package tenants knows who is configured: the tenants, their keys and
// caller ids, and the provider connections. It is read once at start and never
// changes, so every service can hold it without a lock.
package tenants

import (
	"fmt"
	"slices"
	"strings"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
)

// A Tenant is one customer of outdial; its data never meets another's.
type Tenant struct {
	Name       string
	Countries  []string // ISO 3166-1 alpha-2 destinations that are allowed
	Ruleset    string
	Rulesets   []string // those that its requests may name (Lineage.Of)
	Connection string   // default connection
	CallerIDs  []string // E.164; the first is the default
	Key        events.Key
}

// DefaultFrom is the tenant's default caller id, "" for the provider's own.
func (t Tenant) DefaultFrom() string {
	if len(t.CallerIDs) == 0 {
		return ""
	}
	return t.CallerIDs[0]
}

// HomeRegion is the region in which the tenant's national numbers are read.
func (t Tenant) HomeRegion() string {
	if len(t.Countries) == 0 {
		return "US"
	}
	return t.Countries[0]
}

// A Connection is one configured provider account of one tenant.
type Connection struct {
	Name     string
	Tenant   string
	Kind     providers.Kind
	Loopback bool // its base URL, if any, is on this machine
	Provider providers.Provider
}

// A Directory is immutable.
type Directory struct {
	tenants     map[string]Tenant
	connections map[string]Connection
}

// New checks that every connection belongs to a tenant that exists.
func New(tenants []Tenant, connections []Connection) (*Directory, error) {
	d := &Directory{map[string]Tenant{}, map[string]Connection{}}
	for _, t := range tenants {
		if !events.IsToken(t.Name) || len(t.Key) == 0 {
			return nil, fmt.Errorf("tenant %q needs a name of [A-Za-z0-9_-] and a key", t.Name)
		}
		d.tenants[t.Name] = t
	}
	for _, c := range connections {
		if _, ok := d.tenants[c.Tenant]; !ok || !events.IsToken(c.Name) {
			return nil, fmt.Errorf("connection %q needs a name of [A-Za-z0-9_-] and a tenant that exists", c.Name)
		}
		d.connections[c.Name] = c
	}
	return d, nil
}

// Tenant finds a tenant by name.
func (d *Directory) Tenant(name string) (Tenant, bool) {
	t, ok := d.tenants[name]
	return t, ok
}

// Tenants lists the tenants by name.
func (d *Directory) Tenants() []Tenant {
	out := make([]Tenant, 0, len(d.tenants))
	for _, t := range d.tenants {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b Tenant) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Keys are the tenants' keys, by tenant.
func (d *Directory) Keys() map[string]events.Key {
	out := make(map[string]events.Key, len(d.tenants))
	for name, t := range d.tenants {
		out[name] = t.Key
	}
	return out
}

// Connection finds a tenant's connection. Another tenant's is not found.
func (d *Directory) Connection(tenant, name string) (Connection, bool) {
	c, ok := d.connections[name]
	if !ok || c.Tenant != tenant {
		return Connection{}, false
	}
	return c, true
}

// Queues reports whether a tenant's connection takes calls that no agent of ours
// is claimed for.
func (d *Directory) Queues(tenant, connection string) bool { return d.Can(tenant, connection).Queues }

// Takes says what a tenant's connections take of what requests may ask for.
func (d *Directory) Takes(tenant string) func(connection string) events.Takes {
	return func(connection string) events.Takes {
		can := d.Can(tenant, connection)
		return events.Takes{Agents: can.Claims, Queues: can.Queues, Schedules: can.Schedules, Records: can.Records}
	}
}

// Can is what the provider of a tenant's connection can do: nothing, where there is
// no such connection.
func (d *Directory) Can(tenant, connection string) providers.Capabilities {
	c, _ := d.Connection(tenant, connection)
	return c.Provider.Can
}

// Connections lists all connections by name.
func (d *Directory) Connections() []Connection {
	out := make([]Connection, 0, len(d.connections))
	for _, c := range d.connections {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Connection) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// AgentRef is an agent as its provider knows it, with the sealed token of its
// enrolment opened; an agent without one has none.
func (d *Directory) AgentRef(tenant, agent string, s events.AgentState, sealed string) (providers.AgentRef, error) {
	ref := providers.AgentRef{Tenant: tenant, Connection: s.Connection, Agent: agent,
		Provider: s.ProviderAgent, Session: s.Session, IDs: s.Provider}
	if len(s.HuntGroups) > 0 {
		ref.HuntGroup = s.HuntGroups[0]
	}
	if sealed == "" {
		return ref, nil
	}
	t, ok := d.Tenant(tenant)
	if !ok {
		return ref, events.ErrSeal
	}
	token, err := t.Key.Open(sealed, SealAbout(tenant, agent))
	ref.Token = token
	return ref, err
}

// SealAbout binds a sealed token to its agent.
func SealAbout(tenant, agent string) string { return "agent-token\x00" + tenant + "\x00" + agent }
