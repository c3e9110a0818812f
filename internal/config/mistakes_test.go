package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/pkg/providers/acqueon/five9"
	"github.com/outdial/outdial/pkg/providers/acqueon/webexcc"
	"github.com/outdial/outdial/pkg/providers/tcn"
)

// TestMistakes loads every file of testdata/mistakes, each named after what is
// wrong with it, and expects the faults of the .faults file beside it.
// told are the kinds that the fixtures tell of, however many there are by now.
var told = config.Kinds{tcn.Product(), webexcc.Product(), five9.Product(), {Kind: "ipscape"}, {Kind: "ujet"}}

func TestMistakes(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/mistakes/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(strings.TrimSuffix(file, ".yaml") + ".faults")
			if err != nil {
				t.Fatal(err)
			}
			dir := home(t)
			o := options(dir)
			o.Kinds = told
			cfg, err := config.Load(file, environment(nil), o)
			if err == nil || cfg != nil {
				t.Fatal("it loads")
			}
			_, got, _ := strings.Cut(err.Error(), "\n")
			got = strings.ReplaceAll("\n"+got, "\n  ", "\n")[1:] + "\n"
			if got != string(want) {
				t.Errorf("got\n%swant\n%s", got, want)
			}
			for _, private := range []string{"hunter2", "8667451900", "2098765", acmeKey} {
				if strings.Contains(err.Error(), private) {
					t.Errorf("a fault repeats %s: %v", private, err)
				}
			}
			if made, _ := filepath.Glob(dir + "/secrets/*new*"); len(made) > 0 {
				t.Errorf("a faulty configuration made %v", made)
			}
		})
	}
}
