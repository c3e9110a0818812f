package sixth_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/internal/config/kinds"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/test/exams/providertest"
	"github.com/outdial/outdial/test/rig"
	"github.com/outdial/outdial/test/sixth"
)

func TestTheExamOfEveryProvider(t *testing.T) {
	t.Parallel()
	providertest.Run(t, dialect(t))
}

// dialect is what the exam must know of it.
func dialect(t *testing.T) providertest.Dialect {
	return providertest.Dialect{
		Product: sixth.Product(),
		Settings: func(url string) providers.Section {
			return &sixth.Section{BaseURL: url, Timeout: 5 * time.Second, Site: 1, Key: providers.Secret{Env: "SIXTH_KEY"}.Opened(secret)}
		},
		Company: func() providertest.Company {
			c := open(t)
			c.holds = true
			count := func(of func() int) func() int {
				return func() int { c.mu.Lock(); defer c.mu.Unlock(); return of() }
			}
			return providertest.Company{URL: c.URL, Ring: c.ringAll, Placed: count(func() int { return len(c.starts) }),
				Rang: count(c.ringing), Kept: count(func() int { return len(c.events) })}
		},
		News: [][]byte{[]byte(`{"call":"7","attempt":"a1","event":"RINGING","at":"2030-01-01T00:00:00Z"}`), []byte(`{"call":"7","event":"HUNG_UP","at":"2030-01-01T00:00:09Z"}`)},
		Post: []byte(`[{"call":"7","event":"RINGING"},{"call":"8","event":"PICKED_UP"}]`), Items: 2,
		Order: func() providers.Order {
			return providers.Order{Call: "c1", Attempt: "a1", To: "+14355551234", Numbers: []string{"+14355551234", "+14355551236"},
				Queue: "menu-7", CallAt: time.Now().Add(time.Hour).UTC()}
		},
		Sent: func(body []byte) ([]string, time.Time, error) {
			var sent struct {
				Numbers []string
				At      time.Time
			}
			err := json.Unmarshal(body, &sent)
			return sent.Numbers, sent.At, err
		},
		Yes:     `{"id":"7"}`,
		Secrets: []string{"4355551234", "4355551236", secret},
	}
}

// registered is the registry with one line more.
func registered() config.Kinds { return append(kinds.All(), sixth.Product()) }

// house is a whole outdial with two copies of each service and the company.
func house(t *testing.T, c *company, o rig.Options) *rig.Rig {
	t.Helper()
	o.Copies, o.Kinds = 2, registered()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	o.Secrets = append(o.Secrets, secret)
	o.Connections = []string{fmt.Sprintf("lists: {kind: sixth, tenant: %s, baseURL: %q, key: {file: %[3]q}, hook: {bearer: {file: %[3]q}}}", rig.Acme, c.URL, key)}
	r := rig.Start(t, o)
	c.ledger, c.now = r.Sim.Ledger(), r.Now
	return r
}

func queued(number string) events.DialRequest {
	return events.DialRequest{To: number, Queue: "menu-7", Connection: "lists"}
}

