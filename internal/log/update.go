package log

import (
	"context"
	"errors"
	"slices"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
)

// A Ref names one log: a call's or an agent's.
type Ref struct{ Tenant, ID string }

// RefOf is the log that an event belongs to.
func RefOf(r events.Record) Ref { return Ref{r.Tenant, r.Key} }

// A View is what a process has heard of the logs, each event once, folded and
// kept in memory. It may lag behind the leader, and holds no call that is
// closed. What it returns is shared: nobody changes it.
type View interface {
	// Call is an open call as far as it was heard, nil if it is not held.
	Call(Ref) *lifecycle.Call
	// Agent is an agent as far as it was heard, nil if it is not held.
	Agent(Ref) *lifecycle.Agent
	// Learn takes an event ahead of its turn, e.g. one that this process has
	// just appended. What does not follow on what is held is ignored.
	Learn(events.Record)
	// Reach waits until everything of a family up to a sequence was heard.
	// Its error is the context's.
	Reach(ctx context.Context, f events.Family, seq uint64) error
}

// A Log is how the services see and change calls and agents. They decide from
// memory and append compare-and-set: a decision on an old view loses, and is
// taken anew by what the leader says.
type Log struct {
	Leader
	view View
}

// New makes a log over a leader and a view. Without a view every read asks the
// leader.
func New(leader Leader, view View) *Log { return &Log{leader, view} }

// Call is a call as this process knows it, or as the leader does where it is
// not held; in state none if it does not exist. Whoever must not act on a call
// that is some milliseconds old asks LatestCall.
func (l *Log) Call(ctx context.Context, ref Ref) (*lifecycle.Call, error) {
	if l.view != nil {
		if c := l.view.Call(ref); c != nil {
			return own(c)
		}
	}
	return l.LatestCall(ctx, ref)
}

// LatestCall is a call as the leader knows it. Of a call that is held only
// what is missing is read.
func (l *Log) LatestCall(ctx context.Context, ref Ref) (*lifecycle.Call, error) {
	if l.view != nil {
		if held := l.view.Call(ref); held != nil {
			if c, err := l.further(ctx, held); c != nil || err != nil {
				return c, err
			}
		}
	}
	c, err := Call(ctx, l.Leader, ref.Tenant, ref.ID, 0)
	if err == nil && l.view != nil {
		for _, r := range c.Log {
			l.view.Learn(r)
		}
	}
	return c, err
}

// further reads on from what is held of a call: back from its last event. Nil
// says that the leader's log is not what is held and more.
func (l *Log) further(ctx context.Context, held *lifecycle.Call) (*lifecycle.Call, error) {
	last := held.Last()
	r, err := l.Last(ctx, events.CallFamily, held.Tenant, held.ID)
	var missing []events.Record
	for ; err == nil && r.Seq > last.Seq; r, err = l.At(ctx, events.CallFamily, r.After) {
		missing = append(missing, r)
	}
	if err != nil && !errors.Is(err, ErrNone) {
		return nil, err
	}
	if err != nil || r.Seq != last.Seq || r.ID != last.ID {
		return nil, nil // the store went back, or somebody wrote without comparing
	}
	for _, r := range slices.Backward(missing) {
		l.view.Learn(r)
		held = follow(held, r)
	}
	return own(held)
}

// own is a copy that its holder may change.
func own(c *lifecycle.Call) (*lifecycle.Call, error) {
	copied := *c
	copied.Log, copied.Faults = slices.Clip(c.Log), slices.Clip(c.Faults)
	if len(c.Faults) > 0 {
		return &copied, fault.New(fault.Permanent, "fold call", "illegal_event", errors.New(c.Faults[0]))
	}
	return &copied, nil
}

// Agent is an agent as this process knows it, or as the leader does; with
// sequence 0 if it was never enrolled. Whoever must not act on an agent that is
// some milliseconds old asks LatestAgent.
func (l *Log) Agent(ctx context.Context, ref Ref) (*lifecycle.Agent, error) {
	if l.view != nil {
		if a := l.view.Agent(ref); a != nil {
			return a, nil
		}
	}
	return l.LatestAgent(ctx, ref)
}

// LatestAgent is an agent as the leader knows it.
func (l *Log) LatestAgent(ctx context.Context, ref Ref) (*lifecycle.Agent, error) {
	a, err := Agent(ctx, l.Leader, ref.Tenant, ref.ID)
	if err == nil && a.Last.Seq > 0 && l.view != nil {
		l.view.Learn(a.Last)
	}
	return a, err
}

// Update changes a call, or something because of it: decide looks at the call
// and drafts the event that follows, nil for nothing. It is asked again, with
// the call as the leader knows it, when the log has moved on meanwhile, so it
// keeps nothing from one asking to the next. The answer is what was appended;
// its zero value says that nothing was. Only who Won may do what must be done
// once.
//
// A race lost eight times is Transient with code "conflict". An append whose
// outcome is not known is Transient too: whoever decides again reads first.
func (l *Log) Update(ctx context.Context, ref Ref, decide func(*lifecycle.Call) (*Draft, error)) (Appended, error) {
	read := l.Call
	return l.update(ctx, func() (*Draft, error) {
		c, err := read(ctx, ref)
		if err != nil {
			return nil, err
		}
		read = l.LatestCall // from the second time on
		return decide(c)
	})
}

// UpdateAgent is Update for an agent.
func (l *Log) UpdateAgent(ctx context.Context, ref Ref, decide func(*lifecycle.Agent) (*Draft, error)) (Appended, error) {
	read := l.Agent
	return l.update(ctx, func() (*Draft, error) {
		a, err := read(ctx, ref)
		if err != nil {
			return nil, err
		}
		read = l.LatestAgent
		return decide(a)
	})
}

// Begin appends the first event of a log that is believed to be empty, without
// asking first. ErrConflict says that it is not.
func (l *Log) Begin(ctx context.Context, d Draft) (Appended, error) {
	a, err := send(ctx, l, d)
	if fault.Code(err) == CodeAppendUnknown {
		err = transient("append", CodeAppendUnknown, err)
	}
	return a, err
}

func (l *Log) update(ctx context.Context, decide func() (*Draft, error)) (Appended, error) {
	for try := 1; ; try++ {
		d, err := decide()
		if err != nil || d == nil {
			return Appended{}, err
		}
		a, err := send(ctx, l, *d)
		switch {
		case err == nil:
			return a, nil
		case fault.Code(err) == CodeAppendUnknown:
			return Appended{}, transient("append", CodeAppendUnknown, err)
		case !errors.Is(err, ErrConflict) || try == maxTries:
			return Appended{}, err
		}
		if err := pause(ctx, l.Leader, try); err != nil {
			return Appended{}, err
		}
	}
}

// Reach waits until everything of a family up to a sequence was heard; without
// a view there is nothing to wait for.
func (l *Log) Reach(ctx context.Context, f events.Family, seq uint64) error {
	if l.view == nil {
		return nil
	}
	return l.view.Reach(ctx, f, seq)
}

// Append implements Leader; what was appended is known here at once.
func (l *Log) Append(ctx context.Context, d Draft) (Appended, error) {
	a, err := l.Leader.Append(ctx, d)
	if err == nil && l.view != nil {
		l.view.Learn(a.Record)
	}
	return a, err
}
