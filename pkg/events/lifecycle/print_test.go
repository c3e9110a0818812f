package lifecycle

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files and docs/lifecycle.md anew")

func machines() []*Machine { return []*Machine{Calls(), Presence(), Claim()} }

// golden compares a file with what it should hold, or writes it.
func golden(t *testing.T, file, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(have), want); diff != "" {
		t.Errorf("%s is out of date (-file +table), run \"make gen\":\n%s", file, diff)
	}
}

// Every state meets every event, so that a change of a table shows wherever it
// reaches, also where nobody thought of it.
func TestMatrix(t *testing.T) {
	t.Parallel()
	for _, m := range machines() {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			golden(t, filepath.Join("testdata", m.Name+".golden"), m.Matrix())
		})
	}
}

func TestDocsArePrinted(t *testing.T) {
	t.Parallel()
	golden(t, filepath.Join("..", "..", "..", "docs", "lifecycle.md"), Markdown())
}

// A drawing that leaves an arrow out would mislead more than none.
func TestDrawingsShowEveryArrow(t *testing.T) {
	t.Parallel()
	arrow := regexp.MustCompile(`^ +(\S+) --> (\S+)(?: : (.*))?$`)
	drawn := map[string]string{} // "from to" → labels
	for _, line := range strings.Split(Markdown(), "\n") {
		if p := arrow.FindStringSubmatch(line); p != nil {
			drawn[p[1]+" "+p[2]] += " " + strings.ReplaceAll(p[3], ",", "")
		}
	}
	shown := func(from, to string, on string) bool {
		labels, ok := drawn[from+" "+to]
		return ok && (strings.TrimSpace(labels) == "" || strings.Contains(labels+" ", " "+on+" "))
	}
	for _, r := range callRules() {
		from := string(r.From)
		if r.From == None {
			from = "[*]"
		}
		boxed := slices.Contains(inFlight, r.From) && shown("flight", string(r.To), string(r.On))
		if !boxed && !shown(from, string(r.To), string(r.On)) {
			t.Errorf("no arrow for %s in %s to %s", r.On, r.From, r.To)
		}
	}
	if !shown("flight", "provider", "news") || !shown("provider", "closed", "closed") {
		t.Error("the way into the provider's steps, or out of them, is not drawn")
	}
	for _, r := range Claim().Rules() {
		if !shown(string(r.From), string(r.To), string(r.On)) {
			t.Errorf("no arrow for %s in %s to %s", r.On, r.From, r.To)
		}
	}
}
