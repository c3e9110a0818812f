package orchestrator

import (
	"slices"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// lookAtLine is how often a call waits whose number is on our line.
const lookAtLine = 15 * time.Second

// onOurLine is the detail of such a wait.
const onOurLine = "number_on_our_line"

// handed are the calls whose customer was handed on to somebody else and is on
// a line of ours still, be the call itself closed. The view holds them as it
// holds the open ones, and begins with them at a start.
type handed map[log.Ref]*lifecycle.Call

// take hears of a call as it stands after an event of it; nil: the view holds it
// no more.
func (h handed) take(ref log.Ref, c *lifecycle.Call) {
	switch {
	case c == nil:
	case c.HandedOn():
		h[ref] = c
	default:
		delete(h, ref)
	}
}

// OnLine reports whether the customer of a call is on our line by another call
// that was handed on, at most so long ago: its end may never be heard.
func (x *Index) OnLine(c *lifecycle.Call, now time.Time, most time.Duration) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	for ref, other := range x.handed {
		switch {
		case now.Sub(other.TransferredAt) > most:
			delete(x.handed, ref)
		case ref.Tenant == c.Tenant && other.ID != c.ID && samePerson(other, c):
			return true
		}
	}
	return false
}

// samePerson reports whether two calls have a number in common: whoever is
// spoken with at one of hers is not called at another.
func samePerson(a, b *lifecycle.Call) bool {
	of := b.Request.Request.Numbers()
	return slices.ContainsFunc(a.Request.Request.Numbers(), func(n string) bool { return slices.Contains(of, n) })
}
