package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/acqueon/bus"
	"github.com/outdial/outdial/pkg/providers/acqueon/five9"
	"github.com/outdial/outdial/pkg/providers/acqueon/webexcc"
	"github.com/outdial/outdial/pkg/providers/tcn"
	"github.com/outdial/outdial/test/exams/logtest"
)

// company is a polled provider whose agent's status a test sets.
type company struct {
	mu        sync.Mutex
	session   string
	status    string // TCN's statusDesc
	code      int
	err       error
	meanwhile func() // happens between the question and the answer
}

// fails sets what the next questions are answered with.
func (p *company) fails(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

func (p *company) says(status string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err, p.status = nil, status
}

func (p *company) Open(context.Context, providers.AgentRef) (string, map[string]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return "", nil, p.err
	}
	return p.session, map[string]string{"asmSessionSid": p.session}, nil
}

func (p *company) Poll(context.Context, providers.AgentRef) (int, []byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return 0, nil, p.err
	}
	if p.meanwhile != nil {
		p.meanwhile()
	}
	if p.code != 0 {
		return p.code, []byte(`{}`), nil
	}
	return 200, []byte(`{"statusDesc":"` + p.status + `","keepAliveSucceeded":true,"currentSessionId":"` + p.session + `"}`), nil
}

// world is everything outside the bridge: ann is polled at tcn, wes has a
// desktop at webex.
type world struct {
	t   *testing.T
	log *logtest.Log
	dir *tenants.Directory
	p   *company
	s   *Service

	mu      sync.Mutex
	now     time.Time
	ops     []events.Ops
	raws    []worker.Delivery // PROVIDER
	handled int
	full    bool // PROVIDER cannot be written
}

func (w *world) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) Ops(_ context.Context, o events.Ops) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ops = append(w.ops, o)
	return nil
}

// Raw keeps a message as PROVIDER would.
func (w *world) Raw(_ context.Context, tenant string, raw events.ProviderRaw, id string) (uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.full {
		return 0, fault.New(fault.Transient, "publish", log.CodeUnavailable, nil)
	}
	seq := uint64(len(w.raws) + 1)
	if id == "" {
		id = "raw" + strconv.FormatUint(seq, 10)
	}
	h, data, err := events.EncodePlain(events.TypeProviderRaw, events.SourceOf(tenant, events.Bridge), raw.Agent, id, w.now, raw)
	if err != nil {
		return 0, err
	}
	w.raws = append(w.raws, worker.Delivery{Stream: events.StreamProvider, Subject: events.ProviderSubject(tenant, raw.Connection), Header: h, Data: data, Seq: seq, Tries: 1})
	return seq, nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: noon, p: &company{session: "s1", status: "READY"}}
	var err error
	w.dir, err = tenants.New(
		[]tenants.Tenant{
			{Name: "acme", Countries: []string{"IN", "US"}, Connection: "tcn", CallerIDs: []string{"+18667451900"}, Key: events.Key(strings.Repeat("k", 32))},
			{Name: "globex", Key: events.Key(strings.Repeat("g", 32))},
		},
		[]tenants.Connection{
			{Name: "tcn", Tenant: "acme", Kind: providers.TCN, Provider: providers.Provider{Kind: providers.TCN,
				Can: providers.Capabilities{Presence: providers.PresencePolled, Talking: true}, Poller: w.p, Reader: tcn.Reader{}}},
			{Name: "webex", Tenant: "acme", Kind: providers.WebexCC, Provider: webexcc.System().Provider(bus.Config{})},
			{Name: "five9", Tenant: "acme", Kind: providers.Five9, Provider: five9.System().Provider(bus.Config{})},
			{Name: "signed", Tenant: "acme", Kind: providers.WebexCC, Provider: webexcc.System().Provider(bus.Config{})},
			{Name: "mute", Tenant: "acme"},
		})
	if err != nil {
		t.Fatal(err)
	}
	w.log = logtest.New(w.Now)
	w.s = New(Config{Log: log.New(w.log, nil), Store: w, Directory: w.dir, Now: w.Now, Logger: slog.New(slog.DiscardHandler)})
	for agent, conn := range map[string]string{"ann": "tcn", "wes": "webex"} {
		w.agentSays(agent, events.Orchestrator, events.Enrolled, &events.AgentEnrolled{State: events.AgentState{
			Presence: events.Offline, Connection: conn, ProviderAgent: "provider-" + agent}})
	}
	return w
}

