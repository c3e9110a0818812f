package compliance

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// openCalls is what this process remembers of calls that are not closed yet, by
// number: an opt-out must reach them before the dialer does. It proves nothing;
// what is done by it is decided again from the log.
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

// reset forgets everything: the log is heard from its beginning again.
func (o *openCalls) reset() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.byID)
	o.seq = 0
}

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
	case events.Closed:
		delete(s.open.byID, key)
	}
}

func (o *openCalls) of(tenant string, tokens map[string]bool) []openCall {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []openCall
	for _, c := range o.byID {
		if c.tenant == tenant && tokens[c.token] {
			out = append(out, c)
		}
	}
	return out
}

// behind is how long an opt-out waits for this process to have heard the log.
const behind = 2 * time.Second

// catchUp waits until everything that is stored now has been heard: a call
// judged before the entry was on the list must not be missed. What is requested
// later meets the entry by itself. False: not all of it was heard in time.
func (s *Service) catchUp(ctx context.Context) bool {
	if s.LastCall == nil {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, behind)
	defer cancel()
	last, err := s.LastCall(ctx)
	for err == nil && s.open.heard() < last {
		select {
		case <-ctx.Done():
			s.Logger.WarnContext(ctx, "opt-out looked at open calls before all were heard")
			return false
		case <-time.After(5 * time.Millisecond):
		}
	}
	return err == nil
}

func (o *openCalls) heard() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seq
}

// slips is how long an answer waits for a preparation of the number to be
// answered, and for what becomes of an intent. Who judges a call reads the list
// and appends the pass right behind; whoever read it before the entry was there
// has appended by then. A preparation that takes longer has the list still to
// read.
const slips = 250 * time.Millisecond

// reach is how far a call of a number is when an opt-out meets it.
type reach int

const (
	stopped  reach = iota // it is not dialed, or is over
	owed                  // it is being prepared, an answer is owed first
	sent                  // its intent is on record, and not yet what became of it
	underWay              // it rings, talks, or will
)

// A met is what an opt-out found of its numbers' calls.
type met struct {
	underWay map[string]int // by token: calls that have an intent, and are not stopped
	blind    bool           // this process has not heard the whole log: there may be more calls
}

func (m met) says(token string) string {
	says := ""
	if n := m.underWay[token]; n > 0 {
		says = fmt.Sprintf("calls to it that are under way and not stopped: %d (call.find shows them)", n)
	}
	if m.blind {
		says = also(says, "not all open calls could be looked at: ask again")
	}
	return says
}

// optOut appends failed to every open call of the numbers that has no intent,
// so that one on its way to the dialer loses its compare-and-set. When it
// returns, no call of theirs gets an intent any more; those that have one are
// told of and not stopped.
func (s *Service) optOut(ctx context.Context, t tenants.Tenant, tokens map[string]bool) (met, error) {
	m := met{underWay: map[string]int{}, blind: !s.catchUp(ctx)}
	calls, until := s.open.of(t.Name, tokens), time.Now().Add(slips)
	for {
		var busy []openCall
		late := !time.Now().Before(until)
		for _, c := range calls {
			r, err := s.stop(ctx, c)
			switch {
			case err != nil:
				return met{}, err
			case r == underWay || r == sent && late:
				m.underWay[c.token]++
			case r != stopped:
				busy = append(busy, c)
			}
		}
		if calls = busy; len(calls) == 0 || late {
			break
		}
		select {
		case <-ctx.Done():
			return met{}, ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	for _, c := range calls {
		// Its preparer asks the list again before it answers; this is for one
		// that was held up between asking and answering.
		go s.optOutLater(context.WithoutCancel(ctx), c)
	}
	return m, nil
}

// optOutLater looks at a call again until its preparation is answered.
func (s *Service) optOutLater(ctx context.Context, open openCall) {
	ctx, cancel := context.WithTimeout(ctx, s.Prepare+5*time.Second)
	defer cancel()
	for r := owed; r == owed; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
		var err error
		if r, err = s.stop(ctx, open); err != nil {
			s.Logger.WarnContext(ctx, "opt-out of a call being prepared", "call", open.id, "code", fault.Code(err))
			return
		}
	}
}

// stop appends failed to a call that an entry forbids, if it may still be
// stopped that way.
func (s *Service) stop(ctx context.Context, open openCall) (reach, error) {
	var r reach
	err := log.Run(ctx, s.Log, log.Step{Make: func(ctx context.Context) (*log.Draft, error) {
		c, err := log.Call(ctx, s.Log, open.tenant, open.id, open.first)
		if err != nil {
			return nil, err
		}
		if r = reachOf(c.State); !stoppable(c.State) {
			return nil, nil
		}
		d, err := s.judge(ctx, c, demands{loopback: true})
		if err != nil || d.Allowed {
			return nil, err
		}
		return s.failed(c, d, nil, false, c.Touched)
	}})
	return r, err
}

// stoppable are the states in which compliance may still say no.
func stoppable(state lifecycle.State) bool {
	switch state {
	case lifecycle.Requested, lifecycle.Waiting, lifecycle.Assigned, lifecycle.Cleared, lifecycle.Withheld:
		return true
	}
	return false
}

func reachOf(state lifecycle.State) reach {
	switch state {
	case lifecycle.Preparing, lifecycle.Stopping:
		return owed
	case lifecycle.Dialing:
		return sent
	case lifecycle.Started, lifecycle.PendingAgent, lifecycle.Unknown, lifecycle.ResolvedS,
		lifecycle.Offered, lifecycle.Ringing, lifecycle.Answered, lifecycle.Talking, lifecycle.Held,
		lifecycle.Consulting, lifecycle.Conferencing:
		return underWay
	}
	return stopped
}
