package orchestrator

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/outdial/outdial/internal/api"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/test/exams/logtest"
)

// do sends a command as acme and returns the answer as JSON.
func (w *world) do(group, verb, body string) (string, error) {
	w.t.Helper()
	w.tell()
	for _, e := range w.s.Endpoints() {
		if e.Group != group || e.Verb != verb {
			continue
		}
		v, err := e.Handle(w.t.Context(), "acme", []byte(body))
		if err != nil {
			return "", err
		}
		raw, err := json.Marshal(v)
		if err != nil {
			w.t.Fatal(err)
		}
		return string(raw), nil
	}
	w.t.Fatalf("no command %s.%s", group, verb)
	return "", nil
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var e *api.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("err = %v, want %s", err, code)
	}
}

func TestAgentPutIsIdempotentAndNeverShowsTheToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const put = `{"agent":"ann","huntGroups":["sales"],"token":"s3cret-token","by":"boss"}`
	first, err := w.do("agent", "put", put)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := w.do("agent", "put", put); err != nil || second != first {
		t.Errorf("again: %s, %v; want %s", second, err, first)
	}
	w.wantAgent("ann", "enrolled")
	for _, change := range []string{
		strings.Replace(put, "s3cret-token", "n3w-token", 1),
		strings.Replace(put, "sales", "support", 1),
		`{"agent":"ann","connection":"desk","huntGroups":["support"]}`,
	} {
		if _, err := w.do("agent", "put", change); err != nil {
			t.Fatal(err)
		}
	}
	w.wantAgent("ann", "enrolled enrolled enrolled enrolled")
	get, err := w.do("agent", "get", `{"agent":"ann"}`)
	if err != nil {
		t.Fatal(err)
	}
	list, err := w.do("agent", "list", "")
	if err != nil || !strings.Contains(list, `"ann"`) {
		t.Errorf("%s, %v", list, err)
	}
	shown := first + get + list
	for _, r := range w.since(events.AgentFamily, 0) {
		raw, _ := json.Marshal(r.Body)
		shown += string(raw)
	}
	for _, o := range w.ops {
		raw, _ := json.Marshal(o)
		shown += string(raw)
	}
	if strings.Contains(shown, "s3cret") || strings.Contains(shown, "n3w-token") {
		t.Error("the token is shown or stored in clear")
	}
	if len(w.ops) != 5 || w.ops[0].By != "boss" || w.ops[0].What != "agent.put" || w.ops[0].Agent != "ann" {
		t.Errorf("on record: %+v", w.ops)
	}
}

func TestTwoDifferentEnrolmentsAtOnceAreBothKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.log.Before(events.Enrolled, func() {
		if _, err := w.s.Enrol(t.Context(), w.tenant(), Enrolment{Agent: "ann", HuntGroups: []string{"support"}}); err != nil {
			t.Error(err)
		}
	})
	a, err := w.s.Enrol(t.Context(), w.tenant(), Enrolment{Agent: "ann", HuntGroups: []string{"sales"}})
	if err != nil || len(a.State.HuntGroups) != 1 || a.State.HuntGroups[0] != "sales" {
		t.Errorf("%+v, %v", a.State, err)
	}
	w.wantAgent("ann", "enrolled enrolled")
	if g := w.agent("ann").State.HuntGroups; g[0] != "sales" {
		t.Errorf("on record: %v", g)
	}
	w.log.Fail(events.Enrolled, logtest.LostAnswer)
	if _, err := w.s.Enrol(t.Context(), w.tenant(), Enrolment{Agent: "ann"}); err != nil {
		t.Error(err)
	}
	w.wantAgent("ann", "enrolled enrolled enrolled")
}

func TestAgentCommandsRefuse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for body, code := range map[string]string{
		`{}`:                                  "400",
		`{"agent":"ann","conection":"tcn"}`:   "400", // a misspelt field
		`{"agent":"ann","connection":"none"}`: "400",
		`{"agent":"ann"} {"agent":"bob"}`:     "400",
	} {
		_, err := w.do("agent", "put", body)
		wantCode(t, err, code)
	}
	for _, verb := range []string{"get", "remove", "release"} {
		_, err := w.do("agent", verb, `{"agent":"nobody"}`)
		wantCode(t, err, "404")
		_, err = w.do("agent", verb, `{}`)
		wantCode(t, err, "400")
	}
	if _, err := w.s.onListAgents(t.Context(), "nobody", nil); err == nil {
		t.Error("an unknown tenant has agents")
	}
	if len(w.ops) != 0 {
		t.Errorf("on record: %+v", w.ops)
	}
}

func TestAnAgentOnACallIsNotRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	call := w.ask("1", map[string]any{"agent": "ann"})
	w.work(w.s)
	_, err := w.do("agent", "remove", `{"agent":"ann"}`)
	wantCode(t, err, "409")
	w.say(call, events.Orchestrator, events.Closed, &events.CallClosed{Agent: "ann", Outcome: "expired"})
	w.work(w.s)
	for range 2 { // twice is no error
		if _, err := w.do("agent", "remove", `{"agent":"ann","by":"boss","reason":"left"}`); err != nil {
			t.Error(err)
		}
	}
	w.wantAgent("ann", "enrolled claimed released removed")
	if list, _ := w.do("agent", "list", ""); strings.Contains(list, "ann") {
		t.Errorf("still listed: %s", list)
	}
}

// Who is in the configuration comes back with it, which whoever removes her must
// hear; of others there is nothing to say.
func TestWhoRemovesAnAgentHearsWhetherSheComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	w.enrol("bob")
	w.s.Roster = map[string][]Enrolment{"acme": {{Agent: "ann"}}}
	for agent, listed := range map[string]bool{"ann": true, "bob": false} {
		if got, err := w.do("agent", "remove", `{"agent":"`+agent+`"}`); err != nil || strings.Contains(got, "configuration") != listed {
			t.Errorf("%s: %s, %v", agent, got, err)
		}
	}
}

const release = `{"agent":"ann","reason":"stuck","by":"boss"}`

// onACall is a world in which ann is assigned to a call.
func onACall(t *testing.T) (*world, string) {
	t.Helper()
	w := newWorld(t)
	w.enrol("ann")
	call := w.ask("1", map[string]any{"agent": "ann"})
	w.work(w.s)
	return w, call
}

func TestAgentRelease(t *testing.T) {
	t.Parallel()
	t.Run("without a reason it is refused", func(t *testing.T) {
		t.Parallel()
		w, _ := onACall(t)
		_, err := w.do("agent", "release", `{"agent":"ann"}`)
		wantCode(t, err, "400")
	})
	t.Run("the call that holds the agent is stopped first", func(t *testing.T) {
		t.Parallel()
		w, call := onACall(t)
		w.clear(call)
		for range 2 {
			if _, err := w.do("agent", "release", release); err != nil {
				t.Error(err)
			}
		}
		w.wantCall(call, "requested assigned passed cancel_requested")
		w.wantAgent("ann", "enrolled claimed released")
		w.work(w.s)
		w.wantCall(call, "requested assigned passed cancel_requested closed")
		w.wantAgent("ann", "enrolled claimed released")
	})
	t.Run("a call that was dialed is not let go of", func(t *testing.T) {
		t.Parallel()
		w, call := onACall(t)
		w.dial(call)
		_, err := w.do("agent", "release", release)
		wantCode(t, err, "409")
		w.wantAgent("ann", "enrolled claimed")
	})
	t.Run("nor one that is being prepared", func(t *testing.T) {
		t.Parallel()
		w, call := onACall(t)
		w.say(call, events.Compliance, events.Preparing, &events.CallPreparing{Attempt: "x"})
		_, err := w.do("agent", "release", release)
		wantCode(t, err, "409")
	})
	t.Run("one dialed while the release is written", func(t *testing.T) {
		t.Parallel()
		w, call := onACall(t)
		w.clear(call)
		w.log.Before(events.CancelRequested, func() {
			w.say(call, events.Dialer, events.Dialing, &events.CallDialing{Attempt: "attempt"})
		})
		_, err := w.do("agent", "release", release)
		wantCode(t, err, "409")
		w.wantAgent("ann", "enrolled claimed")
	})
}

func TestAReleaseVoidsAClaimThatIsAboutToBeUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	call := w.ask("1", map[string]any{"agent": "ann"})
	w.log.Before(events.Assigned, func() {
		if _, err := w.do("agent", "release", release); err != nil {
			t.Error(err)
		}
	})
	w.work(w.s)
	if c, a := w.call(call), w.agent("ann"); c.Assigned == nil || c.Assigned.Fence != a.Fence {
		t.Errorf("%s with %+v, the fence is %d", c.State, c.Assigned, a.Fence)
	}
	w.wantAgent("ann", "enrolled claimed released claimed")
}

