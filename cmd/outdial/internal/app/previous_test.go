package app

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/audit"
	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/config/kinds"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/desktopsim"
	"github.com/outdial/outdial/sim/tcnsim"
)

// previous is the store of a version before, unpacked, and what belongs to it;
// see testdata/previous.
type previous struct {
	t    *testing.T
	dir  string
	sim  *sim.Simulator
	app  *App
	nc   *nats.Conn
	text string // of the configuration, with addresses of this test
}

func openPrevious(t *testing.T, version string) *previous {
	t.Helper()
	p := &previous{t: t, dir: t.TempDir()}
	f, err := os.Open("testdata/previous/" + version + ".tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unpack(f, p.dir); err != nil {
		t.Fatal(err)
	}
	if p.sim, err = sim.New(sim.Options{Pace: 20 * time.Millisecond, Seed: 2}); err != nil {
		t.Fatal(err)
	}
	tcn, err := tcnsim.New(p.sim, tcnsim.Options{Agents: tcnsim.Agents(8)})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(tcn)
	t.Cleanup(srv.Close)
	t.Cleanup(func() { _ = p.sim.Close() })
	raw, err := os.ReadFile(filepath.Join(p.dir, "outdial.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p.text = strings.NewReplacer("127.0.0.1:14322", "127.0.0.1:0", "127.0.0.1:18380", "127.0.0.1:0", "http://127.0.0.1:19301", srv.URL).
		Replace(string(raw)) + "timing:\n" +
		"  orchestrator: {undo: 1s, answer: 1s, unknown: 1s, ring: 1s, talk: 1s, ended: 1s, wrapUp: 1s, retry: 100ms}\n" +
		"  dialer: {settle: 100ms}\n  bridge: {pollEvery: 50ms}\n"
	return p
}

// unpack writes a compressed archive below dir.
func unpack(r io.Reader, dir string) error {
	z, err := gzip.NewReader(r)
	if err != nil {
		return err
	}
	for in := tar.NewReader(z); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(to, 0o700)
		} else {
			var data []byte
			if data, err = io.ReadAll(in); err == nil {
				err = os.WriteFile(to, data, 0o600)
			}
		}
		if err != nil {
			return err
		}
	}
}

// config is the store's own configuration.
func (p *previous) config() *config.Config {
	p.t.Helper()
	token := func(name string) string {
		if sid, ok := strings.CutPrefix(name, "TCN_"); ok {
			return "token-" + sid
		}
		return ""
	}
	c, err := config.Parse("outdial.yaml", []byte(p.text), token, config.Options{Kinds: kinds.All(), Dir: p.dir})
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

// up starts outdial on the store.
func (p *previous) up(ctx context.Context) {
	p.t.Helper()
	var err error
	p.app, err = Start(ctx, Options{Config: p.config(), Version: "0.0.1", Unsafe: true, LogTo: p.t.Output(), Getenv: noEnv})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(p.app.Close)
	if p.nc, err = p.app.Client("test"); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(p.nc.Close)
}

// ask sends a command and decodes the answer; "" is success, else the error's
// code.
func (p *previous) ask(tenant, command, body string, into any) string {
	p.t.Helper()
	m, err := p.nc.Request("outdial."+tenant+"."+command, []byte(body), 10*time.Second)
	if err != nil {
		p.t.Fatalf("%s: %v", command, err)
	}
	if code := m.Header.Get("Nats-Service-Error-Code"); code != "" {
		return code
	}
	if err := json.Unmarshal(m.Data, into); err != nil {
		p.t.Fatalf("%s: %v", command, err)
	}
	return ""
}

// publish sends a request as upstream would.
func publish(t *testing.T, nc *nats.Conn, tenant, id, body string) {
	t.Helper()
	m := nats.NewMsg(events.RequestSubject(tenant))
	for k, v := range map[string]string{"specversion": "1.0", "id": id, "source": "/old", "type": events.TypeDialRequested, "datacontenttype": "application/json"} {
		m.Header.Set("ce-"+k, v)
	}
	m.Data = []byte(body)
	if _, err := nc.RequestMsg(m, 10*time.Second); err != nil {
		t.Fatal(err)
	}
}

type outcome struct{ State, Outcome, Reason string }

// closed waits until a call is closed.
func (p *previous) closed(tenant, id string) outcome {
	p.t.Helper()
	var c outcome
	for deadline := time.Now().Add(20 * time.Second); ; {
		code := p.ask(tenant, "call.get", `{"source":"/old","id":"`+id+`"}`, &c)
		if c.State == "closed" {
			return c
		}
		if time.Now().After(deadline) {
			p.t.Errorf("%s is not closed: %q, %s", id, c.State, code)
			return c
		}
		time.Sleep(20 * time.Millisecond) // between two looks
	}
}

func TestTheStoreOfTheVersionBeforeOpens(t *testing.T) {
	t.Parallel()
	p := openPrevious(t, "fd50fd6")
	h := &home{t: t, dir: p.dir}
	h.amid(func(_ context.Context, js jetstream.JetStream) error { // while the services were down
		publish(t, js.Conn(), "acme", "came-meanwhile", `{"to":"+919876540147","huntGroup":"nobody","expiresAt":"2100-01-01T00:00:00Z"}`)
		return nil
	})
	p.up(t.Context())
	t.Run("its streams get sizes", p.streamsHaveSizes)
	t.Run("its list blocks", p.listBlocks)
	t.Run("what was closed stays so", func(t *testing.T) {
		for id, tenant := range map[string]string{"closed-completed": "globex", "closed-blocked": "globex", "closed-twice": "globex",
			"closed-five9": "globex", "closed-desktop": "acme", "closed-expired": "acme"} {
			publish(t, p.nc, tenant, id, `{"to":"+16085551234","huntGroup":"sales"}`) // no second call of this name
			if c := p.closed(tenant, id); c.State != "closed" {
				t.Errorf("%s is %s", id, c.State)
			}
		}
	})
	t.Run("its open calls close", p.openCallsClose)
	t.Run("the audit passes", p.auditPasses)
}

// Stores that later versions made from their beginning, and left amid calls.
func TestTheStoreOfALaterVersionOpens(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"7bb938d", "ea6e094"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			p := openPrevious(t, version)
			p.up(t.Context())
			p.goesOn(t)
		})
	}
}

