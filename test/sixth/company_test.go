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
	now    func() time.Time               // by which it is told when to call
	holds  bool                           // calls stay in their queue
	lose   func(attempt string) bool      // whose answer breaks off
	post   func(events ...sixth.Event)    // what it posts besides
	story  func(to string) (words string) // what becomes of a call
}

// secret is the key of the account.
const secret = "sixth-canary-key"

type standing struct {
	id, attempt string
	numbers     []string
	rang, gone  bool
}

func open(t *testing.T) *company {
	c := &company{t: t, story: func(string) string { return "RINGING PICKED_UP BRIDGED HUNG_UP" }}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /calls", c.take)
	mux.HandleFunc("GET /calls", c.look)
	mux.HandleFunc("DELETE /calls/{id}", c.giveBack)
	mux.HandleFunc("GET /events", c.page)
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+secret || r.Header.Get("Site") != "1" {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *company) take(w http.ResponseWriter, r *http.Request) {
	var o struct {
		Attempt, Queue string
		Numbers        []string
		At, Until      time.Time
	}
	if json.NewDecoder(r.Body).Decode(&o) != nil || o.Queue == "" || len(o.Numbers) == 0 {
		http.Error(w, "no queue, or no number", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	one := &standing{id: strconv.Itoa(len(c.calls) + 1), attempt: o.Attempt, numbers: o.Numbers}
	c.calls, c.starts = append(c.calls, one), append(c.starts, time.Now())
	c.keep(one, sim.Start, o.Numbers[0])
	switch {
	case c.holds:
	case o.At.IsZero():
		c.ring(one)
	default:
		time.AfterFunc(o.At.Sub(c.now()), func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.ring(one)
		})
	}
	if c.lose != nil && c.lose(o.Attempt) {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(map[string]string{"id": one.id})
}

// keep is a line of its ledger.
func (c *company) keep(one *standing, kind sim.Kind, number string) {
	if c.ledger == nil {
		return
	}
	if err := c.ledger.Append(sim.Entry{At: time.Now(), Provider: "sixth", Number: number, ProviderCall: one.id, Correlation: one.attempt, Kind: kind}); err != nil {
		c.t.Error(err)
	}
}

// ring has what becomes of a call happen, at one number after the other until
// somebody answers; half of it is known by the attempt, the rest by the company's
// own id.
func (c *company) ring(one *standing) {
	if one.gone || one.rang {
		return
	}
	one.rang = true
	var words []string
	for i, number := range one.numbers {
		c.keep(one, sim.Ring, number)
		words = append(words, strings.Fields(c.story(number))...)
		if last := len(words) - 1; words[last] != "NOBODY" {
			break
		} else if i < len(one.numbers)-1 {
			words[last] = "NEXT_NUMBER"
		}
	}
	var said []sixth.Event
	at := time.Now().Truncate(time.Millisecond)
	for i, word := range words {
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

// ringAll has every call ring that it holds.
func (c *company) ringAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.calls {
		c.ring(one)
	}
}

// ringing is how many of its calls rang.
func (c *company) ringing() (n int) {
	for _, one := range c.calls {
		if one.rang {
			n++
		}
	}
	return n
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
		c.calls[n-1].gone = true
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

// rang are the numbers that it rang, in their order.
func (c *company) rang() (numbers []string) {
	for _, e := range c.ledger.Entries() {
		if e.Kind == sim.Ring {
			numbers = append(numbers, e.Number)
		}
	}
	return numbers
}
