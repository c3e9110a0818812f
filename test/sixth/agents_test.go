package sixth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outdial/outdial/internal/config"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/test/rig"
	"github.com/outdial/outdial/test/sixth"
)

// people is the sixth provider where each queue is a person's own: a call there is
// an agent's of ours. Where she is it never tells, but for a refusal.
type people struct{ providers.Starter }

func (p people) Start(ctx context.Context, o providers.Order) (providers.Receipt, error) {
	o.Queue = o.Agent.Provider
	r, err := p.Starter.Start(ctx, o)
	if err != nil && fault.Of(err) == fault.Permanent {
		err = fault.New(fault.Permanent, "sixth start", events.ReasonNotAvailable, nil)
	}
	return r, err
}

// away is how long the people are left alone whom it refuses.
const away = 2 * time.Second

// section is the sixth's own.
type section sixth.Section

func (s *section) Check() []providers.Mistake { return (*sixth.Section)(s).Check() }
func (s *section) Address() string            { return s.BaseURL }

func (s *section) Build(d providers.Deps) (providers.Provider, error) {
	p, err := (*sixth.Section)(s).Build(d)
	p.Starter = people{p.Starter}
	return p, err
}

func can() providers.Capabilities {
	c := sixth.Product().Can
	c.Queues, c.Claims, c.Presence, c.AwaySeconds = false, true, providers.PresenceAssumed, int(away/time.Second)
	return c
}

func withPeople() config.Kinds {
	return append(registered(), providers.Product{Kind: "people", Can: can(), Section: func() providers.Section { return new(section) }})
}

// atDoor refuses calls while she is out, and writes down how long the others last,
// which is asked of an agent's call alone.
func atDoor(c *company, out func() bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && out() {
			http.Error(w, "not available", http.StatusConflict)
			return
		}
		answer := httptest.NewRecorder()
		c.Config.Handler.ServeHTTP(answer, r)
		var yes struct{ ID string }
		if r.Method == http.MethodPost && json.Unmarshal(answer.Body.Bytes(), &yes) == nil {
			if err := c.ledger.Append(sim.Entry{At: time.Now().Add(200 * time.Millisecond), Provider: "sixth", ProviderCall: yes.ID, Kind: sim.End}); err != nil {
				c.t.Error(err)
			}
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}
}

// Two orchestrators are asked at the same moment to enrol two as one of the
// provider's: one hears that she may not, whoever it is, and is on no roster.
func TestTwoPutAtOnceAreOneOnTheRoster(t *testing.T) {
	t.Parallel()
	c := open(t)
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	r := rig.Start(t, rig.Options{Copies: 2, Kinds: withPeople(), Secrets: []string{secret},
		Connections: []string{fmt.Sprintf("people: {kind: people, tenant: %s, baseURL: %q, key: {file: %q}}", rig.Acme, c.URL, key)}})
	for seat := range 40 {
		var codes [2]string
		var both sync.WaitGroup
		for k := range codes {
			both.Go(func() {
				codes[k] = r.Ask(rig.Acme, "agent", "put", map[string]any{"agent": fmt.Sprintf("p%d-%d", seat, k), "providerAgent": fmt.Sprint("seat", seat), "connection": "people"}, nil)
			})
		}
		both.Wait()
		if slices.Sort(codes[:]); codes != [2]string{"", "409"} {
			t.Errorf("seat %d: %q", seat, codes)
		}
		r.Until("one of the two is on the roster", time.Minute, func() bool {
			one, two := r.AgentState(fmt.Sprintf("p%d-0", seat)), r.AgentState(fmt.Sprintf("p%d-1", seat))
			return (one.Presence == events.Ready) != (two.Presence == events.Ready)
		})
	}
}

// Enrolled, claimed and dialed at once, though nobody ever signed in; refused as not
// available she is left alone, and after that dialed again: nobody said so, and no
// bridge was there, nor the orchestrator that held her back.
func TestAnAgentOfWhomNothingIsToldIsDialedRefusedAndDialedAgain(t *testing.T) {
	t.Parallel()
	c := open(t)
	var out atomic.Bool // she is
	front := httptest.NewServer(atDoor(c, out.Load))
	t.Cleanup(front.Close)
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	r := rig.Start(t, rig.Options{Copies: 2, Kinds: withPeople(), Secrets: []string{secret},
		Connections: []string{fmt.Sprintf("people: {kind: people, tenant: %s, baseURL: %q, key: {file: %q}}", rig.Acme, front.URL, key)}})
	c.ledger, c.now = r.Sim.Ledger(), r.Now
	ask := func(verb string, in any) map[string]any {
		t.Helper()
		var answer map[string]any
		if code := r.Ask(rig.Acme, "agent", verb, in, &answer); code != "" {
			t.Fatalf("agent.%s: %s", verb, code)
		}
		return answer
	}
	dial := func(id string, n int) string {
		return r.Dial(id, events.DialRequest{To: rig.Number(n), Agent: "uma"})
	}
	if is := ask("put", map[string]any{"agent": "uma", "providerAgent": "uma@example.com", "connection": "people"}); is["presence"] != "ready" {
		t.Fatalf("enrolled: %v", is)
	}
	first := r.Closed(dial("first", 1), "completed", "completed")
	if first.Closed.Agent != "uma" || !first.Talked {
		t.Errorf("%+v", first.Closed)
	}

	out.Store(true)
	r.Closed(dial("refused", 2), "failed", events.ReasonNotAvailable)
	r.Until("she is held back", time.Minute, func() bool { return r.AgentState("uma").Quarantine != nil })
	held := r.AgentState("uma").Quarantine.Since
	if is := ask("get", map[string]string{"agent": "uma"}); is["heldUntil"] == nil {
		t.Errorf("held back: %v", is)
	}
	for copy := range 2 {
		r.Kill("events-bridge", copy)
	}
	r.Kill("orchestrator", 0)
	out.Store(false)
	next := dial("next", 3)
	r.Await(next, events.Started)
	for copy := range 2 {
		r.StartService("events-bridge", copy)
	}
	r.StartService("orchestrator", 0)
	last := r.Closed(next, "completed", "completed")
	if at := last.Instants.Assigned; at == nil || at.Before(held.Add(away)) {
		t.Errorf("held back since %v and assigned at %v", held, at)
	}
}