// A whole life: assigned to the queue, passed, dialed at the account's pace over
// two dialers, heard of by the feed and by what is posted, twice, out of which
// every call's log says everything once. The rig's audit compares the ledger.
func TestCallsStandInItsQueuesAndEnd(t *testing.T) {
	t.Parallel()
	c := open(t)
	r := house(t, c, rig.Options{})
	c.post = func(es ...sixth.Event) {
		body, err := json.Marshal(es)
		if err != nil {
			t.Error(err)
			return
		}
		for _, by := range []struct {
			credential string
			want       int
		}{{"", http.StatusUnauthorized}, {"Bearer another", http.StatusUnauthorized}, {"Bearer " + secret, http.StatusNoContent}} {
			q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.HTTP()+"/v1/providers/lists/events", bytes.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			q.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {by.credential}}
			res, err := http.DefaultClient.Do(q)
			if err != nil {
				return // the rig is being taken down
			}
			if res.Body.Close(); res.StatusCode != by.want {
				t.Errorf("posted with %d bytes of a credential: %d", len(by.credential), res.StatusCode)
			}
		}
	}
	began := time.Now()
	var ids []string
	for n := range 12 {
		ids = append(ids, r.Dial(fmt.Sprint("q", n), queued(rig.Number(n))))
	}
	for _, id := range ids {
		call := r.Closed(id, "completed", "completed")
		var said []events.Name
		for _, e := range call.Log {
			if e.Role == events.Bridge {
				said = append(said, e.Name)
			}
		}
		if fmt.Sprint(said) != "[ringing answered talking ended]" || !call.Talked {
			t.Errorf("%s: %v", id, said)
		}
		if call.Closed.Agent != "" || call.Closed.Durations.Talk == nil || *call.Closed.Durations.Talk != 50 {
			t.Errorf("%s closed %+v", id, call.Closed)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if took := c.starts[len(c.starts)-1].Sub(began); took < 2*time.Second {
		t.Errorf("12 calls were started within %v, at 5 a second", took)
	}
}

// An answer that was lost is looked up by its attempt and never sent again, and
// what the feed says in the meantime is the call's all the same.
func TestALostAnswerIsNoSecondCall(t *testing.T) {
	t.Parallel()
	c := open(t)
	c.lose = func(string) bool { return true }
	r := house(t, c, rig.Options{})
	r.Closed(r.Dial("lost", queued(rig.Number(1))), "completed", "completed")
	if n := len(c.starts); n != 1 {
		t.Errorf("%d calls were started", n)
	}
}

// A call that its queue has not rung yet is withdrawn, by somebody or when its
// request expires.
func TestACallThatDoesNotRingIsWithdrawn(t *testing.T) {
	t.Parallel()
	c := open(t)
	c.holds = true
	r := house(t, c, rig.Options{})
	soon := r.Now().Add(12 * time.Second)
	expires := queued(rig.Number(1))
	expires.ExpiresAt = &soon
	expired, cancelled := r.Dial("expires", expires), r.Dial("cancelled", queued(rig.Number(2)))
	r.Await(cancelled, events.Started)
	var answer map[string]any
	if code := r.Ask(rig.Acme, "call", "cancel", map[string]string{"call": cancelled, "by": "ops"}, &answer); code != "" {
		t.Fatalf("cancel: %s", code)
	}
	r.Closed(cancelled, "cancelled", "operator")
	r.Closed(expired, "expired", "expired")
}

// A call that still stands in its queue when its pass ends is withdrawn, however
// late its request expires: nobody has judged a later hour.
func TestACallIsTakenBackWhenItsPassEnds(t *testing.T) {
	t.Parallel()
	c := open(t)
	c.holds = true
	r := house(t, c, rig.Options{Ruleset: "name: " + rig.Ruleset + "\nextends: us-federal\nlease: 3s\n"})
	r.Closed(r.Dial("ends", queued(rig.Number(1))), "expired", "pass_expired")
	if len(c.starts) != 1 || !c.calls[0].gone {
		t.Errorf("%d calls were started", len(c.starts))
	}
}

// Of a person's three numbers one is on the do-not-call list: the two others ring,
// one after the other, and never that one. The rig's audit holds what rang against
// the pass.
func TestAPersonsOtherNumbersRing(t *testing.T) {
	t.Parallel()
	c := open(t)
	r := house(t, c, rig.Options{})
	first, listed, third := rig.Number(1), rig.Number(2), rig.Number(3)
	c.story = func(to string) string {
		if to == first {
			return "RINGING NOBODY"
		}
		return "RINGING PICKED_UP BRIDGED HUNG_UP"
	}
	if code := r.Ask(rig.Acme, "dnc", "add", map[string]any{"contacts": []map[string]string{{"phone_number": listed}}}, nil); code != "" {
		t.Fatal(code)
	}
	q := queued(first)
	q.Alternates = []string{listed, third}
	call := r.Closed(r.Dial("three", q), "completed", "completed")
	if p := call.Passed; len(p.Numbers) != 2 || len(p.Evidence.Alternates) != 2 || p.Evidence.Alternates[0].Allowed {
		t.Errorf("passed %+v", p)
	}
	var found struct{ Calls []struct{ Call string } }
	if code := r.Ask(rig.Acme, "call", "find", map[string]string{"to": third}, &found); code != "" || len(found.Calls) != 1 || found.Calls[0].Call != call.ID {
		t.Errorf("by another number %d calls are found, %s", len(found.Calls), code)
	}
	if rang := c.rang(); fmt.Sprint(rang) != fmt.Sprint([]string{first, third}) {
		t.Errorf("%d numbers rang, or in another order", len(rang))
	}
}

// Who opts out while the call stands in the provider's queue is not rung, be it at
// another of her numbers.
func TestAnOptOutTakesACallOutOfItsQueue(t *testing.T) {
	t.Parallel()
	c := open(t)
	c.holds = true
	r := house(t, c, rig.Options{})
	var calls []string
	for n, optsOut := range []int{1, 4} {
		q := queued(rig.Number(1 + 2*n))
		q.Alternates = []string{rig.Number(2 + 2*n)}
		id := r.Dial(fmt.Sprint("out", n), q)
		calls = append(calls, id)
		r.Await(id, events.Started)
		if code := r.Ask(rig.Acme, "dnc", "add", map[string]any{"contacts": []map[string]string{{"phone_number": rig.Number(optsOut)}}}, nil); code != "" {
			t.Fatal(code)
		}
	}
	for _, id := range calls {
		r.Closed(id, "blocked", "DNC_INTERNAL")
	}
	if rang := c.rang(); len(rang) > 0 || !c.calls[0].gone || !c.calls[1].gone {
		t.Errorf("%d numbers rang", len(rang))
	}
}

// A call at a named instant is with the provider before, and rings then.
func TestACallAtANamedInstant(t *testing.T) {
	t.Parallel()
	c := open(t)
	r := house(t, c, rig.Options{})
	at := r.Now().Add(4 * time.Second).UTC().Truncate(time.Second)
	q := queued(rig.Number(1))
	q.Options = map[string]any{"scheduledAt": at.Format(time.RFC3339)}
	call := r.Closed(r.Dial("later", q), "completed", "completed")
	if p := call.Passed; p.CallAt == nil || !p.CallAt.Equal(at) || !call.Instants.Started.Before(at) {
		t.Errorf("passed for %v, started %v", p.CallAt, call.Instants.Started)
	}
}