func (w *world) agent(id string) *lifecycle.Agent {
	w.t.Helper()
	a, err := log.Agent(context.Background(), w.log, "acme", id)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *world) agentSays(id string, role events.Role, on events.Name, body any) {
	w.t.Helper()
	if _, err := w.log.Append(context.Background(), *log.NextOfAgent(w.agent(id), role, on, w.Now(), body)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) call(id string) *lifecycle.Call {
	w.t.Helper()
	c, err := log.Call(context.Background(), w.log, "acme", id, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) say(id string, role events.Role, name events.Name, body any) {
	w.t.Helper()
	c := w.call(id)
	d, err := log.NextOfCall(c, role, name, w.Now(), body)
	if err != nil {
		w.t.Fatal(err)
	}
	if name == events.Requested {
		d.Cause = id
	}
	if _, err := w.log.Append(context.Background(), *d); err != nil {
		w.t.Fatal(err)
	}
}

// dial brings a call to a number as far as its start, held by the agent.
func (w *world) dial(id, agent, to string) {
	w.t.Helper()
	after, v := w.agent(agent).After(events.Claimed, id, "", w.Now())
	if v != lifecycle.Move {
		w.t.Fatalf("%s cannot be claimed", agent)
	}
	w.agentSays(agent, events.Orchestrator, events.Claimed, &events.AgentClaimed{Call: id, State: after})
	a := w.agent(agent)
	w.say(id, events.Orchestrator, events.Requested, &events.CallRequested{Request: events.DialRequest{To: to, Agent: agent},
		ExpiresAt: w.Now().Add(time.Hour)})
	w.say(id, events.Orchestrator, events.Assigned, &events.CallAssigned{Agent: agent, Connection: a.State.Connection, Fence: a.Fence, NoTalking: agent == "wes"})
	w.say(id, events.Compliance, events.Passed, &events.CallPassed{Fence: a.Fence})
	w.say(id, events.Dialer, events.Dialing, &events.CallDialing{Attempt: "att"})
	w.say(id, events.Dialer, events.Started, &events.CallStarted{Attempt: "att"})
}

// poll asks the provider once and handles what came of it.
func (w *world) poll() {
	w.t.Helper()
	if _, err := w.s.pollOnce(context.Background(), "acme", "ann"); err != nil {
		w.t.Fatal(err)
	}
	w.deliver()
}

// deliver handles what PROVIDER holds and nobody has handled.
func (w *world) deliver() {
	w.t.Helper()
	for ; w.handled < len(w.raws); w.handled++ {
		if err := w.understands(w.raws[w.handled]); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) understands(d worker.Delivery) error {
	return w.s.onRaw(context.Background(), d)
}

// names lists the events of a log by the role that wrote them.
func names(rs []events.Record, role events.Role) string {
	var out []string
	for _, r := range rs {
		if r.Role == role {
			out = append(out, string(r.Name))
		}
	}
	return strings.Join(out, " ")
}

func (w *world) wantCall(id, want string) {
	w.t.Helper()
	if got := names(w.call(id).Log, events.Bridge); got != want {
		w.t.Errorf("the bridge said of %s\n  %s\nwant\n  %s", id, got, want)
	}
}

func (w *world) wantAgent(id, want string) {
	w.t.Helper()
	all, err := w.log.From(events.AgentFamily, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	var mine []events.Record
	for _, r := range all {
		if r.Key == id {
			mine = append(mine, r)
		}
	}
	if got := names(mine, events.Bridge); got != want {
		w.t.Errorf("the bridge said of %s\n  %s\nwant\n  %s", id, got, want)
	}
}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// customer is whom the sample of the Webex document calls.
const customer = "+917702779401"

// webexSays is the document's sample with another event, at a second of the
// provider's clock.
func webexSays(t testing.TB, event string, second int) []byte {
	t.Helper()
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader(fixture(t, "001-webexcc-outbound-call-state-change-offer.event.json")))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		t.Fatal(err)
	}
	call := m["message"].(map[string]any)["call"].(map[string]any)
	call["event"] = event
	data := call["ResponseActual"].(map[string]any)["data"].(map[string]any)
	data["type"] = strings.TrimPrefix(event, "e")
	data["eventTime"] = noon.Add(time.Duration(second) * time.Second).UnixMilli()
	out, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
