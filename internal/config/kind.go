package config

import (
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/outdial/outdial/pkg/providers"
)

// Kinds are all products that are known. One without a section is known and not
// built yet: it is refused by name. Package kinds has the list.
type Kinds []providers.Product

// Built are the products that can be used, by name.
func (k Kinds) Built() []providers.Product {
	built := slices.DeleteFunc(slices.Clone(k), func(p providers.Product) bool { return p.Section == nil })
	slices.SortFunc(built, func(a, b providers.Product) int { return strings.Compare(string(a.Kind), string(b.Kind)) })
	return built
}

// Names are those of the products that can be used.
func (k Kinds) Names() []string { return names(k.Built()) }

func names(products []providers.Product) []string {
	out := make([]string, len(products))
	for i, p := range products {
		out[i] = string(p.Kind)
	}
	return out
}

func (k Kinds) of(kind string) (providers.Product, bool) {
	i := slices.IndexFunc(k, func(p providers.Product) bool { return string(p.Kind) == kind })
	if i < 0 {
		return providers.Product{}, false
	}
	return k[i], true
}

// Desktops are the products by which desktops are reached, each once.
func (c *Config) Desktops() (all []providers.Desktops) {
	for _, p := range c.kinds.Built() {
		if p.Desktops != nil && !slices.Contains(all, p.Desktops) {
			all = append(all, p.Desktops)
		}
	}
	return all
}

// takes names the kinds whose section has a setting.
func (k Kinds) takes(setting string) []string {
	return names(slices.DeleteFunc(k.Built(), func(p providers.Product) bool {
		_, has := settings(section(p.Section()))[setting]
		return !has
	}))
}

// posts names the kinds whose connections take what is posted.
func (k Kinds) posts() []string {
	return names(slices.DeleteFunc(k.Built(), func(p providers.Product) bool { return !p.Can.Posts() }))
}

// section is the struct of a provider's section, which came as a pointer to it.
func section(s providers.Section) reflect.Value { return reflect.ValueOf(s).Elem() }

// MarshalYAML writes the provider's settings beside those of every kind.
func (c Connection) MarshalYAML() (any, error) {
	type common Connection // without this method
	var all, own yaml.Node
	if err := all.Encode(common(c)); err != nil || c.Section == nil {
		return &all, err
	}
	err := own.Encode(c.Section)
	all.Content = append(all.Content, own.Content...)
	return &all, err
}
