package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/internal/broker"
	"github.com/outdial/outdial/internal/door"
	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/runtime"
	"github.com/outdial/outdial/internal/telemetry"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/internal/worker"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/test/exams/natstest"
)

const patience = 20 * time.Second

// running is a bridge at work on a real server, with its doors open.
type running struct {
	*world // for its directory only
	h      *runtime.Host
	url    string
	rig    *natstest.Rig
}

func run(t *testing.T) *running {
	t.Helper()
	r := &running{world: newWorld(t), rig: natstest.New(t)}
	l, err := broker.Plan([]string{"acme", "globex"}, broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := broker.Apply(t.Context(), r.rig.JS, l); err != nil {
		t.Fatal(err)
	}
	tele, err := telemetry.Start(t.Context(), telemetry.Config{Service: "outdial-events-bridge", Getenv: func(string) string { return "" }, LogTo: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tele.Shutdown(context.Background()) })
	connect := worker.ConnectOptions{}
	connect.Options = append(connect.Options, r.rig.Server.InProcess())
	r.h, err = runtime.Open(t.Context(), runtime.Options{
		Service: "events-bridge", Role: events.Bridge, Version: "0.0.1", Connect: connect, Embedded: r.rig.Server, Unsafe: true, Telemetry: tele,
		Directory: func(func() time.Time, *nats.Conn) (*tenants.Directory, error) { return r.dir, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.h.Close)
	mux := http.NewServeMux()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, r.h, RunOptions{Mux: mux, CallsAge: 72 * time.Hour, Origins: []string{"https://desk.example.com"},
			Token: func(tenant string) (string, bool) { return "s3cret", tenant == "acme" || tenant == "hidden" },
			Hook: func(connection string) (door.Credential, bool) {
				if connection == "signed" {
					return signed(), true
				}
				return door.Credential{Bearer: "hook"}, connection != "five9"
			}})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the bridge: %v", err)
		}
	})
	for end := time.Now().Add(patience); !r.h.Ready(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the bridge never is ready")
		}
	}
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	r.url = srv.URL
	return r
}

// post sends a body with headers and returns the status and the answer.
func (r *running) post(path, body string, headers ...string) (int, string) {
	r.t.Helper()
	q, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		switch headers[i] {
		case "Host":
			q.Host = headers[i+1]
		case "Origin":
			q.Header.Add(headers[i], headers[i+1])
		default:
			q.Header.Set(headers[i], headers[i+1])
		}
	}
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, string(out)
}

