package imports

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func TestTheRepositoryKeepsItsRules(t *testing.T) {
	t.Parallel()
	tree := os.DirFS(filepath.Join("..", ".."))
	broken, err := Broken(tree)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range broken {
		t.Error(b)
	}
	files, err := Sources(tree)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 100 {
		t.Fatalf("only %d sources found: the test looks in the wrong place", len(files))
	}
	for _, f := range files {
		if f.Lines > GoodLines {
			t.Logf("%s has %d lines; think of cutting it", f.Path, f.Lines)
		}
	}
}

// What a service's binary links, its imports' imports included: a NATS server
// would be a way to run without the others' log, a simulator one to dial nobody.
func TestAServiceLinksNoServerAndNoSimulator(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "./services/.../cmd/...")
	cmd.Dir = filepath.Join("..", "..")
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(text))
	if !slices.Contains(deps, ours+"services/dialer") {
		t.Fatal("the services are not among what was listed")
	}
	for _, d := range deps {
		if strings.HasPrefix(d, "github.com/nats-io/nats-server/") || d == ours+"sim" || strings.HasPrefix(d, ours+"sim/") || strings.HasPrefix(d, ours+"test/") {
			t.Errorf("a service links %s", d)
		}
	}
}

// Every package says what it is for.
func TestEveryPackageHasAComment(t *testing.T) {
	t.Parallel()
	files, err := Sources(os.DirFS(filepath.Join("..", "..")))
	if err != nil {
		t.Fatal(err)
	}
	said, any := map[string]bool{}, map[string]bool{}
	for _, f := range files {
		if f.AST.Doc != nil {
			said[f.Dir] = true
		}
		any[f.Dir] = true
	}
	for dir := range any {
		if !said[dir] {
			t.Errorf("%s has no package comment", dir)
		}
	}
}

