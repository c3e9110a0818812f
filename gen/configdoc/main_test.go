package main

import (
	"os"
	"strings"
	"testing"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/config/kinds"
)

func TestThePrintedDocumentationIsInTheRepository(t *testing.T) {
	t.Parallel()
	have, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != page() {
		t.Error("docs/configuration.md is not what the definition says; run: go run ./gen/configdoc > docs/configuration.md")
	}
}

func TestEverySettingIsExplainedOnce(t *testing.T) {
	t.Parallel()
	text := page()
	for _, f := range config.Fields(kinds.All()) {
		if f.Help == "" {
			t.Errorf("%s has no help", f.Path)
		}
		if n := strings.Count(text, "\n| `"+f.Path+"` |"); !f.Group && n != 1 {
			t.Errorf("%s has %d rows", f.Path, n)
		}
		if !f.Group && strings.HasPrefix(f.Path, "connections.") && f.Kinds != nil && len(f.Kinds) == 0 {
			t.Errorf("%s belongs to no kind", f.Path)
		}
	}
}
