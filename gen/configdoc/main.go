// Command configdoc prints docs/configuration.md from the definition of the
// configuration. From the folder pkg:
//
//	go run ./gen/configdoc > docs/configuration.md
package main

import (
	_ "embed"
	"fmt"
	"os"
	"strings"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/config/kinds"
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
	fmt.Fprintf(&b, "\nKinds of connection: %s.\n", strings.Join(all.Names(), ", "))
	open := "none"
	for _, f := range config.Fields(all) {
		group := parent(f.Path)
		if f.Group {
			if f.Of != nil {
				ofKind(&b, f)
			} else {
				fmt.Fprintf(&b, "\n## %s\n\n%s\n", code(f.Path), f.Help)
			}
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
	b.WriteString("\n## Other variables\n\n| variable | |\n|---|---|\n")
	for _, v := range config.Variables() {
		fmt.Fprintf(&b, "| %s | %s |\n", code(v.Name), v.Help)
	}
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
	def := ""
	if f.Default != "" {
		def = code(f.Default)
	}
	fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", code(f.Path), f.Type, def, env, strings.ReplaceAll(help, "|", `\|`))
}

// ofKind begins the section of a provider's own settings with what holds for
// each of its connections.
func ofKind(b *strings.Builder, f config.Field) {
	says := "Beside what every connection has."
	if f.Of.Desktops != nil {
		says += " It is reached by way of agents' desktops and has no address."
	}
	if f.Of.Can.Token {
		says += " Each of its agents needs a `token`."
	}
	if f.Of.Can.PerSecond > 0 {
		says += fmt.Sprintf(" `perSecond` is %d where it is left out.", f.Of.Can.PerSecond)
	}
	if len(f.Of.Operations) > 0 {
		says += " Operations under `paths`: `" + strings.Join(f.Of.Operations, "`, `") + "`."
	}
	fmt.Fprintf(b, "\n## %s of kind %s\n\n%s\n", code(f.Path), code(string(f.Of.Kind)), says)
}

func code(s string) string { return "`" + s + "`" }
