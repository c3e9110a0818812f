package app

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/runtime"
)

// A whole data folder is copied, things go on, and the copy is put back with all
// that the services knew in it. Who keeps a memory elsewhere notices; without
// one the store is believed.
func TestAWholeDataFolderPutBackIsKnownByTheWitness(t *testing.T) {
	t.Parallel()
	for story, c := range map[string]struct {
		witness, restore, said, notices bool
	}{
		"put back, with a memory elsewhere":   {witness: true, restore: true, notices: true},
		"put back, with none":                 {restore: true},
		"put back, with none, but a person's": {restore: true, said: true, notices: true},
		"only started again":                  {witness: true},
	} {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			witness := ""
			if c.witness {
				witness = filepath.Join(t.TempDir(), "outdial", "store")
			}
			up := func(group string, restored bool) *App {
				t.Helper()
				h.more = []string{"agents:", `  - {tenant: acme, agent: ann, connection: tcn, huntGroups: [` + group + `], token: {file: "` + filepath.Join(h.dir, "acme.key") + `"}}`}
				a, err := Start(t.Context(), Options{Config: h.config(here), Version: "0.0.1", Unsafe: true, LogTo: io.Discard, Getenv: noEnv, Witness: witness, Restored: restored})
				if err != nil {
					t.Fatal(err)
				}
				return a
			}
			up("one", false).Close()
			copied := filepath.Join(t.TempDir(), "copy")
			put := func(to, from string) {
				t.Helper()
				for _, part := range []string{"nats", "state"} {
					if err := os.RemoveAll(filepath.Join(to, part)); err != nil {
						t.Fatal(err)
					}
					if err := os.CopyFS(filepath.Join(to, part), os.DirFS(filepath.Join(from, part))); err != nil {
						t.Fatal(err)
					}
				}
			}
			put(copied, h.dir)
			up("two", false).Close()
			if c.restore {
				put(h.dir, copied)
			}
			a := up("two", c.said)
			defer a.Close()
			if got := regressed(t, a); got != c.notices {
				t.Errorf("that the store went back is on record: %v, want %v", got, c.notices)
			}
		})
	}
}

// regressed says whether it is on record that the store went back.
func regressed(t *testing.T, a *App) bool {
	t.Helper()
	nc, err := nats.Connect(a.NATS)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	r, _, err := runtime.RecordOf(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	return r.Open() != nil
}

func TestWhereTheWitnessIs(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	cfg := h.config(here)
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == name {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	one := Witness(cfg, env("HOME", "/home/ann"))
	if !strings.HasPrefix(one, "/home/ann/.local/state/outdial/") || Witness(cfg, env("HOME", "/home/ann")) != one {
		t.Errorf("%s", one)
	}
	if got := Witness(cfg, env("XDG_STATE_HOME", "/var/state", "HOME", "/home/ann")); !strings.HasPrefix(got, "/var/state/outdial/") {
		t.Errorf("%s", got)
	}
	if got := Witness(newHome(t).config(here), env("HOME", "/home/ann")); got == one {
		t.Error("two stores have one memory")
	}
	for story, got := range map[string]string{"no home": Witness(cfg, noEnv), "a home that is nowhere": Witness(cfg, env("HOME", "."))} {
		if got != "" {
			t.Errorf("%s: %s", story, got)
		}
	}
}
