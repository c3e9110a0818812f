package sim

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Mode is one way in which a provider misbehaves.
type Mode string

// The modes. "Done" says whether the operation takes effect.
const (
	Late             Mode = "late"               // done, answered after Delay
	LateEffect       Mode = "late_effect"        // answered with an empty yes, done after Delay
	Double           Mode = "double"             // done twice, or said twice
	Silent           Mode = "silent"             // not done, never answered
	HTTP500          Mode = "http500"            // not done, 500
	HTTPStatus       Mode = "status"             // not done, Status
	Reset            Mode = "reset"              // not done, connection reset
	Drip             Mode = "drip"               // done, answered one byte per Delay (1 s)
	AcceptThen500    Mode = "accept_then_500"    // done, 500
	AcceptThenStatus Mode = "accept_then_status" // done, Status
	AcceptThenSilent Mode = "accept_then_silent" // done, never answered
	AcceptThenReset  Mode = "accept_then_reset"  // done, connection reset
	CloseKeepalive   Mode = "close_keepalive"    // done, connection closed without an answer
	BrokenJSON       Mode = "broken_json"        // done, half an answer
	Lost             Mode = "lost"               // for messages that a provider sends: done, never said
)

// Modes lists them all.
func Modes() []Mode {
	return []Mode{Late, LateEffect, Double, Silent, HTTP500, HTTPStatus, Reset, Drip, AcceptThen500,
		AcceptThenStatus, AcceptThenSilent, AcceptThenReset, CloseKeepalive, BrokenJSON, Lost}
}

// Forever as a Count never runs out.
const Forever = -1

// A Fault says which operations go wrong, how, and how often. An empty field
// matches everything.
type Fault struct {
	ID        int      `json:"id"`
	Provider  string   `json:"provider,omitempty"`
	Operation string   `json:"operation,omitempty"`
	Agent     string   `json:"agent,omitempty"`
	Number    string   `json:"number,omitempty"` // E.164, or the last digits
	Mode      Mode     `json:"mode"`
	Count     int      `json:"count,omitempty"` // how often; 0 is once, Forever has no end
	Delay     Duration `json:"delay,omitempty"`
	Status    int      `json:"status,omitempty"` // for the status modes
}

// A Duration is written as text, e.g. "300ms", in JSON.
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// A Plan is the list of faults that are still to happen.
type Plan struct {
	mu     sync.Mutex
	next   int
	faults []Fault
}

// Add puts a fault at the end of the plan and returns its id.
func (p *Plan) Add(f Fault) (int, error) {
	if !slices.Contains(Modes(), f.Mode) {
		return 0, fmt.Errorf("unknown fault mode %q", f.Mode)
	}
	if (f.Mode == HTTPStatus || f.Mode == AcceptThenStatus) && (f.Status < 100 || f.Status > 599) {
		return 0, fmt.Errorf("fault mode %q needs a status", f.Mode)
	}
	if f.Count == 0 {
		f.Count = 1
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next++
	f.ID = p.next
	p.faults = append(p.faults, f)
	return f.ID, nil
}

// Take returns the first fault that fits and uses up one of its turns. Number
// is the call's, E.164 or as the dialect has it; "" when there is none.
func (p *Plan) Take(provider, operation, agent, number string) (Fault, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.faults {
		f := &p.faults[i]
		if !fits(f.Provider, provider) || !fits(f.Operation, operation) || !fits(f.Agent, agent) ||
			(f.Number != "" && !NumberFits(f.Number, number)) {
			continue
		}
		taken := *f
		if f.Count > 0 {
			f.Count--
		}
		if f.Count == 0 {
			p.faults = slices.Delete(p.faults, i, i+1)
		}
		return taken, true
	}
	return Fault{}, false
}

// Remove takes a fault out of the plan; id 0 takes out all.
func (p *Plan) Remove(id int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = slices.DeleteFunc(p.faults, func(f Fault) bool { return id == 0 || f.ID == id })
}

// List returns what is still to happen.
func (p *Plan) List() []Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Fault{}, p.faults...)
}

func fits(want, got string) bool { return want == "" || want == got }

// NumberFits says whether a pattern (E.164, or the last digits) fits a number.
func NumberFits(pattern, number string) bool {
	if pattern == "" || number == "" {
		return false
	}
	if strings.HasPrefix(pattern, "+") {
		return pattern == number || pattern[1:] == number
	}
	return strings.HasSuffix(number, pattern)
}

// String leaves out nothing: a fault holds no secret.
func (f Fault) String() string {
	b, _ := json.Marshal(f) // plain fields always marshal
	return string(b)
}
