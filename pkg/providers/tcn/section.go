package tcn

import (
	"maps"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/outdial/outdial/pkg/providers"
)

// Product is TCN's line in the registry.
func Product() providers.Product {
	can := providers.Capabilities{Claims: true, Prepares: true, LooksUp: true, Talking: true, Token: true, Records: true,
		Presence: providers.PresencePolled, Progress: providers.ProgressAgent}
	return providers.Product{Kind: providers.TCN, Can: can, Operations: operations(), Words: []providers.Vocabulary{words},
		Section: func() providers.Section { return new(Config) }}
}

func operations() []string { return slices.Sorted(maps.Keys(DefaultPaths())) }

// Config is a connection to TCN, as the configuration has it. Only BaseURL is
// required.
type Config struct {
	BaseURL         string            `yaml:"baseURL,omitempty" help:"Where the provider's API is: http or https, without user, query or fragment. Required."`
	Paths           map[string]string `yaml:"paths,omitempty" help:"Paths by operation, over the defaults."`
	MetadataAliases map[string]string `yaml:"metadataAliases,omitempty" help:"The metadata keys of requests, each with the name under which the provider requires it."`
	BareBooleans    bool              `yaml:"bareBooleans,omitempty" help:"Send booleans as true and not, as the provider's document prints them, as \"true\"."`
	TrustValidation bool              `yaml:"trustValidation,omitempty" help:"Take the provider's overall verdict even where a partial one says no. Otherwise the stricter wins."`
	Timeout         time.Duration     `yaml:"timeout,omitempty" help:"Of one exchange with the provider; default 10s."`
	PollEvery       time.Duration     `yaml:"pollEvery,omitempty" help:"At most this long between looks at the status while waiting for the provider; the first ones follow sooner; default 250ms."`
	ReadyWait       time.Duration     `yaml:"readyWait,omitempty" help:"How long a preparation waits for the agent to be READY; default not at all."`
	SettingsFor     time.Duration     `yaml:"settingsFor,omitempty" help:"How long the provider's settings may be reused; default 1m."`

	Tracer trace.Tracer `yaml:"-"` // nil: no spans
}

// Check implements providers.Section.
func (c *Config) Check() []providers.Mistake {
	out := providers.CheckAPI(providers.TCN, c.BaseURL, c.Paths, operations())
	for from, to := range c.MetadataAliases {
		if from == "" || strings.TrimSpace(to) == "" {
			out = append(out, providers.Mistake{At: []string{"metadataAliases", from}, Says: "wants a key and the name the provider requires"})
		}
	}
	return out
}

// Address implements providers.Section.
func (c *Config) Address() string { return c.BaseURL }

// Build implements providers.Section.
func (c *Config) Build(d providers.Deps) (providers.Provider, error) {
	of := *c
	of.Tracer = d.Tracer
	return New(of, d.Now).Provider(), nil
}
