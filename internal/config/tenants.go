package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
)

// Key is a tenant's key, nil for a tenant that does not exist.
func (c *Config) Key(tenant string) events.Key {
	k, _ := decodeKey(c.Tenants[tenant].Key.Reveal())
	return k
}

// Provider is the provider's id of the agent.
func (a Agent) Provider() string { return cmp.Or(a.ProviderAgent, a.Agent) }

// Directory builds the tenants and the providers of a loaded configuration. It
// connects to nothing. Without nc no request reaches a desktop.
func Directory(c *Config, nc *nats.Conn, deps providers.Deps) (*tenants.Directory, error) {
	heads, err := lineage(c.Rulesets.Dir)
	if err != nil {
		return nil, fmt.Errorf("rulesets.dir: %w", err)
	}
	own := map[string]string{}
	for name, t := range c.Tenants {
		own[name] = t.Ruleset
	}
	may := heads.Of(own)
	var all []tenants.Tenant
	for _, name := range slices.Sorted(maps.Keys(c.Tenants)) {
		t := c.Tenants[name]
		all = append(all, tenants.Tenant{
			Name: name, Countries: t.Countries, Ruleset: t.Ruleset, Rulesets: may[name],
			Connection: t.Connection, CallerIDs: t.CallerIDs, Key: c.Key(name),
		})
	}
	var connections []tenants.Connection
	for _, name := range slices.Sorted(maps.Keys(c.Connections)) {
		conn := c.Connections[name]
		if conn.Section == nil {
			return nil, fmt.Errorf("connections.%s: kind %s is not built", name, conn.Kind)
		}
		d := deps
		if desktops := conn.product.Desktops; desktops != nil && nc != nil {
			d.Desktop = desktops.Carrier(nc, d.Now)
		}
		if countries := c.Tenants[conn.Tenant].Countries; len(countries) > 0 {
			d.HomeRegion = countries[0]
		}
		p, err := conn.product.Build(conn.Section, d)
		if err != nil {
			return nil, fmt.Errorf("connections.%s: %w", name, err)
		}
		connections = append(connections, tenants.Connection{
			Name: name, Tenant: conn.Tenant, Kind: providers.Kind(conn.Kind),
			Loopback: c.ConnectionLoopback(name), Provider: p,
		})
	}
	return tenants.New(all, connections)
}

// Token is the bearer token of a desktop, "" when it has none. agent is the
// agent's id or its token.
func (w Workspace) Token(connection, agent string) string {
	agent = events.AgentToken(agent)
	general := ""
	for key, s := range w.Tokens {
		c, a, full := strings.Cut(key, "/")
		switch {
		case full && c == connection && events.AgentToken(a) == agent:
			return s.Reveal()
		case !full && events.AgentToken(key) == agent:
			general = s.Reveal()
		}
	}
	return general
}
