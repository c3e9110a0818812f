package desktop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
)

// A Sender gives a request to a page; a Hub is one.
type Sender interface {
	Send(ctx context.Context, connection, agent, session, attempt string, notAfter time.Time, message []byte) error
}

// A Responder answers requests over NATS for the desktops whose sockets this
// process holds: it subscribes to each session's own subject while it is open,
// so that a request for any other finds no responder.
type Responder struct {
	nc     *nats.Conn
	sender Sender
	wait   time.Duration

	mu   sync.Mutex
	subs map[string]*nats.Subscription // by session
}

// NewResponder makes a responder; ackTimeout is how long a page may take to
// acknowledge, DefaultAckTimeout when 0.
func NewResponder(nc *nats.Conn, s Sender, ackTimeout time.Duration) *Responder {
	return &Responder{nc: nc, sender: s, wait: cmp.Or(ackTimeout, DefaultAckTimeout), subs: map[string]*nats.Subscription{}}
}

// Open begins to answer for a session. When it returns nil, the broker knows:
// only then may anybody be told of the session.
func (r *Responder) Open(ctx context.Context, tenant, connection, agent, session string) error {
	const op = "open workspace"
	for _, token := range []string{tenant, connection, agent, session} {
		if !events.IsToken(token) {
			return fault.New(fault.Permanent, op, "bad_address", nil)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.subs[session] != nil {
		return fault.New(fault.Permanent, op, "session_open", nil)
	}
	sub, err := r.nc.Subscribe(events.WorkspaceSubject(tenant, connection, agent, session), func(m *nats.Msg) {
		r.answer(m, connection, agent, session)
	})
	if err != nil {
		return fault.New(fault.Transient, op, "broker", err)
	}
	ctx, cancel := context.WithTimeout(ctx, r.wait)
	defer cancel()
	if err := r.nc.FlushWithContext(ctx); err != nil {
		_ = sub.Unsubscribe()
		return fault.New(fault.Transient, op, "broker", err)
	}
	r.subs[session] = sub
	return nil
}

// Close ends answering for a session; one that is not open is no error. When
// it returns nil the broker knows, and a request finds no responder rather
// than silence.
func (r *Responder) Close(session string) error {
	r.mu.Lock()
	sub := r.subs[session]
	delete(r.subs, session)
	r.mu.Unlock()
	if sub == nil {
		return nil
	}
	if err := sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		return fmt.Errorf("close workspace: %w", err)
	}
	if err := r.nc.FlushTimeout(r.wait); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		return fmt.Errorf("close workspace: %w", err)
	}
	return nil
}

func (r *Responder) answer(m *nats.Msg, connection, agent, session string) {
	err := r.handle(m, connection, agent, session)
	reply := nats.NewMsg(m.Reply)
	reply.Header.Set(HeaderResult, acknowledged)
	if err != nil {
		reply.Header.Set(HeaderResult, fault.Of(err).String())
		reply.Header.Set(HeaderCode, fault.Code(err))
	}
	// An answer that does not arrive leaves the asker uncertain, as it should.
	_ = m.RespondMsg(reply)
}

func (r *Responder) handle(m *nats.Msg, connection, agent, session string) error {
	attempt := m.Header.Get(HeaderAttempt)
	notAfter, err := time.Parse(time.RFC3339Nano, m.Header.Get(HeaderNotAfter))
	if err != nil || m.Reply == "" || !events.IsToken(attempt) {
		return fault.New(fault.Permanent, "send to desktop", "bad_request", nil)
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.wait)
	defer cancel()
	return r.sender.Send(ctx, connection, agent, session, attempt, notAfter, m.Data)
}
