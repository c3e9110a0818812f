package deploy

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var link = regexp.MustCompile(`\]\(([^)#\s]+)(#[^)\s]*)?\)`)

// dead lists the links of a page that lead nowhere.
func dead(dir, text string) []string {
	var out []string
	for _, m := range link.FindAllStringSubmatch(text, -1) {
		if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, m[1])); err != nil {
			out = append(out, m[1])
		}
	}
	return out
}

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob(filepath.Join(root, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(filepath.Join(root, "docs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			pages = append(pages, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) < 10 {
		t.Fatalf("only %d pages found", len(pages))
	}
	for _, p := range pages {
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range dead(filepath.Dir(p), string(text)) {
			t.Errorf("%s: %s does not exist", p, l)
		}
	}
	if got := dead(root, "[a](docs/nowhere.md) [b](LICENSE#x) [c](https://example.com)"); len(got) != 1 {
		t.Errorf("of three links one is dead, found %v", got)
	}
}

// The architecture says where each promise is kept; those places exist.
func TestNamedPlacesExist(t *testing.T) {
	t.Parallel()
	place := regexp.MustCompile("`((?:pkg|services|deploy|test|docs|cmd)/[A-Za-z0-9_./-]+)`")
	for _, page := range []string{"docs/architecture.md", "docs/operators.md", "CONTRIBUTING.md", "docs/adr/0001-nats-with-fsync.md",
		"docs/adr/0002-agent-events-carry-the-state.md", "docs/adr/0003-our-own-nats-codec.md", "docs/adr/0004-polls-carry-their-basis.md",
		"docs/adr/0005-states-of-a-call.md", "docs/adr/0006-handlers-return-steps.md", "docs/adr/0007-unapproved-rules-serve-loopback.md",
		"docs/adr/0008-staticcheck.md", "docs/adr/0009-tenants-have-accounts.md"} {
		for _, m := range place.FindAllStringSubmatch(string(read(t, page)), -1) {
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s names %s, which does not exist", page, m[1])
			}
		}
	}
}

// The way of one call is printed function by function: each is where it is said
// to be, and they are no more than a newcomer reads in one go.
func TestTheWayOfOneCallIsAsItIsPrinted(t *testing.T) {
	t.Parallel()
	row := regexp.MustCompile("(?m)^\\| \\d+ \\| `([A-Za-z.]+)` \\| `([a-z/_-]+\\.go)` \\|")
	rows := row.FindAllStringSubmatch(string(read(t, "docs/architecture.md")), -1)
	files := map[string]bool{}
	for _, m := range rows {
		files[m[2]] = true
		receiver, name, method := strings.Cut(m[1], ".")
		if first := receiver[0]; !method || first >= 'a' && first <= 'z' { // no type's name, or a package's
			receiver, name = `\w+`, m[1][strings.Index(m[1], ".")+1:]
		}
		if fn := regexp.MustCompile(`(?m)^func (\(\w+ \*?` + receiver + `(\[\w+\])?\) )?` + name + `\(`); !fn.Match(read(t, m[2])) {
			t.Errorf("docs/architecture.md: %s is not in %s", m[1], m[2])
		}
	}
	if len(rows) < 20 || len(rows) > 25 || len(files) > 12 {
		t.Errorf("%d functions in %d files, want at most 25 in 12", len(rows), len(files))
	}
}
