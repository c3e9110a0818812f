package bus

import (
	"cmp"
	"regexp"

	"github.com/nyaruka/phonenumbers"

	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/acqueon/desktop"
)

// A Section is what the configuration says of a telephone system behind the
// Workspace.
type Section struct {
	HomeRegion string `yaml:"homeRegion,omitempty" help:"ISO code of the country whose national numbers the provider speaks. Default: the first of the tenant's countries."`
	MinVersion string `yaml:"minVersion,omitempty" help:"Oldest version of the Workspace to accept, e.g. 3.21.2410. Default: the first that the provider's document covers."`

	system System
}

// Product is the system's line in the registry.
func (s System) Product() providers.Product {
	return providers.Product{Kind: s.Kind, Can: s.can(), Desktops: desktop.Product{}, Words: s.Words,
		Section: func() providers.Section { return &Section{system: s} }}
}

func (s System) can() providers.Capabilities {
	return providers.Capabilities{Claims: true, Talking: s.Talking, Presence: providers.PresenceDesktop, Progress: providers.ProgressDesktop}
}

var minimumShape = regexp.MustCompile(`^[0-9]+(\.[0-9]+){1,3}$`)

// Check implements providers.Section.
func (s *Section) Check() []providers.Mistake {
	var out []providers.Mistake
	if s.HomeRegion != "" && !phonenumbers.GetSupportedRegions()[s.HomeRegion] {
		out = append(out, providers.Mistake{At: []string{"homeRegion"}, Says: "is not an ISO 3166-1 code of a country with telephones, such as US"})
	}
	if s.MinVersion != "" && !minimumShape.MatchString(s.MinVersion) {
		out = append(out, providers.Mistake{At: []string{"minVersion"}, Says: "is not a version such as 3.21.2410"})
	}
	return out
}

// Address implements providers.Section: desktops come to us.
func (s *Section) Address() string { return "" }

// Build implements providers.Section.
func (s *Section) Build(d providers.Deps) (providers.Provider, error) {
	return s.system.Provider(Config{Desktop: d.Desktop, HomeRegion: cmp.Or(s.HomeRegion, d.HomeRegion), MinVersion: s.MinVersion}), nil
}
