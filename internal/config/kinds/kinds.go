// Package kinds is the one list of the providers that can be configured. A new
// provider adds its folder and an entry here.
package kinds

import (
	"maps"
	"slices"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/acqueon/bus"
	"github.com/outdial/outdial/pkg/providers/acqueon/desktop"
	"github.com/outdial/outdial/pkg/providers/acqueon/five9"
	"github.com/outdial/outdial/pkg/providers/acqueon/webexcc"
	"github.com/outdial/outdial/pkg/providers/tcn"
)

// All returns every kind: those that are built, and those whose names are
// taken and whose building is still to come.
func All() config.Kinds {
	workspace := []string{"homeRegion", "minVersion"}
	return config.Kinds{
		providers.TCN: {
			Fields: []string{"baseURL", "paths", "metadataAliases", "bareBooleans", "trustValidation",
				"timeout", "pollEvery", "readyWait", "settingsFor"},
			Required:   []string{"baseURL"},
			Operations: slices.Sorted(maps.Keys(tcn.DefaultPaths())),
			AgentToken: true,
			Build:      buildTCN,
		},
		providers.WebexCC: {Fields: workspace, Desktops: desktop.Product{}, Build: behindWorkspace(webexcc.New)},
		providers.Five9:   {Fields: workspace, Desktops: desktop.Product{}, Build: behindWorkspace(five9.New)},
		"ipscape":         {},
		"ujet":            {},
	}
}

func buildTCN(c config.Connection, d config.Deps) (providers.Provider, error) {
	return tcn.New(tcn.Config{
		BaseURL: c.BaseURL, Paths: c.Paths, MetadataAliases: c.MetadataAliases,
		BareBooleans: c.BareBooleans, TrustValidation: c.TrustValidation,
		Timeout: c.Timeout, PollEvery: c.PollEvery, ReadyWait: c.ReadyWait, SettingsFor: c.SettingsFor,
		Tracer: d.Tracer,
	}, d.Now).Provider(), nil
}

// behindWorkspace builds what is reached by way of an agent's desktop.
func behindWorkspace(system func(bus.Config) providers.Provider) func(config.Connection, config.Deps) (providers.Provider, error) {
	return func(c config.Connection, d config.Deps) (providers.Provider, error) {
		return system(bus.Config{Desktop: d.Desktop, HomeRegion: d.HomeRegion, MinVersion: c.MinVersion}), nil
	}
}
