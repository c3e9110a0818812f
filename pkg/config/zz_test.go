package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/outdial/outdial/pkg/config"
)

func TestZZ(t *testing.T) {
	files, _ := filepath.Glob("testdata/mistakes/*.yaml")
	for _, f := range files {
		_, err := config.Load(f, environment(nil), options(home(t)))
		if err == nil {
			fmt.Println("LOADS", f)
			continue
		}
		_, got, _ := strings.Cut(err.Error(), "\n")
		got = strings.ReplaceAll("\n"+got, "\n  ", "\n")[1:] + "\n"
		os.WriteFile(strings.TrimSuffix(f, ".yaml")+".faults", []byte(got), 0o644)
		fmt.Printf("== %s\n%s", filepath.Base(f), got)
	}
}
