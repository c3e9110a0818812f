// Command configdoc prints docs/configuration.md from the definition of the
// configuration. From the folder pkg:
//
//	go run ./gen/configdoc > docs/configuration.md
package main

import (
	"cmp"
	_ "embed"
	"fmt"
	"os"
	"strings"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/config/kinds"
	"github.com/outdial/outdial/pkg/providers"
)

//go:embed intro.md
var intro string

func main() {
	if _, err := os.Stdout.WriteString(page()); err != nil {
		fmt.Fprintln(os.Stderr, "configdoc:", err)
		os.Exit(1)
	}
}

// page is the whole document.
func page() string {
	var b strings.Builder
	b.WriteString(intro)
	all := kinds.All()
	fmt.Fprintf(&b, "\nKinds of connection: %s.\n", strings.Join(all.Built(), ", "))
	open := "none"
	for _, f := range config.Fields(all) {
		group := parent(f.Path)
		if f.Group {
			fmt.Fprintf(&b, "\n## %s\n\n%s\n", code(f.Path), f.Help)
			open = ""
			if !onlyGroups(f.Path) {
				header(&b)
				open = f.Path
			}
			continue
		}
		if group != open {
			b.WriteString("\n## At the top\n") // the one place where settings follow groups
			header(&b)
			open = group
		}
		row(&b, f)
	}
	operations(&b, all)
	return b.String()
}

// onlyGroups says that a group holds nothing but groups.
func onlyGroups(path string) bool {
	for _, f := range config.Fields(nil) {
		if parent(f.Path) == path && !f.Group {
			return false
		}
	}
	return true
}

// parent is the group of a setting; a setting by name is a row of its group.
func parent(path string) string {
	path = strings.TrimSuffix(path, ".<name>")
	return path[:max(strings.LastIndexByte(path, '.'), 0)]
}

func header(b *strings.Builder) {
	b.WriteString("\n| setting | type | default | environment | |\n|---|---|---|---|---|\n")
}

func row(b *strings.Builder, f config.Field) {
	env := ""
	if f.Env != "" {
		env = code(f.Env)
	}
	if f.EnvFile != "" {
		env += ", " + code(f.EnvFile)
	}
	help := f.Help
	if f.Kinds != nil {
		help += " *(" + strings.Join(f.Kinds, ", ") + ")*"
	}
	def := ""
	if f.Default != "" {
		def = code(f.Default)
	}
	fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", code(f.Path), f.Type, def, env, strings.ReplaceAll(help, "|", `\|`))
}

// operations lists what paths may name.
func operations(b *strings.Builder, all config.Kinds) {
	b.WriteString("\n## Operations under `paths`\n\n| kind | operations |\n|---|---|\n")
	for _, name := range all.Built() {
		var ops []string
		for _, op := range all[providers.Kind(name)].Operations {
			ops = append(ops, code(op))
		}
		fmt.Fprintf(b, "| %s | %s |\n", name, cmp.Or(strings.Join(ops, ", "), "none: it has no address"))
	}
}

func code(s string) string { return "`" + s + "`" }
