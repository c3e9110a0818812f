// Package marks remembers how far a stream was known, so that a store which
// went back in time is noticed.
//
// A store that is put back from a copy is whole, valid and wrong: it has
// forgotten who was dialed, and its sequences are given out a second time, so
// that fences and compare-and-set agree with each other about a past that was
// another one. Its creation time is the old one. Only somebody outside of the
// store can tell, by what it has seen of it:
//
//	append acknowledged ─┐                 ┌─ at or below what was known before it was sent
//	message delivered   ─┼─▶ Book ─▶ wrong ┼─ another event at a place that is known
//	look at the server  ─┘                 └─ the end is before the known one, or another event there
//
// The package decides and remembers; it asks nobody. Package journal asks the
// server, package process tells the others and the operators.
package marks

import (
	"fmt"
	"maps"
	"time"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// Streams are those whose past matters: who was dialed, who is on a call, who
// must not be called.
func Streams() []string {
	return []string{events.StreamCalls, events.StreamAgents, events.StreamFacts}
}

// A Mark is the last place of a stream that somebody knows.
type Mark struct {
	Created time.Time `json:"created"`      // the stream's, by the server's clock
	Seq     uint64    `json:"seq"`          // 0: the stream was empty
	ID      string    `json:"id,omitempty"` // of the event there; "" when it could not be read
}

// A View is what the server holds, as one look shows it.
type View struct {
	Created time.Time
	Last    uint64 // sequence of the last message ever stored, be it gone by now
	LastID  string // id of that event; "" when it is gone or was not asked for
	ID      string // id of the event at the mark's place; "" when it is gone
}

// Judge says what is wrong with a stream, "" for nothing.
//
// What is gone from its place has aged out, or made room, and is no fault: a
// stream forgets, it does not change. A new creation time alone is none either,
// because a backup that holds everything lost nothing; only where the known
// event is gone as well does it mean that nobody can tell.
func Judge(m Mark, v View) string {
	switch {
	case m.Seq == 0:
		return ""
	case v.Last < m.Seq:
		return fmt.Sprintf("it ends at %d, it was known up to %d", v.Last, m.Seq)
	case v.ID != "" && m.ID != "" && v.ID != m.ID:
		return fmt.Sprintf("another event is at %d than was", m.Seq)
	case v.ID == "" && !v.Created.Equal(m.Created):
		return fmt.Sprintf("it was made anew, and what was at %d is gone", m.Seq)
	}
	return ""
}

// OneStore says that two know of one store: of some stream that was made at one
// moment.
func OneStore(a, b map[string]Mark) bool {
	for s, m := range a {
		if !m.Created.IsZero() && m.Created.Equal(b[s].Created) {
			return true
		}
	}
	return false
}

// Known is what one process knows of the store, as it is kept outside of it.
type Known struct {
	// Epoch counts the stores that were accepted after one went back. Marks
	// of an earlier epoch are of a past that somebody has given up.
	Epoch uint64          `json:"epoch"`
	Marks map[string]Mark `json:"marks"` // by stream
	// Regression is what was found wrong and nobody has accepted yet.
	Regression *events.Regression `json:"regression,omitempty"`
}

func (k Known) clone() Known {
	k.Marks = maps.Clone(k.Marks)
	return k
}

// A Finding is what a process makes of the store it meets.
type Finding string

// The findings.
const (
	Sound    Finding = "sound"    // as it was known, or longer
	New      Finding = "new"      // nothing is stored and nothing was known
	Adopted  Finding = "adopted"  // nothing was known of it; it is believed
	Accepted Finding = "accepted" // what was known is of a past that somebody has given up
	WentBack Finding = "went back"
)

// A Record is what the store itself says about its past, in CONTROL.
type Record struct {
	Regression *events.Regression // the last that was found; nil: none
	Acceptance *events.Acceptance // the last; nil: none
}

// Epoch is how many stores were accepted.
func (r Record) Epoch() uint64 {
	if r.Acceptance == nil {
		return 0
	}
	return r.Acceptance.Epoch
}

// Open is the regression that nobody has accepted; nil: there is none.
func (r Record) Open() *events.Regression {
	if r.Regression == nil || r.Regression.Epoch <= r.Epoch() {
		return nil
	}
	return r.Regression
}

// Meet compares what was known before, nil for nothing, with the store's own
// record of regressions and with a look at it. why names the stream and what
// is wrong, when it went back.
func Meet(known *Known, record Record, views map[string]View) (f Finding, stream, why string) {
	epoch := record.Epoch()
	switch {
	case known == nil && empty(views):
		return New, "", ""
	case known == nil:
		return Adopted, "", ""
	case known.Epoch < epoch:
		return Accepted, "", ""
	case known.Epoch > epoch:
		return WentBack, events.StreamControl, fmt.Sprintf("its record of accepted stores ends at %d, it was known up to %d", epoch, known.Epoch)
	}
	for _, s := range Streams() {
		if why := Judge(known.Marks[s], views[s]); why != "" {
			return WentBack, s, why
		}
	}
	if r := known.Regression; r != nil && record.Open() != nil {
		return WentBack, r.Stream, r.What
	}
	return Sound, "", "" // also the newest store, put back after an older one was met
}

func empty(views map[string]View) bool {
	for _, v := range views {
		if v.Last > 0 {
			return false
		}
	}
	return true
}

// A Standing is what a service has to know of the store it works on.
type Standing struct {
	Held       bool              // it went back, and nobody has accepted it
	Epoch      uint64            // of the last acceptance, 0: there was none
	AcceptedAt time.Time         // when; zero: never
	Through    map[string]uint64 // the last sequence of each stream then
}

// Standing is how a store with this record stands.
func (r Record) Standing() Standing {
	s := Standing{Held: r.Open() != nil, Epoch: r.Epoch()}
	if a := r.Acceptance; a != nil {
		s.AcceptedAt, s.Through = a.AcceptedAt, a.Through
	}
	return s
}

// Covers reports whether a place of a stream was there when a store that had
// gone back was accepted: what follows from it may have happened before.
func (s Standing) Covers(stream string, seq uint64) bool {
	return seq > 0 && seq <= s.Through[stream]
}

// Forsakes reports whether a call was in such a store, as a call or as the
// request it began with. Nobody knows what became of it in the past that was
// lost, so it is never dialed.
func (s Standing) Forsakes(c *lifecycle.Call) bool {
	return c.Request != nil && (s.Covers(events.StreamCalls, c.Refs.Requested) ||
		s.Covers(events.RequestStream(c.Tenant), c.Request.RequestSeq))
}
