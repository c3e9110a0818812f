package bridge

import (
	"cmp"
	"slices"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
)

// A bridge that starts hears of the open calls alone. News may be about one that
// was over before, and were that one unknown, it would count as the next call's
// to the number. So what CALLS holds of the last of them is looked through once,
// and until that has ended nobody's call is looked for by name.

// recallSpan is how much of CALLS is looked through: some 8,000 calls.
const recallSpan = 200_000

// recollects says which events tell under what names a call goes.
func recollects(name events.Name) bool {
	switch name {
	case events.Requested, events.Assigned, events.Dialing, events.Started, events.Closed,
		events.Offered, events.Ringing, events.Answered, events.Ended:
		return true
	}
	return false
}

// A recollection puts the names of calls together that are over.
type recollection struct {
	s      *Service
	calls  map[log.Ref]*recalled
	closed []log.Ref // the oldest first
}

type recalled struct{ conn, attempt, to, id string }

func (s *Service) recollection() *recollection {
	return &recollection{s: s, calls: map[log.Ref]*recalled{}}
}

// take hears of one event, in the order of the log.
func (x *recollection) take(r events.Record) {
	ref := log.RefOf(r)
	c := x.calls[ref]
	if c == nil {
		c = &recalled{}
		x.calls[ref] = c
	}
	switch b := r.Body.(type) {
	case *events.CallRequested:
		c.to = b.Request.To
	case *events.CallAssigned:
		c.conn = b.Connection
	case *events.CallDialing:
		c.attempt = b.Attempt
	case *events.CallStarted:
		c.id = cmp.Or(c.id, b.Provider[callKey])
	case *events.CallProgress:
		c.id = cmp.Or(c.id, b.Provider[callKey])
	case *events.CallClosed:
		if c.attempt != "" && x.s.tells(ref.Tenant, c.conn) {
			x.closed = append(x.closed, ref)
		} else {
			delete(x.calls, ref)
		}
	}
}

// done hands over what was found. What was heard meanwhile is newer.
func (x *recollection) done() {
	f := x.s.calls
	f.mu.Lock()
	defer f.mu.Unlock()
	x.closed = slices.DeleteFunc(x.closed, func(ref log.Ref) bool {
		c := x.calls[ref]
		known := f.names[ref] != nil
		for _, name := range callNames(c.conn, c.attempt, c.to, c.id) {
			f.name(ref, name)
		}
		return known
	})
	f.closed = append(x.closed, f.closed...)
	f.trim()
	f.recalling = false
}
