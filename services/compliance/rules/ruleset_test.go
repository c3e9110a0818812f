package rules

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func TestEmbedded(t *testing.T) {
	t.Parallel()
	all := embeddedSets(t)
	if len(all) != 3 {
		t.Fatalf("%d embedded rule sets", len(all))
	}
	for name, r := range all {
		if r.Name != name || r.Approved() || r.Description == "" || r.Source == "" || len(r.Countries) == 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if err := all["default-safest"].Tightens(all["us-federal"]); err != nil {
		t.Error(err)
	}
	if all["us-federal"].Tightens(all["default-safest"]) == nil {
		t.Error("us-federal is said to tighten default-safest")
	}
	if w := all["default-safest"].Week; w[time.Sunday].String() != "closed" || w[time.Saturday].String() != "10:00-17:00" || w[time.Monday].String() != "10:00-18:00" {
		t.Errorf("default-safest's week is %v", w)
	}
}

// Two readings of the same text hash alike; any difference shows.
func TestHash(t *testing.T) {
	t.Parallel()
	const text = "name: a\ncountries: [IN]\nwindows: {every-day: 09:00-21:00}\n"
	a, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	b, err := Parse([]byte("windows: {every-day: '09:00-21:00'}\nname: a\ncountries: [IN]\nlease: 15m\ndeFactoZones: \"on\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse([]byte(strings.Replace(text, "21:00", "20:59", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Hash()) != 64 || a.Hash() != b.Hash() || a.Hash() == c.Hash() {
		t.Errorf("hashes %s %s %s", a.Hash(), b.Hash(), c.Hash())
	}
}

// Every mistake has its words, and all mistakes of a file come together.
func TestParseFaults(t *testing.T) {
	t.Parallel()
	const good = "name: a\ncountries: [IN]\nwindows: {every-day: 09:00-21:00}\n"
	for _, tc := range []struct {
		story, text string
		want        []string
	}{
		{"an empty file", "", []string{"empty"}},
		{"no YAML", "{", []string{"yaml"}},
		{"an unknown field", good + "colour: red\n", []string{"colour"}},
		{"a field twice", good + "name: b\n", []string{"name"}},
		{"two documents", good + "---\n" + good, []string{"more than one document"}},
		{"a window upside down", "name: a\ncountries: [IN]\nwindows: {mon: 21:00-09:00}\n", []string{"windows: mon"}},
		{"an empty window", "name: a\ncountries: [IN]\nwindows: {mon: 09:00-09:00}\n", []string{"windows: mon"}},
		{"an hour too many", "name: a\ncountries: [IN]\nwindows: {mon: 09:00-24:01}\n", []string{"windows: mon"}},
		{"a day that is none", "name: a\ncountries: [IN]\nwindows: {monday: 09:00-21:00}\n", []string{`"monday"`}},
		{"no windows", "name: a\ncountries: [IN]\n", []string{"needs its own"}},
		{"half an approval", good + "approvedBy: me\n", []string{"come together"}},
		{"an approval on no day", good + "approvedBy: me\napprovedOn: yesterday\n", []string{"YYYY-MM-DD"}},
		{"a country of one's own for the US", "name: a\ncountries: [US]\nwindows: {mon: 09:00-21:00}\n", []string{"covered by us-federal"}},
		{"a taken name", strings.Replace(good, "name: a", "name: ca", 1), []string{"embedded"}},
		{"a ground that is none", good + "extends: nowhere\n", []string{"nowhere"}},
		{"nobody's at all", good + "tenants: []\n", []string{"tenants: names"}},
		{"a tenant who cannot be", good + "tenants: [a b]\n", []string{"tenants: names"}},
		{"an override of the company list", good + "allowOverrides: [company-dnc]\n", []string{"company-dnc"}},
		{"a zone that is none", good + "zone: Mars/Olympus\n", []string{"zone"}},
		{"a negative margin", good + "endMargin: -1s\n", []string{"endMargin"}},
		{"a lease of a day", good + "lease: 24h\n", []string{"lease"}},
		{"everything at once", "name: a b\ncountries: [XX]\nwindows: {mon: x}\ncolour: red\nlease: 0s\n",
			[]string{"name:", `"XX"`, "windows: mon", "colour", "lease"}},
		{"a loosening of the US", "name: a\nextends: us-federal\nwindows: {sun: 07:00-21:30}\ncountries: [US, CA]\nlease: 30m\nallowOverrides: [window]\nwindowScope: solicitation-only\n",
			[]string{"Sunday", "country CA", "lease", "override", "windowScope"}},
		{"a loosening of the safest", "name: a\nextends: default-safest\nendMargin: 0s\nnonGeographic: with-location\n",
			[]string{"endMargin", "nonGeographic"}},
	} {
		r, err := Parse([]byte(tc.text))
		if err == nil {
			t.Errorf("%s: accepted as %+v", tc.story, r)
			continue
		}
		if !r.Missing() {
			t.Errorf("%s: a rule set in spite of the fault", tc.story)
		}
		for _, word := range tc.want {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %v does not name %q", tc.story, err, word)
			}
		}
	}
}

func TestExtending(t *testing.T) {
	t.Parallel()
	r, err := Parse([]byte("name: mine\nextends: us-federal\nwindows: {sun: closed}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Week[time.Sunday] != (Window{}) || r.Week[time.Monday].String() != "08:00-21:00" || len(r.Countries) != 6 || r.Approved() {
		t.Errorf("%+v", r)
	}
}

// Files may extend each other in any order; faults of all files come together,
// a file that extends itself through another included.
func TestLoad(t *testing.T) {
	t.Parallel()
	all, err := Load(fstest.MapFS{
		"a.yaml":    {Data: []byte("name: a\nextends: b\nwindows: {mon: 10:00-12:00}\n")},
		"b.yml":     {Data: []byte("name: b\nextends: ca\nwindows: {sat-sun: closed}\n")},
		"README.md": {Data: []byte("not a rule set")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if a := all["a"]; a.Week[time.Saturday] != (Window{}) || a.Week[time.Monday].String() != "10:00-12:00" || len(all) != 5 {
		t.Errorf("%d rule sets, a is %+v", len(all), a)
	}
	_, err = Load(fstest.MapFS{
		"a.yaml": {Data: []byte("name: a\nextends: b\n")},
		"b.yaml": {Data: []byte("name: b\nextends: a\n")},
		"c.yaml": {Data: []byte("name: us-federal\nextends: ca\n")},
		"d.yaml": {Data: []byte("name: d\nextends: ca\nwindows: {mon: 06:00-23:00}\n")},
		"e.yaml": {Data: []byte("name: d\nextends: ca\n")},
		"f.yaml": {Data: []byte("name: f\nextends: ca\nfoo: bar\nlease: 9h\n")},
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"a.yaml: extends itself", "b.yaml: extends itself", "c.yaml", "d.yaml: looser", "e.yaml", "f.yaml", "foo", "lease"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not name %q", err, want)
		}
	}
}

// A rule set may keep or narrow whose it is, and never pass itself on. Nobody
// can be led astray by a name that differs in capitals from an embedded one.
func TestWhoseARuleSetIs(t *testing.T) {
	t.Parallel()
	all, err := Load(fstest.MapFS{
		"a.yaml": {Data: []byte("name: a\nextends: us-federal\ntenants: [globex, acme, acme]\n")},
		"b.yaml": {Data: []byte("name: b\nextends: a\n")},
		"c.yaml": {Data: []byte("name: c\nextends: b\ntenants: [acme]\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"us-federal": "", "a": "acme globex", "b": "acme globex", "c": "acme"} {
		if r := all[name]; strings.Join(r.Tenants, " ") != want || r.Shipped != (name == "us-federal") {
			t.Errorf("%s is of %v, shipped %v", name, r.Tenants, r.Shipped)
		}
	}
	if embeddedSets(t)["us-federal"].Hash() != "f207e869a56def252df3cc7119b5a3c3fe874b5cfb7e3518d565187e2994cca1" {
		t.Error("a rule set that lists nobody has another hash than it had")
	}
	_, err = Load(fstest.MapFS{
		"a.yaml": {Data: []byte("name: a\nextends: us-federal\ntenants: [acme]\n")},
		"b.yaml": {Data: []byte("name: b\nextends: a\ntenants: [acme, globex]\n")},
		"c.yaml": {Data: []byte("name: US-Federal\nextends: default-safest\n")},
	})
	for _, want := range []string{"b.yaml: looser than a: tenant globex", `c.yaml: the name "US-Federal" belongs`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

// Whatever is drawn, a set that passes Tightens allows no instant that its base
// does not.
func TestTighteningIsMeant(t *testing.T) {
	t.Parallel()
	base := embeddedSets(t)["us-federal"]
	r, err := Parse([]byte("name: mine\nextends: us-federal\nendMargin: 90s\nwindows: {mon-fri: 09:30-20:00, sat: 08:00-21:00, sun: closed}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for minute := range 7 * 24 * 60 {
		f := noon()
		f.Now = f.Now.Add(time.Duration(minute) * time.Minute)
		if Decide(r, f, embeddedZones(t)).Allowed && !Decide(base, f, embeddedZones(t)).Allowed {
			t.Fatalf("looser at %s", f.Now)
		}
	}
}

// FuzzParse: no text makes it panic, and what it accepts is usable, hashes, and
// is no looser than what it extends.
func FuzzParse(f *testing.F) {
	for _, dir := range []string{"rulesets", "testdata/rulesets"} {
		files, err := filepath.Glob(dir + "/*.yaml")
		if err != nil || len(files) == 0 {
			f.Fatalf("no seeds in %s (%v)", dir, err)
		}
		for _, path := range files {
			text, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(slices.Concat([]byte("# "), text))
			f.Add(text)
		}
	}
	all := embeddedSets(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Parse(text)
		if err != nil {
			if !r.Missing() {
				t.Fatal("a fault and a rule set")
			}
			return
		}
		if len(r.Hash()) != 64 || len(r.Countries) == 0 || r.Missing() {
			t.Fatalf("accepted, and not usable: %+v", r)
		}
		if r.Extends != "" {
			if err := r.Tightens(all[r.Extends]); err != nil {
				t.Fatal(err)
			}
			return
		}
		for _, country := range r.Countries {
			if slices.Contains(all["us-federal"].Countries, country) || slices.Contains(all["ca"].Countries, country) {
				t.Fatalf("its own rules for %s", country)
			}
		}
	})
}
