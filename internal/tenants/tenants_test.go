package tenants_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
)

func key(b string) events.Key { return events.Key(strings.Repeat(b, 32)) }

func TestADirectoryKnowsWhoseConnectionIsWhose(t *testing.T) {
	t.Parallel()
	d, err := tenants.New(
		[]tenants.Tenant{{Name: "globex", Key: key("g")}, {Name: "acme", Key: key("a"), Countries: []string{"CA", "US"}, CallerIDs: []string{"+18667451900", "+18667451901"}}},
		[]tenants.Connection{{Name: "z", Tenant: "acme"}, {Name: "tcn", Tenant: "acme", Kind: providers.TCN}, {Name: "desk", Tenant: "globex"}})
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := d.Connection("acme", "tcn"); !ok || c.Kind != providers.TCN {
		t.Errorf("%+v, %v", c, ok)
	}
	for _, x := range [][2]string{{"globex", "tcn"}, {"acme", "desk"}, {"acme", "none"}, {"", "tcn"}} {
		if _, ok := d.Connection(x[0], x[1]); ok {
			t.Errorf("%s finds %s", x[0], x[1])
		}
	}
	a, ok := d.Tenant("acme")
	if !ok || a.DefaultFrom() != "+18667451900" || a.HomeRegion() != "CA" {
		t.Errorf("%+v, %v", a, ok)
	}
	if g, _ := d.Tenant("globex"); g.DefaultFrom() != "" || g.HomeRegion() != "US" {
		t.Errorf("%+v", g)
	}
	if _, ok := d.Tenant("none"); ok {
		t.Error("a tenant nobody configured")
	}
	var order []string
	for _, t := range d.Tenants() {
		order = append(order, t.Name)
	}
	for _, c := range d.Connections() {
		order = append(order, c.Name)
	}
	if got := strings.Join(order, " "); got != "acme globex desk tcn z" {
		t.Errorf("in the order %s", got)
	}
}

func TestADirectoryRefuses(t *testing.T) {
	t.Parallel()
	good := tenants.Tenant{Name: "acme", Key: key("a")}
	for story, tc := range map[string]struct {
		tenant tenants.Tenant
		conn   tenants.Connection
	}{
		"a tenant that is no token":     {tenants.Tenant{Name: "ac me", Key: key("a")}, tenants.Connection{Name: "c", Tenant: "ac me"}},
		"a tenant without a key":        {tenants.Tenant{Name: "acme"}, tenants.Connection{Name: "c", Tenant: "acme"}},
		"a connection of nobody":        {good, tenants.Connection{Name: "c", Tenant: "globex"}},
		"a connection that is no token": {good, tenants.Connection{Name: "c.d", Tenant: "acme"}},
	} {
		if _, err := tenants.New([]tenants.Tenant{tc.tenant}, []tenants.Connection{tc.conn}); err == nil {
			t.Errorf("%s was let in", story)
		}
	}
}

func TestASealedTokenOpensForItsAgentAlone(t *testing.T) {
	t.Parallel()
	d, err := tenants.New([]tenants.Tenant{{Name: "acme", Key: key("a")}, {Name: "globex", Key: key("g")}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := key("a").Seal("s3cret", tenants.SealAbout("acme", "ann"))
	if err != nil {
		t.Fatal(err)
	}
	s := events.AgentState{Connection: "tcn", ProviderAgent: "2098765", HuntGroups: []string{"sales", "more"}, Session: "s1", Provider: map[string]string{"x": "y"}}
	ref, err := d.AgentRef("acme", "ann", s, sealed)
	if err != nil || ref.Token != "s3cret" || ref.Provider != "2098765" || ref.HuntGroup != "sales" || ref.Session != "s1" || ref.IDs["x"] != "y" || ref.Connection != "tcn" {
		t.Errorf("%v", err)
	}
	for _, x := range [][3]string{{"acme", "bob", sealed}, {"globex", "ann", sealed}, {"none", "ann", sealed}, {"acme", "ann", sealed[:20]}, {"acme", "ann", "?"}} {
		if ref, err := d.AgentRef(x[0], x[1], s, x[2]); !errors.Is(err, events.ErrSeal) || ref.Token != "" {
			t.Errorf("%s of %s opened it: %v", x[1], x[0], err)
		}
	}
	if ref, err := d.AgentRef("acme", "ann", events.AgentState{}, ""); err != nil || ref.Token != "" || ref.HuntGroup != "" {
		t.Errorf("without a token: %+v, %v", ref, err)
	}
}
