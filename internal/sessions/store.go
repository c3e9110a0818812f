package sessions

import (
	"context"
	"iter"
	"time"

	"github.com/outdial/outdial/pkg/events/fault"
)

// A Store is the projection: Redis or Memory.
//
// All errors are faults: Permanent for arguments that cannot be right,
// Transient when the store cannot be reached. A Transient failure may be
// repeated as it is, even when it had happened all the same; no caller's
// decision is unsafe without an answer.
//
// What is lost comes back like this: Missing says that Redis was flushed,
// restarted empty, or lacks something. From then on hints and queues are
// incomplete, so whoever sees it goes by the log alone and calls Rebuild; one
// worker gets to do it, the others hear ErrRebuilding and look again later.
// Apply goes on meanwhile at every worker, because fences make the order
// irrelevant. That all is there again is written last, and only if nothing was
// lost since the rebuild began; else the answer is ErrRebuildLost and it has to
// be done again.
type Store interface {
	// Apply records the agent's state after its event at a.Seq. It changes
	// nothing and reports false when the store has that event or a later one,
	// or a newer incarnation of the log; so events may come twice, late and in
	// any order. False may also mean that an earlier try, whose answer was
	// lost, has done it.
	//
	// An applied state moves the agent in and out of ready queues, leaves the
	// queues of hunt groups it is no longer in, and clears the hint of the call
	// that the state before was claimed by, once it is not any more.
	Apply(ctx context.Context, a Agent) (applied bool, err error)

	// Ready lists up to limit agents of the hunt group that are Free and for
	// whom nobody holds a hint, longest idle first, ties by id.
	Ready(ctx context.Context, tenant, huntGroup string, limit int) ([]string, error)

	// Hint asks for the agent on behalf of call. mine says that call holds the
	// hint now, for ttl from now (rounded up to a millisecond, by the store's
	// own clock); asking again renews it. Otherwise holder is the call that
	// does. A hint is advice: the claim itself is an append to the log.
	Hint(ctx context.Context, tenant, agent, call string, ttl time.Duration) (mine bool, holder string, err error)

	// Missing reports whether the projection has to be rebuilt: it was never
	// built, lost, or found damaged, or one of the Free agents among known has
	// no record, or no place in a queue that the record says it waits in. The
	// caller names in known only whom Apply has been given a while ago.
	Missing(ctx context.Context, known iter.Seq[Agent]) (bool, error)

	// Rebuild applies every agent of the log. The caller notes the stream's
	// incarnation and last sequence first, as mark, and then reads the agents:
	// agents must yield every agent that has an event at or before the mark,
	// in its state at the mark or later, all of mark's incarnation. Agents in
	// the store that it did not yield, and whose last event is not after the
	// mark, are removed: the log does not know them.
	//
	// An error from agents ends the rebuild and is returned as it is; nothing
	// applied until then is undone, as all of it is true.
	Rebuild(ctx context.Context, mark Mark, agents iter.Seq2[Agent, error]) error
}

// A Mark is a place in the agents' log.
type Mark struct {
	Incarnation string `json:"incarnation"` // as in Agent
	Seq         uint64 `json:"seq"`         // the stream's last sequence then; 0 for an empty log
}

// An epoch says from where in the log the projection was last rebuilt whole.
type epoch struct {
	Mark
	ID string `json:"id"` // differs for each rebuild
}

// ErrRebuilding says that another worker is rebuilding: look again later.
var ErrRebuilding error = &fault.Error{
	Class: fault.Transient, Op: "rebuild sessions", Code: "rebuilding", After: time.Second,
}

// ErrRebuildLost says that the projection was lost again, found damaged, or
// taken over by another rebuilder while this one was at work.
var ErrRebuildLost error = &fault.Error{
	Class: fault.Transient, Op: "rebuild sessions", Code: "rebuild_lost",
}

// ErrOldIncarnation says that the projection was made from a newer stream than
// the one this worker reads; that worker must stop, not try again.
var ErrOldIncarnation error = &fault.Error{
	Class: fault.Permanent, Op: "rebuild sessions", Code: "old_incarnation",
}

// canonical returns the mark as it is compared and kept.
func (m Mark) canonical() (Mark, error) {
	inc, err := canonicalIncarnation(m.Incarnation)
	if err != nil {
		return Mark{}, fault.New(fault.Permanent, "rebuild sessions", "bad_mark", err)
	}
	m.Incarnation = inc
	return m, nil
}

// admit checks an agent that a rebuild was given.
func (m Mark) admit(a Agent) (Agent, error) {
	a, err := a.canonical()
	if err != nil {
		return Agent{}, err
	}
	if a.Incarnation != m.Incarnation {
		return Agent{}, fault.New(fault.Permanent, "rebuild sessions", "foreign_incarnation", nil)
	}
	return a, nil
}
