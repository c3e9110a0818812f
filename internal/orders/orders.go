// Package orders turns what is on record about a call and its agent into the
// order that a provider understands. Compliance and the dialer make it the
// same way, so that what was scrubbed is what is dialed.
package orders

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/internal/tenants"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/events/lifecycle"
	"github.com/outdial/outdial/pkg/providers"
)

// A Book makes orders. It reads the log only for an agent's sealed token, once
// an enrolment.
type Book struct {
	Log       log.Leader
	Directory *tenants.Directory

	mu     sync.Mutex
	tokens map[log.Ref]sealed
}

// sealed is an agent's sealed token and the sequence of the enrolment that
// brought it.
type sealed struct {
	token string
	seq   uint64
}

// Agent is the agent as its provider knows it, with its credential opened.
func (b *Book) Agent(ctx context.Context, a *lifecycle.Agent) (providers.AgentRef, error) {
	token, err := b.token(ctx, a)
	if err != nil {
		return providers.AgentRef{}, err
	}
	ref, err := b.Directory.AgentRef(a.Tenant, a.ID, a.State, token)
	if err != nil {
		return ref, fault.New(fault.Permanent, "open agent token", "token_sealed", err)
	}
	return ref, nil
}

// token is what the agent's enrolment holds.
func (b *Book) token(ctx context.Context, a *lifecycle.Agent) (string, error) {
	seq, ref := a.State.EnrolledSeq, log.Ref{Tenant: a.Tenant, ID: a.ID}
	if seq == 0 {
		return "", nil
	}
	b.mu.Lock()
	known, ok := b.tokens[ref]
	b.mu.Unlock()
	if ok && known.seq == seq {
		return known.token, nil
	}
	r, err := b.Log.At(ctx, events.AgentFamily, seq)
	if err != nil {
		return "", err
	}
	e, ok := r.Body.(*events.AgentEnrolled)
	if !ok || log.RefOf(r) != ref {
		return "", nil
	}
	b.Learn(r)
	return e.Token, nil
}

// Learn takes an event of an agent's log: what it says of her token need not be
// read, and of one who is gone nothing is kept.
func (b *Book) Learn(r events.Record) {
	e, ok := r.Body.(*events.AgentEnrolled)
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case r.Name == events.Removed:
		delete(b.tokens, log.RefOf(r))
	case ok && b.tokens == nil:
		b.tokens = map[log.Ref]sealed{}
		fallthrough
	case ok:
		b.tokens[log.RefOf(r)] = sealed{e.Token, r.Seq}
	}
}

// Forget lets go of what was read: the store went back, and another enrolment
// may stand where one was.
func (b *Book) Forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.tokens)
}

// WithdrawFor is how long after the leader was asked about an agent what she
// stands prepared for may be withdrawn. Who is held for it is not set free before
// every withdrawal that was allowed is over.
const WithdrawFor = 3 * time.Second

// ErrNoConnection says that the connection a call was assigned to is not
// configured here.
var ErrNoConnection = errors.New("connection is not configured")

// Lent reads the agent that a call is assigned to, in the way that the caller
// reads agents; nil where the call stands in a queue of its provider's.
func Lent(ctx context.Context, c *lifecycle.Call, read func(context.Context, log.Ref) (*lifecycle.Agent, error)) (*lifecycle.Agent, error) {
	if c.Queued() {
		return nil, nil
	}
	return read(ctx, log.Ref{Tenant: c.Tenant, ID: c.Assigned.Agent})
}

// BuildDialRequest makes the order of a call that is assigned to the agent; nil
// where it stands in a queue of the provider's.
func (b *Book) BuildDialRequest(ctx context.Context, c *lifecycle.Call, a *lifecycle.Agent) (providers.Order, tenants.Connection, error) {
	if c.Request == nil || c.Assigned == nil {
		return providers.Order{}, tenants.Connection{}, fault.New(fault.Permanent, "make order", "not_assigned", nil)
	}
	conn, ok := b.Directory.Connection(c.Tenant, c.Assigned.Connection)
	if !ok {
		return providers.Order{}, conn, fault.New(fault.Permanent, "make order", "no_connection", ErrNoConnection)
	}
	ref := providers.AgentRef{Tenant: c.Tenant, Connection: conn.Name}
	if !c.Queued() {
		var err error
		if ref, err = b.Agent(ctx, a); err != nil {
			return providers.Order{}, conn, err
		}
		ref.HuntGroup, ref.Session = cmp.Or(c.Assigned.HuntGroup, ref.HuntGroup), c.Assigned.Session
	}
	q := c.Request.Request
	numbers, err := b.numbers(c)
	if err != nil {
		return providers.Order{}, conn, err
	}
	o := providers.Order{
		Call: c.ID, To: q.To, Numbers: numbers, From: c.Request.From, Agent: ref, Queue: c.Assigned.Queue,
		Metadata: q.Metadata, Recording: q.Recording, Options: q.Options,
	}
	if c.Preparing != nil {
		o.Attempt, o.StartTime, o.NotAfter = c.Preparing.Attempt, c.Preparing.StartTime, c.Preparing.NotAfter
	}
	if c.Passed != nil {
		o.Scrub, o.PassEnds = c.Passed.Scrub, c.Passed.ValidUntil
		if c.Passed.CallAt != nil {
			o.CallAt = *c.Passed.CallAt
		}
	}
	if c.Dialing != nil {
		o.Attempt, o.NotAfter, o.Dialed, o.IDs = c.Dialing.Attempt, c.Dialing.NotAfter, true, c.ProviderIDs()
	}
	if o.StartTime.IsZero() {
		o.StartTime = c.Request.ReceivedAt.Truncate(time.Second)
	}
	return o, conn, nil
}

// numbers are those of the request that its pass clears, in the pass's order, and
// no other (I1): before there is one, and by a pass of former versions, the one to
// call alone.
func (b *Book) numbers(c *lifecycle.Call) ([]string, error) {
	q := c.Request.Request
	if c.Passed == nil || len(c.Passed.Numbers) == 0 {
		return []string{q.To}, nil
	}
	t, _ := b.Directory.Tenant(c.Tenant)
	var out []string
	for _, cleared := range c.Passed.Numbers {
		for _, n := range q.Numbers() {
			if t.Key.NumberToken(n) == cleared.Token {
				out = append(out, n)
			}
		}
	}
	if len(out) != len(c.Passed.Numbers) || out[0] != q.To {
		return nil, fault.New(fault.Permanent, "make order", "other_number", nil)
	}
	return out, nil
}
