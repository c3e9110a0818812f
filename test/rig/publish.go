package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/redis/go-redis/v9"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/sim"
)

// A Request is one message to a tenant's stream.
type Request struct {
	Tenant string            // default acme
	Header map[string]string // as on the wire
	Body   []byte
}

// Metadata is what the simulated TCN requires of a call.
func Metadata() []events.KeyValue {
	return []events.KeyValue{{Key: "Account", Value: "canary-account-ABC1234"}, {Key: "Zip Code", Value: "84770"}}
}

// Number is the n-th number in Utah, n below 9000.
func Number(n int) string { return fmt.Sprintf("+1435555%04d", 1000+n) }

// To makes a request for a TCN agent.
func To(number, agent string) events.DialRequest {
	return events.DialRequest{To: number, Agent: agent, Metadata: Metadata()}
}

// ToGroup makes a request for the TCN agents' hunt group.
func ToGroup(number string) events.DialRequest {
	return events.DialRequest{To: number, HuntGroup: HuntGroup, Metadata: Metadata()}
}

// ToDesk makes a request for a desktop's agent.
func ToDesk(number, agent string) events.DialRequest {
	return events.DialRequest{To: number, Agent: agent, PostalCode: "84770"}
}

// Binary is a request in binary mode.
func Binary(id string, body any) Request {
	return Request{Tenant: Acme, Body: text(body), Header: map[string]string{
		"ce-specversion": "1.0", "ce-id": id, "ce-source": Source, "ce-type": events.TypeDialRequested,
		"ce-datacontenttype": "application/json",
	}}
}

// Structured is a request in structured mode.
func Structured(id string, body any) Request {
	return Request{Tenant: Acme, Header: map[string]string{"Content-Type": "application/cloudevents+json"},
		Body: text(map[string]any{
			"specversion": "1.0", "id": id, "source": Source, "type": events.TypeDialRequested,
			"datacontenttype": "application/json", "data": json.RawMessage(text(body)),
		})}
}

// text is a body as it is, or as JSON.
func text(body any) []byte {
	switch b := body.(type) {
	case []byte:
		return b
	case string:
		return []byte(b)
	}
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err) // only types of ours are passed
	}
	return raw
}

// With gives a header another value; "" takes it away.
func (q Request) With(header, value string) Request {
	h := map[string]string{}
	for k, v := range q.Header {
		h[k] = v
	}
	h[header] = value
	if value == "" {
		delete(h, header)
	}
	q.Header = h
	return q
}

// For sends it to another tenant.
func (q Request) For(tenant string) Request {
	q.Tenant = tenant
	return q
}

// Send publishes a request, waits until the stream has it, and returns its
// sequence there.
func (r *Rig) Send(q Request) uint64 {
	r.t.Helper()
	m := nats.NewMsg(events.RequestSubject(q.Tenant))
	for k, v := range q.Header {
		m.Header[k] = []string{v}
	}
	m.Data = q.Body
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	for {
		// What a server took with it when it stopped is never acknowledged.
		try, stop := context.WithTimeout(ctx, 3*time.Second)
		ack, err := r.JS.PublishMsg(try, m)
		stop()
		if err == nil {
			return ack.Sequence
		}
		if ctx.Err() != nil {
			r.t.Fatalf("publish: %v", err)
		}
		time.Sleep(50 * time.Millisecond) // the server is away; the call's identity makes a repetition harmless
	}
}

// Dial publishes a request of acme in binary mode and returns the call's id.
func (r *Rig) Dial(id string, q events.DialRequest) string {
	r.t.Helper()
	r.personal(q.To)
	r.Send(Binary(id, q))
	return events.CallID(Acme, Source, id)
}

// personal notes a number that must not be seen anywhere.
func (r *Rig) personal(number string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.numbers = append(r.numbers, number)
}

// Post sends a request over HTTP and returns the status and the answer.
func (r *Rig) Post(tenant, token string, header map[string]string, body []byte) (int, map[string]any) {
	r.t.Helper()
	req, err := http.NewRequest(http.MethodPost, r.HTTP()+"/v1/dial-requests/"+tenant, bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := http.Client{Timeout: soon}
	res, err := client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	out := map[string]any{}
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		r.t.Fatalf("answer %d: %v", res.StatusCode, err)
	}
	return res.StatusCode, out
}

// Ask sends a command or query of a tenant, e.g. "call.get", and reads the
// answer into out. The code is that of a refusal, "" for a yes.
func (r *Rig) Ask(tenant, group, verb string, body, out any) (code string) {
	r.t.Helper()
	m, err := r.NC.Request(events.ServiceSubject(tenant, group, verb), text(body), soon)
	if err != nil {
		r.t.Fatalf("%s.%s: %v", group, verb, err)
	}
	if code = m.Header.Get("Nats-Service-Error-Code"); code != "" {
		return code
	}
	if out != nil {
		if err := json.Unmarshal(m.Data, out); err != nil {
			r.t.Fatalf("%s.%s: %v in %s", group, verb, err, m.Data)
		}
	}
	return ""
}

// Fault adds to what goes wrong at the telephone company.
func (r *Rig) Fault(f sim.Fault) {
	r.t.Helper()
	if _, err := r.Sim.Faults.Add(f); err != nil {
		r.t.Fatal(err)
	}
}

// Set changes a TCN agent at the telephone company.
func (r *Rig) Set(agent string, change map[string]any) {
	r.t.Helper()
	if err := r.TCN.Set(agent, change); err != nil {
		r.t.Fatal(err)
	}
}

// Dials counts the ledger's accepted dials of a number.
func (r *Rig) Dials(number string) int {
	n := 0
	for _, e := range r.Sim.Ledger().Entries() {
		if e.Kind == sim.Start && e.Number == number {
			n++
		}
	}
	return n
}

// FlushRedis makes Redis forget everything.
func (r *Rig) FlushRedis() { r.tellRedis("FLUSHALL") }

// HangRedis has Redis answer nobody for a while.
func (r *Rig) HangRedis(d time.Duration) { r.tellRedis("CLIENT", "PAUSE", d.Milliseconds(), "ALL") }

func (r *Rig) tellRedis(command ...any) {
	r.t.Helper()
	o, err := redis.ParseURL(r.RedisURL)
	if err != nil {
		r.t.Fatal(err)
	}
	c := redis.NewClient(o)
	defer func() { _ = c.Close() }()
	if err := c.Do(context.Background(), command...).Err(); err != nil {
		r.t.Fatal(err)
	}
}
