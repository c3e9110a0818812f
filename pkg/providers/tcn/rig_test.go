package tcn_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/tcn"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/sim/tcnsim"
)

// The document's sample call.
const (
	sampleTo      = "+14355551234"
	sampleAgent   = "2098765"
	sampleSession = "50006789"
	sampleGroup   = "1045678"
)

// aliased makes the sample's metadata fulfil the sample's demand.
func aliased() map[string]string { return map[string]string{"Account": "Account Number"} }

// A rig is a client and the simulator it talks to.
type rig struct {
	*tcn.Client
	t   *testing.T
	sim *sim.Simulator
	tcn *tcnsim.Company
	url string
}

// pace is quick, but slower than one exchange.
const pace = 15 * time.Millisecond

func newRig(t *testing.T, o tcnsim.Options, shape func(*tcn.Config)) *rig {
	t.Helper()
	return newRigOn(t, nil, o, shape)
}

// newRigOn is a rig whose company lives by another clock.
func newRigOn(t *testing.T, clock sim.Clock, o tcnsim.Options, shape func(*tcn.Config)) *rig {
	t.Helper()
	s, err := sim.New(sim.Options{Seed: 1, Pace: pace, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	d, err := tcnsim.New(s, o)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(d)
	c := tcn.Config{BaseURL: srv.URL, MetadataAliases: aliased(), PollEvery: 4 * time.Millisecond, Timeout: 5 * time.Second}
	if shape != nil {
		shape(&c)
	}
	client := tcn.New(c, nil)
	t.Cleanup(func() {
		client.Close()
		_ = s.Close()
		srv.Close()
	})
	return &rig{Client: client, t: t, sim: s, tcn: d, url: srv.URL}
}

func agentRef() providers.AgentRef {
	return providers.AgentRef{
		Tenant: "acme", Connection: "tcn-main", Agent: sampleAgent, Provider: sampleAgent,
		Session: sampleSession, HuntGroup: sampleGroup, Token: "token-" + sampleAgent,
	}
}

func order() providers.Order {
	return providers.Order{
		Call: "c1", Attempt: "a1", To: sampleTo, From: "+18667451900", Agent: agentRef(),
		Metadata:  []events.KeyValue{{Key: "Account", Value: "ABC1234"}, {Key: "Zip Code", Value: "84770"}},
		StartTime: time.Date(2024, 1, 1, 23, 6, 0, 0, time.UTC),
		NotAfter:  time.Now().Add(time.Minute),
	}
}

func (r *rig) within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(r.t.Context(), d)
	r.t.Cleanup(cancel)
	return ctx
}

func (r *rig) set(change map[string]any) {
	r.t.Helper()
	if err := r.tcn.Set(sampleAgent, change); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) fault(f sim.Fault) {
	r.t.Helper()
	if _, err := r.sim.Faults.Add(f); err != nil {
		r.t.Fatal(err)
	}
}

// asked says how often the company heard an operation.
func (r *rig) asked(op string) int { return len(r.sim.History(tcnsim.Name, op, "")) }

// wantAsked fails unless an operation was heard so often.
func (r *rig) wantAsked(op string, n int) {
	r.t.Helper()
	if got := r.asked(op); got != n {
		r.t.Errorf("the company heard %s %d times, want %d", op, got, n)
	}
}

// lastBody is the last request of an operation.
func (r *rig) lastBody(op string) []byte {
	r.t.Helper()
	h := r.sim.History(tcnsim.Name, op, "")
	if len(h) == 0 {
		r.t.Fatalf("the company never heard %s", op)
	}
	return []byte(h[len(h)-1].Body)
}

// prepared takes an order through Prepare.
func (r *rig) prepared(o providers.Order) providers.Order {
	r.t.Helper()
	scrub, touched, err := r.Prepare(r.within(5*time.Second), o)
	if err != nil || !touched || !scrub.OK {
		r.t.Fatalf("prepare: ok %v, touched %v, %v", scrub.OK, touched, err)
	}
	o.Scrub = &scrub
	return o
}

// awaitState waits until the simulated agent is in a state.
func (r *rig) awaitState(state string) {
	r.t.Helper()
	r.await("agent "+state, func() bool { return r.tcn.Agents()[0].State == state })
}

func (r *rig) await(what string, is func() bool) {
	r.t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-deadline:
			r.t.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}

func wantFault(t *testing.T, err error, class fault.Class, code string) {
	t.Helper()
	if err == nil || fault.Of(err) != class || fault.Code(err) != code {
		t.Errorf("got %v, want %s %s", err, class, code)
	}
}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "000-tcn-"+name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func object(t testing.TB, b []byte) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatalf("not JSON: %v", err)
	}
	return out
}

// sameObject compares two bodies as JSON.
func sameObject(t *testing.T, got, want []byte) {
	t.Helper()
	if d := cmp.Diff(object(t, want), object(t, got)); d != "" {
		t.Errorf("bodies differ (-want +got):\n%s", d)
	}
}