// goesOn has the store of a later version do its work.
func (p *previous) goesOn(t *testing.T) {
	t.Run("its list blocks", func(t *testing.T) {
		for tenant, number := range map[string]string{"acme": "+919876540147", "globex": "+16085550199"} {
			body := `{"to":"` + number + `","agent":"agent4"}`
			if tenant == "globex" {
				body = `{"to":"` + number + `","agent":"2098765","metadata":[{"key":"Account","value":"A"},{"key":"Zip Code","value":"53703"}]}`
			}
			publish(t, p.nc, tenant, "now-listed", body)
			if c := p.closed(tenant, "now-listed"); c.Outcome != "blocked" {
				t.Errorf("%s: %+v", tenant, c)
			}
		}
	})
	t.Run("what was closed stays so", func(t *testing.T) {
		for id, tenant := range map[string]string{"closed-completed": "globex", "closed-blocked": "globex", "closed-five9": "globex",
			"closed-desktop": "acme", "closed-expired": "acme"} {
			publish(t, p.nc, tenant, id, `{"to":"+16085551234","huntGroup":"sales"}`) // no second call of this name
			p.closed(tenant, id)
		}
	})
	t.Run("its open calls close", func(t *testing.T) {
		for _, id := range []string{"open-talking-tcn", "open-talking-five9", "open-dialed-tcn"} {
			p.closed("globex", id)
		}
		p.closed("acme", "open-offered-webex")
		for _, id := range []string{"open-waiting", "open-waiting-not-before"} {
			var c outcome
			p.ask("acme", "call.cancel", `{"source":"/old","id":"`+id+`","reason":"the end of the test"}`, &c)
			p.closed("acme", id)
		}
	})
	t.Run("the audit passes", p.auditPasses)
}

// News of agents is known by its place in PROVIDER. One that was made anew begins
// to count again: all that providers say would be taken for read.
func TestAProviderStreamMadeAnewAloneIsNotBegunWith(t *testing.T) {
	t.Parallel()
	p := openPrevious(t, "ea6e094")
	h := &home{t: t, dir: p.dir}
	h.lose(events.StreamProvider)
	start := func() error {
		app, err := Start(t.Context(), Options{Config: p.config(), Version: "0.0.1", Unsafe: true, LogTo: p.t.Output(), Getenv: noEnv})
		if err == nil {
			app.Close()
		}
		return err
	}
	err := start()
	if err == nil || !strings.Contains(err.Error(), "the stream PROVIDER ends at") {
		t.Fatalf("it starts: %v", err)
	}
	_, rest, _ := strings.Cut(err.Error(), "--seq ")
	var next uint64
	if _, err := fmt.Sscan(strings.TrimRight(strings.Fields(rest)[0], "`,"), &next); err != nil {
		t.Fatal(err)
	}
	h.amid(func(ctx context.Context, js jetstream.JetStream) error { // what the error says to do
		s, err := js.Stream(ctx, events.StreamProvider)
		if err != nil {
			return err
		}
		return s.Purge(ctx, jetstream.WithPurgeSequence(next))
	})
	if err := start(); err != nil {
		t.Errorf("after what it said was done: %v", err)
	}
}

