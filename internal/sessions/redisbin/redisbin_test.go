package redisbin_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/outdial/outdial/internal/sessions/redisbin"
)

// program writes an executable file that does nothing.
func program(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFind(t *testing.T) {
	for _, tc := range []struct {
		story                   string
		named, onPath, unpacked bool
		want                    string
	}{
		{"the one named wins", true, true, true, "named/redis-server"},
		{"then the one on PATH", false, true, true, "bin/redis-server"},
		{"then the unpacked one, from a folder deep below the root", false, false, true, "repo/.cache/redis/usr/bin/redis-server"},
		{"a machine without any", false, false, false, ""},
	} {
		t.Run(tc.story, func(t *testing.T) {
			dir, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			deep := filepath.Join(dir, "repo", "pkg", "deep")
			if err := os.MkdirAll(deep, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "repo", "go.work"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			t.Chdir(deep)
			t.Setenv("PATH", filepath.Join(dir, "bin"))
			t.Setenv(redisbin.EnvServer, "")
			if tc.named {
				t.Setenv(redisbin.EnvServer, program(t, filepath.Join(dir, "named", "redis-server")))
			}
			if tc.onPath {
				program(t, filepath.Join(dir, "bin", "redis-server"))
			}
			if tc.unpacked {
				program(t, filepath.Join(dir, "repo", ".cache/redis/usr/bin/redis-server"))
			}
			got, err := redisbin.Find()
			if tc.want == "" {
				if !errors.Is(err, redisbin.ErrNotFound) {
					t.Fatalf("Find() = %q, %v; want ErrNotFound", got, err)
				}
				return
			}
			if want := filepath.Join(dir, tc.want); err != nil || got != want {
				t.Fatalf("Find() = %q, %v; want %q", got, err, want)
			}
		})
	}
}

func TestFindRefusesANameThatIsNoProgram(t *testing.T) {
	t.Setenv(redisbin.EnvServer, filepath.Join(t.TempDir(), "nothing-here"))
	if got, err := redisbin.Find(); err == nil || errors.Is(err, redisbin.ErrNotFound) {
		t.Fatalf("Find() = %q, %v; want an error about the variable", got, err)
	}
}

// The wrapper that make redis unpacks, or the system's own server, starts
// without any preparation of the environment.
func TestTheFoundServerRuns(t *testing.T) {
	path, err := redisbin.Find()
	if err != nil {
		t.Fatalf("%v", err)
	}
	out, err := exec.Command(path, "--version").CombinedOutput()
	if err != nil || !strings.Contains(string(out), " v=") {
		t.Fatalf("%s --version: %v\n%s", path, err, out)
	}
}
