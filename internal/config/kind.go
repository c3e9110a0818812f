package config

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/trace"

	"github.com/outdial/outdial/pkg/providers"
)

// Deps are what a provider needs and no file can hold.
type Deps struct {
	Now        func() time.Time  // default time.Now
	NC         *nats.Conn        // nil: no requests reach desktops
	Desktop    providers.Desktop // carries requests to desktops; Directory fills it in where there is an NC
	HomeRegion string            // ISO region; Directory fills it in, connection by connection
	Tracer     trace.Tracer      // nil: no spans
}

// Build makes the provider of one connection. It does not connect.
type Build func(Connection, Deps) (providers.Provider, error)

// A Kind is what the configuration knows of one provider's product. One
// without Build is known and not built yet: it is refused by name.
type Kind struct {
	Fields     []string           // settings a connection of this kind may have, beside those of every kind
	Required   []string           // those it must have
	Operations []string           // names under paths
	Desktops   providers.Desktops // what it is reached by where it has no address; nil: it has one
	AgentToken bool               // every agent needs a credential
	Build      Build
}

// ofEveryKind are the settings that any connection has.
func ofEveryKind() []string { return []string{"kind", "tenant", "perSecond", "hook"} }

// Kinds are all that is known, by name. Package kinds has the table.
type Kinds map[providers.Kind]Kind

// Built names the kinds that can be used.
func (k Kinds) Built() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(k)) {
		if k[name].Build != nil {
			out = append(out, string(name))
		}
	}
	return out
}

// takes names the kinds that have a setting.
func (k Kinds) takes(field string) []string {
	var out []string
	for _, name := range k.Built() {
		if slices.Contains(k[providers.Kind(name)].Fields, field) {
			out = append(out, name)
		}
	}
	return out
}

// Desktops are the products by which desktops are reached, each once.
func (k Kinds) Desktops() (all []providers.Desktops) {
	for _, name := range k.Built() {
		if p := k[providers.Kind(name)].Desktops; p != nil && !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}

func (k Kinds) list() string { return strings.Join(k.Built(), ", ") }
