package e2e_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/test/rig"
)

// change makes a good request and changes its fields; nil takes one away.
func change(fields map[string]any) map[string]any {
	good := map[string]any{"to": rig.Number(1), "agent": rig.Agent(0),
		"metadata": []map[string]string{{"key": "Account", "value": "canary-account"}, {"key": "Zip Code", "value": "84770"}}}
	for k, v := range fields {
		good[k] = v
		if v == nil {
			delete(good, k)
		}
	}
	return good
}

// A bad input and the faults, as pointer and code, that must be told of it.
type bad struct {
	send rig.Request
	want []string
}

func badInputs(now time.Time) map[string]bad {
	one := func(fields map[string]any, want ...string) bad {
		return bad{rig.Binary("", change(fields)), want}
	}
	raw := func(body string, want ...string) bad { return bad{rig.Binary("", body), want} }
	deep := `{"to":"` + rig.Number(1) + `","agent":"` + rig.Agent(0) + `","options":` + strings.Repeat(`{"a":`, 40) + `1` + strings.Repeat(`}`, 40) + `}`
	return map[string]bad{
		"not JSON":                  raw(`{"to": canary-not-json`, " not_json"),
		"not an object":             raw(`["canary-list"]`, " wrong_json_type"),
		"not a CloudEvent":          {rig.Request{Tenant: rig.Acme, Body: []byte(`{"to":"canary"}`)}, []string{" not_cloudevent"}},
		"of another type":           {rig.Binary("", change(nil)).With("ce-type", "io.outdial.call.closed.v1"), []string{"/ce-type wrong_event_type"}},
		"of another version":        {rig.Binary("", change(nil)).With("ce-specversion", "0.3"), []string{"/ce-specversion wrong_specversion"}},
		"without an id":             {rig.Binary("", change(nil)).With("ce-id", ""), []string{"/ce-id missing"}},
		"a field misspelt":          one(map[string]any{"prioritty": 3}, "/prioritty unknown_field"),
		"no number":                 one(map[string]any{"to": nil}, "/to missing"),
		"a national number":         one(map[string]any{"to": "4355551234"}, "/to not_e164"),
		"no target":                 one(map[string]any{"agent": nil}, " no_target"),
		"two targets":               one(map[string]any{"huntGroup": rig.HuntGroup}, "/huntGroup two_targets"),
		"three targets":             one(map[string]any{"huntGroup": rig.HuntGroup, "queue": "q"}, "/huntGroup two_targets", "/queue queue_unsupported"),
		"an unknown agent":          one(map[string]any{"agent": "nobody"}, "/agent unknown_agent"),
		"another tenant's agent":    one(map[string]any{"agent": rig.Agent(1)}, "/agent unknown_agent"),
		"an unknown hunt group":     one(map[string]any{"agent": nil, "huntGroup": "nobody"}, "/huntGroup unknown_hunt_group"),
		"an unknown connection":     one(map[string]any{"connection": "nowhere"}, "/connection unknown_connection"),
		"another tenant's provider": one(map[string]any{"connection": "tcn-globex"}, "/connection unknown_connection"),
		"a foreign caller id":       one(map[string]any{"from": "+13035550166"}, "/from foreign_caller_id"),
		"expired":                   one(map[string]any{"expiresAt": now.Add(-time.Minute)}, "/expiresAt expired"),
		"beyond the log's age":      one(map[string]any{"expiresAt": now.Add(71 * time.Hour)}, "/expiresAt expiry_too_far"),
		"a looser rule set":         one(map[string]any{"ruleset": "us-federal"}, "/ruleset unknown_ruleset"),
		"a rule set beside it":      one(map[string]any{"ruleset": "default-safest"}, "/ruleset unknown_ruleset"),
		"a rule set in capitals":    one(map[string]any{"ruleset": "E2E"}, "/ruleset unknown_ruleset"),
		"a machine that dials":      one(map[string]any{"mode": "predictive"}, "/mode mode_unsupported"),
		"a clock of no place":       one(map[string]any{"timeZone": "Etc/GMT+5"}, "/timeZone bad_time_zone"),
		"nearly a location":         one(map[string]any{"metadata": []map[string]string{{"key": "Zip Cod", "value": "canary"}}}, "/metadata/0/key near_key"),
		"a token with a dot":        one(map[string]any{"campaign": "spring.sale"}, "/campaign bad_token"),
		"a token with a wildcard":   one(map[string]any{"reference": "a*"}, "/reference bad_token"),
		"a token with a tail":       one(map[string]any{"contact": "a>"}, "/contact bad_token"),
		"too large":                 one(map[string]any{"reference": strings.Repeat("x", 70<<10)}, " too_large"),
		"too deep":                  raw(deep, "* too_deep"),
		"the same key twice":        raw(`{"to":"`+rig.Number(1)+`","agent":"`+rig.Agent(0)+`","to":"+14355559999"}`, "/to duplicate_key"),
		"three faults at once":      one(map[string]any{"to": nil, "prioritty": 3, "huntGroup": rig.HuntGroup}, "/to missing", "/prioritty unknown_field", "/huntGroup two_targets"),
		"structured, misspelt":      {rig.Structured("", change(map[string]any{"hunt_group": "x"})), []string{"/hunt_group unknown_field"}},
		"structured, not JSON":      {rig.Request{Tenant: rig.Acme, Header: map[string]string{"Content-Type": "application/cloudevents+json"}, Body: []byte(`{"specversion":`)}, []string{" not_json"}},
	}
}

