package broker_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/test/exams/natstest"
)

// A durable delivers what its service's handler acts on: less would never be
// done, more costs everybody. What a handler acts on stands in its switch over
// the event's name.
func TestDurablesDeliverWhatTheirHandlersActOn(t *testing.T) {
	t.Parallel()
	l := plan(t, "acme")
	for _, tc := range []struct{ service, handler, stream, durable string }{
		{"orchestrator", "(?i)^onCall$", "CALLS", broker.Orchestrator},
		{"orchestrator", "(?i)^onAgent$", "AGENTS", broker.Orchestrator},
		{"compliance", "(?i)^onCall$", "CALLS", broker.Compliance},
		{"dialer", "(?i)^onCall$", "CALLS", broker.Dialer},
	} {
		t.Run(tc.service+" on "+tc.stream, func(t *testing.T) {
			at := slices.IndexFunc(l.Consumers, func(c broker.Consumer) bool {
				return c.Stream == tc.stream && c.Config.Name == tc.durable
			})
			hears := map[string]bool{}
			for _, f := range l.Consumers[at].Config.FilterSubjects {
				hears[f[strings.LastIndexByte(f, '.')+1:]] = true
			}
			acts := handled(t, "../../services/"+tc.service, tc.handler)
			if !maps.Equal(hears, acts) {
				t.Errorf("hears  %v\nacts on %v", slices.Sorted(maps.Keys(hears)), slices.Sorted(maps.Keys(acts)))
			}
		})
	}
}

// Every filter names an event that its role may write; another would be
// silence.
func TestFiltersNameEventsThatExist(t *testing.T) {
	t.Parallel()
	for _, c := range plan(t, "acme").Consumers {
		for _, f := range c.Config.FilterSubjects {
			family, _, _, role, name, ok := events.ParseLogSubject(strings.ReplaceAll(f, "*", "x"))
			if _, known := events.Lookup(family, role, name); !ok || !known {
				t.Errorf("%s on %s: %s", c.Config.Name, c.Stream, f)
			}
		}
	}
}

// handled lists the event names in a service's handlers' switches over r.Name.
func handled(t *testing.T, dir, handler string) map[string]bool {
	t.Helper()
	names, want, out := eventNames(t), regexp.MustCompile(handler), map[string]bool{}
	for _, f := range parse(t, dir) {
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || !want.MatchString(fn.Name.Name) {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				sw, ok := n.(*ast.SwitchStmt)
				if !ok || !isName(sw.Tag) {
					return true
				}
				for _, stmt := range sw.Body.List {
					for _, e := range stmt.(*ast.CaseClause).List {
						if s, ok := e.(*ast.SelectorExpr); ok {
							out[names[s.Sel.Name]] = true
						}
					}
				}
				return true
			})
		}
	}
	if len(out) == 0 {
		t.Fatalf("no switch over r.Name in %s of %s: this test must learn how handlers look", handler, dir)
	}
	return out
}

// isName says whether an expression is r.Name.
func isName(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != "Name" {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == "r"
}

// eventNames are the names by the constants that hold them.
func eventNames(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, f := range parse(t, "../../pkg/events") {
		ast.Inspect(f, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || len(v.Values) != 1 {
				return true
			}
			if typ, ok := v.Type.(*ast.Ident); ok && typ.Name == "Name" {
				out[v.Names[0].Name] = strings.Trim(v.Values[0].(*ast.BasicLit).Value, `"`)
			}
			return true
		})
	}
	return out
}

func parse(t *testing.T, dir string) (out []*ast.File) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, f)
	}
	return out
}

// A store of an older version has consumers that hear everything and wait
// longer. Provisioning gives them their filters; what they had not delivered is
// delivered where somebody acts on it, and what they had delivered is not lost.
func TestTheConsumersOfAnOlderStoreGetTheirFilters(t *testing.T) {
	t.Parallel()
	r := natstest.New(t)
	older, now := plan(t, "acme"), plan(t, "acme")
	for i := range older.Consumers {
		c := &older.Consumers[i].Config
		c.AckWait = 30 * time.Second
		if c.Name == broker.Dialer {
			ours := slices.DeleteFunc(slices.Clone(c.FilterSubjects), func(f string) bool { return strings.Contains(f, ".bridge.") })
			c.FilterSubjects = append(ours, "calls.*.*.bridge.*", "calls.*.*.dialer.dialing", "calls.*.*.dialer.started")
		} else {
			c.FilterSubjects = nil
		}
	}
	if _, err := broker.Apply(t.Context(), r.JS, older); err != nil {
		t.Fatal(err)
	}
	publish := func(tails ...string) {
		t.Helper()
		for _, tail := range tails {
			if _, err := r.JS.PublishMsg(t.Context(), &nats.Msg{Subject: "append.calls.acme.c1." + tail}); err != nil {
				t.Fatal(err)
			}
		}
	}
	// take fetches what a durable delivers, and says what it was.
	take := func(durable string) (msgs []jetstream.Msg, heard []string) {
		t.Helper()
		cons, err := r.JS.Consumer(t.Context(), "CALLS", durable)
		if err != nil {
			t.Fatal(err)
		}
		b, err := cons.FetchNoWait(16)
		if err != nil {
			t.Fatal(err)
		}
		for m := range b.Messages() {
			msgs, heard = append(msgs, m), append(heard, strings.TrimPrefix(m.Subject(), "calls.acme.c1."))
		}
		return msgs, heard
	}
	publish("orchestrator.requested", "orchestrator.assigned", "compliance.passed")
	pending, _ := take(broker.Orchestrator)
	publish("dialer.dialing", "dialer.started", "bridge.annotated", "bridge.talking", "bridge.ended")

	changes, err := broker.Apply(t.Context(), r.JS, now)
	if err != nil || len(changes) != len(now.Consumers) {
		t.Fatalf("%d changes, want one for each of %d consumers: %v", len(changes), len(now.Consumers), err)
	}
	if left, err := broker.Diff(t.Context(), r.JS, now); err != nil || len(left) != 0 {
		t.Errorf("after the upgrade: %v, %v", left, err)
	}
	for _, m := range pending {
		if err := m.Nak(); err != nil {
			t.Fatal(err)
		}
	}
	for durable, want := range map[string][]string{
		broker.Compliance: {"orchestrator.requested", "orchestrator.assigned"},
		broker.Dialer:     {"compliance.passed", "bridge.talking"},
	} {
		if _, heard := take(durable); !slices.Equal(heard, want) {
			t.Errorf("%s is delivered %v, want %v", durable, heard, want)
		}
	}
	_, heard := take(broker.Orchestrator)
	for _, tail := range []string{"orchestrator.requested", "dialer.started", "bridge.ended"} {
		if !slices.Contains(heard, tail) {
			t.Errorf("the orchestrator never hears %s: %v", tail, heard)
		}
	}
	for _, tail := range []string{"bridge.annotated", "bridge.talking", "dialer.dialing"} {
		if slices.Contains(heard, tail) {
			t.Errorf("the orchestrator hears %s", tail)
		}
	}
}
