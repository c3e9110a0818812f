package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/test/rig"
)

func body(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTheHTTPDoor(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Ingress: map[string]string{rig.Acme: "canary-door-token"}, Secrets: []string{"canary-door-token"}})
	q := rig.To(rig.Number(1), rig.Agent(0))
	h := map[string]string{"ce-specversion": "1.0", "ce-id": "http-1", "ce-source": rig.Source, "ce-type": events.TypeDialRequested,
		"Content-Type": "application/json"}
	call := events.CallID(rig.Acme, rig.Source, "http-1")
	if status, out := r.Post(rig.Acme, "canary-door-token", h, body(t, q)); status != http.StatusAccepted || out["call"] != call || out["duplicate"] != nil {
		t.Fatalf("binary: %d %v", status, out)
	}
	r.Await(call, events.Requested)
	if status, out := r.Post(rig.Acme, "canary-door-token", h, body(t, q)); status != http.StatusAccepted || out["call"] != call || out["duplicate"] != true {
		t.Errorf("again: %d %v", status, out)
	}
	r.Closed(call, events.OutcomeCompleted, "")
	s := rig.Structured("http-2", rig.To(rig.Number(2), rig.Agent(0)))
	if status, out := r.Post(rig.Acme, "canary-door-token", s.Header, s.Body); status != http.StatusAccepted {
		t.Errorf("structured: %d %v", status, out)
	}
	r.Closed(events.CallID(rig.Acme, rig.Source, "http-2"), events.OutcomeCompleted, "")
	h["ce-id"] = "http-3"
	status, out := r.Post(rig.Acme, "canary-door-token", h, []byte(`{"agent":"`+rig.Agent(0)+`","huntGroup":"x","prioritty":1}`))
	faults, _ := out["faults"].([]any)
	if status != http.StatusBadRequest || len(faults) < 3 {
		t.Errorf("malformed: %d %v", status, out)
	}
	q.Ruleset, h["ce-id"] = "ca", "http-4" // it does not extend the tenant's
	if status, out := r.Post(rig.Acme, "canary-door-token", h, body(t, q)); status != http.StatusBadRequest || !strings.Contains(fmt.Sprint(out["faults"]), "unknown_ruleset") {
		t.Errorf("a rule set that is not the tenant's: %d %v", status, out)
	}
	q.Ruleset = ""
	for _, token := range []string{"", "wrong"} {
		if status, _ := r.Post(rig.Acme, token, h, body(t, q)); status != http.StatusUnauthorized {
			t.Errorf("token %q: %d", token, status)
		}
	}
	if n := len(r.Calls()); n != 2 {
		t.Errorf("%d calls", n)
	}
}

func TestCallsAreFoundAndExplained(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	q := rig.To(rig.Number(1), rig.Agent(0))
	q.Campaign, q.Reference, q.Contact = "spring", "ref-1", "person-1"
	call := r.Dial("known", q)
	r.Closed(call, events.OutcomeCompleted, "")
	type view struct {
		Call, State, Outcome string
		Number               events.Number
		Timeline             []struct{ Event string }
	}
	var byCall, bySource view
	if code := r.Ask(rig.Acme, "call", "get", map[string]string{"call": call}, &byCall); code != "" || byCall.State != "closed" || len(byCall.Timeline) < 8 {
		t.Errorf("call.get: %s %+v", code, byCall)
	}
	if code := r.Ask(rig.Acme, "call", "get", map[string]string{"source": rig.Source, "id": "known"}, &bySource); code != "" || bySource.Call != call {
		t.Errorf("call.get by source and id: %s %+v", code, bySource)
	}
	for key, value := range map[string]string{"to": rig.Number(1), "campaign": "spring", "reference": "ref-1", "contact": "person-1", "agent": rig.Agent(0)} {
		var found struct {
			Calls []struct{ Call, Outcome string }
			Count int
		}
		r.Until("found by "+key, 20*time.Second, func() bool {
			return r.Ask(rig.Acme, "call", "find", map[string]string{key: value}, &found) == "" &&
				found.Count == 1 && found.Calls[0].Call == call && found.Calls[0].Outcome == events.OutcomeCompleted
		})
	}
	var x struct {
		Decisions []struct {
			Passed   bool
			Evidence events.Evidence
		}
	}
	if code := r.Ask(rig.Acme, "call", "explain", map[string]string{"call": call}, &x); code != "" || len(x.Decisions) != 1 || !x.Decisions[0].Passed || x.Decisions[0].Evidence.Engine == "" {
		t.Errorf("call.explain: %s %+v", code, x)
	}
	for _, ask := range []struct{ verb, body, want string }{
		{"get", `{"call":"aaaaaaaaaaaaaaaaaaaaaaaaaa"}`, "404"}, {"get", `{}`, "400"}, {"get", `{"cal":"x"}`, "400"}, {"find", `{}`, ""}, {"cancel", `{}`, "400"},
	} {
		if code := r.Ask(rig.Acme, "call", ask.verb, ask.body, nil); code != ask.want {
			t.Errorf("call.%s %s: %q, want %s", ask.verb, ask.body, code, ask.want)
		}
	}
}