// named gives every case an id of its own, where it has one.
func (b bad) named(id string) rig.Request {
	q := b.send
	if _, ok := q.Header["ce-id"]; ok {
		return q.With("ce-id", id)
	}
	q.Body = []byte(strings.Replace(string(q.Body), `"id":""`, fmt.Sprintf(`"id":%q`, id), 1))
	return q
}

func TestEveryBadInputIsRejectedOnceAndHarmsNobody(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Others: 1, Ruleset: "name: e2e\nextends: us-federal\n"})
	named := rig.To(rig.Number(2), rig.Agent(0))
	named.Ruleset = rig.Ruleset // the tenant's own may be named
	before := r.Dial("before", named)
	cases := badInputs(r.Now())
	sent := map[uint64]string{} // by sequence
	n := 0
	for name, b := range cases {
		n++
		sent[r.Send(b.named(fmt.Sprint("bad-", n)))] = name
	}
	after := r.Dial("after", rig.To(rig.Number(3), rig.Agent(0)))
	r.Until("every bad input is refused", 30*time.Second, func() bool { return len(r.Rejected("")) >= len(cases) })
	r.Closed(before, events.OutcomeCompleted, "")
	r.Closed(after, events.OutcomeCompleted, "")
	seen := map[string]int{}
	for _, note := range r.Rejected("") {
		name := sent[note.Sequence]
		seen[name]++
		told(t, name, note, cases[name].want)
		if note.Stream != events.RequestStream(rig.Acme) || note.Tenant != rig.Acme || note.Digest == "" || note.Stage != "request" {
			t.Errorf("%s: the note says %+v", name, note)
		}
	}
	for name := range cases {
		if seen[name] != 1 {
			t.Errorf("%s: refused %d times", name, seen[name])
		}
	}
	if calls := r.Calls(); len(calls) != 2 {
		t.Errorf("%d calls, want the two good ones", len(calls))
	}
}

// told wants each fault, and none besides.
func told(t *testing.T, name string, note events.Rejected, want []string) {
	t.Helper()
	var got []string
	for _, f := range note.Faults {
		got = append(got, f.Pointer+" "+f.Code)
	}
	for _, w := range want {
		i := slices.IndexFunc(got, func(g string) bool { return g == w || w[0] == '*' && strings.HasSuffix(g, w[1:]) })
		if i < 0 {
			t.Errorf("%s: faults %q, want %q", name, got, want)
			return
		}
		got = slices.Delete(got, i, i+1)
	}
	if len(got) > 0 {
		t.Errorf("%s: also told %q", name, got)
	}
	for _, f := range note.Faults {
		if f.Code == events.FaultUnknownField && !strings.Contains(f.Message, "priority") && !strings.Contains(f.Message, "huntGroup") {
			t.Errorf("%s: no close name is told: %s", name, f.Message)
		}
	}
}

