package config_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/config/kinds"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
)

const two = `
tenants:
  acme:   {countries: [CA, US], ruleset: us-federal, callerIds: ["+18667451900"], key: {file: secrets/acme.key}}
  globex: {countries: [US], ruleset: us-federal, key: {env: GLOBEX_KEY}}
connections:
  real:       {kind: tcn, tenant: acme, baseURL: "https://api.example.com"}
  sim:        {kind: tcn, tenant: acme, baseURL: "http://[::1]:9101/"}
  webex-desk: {kind: webexcc, tenant: acme}
  five9-desk: {kind: five9, tenant: globex, homeRegion: GB, minVersion: "3.20"}
`

func TestTheDirectoryHasWhatIsConfigured(t *testing.T) {
	t.Parallel()
	cfg := parse(t, two, nil, home(t))
	dir, err := config.Directory(cfg, nil, providers.Deps{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	acme, ok := dir.Tenant("acme")
	if !ok || acme.DefaultFrom() != "+18667451900" || acme.HomeRegion() != "CA" || len(acme.Key) != 32 {
		t.Errorf("acme is not as configured")
	}
	if globex, _ := dir.Tenant("globex"); string(globex.Key) == string(acme.Key) {
		t.Error("the tenants share a key")
	}
	for name, want := range map[string]struct {
		tenant   string
		kind     providers.Kind
		loopback bool
	}{
		"real": {"acme", providers.TCN, false}, "sim": {"acme", providers.TCN, true},
		"webex-desk": {"acme", providers.WebexCC, true}, "five9-desk": {"globex", providers.Five9, true},
	} {
		c, ok := dir.Connection(want.tenant, name)
		if !ok || c.Kind != want.kind || c.Loopback != want.loopback {
			t.Errorf("%s is %v %s %v", name, ok, c.Kind, c.Loopback)
			continue
		}
		if p := c.Provider; p.Kind != want.kind || p.Starter == nil || p.Reader == nil || (p.Preparer != nil) != (want.kind == providers.TCN) {
			t.Errorf("the provider of %s is of kind %s", name, p.Kind)
		}
	}
	if _, ok := dir.Connection("globex", "sim"); ok {
		t.Error("globex sees the connection of acme")
	}
}

// The heads alone are read here; a file that compliance will refuse gives
// nobody anything.
func TestTheRuleSetsThatATenantsRequestsMayName(t *testing.T) {
	t.Parallel()
	dir := home(t)
	for file, text := range map[string]string{
		"a.yaml": "name: acme-own\nextends: us-federal\nwindows: {sun: closed}\n", "b.yml": "name: acme-night\nextends: acme-own\n",
		"c.yaml": "name: both\nextends: us-federal\ntenants: [acme, globex]\n", "d.yaml": "name: stray\nextends: us-federal\n",
		"e.yaml": "name: us-federal\nextends: acme-own\n", "f.yaml": "{", "g.yaml": "", "h.yaml": "name: twice\nextends: acme-own\n",
		"i.yaml": "name: twice\nextends: acme-own\n", "j.yaml": "name: [list]\n", "README.md": "name: not-a-rule-set\nextends: acme-own\n",
		"sub/k.yaml": "name: below\nextends: acme-own\n",
	} {
		write(t, filepath.Join(dir, "rulesets", file), text)
	}
	for own, want := range map[string]string{"acme-own": "acme-night acme-own", "us-federal": "both default-safest us-federal", "default-safest": "default-safest", "gone": ""} {
		text := strings.Replace(two, "acme:   {countries: [CA, US], ruleset: us-federal", "acme:   {countries: [CA, US], ruleset: "+own, 1)
		cfg := parse(t, text+"rulesets: {dir: rulesets}\n", nil, dir)
		d, err := config.Directory(cfg, nil, providers.Deps{Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		acme, _ := d.Tenant("acme")
		globex, _ := d.Tenant("globex")
		if got := strings.Join(acme.Rulesets, " "); got != want {
			t.Errorf("a tenant by %s may name %q, want %q", own, got, want)
		}
		if !globex.MayName("both") || globex.MayName("acme-own") || globex.MayName("acme-night") || globex.MayName("stray") {
			t.Errorf("the other tenant may name %q", globex.Rulesets)
		}
	}
}

// A listener is a section that keeps what it is built with.
type listener struct {
	HomeRegion string `yaml:"homeRegion"`
	MinVersion string `yaml:"minVersion"`
	BaseURL    string `yaml:"baseURL"`
	kind       providers.Kind
	heard      map[providers.Kind]string
}

func (*listener) Check() []providers.Mistake { return nil }
func (*listener) Address() string            { return "http://127.0.0.1:1" }
func (l *listener) Build(d providers.Deps) (providers.Provider, error) {
	l.heard[l.kind] = d.HomeRegion
	return providers.Provider{Kind: l.kind}, nil
}

func TestAProviderHearsWhereItsTenantIsAtHome(t *testing.T) {
	t.Parallel()
	heard := map[providers.Kind]string{}
	var table config.Kinds
	for _, p := range kinds.All().Built() {
		table = append(table, providers.Product{Kind: p.Kind, Section: func() providers.Section { return &listener{kind: p.Kind, heard: heard} }})
	}
	o := options(home(t))
	o.Kinds = table
	cfg, err := config.Parse("", []byte(two), environment(nil), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := config.Directory(cfg, nil, providers.Deps{}); err != nil {
		t.Fatal(err)
	}
	for who, want := range map[providers.Kind]string{providers.WebexCC: "CA", providers.Five9: "US", providers.TCN: "CA"} {
		if got := heard[who]; got != want {
			t.Errorf("%s is at home in %q, want %s", who, got, want)
		}
	}
}

func TestAKindThatIsNotBuiltHasNoDirectory(t *testing.T) {
	t.Parallel()
	cfg := &config.Config{Connections: map[string]config.Connection{"tcn-main": {Kind: "tcn"}}}
	if _, err := config.Directory(cfg, nil, providers.Deps{}); err == nil || !strings.Contains(err.Error(), "connections.tcn-main") {
		t.Errorf("got %v", err)
	}
	if cfg.ProvidersLoopback() {
		t.Error("what nobody knows the address of is on this machine")
	}
}

// nowhere is a section that does not say where its provider is asked.
type nowhere struct {
	BaseURL string `yaml:"baseURL"`
}

func (*nowhere) Check() []providers.Mistake                       { return nil }
func (*nowhere) Address() string                                  { return "" }
func (*nowhere) Build(providers.Deps) (providers.Provider, error) { return providers.Provider{}, nil }

// By its address outdial knows that a provider is a simulator, and whom windows
// and approvals may leave alone.
func TestAProviderThatSaysNoAddressIsRefused(t *testing.T) {
	t.Parallel()
	o := options(home(t))
	o.Kinds = config.Kinds{{Kind: "tcn", Section: func() providers.Section { return new(nowhere) }}}
	_, err := config.Parse("", []byte(small), environment(nil), o)
	if err == nil || !strings.Contains(err.Error(), "connections.tcn-main (line 5): kind tcn does not say where it is asked") {
		t.Errorf("got %v", err)
	}
	cfg := config.Config{Connections: map[string]config.Connection{"tcn-main": {Kind: "tcn", Section: new(nowhere)}}}
	if cfg.HTTP.Listen = "127.0.0.1:8080"; cfg.ConnectionLoopback("tcn-main") {
		t.Error("it is taken to be on this machine")
	}
}

func TestLoopback(t *testing.T) {
	t.Parallel()
	remote := "nats: {url: 'tls://nats.example.com', monitor: 'http://nats.example.com:8222'}\n"
	cluster := "nats: {url: 'nats://127.0.0.1:4222,tls://nats.example.com', monitor: 'http://127.0.0.1:8222'}\n"
	desk := strings.Replace(small, "connections:", "connections:\n  desk: {kind: webexcc, tenant: acme}", 1)
	for name, tc := range map[string]struct {
		text                     string
		all, providers, deskHere bool
	}{
		"everything here":                 {desk, true, true, true},
		"by the name of localhost":        {desk + "http: {listen: 'localhost:8080'}\n", true, true, true},
		"on the other loopback":           {desk + "http: {listen: '[::1]:8080'}\n", true, true, true},
		"a server for this process alone": {desk + "nats: {listen: ''}\n", true, true, true},
		"open to everybody":               {desk + "http: {listen: ':8080'}\n", false, false, false},
		"open to the network":             {desk + "http: {listen: '10.0.0.1:8080'}\n", false, false, false},
		"a log elsewhere":                 {desk + remote, false, true, true},
		"a log partly elsewhere":          {desk + cluster, false, true, true},
		"a real provider":                 {strings.Replace(desk, "http://127.0.0.1:9101", "https://127.0.0.1.example.com", 1), false, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := parse(t, tc.text, nil, home(t))
			if cfg.Loopback() != tc.all || cfg.ProvidersLoopback() != tc.providers || cfg.ConnectionLoopback("desk") != tc.deskHere {
				t.Errorf("all %v, providers %v, desk %v", cfg.Loopback(), cfg.ProvidersLoopback(), cfg.ConnectionLoopback("desk"))
			}
			if cfg.ConnectionLoopback("nowhere") {
				t.Error("a connection that does not exist is on loopback")
			}
		})
	}
}

func TestADesktopsToken(t *testing.T) {
	t.Parallel()
	desk := strings.Replace(small, "connections:", "connections:\n  desk: {kind: webexcc, tenant: acme}\n  other: {kind: five9, tenant: acme}", 1)
	cfg := parse(t, desk+"workspace: {tokens: {agent4: {env: DESK_TOKEN}, desk/agent4: {env: TCN_TOKEN}, desk/a b/c: {env: OTHER_TOKEN}}}\n", nil, home(t))
	for _, tc := range []struct{ connection, agent, want string }{
		{"desk", "agent4", "token-2098765"}, {"other", "agent4", "desk"}, {"desk", "agent5", ""}, {"other", "a b/c", ""},
		{"desk", "a b/c", "token-2098766"}, {"desk", events.AgentToken("a b/c"), "token-2098766"},
	} {
		if got := cfg.Workspace.Token(tc.connection, tc.agent); got != tc.want {
			t.Errorf("%s/%s has %q, want %q", tc.connection, tc.agent, got, tc.want)
		}
	}
}

func TestWhatShouldBeSeenIsAWarning(t *testing.T) {
	t.Parallel()
	desk := strings.Replace(small, "connections:", "connections:\n  desk: {kind: webexcc, tenant: acme}", 1)
	for text, want := range map[string]string{
		desk + "http: {listen: ':8080'}\n": "workspace.tokens: ",
		desk + "nats: {url: 'nats://nats.example.com', monitor: 'http://nats.example.com:8222'}\n": "nats.url: ",
	} {
		cfg := parse(t, text, nil, home(t))
		if len(cfg.Warnings) != 1 || !strings.HasPrefix(cfg.Warnings[0], want) {
			t.Errorf("warnings %q, want one of %s", cfg.Warnings, want)
		}
	}
}