func TestAReleaseEndsAQuarantine(t *testing.T) {
	t.Parallel()
	w, call := onACall(t)
	w.dial(call)
	w.say(call, events.Dialer, events.Unknown, &events.CallUnknown{})
	w.say(call, events.Orchestrator, events.Closed, &events.CallClosed{Agent: "ann", Outcome: "failed", Reason: "outcome_unknown", Quarantine: true})
	w.work(w.s)
	if _, err := w.do("agent", "release", release); err != nil {
		t.Fatal(err)
	}
	w.wantAgent("ann", "enrolled claimed quarantined released")
	if !w.agent("ann").Claimable() {
		t.Error("and yet not free")
	}
}

func TestCallCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	call := w.ask("1", map[string]any{"agent": "ann", "campaign": "spring"})
	other := w.ask("2", map[string]any{"agent": "ann", "campaign": "spring"})
	third := w.ask("3", map[string]any{"agent": "ann", "campaign": "autumn"})
	cancel := `{"call":"` + call + `","by":"boss","reason":"typo"}`
	for _, status := range []string{"requested", "already"} {
		if got, err := w.do("call", "cancel", cancel); err != nil || !strings.Contains(got, `"status":"`+status+`"`) {
			t.Errorf("%s, %v; want %s", got, err, status)
		}
	}
	w.wantCall(call, "requested cancel_requested")
	w.work(w.s)
	if got, _ := w.do("call", "cancel", cancel); !strings.Contains(got, `"status":"closed"`) {
		t.Errorf("closed: %s", got)
	}
	if c := w.call(call).Closed; c.Outcome != "cancelled" || c.Reason != events.ByOperator {
		t.Errorf("%+v", c)
	}
	if got, err := w.do("call", "cancel", `{"campaign":"spring"}`); err != nil || !strings.Contains(got, other) || strings.Contains(got, third) {
		t.Errorf("%s, %v", got, err)
	}
	if c := w.call(other).Cancel; c == nil || c.By != events.ByUpstream {
		t.Errorf("%+v", c)
	}
	if got, err := w.do("call", "cancel", `{"source":"/crm","id":"3"}`); err != nil || !strings.Contains(got, third) || w.call(third).Cancel == nil {
		t.Errorf("by the request's identity: %s, %v", got, err)
	}
	for body, code := range map[string]string{
		`{}`: "400", `{"call":"` + call + `","campaign":"spring"}`: "400", `{"call":"a b"}`: "400", `{"call":"nosuch"}`: "404",
		`{"id":"3"}`: "400", `{"source":"/crm"}`: "400", `{"source":"/crm","id":"9"}`: "404", `{"source":"/crm","id":"3","campaign":"spring"}`: "400",
	} {
		_, err := w.do("call", "cancel", body)
		wantCode(t, err, code)
	}
	if last := w.ops[0]; last.What != "call.cancel" || last.By != "boss" || last.Reason != "typo" || last.Call != call {
		t.Errorf("on record: %+v", last)
	}
}