// The negative controls: each small tree breaks one rule, and that is said.
func TestBrokenRulesAreSeen(t *testing.T) {
	t.Parallel()
	for says, tc := range map[string]struct{ file, text, want string }{
		"events imports the journal":          {"pkg/events/x.go", `package events; import _ "github.com/outdial/outdial/internal/log"`, "may not import internal/log"},
		"pkg imports a service":               {"internal/runtime/x.go", `package process; import _ "github.com/outdial/outdial/services/dialer"`, "may not import services/dialer"},
		"a service imports another":           {"services/dialer/x.go", `package dialer; import _ "github.com/outdial/outdial/services/compliance/rules"`, "may not import services/compliance/rules"},
		"somebody imports the all-in-one":     {"services/dialer/x.go", `package dialer; import _ "github.com/outdial/outdial/cmd/outdial/internal/app"`, "may not import cmd/outdial"},
		"the orchestrator knows providers":    {"services/orchestrator/x.go", `package orchestrator; import _ "github.com/outdial/outdial/pkg/providers"`, "no business with providers"},
		"a service knows a provider":          {"services/dialer/x.go", `package dialer; import _ "github.com/outdial/outdial/pkg/providers/tcn"`, "may not know the provider tcn"},
		"the bridge knows a product":          {"services/events-bridge/x.go", `package bridge; import _ "github.com/outdial/outdial/pkg/providers/acqueon/desktop"`, "may not know the provider acqueon/desktop"},
		"and so does its host":                {"internal/runtime/x.go", `package runtime; import _ "github.com/outdial/outdial/pkg/providers/acqueon/desktop"`, "may not know the provider acqueon/desktop"},
		"compliance knows a provider":         {"services/compliance/x.go", `package compliance; import _ "github.com/outdial/outdial/pkg/providers/tcn"`, "may not know the provider tcn"},
		"a host brings a server":              {"internal/runtime/x.go", `package runtime; import _ "github.com/outdial/outdial/internal/broker/embedded"`, "only the all-in-one"},
		"and by its own name":                 {"services/dialer/x.go", `package dialer; import _ "github.com/nats-io/nats-server/v2/server"`, "only the all-in-one"},
		"the judge asks a simulator":          {"internal/audit/x.go", `package audit; import _ "github.com/outdial/outdial/sim"`, "may not import sim"},
		"the simulator's engine knows one":    {"sim/x.go", `package sim; import _ "github.com/outdial/outdial/sim/tcnsim"`, "knows no company"},
		"a test helper in a program":          {"services/dialer/x.go", `package dialer; import _ "github.com/outdial/outdial/test/exams/natstest"`, "is for tests"},
		"a folder nobody knows":               {"pkg/new/x.go", `package new`, "belongs to no part"},
		"the SDK outside telemetry":           {"internal/worker/x.go", `package worker; import _ "go.opentelemetry.io/otel/sdk/trace"`, "takes the API"},
		"the lifecycle asks the clock":        {"pkg/events/lifecycle/x.go", "package lifecycle\nimport \"time\"\nvar now = time.Now()", "asks the clock"},
		"rules read files":                    {"services/compliance/rules/x.go", `package rules; import _ "os"`, "imports os"},
		"a package called util":               {"internal/worker/util/x.go", `package util`, "says nothing"},
		"init":                                {"internal/worker/x.go", "package worker\nfunc init() {}", "init runs unasked"},
		"testing in a program":                {"internal/worker/x.go", `package worker; import _ "testing"`, "imports testing"},
		"a test that sleeps":                  {"internal/worker/x_test.go", "package worker\nimport \"time\"\nfunc f() { for { go func() { time.Sleep(1) }() } }", "sleeps"},
		"a test that skips":                   {"internal/worker/x_test.go", "package worker\nfunc f(t T) { t.Skip() }", "skips"},
		"a file that has grown":               {"internal/worker/x.go", "package worker\n" + strings.Repeat("//\n", MostLines), "at most 500"},
		"a path of the author's machine":      {"docs/x.md", "see /home/" + "user/notes", "says"},
		"and the same in what is not Go code": {"deploy/x.yaml", "the cache is in /root/" + "go/pkg", "says"},
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			broken, err := Broken(fstest.MapFS{tc.file: {Data: []byte(tc.text)}})
			if err != nil {
				t.Fatal(err)
			}
			if len(broken) != 1 || !strings.Contains(broken[0], tc.want) {
				t.Errorf("found %q, want one that says %q", broken, tc.want)
			}
		})
	}
}

// And what is right is not complained about.
func TestKeptRulesAreQuiet(t *testing.T) {
	t.Parallel()
	tree := fstest.MapFS{
		"pkg/events/lifecycle/x.go":   {Data: []byte(`package lifecycle; import _ "github.com/outdial/outdial/pkg/events"`)},
		"internal/worker/x.go":        {Data: []byte("package worker\nimport (\n\t_ \"github.com/outdial/outdial/internal/log\"\n\t\"time\"\n)\nvar now = time.Now\n")},
		"services/dialer/x.go":        {Data: []byte(`package dialer; import _ "github.com/outdial/outdial/pkg/providers/httpapi"`)},
		"services/compliance/x.go":    {Data: []byte(`package compliance; import _ "github.com/outdial/outdial/pkg/providers"`)},
		"internal/log/x_test.go":      {Data: []byte(`package journal; import _ "github.com/outdial/outdial/test/exams/natstest"`)},
		"internal/worker/x_test.go":   {Data: []byte("package worker\nimport \"time\"\nfunc f() {\n\tfor { time.Sleep(1) }\n\ttime.Sleep(2) // an outage\n}\nfunc g(t *rapid.T) { t.Skip() }\n")},
		"cmd/outdial/x.go":            {Data: []byte(`package main; import _ "github.com/outdial/outdial/services/dialer"`)},
		"pkg/events/testdata/bad.go":  {Data: []byte(`not go at all`)},
		"node_modules/x/session.json": {Data: []byte("/home/" + "user")},
	}
	broken, err := Broken(tree)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range broken {
		t.Error(b)
	}
}
