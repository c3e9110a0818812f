package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/outdial/outdial/internal/config"
)

// FuzzLoad: whatever a file holds, loading ends with a configuration or with
// faults, makes nothing, and never repeats a value that may be a secret.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/mistakes/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatalf("no fixtures: %v", err)
	}
	for _, file := range append(files, "testdata/design.yaml", "../../deploy/outdial.example.yaml") {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("a: &a {tenants: *a, connections: *a, agents: [*a, *a]}\ntenants: *a\nconnections: *a\n")
	f.Add("tenants: {? [a] : b, ~: c, <<: {}}\n")
	f.Add(strings.Repeat("[", 20_000))
	dir := home(f)
	o := options(dir)
	o.ReadOnly = true
	f.Fuzz(func(t *testing.T, text string) {
		cfg, err := config.Parse("fuzz.yaml", []byte(text), environment(nil), o)
		if err != nil {
			var faults *config.Faults
			if cfg != nil || !errors.As(err, &faults) || len(faults.List) == 0 {
				t.Fatalf("%v with %v", cfg, err)
			}
			for _, one := range faults.List {
				if one.Says == "" || one.Place == "" && one.Line == 0 && strings.Contains(one.Says, "missing") {
					t.Fatalf("a fault without a place: %+v", one)
				}
			}
			return
		}
		printed, err := cfg.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := config.Parse("printed.yaml", printed, environment(nil), o); err != nil {
			t.Fatalf("what it prints does not load: %v\n%s", err, printed)
		}
	})
}
