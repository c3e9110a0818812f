package sim

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// DefaultPace is what one step of a call takes where nothing else is said.
const DefaultPace = 300 * time.Millisecond

// Options configure a simulator. The zero value works: ledger in memory, real
// time, a pace one can watch.
type Options struct {
	LedgerPath string        // "" keeps the ledger in memory
	Seed       uint64        // ids are made from it: the same seed, the same ids
	Clock      Clock         // nil is RealClock
	Pace       time.Duration // of one step of a call; 0 is DefaultPace
}

// A Dialect is one provider's way of talking, as the management sees it.
type Dialect interface {
	Name() string
	// Agents is a snapshot of the agents, for people.
	Agents() []AgentView
	// Set changes an agent: see the dialect for the keys it knows.
	Set(agent string, change map[string]any) error
}

// An AgentView is how the management shows an agent.
type AgentView struct {
	Provider string `json:"provider"`
	Agent    string `json:"agent"`
	Session  string `json:"session,omitempty"`
	State    string `json:"state"`
	Call     string `json:"call,omitempty"` // the company's id
}

// A Simulator is the simulated companies of one process.
type Simulator struct {
	Faults Plan
	Script Script

	clock  Clock
	pace   time.Duration
	ledger *Ledger
	closed chan struct{}

	mu       sync.Mutex
	rng      *rand.Rand
	dialects []Dialect
	history  []Exchange
	once     sync.Once
}

// New makes a simulator.
func New(o Options) (*Simulator, error) {
	l, err := OpenLedger(o.LedgerPath)
	if err != nil {
		return nil, err
	}
	if o.Clock == nil {
		o.Clock = RealClock{}
	}
	if o.Pace <= 0 {
		o.Pace = DefaultPace
	}
	return &Simulator{
		clock: o.Clock, pace: o.Pace, ledger: l, closed: make(chan struct{}),
		rng: rand.New(rand.NewPCG(o.Seed, 0x6f757464)),
	}, nil
}

// Ledger is the company's book.
func (s *Simulator) Ledger() *Ledger { return s.ledger }

// Register adds a dialect to those that the management shows.
func (s *Simulator) Register(d Dialect) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dialects = append(s.dialects, d)
}

// Record writes a ledger entry with the world's time.
func (s *Simulator) Record(e Entry) error {
	if e.At.IsZero() {
		e.At = s.clock.Now().UTC()
	}
	return s.ledger.Append(e)
}

// NewID makes a decimal id of so many digits.
func (s *Simulator) NewID(digits int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	low := uint64(1)
	for range digits - 1 {
		low *= 10
	}
	return fmt.Sprint(low + s.rng.Uint64N(9*low))
}

// Close ends everything that waits, and the ledger.
func (s *Simulator) Close() error {
	s.once.Do(func() { close(s.closed) })
	return s.ledger.Close()
}

// An Exchange is one request as the simulator saw it.
type Exchange struct {
	At        time.Time `json:"at"`
	Provider  string    `json:"provider"`
	Operation string    `json:"operation"`
	Agent     string    `json:"agent,omitempty"`
	Fault     Mode      `json:"fault,omitempty"`
	Status    int       `json:"status,omitempty"` // as decided; a fault may keep it from being said
	Body      string    `json:"body,omitempty"`   // of the request
}

// What the history keeps at most.
const (
	keptExchanges = 10000
	keptBody      = 8 << 10 // bytes of each
)

// Saw adds a request to the history.
func (s *Simulator) Saw(e Exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.At = s.clock.Now().UTC()
	if len(e.Body) > keptBody {
		e.Body = e.Body[:keptBody]
	}
	if len(s.history) >= keptExchanges {
		s.history = append(s.history[:0], s.history[keptExchanges/10:]...)
	}
	s.history = append(s.history, e)
}

// History returns the requests of an operation, oldest first; "" is all.
func (s *Simulator) History(provider, operation, agent string) []Exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Exchange{}
	for _, e := range s.history {
		if fits(provider, e.Provider) && fits(operation, e.Operation) && fits(agent, e.Agent) {
			out = append(out, e)
		}
	}
	return out
}

// A Reply is what an operation answers when nothing goes wrong.
type Reply struct {
	Status int
	Body   []byte // JSON
}

// Play runs one operation under a fault. work does it and says the reply; it
// is called once, twice or never, as the fault wants. Operation and fault are
// noted in the history before anything is said.
func (s *Simulator) Play(w http.ResponseWriter, r *http.Request, x Exchange, f Fault, work func() Reply) {
	x.Fault = f.Mode
	delay := time.Duration(f.Delay)
	switch f.Mode {
	case Silent, HTTP500, HTTPStatus, Reset:
		s.Saw(x)
	case LateEffect:
		s.Saw(x)
		time.AfterFunc(delay, func() { work() })
		Reply{Status: http.StatusOK, Body: []byte("{}")}.Say(w)
		return
	default:
		reply := work()
		if f.Mode == Double {
			work()
		}
		x.Status = reply.Status
		s.Saw(x)
		s.tell(w, r, f, reply)
		return
	}
	switch f.Mode {
	case Silent:
		s.hush(r)
		hangUp(w, true)
	case Reset:
		hangUp(w, true)
	case HTTP500:
		Reply{Status: http.StatusInternalServerError, Body: []byte(`{"message":"internal error"}`)}.Say(w)
	default:
		Reply{Status: f.Status, Body: []byte(`{"message":"as the fault plan wants"}`)}.Say(w)
	}
}

// tell answers what was done, as the fault wants it told.
func (s *Simulator) tell(w http.ResponseWriter, r *http.Request, f Fault, reply Reply) {
	delay := time.Duration(f.Delay)
	switch f.Mode {
	case Late:
		if s.wait(r, delay) {
			reply.Say(w)
		}
	case Drip:
		if delay <= 0 {
			delay = time.Second
		}
		s.drip(w, r, reply, delay)
	case AcceptThen500:
		Reply{Status: http.StatusInternalServerError, Body: []byte(`{"message":"internal error"}`)}.Say(w)
	case AcceptThenStatus:
		Reply{Status: f.Status, Body: []byte(`{}`)}.Say(w)
	case AcceptThenSilent, Lost:
		s.hush(r)
		hangUp(w, true)
	case AcceptThenReset:
		hangUp(w, true)
	case CloseKeepalive:
		hangUp(w, false)
	case BrokenJSON:
		Reply{Status: reply.Status, Body: append([]byte(`{"broken":`), reply.Body[:len(reply.Body)/2]...)}.Say(w)
	default:
		reply.Say(w)
	}
}

// Clock is the time the simulated world lives by.
func (s *Simulator) Clock() Clock { return s.clock }

// Pace is what one step of a call takes.
func (s *Simulator) Pace() time.Duration { return s.pace }
