package imports

import (
	"bytes"
	"fmt"
	"go/ast"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// arrows say which packages of ours each part may import, besides itself. A
// part is the longest prefix of a package's folder that stands here.
var arrows = map[string][]string{
	"pkg/events":    {},
	"pkg/providers": {"pkg/events", "internal/door"},

	"internal/log":       {"pkg/events"},
	"internal/clock":     {"pkg/events", "internal/log"},
	"internal/telemetry": {"pkg/events"},
	"internal/worker":    {"pkg/events", "internal/log", "internal/clock"},
	"internal/broker":    {"pkg/events", "internal/log", "internal/door"},
	"internal/sessions":  {"pkg/events"},
	"internal/api":       {"pkg/events"},
	"internal/door":      {},
	"internal/pace":      {},
	"internal/audit":     {"pkg/events", "internal/log", "internal/worker"},
	"internal/tenants":   {"pkg/events", "pkg/providers"},
	"internal/orders":    {"pkg/events", "internal/log", "pkg/providers", "internal/tenants"},
	"internal/config":    {"pkg/events", "internal/door", "pkg/providers", "internal/tenants"},
	"internal/runtime":   {"pkg", "internal"},

	"services/orchestrator":  {"pkg", "internal"},
	"services/compliance":    {"pkg", "internal"},
	"services/dialer":        {"pkg", "internal"},
	"services/events-bridge": {"pkg", "internal"},

	"cmd/outdial": {"pkg", "internal", "services", "sim"},
	"sim":         {"pkg", "internal"},
	"gen":         {"pkg", "internal", "services"},
	"test":        {"pkg", "internal", "services", "cmd/outdial", "sim"},
	"deploy":      {},
}

// withProviders are the parts that may speak to providers: those who place
// calls, hear of them or scrub them, and what puts them together.
var withProviders = []string{"pkg/providers", "internal/tenants", "internal/orders", "internal/config", "internal/runtime", "internal/audit",
	"services/dialer", "services/events-bridge", "services/compliance", "cmd/outdial", "sim", "gen", "test"}

// servers are the parts that may link a NATS server, besides tests: a service
// that brought its own would be alone with its log.
var servers = []string{"internal/broker/embedded", "cmd/outdial", "test"}

// companies are the parts that may know one provider by name: the registry, and
// what is no part of a service.
var companies = []string{"pkg/providers", "internal/config/kinds", "cmd/outdial", "sim", "gen", "test"}

// pure are packages that decide and do nothing else: no clock, no network, no
// file, no log.
var pure = []string{"pkg/events", "pkg/events/fault", "pkg/events/lifecycle", "services/compliance/rules"}

var impure = []string{"net", "net/http", "os", "os/exec", "log", "log/slog"}

// Limits of a file, in lines.
const (
	MostLines = 500
	GoodLines = 400
)

// under reports whether a folder is a part or lies below it.
func under(dir, part string) bool { return dir == part || strings.HasPrefix(dir, part+"/") }

// partOf is the part a folder belongs to, "" for none.
func partOf(dir string) string {
	best := ""
	for part := range arrows {
		if under(dir, part) && len(part) > len(best) {
			best = part
		}
	}
	return best
}

// Broken lists every rule that a tree breaks, with the place.
func Broken(tree fs.FS) ([]string, error) {
	files, err := Sources(tree)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, f := range files {
		out = append(out, directions(f)...)
		out = append(out, purity(f)...)
		out = append(out, manners(f)...)
	}
	words, err := forbidden(tree)
	return append(out, words...), err
}

// directions: imports go along the arrows.
func directions(f File) []string {
	var out []string
	part := partOf(f.Dir)
	if part == "" {
		return []string{f.Path + ": belongs to no part; give its folder a place in the import rule"}
	}
	for _, i := range f.Imports {
		if strings.HasPrefix(i, "go.opentelemetry.io/otel/sdk") && !f.forTests() && f.Dir != "internal/telemetry" {
			out = append(out, fmt.Sprintf("%s: imports %s; the SDK is for internal/telemetry, everybody else takes the API", f.Path, i))
		}
		if (strings.HasPrefix(i, "github.com/nats-io/nats-server/") || i == ours+"internal/broker/embedded") && !f.forTests() &&
			!slices.ContainsFunc(servers, func(s string) bool { return under(f.Dir, s) }) {
			out = append(out, fmt.Sprintf("%s: imports %s; only the all-in-one runs a server", f.Path, i))
			continue
		}
		to, mine := strings.CutPrefix(i, ours)
		if f.Dir == "sim" && !f.Test && (under(to, "sim") || under(to, "pkg/providers")) {
			out = append(out, fmt.Sprintf("%s: imports %s; the simulator's engine knows no company", f.Path, to))
		}
		if !mine || under(to, part) {
			continue
		}
		if under(to, "test") && !f.forTests() {
			out = append(out, fmt.Sprintf("%s: imports %s, which is for tests", f.Path, to))
			continue
		}
		if !slices.ContainsFunc(arrows[part], func(a string) bool { return under(to, a) }) && !(f.Test && forRig(to)) {
			out = append(out, fmt.Sprintf("%s: %s may not import %s", f.Path, part, to))
		}
		if company, one := strings.CutPrefix(to, "pkg/providers/"); one && company != "httpapi" && !f.Test && !knowsCompanies(f.Dir) {
			out = append(out, fmt.Sprintf("%s: %s may not know the provider %s", f.Path, part, company))
			continue
		}
		if under(to, "pkg/providers") && !f.Test && !slices.ContainsFunc(withProviders, func(w string) bool { return under(f.Dir, w) }) {
			out = append(out, fmt.Sprintf("%s: %s has no business with providers", f.Path, part))
		}
	}
	return out
}

// knowsCompanies reports whether a folder may know providers by name.
func knowsCompanies(dir string) bool {
	return slices.ContainsFunc(companies, func(part string) bool { return under(dir, part) })
}

// forRig are packages that any test may use to have a real server.
func forRig(to string) bool {
	return under(to, "internal/broker/embedded") || under(to, "internal/broker") || under(to, "test/exams") || under(to, "sim")
}

// purity: what decides asks nobody.
func purity(f File) []string {
	if f.Test || !slices.Contains(pure, f.Dir) {
		return nil
	}
	var out []string
	for _, i := range f.Imports {
		if slices.Contains(impure, i) {
			out = append(out, fmt.Sprintf("%s: a pure package imports %s", f.Path, i))
		}
	}
	for _, c := range calls(f, "time", "Now") {
		out = append(out, f.at(c)+": a pure package asks the clock")
	}
	return out
}

// manners: what is easy to say about one file alone.
func manners(f File) []string {
	var out []string
	if slices.Contains([]string{"util", "utils", "common", "helpers", "misc"}, strings.TrimSuffix(f.AST.Name.Name, "_test")) {
		out = append(out, f.Path+": a package called "+f.AST.Name.Name+" says nothing")
	}
	if f.Lines > MostLines {
		out = append(out, fmt.Sprintf("%s: %d lines, at most %d", f.Path, f.Lines, MostLines))
	}
	for _, d := range f.AST.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			out = append(out, f.at(fn)+": init runs unasked; let main call it by name")
		}
	}
	if !f.forTests() && slices.Contains(f.Imports, "testing") {
		out = append(out, f.Path+": imports testing into a program")
	}
	if !f.forTests() {
		return out
	}
	return append(out, waits(f)...)
}

