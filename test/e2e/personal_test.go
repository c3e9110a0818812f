package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/test/rig"
)

// What strangers put where it does not belong: a customer's name and number.
const (
	somebody = "Jane-Canary"
	number   = "2125550142"
)

// numbered are ids that hold the number.
func numbered() []string {
	return []string{"+1" + number, number, "1" + number, "(212) 555-0142", "212.555.0142", "tel:+1-212-555-0142", "sip:" + number + "@pbx.example.com",
		"https://crm.example.com/calls/" + number, "https://crm.example.com/?to=%2B1" + number, "order-" + number, "call " + number + " back", "00 1 212 555 0142"}
}

// Through every door, in every place where a stranger may write a word: none of
// it is seen where many may look.
func TestNothingPersonalIsSeenThatCameThroughADoor(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewInMemoryExporter()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	const token = "canary-door"
	desk := rig.Desk{Agent: "agent5", Kind: providers.Five9}
	r := rig.Start(t, rig.Options{Agents: 1, Desks: []rig.Desk{desk}, Tracer: tracer, Ingress: map[string]string{rig.Acme: token}, Secrets: []string{token, somebody}})
	r.AwaitReadyAgents(2)

	// Requests over NATS. A good one first, with such an id: its call is known.
	good := r.Dial("+1"+number, rig.To(rig.Number(1), rig.Agent(0)))
	bad := 0
	for _, id := range numbered() {
		q := rig.Binary(id, map[string]any{"to": "+1" + number, somebody: 1, "huntGroup": rig.HuntGroup, "agent": rig.Agent(0), "options": map[string]any{somebody: strings.Repeat("x", 2000)}})
		r.Send(q)
		r.Send(q.With("ce-source", id).With("ce-janecanary", strings.Repeat("x", 2000)))
		bad += 2
	}
	r.Send(rig.Structured(number, map[string]any{somebody: somebody}))
	bad++
	// Over HTTP: every path, and bodies that are refused.
	throughHTTP(t, r, token)
	// The desktop's page, and its socket.
	r.Desktop(desk).SetReady(false, "lunch with "+somebody+", 212 555 0142")
	r.AwaitPresence(desk.Agent, events.NotReady)
	// A gateway, on subjects of its own choice.
	for _, subject := range []string{"provider.acme." + number, "provider." + number + "." + somebody, "provider.acme." + somebody} {
		m := nats.NewMsg(subject)
		m.Data = []byte(`{"` + somebody + `":"` + number + `"}`)
		if _, err := r.JS.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		bad++
	}
	throughCommands(r, desk.Agent, good)
	bad++ // the webhook's message
	r.Until("everything bad is refused", 30*time.Second, func() bool { return len(r.Rejected("")) >= bad })
	r.Until("the good call is closed", 30*time.Second, func() bool { return r.Call(good).Closed != nil })

	r.Spellings(number, somebody)
	for _, s := range spans.GetSpans() {
		text := strings.NewReplacer("-", "", ".", "", " ", "").Replace(strings.ToLower(fmt.Sprint(s.Name, s.Attributes, s.Events, s.Status)))
		if strings.Contains(text, number) || strings.Contains(text, "janecanary") {
			t.Errorf("a span says %s", text)
		}
	}
	if len(spans.GetSpans()) == 0 {
		t.Error("nothing was traced")
	}
	// Whoever sent a masked id finds its refusal by the call.
	masked := 0
	for _, note := range r.Rejected("") {
		if note.ID != "" && strings.Contains(note.ID, "*") {
			masked++
			if note.Call == "" {
				t.Errorf("%+v names no call", note)
			}
		}
	}
	if masked < len(numbered()) {
		t.Errorf("%d refusals have a masked id", masked)
	}
}

func throughHTTP(t *testing.T, r *rig.Rig, token string) {
	t.Helper()
	q := rig.Structured("http-"+number, map[string]any{somebody: 1})
	for _, tenant := range []string{rig.Acme, number, somebody} {
		for _, bearer := range []string{token, "", number} {
			r.Post(tenant, bearer, q.Header, q.Body)
		}
	}
	client := http.Client{Timeout: 10 * time.Second}
	visit := func(method, path, body string, headers ...string) {
		req, err := http.NewRequestWithContext(t.Context(), method, r.HTTP()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		_ = res.Body.Close()
	}
	socket := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==",
		"Sec-WebSocket-Protocol", "outdial.v1, bearer." + number}
	for _, path := range []string{"/" + number, "/" + somebody + "/" + number, "/v1/" + number, "/v1/workspaces/" + somebody + "/" + number,
		"/v1/workspaces/five9-desk/" + number, "/v1/workspaces/five9-desk/" + somebody, "/v1/workspaces/five9-desk/%2B1" + number,
		"/v1/providers/" + number + "/events", "/v1/dial-requests/" + number} {
		visit(http.MethodGet, path, "")
		visit(http.MethodGet, path, "", "Origin", "https://"+somebody+".example.com", "Referer", "https://x/"+number)
		visit(http.MethodGet, path, "", socket...)
		visit(http.MethodPost, path, `{"`+somebody+`":"`+number+`"}`, "Authorization", "Bearer "+number, "traceparent", number, "tracestate", "x="+number, "baggage", "to="+number)
		visit(http.MethodDelete, path, "", "X-"+somebody, number)
	}
	visit(http.MethodPost, "/v1/providers/five9-desk/events", `{"`+somebody+`":"`+number+`"}`)
	visit(http.MethodPost, "/v1/providers/five9-desk/events", somebody+number)
}

func throughCommands(r *rig.Rig, desk, call string) {
	for _, ask := range []struct {
		group, verb string
		body        map[string]any
	}{
		{"agent", "set", map[string]any{"agent": desk, "status": "ready"}},
		{"agent", "set", map[string]any{"agent": desk, "status": "not_ready", "reason": "with " + somebody + " " + number, "by": number}},
		{"agent", "set", map[string]any{"agent": number, "status": "ready"}},
		{"agent", "set", map[string]any{"agent": desk, "status": somebody + number}},
		{"agent", "release", map[string]any{"agent": rig.Agent(0), "reason": "call (212) 555-0142 hangs", "by": "+1" + number}},
		{"agent", "get", map[string]any{"agent": somebody}},
		{"agent", "get", map[string]any{somebody: number}},
		{"call", "cancel", map[string]any{"call": call, "reason": "customer called from tel:+1" + number, "by": number}},
		{"call", "cancel", map[string]any{"call": number, "reason": number}},
		{"call", "cancel", map[string]any{"call": somebody, "reason": number}},
		{"call", "find", map[string]any{"to": "+1" + number}},
		{"call", "get", map[string]any{"source": number, "id": number}},
		{"compliance", "check", map[string]any{"request": map[string]any{"to": "+1" + number, somebody: 1}}},
		{"dnc", "check", map[string]any{"phone_number": "+1" + number, somebody: 1}},
		{"dnc", "add", map[string]any{"contacts": []map[string]string{{"phone_number": "+1" + number}}, "by": number}},
		{"dnc", "remove", map[string]any{"phone_numbers": []string{"+1" + number}, "by": number, "reason": "asked at " + number}},
	} {
		r.Ask(rig.Acme, ask.group, ask.verb, ask.body, nil)
	}
}
