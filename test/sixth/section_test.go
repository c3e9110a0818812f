package sixth_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/pkg/providers/acqueon/five9"
	"github.com/outdial/outdial/pkg/providers/acqueon/webexcc"
	"github.com/outdial/outdial/pkg/providers/tcn"
	"github.com/outdial/outdial/test/sixth"
)

const written = `
tenants:
  acme: {countries: [US], ruleset: us-federal, key: {env: ACME_KEY}}
connections:
  lists-1: {kind: sixth, tenant: acme%s}
  desk: {kind: five9, tenant: acme%s}
`

// others are the kinds that the mistakes name, however many there are by now.
var others = config.Kinds{tcn.Product(), webexcc.Product(), five9.Product()}

// read loads a configuration with settings of the sixth and of another kind.
func read(lists, desk string, env map[string]string) (*config.Config, error) {
	all := map[string]string{"ACME_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "SIXTH_KEY": secret}
	maps.Copy(all, env)
	return config.Parse("outdial.yaml", fmt.Appendf(nil, written, lists, desk), func(name string) string { return all[name] },
		config.Options{Kinds: append(slices.Clone(others), sixth.Product()), ReadOnly: true})
}

const right = `, baseURL: "http://127.0.0.1:1", key: {env: SIXTH_KEY}`

func TestItsMistakesAreSaidWithTheOthers(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		lists, desk string
		env         map[string]string
		want        string
	}{
		"nothing of its own": {"", "", nil,
			"connections.lists-1.baseURL (line 5): is missing; kind sixth needs it\nconnections.lists-1.key (line 5): is missing; the company knows its customers by it"},
		"a setting that nobody has": {right + ", sites: 2", "", nil, "connections.lists-1.sites (line 5): is not a setting; did you mean site?"},
		"another's setting":         {right + ", minVersion: '3.21'", "", nil, "connections.lists-1.minVersion (line 5): is not for this kind, but for five9, webexcc"},
		"its setting at another":    {right, ", site: 2", nil, "connections.desk.site (line 6): is not for this kind, but for sixth"},
		"one that several have":     {right, ", timeout: 2s", nil, "connections.desk.timeout (line 6): is not for this kind, but for sixth, tcn"},
		"its own check":             {right + ", site: 0", "", nil, "connections.lists-1.site (line 5): begins at 1"},
		"what holds for every one":  {right + ", timeout: -1s", "", nil, "connections.lists-1.timeout (line 5): is negative"},
		"a secret in the clear": {", baseURL: 'http://127.0.0.1:1', key: " + secret, "", nil,
			"connections.lists-1.key (line 5): a secret may not stand here in the clear; write {env: NAME} or {file: PATH}"},
		"a secret from nowhere": {", baseURL: 'http://127.0.0.1:1', key: {env: NOT_SET}", "", nil,
			"connections.lists-1.key (line 5): the environment variable NOT_SET is not set"},
		"of the environment": {right, "", map[string]string{"OUTDIAL_CONNECTIONS_LISTS_1_SITE": "0", "OUTDIAL_CONNECTIONS_LISTS_1_TIMEOUT": "soon"},
			"OUTDIAL_CONNECTIONS_LISTS_1_SITE: begins at 1\nOUTDIAL_CONNECTIONS_LISTS_1_TIMEOUT: wants a duration such as 30s, 5m or 72h"},
		"no rate": {right + ", perSecond: 0", "", nil,
			"connections.lists-1.perSecond (line 5): must be at least 1; leave it out for 5, as the provider's document says"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := read(tc.lists, tc.desk, tc.env)
			if err == nil {
				t.Fatal("it loads")
			}
			_, got, _ := strings.Cut(err.Error(), "\n  ")
			if got = strings.ReplaceAll(got, "\n  ", "\n"); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Error("a fault repeats the key")
			}
		})
	}
}

func TestItsSectionIsReadAndPrinted(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		lists string
		env   map[string]string
		site  int
		rate  int
	}{
		"its defaults":                {right, nil, 1, 5},
		"the file over them":          {right + ", site: 2, perSecond: 7", nil, 2, 7},
		"a rate by its other name":    {right + ", ratePerSecond: 7", nil, 1, 7},
		"the environment over it all": {right + ", site: 2, perSecond: 7", map[string]string{"OUTDIAL_CONNECTIONS_LISTS_1_SITE": "3", "OUTDIAL_CONNECTIONS_LISTS_1_PER_SECOND": "9"}, 3, 9},
		"a key by its variable":       {`, baseURL: "http://127.0.0.1:1"`, map[string]string{"OUTDIAL_CONNECTIONS_LISTS_1_KEY": secret}, 1, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, err := read(tc.lists, "", tc.env)
			if err != nil {
				t.Fatal(err)
			}
			c := cfg.Connections["lists-1"]
			s, ok := c.Section.(*sixth.Section)
			if !ok || s.Site != tc.site || c.PerSecond != tc.rate || s.Key.Reveal() != secret {
				t.Errorf("read %+v", c)
			}
			printed, err := cfg.YAML()
			if err != nil || strings.Contains(string(printed), secret) || !strings.Contains(string(printed), fmt.Sprint("site: ", tc.site)) {
				t.Errorf("printed %v\n%s", err, printed)
			}
		})
	}
}

func TestItsSettingsAreDocumented(t *testing.T) {
	t.Parallel()
	var got []string
	for _, f := range config.Fields(registered()) {
		if f.Of != nil && f.Of.Kind == sixth.Kind && !f.Group {
			got = append(got, f.Path+" "+f.Type+" "+f.Default+" "+f.Env)
		}
	}
	want := `connections.<name>.baseURL text  OUTDIAL_CONNECTIONS_<NAME>_BASE_URL
connections.<name>.timeout duration 10s OUTDIAL_CONNECTIONS_<NAME>_TIMEOUT
connections.<name>.key secret  OUTDIAL_CONNECTIONS_<NAME>_KEY
connections.<name>.site number 1 OUTDIAL_CONNECTIONS_<NAME>_SITE`
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}
