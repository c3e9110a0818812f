package orchestrator

import (
	"context"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// lookAtLine is how often a call waits whose number is on our line.
const lookAtLine = 15 * time.Second

// onOurLine is the detail of such a wait.
const onOurLine = "number_on_our_line"

// handed are the calls whose customer was handed on to somebody else and is on
// a line of ours still, be the call itself closed.
type handed map[log.Ref]*lifecycle.Call

// take hears an event of a call, which is held as c or not any more, because it
// closed long ago.
func (h handed) take(ref log.Ref, c *lifecycle.Call, r events.Record) {
	switch {
	case c != nil && c.Transferred && c.CustomerUp() && c.Request != nil:
		h[ref] = c
	case c != nil || customerLeft(r):
		delete(h, ref)
	}
}

// customerLeft says that an event ends the customer's leg, not the agent's alone.
func customerLeft(r events.Record) bool { return r.Name == events.Ended && !handsOn(r) }

func handsOn(r events.Record) bool {
	p, ok := r.Body.(*events.CallProgress)
	return ok && r.Name == events.Ended && p.Reason == events.EndTransferred
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
		case ref.Tenant == c.Tenant && other.ID != c.ID && other.Request.Number.Token == c.Request.Number.Token:
			return true
		}
	}
	return false
}

// recallHanded finds again who was handed on before this process heard the log:
// the view begins with open calls, and theirs are closed. The log is followed by
// then, so that nothing falls between what is looked through and what is heard.
func (s *Service) recallHanded(ctx context.Context) error {
	up := map[log.Ref]bool{}
	err := s.Ended(ctx, s.Now().Add(-s.Offset-s.Limits.Talk), func(r events.Record) {
		if ref := log.RefOf(r); handsOn(r) {
			up[ref] = true
		} else if customerLeft(r) {
			delete(up, ref)
		}
	})
	for ref := range up {
		if err != nil {
			break
		}
		var c *lifecycle.Call
		if c, err = s.Log.LatestCall(ctx, ref); err == nil {
			s.index.recall(ref, c)
		} else if fault.Of(err) == fault.Permanent {
			err = nil // nobody can read it
		}
	}
	return err
}

func (x *Index) recall(ref log.Ref, c *lifecycle.Call) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.handed.take(ref, c, events.Record{})
}
