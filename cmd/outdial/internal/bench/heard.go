package bench

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outdial/outdial/pkg/events"
)

// reached is how far a call has come.
type reached struct {
	at    time.Time
	steps int // from assigned on
}

// steps are what a good call comes by, in this order.
func steps() []string {
	return []string{"requested", "assigned", "preparing", "passed", "dialing", "started", "talking", "ended", "wrap_up", "wrapped_up", "closed"}
}

// where says how long each step of the calls took, after the one before it, by
// the times at which they were stored.
func (l *load) where() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var at []string
	for _, name := range steps() {
		if took := l.steps[name]; len(took) > 0 {
			at = append(at, fmt.Sprintf("%s %.1f / %.1f", name, quantile(took, 0.5), quantile(took, 0.99)))
		}
	}
	return strings.Join(at, ", ")
}

// hear keeps what the measurements need of a call's event, by the server's own
// time of storing it.
func (l *load) hear(m *nats.Msg) {
	part := strings.Split(m.Subject, ".")
	if len(part) != 5 {
		return
	}
	call := part[2]
	stored, _ := time.Parse(time.RFC3339Nano, m.Header.Get("Nats-Time-Stamp"))
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.Contains(steps(), part[4]) {
		from, ok := l.reached[call]
		if ok {
			l.steps[part[4]] = append(l.steps[part[4]], stored.Sub(from.at))
			l.stepped++
			from.steps++
		}
		l.reached[call] = reached{stored, from.steps}
	}
	switch part[4] {
	case "requested":
		l.requested[call] = stored
	case "dialing":
		l.waits = append(l.waits, stored.Sub(l.requested[call]))
	case "talking", "answered":
		l.talked[call] = true
	case "closed":
		var c events.CallClosed
		_ = json.Unmarshal(m.Data, &c)
		l.outcomes[c.Outcome+" ("+c.Reason+")"]++
		if from, ok := l.requested[call]; ok {
			l.ends = append(l.ends, stored.Sub(from))
		}
		if l.talked[call] && c.Outcome != "completed" {
			l.lost++
		}
		l.whole += l.reached[call].steps
		l.over++
		delete(l.talked, call)
		delete(l.requested, call)
		delete(l.reached, call)
		l.closed <- call
	}
}

// done is how many calls were made, each step of one being its part of it. Calls
// that began together close in waves, which would count for a turn or against
// it; their steps are strewn.
func (l *load) done() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over == 0 {
		return 0
	}
	return float64(l.stepped) * float64(l.over) / float64(l.whole)
}
