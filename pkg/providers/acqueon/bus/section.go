package bus

import (
	"cmp"
	"regexp"

	"github.com/nyaruka/phonenumbers"

	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/acqueon/desktop"
)

// A Config is one connection to a telephone system behind the Workspace, as the
// configuration has it. Without a region it is at home in the US.
type Config struct {
	HomeRegion string `yaml:"homeRegion,omitempty" help:"ISO code of the country whose national numbers the provider speaks. Default: the first of the tenant's countries."`
	MinVersion string `yaml:"minVersion,omitempty" help:"Oldest version of the Workspace to accept, e.g. 3.21.2410. Default: the first that the provider's document covers."`

	Desktop providers.Desktop `yaml:"-"` // carries requests to the agent's desktop
	system  System
}

// Product is the system's line in the registry.
func (s System) Product() providers.Product {
	return providers.Product{Kind: s.Kind, Can: s.can(), Desktops: desktop.Product{}, Words: s.Words,
		Section: func() providers.Section { return &Config{system: s} }}
}

func (s System) can() providers.Capabilities {
	return providers.Capabilities{Claims: true, Talking: s.Talking, Presence: providers.PresenceDesktop, Progress: providers.ProgressDesktop}
}

var minimumShape = regexp.MustCompile(`^[0-9]+(\.[0-9]+){1,3}$`)

// Check implements providers.Section.
func (c *Config) Check() []providers.Mistake {
	var out []providers.Mistake
	if c.HomeRegion != "" && !phonenumbers.GetSupportedRegions()[c.HomeRegion] {
		out = append(out, providers.Mistake{At: []string{"homeRegion"}, Says: "is not an ISO 3166-1 code of a country with telephones, such as US"})
	}
	if c.MinVersion != "" && !minimumShape.MatchString(c.MinVersion) {
		out = append(out, providers.Mistake{At: []string{"minVersion"}, Says: "is not a version such as 3.21.2410"})
	}
	return out
}

// Address implements providers.Section: desktops come to us.
func (c *Config) Address() string { return "" }

// Build implements providers.Section.
func (c *Config) Build(d providers.Deps) (providers.Provider, error) {
	return c.system.Provider(Config{Desktop: d.Desktop, HomeRegion: cmp.Or(c.HomeRegion, d.HomeRegion), MinVersion: c.MinVersion}), nil
}
