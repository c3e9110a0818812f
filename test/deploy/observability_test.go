package deploy

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metricsql"
	"go.yaml.in/yaml/v3"
)

// strict reads YAML and refuses what the type does not know.
func strict(t *testing.T, into any, path ...string) {
	t.Helper()
	d := yaml.NewDecoder(strings.NewReader(string(read(t, path...))))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", filepath.Join(path...), err)
	}
}

type alertFile struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert, Expr, For    string
			Labels, Annotations map[string]string
		}
	}
}

// expressions are all the queries that people and alerts rely on, by where
// they stand.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	var alerts alertFile
	strict(t, &alerts, "deploy", "observability", "alerts.yml")
	for _, g := range alerts.Groups {
		for _, r := range g.Rules {
			out["alert "+r.Alert] = r.Expr
		}
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(read(t, "deploy", "observability", "grafana", "dashboards", "outdial.json"), &board); err != nil {
		t.Fatal(err)
	}
	for _, p := range board.Panels {
		if len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for i, q := range p.Targets {
			out["panel "+p.Title+" "+string(rune('A'+i))] = q.Expr
		}
	}
	return out
}

var metricName = regexp.MustCompile(`\b(outdial|jetstream)_[a-z0-9_]+`)

func TestQueriesAreReadable(t *testing.T) {
	t.Parallel()
	for where, expr := range expressions(t) {
		if _, err := metricsql.Parse(expr); err != nil {
			t.Errorf("%s: %v", where, err)
		}
		if expr != "up == 0" && !strings.HasPrefix(expr, "sum(up") && !metricName.MatchString(expr) {
			t.Errorf("%s asks for nothing of ours: %s", where, expr)
		}
	}
	if _, err := metricsql.Parse("sum by (le (rate(x[5m]))"); err == nil {
		t.Error("a query that cannot be read was accepted")
	}
}

// A panel of a metric that nobody counts is an empty panel at three in the
// morning.
func TestQueriesAskForWhatIsCounted(t *testing.T) {
	t.Parallel()
	counted := instruments(t)
	if !counted["outdial_worker_messages_total"] {
		t.Fatalf("the instruments of package worker were not found, only %v", slices.Sorted(maps.Keys(counted)))
	}
	for where, expr := range expressions(t) {
		for _, name := range metricName.FindAllString(expr, -1) {
			if strings.HasPrefix(name, "outdial_") && !counted[name] {
				t.Errorf("%s asks for %s, which nobody counts", where, name)
			}
		}
	}
}

var instrument = regexp.MustCompile(`(?:Int64|Float64)(?:Observable)?(Counter|Histogram|UpDownCounter|Gauge)\("([a-z0-9_.]+)"`)

// call is the rest of a function call's text, up to its closing bracket.
func call(text string) string {
	depth := 1
	for i, c := range text {
		switch c {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return text[:i]
			}
		}
	}
	return text
}

// instruments finds what the code counts, under the names Prometheus gives it.
func instruments(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, top := range []string{"internal", "pkg", "services", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, m := range instrument.FindAllSubmatchIndex(text, -1) {
				name := strings.ReplaceAll(string(text[m[4]:m[5]]), ".", "_")
				if strings.Contains(call(string(text[m[1]:])), `WithUnit("s")`) {
					name += "_seconds"
				}
				switch string(text[m[2]:m[3]]) {
				case "Counter":
					out[name+"_total"] = true
				case "Histogram":
					out[name+"_bucket"], out[name+"_sum"], out[name+"_count"] = true, true, true
				default:
					out[name] = true
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// Whoever is woken finds out what to do.
func TestEveryAlertHasARunbook(t *testing.T) {
	t.Parallel()
	book := string(read(t, "docs", "operators.md"))
	var alerts alertFile
	strict(t, &alerts, "deploy", "observability", "alerts.yml")
	for _, g := range alerts.Groups {
		for _, r := range g.Rules {
			if r.Annotations["summary"] == "" || r.Labels["severity"] == "" {
				t.Errorf("%s says neither what nor how bad", r.Alert)
			}
			if !strings.HasSuffix(r.Annotations["runbook"], "operators.md#"+strings.ToLower(r.Alert)) || !strings.Contains(book, "### "+r.Alert+"\n") {
				t.Errorf("%s has no entry in docs/operators.md", r.Alert)
			}
		}
	}
}

// Prometheus asks services that exist, on the ports they listen on.
func TestPrometheusFindsTheServices(t *testing.T) {
	t.Parallel()
	var prom struct {
		Global    map[string]string `yaml:"global"`
		RuleFiles []string          `yaml:"rule_files"`
		Scrape    []struct {
			Job    string                       `yaml:"job_name"`
			Static []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	strict(t, &prom, "deploy", "observability", "prometheus.yml")
	p := project(t, "observability")
	found := 0
	for _, job := range prom.Scrape {
		for _, s := range job.Static {
			for _, target := range s.Targets {
				host, port, _ := strings.Cut(target, ":")
				service, ok := p.Services[host]
				if !ok {
					t.Errorf("job %s asks %s, which is no service", job.Job, host)
					continue
				}
				if _, ok := service.Networks["core"]; !ok {
					t.Errorf("job %s cannot reach %s", job.Job, host)
				}
				if listen := service.Environment["OUTDIAL_HTTP_LISTEN"]; listen != nil {
					found++
					if !strings.HasSuffix(*listen, ":"+port) {
						t.Errorf("%s listens on %s, is asked on %s", host, *listen, port)
					}
				}
			}
		}
	}
	if found != 4 {
		t.Errorf("%d services are asked, want 4", found)
	}
}
