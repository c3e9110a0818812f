package worker

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/outdial/outdial/pkg/events"
)

// windowSize bounds the messages that wait here for their turn. They are held
// here because the broker knows no turns; a group's beyond its share go back to
// it for a while, so that one who floods does not hide the others.
const windowSize = 1024

// A held message is one that the broker has handed over and that is not settled.
type held struct {
	jetstream.MsgMetadata
	group string // whose it is: groups take turns
	key   string // what it is about: one at a time; "" is handled beside any other

	// Guarded by the lanes.
	msg     jetstream.Msg // its newest delivery
	waiting bool          // for its turn
	old     bool          // held since before the last heartbeat
	until   time.Time     // its handler has this long; zero: it has not begun
	in      *lane
}

func (h *held) seq() uint64 { return h.Sequence.Stream }

// A lane is what is held of one key. While one of it is handled, the others
// wait; the first of the stream is next.
type lane struct {
	key, group string
	line       []*held // who waits
	turn       *turn
	lost       bool // its handler has not ended in its time
}

// lanes say which message is handled next: groups take turns, and of one key
// only one is handled at a time. So what happened to one call is understood in
// order as far as this process has it; what others do meanwhile is
// compare-and-set's to find.
type lanes struct {
	turns *turns
	begin func(*lane) // what is done when a lane's turn has come; it does not block

	mu      sync.Mutex
	held    map[uint64]*held // by sequence
	of      map[string]*lane // by key
	waiting map[string]int   // by group
	closed  bool
}

func newLanes(places int, begin func(*lane)) *lanes {
	return &lanes{turns: newTurns(places), begin: begin,
		held: map[uint64]*held{}, of: map[string]*lane{}, waiting: map[string]int{}}
}

// What became of a message that was to be queued.
type queued int

const (
	isQueued  queued = iota
	isHeld           // another delivery of it is here, which this one will settle
	overShare        // its group has its share waiting
	tooLate          // nothing is begun any more
)

// add queues a message for its turn.
func (l *lanes) add(h *held) queued {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return tooLate
	}
	if same := l.held[h.seq()]; same != nil {
		same.msg = h.msg
		return isHeld
	}
	groups := len(l.waiting)
	if l.waiting[h.group] == 0 {
		groups++
	}
	if l.waiting[h.group] >= max(windowSize/(1+groups), 1) { // one each, be they thousands
		return overShare
	}
	l.held[h.seq()] = h
	l.waiting[h.group]++
	h.waiting = true
	ln := l.of[h.key]
	if ln != nil && h.key != "" {
		h.in = ln
		at, _ := slices.BinarySearchFunc(ln.line, h.seq(), func(o *held, seq uint64) int { return cmp.Compare(o.seq(), seq) })
		ln.line = slices.Insert(ln.line, at, h)
		return isQueued
	}
	ln = &lane{key: h.key, group: h.group, line: []*held{h}}
	h.in = ln
	if h.key != "" {
		l.of[h.key] = ln
	}
	l.join(ln)
	return isQueued
}

func (l *lanes) join(ln *lane) { ln.turn = l.turns.join(ln.group, func() { l.begin(ln) }) }

// next takes the message out of a lane whose turn has come; nil when it was
// handed back in this moment.
func (l *lanes) next(ln *lane, until time.Time) *held {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	h := ln.line[0]
	ln.line = ln.line[1:]
	h.until = until
	l.begun(h)
	return h
}

func (l *lanes) begun(h *held) {
	h.waiting = false
	if l.waiting[h.group]--; l.waiting[h.group] == 0 {
		delete(l.waiting, h.group)
	}
}

// settle takes a message out that is to be settled now, and returns what
// settles it: its newest delivery.
func (l *lanes) settle(h *held) jetstream.Msg {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.held, h.seq())
	return h.msg
}

// end lets the next one of a lane have its turn.
func (l *lanes) end(ln *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed || ln.key == "":
	case len(ln.line) == 0:
		delete(l.of, ln.key)
	default:
		ln.lost = false
		l.join(ln)
	}
}

// close has nothing begin any more, and returns what had not begun.
func (l *lanes) close() []jetstream.Msg {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	var out []jetstream.Msg
	for seq, h := range l.held {
		if h.waiting {
			out = append(out, h.msg)
			l.begun(h)
			delete(l.held, seq)
		}
	}
	return out
}

// beats are the messages that have been here since before the last time. Of a
// lane whose handler has not ended in its time nothing is spoken for any more:
// the broker may give its messages to another process. lost are the handlers
// that are found to be so only now.
func (l *lanes) beats(now time.Time) (alive []jetstream.Msg, lost []uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.held {
		if !h.in.lost && !h.until.IsZero() && now.After(h.until) {
			h.in.lost, lost = true, append(lost, h.seq())
		}
	}
	for _, h := range l.held {
		if h.old && !h.in.lost {
			alive = append(alive, h.msg)
		}
		h.old = true
	}
	return alive, lost
}

// groupOf says whose message it is: the tenant's, and of a provider's messages
// the connection's.
func groupOf(subject string) string {
	if strings.HasPrefix(subject, "provider.") {
		return subject
	}
	return tenantOf(subject)
}

// keyOf says what a message is about: a call, an agent, or a request that may
// have been sent twice. A provider's message says it in its body alone, and so
// is the bridge's own to put in order.
func keyOf(subject string, h nats.Header) string {
	if f, tenant, key, _, _, ok := events.ParseLogSubject(subject); ok {
		return string(f) + "." + tenant + "." + key
	}
	if id := h.Get("ce-id"); id != "" && strings.HasPrefix(subject, "dial.") {
		return h.Get("ce-source") + " " + id
	}
	return ""
}