func TestTheSameIDWithAnotherBodyIsRefused(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	call := r.Dial("reused", rig.To(rig.Number(1), rig.Agent(0)))
	r.Await(call, events.Requested)
	r.Dial("reused", rig.To(rig.Number(2), rig.Agent(0)))
	r.Until("the second is refused", 20*time.Second, func() bool { return len(r.Rejected("reused")) == 1 })
	if f := r.Rejected("reused")[0].Faults; len(f) != 1 || f[0].Pointer != "/ce-id" || f[0].Code != "id_reuse" {
		t.Errorf("faults %+v", f)
	}
	r.Closed(call, events.OutcomeCompleted, "")
	r.Dial("reused", rig.To(rig.Number(2), rig.Agent(0))) // also when the first is over
	r.Until("and again", 20*time.Second, func() bool { return len(r.Rejected("reused")) == 2 })
	if r.Dials(rig.Number(2)) != 0 || r.Dials(rig.Number(1)) != 1 {
		t.Error("the wrong number was dialed, or the right one not once")
	}
}

func TestTheSameRequestAgainIsTheSameCall(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	q := rig.To(rig.Number(1), rig.Agent(0))
	call := r.Dial("twice", q)
	r.Send(rig.Structured("twice", q)) // in the other mode, with other blanks
	spaced, err := json.MarshalIndent(q, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	r.Send(rig.Binary("twice", spaced))
	r.Closed(call, events.OutcomeCompleted, "")
	r.Send(rig.Binary("twice", q)) // and when it is over
	r.Until("the repetitions are on record", 20*time.Second, func() bool {
		n := 0
		for _, o := range r.Ops() {
			if o.Event == "duplicate" && o.Call == call {
				n++
			}
		}
		return n == 3
	})
	if calls := r.Calls(); len(calls) != 1 || rig.Count(calls[0], events.Requested) != 1 || len(r.Rejected("")) != 0 {
		t.Errorf("%d calls, %d refusals", len(calls), len(r.Rejected("")))
	}
	if n := r.Dials(rig.Number(1)); n != 1 {
		t.Errorf("%d dials", n)
	}
}

func TestTwoTenantsWithTheSameIdentityHaveTwoCalls(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{Others: 1})
	mine := r.Dial("shared", rig.To(rig.Number(1), rig.Agent(0)))
	r.Send(rig.Structured("shared", rig.To(rig.Number(2), rig.Agent(1))).For(rig.Globex))
	theirs := events.CallID(rig.Globex, rig.Source, "shared")
	r.Closed(mine, events.OutcomeCompleted, "")
	r.Until("globex' call is over", 30*time.Second, func() bool { return r.CallOf(rig.Globex, theirs).Closed != nil })
	if mine == theirs || len(r.Calls()) != 2 {
		t.Errorf("calls %s and %s", mine, theirs)
	}
	if c := r.CallOf(rig.Globex, theirs); c.Closed.Outcome != events.OutcomeCompleted || c.Closed.Agent != rig.Agent(1) {
		t.Error(rig.Path(c))
	}
	// Neither sees the other's.
	if code := r.Ask(rig.Globex, "call", "get", map[string]string{"call": mine}, nil); code != "404" {
		t.Errorf("globex sees acme's call: %q", code)
	}
	if code := r.Ask(rig.Globex, "call", "cancel", map[string]string{"call": mine}, nil); code != "404" {
		t.Errorf("globex cancels acme's call: %q", code)
	}
	if code := r.Ask(rig.Globex, "agent", "get", map[string]string{"agent": rig.Agent(0)}, nil); code != "404" {
		t.Errorf("globex sees acme's agent: %q", code)
	}
}

func TestAnUnknownTenantHearsThatNobodyIsThere(t *testing.T) {
	t.Parallel()
	r := rig.Start(t, rig.Options{})
	m := nats.NewMsg(events.RequestSubject("nobody"))
	m.Data = []byte(`{}`)
	if _, err := r.NC.RequestMsg(m, 5*time.Second); err != nats.ErrNoResponders {
		t.Errorf("got %v, want no responders", err)
	}
}
