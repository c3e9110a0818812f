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
	rows := map[string]int{}
	for _, f := range config.Fields(kinds.All()) {
		if f.Help == "" && (f.Of == nil || !f.Group) {
			t.Errorf("%s has no help", f.Path)
		}
		if !f.Group {
			rows[f.Path]++
		}
	}
	for path, want := range rows {
		if n := strings.Count(text, "\n| `"+path+"` |"); n != want {
			t.Errorf("%s has %d rows, and stands %d times in the definition", path, n, want)
		}
	}
}