func (r *running) messages(stream string) uint64 {
	r.t.Helper()
	s, err := r.rig.JS.Stream(r.t.Context(), stream)
	if err != nil {
		r.t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

// binary are the headers of a dial request over HTTP.
func binary(id string, more ...string) []string {
	return append([]string{"ce-specversion", "1.0", "ce-type", events.TypeDialRequested, "ce-source", "/crm", "ce-id", id,
		"Content-Type", "application/json", "Authorization", "Bearer s3cret"}, more...)
}

const good = `{"to":"` + newYork + `","agent":"ann"}`

func structured(id, to string) string {
	return `{"specversion":"1.0","type":"` + events.TypeDialRequested + `","source":"/crm","id":"` + id + `","data":{"to":"` + to + `","agent":"ann"}}`
}

func TestTheDoorForDialRequests(t *testing.T) {
	t.Parallel()
	r := run(t)
	call := events.CallID("acme", "/crm", "1")
	status, body := r.post("/v1/dial-requests/acme", good, binary("1")...)
	if status != 202 || !strings.Contains(body, call) || strings.Contains(body, "duplicate") {
		t.Errorf("%d %s", status, body)
	}
	status, body = r.post("/v1/dial-requests/acme", good, binary("1")...)
	if status != 202 || !strings.Contains(body, call) || !strings.Contains(body, `"duplicate":true`) {
		t.Errorf("sent twice: %d %s", status, body)
	}
	if n := r.messages("REQUESTS_acme"); n != 1 {
		t.Errorf("%d requests stored", n)
	}
	status, body = r.post("/v1/dial-requests/acme", structured("2", newYork), "Content-Type", "application/cloudevents+json; charset=utf-8", "Authorization", "Bearer s3cret")
	if status != 202 || !strings.Contains(body, events.CallID("acme", "/crm", "2")) {
		t.Errorf("structured: %d %s", status, body)
	}
	// What was stored is what the orchestrator understands, byte for byte.
	m, err := r.rig.JS.Stream(t.Context(), "REQUESTS_acme")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := m.GetMsg(t.Context(), 1)
	if err != nil || string(raw.Data) != good || raw.Header.Get("ce-id") != "1" || raw.Header.Get("Authorization") != "" {
		t.Errorf("%s %v, %v", raw.Data, raw.Header, err)
	}
	for story, tc := range map[string]struct {
		path, body string
		headers    []string
		status     int
		says       string
	}{
		"no token":                     {"/v1/dial-requests/acme", good, binary("3", "Authorization", ""), 401, "unauthorized"},
		"a wrong token":                {"/v1/dial-requests/acme", good, binary("3", "Authorization", "Bearer s3cre"), 401, "unauthorized"},
		"a token without its scheme":   {"/v1/dial-requests/acme", good, binary("3", "Authorization", "s3cret"), 401, "unauthorized"},
		"a tenant that does not exist": {"/v1/dial-requests/hidden", good, binary("3"), 401, "unauthorized"},
		"an enormous body":             {"/v1/dial-requests/acme", strings.Repeat(" ", 17*maxBody), binary("3"), 413, "too_large"},
		"a body that is too large":     {"/v1/dial-requests/acme", strings.Repeat(" ", maxBody+1), binary("3"), 413, "too_large"},
		"not JSON":                     {"/v1/dial-requests/acme", `{"to":`, binary("3"), 400, "not_json"},
		"every fault at once":          {"/v1/dial-requests/acme", `{"to":"12","priority":77,"frmo":1}`, binary("3"), 400, "/priority"},
		"no CloudEvent":                {"/v1/dial-requests/acme", good, []string{"Authorization", "Bearer s3cret"}, 400, "faults"},
		"a batch that is none":         {"/v1/dial-requests/acme", `{}`, []string{"Authorization", "Bearer s3cret", "Content-Type", "application/cloudevents-batch+json"}, 400, "not_a_batch"},
		"null for a batch":             {"/v1/dial-requests/acme", `null`, []string{"Authorization", "Bearer s3cret", "Content-Type", "application/cloudevents-batch+json"}, 400, "not_a_batch"},
		"an empty batch":               {"/v1/dial-requests/acme", `[]`, []string{"Authorization", "Bearer s3cret", "Content-Type", "application/cloudevents-batch+json"}, 202, "[]"},
		"a tenant without a token":     {"/v1/dial-requests/globex", good, binary("3", "Authorization", ""), 401, "unauthorized"},
	} {
		if status, body := r.post(tc.path, tc.body, tc.headers...); status != tc.status || !strings.Contains(body, tc.says) {
			t.Errorf("%s: %d %s", story, status, body)
		} else if strings.Contains(body, "8675309") {
			t.Errorf("%s: the answer repeats the number", story)
		}
	}
	if n := r.messages("REQUESTS_acme"); n != 2 {
		t.Errorf("%d requests stored, want the two good ones", n)
	}
}

func TestABatchHarmsNobody(t *testing.T) {
	t.Parallel()
	r := run(t)
	batch := "[" + structured("1", newYork) + "," + structured("2", "911") + "," + structured("3", newYork) + "," + structured("1", newYork) + "]"
	status, body := r.post("/v1/dial-requests/acme", batch, "Content-Type", "application/cloudevents-batch+json", "Authorization", "Bearer s3cret")
	var out []Accepted
	if err := json.Unmarshal([]byte(body), &out); err != nil || status != 207 || len(out) != 4 {
		t.Fatalf("%d %s", status, body)
	}
	if out[0].Call == "" || out[0].Duplicate || len(out[1].Faults) == 0 || out[1].ID != "2" || out[2].Call == "" || !out[3].Duplicate || out[3].Call != out[0].Call {
		t.Errorf("%+v", out)
	}
	if n := r.messages("REQUESTS_acme"); n != 2 {
		t.Errorf("%d requests stored", n)
	}
}

func TestABatchHasItsBounds(t *testing.T) {
	t.Parallel()
	r := run(t)
	batch := []string{"Content-Type", "application/cloudevents-batch+json", "Authorization", "Bearer s3cret"}
	of := func(n int) string { return "[" + strings.Repeat(`{},`, n-1) + "{}]" }
	if status, body := r.post("/v1/dial-requests/acme", of(maxBatch+1), batch...); status != 413 || !strings.Contains(body, "too_large") {
		t.Errorf("one too many: %d %.200s", status, body)
	}
	status, body := r.post("/v1/dial-requests/acme", of(maxBatch), batch...)
	var out []Accepted
	if err := json.Unmarshal([]byte(body), &out); err != nil || status != 400 || len(out) != maxBatch {
		t.Errorf("just enough: %d, %d answers, %v", status, len(out), err)
	}
	if n := r.messages("REQUESTS_acme"); n != 0 {
		t.Errorf("%d requests stored", n)
	}
}

// A door that said 202 to another body under a used identity would promise a
// call that never comes.
func TestAnIDUsedForAnotherBodyIsRefusedAtTheDoor(t *testing.T) {
	t.Parallel()
	r := run(t)
	const path = "/v1/dial-requests/acme"
	header := events.Header{"ce-specversion": {"1.0"}, "ce-type": {events.TypeDialRequested}, "ce-source": {"/crm"}, "ce-id": {"1"}, "ce-datacontenttype": {"application/json"}}
	in, faults, _ := r.s.check(r.h, 72*time.Hour)("acme", header, []byte(good))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	// The orchestrator has taken the request.
	if _, err := r.h.Log.Append(t.Context(), log.Draft{Family: events.CallFamily, Tenant: "acme", Key: in.Call, Role: events.Orchestrator,
		Name: events.Requested, Cause: "1", Time: time.Now(), Body: &events.CallRequested{Digest: in.Digest}}); err != nil {
		t.Fatal(err)
	}
	for story, tc := range map[string]struct {
		body   string
		status int
		says   string
	}{
		"the same":               {good, 202, `"duplicate":true`},
		"the same, spelled else": {`{ "agent": "ann", "to": "` + newYork + `" }`, 202, `"duplicate":true`},
		"another priority":       {`{"to":"` + newYork + `","agent":"ann","priority":2}`, 400, "id_reuse"},
		"another number":         {`{"to":"+12128675300","agent":"ann"}`, 400, "id_reuse"},
	} {
		status, body := r.post(path, tc.body, binary("1")...)
		if status != tc.status || !strings.Contains(body, tc.says) {
			t.Errorf("%s: %d %s", story, status, body)
		}
		if status == 400 && !strings.Contains(body, `"requestId":"1"`) {
			t.Errorf("%s: it does not say which: %s", story, body)
		}
	}
	batch := "[" + structured("1", "+12128675300") + "," + structured("2", newYork) + "]"
	if status, body := r.post(path, batch, "Content-Type", "application/cloudevents-batch+json", "Authorization", "Bearer s3cret"); status != 207 || !strings.Contains(body, "id_reuse") {
		t.Errorf("in a batch: %d %s", status, body)
	}
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	r := run(t)
	auth := []string{"Authorization", "Bearer hook"}
	for story, tc := range map[string]struct {
		connection, body string
		headers          []string
		status           int
	}{
		"good":                     {"webex", `{"x":1}`, auth, 204},
		"without a token":          {"webex", `{"x":1}`, nil, 401},
		"for nobody":               {"none", `{"x":1}`, auth, 401},
		"for one that reads none":  {"mute", `{"x":1}`, auth, 404},
		"for one that is polled":   {"tcn", `{"statusDesc":"READY"}`, auth, 404},
		"not JSON":                 {"webex", `{`, auth, 400},
		"not text":                 {"webex", "\xff", auth, 400},
		"too large":                {"webex", `"` + strings.Repeat("x", maxBody) + `"`, auth, 413},
		"enormous":                 {"webex", `"` + strings.Repeat("x", 2<<20) + `"`, auth, 413},
		"empty":                    {"webex", ``, auth, 400},
		"a bomb of open brackets":  {"webex", strings.Repeat("[", 20000), auth, 400},
		"good for the other kind":  {"five9", `{"y":[]}`, auth, 204},
		"a wrong token of its own": {"webex", `{"x":1}`, []string{"Authorization", "Bearer s3cret"}, 401},
		// Where no token is configured, only this machine may come, and no proxy on it.
		"no token, this machine":   {"five9", `{"z":1}`, nil, 204},
		"no token, a proxy":        {"five9", `{"z":1}`, []string{"X-Forwarded-For", "192.0.2.7"}, 401},
		"no token, a new proxy":    {"five9", `{"z":1}`, []string{"Forwarded", "for=192.0.2.7"}, 401},
		"no token, nginx":          {"five9", `{"z":1}`, []string{"X-Real-IP", "192.0.2.7"}, 401},
		"no token, a gateway":      {"five9", `{"z":1}`, []string{"Via", "1.1 gate"}, 401},
		"the token, by way of one": {"webex", `{"x":1}`, append([]string{"X-Forwarded-For", "192.0.2.7"}, auth...), 204},
	} {
		if status, body := r.post("/v1/providers/"+tc.connection+"/events", tc.body, tc.headers...); status != tc.status {
			t.Errorf("%s: %d %s", story, status, body)
		}
	}
	if n := r.messages(events.StreamProvider); n != 4 {
		t.Errorf("%d messages stored", n)
	}
}

// On a real server: a broken message is noted in REJECTED, and the good one
// after it is handled.
func TestABrokenMessageIsParkedAndTheNextIsHandled(t *testing.T) {
	t.Parallel()
	r := run(t)
	ctx := t.Context()
	enrol := log.Draft{Family: events.AgentFamily, Tenant: "acme", Key: "wes", Role: events.Orchestrator, Name: events.Enrolled,
		Cause: "config", Time: time.Now(), Body: &events.AgentEnrolled{State: events.AgentState{Presence: events.Offline, Connection: "webex"}}}
	if _, err := r.h.Log.Append(ctx, enrol); err != nil {
		t.Fatal(err)
	}
	for _, body := range [][]byte{fixture(t, "001-webexcc-outbound-call-state-change-offer.event.raw"), webexSays(t, "eAgentOfferContact", 1)} {
		if _, err := r.h.Raw(ctx, "acme", events.ProviderRaw{Connection: "webex", Via: viaDesktop, Agent: "wes", ReceivedAt: time.Now(), Body: body}, ""); err != nil {
			t.Fatal(err)
		}
	}
	end := time.Now().Add(patience)
	for time.Now().Before(end) {
		a, err := log.Agent(ctx, r.h.Log, "acme", "wes")
		if err != nil {
			t.Fatal(err)
		}
		if a.State.Presence == events.ForeignCall && r.messages(events.StreamRejected) == 1 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	a, err := log.Agent(ctx, r.h.Log, "acme", "wes")
	if err != nil || a.State.Presence != events.ForeignCall {
		t.Errorf("the good message was not handled: %+v, %v", a.State, err)
	}
	s, err := r.rig.JS.Stream(ctx, events.StreamRejected)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.GetLastMsgForSubject(ctx, events.RejectedSubject("acme", "events-bridge"))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		t.Fatal("nothing in REJECTED")
	}
	if err != nil {
		t.Fatal(err)
	}
	note, _, err := events.DecodeBody[events.Rejected](events.Header(m.Header), m.Data, events.TypeRejected)
	if err != nil || note.Stream != events.StreamProvider || note.Sequence != 1 || note.Connection != "webex" || note.Digest == "" || bytes.Contains(m.Data, []byte("7702779401")) {
		t.Errorf("%+v, %v", note, err)
	}
}