func TestAgentsAreEnrolledShownSetAndRemoved(t *testing.T) {
	t.Parallel()
	desk := rig.Desk{Agent: "agent5", Kind: providers.Five9}
	r := rig.Start(t, rig.Options{Agents: 1, Desks: []rig.Desk{desk}})
	r.AwaitReadyAgents(2)
	type view struct{ Agent, Presence, Connection, Token string }
	var one view
	if code := r.Ask(rig.Acme, "agent", "get", map[string]string{"agent": rig.Agent(0)}, &one); code != "" || one.Presence != "ready" || one.Token != "" {
		t.Errorf("agent.get: %s %+v", code, one)
	}
	var all struct{ Agents []view }
	if code := r.Ask(rig.Acme, "agent", "list", `{}`, &all); code != "" || len(all.Agents) != 2 {
		t.Errorf("agent.list: %s %+v", code, all)
	}
	if code := r.Ask(rig.Acme, "agent", "set", map[string]string{"agent": rig.Agent(0), "status": "not_ready"}, nil); code != "409" {
		t.Errorf("agent.set of a polled agent: %q", code)
	}
	if code := r.Ask(rig.Acme, "agent", "set", map[string]string{"agent": desk.Agent, "status": "not_ready", "by": "alice"}, nil); code != "" {
		t.Errorf("agent.set: %q", code)
	}
	r.AwaitPresence(desk.Agent, events.NotReady)
	if code := r.Ask(rig.Acme, "agent", "put", map[string]any{"agent": "agent6", "connection": rig.Connection(providers.Five9), "huntGroups": []string{"late"}}, &one); code != "" || one.Agent != "agent6" {
		t.Errorf("agent.put: %s %+v", code, one)
	}
	if code := r.Ask(rig.Acme, "agent", "put", map[string]any{"agent": "agent7", "connection": "tcn-globex"}, nil); code != "400" {
		t.Errorf("agent.put on another tenant's connection: %q", code)
	}
	if code := r.Ask(rig.Acme, "agent", "remove", map[string]string{"agent": "agent6", "reason": "left"}, nil); code != "" {
		t.Errorf("agent.remove: %q", code)
	}
	call := r.Dial("gone", rig.ToDesk(rig.Number(1), "agent6"))
	r.Until("an agent who left is unknown", 20*time.Second, func() bool { return len(r.Rejected("gone")) == 1 })
	if len(r.Call(call).Log) != 0 {
		t.Error("the call exists")
	}
	commands := 0
	for _, o := range r.Ops() {
		if o.Event == "command" && strings.HasPrefix(o.What, "agent.") {
			commands++
		}
	}
	if commands < 3 {
		t.Errorf("%d commands on record", commands)
	}
}

func TestComplianceIsAskedWithoutDialing(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	type answer struct {
		Allowed       bool
		Primary       string
		NextAllowedAt *time.Time
	}
	ask := func(extra map[string]any) (a answer) {
		in := map[string]any{"request": rig.To(rig.Number(1), rig.Agent(0))}
		for k, v := range extra {
			in[k] = v
		}
		if code := r.Ask(rig.Acme, "compliance", "check", in, &a); code != "" {
			t.Errorf("compliance.check: %s", code)
		}
		return a
	}
	if a := ask(nil); !a.Allowed {
		t.Errorf("at noon: %+v", a)
	}
	night := r.Now().Truncate(24 * time.Hour).Add(30 * time.Hour)
	if a := ask(map[string]any{"at": night}); a.Allowed || a.NextAllowedAt == nil {
		t.Errorf("at night: %+v", a)
	}
	optOut(t, r, rig.Number(1))
	if a := ask(nil); a.Allowed || a.Primary != "DNC_INTERNAL" {
		t.Errorf("after an opt-out: %+v", a)
	}
	if n := len(r.Calls()); n != 0 {
		t.Errorf("%d calls", n)
	}
}

func TestTheDoNotCallListByCommand(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	number := rig.Number(1)
	var added, removed []map[string]any
	add := map[string]any{"contacts": []map[string]string{
		{"phone_number": number}, {"phone_number": "911"}, {"phone_number": "canary"}, {"phone_number": rig.Number(2), "expires_at": "2001-01-01 00:00:00 UTC"},
	}}
	if code := r.Ask(rig.Acme, "dnc", "add", add, &added); code != "" || len(added) != 4 {
		t.Fatalf("dnc.add: %s %v", code, added)
	}
	for i, want := range []string{"created", "failed", "failed", "failed"} {
		if added[i]["status"] != want {
			t.Errorf("entry %d is %v, want %s", i, added[i], want)
		}
	}
	if added[1]["error"] != "emergency phone number is not allowed" || added[2]["error"] != "phone_number is invalid" || added[3]["error"] != "expires_at cannot be past date/time" {
		t.Errorf("messages: %v", added)
	}
	check := func(tenant string) bool {
		var s struct {
			Listed bool `json:"do_not_call"`
		}
		if code := r.Ask(tenant, "dnc", "check", map[string]string{"phone_number": number}, &s); code != "" {
			t.Errorf("dnc.check: %s", code)
		}
		return s.Listed
	}
	if !check(rig.Acme) || check(rig.Globex) {
		t.Error("acme's entry is not acme's alone")
	}
	if code := r.Ask(rig.Acme, "dnc", "remove", map[string]any{"phone_numbers": []string{number, rig.Number(3)}}, &removed); code != "" ||
		removed[0]["status"] != "removed" || removed[1]["status"] != "not_listed" {
		t.Errorf("dnc.remove: %s %v", code, removed)
	}
	if check(rig.Acme) {
		t.Error("still listed")
	}
}