// Whose wish it was is said by who asks; a name alone says it of an operator.
func TestACancellationIsOnRecordAsWhoseItWas(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{}`: events.ByUpstream, `{"by":"boss"}`: events.ByOperator,
		`{"as":"upstream","by":"desk 4 of the CRM"}`: events.ByUpstream, `{"as":"operator"}`: events.ByOperator,
		`{"as":"expiry"}`: "", `{"as":"Operator"}`: "",
	} {
		w := newWorld(t)
		w.enrol("ann")
		call := w.ask("1", map[string]any{"agent": "ann"})
		_, err := w.do("call", "cancel", strings.Replace(strings.Replace(body, "{", `{"source":"/crm","id":"1",`, 1), ",}", "}", 1))
		if want == "" {
			wantCode(t, err, "400")
			w.wantCall(call, "requested")
			continue
		}
		if c := w.call(call).Cancel; err != nil || c == nil || c.By != want {
			t.Errorf("%s: %+v, %v; want %s", body, c, err, want)
		}
	}
}

func TestCallGetAndExplain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	call := w.ask("1", map[string]any{"agent": "ann", "metadata": []map[string]string{{"key": "Name", "value": "Mrs Miller"}}})
	w.work(w.s)
	w.say(call, events.Compliance, events.Failed, &events.CallFailed{Reasons: []events.Reason{{Code: "DNC_INTERNAL"}, {Code: "ZIP_INVALID"}}})
	w.work(w.s)
	byCall, err := w.do("call", "get", `{"call":"`+call+`"}`)
	if err != nil {
		t.Fatal(err)
	}
	if byID, err := w.do("call", "get", `{"source":"/crm","id":"1"}`); err != nil || byID != byCall {
		t.Errorf("by source and id: %s, %v", byID, err)
	}
	var v CallView
	if err := json.Unmarshal([]byte(byCall), &v); err != nil {
		t.Fatal(err)
	}
	if v.Outcome != "blocked" || v.Reason != "DNC_INTERNAL" || v.Agent != "ann" || len(v.Timeline) != 4 ||
		v.Timeline[2].Says != "DNC_INTERNAL, ZIP_INVALID" || v.Number.Masked == "" {
		t.Errorf("%+v", v)
	}
	explained, err := w.do("call", "explain", `{"call":"`+call+`"}`)
	if err != nil || !strings.Contains(explained, "ZIP_INVALID") {
		t.Errorf("%s, %v", explained, err)
	}
	if shown := byCall + explained; strings.Contains(shown, "Miller") || strings.Contains(shown, tokyo) {
		t.Error("personal data is shown")
	}
	for _, verb := range []string{"get", "explain"} {
		_, err := w.do("call", verb, `{"call":"nosuch"}`)
		wantCode(t, err, "404")
		_, err = w.do("call", verb, `{"source":"/crm"}`)
		wantCode(t, err, "400")
	}
	if _, err := w.s.onGet(t.Context(), "globex", []byte(`{"call":"`+call+`"}`)); err == nil {
		t.Error("another tenant reads the call")
	}
}

// What an agent's every event repeats is bounded where it comes in, and all
// that is too much is told at once.
func TestAnEnrolmentIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long, groups := strings.Repeat("x", 9<<10), strings.Repeat(`"g",`, 5000)
	_, err := w.do("agent", "put", `{"agent":"`+long+`","providerAgent":"a\u0000b","connection":"*","token":"`+long+`","huntGroups":[`+groups+`">"]}`)
	wantCode(t, err, "400")
	var got []string
	for _, f := range err.(*api.Error).Faults {
		got = append(got, f.Pointer+" "+f.Code)
	}
	want := []string{"/agent bad_text", "/providerAgent bad_text", "/token too_long", "/huntGroups too_many", "/connection unknown_connection"}
	if !slices.Equal(got, want) {
		t.Errorf("faults %v, want %v", got, want)
	}
	if _, err := w.do("agent", "put", `{"agent":"ann","by":"the boss, +12125550142"}`); err != nil {
		t.Fatal(err)
	}
	for _, r := range w.since(events.AgentFamily, 0) {
		if b, ok := r.Body.(*events.AgentEnrolled); !ok || strings.Contains(b.By, "5550142") {
			t.Errorf("on record: %+v", r.Body)
		}
	}
}

// A command may read one name only once: of two numbers that stand under one
// name, nobody knows which was meant.
func TestACommandThatCanBeReadInTwoWaysDoesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	w.enrol("bob")
	for verb, body := range map[string]string{
		"remove": `{"agent":"ann","agent":"bob","reason":"left"}`, "release": `{"agent":"ann","reason":"stuck","agent":"bob"}`,
		"put": `{"agent":"ann","huntGroups":["a"],"huntGroups":["b"]}`,
	} {
		_, err := w.do("agent", verb, body)
		wantCode(t, err, "400")
	}
	w.wantAgent("ann", "enrolled")
	w.wantAgent("bob", "enrolled")
}

// One call of a campaign whose log nobody can read keeps no other from being
// cancelled, and the command is on record.
func TestAnUnreadableCallHarmsNoOtherOfItsCampaign(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.enrol("ann")
	calls := map[string]string{}
	for _, id := range []string{"1", "2", "3"} {
		calls[id] = w.ask(id, map[string]any{"agent": "ann", "campaign": "spring"})
	}
	w.tell()
	w.log.Plant(events.CallFamily, events.LogSubject(events.CallFamily, "acme", calls["2"], events.Orchestrator, events.Waiting), events.Header{}, []byte("{}"))
	answer, err := w.s.onCancel(t.Context(), "acme", []byte(`{"campaign":"spring","by":"boss","reason":"over"}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range answer.(map[string]any)["calls"].([]Cancelled) {
		if want := map[bool]string{true: "failed", false: "requested"}[c.Call == calls["2"]]; c.Status != want {
			t.Errorf("%s: %s, want %s", c.Call, c.Status, want)
		}
	}
	w.wantCall(calls["1"], "requested cancel_requested")
	w.wantCall(calls["3"], "requested cancel_requested")
	if len(w.ops) != 1 || w.ops[0].What != "call.cancel" {
		t.Errorf("on record: %+v", w.ops)
	}
}