// waits: tests neither sleep for luck nor leave themselves out. A pause in a
// loop that polls is fine, as is one that says on its line what it stands for;
// so is a rapid.T that draws another case.
func waits(f File) []string {
	var out []string
	comments := map[int]bool{} // lines that end in one
	for _, group := range f.AST.Comments {
		comments[f.fset.Position(group.Pos()).Line] = true
	}
	var open []ast.Node // the nodes around the one that is visited
	ast.Inspect(f.AST, func(n ast.Node) bool {
		if n == nil {
			open = open[:len(open)-1]
			return true
		}
		open = append(open, n)
		switch {
		case isCall(n, "time", "Sleep") && !inLoop(open) && !comments[f.fset.Position(n.Pos()).Line]:
			out = append(out, f.at(n)+": sleeps for luck; poll with a deadline, or use a channel")
		case (isCall(n, "", "Skip") || isCall(n, "", "Skipf") || isCall(n, "", "SkipNow")) && !ofRapid(open):
			out = append(out, f.at(n)+": skips; a test that may be left out proves nothing")
		}
		return true
	})
	return out
}

// isCall reports whether n calls pkg.name, or a method of the name if pkg is
// empty.
func isCall(n ast.Node, pkg, name string) bool {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != name {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	return pkg == "" || ok && x.Name == pkg
}

// inLoop reports whether the innermost function around a node has it in a loop.
func inLoop(open []ast.Node) bool {
	for _, n := range slices.Backward(open) {
		switch n.(type) {
		case *ast.ForStmt:
			return true
		case *ast.FuncLit, *ast.FuncDecl:
			return false
		}
	}
	return false
}

// ofRapid reports whether the innermost function around a node takes a rapid.T.
func ofRapid(open []ast.Node) bool {
	for _, n := range slices.Backward(open) {
		var typ *ast.FuncType
		switch fn := n.(type) {
		case *ast.FuncLit:
			typ = fn.Type
		case *ast.FuncDecl:
			typ = fn.Type
		default:
			continue
		}
		return slices.ContainsFunc(typ.Params.List, func(p *ast.Field) bool {
			star, ok := p.Type.(*ast.StarExpr)
			if !ok {
				return false
			}
			sel, ok := star.X.(*ast.SelectorExpr)
			if !ok {
				return false
			}
			id, ok := sel.X.(*ast.Ident)
			return ok && id.Name == "rapid"
		})
	}
	return false
}

// calls finds the calls of a package's function.
func calls(f File, pkg, name string) []ast.Node {
	if !slices.Contains(f.Imports, pkg) {
		return nil
	}
	var out []ast.Node
	ast.Inspect(f.AST, func(n ast.Node) bool {
		if isCall(n, path.Base(pkg), name) {
			out = append(out, n)
		}
		return true
	})
	return out
}

// words that have no place in a repository: the paths of somebody's machine.
// They are put together here, so that this file does not hold them itself.
func words() []string {
	return []string{"/root/" + "go", "/home/" + "user", "/Users/" + "me"}
}

// forbidden finds those words in any text file.
func forbidden(tree fs.FS) ([]string, error) {
	var out []string
	err := walk(tree, func(name string, text []byte) error {
		if bytes.IndexByte(text[:min(len(text), 8000)], 0) >= 0 {
			return nil // not a text
		}
		for _, w := range words() {
			if at := bytes.Index(text, []byte(w)); at >= 0 {
				out = append(out, fmt.Sprintf("%s:%d: says %q", name, 1+bytes.Count(text[:at], []byte("\n")), w))
			}
		}
		return nil
	})
	return out, err
}
