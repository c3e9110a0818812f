package compliance

import (
	"context"
	"sync"
	"time"

	"github.com/outdial/outdial/pkg/directory"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/journal"
	"github.com/outdial/outdial/pkg/journal/logs"
)

// openCalls is what this process remembers of calls that are not dialed yet,
// by number: an opt-out must reach them before the dialer does. It proves
// nothing; what is done by it is decided again from the log.
type openCalls struct {
	mu   sync.Mutex
	byID map[string]openCall // tenant/call
	seq  uint64              // of the last event heard
}

type openCall struct {
	tenant, id, token string
	first             uint64
}

func newOpenCalls() *openCalls { return &openCalls{byID: map[string]openCall{}} }

// Follow feeds the open calls with every event of CALLS, in order.
func (s *Service) Follow(r events.Record) {
	if r.Family != events.CallFamily {
		return
	}
	s.open.mu.Lock()
	defer s.open.mu.Unlock()
	key := r.Tenant + "/" + r.Key
	s.open.seq = r.Seq
	switch r.Name {
	case events.Requested:
		if c, ok := events.CommonOf(r.Body); ok {
			s.open.byID[key] = openCall{r.Tenant, r.Key, c.Number.Token, r.Seq}
		}
	case events.Dialing, events.Closed:
		delete(s.open.byID, key)
	}
}

func (o *openCalls) of(tenant, token string) []openCall {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []openCall
	for _, c := range o.byID {
		if c.tenant == tenant && c.token == token {
			out = append(out, c)
		}
	}
	return out
}

// behind is how long an opt-out waits for this process to have heard the log.
const behind = 2 * time.Second

// catchUp waits until everything that is stored now has been heard: a call
// judged before the entry was on the list must not be missed. What is requested
// later meets the entry by itself.
func (s *Service) catchUp(ctx context.Context) {
	if s.LastCall == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, behind)
	defer cancel()
	last, err := s.LastCall(ctx)
	for err == nil && s.open.heard() < last {
		select {
		case <-ctx.Done():
			s.Logger.WarnContext(ctx, "opt-out looked at open calls before all were heard")
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (o *openCalls) heard() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seq
}

// optOut appends failed to every open call of the number that has no intent
// yet, so that one under way loses its compare-and-set. A call that is being
// prepared owes an answer first; it is looked at again until that is there.
func (s *Service) optOut(ctx context.Context, t directory.Tenant, number string) error {
	s.catchUp(ctx)
	for _, open := range s.open.of(t.Name, t.Key.NumberToken(number)) {
		busy := false
		if err := journal.Run(ctx, s.Log, s.optOutOf(open, &busy)); err != nil {
			return err
		}
		if busy {
			// Its preparer asks the list again before it answers; this is for
			// an answer that is on its way in this very moment.
			go s.optOutLater(context.WithoutCancel(ctx), open)
		}
	}
	return nil
}

// optOutLater looks at a call again until its preparation is answered.
func (s *Service) optOutLater(ctx context.Context, open openCall) {
	ctx, cancel := context.WithTimeout(ctx, s.Prepare+5*time.Second)
	defer cancel()
	for busy := true; busy; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
		busy = false
		if err := journal.Run(ctx, s.Log, s.optOutOf(open, &busy)); err != nil {
			s.Logger.WarnContext(ctx, "opt-out of a call being prepared", "call", open.id, "code", fault.Code(err))
			return
		}
	}
}

func (s *Service) optOutOf(open openCall, busy *bool) journal.Step {
	return journal.Step{Make: func(ctx context.Context) (*journal.Draft, error) {
		c, err := logs.Call(ctx, s.Log, open.tenant, open.id, open.first)
		if err != nil || c.Dialing != nil {
			return nil, err
		}
		switch c.State {
		case lifecycle.Requested, lifecycle.Waiting, lifecycle.Assigned, lifecycle.Cleared, lifecycle.Withheld:
		case lifecycle.Preparing, lifecycle.Stopping:
			*busy = true
			return nil, nil
		default:
			return nil, nil
		}
		d, err := s.judge(ctx, c, demands{loopback: true})
		if err != nil || d.Allowed {
			return nil, err
		}
		return s.failed(c, d, nil, false, c.Touched)
	}}
}
