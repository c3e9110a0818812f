package sixth_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outdial/outdial/sim"
	"github.com/outdial/outdial/test/sixth"
)

// A company takes calls into its queues, rings them when it is told to, and
// keeps what became of them.
type company struct {
	*httptest.Server
	t      *testing.T
	mu     sync.Mutex
	ledger *sim.Ledger
	calls  []*standing
	events []sixth.Event
	starts []time.Time
	holds  bool                           // calls stay in their queue
	lose   func(attempt string) bool      // whose answer breaks off
	post   func(events ...sixth.Event)    // what it posts besides
	story  func(to string) (words string) // what becomes of a call
}

type standing struct {
	id, attempt, to string
	rang            bool
}

func open(t *testing.T) *company {
	c := &company{t: t, story: func(string) string { return "RINGING PICKED_UP BRIDGED HUNG_UP" }}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /calls", c.take)
	mux.HandleFunc("GET /calls", c.look)
	mux.HandleFunc("DELETE /calls/{id}", c.giveBack)
	mux.HandleFunc("GET /events", c.page)
	c.Server = httptest.NewServer(mux)
	t.Cleanup(c.Close)
	return c
}

func (c *company) take(w http.ResponseWriter, r *http.Request) {
	var o struct{ Attempt, To, Queue string }
	if json.NewDecoder(r.Body).Decode(&o) != nil || o.Queue == "" {
		http.Error(w, "no queue", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	one := &standing{id: strconv.Itoa(len(c.calls) + 1), attempt: o.Attempt, to: o.To}
	c.calls, c.starts = append(c.calls, one), append(c.starts, time.Now())
	if c.ledger != nil {
		if err := c.ledger.Append(sim.Entry{At: time.Now(), Provider: "sixth", Number: o.To, ProviderCall: one.id, Correlation: o.Attempt, Kind: sim.Start}); err != nil {
			c.t.Error(err)
		}
	}
	if !c.holds {
		c.ring(one)
	}
	if c.lose != nil && c.lose(o.Attempt) {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(map[string]string{"id": one.id})
}

// ring has what becomes of a call happen; half of it is known by the attempt,
// the rest by the company's own id.
func (c *company) ring(one *standing) {
	one.rang = true
	var said []sixth.Event
	at := time.Now().Truncate(time.Millisecond)
	for i, word := range strings.Fields(c.story(one.to)) {
		e := sixth.Event{Call: one.id, Word: word, At: at.Add(time.Duration(i) * 50 * time.Millisecond)}
		if i%2 == 0 {
			e.Attempt = one.attempt
		}
		c.events = append(c.events, e)
		said = append(said, e)
	}
	if c.post != nil {
		go func() { // in the order in which it happened, each twice
			for _, e := range said {
				c.post(e, e)
			}
		}()
	}
}

func (c *company) look(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.calls {
		if one.attempt == r.FormValue("attempt") {
			_ = json.NewEncoder(w).Encode(map[string]string{"id": one.id, "state": "queued"})
			return
		}
	}
	http.NotFound(w, r)
}

func (c *company) giveBack(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err := strconv.Atoi(r.PathValue("id"))
	switch {
	case err != nil || n < 1 || n > len(c.calls):
		http.NotFound(w, r)
	case c.calls[n-1].rang:
		http.Error(w, "it rings", http.StatusConflict)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

// page gives out three events at a time, so that every call is on two pages.
func (c *company) page(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	from, _ := strconv.Atoi(r.FormValue("after"))
	from = min(from, len(c.events))
	to := min(from+3, len(c.events))
	_ = json.NewEncoder(w).Encode(map[string]any{"events": append([]sixth.Event{}, c.events[from:to]...), "next": to, "more": to < len(c.events)})
}