func (p *previous) listBlocks(t *testing.T) {
	for number, listed := range map[string]bool{
		"+919876540147": true, "+441612345678": true, "+919812345678": true, "+919876550142": true, // for ever
		"+919876550101": true, // until 2100
		"+919876550102": false, "+919876550103": false, "+919876550199": false,
	} {
		var s struct {
			DoNotCall bool `json:"do_not_call"`
		}
		if code := p.ask("acme", "dnc.check", `{"phone_number":"`+number+`"}`, &s); code != "" || s.DoNotCall != listed {
			t.Errorf("%s: on the list %t %s, want %t", number, s.DoNotCall, code, listed)
		}
		if number == "+919876550101" {
			continue // a request to it waits for an agent first: the entry might have ended by then
		}
		id := "now-" + strings.TrimPrefix(number, "+")
		expires := p.app.Clock.Now().Add(time.Minute)
		if !listed {
			expires = expires.Add(-59 * time.Second) // so that it closes soon
		}
		publish(t, p.nc, "acme", id, `{"to":"`+number+`","huntGroup":"nobody","expiresAt":"`+expires.UTC().Format(time.RFC3339Nano)+`"}`)
		if c := p.closed("acme", id); (c.Outcome == "blocked") != listed {
			t.Errorf("a request to %s: %+v, listed %t", number, c, listed)
		}
	}
	publish(t, p.nc, "globex", "now-listed", `{"to":"+16085550199","agent":"2098765","metadata":[{"key":"Account","value":"A"},{"key":"Zip Code","value":"53703"}]}`)
	if c := p.closed("globex", "now-listed"); c.Outcome != "blocked" {
		t.Errorf("the other tenant's: %+v", c)
	}
}

func (p *previous) openCallsClose(t *testing.T) {
	if c := p.closed("acme", "came-meanwhile"); c.Outcome != "blocked" {
		t.Errorf("a request that came while nothing ran, to a listed number: %+v", c)
	}
	for _, id := range []string{"open-talking-tcn", "open-wrap-up", "open-unknown", "open-dialing", "open-preparing", "open-passed", "open-assigned", "open-requested", "open-talking-five9"} {
		p.closed("globex", id)
	}
	p.closed("acme", "open-offered-webex")
	for _, id := range []string{"open-waiting-not-before", "open-waiting-looser-rules", "open-waiting-predictive"} {
		var c outcome
		p.ask("acme", "call.cancel", `{"source":"/old","id":"`+id+`","reason":"the end of the test"}`, &c)
		p.closed("acme", id)
	}
	// The agent of the group for whom some wait comes.
	fleet := desktopsim.NewFleet(p.sim, providers.WebexCC)
	if _, err := fleet.Add(desktopsim.Config{URL: "http://" + p.app.Addr, Connection: "webex-desk", Agent: "agent7", Pace: 20 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = fleet.Run(ctx) }()
	defer func() { stop(); <-done }()
	if c := p.closed("acme", "open-waiting"); c.Outcome != "completed" {
		t.Errorf("who waited for the agent: %+v", c)
	}
	publish(t, p.nc, "acme", "now-919876550101", `{"to":"+919876550101","huntGroup":"nobody"}`)
	if c := p.closed("acme", "now-919876550101"); c.Outcome != "blocked" {
		t.Errorf("a number that is listed until 2100: %+v", c)
	}
	if c := p.closed("acme", "open-waiting-second-spelling"); c.Outcome != "blocked" {
		t.Errorf("a listed number in another spelling, accepted by the version before: %+v", c)
	}
	for _, id := range []string{"not-accepted", "not-accepted-listed"} { // gone by their age, if the store is older
		var c outcome
		if p.ask("acme", "call.cancel", `{"source":"/old","id":"`+id+`","reason":"the end of the test"}`, &c) == "" {
			p.closed("acme", id)
		}
	}
	for _, e := range p.sim.Ledger().Entries() {
		for _, number := range []string{"1612345678", "9876540147", "9876550142", "9876550101", "6085550199"} {
			if e.Kind == sim.Start && strings.HasSuffix(e.Number, number) {
				t.Errorf("a listed number was dialed: %+v", e)
			}
		}
	}
}

func (p *previous) auditPasses(t *testing.T) {
	js, err := jetstream.New(p.nc)
	if err != nil {
		t.Fatal(err)
	}
	before, err := sim.ReadLedger(filepath.Join(p.dir, "ledger.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	// Agents were claimed when the store was put away: for longer than any call
	// can last, and for no fault of anybody's.
	const ages = 100 * 365 * 24 * time.Hour
	j := audit.New(audit.Options{Keys: p.app.Host("dialer").Directory.Keys(), Strict: true, Longest: ages})
	j.Dialed(sim.Dials(append(before, p.sim.Ledger().Entries()...))...)
	if err := audit.Read(t.Context(), js, j); err != nil {
		t.Fatal(err)
	}
	if r := j.Report(p.app.Clock.Now()); !r.Kept() {
		var out strings.Builder
		_ = r.Write(&out)
		t.Error(out.String())
	}
}
